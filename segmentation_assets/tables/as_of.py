"""Days: the spine of a run, and which other days a table looks back at.

Here: pure date arithmetic for grids, quarters, trailing periods. Not here: which table looks back (the table's module
declares it), or building the days that are missing (`warehouse.building`).

A look-back is a function from one `as_of` to the days it reads. The spine's columns use the same arithmetic, so a
set-based function joins exactly the days that were built for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Generic, TypeVar

import pandas as pd

from segmentation_assets.policy.section import Section
from segmentation_assets.tables.contracts import Dated, Day, column, schema_of
from segmentation_assets.tables.quarters import quarter_start

S = TypeVar("S", bound=Section)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class FromPolicy(Generic[S]):
    """A look-back whose length the policy decides: `FromPolicy(UsagePolicy, lambda p: last(p.window_days))`."""

    section: type[S]
    look_back: Callable[[S], Callable[[date], Iterable[date]]]


LookBack = Callable[[date], Iterable[date]] | FromPolicy[Any]


def days_read(reads: LookBack | None, as_of: date, sections: Mapping[type[Section], Section]) -> Iterable[date]:
    """The days of an input that one `as_of` reads. Without a look-back: `as_of` alone."""
    if reads is None:
        return (as_of,)
    if isinstance(reads, FromPolicy):
        return reads.look_back(sections[reads.section])(as_of)
    return reads(as_of)


class Spine(Dated):
    """The days a run computes, with the calendar days that rules refer to. Key: as_of."""

    last_monday: Day = column("The last Monday on or before as_of. Mondays are the points of the weekly grid.")
    anchor: Day = column("The first Monday of the previous quarter: the first point of as_of's weekly grid.")
    freeze_day: Day = column("The last day of the previous quarter. Its figures set this quarter's cut-offs.")
    quarter_start: Day = column("First day of as_of's quarter.")
    month_start: Day = column("First day of as_of's month.")
    day_1m_ago: Day = column("The same day one month before; a month's last day stays a month's last day.")
    day_3m_ago: Day = column("The same day three months before; a month's last day stays a month's last day.")
    day_12m_ago: Day = column("The same day twelve months before; a month's last day stays a month's last day.")

    class Config:
        unique = ["as_of"]


def freeze_day(day: date) -> date:
    """The last day of the quarter before `day`'s."""
    return quarter_start(day) - _DAY


def last_monday(day: date) -> date:
    """`day` itself if a Monday, else the Monday before."""
    return day - timedelta(days=day.weekday())


def next_working_day(day: date) -> date:
    """The first day after `day` that is no Saturday or Sunday. Holidays are not known."""
    return day + timedelta(days={4: 3, 5: 2}.get(day.weekday(), 1))


def anchor(day: date) -> date:
    """The first Monday of the quarter before `day`'s."""
    start = quarter_start(freeze_day(day))
    return start + timedelta(days=-start.weekday() % 7)


def months_before(day: date, months: int) -> date:
    """The same day `months` months earlier; the last day of a month maps to the last day of a month."""
    first = date(day.year, day.month, 1)
    index = first.year * 12 + first.month - 1 - months
    target = date(index // 12, index % 12 + 1, 1)
    last = (target + timedelta(days=31)).replace(day=1) - _DAY
    is_month_end = (day + _DAY).day == 1
    return last if is_month_end else target.replace(day=min(day.day, last.day))


def weeks(first: date, until: date) -> list[date]:
    """`first` and every seventh day after it, up to `until`."""
    return [first + timedelta(weeks=i) for i in range((until - first).days // 7 + 1)]


def last(days: int) -> Callable[[date], Iterable[date]]:
    """The `days` days that end at as_of."""
    return lambda day: [day - timedelta(days=i) for i in range(days - 1, -1, -1)]


def months_ago(*months: int) -> Callable[[date], Iterable[date]]:
    """as_of itself and the same day each of these numbers of months before."""
    return lambda day: [*(months_before(day, m) for m in months), day]


def spine_frame(days: Sequence[date]) -> pd.DataFrame:
    """The spine of a run, one row per day."""
    rows = [
        (
            d, last_monday(d), anchor(d), freeze_day(d), quarter_start(d), d.replace(day=1),
            months_before(d, 1), months_before(d, 3), months_before(d, 12),
        )
        for d in sorted(set(days))
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=pd.Index(list(schema_of(Spine).columns)))
