"""One step of the state machine that turns candidates into moves, for many accounts at once.

Here: an account's segment and tier after a day, from the state before and the rules' candidates, in NumPy. Not here:
the rules (`rules`, `tiers`), their exit bands (`standing`), or which days are walked (`grid`).

An account starts with its candidate as state. After that:
- Another candidate comes into force once it has held on the policy's number of grid points in a row. A segment must
  also have been in force for the policy's number of weeks, unless the account started there or is At-Risk.
- At-Risk comes into force at once, on any day. If usage data is too old, it waits, however long.
- A candidate comes into force at once, on any day, if it changed because ARR crossed a billing threshold since the
  previous day of the walk. For a tier: with the previous ARR, the candidate would be another one. For a segment: the
  value tier or the CLV level changed too, because ARR enters the segment rules there.
ARR crosses a threshold upwards at the threshold, downwards only below it by the exit band. When the Strategic cut is
renewed, the previous day's ARR is first compared with the new cut, so that a new cut alone crosses nothing.

The state also keeps the inputs with which the rules last gave it. A move is explained against these (`causes`). Price
and territory follow the segment at the last renewal. When a renewal has passed, they take the segment of that day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segmentation_assets.policy.segments import (
    AT_RISK,
    NEEDS_PROFILES,
    SEGMENTS,
    SIZE_CLASSES,
    STRATEGIC_SIGNS,
    VALUE_TIERS,
    StabilityPolicy,
    TierPolicy,
)
from segmentation_assets.segments.causes import (
    BEHAVIOUR,
    FACTS,
    PEERS,
    REVENUE,
    Input,
    Texts,
    at,
    causes_of,
    is_peers_value,
    money,
    score,
    share,
    words,
)
from segmentation_assets.segments.rules import RuleBook
from segmentation_assets.segments.standing import Figures, Standing, standing_of
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

Days = npt.NDArray[np.datetime64]

MOVE_RULES = ("start", "held", "risk_at_once", "arr_at_once")
_START, _HELD, _RISK_AT_ONCE, _ARR_AT_ONCE = range(len(MOVE_RULES))
AT_RISK_CODE = SEGMENTS.index(AT_RISK)
_NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True)
class Rules:
    """The policies that decide a step."""

    book: RuleBook
    tier: TierPolicy
    stability: StabilityPolicy


@dataclass(frozen=True)
class Point:
    """The rules' inputs for every account on one day. Entries of accounts that are not live are ignored."""

    is_live: Flags
    arr: Floats
    figures: Figures
    risk_waits: Flags
    renewal_on: Days
    strategic_cut: Floats
    top_cut: Floats
    strategic_sign: Codes
    lookalike: Floats
    behavioral_score: Floats
    health_score: Floats


@dataclass(frozen=True)
class Track:
    """A segment or a tier over time: its state, how it came into force, and the candidate on the grid."""

    state: Codes
    rule: Codes
    since: Days
    move_rule: Codes
    candidate: Codes
    """The day's candidate."""
    candidate_rule: Codes
    grid_candidate: Codes
    """The candidate of the last grid point."""
    points: Codes
    """Grid points in a row that grid_candidate has held."""
    basis: Any
    """The inputs with which the rules last gave the state: a Standing, or TierInputs."""
    basis_on: Days
    """The day of the basis."""
    compared_with: Days
    """The day whose inputs explain the last move; NaT: it has not moved."""
    cause: Texts
    cause_kind: Texts
    cause_text: Texts

    @property
    def points_held(self) -> Codes:
        """Grid points in a row that the day's candidate has held; 0 if the last grid point had another one."""
        return np.where(self.candidate == self.grid_candidate, self.points, 0)


@dataclass(frozen=True)
class State:
    """The segment and tier of every account after a day."""

    is_live: Flags
    segment: Track
    tier: Track
    above: Thresholds
    standing: Standing
    renewal_segment: Codes
    """Segment at the last renewal, or on the first day of the walk."""
    renewal_on: Days
    """The next renewal, as known on the last day of the walk."""


def start(point: Point, day: np.datetime64, rules: Rules) -> State:
    """Every account at the first point of a walk: its state is its candidate."""
    above = thresholds_of(point.arr, point.strategic_cut, None, rules.tier)
    standing = standing_of(point.figures, None, rules.book.policy)
    candidate, rule = rules.book.decide(standing)
    inputs = tier_inputs_of(point, above)
    nowhere = np.full(len(point.arr), NO_TIER, dtype=np.int64)
    first_tier, tier_rule = tier_of(inputs, nowhere, rules.tier)
    return State(
        point.is_live,
        _begin(candidate, rule, day, standing),
        _begin(first_tier, tier_rule, day, inputs),
        above,
        standing,
        candidate,
        point.renewal_on,
    )


def step(state: State, before: Point, now: Point, day: np.datetime64, *, is_grid_point: bool, rules: Rules) -> State:
    """State after `day`. Accounts that were not live at `before` start again with their candidate."""
    cut, tier = now.strategic_cut, rules.tier
    above_before = thresholds_of(before.arr, cut, state.above, tier)
    above = thresholds_of(now.arr, cut, above_before, tier)
    has_crossed = above.differ(above_before)
    needed = rules.stability.grid_points if is_grid_point else None

    standing = standing_of(now.figures, state.standing, rules.book.policy)
    wanted, rule = rules.book.decide(standing)
    was, _ = rules.book.decide(state.standing)
    enters_risk = (wanted == AT_RISK_CODE) & ~now.risk_waits
    value_side = (standing.value_tier != state.standing.value_tier) | (standing.clv != state.standing.clv)
    because_of_arr = has_crossed & (wanted != was) & value_side & (wanted != AT_RISK_CODE)
    segment = _follow(
        state.segment, wanted, rule, day, needed, standing,
        at_once=((enters_risk, _RISK_AT_ONCE), (because_of_arr, _ARR_AT_ONCE)),
        may_hold=(wanted != AT_RISK_CODE) & _has_stayed(state.segment, day, rules.stability),
    )  # fmt: skip
    segment = _explained(segment, state.segment, now, day, segment_inputs_of(rules.book), rules)

    inputs = tier_inputs_of(now, above)
    current = state.tier.state
    candidate, tier_rule = tier_of(inputs, current, tier)
    old_arr = replace(inputs, arr=before.arr, is_above_long_tail=above_before.long_tail)
    with_old_arr, _ = tier_of(old_arr, current, tier)
    moved_by_arr = has_crossed & (candidate != with_old_arr)
    everybody = np.ones(len(now.arr), dtype=bool)
    followed = _follow(
        state.tier, candidate, tier_rule, day, needed, inputs,
        at_once=((moved_by_arr, _ARR_AT_ONCE),), may_hold=everybody,
    )  # fmt: skip
    followed = _explained(followed, state.tier, now, day, TIER_INPUTS, rules)
    has_renewed = state.renewal_on <= day
    walked = State(
        now.is_live,
        segment,
        followed,
        above,
        standing,
        np.where(has_renewed, segment.state, state.renewal_segment),
        now.renewal_on,
    )
    is_new = ~(state.is_live & before.is_live)
    return merged(is_new, start(now, day, rules), walked)


def held_in_risk(state: State, entered: State, until_confirmed: Flags) -> State:
    """`state`, but accounts in `until_confirmed` keep the segment of `entered`, which is At-Risk."""
    kept = entered.segment
    segment = replace(
        state.segment,
        **{
            name: np.where(until_confirmed, getattr(kept, name), getattr(state.segment, name))
            for name in (
                "state", "rule", "since", "move_rule", "basis_on", "compared_with", "cause", "cause_kind",
                "cause_text",
            )
        },
        basis=merged(until_confirmed, kept.basis, state.segment.basis),
    )  # fmt: skip
    return replace(state, segment=segment)


def segment_inputs_of(book: RuleBook) -> Sequence[Input]:
    """The inputs of the segment rules, in the order in which causes are named."""
    return (
        Input("behavioral_cohort", BEHAVIOUR, ("cohort",), "cohort", words(book.words["cohort"])),
        Input("value_tier", REVENUE, ("value_tier",), "value_tier", words(VALUE_TIERS)),
        Input("expansion_score", BEHAVIOUR, ("expansion",), "expansion_score", score),
        Input("needs_profile", FACTS, ("needs",), "needs", words(NEEDS_PROFILES)),
        Input("size_class", FACTS, ("size",), "size", words(SIZE_CLASSES)),
        Input("seat_activity", BEHAVIOUR, ("barely_used",), "seat_activity", share),
        Input("clv_percentile", REVENUE, ("clv",), "clv_percentile", score),
    )


TIER_INPUTS = (
    Input("arr", REVENUE, ("arr", "is_above_long_tail"), "arr", money),
    Input("expansion_score", BEHAVIOUR, ("expansion_score",), "expansion_score", score),
    Input("lookalike", PEERS, ("lookalike",), "lookalike", share),
    Input("behavioral_score", BEHAVIOUR, ("behavioral_score",), "behavioral_score", score),
    Input("health_score", BEHAVIOUR, ("health_score",), "health_score", score),
    Input(
        "strategic_sign", FACTS, ("strategic_sign",), "strategic_sign",
        words([sign.replace("_", " ") for sign in STRATEGIC_SIGNS], "none"),
    ),
    Input("strategic_cut", PEERS, ("strategic_cut", "top_cut"), "strategic_cut", money),
)  # fmt: skip
"""The inputs of the tier rules, in the order in which causes are named."""


def tier_inputs_of(point: Point, above: Thresholds) -> TierInputs:
    """The inputs of the tier rules at a point, given on which side of each threshold ARR counts (`above`)."""
    return TierInputs(
        arr=point.arr,
        is_above_long_tail=above.long_tail,
        strategic_cut=point.strategic_cut,
        top_cut=point.top_cut,
        strategic_sign=point.strategic_sign,
        expansion_score=point.figures.expansion_score,
        lookalike=point.lookalike,
        behavioral_score=point.behavioral_score,
        health_score=point.health_score,
    )


def _begin(candidate: Codes, rule: Codes, day: np.datetime64, basis: Any) -> Track:
    size = len(candidate)
    on = np.full(size, day, dtype="datetime64[D]")
    nothing = np.full(size, None, dtype=object)
    return Track(
        state=candidate,
        rule=rule,
        since=on,
        move_rule=np.full(size, _START),
        candidate=candidate,
        candidate_rule=rule,
        grid_candidate=candidate,
        points=np.ones(size, dtype=np.int64),
        basis=basis,
        basis_on=on,
        compared_with=np.full(size, _NEVER, dtype="datetime64[D]"),
        cause=nothing,
        cause_kind=nothing,
        cause_text=nothing,
    )


def _follow(
    track: Track,
    candidate: Codes,
    rule: Codes,
    day: np.datetime64,
    needed: int | None,
    inputs: Any,
    *,
    at_once: tuple[tuple[Flags, int], ...],
    may_hold: Flags,
) -> Track:
    """The track after a day. `needed`: grid points that a candidate must hold; None on days off the grid."""
    points, grid_candidate, has_held = track.points, track.grid_candidate, np.zeros(len(candidate), dtype=bool)
    if needed is not None:
        points = np.where(candidate == grid_candidate, points + 1, 1)
        grid_candidate = candidate
        has_held = (points >= needed) & may_hold
    differs = candidate != track.state
    ways = [*((differs & holds, code) for holds, code in at_once), (differs & has_held, _HELD)]
    moves = np.logical_or.reduce([way for way, _ in ways])
    state = np.where(moves, candidate, track.state)
    is_given = candidate == state
    return replace(
        track,
        state=state,
        rule=np.where(is_given, rule, track.rule),
        since=np.where(moves, day, track.since),
        move_rule=np.select([way for way, _ in ways], [code for _, code in ways], track.move_rule),
        candidate=candidate,
        candidate_rule=rule,
        grid_candidate=grid_candidate,
        points=points,
        basis=merged(is_given, inputs, track.basis),
        basis_on=np.where(is_given, day, track.basis_on),
        compared_with=np.where(moves, track.basis_on, track.compared_with),
    )


def _has_stayed(segment: Track, day: np.datetime64, stability: StabilityPolicy) -> Flags:
    """Whether an account may leave its segment: it stayed long enough, started there, or is At-Risk."""
    is_free = (segment.move_rule == _START) | (segment.state == AT_RISK_CODE)
    return is_free | (day - segment.since >= np.timedelta64(stability.min_stay_weeks, "W"))


def _explained(
    track: Track, before: Track, now: Point, day: np.datetime64, inputs: Sequence[Input], rules: Rules
) -> Track:
    """`track` with the causes of the moves of this day."""
    rows = np.flatnonzero((track.state != before.state) & (track.since == day) & now.is_live)
    if not len(rows):
        return track
    old, new_inputs, old_inputs = before.state[rows], at(track.basis, rows), at(before.basis, rows)

    def decide(changed: Any, current: Codes) -> Codes:
        if isinstance(changed, Standing):
            return rules.book.decide(changed)[0]
        return tier_of(changed, current, rules.tier)[0]

    causes = causes_of(new_inputs, old_inputs, inputs, decide, old)
    kinds = causes.kinds
    if isinstance(new_inputs, Standing):
        by_others = (causes.inputs == "value_tier") | (causes.inputs == "clv_percentile")
        kinds = np.where(by_others & is_peers_value(new_inputs.value, old_inputs.value), PEERS, kinds)
    spread = {}
    for name, values in (("cause", causes.inputs), ("cause_kind", kinds), ("cause_text", causes.texts)):
        column = getattr(track, name).copy()
        column[rows] = values
        spread[name] = column
    return replace(track, **spread)


def merged(takes_first: Flags, first: Any, second: Any) -> Any:
    """Two states (or parts of them), account by account."""
    return combine(lambda a, b: np.where(takes_first, a, b), first, second)


def combine(function: Callable[..., Any], *parts: Any) -> Any:
    """`function` over the arrays of dataclasses of the same kind, however deep."""
    if isinstance(parts[0], np.ndarray):
        return function(*parts)
    return replace(
        parts[0], **{f.name: combine(function, *(getattr(p, f.name) for p in parts)) for f in fields(parts[0])}
    )
