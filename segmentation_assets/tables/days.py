"""Day arithmetic in expressions, with the same answer on every engine.

Not here: the same in plain Python (`as_of`), which decides what days are built.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

_FRIDAY, _WORKING_DAYS, _WEEK = 4, 5, 7


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


def days_later(day: ir.DateValue, days: ir.IntegerValue) -> ir.DateValue:
    """The day that a column says: `days` days after `day`, which may be negative."""
    return as_day(day + days.as_interval("D"))


def working_days_later(day: ir.DateValue, days: ir.IntegerValue) -> ir.DateValue:
    """The `days`-th working day (Monday to Friday) after `day`; `days` is at least 1. Holidays are not known."""
    weekday = day.day_of_week.index().cast("int64")
    total = ibis.least(weekday, _FRIDAY) + days
    return days_later(day, total // _WORKING_DAYS * _WEEK + total % _WORKING_DAYS - weekday)
