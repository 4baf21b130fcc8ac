"""The points rule of churn risk, each part worked out by hand."""

from __future__ import annotations

import math
from datetime import date

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn import churn_risk, contributions
from tests.companies import given, spine
from tests.scores.profiles import stored

DAY = date(2024, 3, 4)
POLICY = load_policy().churn
CALM = {
    "single_champion": False,
    "overdue_days": 0,
    "sentiment": 0.2,
    "days_to_renewal": 200,
    "signal_weight_180d": 0.0,
}


def scored(cohort="Steady State", **profile):
    profiles = given(AccountProfiles, [{"as_of": DAY, "account_id": "a", "is_live": True, **CALM, **profile}])
    cohorts = [{"as_of": DAY, "account_id": "a", "behavioral_cohort": cohort}]
    behavior = given(BehavioralScores, cohorts)
    made = stored(churn_risk(profiles, behavior, spine(DAY), POLICY))
    return made, contributions(made, profiles, behavior, POLICY)


def log_odds(**inputs):
    return scored(**inputs)[0].execute().log_odds.item()


def test_a_calm_account_has_the_base_rate():
    row = scored()[0].execute().iloc[0]
    assert row.log_odds == -3
    assert row.churn_risk == pytest.approx(1 / (1 + math.e**3), abs=1e-12)
    assert row.churn_risk == pytest.approx(0.0474258731775668, abs=1e-12)
    assert row.inputs_missing == ""


@pytest.mark.parametrize(
    ("inputs", "added"),
    [
        ({"cohort": "At Risk"}, 1.5),
        ({"cohort": "Dormant"}, 2.5),
        ({"cohort": "Power User"}, 0),
        ({"single_champion": True}, 0.8),
        ({"overdue_days": 30}, 0),
        ({"overdue_days": 31}, 0.8),
        ({"sentiment": -0.3}, 0),
        ({"sentiment": -0.31}, 0.6),
        ({"days_to_renewal": 90}, 0.8),
        ({"days_to_renewal": 91}, 0),
        ({"signal_weight_180d": -0.7}, 0.7),
        ({"signal_weight_180d": 1.2}, -1.2),
    ],
)
def test_each_part_adds_its_log_odds(inputs, added):
    assert log_odds(**inputs) == pytest.approx(-3 + added, abs=1e-12)


def test_parts_add_up_in_log_odds_and_never_leave_zero_to_one():
    worst = {
        "cohort": "Dormant",
        "single_champion": True,
        "overdue_days": 60,
        "sentiment": -0.9,
        "days_to_renewal": 10,
        "signal_weight_180d": -1.0,
    }
    row = scored(**worst)[0].execute().iloc[0]
    assert row.log_odds == pytest.approx(-3 + 2.5 + 0.8 + 0.8 + 0.6 + 0.8 + 1)
    assert row.churn_risk == pytest.approx(1 / (1 + math.exp(-3.5)))
    for weight, risk in ((-2000.0, 1.0), (2000.0, 0.0)):
        assert scored(signal_weight_180d=weight)[0].execute().churn_risk.item() == risk


def test_unknown_inputs_add_nothing_and_are_named():
    unknown = dict.fromkeys(CALM)
    row = scored(cohort=None, **unknown)[0].execute().iloc[0]
    assert row.log_odds == -3
    assert row.inputs_missing == "cohort, single_champion, overdue, sentiment, renewal, external_signals"
    row = scored(sentiment=None, overdue_days=31)[0].execute().iloc[0]
    assert (row.log_odds, row.inputs_missing) == (pytest.approx(-2.2), "sentiment")


def test_contributions_sum_to_the_log_odds():
    made, parts = scored(cohort="At Risk", overdue_days=31, signal_weight_180d=0.5)
    rows = parts.execute().set_index("part")
    assert set(rows.score) == {"churn_risk"}
    assert rows.points.sum() == pytest.approx(made.execute().log_odds.item(), abs=1e-9)
    assert rows.points.to_dict() == {
        "base": -3,
        "cohort": 1.5,
        "single_champion": 0,
        "overdue": 0.8,
        "sentiment": 0,
        "renewal": 0,
        "external_signals": -0.5,
    }
    assert (rows.raw_text["cohort"], rows.raw_number["overdue"], rows.weight["overdue"]) == ("At Risk", 31, 0.8)
    assert rows.raw_text["single_champion"] == "no"


def test_only_live_accounts_of_the_days_asked_for():
    other = date(2024, 3, 11)
    rows = [
        {"as_of": DAY, "account_id": "live", "is_live": True},
        {"as_of": DAY, "account_id": "gone", "is_live": False},
        {"as_of": other, "account_id": "live", "is_live": True},
    ]
    behavior = given(BehavioralScores, [{"as_of": DAY, "account_id": "live", "behavioral_cohort": "Dormant"}])
    made = churn_risk(given(AccountProfiles, rows), behavior, spine(DAY), POLICY).execute()
    assert made.account_id.tolist() == ["live"]
    assert made.log_odds.tolist() == [-0.5]
