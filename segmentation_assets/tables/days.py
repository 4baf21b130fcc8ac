"""Days as expressions, in operations that every engine answers alike.

Here: so many days or months before or after a day. Not here: the same in plain Python (`as_of`), which decides what
days are made.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def as_day(moment: ir.Value) -> ir.DateValue:
    """The date of a moment: some engines make a date and an interval a timestamp."""
    return moment.cast("timestamp").cast("date")


def days_after(day: ir.DateValue, days: int = 1) -> ir.DateValue:
    """`day` so many days later."""
    return as_day(day + ibis.interval(days=days)) if days else day


def days_before(day: ir.DateValue, days: int = 1) -> ir.DateValue:
    """`day` so many days earlier."""
    return as_day(day - ibis.interval(days=days)) if days else day


def months_after(day: ir.DateValue, months: int) -> ir.DateValue:
    """The same day so many months later; for the first day of a month, which every month has."""
    return as_day(day + ibis.interval(months=months))


def months_before(day: ir.DateValue, months: int) -> ir.DateValue:
    """The same day so many months earlier; the last day of a month maps to the last day of a month.

    As `as_of.months_before`.
    """
    following = days_after(day)
    whole = days_before(as_day(following - ibis.interval(months=months)))
    return ibis.ifelse(following.day() == 1, whole, as_day(day - ibis.interval(months=months)))
