"""The date of a moment in the company's timezone. Extracts have moments in UTC.

Here: this conversion, with operations that every engine has (casts between time zones differ between engines). Not
here: days of a run (`tables.as_of`).
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.company import CompanyPolicy

_FIRST, _LAST = datetime(2010, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=7)
"""Offsets are compared at this interval: no zone changes its clocks twice within a week."""


def company_day(moment: ir.TimestampValue, company: CompanyPolicy) -> ir.DateValue:
    """The date of a UTC moment in the company's timezone; before 2010 and after 2050 by the offset of that year."""
    first, *changes = offsets(company.timezone)
    cases = [
        (moment >= ibis.timestamp(at.replace(tzinfo=None).isoformat()), _shifted(moment, minutes))
        for at, minutes in reversed(changes)
    ]
    if not cases:
        return _shifted(moment, first[1]).date()
    return ibis.cases(*cases, else_=_shifted(moment, first[1])).date()


def _shifted(moment: ir.TimestampValue, minutes: int) -> ir.TimestampValue:
    return moment + ibis.interval(minutes=minutes) if minutes else moment


@cache
def offsets(timezone: str) -> tuple[tuple[datetime, int], ...]:
    """Minutes ahead of UTC, each with the moment (UTC) from which it holds, 2010 to 2050."""
    zone = ZoneInfo(timezone)
    changes = [(_FIRST, _minutes(_FIRST, zone))]
    at = _FIRST
    while at < _LAST:
        following = at + _STEP
        minutes = _minutes(following, zone)
        if minutes != changes[-1][1]:
            changes.append((_change(at, following, zone), minutes))
        at = following
    return tuple(changes)


def _minutes(at: datetime, zone: ZoneInfo) -> int:
    offset = at.astimezone(zone).utcoffset()
    return round(offset.total_seconds() / 60) if offset else 0


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The minute between two moments at which the offset changes to that of the later one."""
    target = _minutes(after, zone)
    minutes = range(int((after - before).total_seconds() // 60) + 1)
    first = bisect_left(minutes, True, key=lambda m: _minutes(before + timedelta(minutes=m), zone) == target)
    return before + timedelta(minutes=first)
