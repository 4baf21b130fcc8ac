"""What holds for each of the six tables: the contract, days apart from each other, live accounts alone, order."""

from __future__ import annotations

from datetime import timedelta

import ibis
import pandas as pd
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.scores import behavioral, churn, firmographic, health, needs, technographic
from segmentation_assets.scores.churn_model import ChurnModel
from segmentation_assets.tables.contracts import conform
from segmentation_assets.tables.enforcement import enforce
from tests.companies import spine, typed
from tests.scores.models import the_rule
from tests.scores.profiles import DAY, profiles

POLICY = load_policy()
LATER = DAY + timedelta(days=7)
RICH = {
    "employees": 2000,
    "industry": "Software",
    "region": "emea",
    "business_model": "b2b",
    "funding_stage": "public",
    "buying_cycle_days": 10,
    "complementary_tools": 9,
    "competitor_tools": 0,
    "legacy_tools": 0,
    "sophistication": 1.0,
    "consolidation": "expanding",
    "lifecycle_stage": "established",
    "active_users_28d": 90,
    "events_28d": 900,
    "active_users_prior_28d": 50,
    "mau_seat_share": 1.4,
    "users_trend_net": 9.0,
    "key_events_per_active_user": 1e6,
    "feature_breadth_share": 1.0,
    "department_breadth_share": 1.0,
    "consistency": 1.0,
    "self_service_ratio": 1.0,
    "touches_90d": 99,
    "products": 4,
    "responsiveness": 1.0,
    "nps": 100.0,
    "csat": 5.0,
    "sentiment": 1.0,
    "error_rate": 0.0,
    "goals_met_share": 1.0,
    "mean_days_late": 0.0,
    "overdue_days": 0,
    "negative_weight_180d": 0.0,
    "single_champion": False,
    "days_to_renewal": 300,
    "signal_weight_180d": 3.0,
}
POOR = {
    **{name: 0 for name, value in RICH.items() if isinstance(value, int | float) and not isinstance(value, bool)},
    "lifecycle_stage": "established",
    "consolidation": "consolidating",
    "features_used": 0,
    "goals_due": 1,
    "nps": -100.0,
    "sentiment": -1.0,
    "users_trend_net": -1.0,
    "error_rate": 1.0,
    "mean_days_late": 400.0,
    "overdue_days": 400,
    "negative_weight_180d": -9.0,
    "single_champion": True,
    "days_to_renewal": 1,
}
ACCOUNTS = {
    "rich": RICH,
    "poor": POOR,
    "unknown": {},
    "half": {name: value for i, (name, value) in enumerate(RICH.items()) if i % 2},
    "churned": {**RICH, "is_live": False},
}
INPUTS = profiles(
    {
        **ACCOUNTS,
        **{f"{name} later": {**columns, "as_of": LATER} for name, columns in ACCOUNTS.items()},
    }
)
COHORTS = typed(
    behavioral.BehavioralScores,
    [
        {"as_of": DAY, "account_id": "poor", "behavioral_cohort": "Dormant"},
        {"as_of": LATER, "account_id": "poor", "behavioral_cohort": "At Risk"},
        {"as_of": LATER, "account_id": "poor later", "behavioral_cohort": "Dormant"},
    ],
)
RULE = typed(ChurnModel, the_rule(DAY, LATER, base=-5.0, size=-1.0))
TABLES = {
    "firmographic": (
        firmographic.FirmographicScores,
        lambda days: firmographic.firmographic_scores(INPUTS, days, POLICY.firmographic),
    ),
    "technographic": (
        technographic.TechnographicScores,
        lambda days: technographic.technographic_scores(INPUTS, days, POLICY.technographic),
    ),
    "behavioral": (
        behavioral.BehavioralScores,
        lambda days: behavioral.behavioral_scores(INPUTS, days, POLICY.behavioral),
    ),
    "needs": (needs.NeedsScores, lambda days: needs.needs_scores(INPUTS, days, POLICY.needs)),
    "health": (health.HealthScores, lambda days: health.health_scores(INPUTS, days, POLICY.health)),
    "churn": (churn.ChurnRisk, lambda days: churn.churn_risk(INPUTS, COHORTS, RULE, days, POLICY.churn)),
}


def rows(table):
    return table.execute().sort_values(["as_of", "account_id"], ignore_index=True).sort_index(axis="columns")


@pytest.mark.parametrize("name", TABLES)
def test_the_contract_holds_at_the_extremes(name):
    contract, make = TABLES[name]
    table = conform(contract, make(spine(DAY, LATER)).mutate(policy_hash=ibis.literal("test")))
    verdict = enforce(contract, table, lambda expr: expr.execute())
    assert verdict.passed, verdict.describe()


@pytest.mark.parametrize("name", TABLES)
def test_days_do_not_see_each_other_and_only_live_accounts_are_scored(name):
    _, make = TABLES[name]
    both = rows(make(spine(DAY, LATER)))
    alone = pd.concat([rows(make(spine(day))) for day in (DAY, LATER)], ignore_index=True)
    pd.testing.assert_frame_equal(both, alone)
    assert both.account_id.tolist() == [
        *sorted(["rich", "poor", "unknown", "half"]),
        *sorted(["rich later", "poor later", "unknown later", "half later"]),
    ]


@pytest.mark.parametrize(
    ("name", "score", "highest", "lowest"),
    [
        ("firmographic", "firmographic_score", None, None),
        ("technographic", "technographic_score", 100, 19.5),
        ("behavioral", "behavioral_score", 100, 0),
        ("needs", "needs_score", 100, 0),
        ("health", "health_score", 100, 0),
    ],
)
def test_the_best_and_the_worst_account_stand_at_the_ends(name, score, highest, lowest):
    scores = rows(TABLES[name][1](spine(DAY))).set_index("account_id")[score]
    assert scores["rich"] > scores["poor"]
    if highest is not None:
        assert (scores["rich"], scores["poor"]) == pytest.approx((highest, lowest))
    assert pd.isna(scores["unknown"])
