"""Happenings of accounts up to a day, and telling "none" from "not known".

Here: dated rows of an extract per as_of and surviving account, and null-or-zero. Not here: any figure made of them,
or what was known when (`known`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from segmentation_assets.profiles.known import known, surviving_account

_KEY = ("as_of", "account_id")


def accounts_known(crm_accounts: ir.Table, spine: ir.Table) -> ir.Table:
    """(as_of, account_id) of every account known then that is not merged into another."""
    merged = surviving_account(crm_accounts, spine)
    return merged.select("as_of", account_id=merged.surviving_account_id).distinct()


def facts(extract: ir.Table, crm_accounts: ir.Table, spine: ir.Table, dated: str, *days: str) -> ir.Table:
    """Rows of an extract per as_of: known then, dated on or before it, under their surviving account.

    `dated` is the date column that says when a row happened; rows without one never count. `days` are further
    columns of the spine to carry along.
    """
    rows = known(extract, spine, *days)
    rows = rows.filter(rows[dated] <= rows.as_of)
    merged = surviving_account(crm_accounts, spine)
    joined = rows.join(merged, list(_KEY))
    return joined.mutate(account_id=joined.surviving_account_id).drop("surviving_account_id")


def first_fact(extract: ir.Table, dated: str) -> ir.Table:
    """One row, `first_on`: the first day on which a row of the extract was both dated and known; null if there is none."""
    known_on = ibis.greatest(extract[dated], extract.known_from)
    return extract.filter(extract[dated].notnull()).aggregate(first_on=known_on.min())


def with_facts(accounts: ir.Table, figures: ir.Table) -> ir.Table:
    """`accounts` with the columns of `figures` (key as_of, account_id); null where an account has none."""
    return accounts.left_join(figures, list(_KEY)).drop(*(f"{name}_right" for name in _KEY))


def zero_if_present(table: ir.Table, present: ir.Table, columns: Sequence[str], as_of: str = "as_of") -> ir.Table:
    """Null in `columns` becomes 0 on days by which `present` (from `first_fact`) has a row; before, all are null."""
    joined = table.cross_join(present)
    is_present = (joined.first_on <= joined[as_of]).fill_null(False)
    filled: Mapping[str, ir.Value] = {
        name: ibis.ifelse(is_present, joined[name].fill_null(0), ibis.null(joined[name].type())) for name in columns
    }
    return joined.mutate(**filled).drop("first_on")
