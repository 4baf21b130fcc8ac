"""The one rank that tiers and rank scores use. Not here: cut-offs, or which accounts a table ranks."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from segmentation_assets.tables.amounts import ratio


def mid_rank(value: ir.Value, group_by: Sequence[ir.Value], where: ir.BooleanValue | None = None) -> ir.FloatingValue:
    """The share (0-1) of the group below `value`, with equal values counted half: (smaller + equals / 2) / n.

    `equals` includes the row itself. So the mean rank of a group is one half, equal values share a rank, and a single
    row has rank one half. Null values, and rows that fail `where`, get null and do not count. The lowest of n
    different values has rank 1 / 2n, so in a group of fewer than ten rows no rank is in the outer 5 %. The arguments
    are expressions of the table that the result is added to.
    """
    counts = value.notnull() if where is None else value.notnull() & where.fill_null(False)
    group = [*group_by, counts]
    smaller = value.rank().over(ibis.window(group_by=group, order_by=value))
    equals = value.count().over(ibis.window(group_by=[*group, value]))
    rows = value.count().over(ibis.window(group_by=group))
    return ibis.ifelse(counts, ratio(smaller + equals / 2, rows), ibis.null("float64"))
