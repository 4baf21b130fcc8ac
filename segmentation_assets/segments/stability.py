"""One step of the state machine that turns candidates into moves, for many accounts at once.

Here: what an account's segment and tier are after a day, given what they were before and what the rules say, as
NumPy. Not here: the rules (`matrix`, `tiers`), or which days are walked (`grid`).

An account starts with its candidate as state; where it was live before, it is the candidate of an account in the tier
that it was in, so that starting anew is no way out of a tier. From then on
- a candidate other than the state counts once it has held on so many grid points in a row (policy);
- At-Risk counts at once, on any day, unless usage is too far behind: then it waits, however long;
- a candidate counts at once, on any day, where it changed because ARR crossed a billing threshold since the day
  before in the walk. A tier's candidate did if it would be another with the ARR of before; a segment's, if its value
  side (value tier and the CLV condition) changed as well, as that is where ARR enters the matrix.
ARR crosses a threshold upwards at it, downwards only below it by the exit band. When the Strategic cut is renewed,
yesterday's ARR is held against the new cut first, so that a new cut alone crosses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segmentation_assets.policy.segments import AT_RISK, SEGMENTS, StabilityPolicy, TierPolicy
from segmentation_assets.segments.tiers import (
    NO_TIER,
    Codes,
    Flags,
    Floats,
    Thresholds,
    TierInputs,
    thresholds_of,
    tier_of,
)

MOVE_RULES = ("start", "held", "risk_at_once", "arr_at_once")
_START, _HELD, _RISK_AT_ONCE, _ARR_AT_ONCE = range(len(MOVE_RULES))
_AT_RISK = SEGMENTS.index(AT_RISK)


@dataclass(frozen=True)
class Point:
    """What the rules say of every account on one day; entries of accounts not live then are not looked at."""

    is_live: Flags
    arr: Floats
    segment: Codes
    """Candidate, index in SEGMENTS."""
    rule: Codes
    value_side: Codes
    """A code that differs whenever the value tier or the CLV condition does."""
    risk_waits: Flags
    tier_inputs: TierInputs


@dataclass(frozen=True)
class Track:
    """One thing that moves (segment or tier): its state, how it came about, and the candidate on the grid."""

    state: Codes
    rule: Codes
    since: npt.NDArray[np.datetime64]
    move_rule: Codes
    candidate: Codes
    """Of the day."""
    grid_candidate: Codes
    """Of the last grid point."""
    points: Codes
    """Grid points in a row that grid_candidate has held."""

    @property
    def points_held(self) -> Codes:
        """Grid points in a row that the day's candidate has held; 0 if it is not that of the last grid point."""
        return np.where(self.candidate == self.grid_candidate, self.points, 0)


@dataclass(frozen=True)
class State:
    """Where every account stands after a day."""

    is_live: Flags
    segment: Track
    tier: Track
    above: Thresholds


def start(point: Point, day: np.datetime64, tier: TierPolicy, carried: State | None = None) -> State:
    """Every account at the first point of a walk: state = candidate, given its tier and the sides in `carried`."""
    current, sides = np.full(len(point.arr), NO_TIER, dtype=np.int64), None
    if carried is not None:
        current = np.where(carried.is_live, carried.tier.state, NO_TIER)
        sides = _combine(lambda flags: flags & carried.is_live, carried.above)
    above = thresholds_of(point.arr, point.tier_inputs.strategic_cut, sides, tier)
    first_tier, tier_rule = tier_of(point.arr, above, point.tier_inputs, current, tier)
    return State(point.is_live, _begin(point.segment, point.rule, day), _begin(first_tier, tier_rule, day), above)


def step(
    state: State,
    before: Point,
    now: Point,
    day: np.datetime64,
    *,
    is_grid_point: bool,
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> State:
    """State after `day`; accounts that were not live at `before` start anew."""
    cut = now.tier_inputs.strategic_cut
    above_before = thresholds_of(before.arr, cut, state.above, tier)
    above = thresholds_of(now.arr, cut, above_before, tier)
    has_crossed = above.differ(above_before)
    needed = stability.grid_points if is_grid_point else None

    enters_risk = (now.segment == _AT_RISK) & ~now.risk_waits
    because_of_arr = has_crossed & (now.segment != before.segment) & (now.value_side != before.value_side)
    segment = _follow(
        state.segment, now.segment, now.rule, day, needed,
        at_once=((enters_risk, _RISK_AT_ONCE), (because_of_arr & (now.segment != _AT_RISK), _ARR_AT_ONCE)),
        may_hold=now.segment != _AT_RISK,
    )  # fmt: skip

    candidate, rule = tier_of(now.arr, above, now.tier_inputs, state.tier.state, tier)
    with_old_arr, _ = tier_of(before.arr, above_before, now.tier_inputs, state.tier.state, tier)
    moved_by_arr = has_crossed & (candidate != with_old_arr)
    everybody = np.ones(len(now.arr), dtype=bool)
    followed = _follow(
        state.tier, candidate, rule, day, needed, at_once=((moved_by_arr, _ARR_AT_ONCE),), may_hold=everybody
    )
    walked = State(now.is_live, segment, followed, above)
    is_new = ~(state.is_live & before.is_live)
    return _merged(is_new, start(now, day, tier), walked)


def _begin(candidate: Codes, rule: Codes, day: np.datetime64) -> Track:
    size = len(candidate)
    since = np.full(size, day, dtype="datetime64[D]")
    once = np.ones(size, dtype=np.int64)
    return Track(candidate, rule, since, np.full(size, _START), candidate, candidate, once)


def _follow(
    track: Track,
    candidate: Codes,
    rule: Codes,
    day: np.datetime64,
    needed: int | None,
    *,
    at_once: tuple[tuple[Flags, int], ...],
    may_hold: Flags,
) -> Track:
    """The track after a day. `needed`: grid points that a candidate must hold; None: the day is no grid point."""
    points, grid_candidate, has_held = track.points, track.grid_candidate, np.zeros(len(candidate), dtype=bool)
    if needed is not None:
        points = np.where(candidate == grid_candidate, points + 1, 1)
        grid_candidate = candidate
        has_held = (points >= needed) & may_hold
    differs = candidate != track.state
    ways = [*((differs & holds, code) for holds, code in at_once), (differs & has_held, _HELD)]
    moves = np.logical_or.reduce([way for way, _ in ways])
    state = np.where(moves, candidate, track.state)
    return Track(
        state=state,
        rule=np.where(candidate == state, rule, track.rule),
        since=np.where(moves, day, track.since),
        move_rule=np.select([way for way, _ in ways], [code for _, code in ways], track.move_rule),
        candidate=candidate,
        grid_candidate=grid_candidate,
        points=points,
    )


def _merged(takes_first: Flags, first: Any, second: Any) -> Any:
    """Two states, account by account."""
    return _combine(lambda a, b: np.where(takes_first, a, b), first, second)


def _combine(function: Callable[..., Any], *parts: Any) -> Any:
    """`function` over the arrays of dataclasses of the same kind, however deep."""
    if isinstance(parts[0], np.ndarray):
        return function(*parts)
    return replace(
        parts[0], **{f.name: _combine(function, *(getattr(p, f.name) for p in parts)) for f in fields(parts[0])}
    )
