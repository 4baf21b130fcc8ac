"""The one rank that tiers and rank scores use. Not here: cut-offs, or which accounts a table ranks."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir


def mid_rank(value: ir.Value, group_by: Sequence[ir.Value], where: ir.BooleanValue | None = None) -> ir.FloatingValue:
    """Share (0-1) of the group that lies below `value`, equals counted half: (smaller + equals / 2) / n.

    `equals` counts the row itself, so the ranks of a group average one half, equals share a rank, and a lone row
    stands at one half. Null values, and rows that are not `where`, get null and are not counted. A group of any
    size is ranked: of n different values the lowest stands at 1 / 2n, so below ten rows nobody reaches the outer
    5 %. Expressions belong to the table that the result is added to.
    """
    counts = value.notnull() if where is None else value.notnull() & where.fill_null(False)
    group = [*group_by, counts]
    smaller = value.rank().over(ibis.window(group_by=group, order_by=value))
    equals = value.count().over(ibis.window(group_by=[*group, value]))
    rows = value.count().over(ibis.window(group_by=group))
    return ibis.ifelse(counts, (smaller + equals / 2) / rows, ibis.null("float64"))
