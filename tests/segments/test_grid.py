from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import load_policy
from segmentation_assets.segments.grid import (
    SegmentGrid,
    anchors_of,
    last_two_mondays,
    mondays_walked,
    segment_grid,
    segment_states,
    start_of_walk,
    two_weeks_so_far,
)
from segmentation_assets.segments.inputs import InputPoints
from segmentation_assets.tables.as_of import anchor, last_monday, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from tests.segments import naive
from tests.segments.naive import Day

POLICY = load_policy()
SECTIONS = (POLICY.segment_rules, POLICY.behavioral, POLICY.tier, POLICY.stability)
ANCHOR = date(2026, 1, 5)  # first Monday of the first quarter: the anchor of all days of the second
FIRST_OF_Q2 = date(2026, 4, 6)
WEEK = timedelta(weeks=1)
WALKED = mondays_walked(POLICY.stability.tier_memory_quarters)
History = dict[str, dict[date, Day]]

CUTS = {"cut_silver": 100.0, "cut_gold": 200.0, "cut_platinum": 300.0}
STRATEGIC = Day(size="enterprise", value=250.0)
GROWTH = Day(needs="Expanding use case", value=150.0)
EFFICIENT = Day(value=150.0)
AT_RISK = Day(cohort="At Risk", value=150.0)
LONG_TAIL = Day(needs="Basic need", value=50.0)
DAYS = {"Strategic": STRATEGIC, "Growth": GROWTH, "Efficient": EFFICIENT, "At-Risk": AT_RISK, "Long-Tail": LONG_TAIL}


def frame(history: History) -> pd.DataFrame:
    rows = [
        {
            "as_of": on,
            "account_id": account,
            "arr": day.arr,
            "size_class": day.size,
            "behavioral_cohort": day.cohort,
            "kept_cohorts": None if day.cohort is None else "".join(f"{name}|" for name in day.kept),
            "needs_profile": day.needs,
            "value": day.value,
            **CUTS,
            "clv_percentile": day.clv,
            "seat_activity": day.activity,
            "behavioral_score": day.behavior,
            "health_score": day.health,
            "expansion_score": day.expansion,
            "lookalike": day.alike,
            "strategic_sign": day.sign,
            "strategic_cut": day.cut,
            "top_cut": day.top,
            "risk_waits": day.waits,
            "renewal_on": day.renewal,
        }
        for account, days in history.items()
        for on, day in days.items()
    ]
    names = list(ibis_schema(InputPoints))
    numbers = [name for name, kind in ibis_schema(InputPoints).items() if kind.is_floating()]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(numbers, float))


def only(inputs: pd.DataFrame, days: list[date]) -> pd.DataFrame:
    return inputs[inputs["as_of"].isin(days)]


def grid_at(inputs: pd.DataFrame, *mondays: date) -> pd.DataFrame:
    return segment_grid(spine_frame(mondays), inputs, *SECTIONS)


def states_at(inputs: pd.DataFrame, *days: date) -> pd.DataFrame:
    """What a run over these days gives, each table reading exactly the days it declares."""
    mondays = sorted({monday for d in days for monday in last_two_mondays(d)})
    grid = grid_at(only(inputs, [g for m in mondays for g in WALKED(m)]), *mondays)
    week = only(inputs, [w for d in days for w in two_weeks_so_far(d)])
    return segment_states(spine_frame(days), grid, week, *SECTIONS)


def run(days: dict[date, Day], until: date) -> dict:
    result = states_at(frame({"a": days}), until)
    return result.iloc[0].to_dict() if len(result) else {}


def mondays(*days: Day, first: date = ANCHOR) -> dict[date, Day]:
    return {first + i * WEEK: day for i, day in enumerate(days)}


def candidates(*segments: str, first: date = ANCHOR) -> dict[date, Day]:
    return mondays(*(DAYS[segment] for segment in segments), first=first)


def after(*segments: str) -> str:
    """Segment in force after these candidates on the Mondays of a quarter, seen from the chain that starts there."""
    days = candidates(*segments)
    result = grid_at(frame({"a": days}), max(days))
    return result[result["anchor"] == ANCHOR]["segment"].item()


# -- segments


def test_at_the_first_monday_the_state_is_the_candidate():
    assert after("Growth") == "Growth"
    assert after("At-Risk") == "At-Risk"


def test_a_move_counts_when_its_candidate_has_held_on_two_mondays_in_a_row():
    assert after("Growth", "Efficient") == "Growth"
    assert after("Growth", "Efficient", "Efficient") == "Efficient"
    assert after("Growth", "Efficient", "Strategic") == "Growth"
    assert after("Growth", "Efficient", "Strategic", "Strategic") == "Strategic"


@pytest.mark.parametrize("length", range(2, 13))
def test_candidates_that_go_up_and_down_move_nobody(length):
    assert after(*["Strategic", "Growth"] * length) == "Strategic"
    assert after(*["Growth", "Strategic"] * length) == "Growth"


def test_a_segment_is_kept_for_eighteen_weeks_but_never_longer_in_danger():
    held = ["Growth", "Efficient", "Efficient"]  # in Efficient since the third Monday
    assert after(*held, *["Growth"] * 17) == "Efficient"
    assert after(*held, *["Growth"] * 18) == "Growth"
    assert after(*held, "At-Risk") == "At-Risk"
    assert after(*held, "At-Risk", "Growth", "Growth") == "Growth"


def test_into_at_risk_at_once_and_out_only_when_held():
    assert after("Growth", "At-Risk") == "At-Risk"
    assert after("Growth", "At-Risk", "Growth") == "At-Risk"
    assert after("Growth", "At-Risk", "Growth", "Growth") == "Growth"


def test_into_at_risk_waits_while_usage_is_far_behind():
    late = replace(AT_RISK, waits=True)
    assert run(mondays(GROWTH, late, late, late), ANCHOR + 3 * WEEK)["segment"] == "Growth"
    moved = run(mondays(GROWTH, late, late, AT_RISK), ANCHOR + 3 * WEEK)
    assert (moved["segment"], moved["segment_move_rule"]) == ("At-Risk", "risk_at_once")


def test_at_once_when_arr_crossed_a_billing_threshold_and_the_value_side_changed():
    before = replace(LONG_TAIL, arr=9_000.0)
    up = replace(EFFICIENT, arr=10_000.0)
    assert run(mondays(before, up), ANCHOR + WEEK)["segment_move_rule"] == "arr_at_once"
    # Below the threshold, or with the value side as it was, it must hold first.
    assert run(mondays(before, replace(up, arr=9_999.0)), ANCHOR + WEEK)["segment"] == "Long-Tail"
    assert run(mondays(before, replace(up, value=50.0)), ANCHOR + WEEK)["segment"] == "Long-Tail"


@pytest.mark.parametrize(("arr", "crosses"), [(9_000.0, False), (8_999.99, True)])
def test_arr_crosses_downwards_only_below_the_exit_band(arr, crosses):
    days = mondays(replace(EFFICIENT, arr=10_000.0), replace(LONG_TAIL, arr=arr))
    assert (run(days, ANCHOR + WEEK)["segment"] == "Long-Tail") is crosses


def test_arr_that_swings_inside_the_exit_band_crosses_once():
    path = [8_000.0, 10_100.0, 9_200.0, 10_100.0]
    days = mondays(*(replace(GROWTH, arr=arr) for arr in path))
    above = [run(days, ANCHOR + i * WEEK)["is_above_long_tail"] for i in range(4)]
    assert above == [False, True, True, True]


def test_a_new_strategic_cut_alone_crosses_nothing():
    before = replace(GROWTH, arr=60_000.0, cut=50_000.0)
    risen = replace(STRATEGIC, cut=80_000.0)
    assert run(mondays(before, replace(risen, arr=60_000.0)), ANCHOR + WEEK)["segment"] == "Growth"
    assert run(mondays(before, replace(risen, arr=80_000.0)), ANCHOR + WEEK)["segment"] == "Strategic"


def test_since_and_rule_stay_while_a_candidate_waits():
    result = run(candidates("Growth", "Efficient", "Efficient", "Strategic"), ANCHOR + 3 * WEEK)
    assert result["segment_since"] == ANCHOR + 2 * WEEK
    assert result["rule_id"] == "efficient"
    assert (result["candidate_segment"], result["candidate_segment_points"]) == ("Strategic", 1)
    assert result["segment_basis_on"] == ANCHOR + 2 * WEEK


def test_an_account_starts_at_its_first_live_monday_and_again_after_a_gap():
    first = {ANCHOR + 2 * WEEK: GROWTH, ANCHOR + 3 * WEEK: EFFICIENT}
    assert run(first, ANCHOR + 3 * WEEK)["segment_since"] == ANCHOR + 2 * WEEK
    gap = {ANCHOR: GROWTH, ANCHOR + 2 * WEEK: EFFICIENT}
    result = run(gap, ANCHOR + 2 * WEEK)
    assert (result["segment"], result["segment_since"]) == ("Efficient", ANCHOR + 2 * WEEK)
    assert run(gap, ANCHOR + WEEK) == {}


# -- exit bands


def standings(*days: Day, column: str) -> list:
    history = mondays(*days)
    return [run(history, ANCHOR + i * WEEK)[column] for i in range(len(days))]


def test_a_value_tier_is_entered_at_its_cut_and_left_a_tenth_below():
    # Gold begins at 200: 180 is its lower end, 179 is Silver, and 199 is not Gold again.
    values = (199.0, 200.0, 180.0, 179.0, 199.0, 200.0)
    words = standings(*(replace(EFFICIENT, value=value) for value in values), column="value_tier")
    assert words == ["Silver", "Gold", "Gold", "Silver", "Silver", "Gold"]


def test_from_the_highest_value_tier_straight_down_to_where_the_value_is():
    values = (300.0, 195.0, 85.0)
    # 195 is within a tenth of Gold, and Platinum stood above Gold; 85 is below a tenth of Silver.
    words = standings(*(replace(EFFICIENT, value=value) for value in values), column="value_tier")
    assert words == ["Platinum", "Gold", "Bronze"]


def test_expansion_counts_from_50_and_until_below_40():
    scores = (49.0, 50.0, 40.0, 39.9, 49.0)
    words = standings(*(replace(GROWTH, expansion=score) for score in scores), column="expansion_level")
    assert words == ["low", "high", "high", "low", "low"]


def test_clv_counts_from_60_and_until_below_55():
    words = standings(*(replace(GROWTH, clv=rank) for rank in (59.0, 60.0, 55.0, 54.0)), column="clv_level")
    assert words == ["low", "high", "high", "low"]


def test_barely_used_begins_below_a_fifth_of_the_seats_and_ends_at_three_tenths():
    words = standings(*(replace(GROWTH, activity=a) for a in (0.2, 0.19, 0.29, 0.3)), column="is_barely_used")
    assert words == [False, True, True, False]


def test_a_cohort_is_kept_as_long_as_its_own_bound_says():
    power = replace(GROWTH, cohort="Power User", kept=("Power User",))
    kept, gone = replace(GROWTH, kept=("Power User",)), replace(GROWTH, kept=())
    words = standings(power, kept, gone, kept, column="behavioral_cohort")
    assert words == ["Power User", "Power User", "Steady State", "Steady State"]
    # What the policy names first counts first: At Risk is kept over an entry into Power User.
    risky = replace(AT_RISK, kept=("At Risk",))
    words = standings(risky, replace(power, kept=("At Risk", "Power User")), power, column="behavioral_cohort")
    assert words == ["At Risk", "At Risk", "Power User"]


def test_nobody_leaves_a_band_because_a_quarter_begins():
    """The chain of the second quarter starts on 5 January; the account was Gold in November, now within its band."""
    days = {date(2025, 9, 1) + i * WEEK: replace(STRATEGIC, value=190.0) for i in range(40)}
    days |= {date(2025, 11, 3): replace(STRATEGIC, value=200.0)}
    tuesday = {date(2026, 4, 7) + timedelta(days=i): replace(STRATEGIC, value=190.0) for i in range(2)}
    assert run(days | tuesday, date(2026, 4, 8))["value_tier"] == "Gold"


# -- price


def test_price_follows_the_segment_at_the_last_renewal():
    ahead = ANCHOR + 4 * WEEK
    growth, efficient = replace(GROWTH, renewal=ahead), replace(EFFICIENT, renewal=ahead)
    renewed = replace(EFFICIENT, renewal=ahead + 52 * WEEK)
    days = mondays(growth, efficient, efficient, efficient, renewed, replace(GROWTH, renewal=ahead + 52 * WEEK))
    assert run(days, ANCHOR + 3 * WEEK)["segment"] == "Efficient"
    assert run(days, ANCHOR + 3 * WEEK)["segment_at_renewal"] == "Growth"
    assert run(days, ANCHOR + 4 * WEEK)["segment_at_renewal"] == "Efficient"
    assert run(days, ANCHOR + 5 * WEEK)["segment_at_renewal"] == "Efficient"


# -- causes


def test_a_move_is_explained_by_what_undoes_it():
    """The value falls as well, but the cohort alone makes the difference."""
    trouble = replace(GROWTH, cohort="At Risk", value=110.0)
    result = run(mondays(GROWTH, trouble), ANCHOR + WEEK)
    assert (result["segment_cause"], result["segment_cause_kind"]) == ("behavioral_cohort", "behaviour")
    assert result["segment_cause_text"] == "behavioral cohort Steady State to At Risk"
    assert result["segment_compared_with"] == ANCHOR


def test_a_move_that_two_inputs_made_names_both():
    # Long-Tail needs Bronze and a basic need: either of the two changed back gives something else than Efficient,
    # but only both give Growth back.
    before = replace(GROWTH, needs="Expanding use case", value=150.0)
    now = replace(LONG_TAIL, needs="Basic need", value=50.0)
    result = run(mondays(before, now, now), ANCHOR + 2 * WEEK)
    assert (
        result["segment_cause_text"] == "value tier Silver to Bronze; needs profile Expanding use case to Basic need"
    )


def test_the_cause_goes_back_to_when_the_rules_last_gave_the_segment():
    """Candidates Growth, Efficient, Long-Tail, Long-Tail: against the second only the value changed."""
    second = replace(LONG_TAIL, value=150.0)
    result = run(mondays(GROWTH, second, LONG_TAIL, LONG_TAIL), ANCHOR + 3 * WEEK)
    assert result["segment"] == "Long-Tail"
    assert result["segment_compared_with"] == ANCHOR
    assert (
        result["segment_cause_text"] == "value tier Silver to Bronze; needs profile Expanding use case to Basic need"
    )


def test_a_value_tier_that_only_new_cuts_changed_is_of_the_peers():
    inputs = frame({"a": mondays(EFFICIENT, EFFICIENT, EFFICIENT)})
    inputs.loc[inputs["as_of"] > ANCHOR, "cut_silver"] = 180.0
    inputs["needs_profile"] = "Basic need"
    result = states_at(inputs, ANCHOR + 2 * WEEK).iloc[0]
    assert (result["segment"], result["segment_cause"], result["segment_cause_kind"]) == (
        "Long-Tail", "value_tier", "peers",
    )  # fmt: skip


def test_a_tier_that_similar_accounts_made_says_so():
    """ARR falls and the expansion score stays: it was the similar accounts."""
    before = replace(GROWTH, arr=31_025.0, behavior=70.0, health=60.0, expansion=36.2, alike=0.476)
    now = replace(before, arr=30_505.0, alike=0.5)
    result = run(mondays(before, now, now), ANCHOR + 2 * WEEK)
    assert (result["coverage_tier"], result["tier_cause"], result["tier_cause_kind"]) == (
        "Growth",
        "lookalike",
        "peers",
    )
    assert result["tier_cause_text"] == "lookalike 48% to 50%"


# -- tiers


def tier_after(*days: Day) -> tuple[str, str]:
    result = run(mondays(*days), ANCHOR + (len(days) - 1) * WEEK)
    return result["coverage_tier"], result["tier_rule_id"]


USED = {"behavior": 60.0, "health": 50.0}


@pytest.mark.parametrize(
    ("day", "tier", "rule"),
    [
        (Day(arr=50_000, cut=50_000, sign="reference"), "Strategic", "strategic:reference"),
        (Day(arr=50_000, cut=50_000, expansion=70), "Strategic", "strategic:expansion_score"),
        (Day(arr=50_000, cut=50_000, expansion=69.9), "Core", "core"),
        (Day(arr=90_000, cut=50_000, top=90_000), "Strategic", "strategic:top_arr"),
        (Day(arr=60_000, cut=50_000, top=90_000), "Core", "core"),
        (Day(arr=49_999, cut=50_000, sign="reference"), "Core", "core"),
        (Day(arr=99_999, sign="reference"), "Core", "core"),  # nobody stands in the top 10 %: no cut
        (Day(arr=25_000, expansion=50, **USED), "Growth", "growth"),
        (Day(arr=25_000, alike=0.5, **USED), "Growth", "growth"),
        (Day(arr=25_000, expansion=49, alike=0.49, **USED), "Core", "core"),
        (Day(arr=25_000, **USED), "Core", "core"),
        (Day(arr=25_000, expansion=50, behavior=59.9, health=50), "Core", "core"),
        (Day(arr=25_000, expansion=50, behavior=60, health=49.9), "Core", "core"),
        (Day(arr=25_000, expansion=50, behavior=60), "Core", "core"),
        (Day(arr=24_999, expansion=50, **USED), "Core", "core"),
        (Day(arr=9_999, expansion=49), "Long-Tail", "long_tail"),
        (Day(arr=9_999, expansion=50), "Core", "core"),
        (Day(arr=9_999), "Core", "core"),
        (Day(arr=10_000, expansion=49), "Core", "core"),
    ],
)
def test_the_tier_of_a_new_account(day, tier, rule):
    assert tier_after(day) == (tier, rule)


def test_strategic_is_kept_inside_the_exit_band_and_left_at_once_below_it():
    top = Day(arr=50_000, cut=50_000, sign="reference")
    inside, below = replace(top, arr=45_000), replace(top, arr=44_999)
    assert tier_after(top, inside, inside) == ("Strategic", "strategic_kept:reference")
    assert tier_after(top, below) == ("Core", "core")


def test_strategic_by_expansion_is_kept_down_to_65():
    top = Day(arr=50_000, cut=50_000, expansion=70)
    inside, below = replace(top, expansion=65), replace(top, expansion=64.9)
    assert tier_after(top, inside, inside) == ("Strategic", "strategic_kept:expansion_score")
    assert tier_after(top, below, below)[0] == "Core"


def test_strategic_is_left_when_its_sign_goes_and_stays_gone():
    top = Day(arr=50_000, cut=50_000, sign="reference")
    without = replace(top, sign=None)
    assert tier_after(top, without)[0] == "Strategic"
    assert tier_after(top, without, without)[0] == "Core"


ENTERS = Day(arr=25_000, expansion=50, **USED)
WEAK = Day(arr=25_000, expansion=50, behavior=20, health=20)


def test_growth_is_never_left_because_usage_or_health_falls():
    assert tier_after(ENTERS, *[WEAK] * 5) == ("Growth", "growth_kept")
    unknown = replace(WEAK, expansion=None)
    assert tier_after(ENTERS, *[unknown] * 5) == ("Growth", "growth_kept")


def test_growth_is_left_on_arr_at_once_and_on_expansion_when_it_holds():
    assert tier_after(ENTERS, replace(WEAK, arr=22_500))[0] == "Growth"
    assert tier_after(ENTERS, replace(WEAK, arr=22_499))[0] == "Core"
    inside, gone = replace(ENTERS, expansion=45), replace(ENTERS, expansion=44.9)
    assert tier_after(ENTERS, *[inside] * 4) == ("Growth", "growth_kept")
    assert tier_after(ENTERS, gone)[0] == "Growth"
    assert tier_after(ENTERS, gone, gone)[0] == "Core"
    assert tier_after(ENTERS, *[replace(gone, alike=0.45)] * 4)[0] == "Growth"


def test_long_tail_is_reached_a_tenth_below_its_bound_and_left_at_it():
    core = Day(arr=10_000, expansion=40)
    assert tier_after(core, *[replace(core, arr=9_000)] * 3) == ("Core", "core_kept")
    assert tier_after(core, replace(core, arr=8_999)) == ("Long-Tail", "long_tail")
    small = replace(core, arr=8_000)
    assert tier_after(small, replace(core, arr=9_999))[0] == "Long-Tail"
    assert tier_after(small, replace(core, arr=10_000))[0] == "Core"


def test_long_tail_is_left_at_expansion_50_and_reached_again_below_45():
    small, grows = Day(arr=8_000, expansion=49), Day(arr=8_000, expansion=50)
    assert tier_after(small, grows, grows)[0] == "Core"
    assert tier_after(grows, *[replace(small, expansion=45)] * 3) == ("Core", "core_kept")
    assert tier_after(grows, *[replace(small, expansion=44)] * 2) == ("Long-Tail", "long_tail")


def test_a_tier_moves_at_once_only_where_arr_made_the_difference():
    # The sign came in the week in which ARR crossed another threshold: it must hold.
    before = Day(arr=9_000, cut=5_000)
    assert tier_after(before, Day(arr=10_000, cut=5_000, sign="reference"))[0] == "Core"


# -- days, chains and runs


def test_a_monday_is_on_two_grids():
    assert anchors_of(date(2026, 4, 27)) == [ANCHOR, FIRST_OF_Q2]
    assert anchors_of(ANCHOR) == [date(2025, 10, 6), ANCHOR]
    # The last Monday of a quarter is on the grid that the next quarter's first days read.
    assert anchor(date(2026, 7, 1)) in anchors_of(last_monday(date(2026, 7, 1)))


def test_a_day_that_is_no_monday_has_no_grid_rows_and_a_monday_has_those_of_the_grid():
    days = candidates("Growth", "Efficient", "Efficient")
    tuesday = ANCHOR + timedelta(days=1)
    assert grid_at(frame({"a": days}), tuesday).empty
    monday = ANCHOR + 2 * WEEK
    grid = grid_at(frame({"a": days}), monday)
    grid = grid[grid["anchor"] == anchor(monday)].drop(columns="anchor").reset_index(drop=True)
    states = states_at(frame({"a": days}), monday)
    pd.testing.assert_frame_equal(grid[list(states.columns)], states)


def week_of(day: Day, monday: date) -> dict[date, Day]:
    """The six days after a Monday."""
    return {monday + timedelta(days=i): day for i in range(1, 7)}


def test_between_mondays_only_what_counts_at_once_counts():
    tuesday, wednesday = ANCHOR + WEEK + timedelta(days=1), ANCHOR + WEEK + timedelta(days=2)
    days = {**candidates("Growth", "Growth"), **week_of(GROWTH, ANCHOR)}
    assert run({**days, tuesday: EFFICIENT, wednesday: EFFICIENT}, wednesday)["segment"] == "Growth"
    risk = {**days, tuesday: AT_RISK, wednesday: GROWTH}
    assert run(risk, tuesday)["segment_since"] == tuesday
    assert run(risk, wednesday)["segment"] == "At-Risk"
    crossed = {**days, tuesday: replace(LONG_TAIL, arr=9_999 * 0.9)}
    assert run(crossed, tuesday)["segment"] == "Long-Tail"


def test_one_day_in_danger_lasts_until_two_mondays_in_a_row_say_otherwise():
    monday = ANCHOR + WEEK
    tuesday = monday + timedelta(days=1)
    days = candidates("Growth", "Growth", "Growth", "Growth")
    for each in days.copy():
        days |= week_of(GROWTH, each)
    days[tuesday] = replace(GROWTH, cohort="At Risk")
    seen = {on: run(days, on) for on in (tuesday, *(monday + timedelta(days=i) for i in (6, 7, 8, 13, 14)))}
    assert [row["segment"] for row in seen.values()] == ["At-Risk"] * 5 + ["Growth"]
    assert {row["segment_since"] for on, row in seen.items() if on < monday + 2 * WEEK} == {tuesday}
    assert seen[monday + WEEK]["segment_cause_text"] == "behavioral cohort Steady State to At Risk"
    assert run({**days, monday + WEEK: AT_RISK}, monday + 2 * WEEK)["segment"] == "At-Risk"


def test_an_account_that_starts_between_mondays_has_its_candidate():
    thursday = ANCHOR + timedelta(days=3)
    result = run({thursday: EFFICIENT}, thursday)
    assert (result["segment"], result["segment_since"], result["segment_move_rule"]) == (
        "Efficient",
        thursday,
        "start",
    )
    assert result["candidate_segment_points"] == 1


@pytest.mark.parametrize(
    ("entered", "tier"),
    [
        (date(2025, 10, 20), "Growth"),  # in the quarter before the chain's, where every Monday is walked
        (date(2025, 1, 6), "Growth"),  # on the first Monday of the oldest month
        (date(2025, 5, 5), "Growth"),  # on the first Monday of a month between
        (date(2025, 5, 12), "Core"),  # between first Mondays of older months: not seen
        (date(2024, 10, 7), "Core"),  # longer ago than the policy remembers
    ],
)
def test_nobody_leaves_growth_over_a_new_anchor_because_usage_fell(entered, tier):
    """The chain of 2026-04-15 starts on 5 January; the account met the entry on two Mondays, and never again."""
    days = {date(2024, 9, 2) + i * WEEK: WEAK for i in range(90)}
    second = naive.first_monday(entered.year, entered.month + 1) if entered.day < 8 else entered + WEEK
    days |= {entered: ENTERS, second: ENTERS}
    days |= week_of(WEAK, date(2026, 4, 6)) | {date(2026, 4, 14): WEAK, date(2026, 4, 15): WEAK}
    result = run(days, date(2026, 4, 15))
    assert (result["coverage_tier"], result["tier_rule_id"]) == (
        tier,
        {"Growth": "growth_kept", "Core": "core"}[tier],
    )


def test_start_of_walk():
    assert start_of_walk(ANCHOR, 0) == ([], ANCHOR)
    assert start_of_walk(ANCHOR, 1) == ([], date(2025, 10, 6))
    single, weekly_from = start_of_walk(ANCHOR, 4)
    assert single == [
        date(2025, 1, 6), date(2025, 2, 3), date(2025, 3, 3), date(2025, 4, 7), date(2025, 5, 5), date(2025, 6, 2),
        date(2025, 7, 7), date(2025, 8, 4), date(2025, 9, 1),
    ]  # fmt: skip
    assert weekly_from == date(2025, 10, 6)
    walked = WALKED(date(2026, 4, 15))
    # The chain of 5 January, and that of 6 April, whose months end in December and whose weeks start in January.
    assert (walked[0], walked[-1], len(walked)) == (date(2025, 1, 6), date(2026, 4, 13), 9 + 28)


def test_nobody_live_is_an_empty_table():
    empty = frame({})
    assert list(grid_at(empty, ANCHOR).columns) == [n for n in ibis_schema(SegmentGrid) if n != "policy_hash"]
    assert states_at(empty, ANCHOR).empty


MAYBE = st.sampled_from
DAY = st.builds(
    Day,
    size=MAYBE(["smb", "mid_market", "enterprise", None]),
    cohort=MAYBE(["Steady State", "Power User", "At Risk", "Dormant", None]),
    kept=MAYBE([(), ("Power User",), ("At Risk",), ("Dormant", "At Risk")]),
    needs=MAYBE(["Platform", "Expanding use case", "Specific use case", "Basic need", None]),
    value=MAYBE([50.0, 95.0, 105.0, 195.0, 250.0, 280.0, 310.0, None]),
    clv=MAYBE([50.0, 57.0, 61.0, None]),
    activity=MAYBE([0.1, 0.25, 0.5, None]),
    expansion=MAYBE([30.0, 42.0, 47.0, 52.0, 67.0, 72.0, None]),
    arr=MAYBE([8_000.0, 8_999.0, 9_000.0, 9_999.0, 10_000.0, 22_499.0, 22_500.0, 25_000.0, 45_000.0, 60_000.0]),
    waits=st.booleans(),
    cut=MAYBE([None, 45_000.0, 50_000.0, 60_000.0]),
    top=MAYBE([None, 60_000.0, 66_000.0]),
    sign=MAYBE([None, "reference", "multi_product"]),
    behavior=MAYBE([None, 59.0, 61.0]),
    health=MAYBE([None, 60.0]),
    alike=MAYBE([None, 0.4, 0.47, 0.6]),
    renewal=MAYBE([None, date(2026, 1, 20), date(2026, 3, 1), date(2026, 9, 1)]),
)
LONG_AGO = date(2024, 12, 1)
HORIZON = [date(2025, 12, 1) + timedelta(days=i) for i in range(160)]


@st.composite
def histories(draw) -> tuple[History, list[date]]:
    """Inputs of two accounts on every day that the asked days could read, with gaps, and those days."""
    requests = draw(st.lists(st.sampled_from(HORIZON[60:]), min_size=1, max_size=3, unique=True))
    read = {g for d in requests for m in last_two_mondays(d) for g in WALKED(m)}
    needed = sorted(d for d in read | {w for d in requests for w in two_weeks_so_far(d)} if d >= LONG_AGO)
    history: History = {}
    for account in ("a", "b"):
        kinds = draw(st.lists(DAY, min_size=1, max_size=4))
        live = draw(st.lists(st.integers(0, 5 * len(kinds) - 1), min_size=len(needed), max_size=len(needed)))
        # A few kinds of day that repeat make candidates that hold; one draw in twenty is a day without the account.
        history[account] = {d: kinds[k % len(kinds)] for d, k in zip(needed, live, strict=True) if k != 0}
    return history, sorted(requests)


@settings(max_examples=25, deadline=None)
@hypothesis_given(histories())
def test_states_agree_with_the_naive_walk(drawn):
    history, requests = drawn
    result = states_at(frame(history), *requests).set_index(["as_of", "account_id"])
    expected = {
        (on, account): state
        for on in requests
        for account, days in history.items()
        if (state := naive.walk(days, anchor(on), on)) is not None
    }
    assert set(result.index) == set(expected)
    for key, state in expected.items():
        row = result.loc[key]
        assert (row["segment"], row["segment_since"], row["segment_move_rule"]) == (
            state.segment, state.segment_since, state.segment_how,
        )  # fmt: skip
        assert (row["coverage_tier"], row["tier_since"], row["tier_move_rule"]) == (
            state.tier, state.tier_since, state.tier_how,
        )  # fmt: skip
        assert [row["is_above_long_tail"], row["is_above_growth"], row["is_above_strategic"]] == state.above
        assert row["segment_at_renewal"] == state.at_renewal
        words = [row[name] for name in ("behavioral_cohort", "value_tier", "expansion_level", "clv_level")]
        stands = state.standing
        assert words == [stands.cohort, stands.value, stands.expansion, stands.clv]
        assert row["is_barely_used"] == stands.barely


@settings(max_examples=6, deadline=None)
@hypothesis_given(histories())
def test_a_lone_day_and_a_backfill_agree_row_for_row(drawn):
    history, requests = drawn
    inputs = frame(history)
    together = states_at(inputs, *requests)
    alone = [states_at(inputs, day) for day in requests]
    key = ["as_of", "account_id"]
    pd.testing.assert_frame_equal(
        together.sort_values(key, ignore_index=True),
        pd.concat(alone).sort_values(key, ignore_index=True),
        check_dtype=False,
    )


@settings(max_examples=15, deadline=None)
@hypothesis_given(st.lists(st.sampled_from(sorted(DAYS)), min_size=1, max_size=13))
def test_with_steady_arr_a_move_is_either_held_or_into_at_risk(segments):
    days = candidates(*segments)
    result = grid_at(frame({"a": days}), *days)
    states = result[result["anchor"] == ANCHOR].sort_values("as_of")["segment"].tolist()
    assert states[0] == segments[0]
    for i in range(1, len(segments)):
        if states[i] != states[i - 1] and states[i] != "At-Risk":
            assert segments[i] == segments[i - 1] == states[i]
