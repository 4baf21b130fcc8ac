"""Days of the calendar as expressions, where the spine has no column for them.

Here: the periods of a run, rows combined with a list. Not here: arithmetic of days (`tables.days`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir


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
