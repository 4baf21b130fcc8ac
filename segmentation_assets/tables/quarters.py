"""Calendar quarters in plain Python, also for readers, which import neither pandas nor Ibis.

Not here: day arithmetic in expressions (`days`), or which days one as_of reads (`as_of`).
"""

from __future__ import annotations

from datetime import date


def quarter_start(day: date) -> date:
    """First day of the calendar quarter."""
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
