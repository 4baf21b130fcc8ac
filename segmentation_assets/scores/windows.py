"""Past windows of whole weeks, which ended by as_of, so that their outcome is known.

Here: when windows start and end, for look-backs and as a table. Not here: what happened in them.

Windows start on Mondays, because runs build these days in any case. They follow each other without a gap: the last
one ends on as_of's last Monday, each earlier one on the day on which the next one starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from segmentation_assets.tables.as_of import last_monday
from segmentation_assets.tables.days import days_before


def starts(weeks: int, count: int) -> Callable[[date], Iterable[date]]:
    """The days on which the last `count` windows of `weeks` weeks started."""
    return lambda day: [last_monday(day) - timedelta(weeks=weeks * k) for k in range(count, 0, -1)]


def bounds(weeks: int, count: int) -> Callable[[date], Iterable[date]]:
    """The days on which the last `count` windows started or ended."""
    return lambda day: [last_monday(day) - timedelta(weeks=weeks * k) for k in range(count, -1, -1)]


def ends(weeks: int, count: int) -> Callable[[date], Iterable[date]]:
    """The days on which the last `count` windows ended."""
    return lambda day: [last_monday(day) - timedelta(weeks=weeks * k) for k in range(count - 1, -1, -1)]


def windows(spine: ir.Table, weeks: int, count: int) -> ir.Table:
    """The last `count` windows of each day of the spine: as_of, starts_on, ends_on."""
    return ibis.union(
        *(
            spine.select(
                "as_of",
                starts_on=days_before(spine.last_monday, 7 * weeks * k),
                ends_on=days_before(spine.last_monday, 7 * weeks * (k - 1)),
            )
            for k in range(1, count + 1)
        )
    )
