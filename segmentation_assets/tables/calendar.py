"""Days of the calendar as expressions, where the spine has no column for them.

Here: the same day some months before, the periods of a run, rows combined with a list. Not here: the same in
plain Python (`tables.as_of`), which decides what days are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir


def months_before(day: ir.DateValue, months: int) -> ir.DateValue:
    """The same day so many months earlier; the last day of a month maps to the last day of a month.

    As `as_of.months_before`. The casts are there because some engines make a date and an interval a
    timestamp.
    """
    following = _date(day + ibis.interval(days=1))
    ends_month = following.day() == 1
    whole = _date(_date(following - ibis.interval(months=months)) - ibis.interval(days=1))
    return ibis.ifelse(ends_month, whole, _date(day - ibis.interval(months=months)))


def _date(moment: ir.Value) -> ir.DateValue:
    return moment.cast("timestamp").cast("date")


def windows(spine: ir.Table, months: Sequence[int]) -> ir.Table:
    """(as_of, window_months, starts_on) of the periods that end at the days of a run. Key: as_of, window_months."""
    rows = each(spine, "window_months", months)
    starts_on = ibis.cases(*((rows.window_months == m, rows[f"day_{m}m_ago"]) for m in months))
    return rows.select("as_of", "window_months", starts_on=starts_on)


def each(rows: ir.Table, name: str, values: Sequence[Any]) -> ir.Table:
    """Every row once per value listed, which stands in the column `name`.

    The list is part of the query, not a table of its own: so the query can be kept for the next run.
    """
    kind = "string" if isinstance(values[0], str) else "int64"
    return rows.mutate(**{name: ibis.array([ibis.literal(v, kind) for v in values]).unnest()})
