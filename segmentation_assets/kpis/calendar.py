"""Days of the calendar as expressions, where the spine has no column for them.

Here: the same day some months before, the periods of a run, lists that days are combined with. Not here: the same in
plain Python (`warehouse.as_of`), which decides what days are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir


def months_before(day: ir.DateValue, months: int) -> ir.DateValue:
    """The same day so many months earlier; the last day of a month maps to the last day of a month.

    As `warehouse.as_of.months_before`. The casts are there because some engines make a date and an interval a
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
    rows = spine.cross_join(values("window_months", months, "int64"))
    starts_on = ibis.cases(*((rows.window_months == m, rows[f"day_{m}m_ago"]) for m in months))
    return rows.select("as_of", "window_months", starts_on=starts_on)


def values(name: str, listed: Sequence[Any], kind: str) -> ir.Table:
    """One column of the values listed: what every day of a run is combined with."""
    return ibis.memtable({name: list(listed)}, schema=ibis.schema({name: kind}))
