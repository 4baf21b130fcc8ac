"""What would move an account up: distances to thresholds worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.explanations.ways_up import ways_up

POLICY = load_policy()


def rows(tier: str = "Core", segment: str = "Growth", **values: Any) -> dict[str, dict[str, Any]]:
    """Rows of an account of ARR 22,300; `values` go to whichever table knows the column."""
    made = {
        "segments": {"coverage_tier": tier, "segment": segment, "behavioral_score": 54.0, "health_score": 61.5},
        "segment_candidates": {
            "arr": 22_300.0, "strategic_cut": 100_000.0, "top_cut": 150_000.0, "strategic_evidence": None,
            "growth_evidence": "absent", "expansion_score": 41.0, "size_class": "smb", "needs_profile": "Basic need",
            "behavioral_cohort": "Steady State", "value_tier": "Bronze", "may_expand": False, "seat_activity": 0.5,
        },
        "expansion_scores": {"lookalike": 0.25},
        "value_scores": {"value": 15_000.0, "cut_silver": 19_215.0, "cut_gold": 47_000.0, "cut_platinum": 152_000.0},
        "account_profiles": {"active_users_28d": 6, "active_users_prior_28d": 10, "users_trend_net": -0.36,
                             "events_trend_net": -0.1},
        "behavioral_scores": {"behavioral_score": 54.0},
    }  # fmt: skip
    for table in made.values():
        table.update({name: value for name, value in values.items() if name in table})
    return made


def told(**values: Any) -> str:
    return " ".join(ways_up(rows(**values), POLICY))


def test_core_to_growth_names_what_is_met_and_what_lacks():
    assert (
        "Tier Growth still asks for ARR 22,300: 2,700 short of 25,000; the behavioral score 54: 6 short of 60; "
        "a sign of expansion: its score 41: 9 short of 50, or the share of similar accounts that expanded 25%: "
        "25% short of 50%. Met: health 61.5."
    ) in told()
    met = told(arr=30_000.0, behavioral_score=60.0, health_score=50.0, growth_evidence="present")
    assert "Tier Growth asks for nothing more" in met


def test_the_long_tail_has_two_ways_out():
    assert (
        "Tier Core asks for one of two: ARR 7,200: 2,800 short of 10,000; the expansion score 41: 9 short of 50."
    ) in told(tier="Long-Tail", arr=7_200.0)
    assert "the expansion score from 50 (unknown)" in told(tier="Long-Tail", expansion_score=None)


def test_strategic_asks_for_arr_and_a_sign():
    assert (
        "Tier Strategic still asks for ARR 90,000: 10,000 short of 100,000; a sign beyond ARR: several products or "
        "regions, an expansion score from 70, being a reference, or strategic influence, or ARR from 150,000 alone "
        "(60,000 short)."
    ) in told(tier="Growth", arr=90_000.0)
    met = told(tier="Growth", arr=90_000.0, strategic_evidence="multi_product")
    assert (
        "Tier Strategic still asks for ARR 90,000: 10,000 short of 100,000. Met: a sign beyond ARR (multi product)"
        in met
    )
    assert "Strategic is the highest coverage tier." in told(tier="Strategic")
    assert "cut of the largest accounts is not known" in told(tier="Growth", strategic_cut=None)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (15_000.0, "Value tier Silver asks for value 15,000: 4,215 short of 19,215"),
        (19_215.0, "Value tier Gold asks for value 19,215: 27,785 short of 47,000"),
        (151_999.0, "Value tier Platinum asks for value 151,999: 1 short of 152,000"),
    ],
)
def test_the_next_value_tier_is_the_first_cut_above(value: float, sentence: str):
    assert sentence in told(value=value)


def test_no_value_tier_above_the_last_cut():
    assert "Value tier" not in told(value=152_000.0)
    assert "Value tier" not in told(value=None)


def test_a_segment_names_what_its_row_lacks():
    assert (
        "Lacking: size class enterprise (is smb); behavioral cohort Power User (is Steady State: "
        "behavioral score 54: 21 short of 75, seat activity 50%: 10% short of 60%); "
        "value tier Platinum or Gold (is Bronze); needs profile Platform (is Basic need)."
    ) in told()
    assert "Strategic is the highest segment." in told(segment="Strategic")


def test_out_of_risk_names_the_rules_that_hold():
    held = told(segment="At-Risk", behavioral_cohort="At Risk")
    assert held.endswith(
        "Out of At-Risk once none of this holds, on 2 Mondays in a row: users' trend net of the company's −36% "
        "(leaves above −30%)."
    )
    assert "seat activity 19% (leaves from 20%)" in told(segment="At-Risk", seat_activity=0.19)
    small = told(segment="At-Risk", active_users_prior_28d=4)  # too few users for a trend to count
    assert "none of its rules holds" in small


def test_without_score_tables_the_sentences_stay_true():
    given = rows()
    for table in ("expansion_scores", "value_scores", "account_profiles", "behavioral_scores"):
        del given[table]
    sentences = " ".join(ways_up(given, POLICY))
    assert "the share of similar accounts that expanded from 50% (unknown)" in sentences
    assert "Value tier" not in sentences
