from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.expansion import ExpansionScores
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.health import HealthScores
from segmentation_assets.scores.needs import NeedsScores
from segmentation_assets.scores.value import ValueScores
from segmentation_assets.segments.candidates import segment_candidates
from segmentation_assets.segments.cuts import TierCuts
from tests.companies import given, records, spine

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


def candidates(*accounts: dict, day: date = DAY, others: date | None = None) -> list[dict]:
    """Candidates of accounts whose columns are given by name, whatever table they stand in."""
    tables = {}
    for name, contract in SOURCES.items():
        columns = contract.to_schema().columns
        rows = [
            {"as_of": on, "account_id": f"a{i}"} | {k: v for k, v in (DEFAULTS | a).items() if k in columns}
            for i, a in enumerate(accounts)
            for on in (day, others)
            if on
        ]
        tables[name] = given(contract, rows)
    cuts = given(TierCuts, [{"as_of": day, "strategic_cut": 50_000.0, "top_cut": 90_000.0}])
    found = segment_candidates(
        spine(day), **tables, tier_cuts=cuts, policy=POLICY.segment_matrix, composite=POLICY.composite,
        tier=POLICY.tier, stability=POLICY.stability,
    )  # fmt: skip
    return records(found.order_by("account_id"))


def candidate(**columns) -> dict:
    return candidates(columns)[0]


def outcomes(cases: list[tuple[dict, Any]], column: str, read: Callable[[Any], Any] = lambda value: value) -> list:
    return [read(row[column]) for row in candidates(*(columns for columns, _ in cases))]


def expected(cases: list[tuple[dict, Any]]) -> list:
    return [outcome for _, outcome in cases]


def test_an_exact_account():
    row = candidate(
        size_class="enterprise", behavioral_cohort="Power User", value_tier="Gold", needs_profile="Platform"
    )
    assert (row["candidate_segment"], row["candidate_rule_id"], row["is_exact"]) == (
        "Strategic", "exact:Strategic", True,
    )  # fmt: skip


def test_at_risk_by_clv_and_without_clv_by_value_tier():
    cases = [
        ({"behavioral_cohort": "Dormant", "value_tier": "Bronze", "clv_percentile": 60.0}, True),
        ({"behavioral_cohort": "Dormant", "value_tier": "Gold", "clv_percentile": 59.0}, False),
        ({"behavioral_cohort": "At Risk", "value_tier": "Silver"}, True),
        ({"behavioral_cohort": "At Risk", "value_tier": "Bronze"}, False),
    ]
    assert outcomes(cases, "candidate_segment", lambda segment: segment == "At-Risk") == expected(cases)


def test_only_live_accounts_of_the_asked_days():
    rows = candidates({}, {"is_live": False, "arr": 0.0}, others=date(2026, 5, 5))
    assert [(r["as_of"].date(), r["account_id"]) for r in rows] == [(DAY, "a0")]


def test_nothing_known_but_arr():
    row = candidate()
    assert (row["candidate_segment"], row["candidate_rule_id"]) == ("Long-Tail", "no_data")
    assert row["strategic_evidence"] is None
    assert row["growth_evidence"] == "unknown"
    assert not any(row[f] for f in ("has_growth_usage", "has_little_to_expand", "risk_waits", "is_barely_used"))
    assert row["may_expand"]


def test_strategic_evidence():
    cases = [
        ({"is_multi_product": True, "is_reference": True}, "multi_product"),
        ({"is_multi_region": True}, "multi_region"),
        ({"expansion_score": 70.0}, "expansion_score"),
        ({"expansion_score": 69.9}, None),
        ({"is_reference": True}, "reference"),
        ({"has_strategic_influence": True}, "strategic_influence"),
        ({"is_reference": False}, None),
    ]
    assert outcomes(cases, "strategic_evidence") == expected(cases)


def test_growth_evidence():
    cases = [
        ({"expansion_score": 50.0}, "present"),
        ({"lookalike": 0.5}, "present"),
        ({"expansion_score": 49.0, "lookalike": 0.5}, "present"),
        ({"expansion_score": 49.0}, "absent"),
        ({"lookalike": 0.49}, "absent"),
        ({}, "unknown"),
    ]
    assert outcomes(cases, "growth_evidence") == expected(cases)


def test_growth_usage():
    cases = [
        ({"behavioral_score": 60.0, "health_score": 50.0}, True),
        ({"behavioral_score": 59.9, "health_score": 50.0}, False),
        ({"behavioral_score": 60.0, "health_score": 49.9}, False),
        ({"health_score": 90.0}, False),
        ({"behavioral_score": 90.0}, False),
    ]
    assert outcomes(cases, "has_growth_usage") == expected(cases)


def test_risk_waits_when_usage_is_more_than_three_days_behind():
    cases = [({}, False), ({"usage_lag_days": 3}, False), ({"usage_lag_days": 4}, True)]
    assert outcomes(cases, "risk_waits") == expected(cases)


def test_billing_thresholds_reached():
    bounds = ((9_999.0, 0), (10_000.0, 1), (24_999.0, 1), (25_000.0, 2), (49_999.0, 2), (50_000.0, 3))
    cases = [({"arr": arr}, reached) for arr, reached in bounds]
    assert outcomes(cases, "arr_thresholds_reached") == expected(cases)


def test_every_live_account_has_one_segment_and_a_rule():
    accounts = [
        {"size_class": s, "behavioral_cohort": c, "value_tier": v, "needs_profile": n}
        for s in (None, "smb", "enterprise")
        for c in (None, "Dormant", "Power User")
        for v in (None, "Bronze", "Platinum")
        for n in (None, "Platform")
    ]
    rows = candidates(*accounts)
    assert len(rows) == len(accounts)
    assert all(r["candidate_segment"] and r["candidate_rule_id"] for r in rows)
