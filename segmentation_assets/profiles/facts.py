"""Events of accounts up to a day, and the difference between "none" (0) and "not known" (null).

Here: dated rows of an extract per as_of and account, and null or zero. Not here: any figure computed from them, or
what was known when (`known`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.profiles.known import known_at
from segmentation_assets.tables.contracts import SNAPSHOT_KEY

_KEY = SNAPSHOT_KEY


def accounts_of(merged: ir.Table) -> ir.Table:
    """(as_of, account_id) of every surviving account; `merged` is `known.survivors`."""
    return merged.select("as_of", account_id="surviving_account_id").distinct()


def facts(extract: ir.Table, dated: str, merged: ir.Table, spine: ir.Table, *days: str) -> ir.Table:
    """Rows of an extract per as_of: known then, dated on or before it, under the surviving account.

    `dated` is the column with the date of the event. Rows without a date never count, nor do rows of accounts that
    the CRM does not know. `days` are further columns of the spine to keep.
    """
    rows = known_at(extract, spine, *days)
    joined = rows.filter(rows[dated] <= rows.as_of).join(merged, list(_KEY))
    return joined.mutate(account_id=joined.surviving_account_id).drop("surviving_account_id")


def within(rows: ir.Table, dated: str, days: int) -> ir.BooleanValue:
    """Whether the row is dated within the last `days` days, of which as_of is the last."""
    return rows[dated] > rows.as_of - ibis.interval(days=days)


def first_fact(extract: ir.Table, dated: str) -> ir.Table:
    """One row, `first_on`: the first day by which a row of the extract was dated and known; null if none is."""
    known_on = ibis.greatest(extract[dated], extract.known_from)
    return extract.filter(extract[dated].notnull()).aggregate(first_on=known_on.min())


def only_if(condition: ir.BooleanValue, value: Any) -> ir.Value:
    """The value (an expression or a constant) where the condition holds; null where it is false or unknown."""
    shown = value if isinstance(value, ir.Value) else ibis.literal(value)
    return ibis.ifelse(condition, shown, ibis.null(shown.type()))


def with_figures(accounts: ir.Table, *figures: ir.Table) -> ir.Table:
    """`accounts` with the columns of each of `figures` (key as_of, account_id); null where an account has none.

    There is only one selection, after all joins. With one after each join, Ibis would go through all of them again
    for every further join.
    """
    joined = accounts.view()
    for one in figures:
        joined = joined.left_join(one.view(), list(_KEY))
    added = [name for one in figures for name in one.columns if name not in _KEY]
    return joined.select(*accounts.columns, *added)


def zero_if_present(rows: ir.Table, present: ir.Table, columns: Sequence[str], by: str = "as_of") -> ir.Table:
    """Null in `columns` becomes 0 where `present` (a `first_fact`) has a row by the day `by`; else all are null."""
    joined = rows.cross_join(present)
    is_present = (joined.first_on <= joined[by]).fill_null(False)
    filled = {name: _zero_or_null(is_present, joined[name]) for name in columns}
    return joined.mutate(**filled).drop("first_on")


def _zero_or_null(is_present: ir.BooleanValue, value: ir.Value) -> ir.Value:
    kind = value.type()
    zero = False if kind.is_boolean() else 0
    return ibis.ifelse(is_present, value.fill_null(zero), ibis.null(kind))
