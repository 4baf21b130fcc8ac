from __future__ import annotations

from datetime import date

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn import ChurnRisk
from segmentation_assets.scores.composite import CompositeScores
from segmentation_assets.scores.expansion import ExpansionScores
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.health import HealthScores
from segmentation_assets.segments.grid import SegmentStates
from segmentation_assets.segments.inputs import SegmentInputs
from segmentation_assets.segments.segments import Segments, segment_mix
from tests.companies import Company, records, spine, typed

POLICY = load_policy()
DAY = date(2026, 5, 6)
SOURCES = {
    "segment_states": SegmentStates,
    "segment_inputs": SegmentInputs,
    "account_profiles": AccountProfiles,
    "composite_scores": CompositeScores,
    "firmographic_scores": FirmographicScores,
    "behavioral_scores": BehavioralScores,
    "expansion_scores": ExpansionScores,
    "health_scores": HealthScores,
    "churn_risk": ChurnRisk,
}
DEFAULTS = {
    "arr": 15_000.0,
    "segment": "Growth",
    "candidate_segment": "Growth",
    "rule_id": "growth_expanding",
    "coverage_tier": "Core",
    "candidate_tier": "Core",
    "candidate_rule_id": "growth_expanding",
    "segment_since": DAY,
    "segment_move_rule": "held",
    "tier_rule_id": "core",
    "tier_since": DAY,
    "tier_move_rule": "held",
    "is_barely_used": False,
    "is_worth_saving": False,
}


def _columns(account: dict) -> dict:
    """An account's columns; one that renews in the segment it has, unless said otherwise."""
    columns = DEFAULTS | account
    return {"segment_at_renewal": columns["segment"]} | columns


def segments_of(*accounts: dict) -> list[dict]:
    """Segments of accounts whose columns are given by name, whatever table they stand in."""
    tables = {}
    for name, contract in SOURCES.items():
        columns = contract.to_schema().columns
        rows = [
            {"as_of": DAY, "account_id": f"a{i:03}"} | {k: v for k, v in _columns(a).items() if k in columns}
            for i, a in enumerate(accounts)
        ]
        tables[name] = rows
    return records(Company(**tables).frame("segments", DAY).sort_values("account_id", ignore_index=True))


def test_what_follows_from_the_segment():
    rows = {
        row["segment"]: (row["pricing_model"], row["message_track"], row["territory"])
        for row in segments_of(*({"segment": name, "region": "EMEA"} for name in SEGMENTS))
    }
    assert rows == {
        "Strategic": ("value-based", "account-specific", "named accounts, EMEA"),
        "Growth": ("value-based", "segment-specific", "field sales, EMEA"),
        "Efficient": ("usage-based", "product-led", "inside sales, EMEA"),
        "At-Risk": ("frozen", "account-specific", "retention desk, EMEA"),
        "Long-Tail": ("self-serve", "self-service", "digital, all regions"),
    }


def test_territory_and_overlay_of_an_account_that_we_know_nothing_of():
    plain, industry, both = segments_of(
        {}, {"industry": "Retail"}, {"industry": "Retail", "primary_use_case": "Reporting"}
    )
    assert plain["territory"] == "field sales, all regions"
    assert plain["overlay"] is None
    assert industry["overlay"] == "Retail x any"
    assert both["overlay"] == "Retail x Reporting"


def test_price_and_territory_follow_the_segment_at_the_last_renewal():
    (row,) = segments_of({"segment": "At-Risk", "segment_at_renewal": "Growth", "region": "EMEA"})
    assert (row["pricing_model"], row["territory"]) == ("value-based", "field sales, EMEA")
    assert (row["message_track"], row["segment_at_renewal"]) == ("account-specific", "Growth")


def test_where_segment_and_tier_call_for_different_care():
    pairs = [(segment, tier) for segment in SEGMENTS for tier in TIERS]
    rows = segments_of(*({"segment": s, "coverage_tier": t} for s, t in pairs))
    words = {pair: row["tier_conflict"] for pair, row in zip(pairs, rows, strict=True)}
    less, more = "tier_gives_less", "tier_gives_more"
    assert words == {
        ("Strategic", "Strategic"): None, ("Strategic", "Growth"): less, ("Strategic", "Core"): less,
        ("Strategic", "Long-Tail"): less,
        ("Growth", "Strategic"): more, ("Growth", "Growth"): None, ("Growth", "Core"): less,
        ("Growth", "Long-Tail"): less,
        ("Efficient", "Strategic"): more, ("Efficient", "Growth"): more, ("Efficient", "Core"): None,
        ("Efficient", "Long-Tail"): None,
        ("At-Risk", "Strategic"): None, ("At-Risk", "Growth"): None, ("At-Risk", "Core"): None,
        ("At-Risk", "Long-Tail"): less,
        ("Long-Tail", "Strategic"): more, ("Long-Tail", "Growth"): more, ("Long-Tail", "Core"): more,
        ("Long-Tail", "Long-Tail"): None,
    }  # fmt: skip
    assert all((row["tier_conflict"] is not None) == row["has_tier_conflict"] for row in rows)


def test_people_see_a_tier_by_its_kind_of_care():
    rows = segments_of(*({"coverage_tier": tier} for tier in TIERS))
    assert [row["kind_of_care"] for row in rows] == ["High-touch", "Pooled", "Tech-touch", "Self-serve"]


def test_archetype_fit_counts_the_conditions_that_hold():
    typical = {"size_class": "mid_market", "behavioral_cohort": "Steady State", "value_tier": "Gold",
               "needs_profile": "Expanding use case", "expansion_level": "high"}  # fmt: skip
    cases = [
        (typical, 4),
        (typical | {"expansion_level": None}, 4),
        (typical | {"expansion_level": "low"}, 3),
        (typical | {"size_class": "smb", "needs_profile": None}, 2),
        ({}, 0),
        ({"segment": "At-Risk", "behavioral_cohort": "Dormant", "is_worth_saving": True}, 4),
        ({"segment": "Long-Tail", "size_class": "smb", "value_tier": "Bronze", "is_barely_used": True}, 3),
    ]
    rows = segments_of(*(columns for columns, _ in cases))
    assert [row["archetype_fit"] for row in rows] == [fit for _, fit in cases]


def test_pending():
    waits, settled = segments_of({"candidate_segment": "Strategic", "candidate_tier": "Growth"}, {})
    assert (waits["is_pending"], waits["is_tier_pending"]) == (True, True)
    assert (settled["is_pending"], settled["is_tier_pending"]) == (False, False)


DECLINE = {"active_users_prior_28d": 5, "users_trend": -0.3, "users_trend_net": -0.2}
SIGNALS = [
    ({}, "stable", ""),
    ({"new_champions": 2}, "expansion_ready", "new champions"),
    ({"new_champions": 1}, "stable", ""),
    (
        {"users_trend": 0.3, "users_trend_net": 0.2, "active_users_prior_28d": 5, "competitor_displaced_90d": True},
        "expansion_ready",
        "adoption surge, competitor displaced",
    ),
    ({"users_trend": 0.3, "users_trend_net": 0.19, "active_users_prior_28d": 5}, "stable", ""),
    (DECLINE, "at_risk", "usage declining"),
    (DECLINE | {"active_users_prior_28d": 4}, "stable", ""),
    (DECLINE | {"users_trend_net": -0.19}, "stable", ""),
    # Everybody's summer: the account shrinks, the company shrinks as much.
    (DECLINE | {"users_trend": -0.3, "users_trend_net": 0.0}, "stable", ""),
    # The company grows faster than the account: that is no decline.
    (DECLINE | {"users_trend": 0.1, "users_trend_net": -0.3}, "stable", ""),
    ({"active_users_prior_28d": 9, "events_trend": -0.5, "events_trend_net": -0.4}, "at_risk", "usage declining"),
    ({"sentiment": -0.31}, "at_risk", "negative sentiment"),
    ({"sentiment": -0.3}, "stable", ""),
    ({"overdue_days": 31}, "at_risk", "late payments"),
    ({"overdue_days": 30, "mean_days_late": 9.9}, "stable", ""),
    ({"mean_days_late": 10.0, "new_champions": 2}, "at_risk", "late payments"),
    ({"csat": 4.5, "firmographic_score": 70.0}, "advocate", "satisfied and a good fit"),
    ({"nps": 50.0, "firmographic_score": 70.0}, "advocate", "satisfied and a good fit"),
    ({"csat": 4.5, "firmographic_score": 69.0}, "stable", ""),
    ({"csat": 4.5}, "stable", ""),
    ({"firmographic_score": 99.0}, "stable", ""),
    ({"health_score": 49.9, "csat": 4.5, "firmographic_score": 70.0}, "at_risk", "low health"),
    ({"health_score": 50.0}, "stable", ""),
    ({"behavioral_cohort": "Dormant", "csat": 4.5, "firmographic_score": 70.0}, "at_risk", "cohort Dormant"),
    ({"segment": "At-Risk", "new_champions": 2}, "at_risk", "segment At-Risk"),
    ({"segment": "At-Risk", "behavioral_cohort": "At Risk"}, "at_risk", "cohort At Risk, segment At-Risk"),
]


def test_micro_segment_and_its_reason():
    rows = segments_of(*(columns for columns, _, _ in SIGNALS))
    result = [(row["micro_segment"], row["micro_segment_reason"]) for row in rows]
    assert result == [(micro, reason) for _, micro, reason in SIGNALS]


def test_neither_micro_segment_nor_override_changes_segment_or_tier():
    crossed = [
        {"segment": s, "coverage_tier": t} | columns for columns, _, _ in SIGNALS for s in SEGMENTS for t in TIERS
    ]
    rows = segments_of(*(columns | {"days_to_renewal": 30} for columns in crossed))
    assert [(row["segment"], row["coverage_tier"]) for row in rows] == [
        (columns["segment"], columns["coverage_tier"]) for columns in crossed
    ]


def test_no_account_in_danger_is_ready_to_expand_an_advocate_or_stable():
    dangers = [{"segment": "At-Risk"}, {"behavioral_cohort": "At Risk"}, {"behavioral_cohort": "Dormant"},
               {"health_score": 10.0}, {"health_score": 49.9}]  # fmt: skip
    rows = segments_of(*(columns | danger for columns, _, _ in SIGNALS for danger in dangers))
    assert {row["micro_segment"] for row in rows} == {"at_risk"}


@pytest.mark.parametrize("tier", TIERS)
def test_declining_usage_with_a_renewal_near_is_high_touch_in_every_tier(tier):
    near, far, steady, unknown = segments_of(
        DECLINE | {"coverage_tier": tier, "days_to_renewal": 90},
        DECLINE | {"coverage_tier": tier, "days_to_renewal": 91},
        {"coverage_tier": tier, "days_to_renewal": 10},
        DECLINE | {"coverage_tier": tier},
    )
    assert near["coverage_override"] == "high_touch"
    assert [far["coverage_override"], steady["coverage_override"], unknown["coverage_override"]] == [None] * 3


def test_the_mix_counts_all_segments_and_the_typical_share():
    rows = [
        {"segment": "Growth", "archetype_fit": 4, "arr": 30.0, "is_pending": True},
        {"segment": "Growth", "archetype_fit": 3, "arr": 50.0, "is_pending": False},
        {"segment": "At-Risk", "archetype_fit": 4, "arr": 20.0, "is_pending": False},
        {"segment": "Long-Tail", "archetype_fit": 0, "arr": 100.0, "is_pending": False},
    ]
    table = typed(Segments, [{"as_of": DAY, "account_id": f"a{i}"} | row for i, row in enumerate(rows)])
    mix = segment_mix(spine(DAY), table).execute().set_index("segment")
    assert set(mix.index) == set(SEGMENTS)
    growth = mix.loc["Growth"]
    assert (growth["accounts"], growth["account_share"], growth["arr"], growth["arr_share"]) == (2, 0.5, 80.0, 0.4)
    assert (growth["typical_accounts"], growth["typical_share"], growth["pending_accounts"]) == (1, 0.5, 1)
    assert mix.loc["At-Risk", "typical_share"] == 1.0
    assert mix.loc["Long-Tail", "typical_share"] == 0.0
    assert mix.loc["Strategic", "accounts"] == 0
    assert mix["typical_share"].isna()["Strategic"]
    assert mix["account_share"].sum() == pytest.approx(1.0)


def test_the_mix_of_a_day_without_accounts():
    mix = segment_mix(spine(DAY), typed(Segments, [])).execute()
    assert mix["accounts"].tolist() == [0] * len(SEGMENTS)
    assert mix["arr_share"].isna().all()


ON_TIME = {"overdue_days": 0, "mean_days_late": 0.0}
BASE = {"active_users_prior_28d": 9, "users_trend": 0.0, "users_trend_net": 0.0, "events_trend": 0.0}


@pytest.mark.parametrize(
    ("account", "shown", "facts", "lacking"),
    [
        ({**BASE, **ON_TIME}, 2, 2, ""),
        ({**BASE, **ON_TIME, "users_trend": -0.5, "users_trend_net": -0.5}, 1, 2, "stable_usage"),
        ({**BASE, "overdue_days": 45, "mean_days_late": None}, 1, 2, "pays_on_time"),
        ({**BASE, "overdue_days": 0, "mean_days_late": None}, 1, 1, ""),
        ({}, 0, 0, ""),
        ({"coverage_tier": "Long-Tail", "digital_first": True, "expansion_score": 49.9, "ladder_level": 0.4}, 3, 3,
         ""),
        ({"coverage_tier": "Long-Tail", "digital_first": False, "expansion_score": 50.0, "ladder_level": 0.5}, 0, 3,
         "digital_first, limited_expansion, basic_use"),
        ({"coverage_tier": "Growth", "health_score": 50.0, "ladder_level": 0.5, **BASE}, 3, 3, ""),
        ({"coverage_tier": "Strategic", "health_score": 49.0, "ladder_level": None, **ON_TIME}, 1, 2, "healthy"),
    ],
)  # fmt: skip
def test_traits_say_how_typical_of_its_tier_an_account_is(account: dict, shown: int, facts: int, lacking: str):
    """Core: stable usage and payment history. Long-Tail: digital first, limited expansion, few advanced features."""
    (row,) = segments_of(account)
    words = (row["tier_traits_shown"], row["tier_traits_known"], row["tier_traits_lacking"])
    assert words == (shown, facts, lacking)
    assert row["coverage_tier"] == account.get("coverage_tier", "Core"), "traits move nobody"
