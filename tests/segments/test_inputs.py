from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.expansion import ExpansionScores
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.health import HealthScores
from segmentation_assets.scores.needs import NeedsScores
from segmentation_assets.scores.value import ValueScores
from segmentation_assets.segments.cuts import TierCuts
from segmentation_assets.segments.inputs import segment_inputs
from tests.companies import records, spine, typed

POLICY = load_policy()
DAY = date(2026, 5, 6)
SOURCES = {
    "account_profiles": AccountProfiles,
    "firmographic_scores": FirmographicScores,
    "behavioral_scores": BehavioralScores,
    "value_scores": ValueScores,
    "needs_scores": NeedsScores,
    "expansion_scores": ExpansionScores,
    "health_scores": HealthScores,
}
DEFAULTS = {"arr": 15_000.0, "is_live": True, "is_multi_product": False, "is_multi_region": False}


def inputs_of(*accounts: dict, day: date = DAY, others: date | None = None) -> list[dict]:
    """Inputs of accounts whose columns are given by name, whatever table they stand in."""
    tables = {}
    for name, contract in SOURCES.items():
        columns = contract.to_schema().columns
        rows = [
            {"as_of": on, "account_id": f"a{i}"} | {k: v for k, v in (DEFAULTS | a).items() if k in columns}
            for i, a in enumerate(accounts)
            for on in (day, others)
            if on
        ]
        tables[name] = typed(contract, rows)
    cuts = typed(TierCuts, [{"as_of": day, "strategic_cut": 50_000.0, "top_cut": 90_000.0}])
    result = segment_inputs(
        spine(day), **tables, tier_cuts=cuts, behavioral=POLICY.behavioral, tier=POLICY.tier,
        stability=POLICY.stability,
    )  # fmt: skip
    return records(result.order_by("account_id"))


def input_of(**columns) -> dict:
    return inputs_of(columns)[0]


def outcomes(cases: list[tuple[dict, Any]], column: str, read: Callable[[Any], Any] = lambda value: value) -> list:
    return [read(row[column]) for row in inputs_of(*(columns for columns, _ in cases))]


def expected(cases: list[tuple[dict, Any]]) -> list:
    return [outcome for _, outcome in cases]


def test_cohorts_that_an_account_keeps():
    """In at 75 and 60 %, out at 70 and 55 %; at risk from -30 % on, kept until -10 %."""
    power = {"behavioral_cohort": "Power User", "active_users_28d": 9, "events_28d": 90}
    cases = [
        (power | {"behavioral_score": 70.0, "mau_seat_share": 0.55}, "Power User|"),
        (power | {"behavioral_score": 69.9, "mau_seat_share": 0.55}, ""),
        (power | {"behavioral_score": 70.0, "mau_seat_share": 0.54}, ""),
        ({"active_users_28d": 9, "events_28d": 90, "active_users_prior_28d": 4, "users_trend_net": -0.1}, "At Risk|"),
        ({"active_users_28d": 9, "events_28d": 90, "active_users_prior_28d": 3, "users_trend_net": -0.1}, ""),
        ({"active_users_28d": 9, "events_28d": 90, "active_users_prior_28d": 4, "users_trend_net": -0.09}, ""),
        ({"active_users_28d": 9, "events_28d": 90, "mau_seat_share": 0.29}, "At Risk|"),
        ({"active_users_28d": 9, "events_28d": 90, "mau_seat_share": 0.07}, "Dormant|At Risk|"),
        ({"active_users_28d": 9, "events_28d": 90, "mau_seat_share": 0.07, "lifecycle_stage": "onboarding"}, ""),
        ({}, None),
    ]
    assert outcomes(cases, "kept_cohorts") == expected(cases)


def test_only_live_accounts_of_the_asked_days():
    rows = inputs_of({}, {"is_live": False, "arr": 0.0}, others=date(2026, 5, 5))
    assert [(r["as_of"].date(), r["account_id"]) for r in rows] == [(DAY, "a0")]


def test_nothing_known_but_arr():
    row = input_of()
    assert row["strategic_sign"] is None
    assert not row["risk_waits"]
    unknown = ("expansion_score", "lookalike", "behavioral_score", "health_score", "value", "clv_percentile")
    assert all(pd.isna(row[name]) for name in unknown)


def test_strategic_sign():
    cases = [
        ({"is_multi_product": True, "is_reference": True}, "multi_product"),
        ({"is_multi_region": True}, "multi_region"),
        ({"is_reference": True}, "reference"),
        ({"has_strategic_influence": True}, "strategic_influence"),
        ({"is_reference": False}, None),
    ]
    assert outcomes(cases, "strategic_sign") == expected(cases)


def test_scores_are_read_at_the_precision_of_bounds():
    assert input_of(expansion_score=49.9999999)["expansion_score"] == 50.0
    assert input_of(expansion_score=49.99999)["expansion_score"] == 49.99999


def test_risk_waits_when_usage_is_more_than_three_days_behind():
    cases = [({}, False), ({"usage_lag_days": 3}, False), ({"usage_lag_days": 4}, True)]
    assert outcomes(cases, "risk_waits") == expected(cases)


def test_billing_thresholds_reached():
    bounds = ((9_999.0, 0), (10_000.0, 1), (24_999.0, 1), (25_000.0, 2), (49_999.0, 2), (50_000.0, 3))
    cases = [({"arr": arr}, reached) for arr, reached in bounds]
    assert outcomes(cases, "arr_thresholds_reached") == expected(cases)
