"""Behavioral score by hand; every cohort rule on both sides of its border."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.scores import BehavioralPolicy
from segmentation_assets.scores.behavioral import contributions
from tests.companies import DEFAULT
from tests.scores.profiles import assert_sums, by_account, profiles, scored

POLICY = DEFAULT.behavioral
STEADY = {
    "lifecycle_stage": "established",
    "active_users_28d": 50,
    "active_users_prior_28d": 50,
    "events_28d": 900,
    "events_prior_28d": 900,
    "mau_seat_share": 0.5,
    "users_trend_net": 0.0,
    "events_trend_net": 0.0,
    "minutes_trend_net": 0.0,
    "key_events_per_active_user": 35.0,
    "feature_breadth_share": 0.4,
    "department_breadth_share": 0.2,
    "consistency": 0.9,
    "self_service_ratio": 0.4,
    "touches_90d": 3,
}
STRONG = {
    **STEADY,
    "mau_seat_share": 0.9,
    "key_events_per_active_user": 60.0,
    "feature_breadth_share": 0.8,
    "department_breadth_share": 0.8,
}


def scores_of(accounts, policy=POLICY):
    return scored("behavioral_scores", accounts, DEFAULT.model_copy(update={"behavioral": policy}))


def scores_by_account(accounts, policy=POLICY):
    return by_account(scores_of(accounts, policy))


def test_all_parts_by_weight():
    row = scores_by_account({"a": STEADY}).loc["a"]
    assert row.seat_activity_points == pytest.approx(30 * 0.5)
    assert row.depth_points == pytest.approx(20 * 0.7)  # half way from 40 at 10 events to 100 at 60
    assert row.breadth_points == pytest.approx(15 * 0.3 / 0.8)  # mean of 0.4 and 0.2
    assert row.trend_points == pytest.approx(15 * 0.6)
    assert row.consistency_points == pytest.approx(10 * 0.9)
    assert row.self_service_points == pytest.approx(5 * 0.5)
    assert row.engagement_points == pytest.approx(5 * 0.5)
    assert row.behavioral_score == pytest.approx(15 + 14 + 5.625 + 9 + 9 + 2.5 + 2.5)
    assert (row.behavioral_cohort, row.cohort_rule, row.seat_activity) == ("Steady State", "otherwise", 0.5)


def test_trend_is_the_mean_of_the_known_net_trends():
    result = scores_by_account(
        {
            "all": {**STEADY, "users_trend_net": 0.1, "events_trend_net": 0.2, "minutes_trend_net": 0.45},
            "two": {**STEADY, "users_trend_net": -0.1, "events_trend_net": -0.15, "minutes_trend_net": None},
            "steep": {**STEADY, "users_trend_net": 3.0},
        }
    )
    assert result.trend_points["all"] == pytest.approx(15 * 0.80)  # mean 0.25: half way from 60 to 100
    assert result.trend_points["two"] == pytest.approx(15 * 0.45)  # mean -0.125: a quarter down from 60
    assert result.trend_points["steep"] == pytest.approx(15)  # mean 1.0: beyond the last knot


def test_seat_activity_above_one_is_kept_but_earns_no_more():
    result = scores_by_account({"a": {**STEADY, "mau_seat_share": 1.3}})
    assert result.seat_activity["a"] == 1.3
    assert result.seat_activity_points["a"] == pytest.approx(30)


def test_unknown_parts_leave_their_weight_to_the_rest():
    bare = {
        **STEADY,
        "self_service_ratio": None,
        "touches_90d": None,
        "feature_breadth_share": None,
        "department_breadth_share": None,
    }
    row = scores_by_account({"a": bare}).loc["a"]
    assert row.behavioral_score == pytest.approx((15 + 14 + 9 + 9) / 0.75)
    assert row.breadth_points is None


def test_without_usage_all_is_null_even_where_other_inputs_are_known():
    result = scores_by_account({"a": {"lifecycle_stage": "established", "self_service_ratio": 0.5, "touches_90d": 9}})
    assert result.loc["a"].isna().all()


BORDERS = {
    "nobody named, events fall": (
        {
            "active_users_28d": None,
            "active_users_prior_28d": None,
            "mau_seat_share": None,
            "users_trend_net": None,
            "events_trend_net": -0.3,
            "events_prior_28d": 50,
        },
        "At Risk",
        "events_declining_of_nobody_named",
    ),
    "nobody named, few events": (
        {
            "active_users_28d": None,
            "active_users_prior_28d": None,
            "mau_seat_share": None,
            "users_trend_net": None,
            "events_trend_net": -0.3,
            "events_prior_28d": 49,
        },
        "Steady State",
        "otherwise",
    ),
    "no active user": ({"active_users_28d": 0, "mau_seat_share": 0.5}, "Dormant", "no_active_user"),
    "one active user": ({"active_users_28d": 1}, "Steady State", "otherwise"),
    "under 5 %": ({"mau_seat_share": 0.0499}, "Dormant", "seat_activity_very_low"),
    "at 5 %": ({"mau_seat_share": 0.05}, "At Risk", "seat_activity_low"),
    "under 20 %": ({"mau_seat_share": 0.1999}, "At Risk", "seat_activity_low"),
    "at 20 %": ({"mau_seat_share": 0.20}, "Steady State", "otherwise"),
    "users -30 %": ({"users_trend_net": -0.30}, "At Risk", "users_declining"),
    "users 7 of 10": ({"users_trend_net": 7 / 10 - 1}, "At Risk", "users_declining"),
    "users 9 of 10, median +20 %": ({"users_trend_net": 9 / 10 - 1 - 0.2}, "At Risk", "users_declining"),
    "users -29.9 %": ({"users_trend_net": -0.299}, "Steady State", "otherwise"),
    "events -30 %": ({"events_trend_net": -0.30}, "At Risk", "events_declining"),
    "minutes -90 %": ({"minutes_trend_net": -0.90}, "Steady State", "otherwise"),
    "from a base of 5": ({"users_trend_net": -0.8, "active_users_prior_28d": 5}, "At Risk", "users_declining"),
    "from a base of 4": ({"users_trend_net": -0.8, "active_users_prior_28d": 4}, "Steady State", "otherwise"),
    "events, base of 4": ({"events_trend_net": -0.8, "active_users_prior_28d": 4}, "Steady State", "otherwise"),
    "no base at all": ({"users_trend_net": None, "events_trend_net": None}, "Steady State", "otherwise"),
    "dormant before at risk": (
        {"mau_seat_share": 0.01, "users_trend_net": -0.9},
        "Dormant",
        "seat_activity_very_low",
    ),
    "onboarding, idle": (
        {"lifecycle_stage": "onboarding", "active_users_28d": 0, "mau_seat_share": 0.0},
        "Steady State",
        "otherwise",
    ),
    "onboarding, declining": (
        {"lifecycle_stage": "onboarding", "users_trend_net": -0.9},
        "Steady State",
        "otherwise",
    ),
    "adopting, idle": ({"lifecycle_stage": "adopting", "active_users_28d": 0}, "Dormant", "no_active_user"),
}


def test_every_cohort_border():
    result = scores_by_account({name: {**STEADY, **changes} for name, (changes, _, _) in BORDERS.items()})
    assert {name: (row.behavioral_cohort, row.cohort_rule) for name, row in result.iterrows()} == {
        name: (cohort, rule) for name, (_, cohort, rule) in BORDERS.items()
    }


def test_power_users_need_score_and_seat_activity():
    # Strong but for seat activity and trend: 27 + 20 + 15 + 9 + 9 + 2.5 + 2.5 = 85.
    at_60 = {**STRONG, "mau_seat_share": 0.60}
    result = scores_by_account(
        {
            "strong": STRONG,
            "seat activity 60 %": at_60,
            "seat activity under 60 %": {**at_60, "mau_seat_share": 0.5999, "consistency": 1.0},
            "score at 75": {**at_60, "consistency": 0.8},
            "score under 75": {**at_60, "consistency": 0.7999},
            "onboarding": {**STRONG, "lifecycle_stage": "onboarding"},
            "strong and falling": {**STRONG, "users_trend_net": -0.5},
        }
    )
    assert result.behavioral_score["strong"] == pytest.approx(85)
    assert result.behavioral_score["score at 75"] == pytest.approx(75)
    assert result.behavioral_cohort.to_dict() == {
        "strong": "Power User",
        "seat activity 60 %": "Power User",
        "seat activity under 60 %": "Steady State",
        "score at 75": "Power User",
        "score under 75": "Steady State",
        "onboarding": "Power User",
        "strong and falling": "At Risk",
    }


def test_the_policy_may_name_other_cohorts():
    values = POLICY.model_dump()
    idle = {"name": "idle", "all_of": [{"measure": "seat_activity", "below": 0.1}]}
    busy = {"name": "busy", "all_of": [{"measure": "seat_activity", "at_least": 0.8}]}
    values["cohorts"] = [
        {"name": "Sleeping", "any_of": [idle]},
        {"name": "Thriving", "any_of": [busy]},
        {"name": "Fine"},
    ]
    policy = BehavioralPolicy.model_validate(values)
    result = scores_by_account({str(s): {**STEADY, "mau_seat_share": s} for s in (0.05, 0.1, 0.8)}, policy)
    assert result.behavioral_cohort.to_dict() == {"0.05": "Sleeping", "0.1": "Fine", "0.8": "Thriving"}


def test_one_account_does_not_move_because_others_did():
    alone = scores_by_account({"a": STEADY}).loc["a"]
    among = scores_by_account({"a": STEADY, **{str(i): STRONG for i in range(20)}}).loc["a"]
    assert alone.to_dict() == among.to_dict()


SHARE = st.none() | st.floats(0, 1.5)
TREND = st.none() | st.floats(-1, 4)
ACCOUNT = st.fixed_dictionaries(
    {
        "active_users_28d": st.none() | st.integers(0, 30),
        "active_users_prior_28d": st.none() | st.integers(0, 30),
        "events_28d": st.none() | st.integers(0, 90),
        "events_prior_28d": st.none() | st.integers(0, 90),
        "mau_seat_share": SHARE,
        "users_trend_net": TREND,
        "events_trend_net": TREND,
        "feature_breadth_share": st.none() | st.floats(0, 1),
        "key_events_per_active_user": st.none() | st.floats(0, 500),
        "touches_90d": st.none() | st.integers(0, 40),
        "lifecycle_stage": st.sampled_from(["onboarding", "established"]),
    }
)


def cohort_by_hand(account, score):
    """The rule of the specification, word by word."""
    seat, base = account["mau_seat_share"], account["active_users_prior_28d"]
    trends = [account[name] for name in ("users_trend_net", "events_trend_net")]
    if account["events_28d"] is None:
        return None
    if account["lifecycle_stage"] != "onboarding":
        if account["active_users_28d"] == 0 or (seat is not None and seat < 0.05):
            return "Dormant"
        falls = [t is not None and round(t, 9) <= -0.3 for t in trends]
        is_falling = (base or 0) >= 5 and any(falls)
        events_fall = base is None and (account["events_prior_28d"] or 0) >= 50 and falls[1]
        if is_falling or events_fall or (seat is not None and seat < 0.2):
            return "At Risk"
    return "Power User" if (score or 0) >= 75 and (seat or 0) >= 0.6 else "Steady State"


@settings(max_examples=6, deadline=None)
@given(st.lists(ACCOUNT, min_size=1, max_size=40))
def test_cohorts_and_sums_hold_for_any_account(accounts):
    named = {str(i): account for i, account in enumerate(accounts)}
    inputs = profiles(named)
    scores = scores_of(named)
    result = by_account(scores)
    for i, account in enumerate(accounts):
        row = result.loc[str(i)]
        assert row.behavioral_cohort == cohort_by_hand(account, row.behavioral_score)
    assert_sums(scores, contributions(scores, inputs, POLICY), {"behavioral_score": "behavioral_score"})
