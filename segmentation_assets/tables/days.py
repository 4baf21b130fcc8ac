"""Day arithmetic in expressions, with the same answer on every engine.

Not here: the same in plain Python (`as_of`), which decides what days are built.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def as_day(moment: ir.Value) -> ir.DateValue:
    """The date of a moment. On some engines a date plus an interval is a timestamp."""
    return moment.cast("timestamp").cast("date")


def days_after(day: ir.DateValue, days: int = 1) -> ir.DateValue:
    """The day `days` days after `day`."""
    return as_day(day + ibis.interval(days=days)) if days else day


def days_before(day: ir.DateValue, days: int = 1) -> ir.DateValue:
    """The day `days` days before `day`."""
    return as_day(day - ibis.interval(days=days)) if days else day


def months_after(day: ir.DateValue, months: int) -> ir.DateValue:
    """The same day `months` months later. Only for the first day of a month, which every month has."""
    return as_day(day + ibis.interval(months=months))


def months_before(day: ir.DateValue, months: int) -> ir.DateValue:
    """The same day `months` months earlier, as `as_of.months_before`; a month's last day gives a month's last day."""
    following = days_after(day)
    whole = days_before(as_day(following - ibis.interval(months=months)))
    return ibis.ifelse(following.day() == 1, whole, as_day(day - ibis.interval(months=months)))
