"""What was known on a day: the rows of an extract as of that day, and the account they count for.

Here: the rows of an extract known at each day of a run, merged accounts, chains of parents. Not here: any figure
computed from them.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import HISTORY_COLUMNS, CrmAccounts
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_DOUBLINGS = 3
"""Chains are followed 2 ** 3 = 8 deep. An even depth leaves two records that are merged into each other unchanged."""
_KEY = SNAPSHOT_KEY


class AccountHierarchy(Snapshot):
    """The account that each CRM record counts for, and its parents. One row per account known at as_of."""

    account_id: str = column("Account id in the CRM.")
    surviving_account_id: str = column(
        "Account that the figures count for: the account itself, or the one it was merged into."
    )
    parent_account_id: str = column("The account's parent, after mergers; null: none.", nullable=True)
    top_account_id: str = column("Topmost parent of the account, or the account itself without a parent.")
    top_account_id_12m_ago: str = column(
        "Topmost parent twelve months before as_of, after today's mergers; null: the CRM did not know the account "
        "then.",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_hierarchy(spine: Table[Spine], crm_accounts: Table[CrmAccounts]) -> Table[AccountHierarchy]:
    """Which account does each CRM record count for after mergers, and who is its parent?

    One row per as_of and account known then. Chains of mergers and of parents are followed up to eight deep. If the
    CRM does not know the account merged into, or the parent, the link is ignored, so that no figures are lost. A
    group's retention over a year counts the accounts in it at the start, so there is also the topmost parent of
    twelve months before.
    """
    now = _chains(known_at(crm_accounts, spine))
    then = _chains(known_at(crm_accounts, spine.select(as_of="day_12m_ago").distinct()))
    then = then.select(day_12m_ago="as_of", account_id="account_id", top_then="top_account_id")
    before = spine.select("as_of", "day_12m_ago").join(then, "day_12m_ago").select(*_KEY, "top_then")
    today = now.select(named_at="as_of", named="account_id", name_today="surviving_account_id")
    before = before.left_join(today, [("as_of", "named_at"), ("top_then", "named")])
    before = before.select(*_KEY, top_account_id_12m_ago=ibis.coalesce(before.name_today, before.top_then))
    return now.left_join(before, _KEY).select(*now.columns, "top_account_id_12m_ago")


def _chains(rows: ir.Table) -> ir.Table:
    """Surviving account, parent and topmost parent of each account of `rows`: CRM records as known on a day."""
    survivors = _followed(rows, "merged_into_account_id", "surviving_account_id")
    renamed = survivors.select(named_at="as_of", named="account_id", parent="surviving_account_id")
    joined = rows.left_join(renamed, [("as_of", "named_at"), ("parent_account_id", "named")])
    parents = joined.select(*_KEY, parent_account_id=ibis.coalesce(joined.parent, joined.parent_account_id))
    tops = _followed(parents, "parent_account_id", "top_account_id")
    return parents.join(survivors, _KEY).join(tops, _KEY)


def known_at(extract: ir.Table, spine: ir.Table, *days: str) -> ir.Table:
    """The rows of an extract known at each `as_of`, with the spine columns `days`, without the history columns.

    Rows dated after `as_of` stay: a future event can be known before it happens.
    """
    at = spine.select("as_of", *days)
    in_force = (extract.known_from <= at.as_of) & (at.as_of < extract.known_to)
    return at.join(extract, in_force).drop(*HISTORY_COLUMNS)


def states(extract: ir.Table, spine: ir.Table) -> ir.Table:
    """(as_of, state): the last day on or before `as_of` on which the known rows of an extract changed.

    The same rows are known at `state` as at `as_of`. So a figure that depends on these rows alone can be computed
    once for all days with the same `state`. Days before anything was known have no row.
    """
    changed = extract.select(state="known_from").union(extract.select(state="known_to")).distinct()
    rows = spine.select("as_of").join(changed, ibis._.as_of >= changed.state)
    return rows.group_by("as_of").aggregate(state=rows.state.max())


def survivors(hierarchy: Table[AccountHierarchy]) -> ir.Table:
    """(as_of, account_id, surviving_account_id) of every account known at as_of."""
    return hierarchy.select(*_KEY, "surviving_account_id")


def by_surviving_account(rows: ir.Table, hierarchy: Table[AccountHierarchy]) -> ir.Table:
    """`rows` (as_of, account_id, ...) under the surviving account. An id that the CRM does not know stays."""
    merged = hierarchy.filter(hierarchy.account_id != hierarchy.surviving_account_id).select(
        merged_at="as_of", merged_id="account_id", survivor="surviving_account_id"
    )
    joined = rows.left_join(merged, [("as_of", "merged_at"), ("account_id", "merged_id")])
    account_id = ibis.coalesce(joined.survivor, joined.account_id)
    return joined.select(**{n: account_id if n == "account_id" else joined[n] for n in rows.columns})


def _followed(accounts: ir.Table, pointer: str, name: str) -> ir.Table:
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
