"""What was known on a day: rows of extracts as they stood then, and which account they count for.

Here: joining an extract with the days of a run by what was known, merged accounts, parents of parents. Not here: any
figure made of it.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import HISTORY_COLUMNS, CrmAccounts
from segmentation_assets.warehouse.as_of import Spine
from segmentation_assets.warehouse.registry import Table

_DOUBLINGS = 3
"""Chains are followed 2 ** 3 = 8 deep; an even depth leaves two records merged into each other as they are."""


def known(extract: ir.Table, spine: ir.Table, *days: str) -> ir.Table:
    """Per `as_of`, the rows of an extract known then, with the spine columns `days`, without the known-from columns.

    Facts dated after `as_of` are not filtered out: known is not the same as happened.
    """
    at = spine.select("as_of", *days)
    in_force = (extract.known_from <= at.as_of) & (at.as_of < extract.known_to)
    return at.join(extract, in_force).drop(*HISTORY_COLUMNS)


def surviving_account(crm_accounts: Table[CrmAccounts], spine: Table[Spine]) -> ir.Table:
    """Per `as_of` and account known then: `surviving_account_id`, itself or the account it was merged into.

    A merge into an account that the CRM does not know is ignored, lest its figures vanish.
    """
    return followed(known(crm_accounts, spine), "merged_into_account_id", "surviving_account_id")


def by_surviving_account(rows: ir.Table, crm_accounts: ir.Table, spine: ir.Table) -> ir.Table:
    """`rows` (as_of, account_id, ...) under the account each was merged into; ids the CRM lacks stay as they are."""
    survivors = surviving_account(crm_accounts, spine)
    merged = survivors.filter(survivors.account_id != survivors.surviving_account_id).rename(
        merged_at="as_of", merged_id="account_id"
    )
    joined = rows.left_join(merged, [rows.as_of == merged.merged_at, rows.account_id == merged.merged_id])
    return joined.mutate(account_id=ibis.coalesce(joined.surviving_account_id, joined.account_id)).drop(
        "merged_at", "merged_id", "surviving_account_id"
    )


def followed(accounts: ir.Table, pointer: str, name: str) -> ir.Table:
    """(as_of, account_id) -> `name`: the account at the end of the chain that the column `pointer` starts.

    An account that points nowhere, or to an account that is not in `accounts`, is its own end.
    """
    rows = accounts.select("as_of", "account_id", pointer=pointer)
    ids = rows.select(day="as_of", target="account_id").view()
    step = rows.left_join(ids, [("as_of", "day"), ("pointer", "target")]).select(
        "as_of", "account_id", end=ibis.coalesce(ibis._.target, ibis._.account_id)
    )
    for _ in range(_DOUBLINGS):
        onward = step.select("as_of", via="account_id", further="end").view()
        step = step.view().join(onward, ["as_of", ("end", "via")]).select("as_of", "account_id", end="further")
    return step.select("as_of", "account_id", **{name: "end"})
