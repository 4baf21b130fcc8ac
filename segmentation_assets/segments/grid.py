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

from segmentation_assets.policy.scores import BehavioralPolicy
from segmentation_assets.policy.segments import SEGMENTS, TIERS, SegmentRulesPolicy, StabilityPolicy, TierPolicy
from segmentation_assets.segments.causes import CAUSE_KINDS
from segmentation_assets.segments.encoding import Column, InputDays, accounts_of, from_frame, to_frame
from segmentation_assets.segments.inputs import InputPoints
from segmentation_assets.segments.rules import RuleBook
from segmentation_assets.segments.stability import (
    AT_RISK_CODE,
    MOVE_RULES,
    Rules,
    State,
    held_in_risk,
    start,
    step,
)
from segmentation_assets.segments.standing import LEVELS
from segmentation_assets.tables.as_of import FromPolicy, Spine, anchor, last_monday, weeks
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.quarters import quarter_start
from segmentation_assets.tables.registry import POLICY_HASH, Frame, table

_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)


class _State(Snapshot):
    account_id: str = column("Account.")
    segment: str = column("Segment in force.", isin=SEGMENTS)
    rule_id: str = column("Policy rule that gave the segment on the last day on which the rules gave it.")
    segment_since: Day = column("Day the segment came into force; at the earliest the first day the grid looks at.")
    segment_move_rule: str = column(
        "How the segment came into force: start, held, risk_at_once or arr_at_once.", isin=MOVE_RULES
    )
    candidate_segment: str = column("Segment that the rules give at as_of.", isin=SEGMENTS)
    candidate_rule_id: str = column("Policy rule that gave the candidate segment.")
    candidate_segment_points: Integer = column("Grid points in a row that the candidate segment has held.", ge=0)
    segment_basis_on: Day = column("Last day of the walk on which the rules gave the segment in force.")
    segment_basis: str = column(
        "The rules' inputs on segment_basis_on, as JSON; null: that day is as_of.", nullable=True
    )
    segment_compared_with: Day = column(
        "Day whose inputs explain the last segment move; null: the segment has not moved.", nullable=True
    )
    segment_cause: str = column("First cause of the last segment move; see segment_cause_text.", nullable=True)
    segment_cause_kind: str = column("Kind of segment_cause.", nullable=True, isin=CAUSE_KINDS)
    segment_cause_text: str = column(
        "Causes of the last segment move: the fewest inputs whose old values would undo it, with old and new values.",
        nullable=True,
    )
    coverage_tier: str = column("Coverage tier in force.", isin=TIERS)
    tier_rule_id: str = column("Rule that gave the tier on the last day on which the rules gave it.")
    tier_since: Day = column("Day the tier came into force; at the earliest the first day the grid looks at.")
    tier_move_rule: str = column("How the tier came into force: start, held or arr_at_once.", isin=MOVE_RULES)
    candidate_tier: str = column("Tier that the rules give at as_of to an account in its present tier.", isin=TIERS)
    candidate_tier_rule_id: str = column("Rule that gave the candidate tier.")
    candidate_tier_points: Integer = column("Grid points in a row that the candidate tier has held.", ge=0)
    tier_basis_on: Day = column("Last day of the walk on which the rules gave the tier in force.")
    tier_basis: str = column("The rules' inputs on tier_basis_on, as JSON; null: that day is as_of.", nullable=True)
    tier_compared_with: Day = column(
        "Day whose inputs explain the last tier move; null: the tier has not moved.", nullable=True
    )
    tier_cause: str = column("First cause of the last tier move; see tier_cause_text.", nullable=True)
    tier_cause_kind: str = column("Kind of tier_cause.", nullable=True, isin=CAUSE_KINDS)
    tier_cause_text: str = column(
        "Causes of the last tier move: the fewest inputs whose old values would undo it, with old and new values.",
        nullable=True,
    )
    behavioral_cohort: str = column("Usage cohort, after the exit bands.", nullable=True)
    value_tier: str = column("Value tier, after the exit band.", nullable=True)
    expansion_level: str = column(
        "Whether the expansion score is high or low, after the exit band; null: unknown.", nullable=True, isin=LEVELS
    )
    clv_level: str = column(
        "Whether the CLV percentile is high or low, after the exit band; null: unknown.", nullable=True, isin=LEVELS
    )
    is_barely_used: Flag = column("Seat activity is below its threshold, after the exit band; unknown: no.")
    is_worth_saving: Flag = column("High CLV, or a value tier that the policy names as worth saving.")
    is_above_long_tail: Flag = column("ARR counts as above the lowest billing threshold (up at it, down 10 % below).")
    is_above_growth: Flag = column("ARR counts as above the Growth threshold (up at it, down 10 % below).")
    is_above_strategic: Flag = column("ARR counts as above the Strategic cut (up at it, down 10 % below).")
    segment_at_renewal: str = column("Segment at the last renewal, or on the first day of the walk.", isin=SEGMENTS)
    renewal_on: Day = column("Next renewal.", nullable=True)


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
    """The anchors of the chains that a Monday is in: the chain its own quarter reads, and the next quarter's."""
    start_of_quarter = quarter_start(monday)
    return [anchor(monday), start_of_quarter + timedelta(days=-start_of_quarter.weekday() % 7)]


def start_of_walk(first: date, quarters: int) -> tuple[list[date], date]:
    """The Mondays walked before the chain of `first`: single ones, oldest first, and the first of the weekly ones.

    In the quarter before the chain, the walk takes every Monday; in the quarters before that, the first Monday of
    each month. So it misses a move only if the move was undone within one of the older months.
    """
    if not quarters:
        return [], first
    starts = [first]
    for _ in range(quarters):
        starts.append(anchor(starts[-1]))
    months = pd.date_range(starts[-1].replace(day=1), starts[1], freq="MS")[:-1]
    return [m.date() + timedelta(days=-m.weekday() % 7) for m in months], starts[1]


def mondays_walked(quarters: int) -> Callable[[date], Iterable[date]]:
    """The Mondays that the grid needs at a day: those of the day's chains, and those walked before the chains."""

    def look_back(day: date) -> Iterable[date]:
        mondays = set()
        for first in anchors_of(day):
            single, weekly_from = start_of_walk(first, quarters)
            mondays.update(single, weeks(weekly_from, day))
        return sorted(mondays)

    return look_back


def two_weeks_so_far(day: date) -> list[date]:
    """The Monday before the last one, and the days after it up to `day`."""
    monday = last_monday(day) - _WEEK
    return [monday + timedelta(days=i) for i in range((day - monday).days + 1)]


def last_two_mondays(day: date) -> list[date]:
    """The last Monday on or before `day`, and the one before."""
    return [last_monday(day) - _WEEK, last_monday(day)]


_MONDAYS_WALKED = FromPolicy(StabilityPolicy, lambda p: mondays_walked(p.tier_memory_quarters))


@table(
    group="segments",
    reads={"segment_inputs": _MONDAYS_WALKED},
)
def segment_grid(
    spine: Frame[Spine],
    segment_inputs: Frame[InputPoints],
    segment_rules: SegmentRulesPolicy,
    behavioral: BehavioralPolicy,
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> Frame[SegmentGrid]:
    """What are the segment and tier of every account after a Monday, if the weekly walk starts at a fixed Monday?

    One row per Monday, anchor and live account; other days have no rows. A Monday is on the grids of two anchors: the
    first Monday of the previous quarter, and the first Monday of its own quarter, at which the next quarter's reports
    start. On the first Monday of the walk, an account's state is its candidate. After that, `stability` says when a
    candidate comes into force. The walk starts before the anchor: it takes every Monday of the quarter before, and
    the first Mondays of earlier months (policy). Otherwise, the start of a chain alone could move an account that
    stays in its tier or cohort only by an exit band. The walk reads Mondays only, so its result does not depend on
    which other days were run.
    """
    rules = _rules(segment_rules, behavioral, tier, stability)
    mondays = [day for day in _days_of(spine) if day.weekday() == 0]
    accounts = accounts_of(segment_inputs["account_id"])
    inputs = InputDays(segment_inputs, accounts, rules.book)
    chains = sorted({first for monday in mondays for first in anchors_of(monday)})
    parts = []
    for first in chains:
        wanted = {m for m in mondays if first in anchors_of(m)}
        single, weekly_from = start_of_walk(first, stability.tier_memory_quarters)
        carried = None
        for monday in single:
            *_, (_, carried) = _walk(inputs, [monday], carried, rules)
        for day, state in _walk(inputs, weeks(weekly_from, max(wanted)), carried, rules):
            if day in wanted:
                parts.append(to_frame(state, np.datetime64(day), accounts, rules.book).assign(anchor=first))
    return _stacked(parts, SegmentGrid)


@table(
    group="segments",
    reads={"segment_grid": last_two_mondays, "segment_inputs": two_weeks_so_far},
)
def segment_states(
    spine: Frame[Spine],
    segment_grid: Frame[SegmentGrid],
    segment_inputs: Frame[InputPoints],
    segment_rules: SegmentRulesPolicy,
    behavioral: BehavioralPolicy,
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> Frame[SegmentStates]:
    """What are the segment and tier of every account at the end of as_of?

    One row per as_of and live account. The state starts from the last Monday on the grid of as_of's anchor. From then
    on, day by day up to as_of, only moves that count at once apply: into At-Risk, and by ARR across a billing
    threshold. An account that entered At-Risk between two Mondays stays there until two Mondays in a row give another
    segment. So the walk also takes the week before the last Monday. An account that was not live on the day before
    starts with its candidate.
    """
    rules = _rules(segment_rules, behavioral, tier, stability)
    accounts = accounts_of(segment_grid["account_id"], segment_inputs["account_id"])
    inputs = InputDays(segment_inputs, accounts, rules.book)

    def on_grid(monday: date, first: date) -> State:
        rows = segment_grid[_is_on(segment_grid["as_of"], monday) & _is_on(segment_grid["anchor"], first)]
        return from_frame(rows, inputs.at(np.datetime64(monday)), accounts, rules.book)

    days = _days_of(spine)
    parts = []
    for monday, first in sorted({(last_monday(d), anchor(d)) for d in days}):
        wanted = {d for d in days if (last_monday(d), anchor(d)) == (monday, first)}
        *_, (_, eve) = _walk_days(inputs, on_grid(monday - _WEEK, first), monday - _WEEK, monday - _DAY, rules)
        begin = _with_entries_of_the_week(on_grid(monday, first), eve, monday)
        for day, state in _walk_days(inputs, begin, monday, max(wanted), rules):
            if day in wanted:
                parts.append(to_frame(state, np.datetime64(day), accounts, rules.book))
    return _stacked(parts, SegmentStates)


def _rules(
    segment_rules: SegmentRulesPolicy, behavioral: BehavioralPolicy, tier: TierPolicy, stability: StabilityPolicy
) -> Rules:
    return Rules(RuleBook(segment_rules, [cohort.name for cohort in behavioral.cohorts]), tier, stability)


def _with_entries_of_the_week(after_monday: State, eve: State, monday: date) -> State:
    """The state after a Monday, where accounts that entered At-Risk in the week before it are still in it."""
    is_new = eve.segment.since > np.datetime64(monday - _WEEK)
    entered = eve.is_live & after_monday.is_live & (eve.segment.state == AT_RISK_CODE) & is_new
    confirmed = (after_monday.segment.state == AT_RISK_CODE) & (after_monday.segment.since == np.datetime64(monday))
    doubted = after_monday.segment.state != AT_RISK_CODE
    return held_in_risk(after_monday, eve, entered & (confirmed | doubted))


def _walk(
    inputs: InputDays, days: Sequence[date], carried: State | None, rules: Rules
) -> Iterator[tuple[date, State]]:
    """The state after each of the grid points `days`; `carried` is the state at an earlier one, if any."""
    first = np.datetime64(days[0])
    before = inputs.at(first)
    state = start(before, first, rules)
    if carried is not None:
        # The days in between are not known, so no move counts at once.
        state = step(carried, before, before, first, is_grid_point=True, rules=rules)
    yield days[0], state
    for day in days[1:]:
        now = inputs.at(np.datetime64(day))
        state = step(state, before, now, np.datetime64(day), is_grid_point=True, rules=rules)
        before = now
        yield day, state


def _walk_days(
    inputs: InputDays, after_monday: State, monday: date, until: date, rules: Rules
) -> Iterator[tuple[date, State]]:
    """The state after a Monday, and after each day that follows up to `until`."""
    before, state, day = inputs.at(np.datetime64(monday)), after_monday, monday
    yield day, state
    while day < until:
        day += _DAY
        now = inputs.at(np.datetime64(day))
        state = step(state, before, now, np.datetime64(day), is_grid_point=False, rules=rules)
        before = now
        yield day, state


def _days_of(spine: pd.DataFrame) -> list[date]:
    return sorted({moment.date() for moment in pd.to_datetime(spine["as_of"])})


def _is_on(column: Column, day: date) -> Column:
    return pd.to_datetime(column) == pd.Timestamp(day)


def _stacked(parts: Sequence[pd.DataFrame], contract: type[Snapshot]) -> Any:
    names: Any = [name for name in ibis_schema(contract) if name != POLICY_HASH]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)
