"""The state of every account after each point of the weekly grid, and at the end of any day.

Here: walking candidates along the grid of an anchor. Not here: the rule of one step (`stability`), or what the
state means for people (`segments`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from segmentation_assets.policy.segments import SEGMENTS, TIERS, StabilityPolicy, TierPolicy
from segmentation_assets.segments.candidates import CandidatePoints
from segmentation_assets.segments.encoding import CandidateDays, Column, Words, from_frame, to_frame
from segmentation_assets.segments.stability import MOVE_RULES, State, start, step
from segmentation_assets.tables.as_of import FromPolicy, Spine, anchor, last_monday, quarter_start, weeks
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, ROWS, Frame, table

_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)


class _State(Snapshot):
    account_id: str = column("Account.")
    segment: str = column("Segment in force.", isin=SEGMENTS)
    rule_id: str = column("Rule that gave the segment when it was last the candidate.")
    segment_since: Day = column("Day the segment came into force, at the earliest the start of this chain.")
    segment_move_rule: str = column(
        "How it came into force: start, held, risk_at_once, arr_at_once.", isin=MOVE_RULES
    )
    candidate_segment: str = column("What the rules say on this day alone.", isin=SEGMENTS)
    candidate_segment_points: Integer = column("Grid points in a row that this candidate has held.", ge=0)
    coverage_tier: str = column("Coverage tier in force.", isin=TIERS)
    tier_rule_id: str = column("Rule that gave the tier when it was last the candidate.")
    tier_since: Day = column("Day the tier came into force, at the earliest the start of this chain.")
    tier_move_rule: str = column("How it came into force: start, held, arr_at_once.", isin=MOVE_RULES)
    candidate_tier: str = column("Tier that the rules give on this day to an account in this tier.", isin=TIERS)
    candidate_tier_points: Integer = column("Grid points in a row that this candidate has held.", ge=0)
    is_above_long_tail: Flag = column("ARR counts as above the lowest billing threshold (up at it, down 10 % below).")
    is_above_growth: Flag = column("ARR counts as above the Growth threshold (up at it, down 10 % below).")
    is_above_strategic: Flag = column("ARR counts as above the Strategic cut (up at it, down 10 % below).")


class SegmentGrid(_State):
    """State after a Monday, in the chain of an anchor. Key: as_of (a Monday), anchor, account_id."""

    anchor: Day = column("Monday that the chain starts at.")

    class Config:
        unique = ["as_of", "anchor", "account_id"]


class SegmentStates(_State):
    """State at the end of as_of. Key: as_of, account_id; one row per live account."""

    class Config:
        unique = ["as_of", "account_id"]


def anchors_of(monday: date) -> list[date]:
    """The chains that a Monday is in: the one its own quarter reads, and the one that the next quarter will."""
    start_of_quarter = quarter_start(monday)
    return [anchor(monday), start_of_quarter + timedelta(days=-start_of_quarter.weekday() % 7)]


def stretches_before(first: date, quarters: int) -> list[list[date]]:
    """The Mondays that tell which tier an account was in when the chain of `first` starts, oldest stretch first.

    The first Monday of each of so many quarters before, and of the last of them every Monday: entering a tier is
    missed only if it was done and undone within one of the older quarters.
    """
    starts = [first]
    for _ in range(quarters):
        starts.append(anchor(starts[-1]))
    older = [[monday] for monday in reversed(starts[2:])]
    return [*older, weeks(starts[1], first - _WEEK)] if quarters else []


def mondays_walked(quarters: int) -> Callable[[date], Iterable[date]]:
    """The Mondays behind the grid at a day: those of the day's chains, and what their start remembers."""

    def look_back(day: date) -> Iterable[date]:
        chains = [[*stretches_before(first, quarters), weeks(first, day)] for first in anchors_of(day)]
        return sorted({monday for chain in chains for stretch in chain for monday in stretch})

    return look_back


def week_so_far(day: date) -> list[date]:
    """The last Monday and the days after it up to `day`."""
    monday = last_monday(day)
    return [monday + timedelta(days=i) for i in range((day - monday).days + 1)]


_SEGMENT_ASKS = ("candidate_segment", "value_tier", "is_worth_saving", "risk_waits", "arr", "strategic_cut")
_TIER_ASKS = (
    "arr", "strategic_cut", "top_cut", "strategic_evidence", "has_growth_usage", "growth_evidence",
    "has_little_to_expand",
)  # fmt: skip
_SIDES = ("is_above_long_tail", "is_above_growth", "is_above_strategic")
_OF_SEGMENT = (
    "segment",
    "rule_id",
    "segment_since",
    "segment_move_rule",
    "candidate_segment",
    "candidate_segment_points",
)
_OF_TIER = (
    "coverage_tier",
    "tier_rule_id",
    "tier_since",
    "tier_move_rule",
    "candidate_tier",
    "candidate_tier_points",
)


def _made_from(*, grid: bool) -> dict[str, tuple[str, ...]]:
    """What the columns of a state are made from: today's candidates, and the grid's state where one starts there.

    Segment and tier are walked side by side and know nothing of each other.
    """

    def told(names: Iterable[str], before: Iterable[str]) -> tuple[str, ...]:
        carried = [f"segment_grid.{name}" for name in before] if grid else []
        return (*(f"segment_candidates.{name}" for name in names), *carried)

    segment = told(("as_of", *_SEGMENT_ASKS), (*_OF_SEGMENT, *_SIDES))
    return {
        ROWS: ("spine.as_of", *told(("as_of", "account_id"), ("as_of", "anchor", "account_id"))),
        "as_of": ("spine.as_of",),
        "account_id": told(("account_id",), ("account_id",)),
        **dict.fromkeys(_OF_SEGMENT, segment),
        "candidate_segment": told(("candidate_segment",), ("candidate_segment",)),
        "rule_id": (*segment, *told(("candidate_rule_id",), ())),
        **dict.fromkeys(_OF_TIER, told(("as_of", *_TIER_ASKS), (*_OF_TIER, *_SIDES))),
        **{side: told(("as_of", "arr"), (side,)) for side in _SIDES},
        "is_above_strategic": told(("as_of", "arr", "strategic_cut"), ("is_above_strategic",)),
    }


_MONDAYS_WALKED = FromPolicy(StabilityPolicy, lambda p: mondays_walked(p.tier_memory_quarters))


@table(
    group="segments",
    reads={"segment_candidates": _MONDAYS_WALKED},
    made_from={**_made_from(grid=False), "anchor": ("spine.as_of",)},
)
def segment_grid(
    spine: Frame[Spine], segment_candidates: Frame[CandidatePoints], tier: TierPolicy, stability: StabilityPolicy
) -> Frame[SegmentGrid]:
    """Where does every account stand after a Monday, if one walks the weekly grid from a fixed Monday?

    One row per Monday, anchor and live account; days other than Mondays have no rows. A Monday is on the grids of two
    anchors: the first Monday of the previous quarter, and that of its own, which the next quarter's reports start at.
    At the anchor, or at its first Monday, an account's state is its candidate; after that `stability` says when a
    candidate moves it. The candidate tier at the anchor is that of an account in the tier it was in: the quarter
    before is walked as well, and the first Mondays of the quarters before that (policy), so that nobody leaves Growth
    because usage fell, nor a tier within its exit band, only because a walk starts there. The walk reads Mondays
    alone, so it gives the same whatever else was run.
    """
    mondays = [day for day in _days_of(spine) if day.weekday() == 0]
    words = Words.of((segment_candidates["account_id"], segment_candidates["candidate_rule_id"]))
    candidates = CandidateDays(segment_candidates, words)
    chains = sorted({first for monday in mondays for first in anchors_of(monday)})
    parts = []
    for first in chains:
        wanted = {m for m in mondays if first in anchors_of(m)}
        carried = None
        for stretch in stretches_before(first, stability.tier_memory_quarters):
            *_, (_, carried) = _walk(candidates, stretch, carried, tier, stability)
        for day, state in _walk(candidates, weeks(first, max(wanted)), carried, tier, stability):
            if day in wanted:
                parts.append(to_frame(state, np.datetime64(day), words).assign(anchor=first))
    return _stacked(parts, SegmentGrid)


@table(
    group="segments",
    reads={"segment_grid": lambda day: [last_monday(day)], "segment_candidates": week_so_far},
    made_from=_made_from(grid=True),
)
def segment_states(
    spine: Frame[Spine],
    segment_grid: Frame[SegmentGrid],
    segment_candidates: Frame[CandidatePoints],
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> Frame[SegmentStates]:
    """Where does every account stand at the end of as_of?

    One row per as_of and live account: the state after the last Monday on the grid of as_of's anchor, and after it,
    day by day up to as_of, only what counts at once: into At-Risk, and ARR across a billing threshold. That holds up
    to the next Monday, which confirms or ends it: where it ends, the Mondays on both sides, two points of the grid in
    a row, say that it is not so. `segment_moves` tells the end as it told the entry. (Holding it over another Monday
    takes all days of the week before every day that is looked back at: half as many days again in a first run.)
    An account that was not live the day before starts with its candidate.
    """
    words = Words.of(
        (segment_grid["account_id"], segment_grid["rule_id"]),
        (segment_candidates["account_id"], segment_candidates["candidate_rule_id"]),
    )
    candidates = CandidateDays(segment_candidates, words)
    days = _days_of(spine)
    parts = []
    for monday, first in sorted({(last_monday(d), anchor(d)) for d in days}):
        wanted = {d for d in days if (last_monday(d), anchor(d)) == (monday, first)}
        rows = segment_grid[_is_on(segment_grid["as_of"], monday) & _is_on(segment_grid["anchor"], first)]
        for day, state in _walk_week(candidates, from_frame(rows, words), monday, max(wanted), tier, stability):
            if day in wanted:
                parts.append(to_frame(state, np.datetime64(day), words))
    return _stacked(parts, SegmentStates)


def _walk(
    candidates: CandidateDays,
    days: Sequence[date],
    carried: State | None,
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> Iterator[tuple[date, State]]:
    """The state after each of the grid points `days`, from the first on; `carried` is the state before them."""
    before = candidates.at(np.datetime64(days[0]))
    state = start(before, np.datetime64(days[0]), tier, carried)
    yield days[0], state
    for day in days[1:]:
        now = candidates.at(np.datetime64(day))
        state = step(state, before, now, np.datetime64(day), is_grid_point=True, tier=tier, stability=stability)
        before = now
        yield day, state


def _walk_week(
    candidates: CandidateDays,
    after_monday: State,
    monday: date,
    until: date,
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> Iterator[tuple[date, State]]:
    """The state after a Monday, and after each day that follows up to `until`."""
    before, state, day = candidates.at(np.datetime64(monday)), after_monday, monday
    yield day, state
    while day < until:
        day += _DAY
        now = candidates.at(np.datetime64(day))
        state = step(state, before, now, np.datetime64(day), is_grid_point=False, tier=tier, stability=stability)
        before = now
        yield day, state


def _days_of(spine: pd.DataFrame) -> list[date]:
    return sorted({moment.date() for moment in pd.to_datetime(spine["as_of"])})


def _is_on(column: Column, day: date) -> Column:
    return pd.to_datetime(column) == pd.Timestamp(day)


def _stacked(parts: Sequence[pd.DataFrame], contract: type[Snapshot]) -> Any:
    names: Any = [name for name in ibis_schema(contract) if name != POLICY_HASH]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)
