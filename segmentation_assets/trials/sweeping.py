"""One number of the policy over a range: what each of its values does to tiers, people and retention.

Here: the values of a range, and the curves. Not here: one other policy in full (`what_if`), or the search for a good
value (`tuning`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pandas as pd

from segmentation_assets.policy.model import Change, Policy, load_policy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.reading.access import NotPublished, find_table
from segmentation_assets.reasons import WrongUse
from segmentation_assets.trials.beside import Beside, Needs, beside, touched
from segmentation_assets.trials.comparing import TIER
from segmentation_assets.trials.policies import changed_sections, number_named
from segmentation_assets.trials.what_if import check_policy

_DEMAND, _STATES, _OUTCOMES = "account_demand", "segment_states", "backtest_accounts"
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    _DEMAND: ("account_id", TIER, "segment", "arr", "hours_per_month", "required_fte"),
    _STATES: ("account_id", TIER),
    _OUTCOMES: ("window_months", "starts_on", "account_id", "start_arr", "end_arr"),
}
_MOST_VALUES = 200
_DIGITS = 9


class WrongSweep(WrongUse, ValueError):
    """The range cannot be read, is too long, or names what reaches no account."""


@dataclass(frozen=True)
class Range:
    """The values of one number."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """The company under one value. `nrr`: of the accounts in each tier at the start of the last twelve months."""

    value: float
    is_production: bool
    accounts: Mapping[str, int]
    arr: Mapping[str, float]
    moved_accounts: int
    moved_arr: float
    hours_per_month: float
    required_fte: float
    nrr: Mapping[str, float | None]


@dataclass(frozen=True)
class Sweep:
    """The points of a range, ascending, with production's own value among them."""

    as_of: date
    name: str
    points: tuple[Point, ...]
    reasons: tuple[str, ...] = ()


def read_range(text: str) -> Range:
    """`tier.growth_min_arr=10000:40000:5000` as a name and its values. Raises WrongSweep."""
    name, equals, span = text.partition("=")
    try:
        low, high, step = (Decimal(part.strip()) for part in span.split(":"))
    except (ValueError, InvalidOperation):
        raise WrongSweep(f"{text!r} is no range such as tier.growth_min_arr=10000:40000:5000") from None
    if not equals or not all(number.is_finite() for number in (low, high, step)) or step <= 0 or high < low:
        raise WrongSweep(f"{text!r}: a range goes from a lower to a higher number, in steps above 0")
    count = math.floor((high - low) / step) + 1
    if count > _MOST_VALUES:
        raise WrongSweep(f"{text!r} has {count:,} values; at most {_MOST_VALUES} are computed. Take a larger step")
    return Range(name.strip(), tuple(float(low + step * i) for i in range(count)))


def sweep(home: Path, file: Path | None, span: Range, as_of: date | None = None) -> Sweep:
    """The curves of a range on a published day, by default the newest. `file` is production's policy.

    Raises WrongName, PolicyError for a value that the policy refuses, WrongSweep for a number that reaches no
    account, and what `what_if` raises.
    """
    production = load_policy(file)
    own = number_named(production, span.name)
    policies = {value: load_policy(file, changes=[Change(span.name, value)]) for value in {*span.values, own}}
    reached = touched(frozenset().union(*(changed_sections(production, one) for one in policies.values())))
    if not {_DEMAND, _STATES} & reached:
        raise WrongSweep(f"{span.name} reaches no segment, no tier and no need for people")
    day = find_table("segments", home).day_of(as_of)
    with beside(home) as trial:
        check_policy(home, production, trial, day)
        outcomes, reasons = _outcomes(trial, home, day)
        needs: Needs = {_DEMAND: [day]} | ({_STATES: [outcomes.start]} if outcomes else {})
        find_table(_DEMAND, home).day_of(day)
        before = {name: trial.published(name, sorted(days), _COLUMNS[name]) for name, days in needs.items()}
        points = tuple(
            _point(value, value == own, before, tables, outcomes)
            for value, tables in _tables(trial, policies, production, reached, needs, before)
        )
    return Sweep(day, span.name, points, reasons)


@dataclass(frozen=True)
class _Outcomes:
    """ARR of each account at the start and the end of the last twelve months."""

    start: date
    rows: pd.DataFrame


def _outcomes(trial: Beside, home: Path, day: date) -> tuple[_Outcomes | None, tuple[str, ...]]:
    try:
        find_table(_OUTCOMES, home).day_of(day)
    except NotPublished as reason:
        return None, (f"NRR is not known: {reason}",)
    rows = trial.published(_OUTCOMES, [day], _COLUMNS[_OUTCOMES])
    rows = rows.loc[(rows["window_months"] == rows["window_months"].max()).to_numpy()]
    if rows.empty:
        return None, (f"NRR is not known: nobody had ARR a year before {day}",)
    start: Any = pd.Timestamp(rows["starts_on"].iloc[0])
    return _Outcomes(start.date(), rows), ()


def _tables(
    trial: Beside,
    policies: Mapping[float, Policy],
    production: Policy,
    reached: frozenset[str],
    needs: Needs,
    before: Mapping[str, pd.DataFrame],
) -> Iterator[tuple[float, Mapping[str, pd.DataFrame]]]:
    """The needed tables under each value, ascending."""
    wanted = {name: days for name, days in needs.items() if name in reached}
    for value in sorted(policies):
        if policies[value] == production:
            yield value, before
        else:
            yield value, {**before, **trial.computed(policies[value], reached, wanted, _COLUMNS)}


def _point(
    value: float,
    is_production: bool,
    before: Mapping[str, pd.DataFrame],
    tables: Mapping[str, pd.DataFrame],
    outcomes: _Outcomes | None,
) -> Point:
    now: Any = before[_DEMAND].set_index("account_id")
    then: Any = tables[_DEMAND].set_index("account_id")
    shared = now.index.intersection(then.index)
    elsewhere = (now.loc[shared, [TIER, "segment"]] != then.loc[shared, [TIER, "segment"]]).any(axis=1)
    moved_arr = now.loc[shared, "arr"][elsewhere]
    by_tier = then.groupby(TIER)["arr"]
    accounts, arr = by_tier.size(), by_tier.sum()
    return Point(
        value=value,
        is_production=is_production,
        accounts={tier: int(accounts.get(tier, 0)) for tier in TIERS},
        arr={tier: round(float(arr.get(tier, 0.0)), 2) for tier in TIERS},
        moved_accounts=int(elsewhere.sum()),
        moved_arr=round(float(moved_arr.sum()), 2),
        hours_per_month=round(float(then["hours_per_month"].sum()), _DIGITS),
        required_fte=round(float(then["required_fte"].sum()), _DIGITS),
        nrr=nrr_by_tier(tables[_STATES], outcomes.rows) if outcomes else dict.fromkeys(TIERS),
    )


def nrr_by_tier(states: pd.DataFrame, outcomes: pd.DataFrame) -> dict[str, float | None]:
    """End ARR / start ARR of the accounts that each tier had at the start; None for a tier without any."""
    rows: Any = outcomes.merge(states, on="account_id")
    sums = rows.groupby(TIER)[["start_arr", "end_arr"]].sum()
    nrr = sums["end_arr"] / sums["start_arr"]
    return {tier: round(float(nrr[tier]), _DIGITS) if tier in nrr.index else None for tier in TIERS}


def curves(result: Sweep) -> dict[str, Sequence[tuple[str, float, float]]]:
    """What a chart draws: (line, value of the number, height) by the name of the chart."""
    tiers = [(tier, point) for tier in TIERS for point in result.points]
    charts: dict[str, list[tuple[str, float, float | None]]] = {
        "Accounts by tier": [(tier, point.value, float(point.accounts[tier])) for tier, point in tiers],
        "ARR by tier": [(tier, point.value, point.arr[tier]) for tier, point in tiers],
        "NRR by tier, last 12 months": [(tier, point.value, point.nrr[tier]) for tier, point in tiers],
        "People needed": [("people", point.value, point.required_fte) for point in result.points],
        "Accounts elsewhere than today": [
            ("accounts", point.value, float(point.moved_accounts)) for point in result.points
        ],
    }
    drawn = {name: [(line, x, y) for line, x, y in rows if y is not None] for name, rows in charts.items()}
    return {name: rows for name, rows in drawn.items() if rows}
