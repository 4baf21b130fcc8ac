"""What if another policy held? The tables it touches, computed beside production, and compared.

Here: which tables and days a trial reads and computes, and what the home must have for it. Not here: computing
(`beside`), comparing (`comparing`), or words (`words`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.access import NotPublished, find_table
from segmentation_assets.reasons import Refusal, WrongUse
from segmentation_assets.tables.as_of import anchor, last_monday, weeks
from segmentation_assets.trials import comparing
from segmentation_assets.trials.beside import Beside, Needs, beside, touched
from segmentation_assets.trials.policies import Difference, changed_sections, differences
from segmentation_assets.warehouse.planning import Planner
from segmentation_assets.warehouse.store import Store

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "segments": ("account_id", "account_name", "arr", "segment", "rule_id", "coverage_tier", "tier_rule_id"),
    "segment_states": (
        "account_id", "behavioral_cohort", "value_tier", "expansion_level", "clv_level", "is_barely_used",
    ),
    "segment_inputs": (
        "account_id", "needs_profile", "size_class", "behavioral_score", "health_score", "expansion_score",
        "lookalike", "clv_percentile", "seat_activity", "strategic_sign", "strategic_cut", "top_cut",
    ),
    "segment_grid": ("as_of", "anchor", "account_id", "segment", "coverage_tier", "policy_hash"),
}  # fmt: skip
_NEEDED = ("segments", "segment_states", "segment_inputs")
_OTHERS = ("capacity_plan", "segment_backtest", "score_backtest")
_GRID = "segment_grid"


class OtherPolicy(Refusal):
    """What is published was not made with production's policy as it is now."""


class WrongRange(WrongUse, ValueError):
    """The range of days is empty, or has no two Mondays that the home has made."""


@dataclass(frozen=True)
class WhatIf:
    """The comparison. `reasons` say which figures are missing, and why."""

    as_of: date
    differences: tuple[Difference, ...]
    touches: tuple[str, ...]
    """Tables that the change reaches, those compared and all others."""
    moved: tuple[comparing.Moved, ...] = ()
    groups: tuple[comparing.Group, ...] = ()
    retention: tuple[comparing.Retention, ...] = ()
    people: tuple[comparing.People, ...] = ()
    stability: tuple[comparing.Stability, ...] = ()
    scores: tuple[comparing.ScoreQuality, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """The policies are equal."""
        return not self.differences

    @property
    def changes_accounts(self) -> bool:
        """The change reaches segments or tiers, people or backtests: there is something to compare."""
        return bool(self.groups)


def what_if(
    home: Path,
    production: Policy,
    other: Policy,
    as_of: date | None = None,
    first: date | None = None,
    last: date | None = None,
) -> WhatIf:
    """Compare `other` with `production` on a published day, by default the newest.

    `first` and `last` bound the Mondays on which moves are counted; by default the grid of the day's quarter. Raises
    NotPublished for a day without data, OtherPolicy, WrongRange and TooFarBack.
    """
    day = find_table("segments", home).day_of(as_of)
    changes = differences(production, other)
    reached = touched(changed_sections(production, other))
    tables = tuple(spec.name for spec in CATALOGUE if spec.name in reached and not spec.is_extract)
    if not {*_NEEDED, *_OTHERS} & reached:
        return WhatIf(day, changes, tables)
    with beside(home) as trial:
        check_policy(home, production, trial, day)
        mondays = _mondays(trial, production, day, first, last)
        needs, reasons = _needs(home, day, mondays)
        before = published(trial, needs)
        after = {**before, **recomputed(trial, with_one_short_window(other), reached, needs)}
    return WhatIf(day, changes, tables, **_compared(before, after, mondays), reasons=tuple(reasons))


def check_policy(home: Path, production: Policy, trial: Beside, day: date) -> None:
    """Raises OtherPolicy, and NotPublished for a day on which inputs of the comparison are missing."""
    for name in _NEEDED:
        find_table(name, home).day_of(day)
    hashes = set(trial.published("segments", [day], ["policy_hash"])["policy_hash"])
    expected = hash_under(home, production, "segments")
    if hashes - {expected}:
        raise OtherPolicy(
            f"the segments of {day} were made with another policy than production's is now, so a comparison would "
            f"mix two changes. Bring them up to date first: segmentation run --as-of {day}"
        )


def hash_under(home: Path, policy: Policy, table: str) -> str:
    """The `policy_hash` that a table has if it is made with `policy`."""
    return Planner(Store(home), CATALOGUE, policy).policy_hash_of(CATALOGUE[table])


def published(trial: Beside, needs: Needs) -> dict[str, pd.DataFrame]:
    """The needed tables as published."""
    return {name: trial.published(name, sorted(days), _COLUMNS.get(name)) for name, days in needs.items()}


def recomputed(trial: Beside, policy: Policy, reached: frozenset[str], needs: Needs) -> dict[str, pd.DataFrame]:
    """Those of the needed tables that the change reaches, under the other policy."""
    wanted = {name: days for name, days in needs.items() if name in reached}
    return trial.computed(policy, reached, wanted, _COLUMNS)


def with_one_short_window(policy: Policy) -> Policy:
    """The policy, but a backtest has one short window only: trials read the long one, and each costs a walk."""
    return policy.model_copy(update={"backtest": policy.backtest.model_copy(update={"windows": 1})})


def _needs(home: Path, day: date, mondays: Sequence[date]) -> tuple[dict[str, Sequence[date]], list[str]]:
    needs: dict[str, Sequence[date]] = {name: [day] for name in _NEEDED}
    reasons = []
    for name in _OTHERS:
        try:
            find_table(name, home).day_of(day)
        except NotPublished as reason:
            reasons.append(str(reason))
        else:
            needs[name] = [day]
    if mondays:
        needs[_GRID] = mondays
    else:
        reasons.append(
            f"moves from Monday to Monday are not counted: {_GRID} has fewer than two Mondays of the range"
        )
    return needs, reasons


def _mondays(trial: Beside, production: Policy, day: date, first: date | None, last: date | None) -> Sequence[date]:
    """The Mondays of the range that are published under production's policy; none if there are fewer than two."""
    begin, end = first or anchor(day), last or day
    if end < begin:
        raise WrongRange(f"{begin} to {end}: the last day is before the first")
    monday = last_monday(begin)
    grid_days = weeks(monday if monday >= begin else monday + timedelta(weeks=1), end)
    there = trial.published(_GRID, grid_days, ["as_of", "policy_hash"])
    own = there["policy_hash"] == hash_under(trial.store.home, production, _GRID)
    mondays = sorted({moment.date() for moment in pd.to_datetime(there["as_of"][own.to_numpy()])})
    if len(mondays) < 2 and (first or last):
        raise WrongRange(
            f"{begin} to {end} has fewer than two Mondays that were made with production's policy; "
            f"{_GRID} has {_extent(trial)}"
        )
    return mondays if len(mondays) > 1 else ()


def _extent(trial: Beside) -> str:
    days = trial.store.days(_GRID, "as_of")
    return f"days from {days[0]} to {days[-1]}" if days else "none"


def _compared(
    before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame], mondays: Sequence[date]
) -> dict[str, Any]:
    both = {
        name: (before[table], after[table])
        for name, table in (
            ("groups", "segments"), ("retention", "segment_backtest"), ("people", "capacity_plan"),
            ("score_quality", "score_backtest"),
        )
        if table in before
    }  # fmt: skip
    compared = {name: getattr(comparing, name)(*pair) for name, pair in both.items()}
    compared["scores"] = compared.pop("score_quality", ())
    if mondays:
        compared["stability"] = comparing.stability(before[_GRID], after[_GRID], mondays)
    return {"moved": comparing.moved(dict(before), dict(after)), **compared}
