"""Four kinds of health by hand, the cap, the weakest dimension, and what is unknown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.scores.health import DIMENSIONS, contributions
from tests.companies import DEFAULT
from tests.scores.profiles import assert_sums, by_account, profiles, scored

POLICY = DEFAULT.health
FULL = {
    "key_events_per_active_user": 60.0,
    "mau_seat_share": 0.6,
    "error_rate": 0.06,
    "touches_90d": 2,
    "meetings_90d": 1,
    "responsiveness": 0.4,
    "nps": 25.0,
    "csat": 3.0,
    "sentiment": 0.3,
    "goals_met_share": 0.75,
    "mean_days_late": 15.0,
    "overdue_days": 60,
    "negative_weight_180d": -0.4,
}
PRODUCT = 40 + 40 * 0.75 + 20 * 0.40
RELATIONSHIP = 25 * 0.5 + 25 * 0.5 + 20 * 0.75 + 15 * 0.4 + 15 * 0.8
FINANCIAL = 35 * 0.70 + 40 * 0.25 + 25 * 0.60


def scores_of(accounts, policy=POLICY):
    return scored("health_scores", accounts, DEFAULT.model_copy(update={"health": policy}))


def scores_by_account(accounts):
    return by_account(scores_of(accounts))


def test_each_dimension_by_hand():
    row = scores_by_account({"a": FULL}).loc["a"]
    assert row.product_health == pytest.approx(PRODUCT)
    assert row.relationship_health == pytest.approx(RELATIONSHIP)
    assert row.outcome_health == pytest.approx(75)
    assert row.financial_health == pytest.approx(FINANCIAL)
    mean = (35 * PRODUCT + 25 * RELATIONSHIP + 20 * 75 + 20 * FINANCIAL) / 100
    assert mean == pytest.approx(66.7)
    assert row.health_score == pytest.approx(mean)  # under the weakest, financial 49.5, + 25
    assert (row.weakest_dimension, row.is_capped, row.cap_points) == ("financial", False, 0)


def test_the_weakest_dimension_caps_the_mean():
    good = {"key_events_per_active_user": 60.0, "mau_seat_share": 0.8, "error_rate": 0.0, "goals_met_share": 1.0}
    result = scores_by_account(
        {
            "nothing paid": {**good, "overdue_days": 90},
            "just under": {"mau_seat_share": 0.8, "goals_met_share": 0.5},
            "no goal met": {**good, "goals_met_share": 0.0},
        }
    )
    # Mean (35 + 20) / 75 = 73.3, weakest 0.
    row = result.loc["nothing paid"]
    assert (row.health_score, row.weakest_dimension, row.is_capped) == (25, "financial", True)
    assert row.cap_points == pytest.approx(25 - 5500 / 75)
    assert (row.capped_by, row.uncapped_health_score) == ("financial", pytest.approx(5500 / 75))
    # Mean (35 x 100 + 20 x 50) / 55 = 81.8, capped at 75.
    assert (result.health_score["just under"], result.is_capped["just under"]) == (75, True)
    assert (result.health_score["no goal met"], result.weakest_dimension["no goal met"]) == (25, "outcome")
    # Two accounts at exactly 25 keep an order: (35 x 100 + 20 x 0) / 55 = 63.6 against 73.3.
    assert result.capped_by["no goal met"] == "outcome"
    assert result.uncapped_health_score["no goal met"] == pytest.approx(3500 / 55)


def test_a_mean_at_the_cap_is_not_capped():
    # Product 100 and outcome 31.25: mean (35 x 100 + 20 x 31.25) / 55 = 75; outcome 50: mean 81.8, cap 75.
    policy = POLICY.model_copy(update={"cap_above_weakest": 43.75})
    row = by_account(scores_of({"a": {"mau_seat_share": 0.8, "goals_met_share": 0.3125}}, policy)).loc["a"]
    assert (row.health_score, row.is_capped, row.capped_by) == (75, False, None)
    assert row.uncapped_health_score == row.health_score


def test_unknown_dimensions_leave_their_weight_to_the_rest():
    result = scores_by_account({"goals only": {"goals_met_share": 0.6}, "nothing": {}})
    row = result.loc["goals only"]
    assert (row.health_score, row.weakest_dimension, row.is_capped) == (pytest.approx(60), "outcome", False)
    assert row.product_health is None
    assert row.product_points is None
    assert result.loc["nothing"].isna().all()


def test_equally_weak_dimensions_are_named_in_the_stated_order():
    result = scores_by_account(
        {
            "product and outcome": {"mau_seat_share": 0.4, "goals_met_share": 0.5},
            "relationship and financial": {"responsiveness": 0.4, "overdue_days": 30},
        }
    )
    assert result.weakest_dimension.to_dict() == {
        "product and outcome": "product",
        "relationship and financial": "relationship",
    }


def test_one_kind_of_touch_is_enough_and_no_touch_is_known():
    result = scores_by_account(
        {"meetings": {"meetings_90d": 3}, "none": {"touches_90d": 0, "meetings_90d": 0}, "unknown": {"nps": 0.0}}
    )
    assert result.engagement_points.to_dict() == {"meetings": 50, "none": 0, "unknown": None}


def test_good_news_does_not_make_up_for_late_payment():
    result = scores_by_account({"good": {"negative_weight_180d": 0.0}, "bad": {"negative_weight_180d": -2.0}})
    assert result.financial_health.to_dict() == {"good": 100, "bad": 0}


@settings(max_examples=6, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "mau_seat_share": st.none() | st.floats(0, 2),
                "error_rate": st.none() | st.floats(0, 1),
                "nps": st.none() | st.floats(-100, 100),
                "csat": st.none() | st.floats(1, 5),
                "goals_met_share": st.none() | st.floats(0, 1),
                "overdue_days": st.none() | st.integers(0, 400),
                "negative_weight_180d": st.none() | st.floats(-5, 0),
            }
        ),
        min_size=1,
        max_size=15,
    )
)
def test_overall_health_is_capped_and_explained_for_any_account(accounts):
    named = {str(i): account for i, account in enumerate(accounts)}
    inputs = profiles(named)
    scores = scores_of(named)
    names = {name: name for name in ("health_score", *(f"{d}_health" for d in DIMENSIONS))}
    assert_sums(scores, contributions(scores, inputs, POLICY), names)
    for _, row in by_account(scores).iterrows():
        facts = {d: row[f"{d}_health"] for d in DIMENSIONS if row[f"{d}_health"] is not None}
        if not facts:
            assert row.health_score is None
            continue
        weights = {d: getattr(POLICY.weights, d) for d in facts}
        mean = sum(weights[d] * facts[d] for d in facts) / sum(weights.values())
        assert row.health_score == pytest.approx(min(mean, min(facts.values()) + 25), abs=1e-9)
        assert facts[row.weakest_dimension] == min(facts.values())
