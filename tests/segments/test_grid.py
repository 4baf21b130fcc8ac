from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import load_policy
from segmentation_assets.segments.candidates import CandidatePoints
from segmentation_assets.segments.grid import (
    SegmentGrid,
    anchors_of,
    mondays_walked,
    segment_grid,
    segment_states,
    stretches_before,
    week_so_far,
)
from segmentation_assets.tables.as_of import anchor, last_monday, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from tests.segments import naive
from tests.segments.naive import Day

POLICY = load_policy()
ANCHOR = date(2026, 1, 5)  # first Monday of the first quarter: the anchor of all days of the second
FIRST_OF_Q2 = date(2026, 4, 6)
WEEK = timedelta(weeks=1)
WALKED = mondays_walked(POLICY.stability.tier_memory_quarters)
History = dict[str, dict[date, Day]]


def frame(history: History) -> pd.DataFrame:
    rows = [
        {
            "as_of": on,
            "account_id": account,
            "arr": day.arr,
            "value_tier": day.value,
            "is_worth_saving": True,
            "candidate_segment": day.candidate,
            "candidate_rule_id": f"exact:{day.candidate}",
            "risk_waits": day.waits,
            "strategic_cut": day.cut,
            "top_cut": day.top,
            "strategic_evidence": day.sign,
            "has_growth_usage": day.usage,
            "growth_evidence": day.growth,
            "has_little_to_expand": day.little,
        }
        for account, days in history.items()
        for on, day in days.items()
    ]
    return pd.DataFrame(rows, columns=list(ibis_schema(CandidatePoints))).astype(
        {"strategic_cut": float, "top_cut": float}
    )


def only(candidates: pd.DataFrame, days: list[date]) -> pd.DataFrame:
    return candidates[candidates["as_of"].isin(days)]


def grid_at(candidates: pd.DataFrame, *mondays: date) -> pd.DataFrame:
    return segment_grid(spine_frame(mondays), candidates, POLICY.tier, POLICY.stability)


def states_at(candidates: pd.DataFrame, *days: date) -> pd.DataFrame:
    """What a run over these days gives, each table reading exactly the days it declares."""
    mondays = sorted({last_monday(d) for d in days})
    grid = grid_at(only(candidates, [g for m in mondays for g in WALKED(m)]), *mondays)
    week = only(candidates, [w for d in days for w in week_so_far(d)])
    return segment_states(spine_frame(days), grid, week, POLICY.tier, POLICY.stability)


def run(days: dict[date, Day], until: date) -> dict:
    found = states_at(frame({"a": days}), until)
    return found.iloc[0].to_dict() if len(found) else {}


def mondays(*days: Day, first: date = ANCHOR) -> dict[date, Day]:
    return {first + i * WEEK: day for i, day in enumerate(days)}


def candidates(*segments: str, arr: float = 15_000.0) -> dict[date, Day]:
    return mondays(*(Day(segment, arr) for segment in segments))


def after(*segments: str) -> str:
    """Segment in force after these candidates on the Mondays of a quarter, seen from the chain that starts there."""
    days = candidates(*segments)
    found = grid_at(frame({"a": days}), max(days))
    return found[found["anchor"] == ANCHOR]["segment"].item()


# -- segments


def test_at_the_anchor_the_state_is_the_candidate():
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


def test_into_at_risk_at_once_and_out_only_when_held():
    assert after("Growth", "At-Risk") == "At-Risk"
    assert after("Growth", "At-Risk", "Growth") == "At-Risk"
    assert after("Growth", "At-Risk", "Growth", "Growth") == "Growth"


def test_into_at_risk_waits_while_usage_is_far_behind():
    late, fresh = Day("At-Risk", 15_000, waits=True), Day("At-Risk", 15_000)
    start = Day("Growth", 15_000)
    assert run(mondays(start, late, late, late), ANCHOR + 3 * WEEK)["segment"] == "Growth"
    moved = run(mondays(start, late, late, fresh), ANCHOR + 3 * WEEK)
    assert (moved["segment"], moved["segment_move_rule"]) == ("At-Risk", "risk_at_once")


def test_at_once_when_arr_crossed_a_billing_threshold_and_the_value_side_changed():
    before = Day("Efficient", 9_000, "Bronze")
    up = Day("Growth", 10_000, "Gold")
    assert run(mondays(before, up), ANCHOR + WEEK)["segment_move_rule"] == "arr_at_once"
    # Below the threshold, or with the value side as it was, it must hold first.
    assert run(mondays(before, Day("Growth", 9_999, "Gold")), ANCHOR + WEEK)["segment"] == "Efficient"
    assert run(mondays(before, Day("Growth", 10_000, "Bronze")), ANCHOR + WEEK)["segment"] == "Efficient"


@pytest.mark.parametrize(("arr", "crosses"), [(9_000.0, False), (8_999.99, True)])
def test_arr_crosses_downwards_only_below_the_exit_band(arr, crosses):
    days = mondays(Day("Growth", 10_000, "Gold"), Day("Long-Tail", arr, "Bronze"))
    assert (run(days, ANCHOR + WEEK)["segment"] == "Long-Tail") is crosses


def test_arr_that_swings_inside_the_exit_band_crosses_once():
    path = [8_000, 10_100, 9_200, 10_100]
    days = mondays(*(Day("Growth", arr) for arr in path))
    above = [run(days, ANCHOR + i * WEEK)["is_above_long_tail"] for i in range(4)]
    assert above == [False, True, True, True]


def test_a_new_strategic_cut_alone_crosses_nothing():
    days = mondays(Day("Growth", 60_000, "Gold", cut=50_000), Day("Strategic", 60_000, "Platinum", cut=80_000))
    assert run(days, ANCHOR + WEEK)["segment"] == "Growth"
    grown = mondays(Day("Growth", 60_000, "Gold", cut=50_000), Day("Strategic", 80_000, "Platinum", cut=80_000))
    assert run(grown, ANCHOR + WEEK)["segment"] == "Strategic"


def test_since_and_rule_stay_while_a_candidate_waits():
    days = candidates("Growth", "Efficient", "Efficient", "Strategic")
    found = run(days, ANCHOR + 3 * WEEK)
    assert found["segment_since"] == ANCHOR + 2 * WEEK
    assert found["rule_id"] == "exact:Efficient"
    assert (found["candidate_segment"], found["candidate_segment_points"]) == ("Strategic", 1)


def test_an_account_starts_at_its_first_live_monday_and_again_after_a_gap():
    first = {ANCHOR + 2 * WEEK: Day("Growth", 15_000), ANCHOR + 3 * WEEK: Day("Efficient", 15_000)}
    assert run(first, ANCHOR + 3 * WEEK)["segment_since"] == ANCHOR + 2 * WEEK
    gap = {ANCHOR: Day("Growth", 15_000), ANCHOR + 2 * WEEK: Day("Efficient", 15_000)}
    found = run(gap, ANCHOR + 2 * WEEK)
    assert (found["segment"], found["segment_since"]) == ("Efficient", ANCHOR + 2 * WEEK)
    assert run(gap, ANCHOR + WEEK) == {}


# -- tiers


def tier_after(*days: Day) -> tuple[str, str]:
    found = run(mondays(*days), ANCHOR + (len(days) - 1) * WEEK)
    return found["coverage_tier"], found["tier_rule_id"]


@pytest.mark.parametrize(
    ("day", "tier", "rule"),
    [
        (Day("Growth", 50_000, cut=50_000, sign="reference"), "Strategic", "strategic:reference"),
        (Day("Growth", 90_000, cut=50_000, top=90_000), "Strategic", "strategic:top_arr"),
        (Day("Growth", 60_000, cut=50_000, top=90_000), "Core", "core"),
        (Day("Growth", 49_999, cut=50_000, sign="reference"), "Core", "core"),
        (Day("Growth", 99_999, sign="reference"), "Core", "core"),  # nobody stands in the top 10 %: no cut
        (Day("Growth", 25_000, usage=True, growth="present"), "Growth", "growth"),
        (Day("Growth", 25_000, usage=True, growth="unknown"), "Core", "core"),
        (Day("Growth", 25_000, usage=False, growth="present"), "Core", "core"),
        (Day("Growth", 24_999, usage=True, growth="present"), "Core", "core"),
        (Day("Growth", 9_999, little=True), "Long-Tail", "long_tail"),
        (Day("Growth", 9_999, little=False), "Core", "core"),
        (Day("Growth", 10_000, little=True), "Core", "core"),
    ],
)
def test_the_tier_of_a_new_account(day, tier, rule):
    assert tier_after(day) == (tier, rule)


def test_strategic_is_kept_inside_the_exit_band_and_left_at_once_below_it():
    top = Day("Growth", 50_000, cut=50_000, sign="reference")
    inside, below = (Day("Growth", arr, cut=50_000, sign="reference") for arr in (45_000, 44_999))
    assert tier_after(top, inside, inside) == ("Strategic", "strategic_kept:reference")
    assert tier_after(top, below) == ("Core", "core")


def test_strategic_is_left_when_its_evidence_goes_and_stays_gone():
    top, without = Day("Growth", 50_000, cut=50_000, sign="reference"), Day("Growth", 50_000, cut=50_000)
    assert tier_after(top, without)[0] == "Strategic"
    assert tier_after(top, without, without)[0] == "Core"


def test_growth_is_never_left_because_usage_or_health_falls():
    enters = Day("Growth", 25_000, usage=True, growth="present")
    weak = Day("Growth", 25_000, usage=False, growth="present")
    assert tier_after(enters, *[weak] * 5) == ("Growth", "growth_kept")
    unknown = Day("Growth", 25_000, usage=False, growth="unknown")
    assert tier_after(enters, *[unknown] * 5) == ("Growth", "growth_kept")


def test_growth_is_left_on_arr_at_once_and_on_expansion_evidence_when_it_holds():
    enters = Day("Growth", 25_000, usage=True, growth="present")
    assert tier_after(enters, Day("Growth", 22_500, growth="present"))[0] == "Growth"
    assert tier_after(enters, Day("Growth", 22_499, growth="present"))[0] == "Core"
    gone = Day("Growth", 25_000, usage=True, growth="absent")
    assert tier_after(enters, gone)[0] == "Growth"
    assert tier_after(enters, gone, gone)[0] == "Core"


def test_long_tail_is_reached_a_tenth_below_its_bound_and_left_at_it():
    core = Day("Growth", 10_000, little=True)
    assert tier_after(core, *[Day("Growth", 9_000, little=True)] * 3) == ("Core", "core_kept")
    assert tier_after(core, Day("Growth", 8_999, little=True)) == ("Long-Tail", "long_tail")
    small = Day("Growth", 8_000, little=True)
    assert tier_after(small, Day("Growth", 9_999, little=True))[0] == "Long-Tail"
    assert tier_after(small, Day("Growth", 10_000, little=True))[0] == "Core"


def test_an_account_that_never_was_above_the_lowest_bound_needs_no_exit_band():
    can_grow, cannot = Day("Growth", 9_500), Day("Growth", 9_500, little=True)
    assert tier_after(can_grow, cannot, cannot) == ("Long-Tail", "long_tail")


def test_a_tier_moves_at_once_only_where_arr_made_the_difference():
    # The evidence came in the week in which ARR crossed another threshold: it must hold.
    before = Day("Growth", 9_000, cut=5_000)
    assert tier_after(before, Day("Growth", 10_000, cut=5_000, sign="reference"))[0] == "Core"


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


def test_between_mondays_only_what_counts_at_once_counts():
    tuesday, wednesday = ANCHOR + WEEK + timedelta(days=1), ANCHOR + WEEK + timedelta(days=2)
    days = candidates("Growth", "Growth")
    pending = {**days, tuesday: Day("Efficient", 15_000), wednesday: Day("Efficient", 15_000)}
    assert run(pending, wednesday)["segment"] == "Growth"
    risk = {**days, tuesday: Day("At-Risk", 15_000), wednesday: Day("Growth", 15_000)}
    assert run(risk, tuesday)["segment_since"] == tuesday
    assert run(risk, wednesday)["segment"] == "At-Risk"
    crossed = {**days, tuesday: Day("Efficient", 9_999 * 0.9, "Bronze")}
    assert run(crossed, tuesday)["segment"] == "Efficient"


def test_at_risk_between_mondays_lasts_up_to_the_next_monday_which_confirms_or_ends_it():
    tuesday, monday = ANCHOR + WEEK + timedelta(days=1), ANCHOR + 2 * WEEK
    days = {**candidates("Growth", "Growth", "Growth"), tuesday: Day("At-Risk", 15_000)}
    days |= {tuesday + timedelta(days=i): Day("Growth", 15_000) for i in range(1, 6)}
    assert run(days, monday - timedelta(days=1))["segment"] == "At-Risk"
    assert run(days, monday)["segment"] == "Growth"
    assert run({**days, monday: Day("At-Risk", 15_000)}, monday)["segment"] == "At-Risk"


def test_an_account_that_starts_between_mondays_has_its_candidate():
    thursday = ANCHOR + timedelta(days=3)
    found = run({thursday: Day("Efficient", 15_000)}, thursday)
    assert (found["segment"], found["segment_since"], found["segment_move_rule"]) == ("Efficient", thursday, "start")
    assert found["candidate_segment_points"] == 1


def test_a_new_quarter_walks_from_a_later_monday():
    # The first quarter's chain starts in Growth; on the new one's first Monday the candidate is Efficient for a day.
    days = {ANCHOR - WEEK: Day("Growth", 15_000)}
    days |= mondays(Day("Efficient", 15_000), *[Day("Growth", 15_000), Day("Efficient", 15_000)] * 6)
    last_of_quarter, first_of_next = date(2026, 3, 31), date(2026, 4, 1)
    every_day = {d: Day("Growth", 15_000) for d in (last_of_quarter, first_of_next)}
    assert run(days | every_day, last_of_quarter)["segment"] == "Growth"
    assert run(days | every_day, first_of_next)["segment"] == "Efficient"


WEAK = Day("Growth", 25_000, usage=False, growth="present")
ENTERS = Day("Growth", 25_000, usage=True, growth="present")


@pytest.mark.parametrize(
    ("entered", "tier"),
    [
        (date(2025, 10, 20), "Growth"),  # in the quarter before the chain's, where every Monday is walked
        (date(2025, 1, 6), "Growth"),  # on the first Monday of the fourth quarter before it
        (date(2025, 1, 13), "Core"),  # between first Mondays of older quarters: not seen
        (date(2024, 10, 7), "Core"),  # longer ago than the policy remembers
    ],
)
def test_nobody_leaves_growth_over_a_new_anchor_because_usage_fell(entered, tier):
    """The chain of 2026-04-15 starts on 5 January; the account met the entry on two Mondays, and never again."""
    days = {date(2024, 9, 2) + i * WEEK: WEAK for i in range(90)}
    days |= {entered: ENTERS, entered + WEEK: ENTERS, date(2026, 4, 14): WEAK, date(2026, 4, 15): WEAK}
    found = run(days, date(2026, 4, 15))
    assert (found["coverage_tier"], found["tier_rule_id"]) == (tier, {"Growth": "growth_kept", "Core": "core"}[tier])


def test_what_is_remembered_leaves_on_arr_and_evidence_and_ends_with_a_gap():
    days = {date(2025, 9, 29) + i * WEEK: WEAK for i in range(30)}
    days |= {date(2025, 9, 29): ENTERS, date(2025, 10, 6): ENTERS}

    def on_the_grid_of_the_anchor(history: dict[date, Day]) -> tuple[str, bool]:
        found = grid_at(frame({"a": history}), ANCHOR)
        row = found[found["anchor"] == ANCHOR].iloc[0]
        return row["coverage_tier"], row["is_above_growth"]

    assert on_the_grid_of_the_anchor(days) == ("Growth", True)
    # Inside the exit band at the anchor, then below it in the quarter before; no evidence on two Mondays before it.
    assert on_the_grid_of_the_anchor({**days, ANCHOR: Day("Growth", 22_500, growth="present")}) == ("Growth", True)
    low = {date(2025, 11, 3): Day("Growth", 22_499, growth="present")}
    assert on_the_grid_of_the_anchor(days | low) == ("Core", True)
    absent = {date(2025, 11, 3) + i * WEEK: Day("Growth", 25_000, growth="absent") for i in range(2)}
    assert on_the_grid_of_the_anchor(days | absent) == ("Core", True)
    gone = {on: day for on, day in days.items() if on != date(2025, 12, 1)}
    assert on_the_grid_of_the_anchor(gone) == ("Core", True)


def test_stretches_before_a_chain():
    assert stretches_before(ANCHOR, 0) == []
    assert stretches_before(ANCHOR, 1) == [[date(2025, 10, 6) + i * WEEK for i in range(13)]]
    assert [stretch[0] for stretch in stretches_before(ANCHOR, 4)] == [
        date(2025, 1, 6), date(2025, 4, 7), date(2025, 7, 7), date(2025, 10, 6),
    ]  # fmt: skip
    walked = WALKED(date(2026, 4, 15))
    assert (walked[0], walked[-1], len(walked)) == (date(2025, 1, 6), date(2026, 4, 13), 3 + 13 + 15)


def test_nobody_live_is_an_empty_table():
    empty = frame({})
    assert list(grid_at(empty, ANCHOR).columns) == [n for n in ibis_schema(SegmentGrid) if n != "policy_hash"]
    assert states_at(empty, ANCHOR).empty
    assert segment_states(spine_frame([ANCHOR]), grid_at(empty, ANCHOR), empty, POLICY.tier, POLICY.stability).empty


SEGMENT = st.sampled_from(["Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail"])
ARR = st.sampled_from(
    [8_000.0, 8_999.0, 9_000.0, 9_999.0, 10_000.0, 22_499.0, 22_500.0, 25_000.0, 45_000.0, 60_000.0]
)
DAY = st.builds(
    Day,
    candidate=SEGMENT,
    arr=ARR,
    value=st.sampled_from(["Gold", "Bronze"]),
    waits=st.booleans(),
    cut=st.sampled_from([None, 45_000.0, 50_000.0, 60_000.0]),
    top=st.sampled_from([None, 60_000.0, 66_000.0]),
    sign=st.sampled_from([None, "reference", "multi_product"]),
    usage=st.booleans(),
    growth=st.sampled_from(["present", "absent", "unknown"]),
    little=st.booleans(),
)
LONG_AGO = date(2024, 12, 1)
HORIZON = [date(2025, 12, 1) + timedelta(days=i) for i in range(160)]


@st.composite
def histories(draw) -> tuple[History, list[date]]:
    """Candidates of two accounts on every day that the asked days could read, with gaps, and those days."""
    asked = draw(st.lists(st.sampled_from(HORIZON[60:]), min_size=1, max_size=4, unique=True))
    needed = {g for d in asked for g in WALKED(d)} | {w for d in asked for w in week_so_far(d)}
    needed = sorted(d for d in needed if d >= LONG_AGO)
    history: History = {}
    for account in ("a", "b"):
        kinds = draw(st.lists(DAY, min_size=1, max_size=4))
        live = draw(st.lists(st.integers(0, 5 * len(kinds) - 1), min_size=len(needed), max_size=len(needed)))
        # A few kinds of day that repeat make candidates that hold; one draw in twenty is a day without the account.
        history[account] = {d: kinds[k % len(kinds)] for d, k in zip(needed, live, strict=True) if k != 0}
    return history, sorted(asked)


@settings(max_examples=60, deadline=None)
@hypothesis_given(histories())
def test_states_agree_with_the_naive_walk(drawn):
    history, asked = drawn
    found = states_at(frame(history), *asked).set_index(["as_of", "account_id"])
    expected = {
        (on, account): state
        for on in asked
        for account, days in history.items()
        if (state := naive.walk(days, anchor(on), on)) is not None
    }
    assert set(found.index) == set(expected)
    for key, state in expected.items():
        row = found.loc[key]
        assert (row["segment"], row["segment_since"], row["segment_move_rule"]) == (
            state.segment, state.segment_since, state.segment_how,
        )  # fmt: skip
        assert (row["coverage_tier"], row["tier_since"], row["tier_move_rule"]) == (
            state.tier, state.tier_since, state.tier_how,
        )  # fmt: skip
        assert [row["is_above_long_tail"], row["is_above_growth"], row["is_above_strategic"]] == state.above


@settings(max_examples=20, deadline=None)
@hypothesis_given(histories())
def test_a_lone_day_and_a_backfill_agree_row_for_row(drawn):
    history, asked = drawn
    candidates = frame(history)
    together = states_at(candidates, *asked)
    alone = [states_at(candidates, day) for day in asked]
    key = ["as_of", "account_id"]
    pd.testing.assert_frame_equal(
        together.sort_values(key, ignore_index=True),
        pd.concat(alone).sort_values(key, ignore_index=True),
        check_dtype=False,
    )


@settings(max_examples=30, deadline=None)
@hypothesis_given(st.lists(SEGMENT, min_size=1, max_size=13), st.sampled_from([15_000.0, 60_000.0]))
def test_with_steady_arr_a_move_is_either_held_or_into_at_risk(segments, arr):
    days = candidates(*segments, arr=arr)
    found = grid_at(frame({"a": days}), *days)
    states = found[found["anchor"] == ANCHOR].sort_values("as_of")["segment"].tolist()
    assert states[0] == segments[0]
    for i in range(1, len(segments)):
        if states[i] != states[i - 1] and states[i] != "At-Risk":
            assert segments[i] == segments[i - 1] == states[i]
