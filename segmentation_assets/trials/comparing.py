"""Two policies side by side: who moves, and what it does to ARR, retention, people and stability.

Here: the comparison of frames of published tables with the same tables under another policy. Not here: computing the
tables (`beside`), which ones (`what_if`), or words (`words`).

Each figure is that of the table it comes from; this module only puts two of them beside each other and counts moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from segmentation_assets.policy.segments import AT_RISK, SEGMENTS, TIERS
from segmentation_assets.tables.as_of import anchor

SEGMENT, TIER = "segment", "coverage_tier"
GROUPINGS = {TIER: TIERS, SEGMENT: SEGMENTS}
RULES = {SEGMENT: "rule_id", TIER: "tier_rule_id"}
_INPUTS = {
    TIER: (
        "arr", "behavioral_score", "health_score", "expansion_score", "lookalike", "strategic_sign", "strategic_cut",
        "top_cut",
    ),
    SEGMENT: (
        "behavioral_cohort", "value_tier", "expansion_level", "clv_level", "is_barely_used", "needs_profile",
        "size_class", "expansion_score", "clv_percentile", "seat_activity",
    ),
}  # fmt: skip
"""What the rules of each grouping read, in the order in which causes are named."""
_FIGURE_OF = {"expansion_level": "expansion_score", "clv_level": "clv_percentile", "is_barely_used": "seat_activity"}
"""A figure behind a level is no cause of its own: it is named only if the level is the same."""
_MONTH_DAYS = 365.25 / 12
_DIGITS = 9
_TABLES_OF_INPUTS = ("segment_states", "segment_inputs")


@dataclass(frozen=True)
class Pair:
    """A figure under production's policy and under the other one; None: not known."""

    before: Any
    after: Any

    @property
    def change(self) -> float | None:
        """after - before; None if one of them is not known."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class InputChange:
    """An input of the rules with another value under the other policy."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Moved:
    """An account in another segment or tier. `inputs` are empty where the same inputs meet other rules."""

    account_id: str
    account_name: str | None
    arr: float
    grouping: str
    before: str
    after: str
    rule_before: str
    rule_after: str
    inputs: tuple[InputChange, ...]


@dataclass(frozen=True)
class Group:
    """Accounts and ARR of a segment or tier."""

    grouping: str
    member: str
    accounts: Pair
    arr: Pair


@dataclass(frozen=True)
class Retention:
    """What became of the accounts that were in a tier at the start of the last twelve months, under each policy."""

    member: str
    accounts: Pair
    nrr: Pair
    nrr_low: Pair
    nrr_high: Pair
    churn_rate: Pair


@dataclass(frozen=True)
class People:
    """People that a tier needs, and what hiring those it lacks costs in a year."""

    member: str
    hours_per_month: Pair
    required_fte: Pair
    hired_fte: Pair
    hiring_cost: Pair


@dataclass(frozen=True)
class Stability:
    """Moves from Monday to Monday. Moves into and out of At-Risk are left out: they are wanted.

    `monthly_share`: moves / accounts and months. `undone`: moves back to where the account was before its last move.
    """

    grouping: str
    first: date
    last: date
    moves: Pair
    monthly_share: Pair
    undone: Pair


@dataclass(frozen=True)
class ScoreQuality:
    """How well a score placed those first who left, or expanded, afterwards."""

    score: str
    outcome: str
    window_months: int
    auc: Pair


def moved(before: dict[str, pd.DataFrame], after: dict[str, pd.DataFrame]) -> tuple[Moved, ...]:
    """The accounts that both sides have and that are elsewhere, by grouping, then the largest ARR first."""
    now = _with_inputs(before)
    then = _with_inputs(after)
    shared = now.index.intersection(then.index)
    now, then = now.loc[shared], then.loc[shared]
    moves: list[Moved] = []
    for grouping in GROUPINGS:
        elsewhere = now.index[(now[grouping] != then[grouping]).to_numpy()]
        moves += [_moved(str(account), grouping, now.loc[account], then.loc[account]) for account in elsewhere]
    places = list(GROUPINGS)
    return tuple(sorted(moves, key=lambda one: (places.index(one.grouping), -one.arr, one.account_id)))


def _with_inputs(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows: Any = tables["segments"].set_index("account_id")
    for name in _TABLES_OF_INPUTS:
        source: Any = tables[name].set_index("account_id")
        rows = rows.join(source[[column for column in source if column not in rows]])
    return rows


def _moved(account: str, grouping: str, before: Any, after: Any) -> Moved:
    changes = {
        name: InputChange(name, was, becomes)
        for name in _INPUTS[grouping]
        if (was := _plain(before.get(name))) != (becomes := _plain(after.get(name)))
    }
    for level, figure in _FIGURE_OF.items():
        if grouping == SEGMENT and level in changes and figure in changes:
            del changes[figure]
    return Moved(
        account, _plain(before["account_name"]), float(before["arr"]), grouping, before[grouping], after[grouping],
        before[RULES[grouping]], after[RULES[grouping]], tuple(changes.values()),
    )  # fmt: skip


def groups(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Group, ...]:
    """Accounts and ARR of each tier and segment; also of those without accounts."""
    return tuple(
        Group(
            grouping,
            member,
            Pair(*(int((rows[grouping] == member).sum()) for rows in (before, after))),
            Pair(*(round(float(rows["arr"][rows[grouping] == member].sum()), 2) for rows in (before, after))),
        )
        for grouping, members in GROUPINGS.items()
        for member in members
    )


def retention(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Retention, ...]:
    """The long windows of `segment_backtest`, by tier."""

    now, then = (rows.loc[(rows["grouping"] == TIER).to_numpy()] for rows in (_long(before), _long(after)))
    return tuple(
        Retention(tier, *(_pair(now, then, "member", tier, name) for name in _RETENTION))
        for tier in TIERS
        if tier in {*now["member"], *then["member"]}
    )


def _long(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.loc[(rows["window_months"] == rows["window_months"].max()).to_numpy()]


_RETENTION = ("accounts", "nrr", "nrr_low", "nrr_high", "churn_rate")
_PEOPLE = ("demanded_hours", "required_fte", "hired_fte", "hiring_cost")


def people(before: pd.DataFrame, after: pd.DataFrame) -> tuple[People, ...]:
    """`capacity_plan` by tier, and the company as the sum of its tiers."""
    rows = [People(tier, *(_pair(before, after, TIER, tier, name) for name in _PEOPLE)) for tier in TIERS]
    company = People("company", *(Pair(_total(before, name), _total(after, name)) for name in _PEOPLE))
    return (*rows, company)


def _total(rows: pd.DataFrame, name: str) -> float | None:
    values: Any = rows[name]
    return None if values.isna().all() else round(float(values.sum()), _DIGITS)


def stability(before: pd.DataFrame, after: pd.DataFrame, mondays: Sequence[date]) -> tuple[Stability, ...]:
    """Moves on `segment_grid` between the Mondays; each is read on the grid that its own quarter reads."""
    if len(mondays) < 2:
        return ()
    walks = [_walk(rows, mondays) for rows in (before, after)]
    rows = []
    for grouping in GROUPINGS:
        counted = [_moves(walk[grouping]) for walk in walks]
        rows.append(
            Stability(grouping, mondays[0], mondays[-1], *(Pair(*pair) for pair in zip(*counted, strict=True)))
        )
    return tuple(rows)


def _walk(grid: pd.DataFrame, mondays: Sequence[date]) -> pd.DataFrame:
    """Accounts x Mondays for each grouping; empty where an account is not live."""
    rows: Any = grid.assign(as_of=pd.to_datetime(grid["as_of"]), anchor=pd.to_datetime(grid["anchor"]))
    own = rows["as_of"].map({pd.Timestamp(day): pd.Timestamp(anchor(day)) for day in mondays})
    rows = rows[(rows["anchor"] == own).to_numpy()]
    return rows.pivot(index="account_id", columns="as_of", values=list(GROUPINGS)).sort_index()


def _moves(states: Any) -> tuple[int, float | None, int]:
    """Moves, moves per account and month, and moves that undo the one before."""
    days = pd.to_datetime(states.columns)
    values = states.to_numpy(dtype=object)
    moves = undone = 0
    for row in values:
        for was, becomes, is_undone in _steps(row):
            if AT_RISK not in (was, becomes):
                moves += 1
                undone += is_undone
    there = ~pd.isna(values)
    weeks = np.diff(days.to_numpy()).astype("timedelta64[D]").astype(float)
    months = float(((there[:, 1:] & there[:, :-1]) * weeks).sum()) / _MONTH_DAYS
    return moves, round(moves / months, _DIGITS) if months else None, undone


def _steps(row: Any) -> Iterator[tuple[str, str, bool]]:
    """(from, to, goes back to where it was before the last move) of one account."""
    before_that = was = None
    for state in row:
        if state is None or pd.isna(state):
            before_that = was = None
            continue
        if was is not None and state != was:
            yield was, state, state == before_that
            before_that = was
        was = state


def score_quality(before: pd.DataFrame, after: pd.DataFrame) -> tuple[ScoreQuality, ...]:
    """The rows of `score_backtest`, of the long windows, whose AUC differs."""
    key = ["window_months", "score", "outcome"]
    both = _long(before).merge(_long(after), on=key, suffixes=("_before", "_after"))
    rows = [
        ScoreQuality(
            row.score, row.outcome, int(row.window_months), Pair(_plain(row.auc_before), _plain(row.auc_after))
        )
        for row in both.sort_values(key).itertuples()
    ]
    return tuple(row for row in rows if row.auc.before != row.auc.after)


def _pair(before: pd.DataFrame, after: pd.DataFrame, key: str, value: str, name: str) -> Pair:
    cells = (rows.loc[(rows[key] == value).to_numpy(), name] for rows in (before, after))
    return Pair(*(_plain(one.iloc[0]) if len(one) else None for one in cells))


def _plain(value: Any) -> Any:
    """A value without pandas' types; None for what is missing. Numbers are rounded to nine digits."""
    if value is None or pd.isna(value):
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    return round(float(value), _DIGITS) if isinstance(value, float | np.floating) else value
