"""The month's movements of recurring revenue, account by account.

Here: `revenue_movements`, the calendar month up to as_of. Not here: annual retention, which is no sum of months
(`periods`, `retention`).
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.kpis.identities import closes
from segmentation_assets.kpis.periods import MOVEMENTS
from segmentation_assets.warehouse.contracts import Day, Snapshot, column, row_rule


class RevenueMovements(Snapshot):
    """MRR at the end of last month, what moved it since, and MRR now. Key: as_of, account_id.

    The month is complete at its last day; before, it is the month to date.
    """

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    month: Day = column("First day of as_of's month.")
    start_mrr: float = column(
        "MRR at the end of the month before, at that day's rates.", unit="currency per month", ge=0
    )
    movement: str = column("What happened since.", isin=MOVEMENTS)
    new_mrr: float = column("MRR of an account's first paid subscription ever.", unit="currency per month", ge=0)
    expansion_mrr: float = column("Rise of an account that paid already.", unit="currency per month", ge=0)
    contraction_mrr: float = column("Fall of an account that still pays.", unit="currency per month", ge=0)
    churned_mrr: float = column(
        "MRR of an account whose last subscription ended.", unit="currency per month", ge=0
    )
    reactivated_mrr: float = column(
        "MRR of an account that had paid before and is back.", unit="currency per month", ge=0
    )
    fx_mrr: float = column("What exchange rates did to the MRR in force.", unit="currency per month")
    end_mrr: float = column("MRR at as_of, at the rates of as_of.", unit="currency per month", ge=0)

    @row_rule
    def bridge_closes(cls, t: ir.Table) -> ir.BooleanValue:
        """start + new + reactivated + expansion - contraction - churned + FX = end, to the cent."""
        end = t.start_mrr + t.new_mrr + t.reactivated_mrr + t.expansion_mrr - t.contraction_mrr - t.churned_mrr
        return closes(t.end_mrr, end + t.fx_mrr)

    class Config:
        unique = ["as_of", "account_id"]
