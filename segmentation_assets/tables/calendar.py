"""The periods of a run as rows.

Here: `windows`, and `each`, which repeats rows for a list of values. Not here: day arithmetic (`tables.days`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir


def windows(spine: ir.Table, months: Sequence[int]) -> ir.Table:
    """The periods that end on each day of a run: as_of, window_months, starts_on. Key: as_of, window_months."""
    rows = each(spine, "window_months", months)
    starts_on = ibis.cases(*((rows.window_months == m, rows[f"day_{m}m_ago"]) for m in months))
    return rows.select("as_of", "window_months", starts_on=starts_on)


def each(rows: ir.Table, name: str, values: Sequence[Any]) -> ir.Table:
    """Every row once per value; the value is in the column `name`.

    The values are part of the query and not a table of their own, so the compiled query serves the next run, too.
    """
    kind = "string" if isinstance(values[0], str) else "int64"
    return rows.mutate(**{name: ibis.array([ibis.literal(v, kind) for v in values]).unnest()})
