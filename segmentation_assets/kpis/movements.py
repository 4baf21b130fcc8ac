"""The month's movements of recurring revenue, account by account.

Here: `revenue_movements`, the calendar month up to as_of. Not here: annual retention, which is no sum of months
(`periods`, `retention`).
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import FxRates
from segmentation_assets.kpis.identities import at_most, closes
from segmentation_assets.kpis.periods import ENDS, MOVEMENTS, moved, two_points
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.known import AccountHierarchy
from segmentation_assets.profiles.states import AccountStates
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.tables.amounts import cents
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_before
from segmentation_assets.tables.registry import Table, table


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
    expansion_mrr: float = column(
        "Rise of an account that paid already, less what came back from pauses.", unit="currency per month", ge=0
    )
    expansion_volume_mrr: float = column(
        "Of it by more seats of the same; where seats are not known, by more use.", unit="currency per month", ge=0
    )
    expansion_product_mrr: float = column("Of it by another product or plan.", unit="currency per month", ge=0)
    expansion_price_mrr: float = column("Of it by a higher price of the same.", unit="currency per month", ge=0)
    contraction_mrr: float = column(
        "Fall of an account that still pays, or is paused.", unit="currency per month", ge=0
    )
    paused_mrr: float = column("Of it by pauses that last at as_of.", unit="currency per month", ge=0)
    churned_mrr: float = column("MRR of an account whose last subscription ended.", unit="currency per month", ge=0)
    reactivated_mrr: float = column(
        "MRR of an account that had paid before and is back, and what came back from pauses.",
        unit="currency per month",
        ge=0,
    )
    resumed_mrr: float = column("Of it what came back from pauses.", unit="currency per month", ge=0)
    fx_mrr: float = column("What exchange rates did to the MRR in force.", unit="currency per month")
    end_mrr: float = column("MRR at as_of, at the rates of as_of.", unit="currency per month", ge=0)

    @row_rule
    def bridge_closes(cls, t: ir.Table) -> ir.BooleanValue:
        """start + new + reactivated + expansion - contraction - churned + FX = end, to the cent."""
        end = t.start_mrr + t.new_mrr + t.reactivated_mrr + t.expansion_mrr - t.contraction_mrr - t.churned_mrr
        return closes(t.end_mrr, end + t.fx_mrr)

    @row_rule
    def kinds_add_up(cls, t: ir.Table) -> ir.BooleanValue:
        """Volume + product + price = expansion; pauses are part of the contraction, resumes of what came back."""
        kinds = t.expansion_volume_mrr + t.expansion_product_mrr + t.expansion_price_mrr
        parts = at_most(t.paused_mrr, t.contraction_mrr) & at_most(t.resumed_mrr, t.reactivated_mrr)
        return closes(t.expansion_mrr, kinds) & parts

    class Config:
        unique = ["as_of", "account_id"]


@table(group="kpis")
def revenue_movements(
    spine: Table[Spine],
    subscription_steps: Table[SubscriptionSteps],
    account_states: Table[AccountStates],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
) -> Table[RevenueMovements]:
    """What moved each account's MRR this month: new, expansion, contraction, churn, reactivation, or exchange rates?

    A pause is a contraction and its end a resume; a start counts in the month in which it became known.

    One row per as_of and account with MRR at the end of last month or at as_of. Two points are compared, at the
    exchange rates of the first: what flips inside the month leaves no movement, a swap of plan or product is one
    expansion or contraction, and the end of one of several subscriptions is a contraction. Churn is the end of the
    last one. Read a month at its last day; other days show the month to date. Months do not add up to a year's
    retention: see account_periods.
    """
    last_month_end = days_before(spine.month_start)
    periods = spine.select("as_of", starts_on=last_month_end)
    rows = two_points(periods, subscription_steps, account_states, fx_rates, account_hierarchy, company)
    rounded = rows.mutate(**{n: cents(rows[n]) for n in ENDS})
    rows = moved(rounded.filter((rounded.start > 0) | (rounded.end > 0)), "mrr")
    rows = rows.drop("end_mrr", "starts_on", "first_paid_on").rename(end_mrr="end_current_mrr")
    return rows.join(spine.select("as_of", month="month_start"), "as_of")
