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
    rule_id: str = column("Rule that gave the segment when it was last the candidate.")
    segment_since: Day = column("Day the segment came into force, as far as the grid looks back.")
    segment_move_rule: str = column(
        "How it came into force: start, held, risk_at_once, arr_at_once.", isin=MOVE_RULES
    )
    candidate_segment: str = column("What the rules say on this day.", isin=SEGMENTS)
    candidate_rule_id: str = column("The rule behind the candidate.")
    candidate_segment_points: Integer = column("Grid points in a row that this candidate has held.", ge=0)
    segment_basis_on: Day = column("Day looked at on which the rules last gave the segment in force.")
    segment_basis: str = column("What the rules read on that day, as JSON; null: that day is as_of.", nullable=True)
    segment_compared_with: Day = column(
        "Day that the last move was explained against; null: it has not moved.", nullable=True
    )
    segment_cause: str = column("Of the last move, the first input that, changed back, undoes it.", nullable=True)
    segment_cause_kind: str = column("What lies behind that input.", nullable=True, isin=CAUSE_KINDS)
    segment_cause_text: str = column(
        "The inputs that, changed back together, undo the last move, with their values before and after.",
        nullable=True,
    )
    coverage_tier: str = column("Coverage tier in force.", isin=TIERS)
    tier_rule_id: str = column("Rule that gave the tier when it was last the candidate.")
    tier_since: Day = column("Day the tier came into force, as far as the grid looks back.")
    tier_move_rule: str = column("How it came into force: start, held, arr_at_once.", isin=MOVE_RULES)
    candidate_tier: str = column("Tier that the rules give on this day to an account in this tier.", isin=TIERS)
    candidate_tier_rule_id: str = column("The rule behind the candidate tier.")
    candidate_tier_points: Integer = column("Grid points in a row that this candidate has held.", ge=0)
    tier_basis_on: Day = column("Day looked at on which the rules last gave the tier in force.")
    tier_basis: str = column("What the rules read on that day, as JSON; null: that day is as_of.", nullable=True)
    tier_compared_with: Day = column(
        "Day that the last move was explained against; null: it has not moved.", nullable=True
    )
    tier_cause: str = column("Of the last move, the first input that, changed back, undoes it.", nullable=True)
    tier_cause_kind: str = column("What lies behind that input.", nullable=True, isin=CAUSE_KINDS)
    tier_cause_text: str = column(
        "The inputs that, changed back together, undo the last move, with their values before and after.",
        nullable=True,
    )
    behavioral_cohort: str = column("Behavioral cohort, exit bands applied.", nullable=True)
    value_tier: str = column("Value tier, exit band applied.", nullable=True)
    expansion_level: str = column(
        "Expansion score against its threshold, exit band applied; null: unknown.", nullable=True, isin=LEVELS
    )
    clv_level: str = column(
        "CLV percentile against its threshold, exit band applied; null: unknown.", nullable=True, isin=LEVELS
    )
    is_barely_used: Flag = column("Seat activity is below its threshold, exit band applied; unknown is no.")
    is_worth_saving: Flag = column("In trouble, the account would be worth an intervention.")
    is_above_long_tail: Flag = column("ARR counts as above the lowest billing threshold (up at it, down 10 % below).")
    is_above_growth: Flag = column("ARR counts as above the Growth threshold (up at it, down 10 % below).")
    is_above_strategic: Flag = column("ARR counts as above the Strategic cut (up at it, down 10 % below).")
    segment_at_renewal: str = column(
        "Segment at the last renewal looked back at, else when the account was first looked at.", isin=SEGMENTS
    )
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
    """The chains that a Monday is in: the one its own quarter reads, and the one that the next quarter will."""
    start_of_quarter = quarter_start(monday)
    return [anchor(monday), start_of_quarter + timedelta(days=-start_of_quarter.weekday() % 7)]


def start_of_walk(first: date, quarters: int) -> tuple[list[date], date]:
    """The Mondays that tell where an account stood before the chain of `first`: single ones, oldest first, and the
    one from which on every Monday is walked.

    Of the quarter before, every Monday; of the quarters before that, the first Monday of each month: entering a tier
    is missed only if it was done and undone within one of the older months.
    """
    if not quarters:
        return [], first
    starts = [first]
    for _ in range(quarters):
        starts.append(anchor(starts[-1]))
    months = pd.date_range(starts[-1].replace(day=1), starts[1], freq="MS")[:-1]
    return [m.date() + timedelta(days=-m.weekday() % 7) for m in months], starts[1]


def mondays_walked(quarters: int) -> Callable[[date], Iterable[date]]:
    """The Mondays behind the grid at a day: those of the day's chains, and what their start remembers."""

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
    """Where does every account stand after a Monday, if one walks the weekly grid from a fixed Monday?

    One row per Monday, anchor and live account; days other than Mondays have no rows. A Monday is on the grids of two
    anchors: the first Monday of the previous quarter, and that of its own, which the next quarter's reports start at.
    At the first Monday looked at, an account's state is its candidate; after that `stability` says when a candidate
    moves it. The quarter before the anchor is walked as well, and the first Mondays of the months before that
    (policy), so that nobody leaves Growth because usage fell, nor a tier or cohort within its exit band, only because
    a chain starts there. The walk reads Mondays alone, so it gives the same whatever else was run.
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
    """Where does every account stand at the end of as_of?

    One row per as_of and live account: the state after the last Monday on the grid of as_of's anchor, and after it,
    day by day up to as_of, only what counts at once: into At-Risk, and ARR across a billing threshold. Who entered
    At-Risk between two Mondays stays in it until two Mondays in a row say otherwise, even if the first of them does:
    so the week before the last Monday is walked as well. An account that was not live the day before starts with its
    candidate.
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
        # Nobody looked in between, so nothing is seen to have happened at once.
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
