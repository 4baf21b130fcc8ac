"""What would move an account up: distances to thresholds worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.explanations.ways_up import ways_up

POLICY = load_policy()


def rows(tier: str = "Core", segment: str = "Growth", **values: Any) -> dict[str, dict[str, Any]]:
    """Rows of an account of ARR 22,300; `values` go to whichever table knows the column."""
    frame = {
        "segments": {
            "coverage_tier": tier, "segment": segment, "behavioral_score": 54.0, "health_score": 61.5,
            "size_class": "smb", "needs_profile": "Basic need", "behavioral_cohort": "Steady State",
            "value_tier": "Bronze",
        },
        "segment_inputs": {
            "arr": 22_300.0, "strategic_cut": 100_000.0, "top_cut": 150_000.0, "strategic_sign": None,
            "expansion_score": 41.0, "lookalike": 0.25, "seat_activity": 0.5,
        },
        "value_scores": {"value": 15_000.0, "cut_silver": 19_215.0, "cut_gold": 47_000.0, "cut_platinum": 152_000.0},
        "account_profiles": {"active_users_28d": 6, "active_users_prior_28d": 10, "users_trend_net": -0.36,
                             "events_trend_net": -0.1},
        "behavioral_scores": {"behavioral_score": 54.0},
    }  # fmt: skip
    for table in frame.values():
        table.update({name: value for name, value in values.items() if name in table})
    return frame


def words(**values: Any) -> str:
    return " ".join(ways_up(rows(**values), POLICY))


def test_core_to_growth_names_what_is_met_and_what_lacks():
    assert (
        "For tier Growth it needs ARR 25,000 (it has 22,300 and lacks 2,700); behavioral score 60 (it has 54 and "
        "lacks 6); a sign of expansion (expansion score 50 (it has 41 and lacks 9), or similar accounts that "
        "expanded 50% (it has 25% and lacks 25%)). It has health 61.5."
    ) in words()
    met = words(arr=30_000.0, behavioral_score=60.0, health_score=50.0, lookalike=0.5)
    assert "It meets all conditions of tier Growth." in met


def test_the_long_tail_has_two_ways_out():
    assert (
        "For tier Core it needs one of two: ARR 10,000 (it has 7,200 and lacks 2,800); expansion score 50 (it has 41 "
        "and lacks 9)."
    ) in words(tier="Long-Tail", arr=7_200.0)
    assert "expansion score 50 (it is not known)" in words(tier="Long-Tail", expansion_score=None)


def test_strategic_needs_arr_and_a_sign():
    assert (
        "For tier Strategic it needs ARR 100,000 (it has 90,000 and lacks 10,000); a sign beyond ARR (several "
        "products or regions, an expansion score of 70, being a reference, or strategic influence, or 60,000 more "
        "ARR, 150,000 in all)."
    ) in words(tier="Growth", arr=90_000.0)
    met = words(tier="Growth", arr=90_000.0, strategic_sign="multi_product")
    assert (
        "For tier Strategic it needs ARR 100,000 (it has 90,000 and lacks 10,000). It has a sign beyond ARR "
        "(multi product)." in met
    )
    assert "(expansion score)" in words(tier="Growth", arr=90_000.0, expansion_score=70.0)
    assert "Strategic is the highest coverage tier." in words(tier="Strategic")
    assert "the ARR of the largest accounts is not known" in words(tier="Growth", strategic_cut=None)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (15_000.0, "For value tier Silver it needs value 19,215 (it has 15,000 and lacks 4,215)"),
        (19_215.0, "For value tier Gold it needs value 47,000 (it has 19,215 and lacks 27,785)"),
        (151_999.0, "For value tier Platinum it needs value 152,000 (it has 151,999 and lacks 1)"),
    ],
)
def test_the_next_value_tier_is_the_first_cut_above(value: float, sentence: str):
    assert sentence in words(value=value)


def test_no_value_tier_above_the_last_cut():
    assert "value tier" not in words(value=152_000.0, segment="Strategic")
    assert "value tier" not in words(value=None, segment="Strategic")


def test_a_segment_names_what_the_nearest_of_its_rules_lacks():
    # Strategic: enterprise with Platinum or Gold, or Platinum with needs Platform; of an enterprise, the first.
    assert "For segment Strategic it needs value tier Platinum or Gold (it is Bronze)." in words(
        size_class="enterprise"
    )
    assert "For segment Growth it needs value tier Silver or Gold or Platinum (it is Bronze); " in words(
        segment="Efficient"
    )
    growth = words(segment="Efficient", value_tier="Silver", needs_profile="Platform", expansion_score=None)
    assert "It meets all conditions of segment Growth." in growth
    assert "Strategic is the highest segment." in words(segment="Strategic")


def test_out_of_risk_names_what_keeps_the_account_in_it():
    held = words(segment="At-Risk", behavioral_cohort="At Risk")
    assert held.endswith(
        "It leaves At-Risk once this no longer holds on 2 Mondays in a row: trend of users net of the company's −36% "
        "(leaves above −10%); trend of events net of the company's −10% (leaves above −10%)."
    )
    assert "seat activity 29% (leaves from 30%)" in words(segment="At-Risk", seat_activity=0.29)
    small = words(segment="At-Risk", active_users_prior_28d=3)  # too few users for a trend to count
    assert "nothing keeps it in At-Risk" in small


def test_without_score_tables_the_sentences_stay_true():
    inputs = rows()
    inputs["segment_inputs"]["lookalike"] = None
    for table in ("value_scores", "account_profiles", "behavioral_scores"):
        del inputs[table]
    sentences = " ".join(ways_up(inputs, POLICY))
    assert "similar accounts that expanded 50% (it is not known)" in sentences
    assert "For value tier" not in sentences
