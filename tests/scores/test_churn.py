"""The points rule of churn risk, each part worked out by hand."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pandas as pd
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn import churn_risk, contributions
from segmentation_assets.scores.churn_model import ChurnModel
from tests.companies import spine, typed
from tests.scores.models import the_rule, trained
from tests.scores.profiles import stored

DAY = date(2024, 3, 4)
POLICY = load_policy().churn
RULE = typed(ChurnModel, the_rule(DAY, base=-3.0, size=-0.5))
CALM = {
    "arr": 1000.0,
    "single_champion": False,
    "overdue_days": 0,
    "sentiment": 0.2,
    "days_to_renewal": 200,
    "signal_weight_180d": 0.0,
}


def scored(cohort="Steady State", model=RULE, **profile):
    profiles = typed(AccountProfiles, [{"as_of": DAY, "account_id": "a", "is_live": True, **CALM, **profile}])
    cohorts = [{"as_of": DAY, "account_id": "a", "behavioral_cohort": cohort}]
    behavior = typed(BehavioralScores, cohorts)
    table = stored(churn_risk(profiles, behavior, model, spine(DAY), POLICY))
    return table, contributions(table, profiles, behavior, POLICY)


def log_odds(**inputs):
    return scored(**inputs)[0].execute().log_odds.item()


def test_a_calm_account_has_the_base_rate():
    row = scored()[0].execute().iloc[0]
    assert row.log_odds == -3
    assert row.churn_risk == pytest.approx(1 / (1 + math.e**3), abs=1e-12)
    assert row.churn_risk == pytest.approx(0.0474258731775668, abs=1e-12)
    assert (row.inputs_missing, row.is_fitted, row.risk_rank) == ("", True, 50)
    assert row.size_points == 0  # a lone account stands in the middle


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
    row = scored(sentiment=None, overdue_days=31)[0].execute().iloc[0]
    assert (row.log_odds, row.inputs_missing) == (pytest.approx(-2.2), "sentiment")


def test_contributions_sum_to_the_log_odds():
    table, parts = scored(cohort="At Risk", overdue_days=31, signal_weight_180d=0.5)
    rows = parts.execute().set_index("part")
    assert set(rows.score) == {"churn_risk"}
    assert rows.points.sum() == pytest.approx(table.execute().log_odds.item(), abs=1e-9)
    assert rows.points.to_dict() == {
        "base": -3,
        "size": 0,
        "cohort": 1.5,
        "single_champion": 0,
        "overdue": 0.8,
        "sentiment": 0,
        "renewal": 0,
        "external_signals": -0.5,
        "seat_activity": 0,
        "usage_trend": 0,
        "leaving": 0,
    }
    assert (rows.raw_text["cohort"], rows.raw_number["overdue"]) == ("At Risk", 31)
    assert rows.weight.isna().all()  # the points say what a part is worth
    assert rows.raw_text["single_champion"] == "no"
    assert (rows.raw_number["base"], rows.raw_number["size"]) == (-3, 1000)


def test_with_nothing_known_but_the_contract_there_is_a_rank_and_no_probability():
    unknown = dict.fromkeys(name for name in CALM if name != "arr")
    row = scored(cohort=None, **unknown)[0].execute().iloc[0]
    assert pd.isna(row.churn_risk)
    assert (row.log_odds, row.risk_rank) == (-3, 50)
    assert row.inputs_missing == "cohort, single_champion, overdue, sentiment, renewal, external_signals"
    only_contract = scored(cohort=None, **unknown | {"days_to_renewal": 10})[0].execute().iloc[0]
    assert pd.isna(only_contract.churn_risk)
    assert scored(cohort=None, **unknown | {"overdue_days": 0})[0].execute().churn_risk.notna().all()


def test_small_accounts_leave_more_often_where_the_company_says_so_and_equals_share_a_rank():
    accounts = {"small": 100.0, "middle": 500.0, "equal": 500.0, "large": 9000.0}
    rows = [{"as_of": DAY, "account_id": a, "is_live": True, **CALM, "arr": arr} for a, arr in accounts.items()]
    cohorts = [{"as_of": DAY, "account_id": a, "behavioral_cohort": "Steady State"} for a in accounts]
    profiles, behavior = typed(AccountProfiles, rows), typed(BehavioralScores, cohorts)
    table = churn_risk(profiles, behavior, RULE, spine(DAY), POLICY).execute().set_index("account_id")
    # Mid-ranks of ARR: 0.125, 0.5, 0.5, 0.875; less one half, times -0.5.
    assert table.size_points.to_dict() == {"small": 0.1875, "middle": 0, "equal": 0, "large": -0.1875}
    assert table.log_odds["small"] == -2.8125
    assert table.risk_rank.to_dict() == {"small": 87.5, "middle": 50, "equal": 50, "large": 12.5}


def test_only_live_accounts_of_the_days_asked_for():
    other = date(2024, 3, 11)
    rows = [
        {"as_of": DAY, "account_id": "live", "is_live": True},
        {"as_of": DAY, "account_id": "gone", "is_live": False},
        {"as_of": other, "account_id": "live", "is_live": True},
    ]
    behavior = typed(BehavioralScores, [{"as_of": DAY, "account_id": "live", "behavioral_cohort": "Dormant"}])
    table = churn_risk(typed(AccountProfiles, rows), behavior, RULE, spine(DAY), POLICY).execute()
    assert table.account_id.tolist() == ["live"]
    assert table.log_odds.tolist() == [-0.5]


def test_an_account_whose_end_is_known_is_a_fact_and_no_risk():
    leaving = scored(leaving_on=DAY + timedelta(days=90), days_to_renewal=90)[0].execute().iloc[0]
    assert leaving.leaving_points == 12
    assert leaving.log_odds == pytest.approx(-3 + 0.8 + 12)
    assert leaving.churn_risk > 0.9999
    later = scored(leaving_on=DAY + timedelta(days=91), days_to_renewal=91)[0].execute().iloc[0]
    assert (later.leaving_points, later.log_odds) == (0, -3)
    assert later.churn_risk_12m > 0.99  # it leaves in the second period
    long_after = scored(leaving_on=DAY + timedelta(days=364), days_to_renewal=364)[0].execute().iloc[0]
    assert long_after.churn_risk_12m < 0.3


def test_by_the_rule_each_period_of_a_year_has_the_same_risk_and_the_renewal_where_it_falls():
    one = 1 / (1 + math.e**3)
    renewing = 1 / (1 + math.exp(3 - 0.8))
    # Periods end on days 90, 181, 272 and 363.
    for days, periods in ((200, (one, one, renewing, one)), (181, (one, renewing, one, one)), (400, (one,) * 4)):
        row = scored(days_to_renewal=days)[0].execute().iloc[0]
        assert row.churn_risk_12m == pytest.approx(1 - math.prod(1 - p for p in periods), abs=1e-12)


def test_the_trained_model_adds_up_what_it_was_taught():
    now = {"base": -4.0, "renewal": 2.0, "seat_activity": -1.5, "cohort At Risk": 1.0, "external_signals": -0.5}
    later = {"base": -3.5, "renewal": 2.0, "seat_activity": -1.0, "cohort At Risk": 0.5}
    model = typed(ChurnModel, trained(DAY, now, later, seat_activity=0.6))
    table, parts = scored("At Risk", model, mau_seat_share=0.2, days_to_renewal=30, signal_weight_180d=1.0)
    row = table.execute().iloc[0]
    # -4 + 2 for the renewal + 1 for the cohort - 1.5 x (0.2 - 0.6) - 0.5 x 1
    assert row.log_odds == pytest.approx(-4 + 2 + 1 + 0.6 - 0.5)
    # Later: -3.5 + 0.5 - 1 x (0.2 - 0.6), three times, no renewal left.
    first, each = (1 / (1 + math.exp(-x)) for x in (-0.9, -2.6))
    assert row.churn_risk_12m == pytest.approx(1 - (1 - first) * (1 - each) ** 3)
    assert row.is_trained
    assert parts.execute().points.sum() == pytest.approx(row.log_odds, abs=1e-9)


def test_a_figure_counts_up_to_the_ends_of_its_range_and_as_the_mean_where_it_is_not_known():
    model = typed(ChurnModel, trained(DAY, {"base": -4.0, "seat_activity": -1.0}, {}, seat_activity=0.5))
    for share, added in ((5.0, -0.7), (1.2, -0.7), (0.0, 0.5), (None, 0.0)):
        row = scored(model=model, mau_seat_share=share)[0].execute().iloc[0]
        assert row.seat_activity_points == pytest.approx(added)
    assert row.inputs_missing == "seat_activity, usage_trend"
