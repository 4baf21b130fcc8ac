"""MRR at the end of given days. Retention compares such points in time.

Here: `mrr_on`, and when accounts first paid. Not here: when a subscription holds (`profiles.subscriptions`), exchange
rates (`profiles.exchange`), or movements from one point to the other (`periods`).

MRR in force on a day is the same for every later as_of. So it is summed once per day, not once per as_of: a run over
years has many.
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.profiles.known import by_surviving_account
from segmentation_assets.profiles.subscriptions import in_force
from segmentation_assets.tables.amounts import total


def mrr_on(days: ir.Table, steps: ir.Table, *by: str) -> ir.Table:
    """MRR in force at the end of each `day` of `days`, by columns of `subscription_steps`. Key: day and `by`.

    Accounts are those of billing, before mergers. Discounts are netted. Days without revenue have no row.
    """
    rows = in_force(days.select("day").distinct(), steps.filter(steps.mrr != 0))
    return rows.group_by("day", *by).aggregate(mrr=total(rows.mrr))


def first_paid(spine: ir.Table, states: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """(as_of, account_id) -> `first_paid_on` of surviving accounts; after as_of if they had not paid by then."""
    firsts = states.group_by("account_id").aggregate(first_paid_on=states.first_paid_on.min())
    rows = by_surviving_account(spine.select("as_of").distinct().cross_join(firsts), hierarchy)
    return rows.group_by("as_of", "account_id").aggregate(first_paid_on=rows.first_paid_on.min())
