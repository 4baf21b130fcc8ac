"""The month's movements of recurring revenue, account by account.

Here: `revenue_movements`, the calendar month up to as_of. Not here: annual retention (`periods`, `retention`); it is
not the sum of months.
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
    """MRR at the end of last month, its movement since, and MRR at as_of. Key: as_of, account_id.

    On the last day of a month the row covers the whole month, before that the month to date.
    """

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    month: Day = column("First day of as_of's month.")
    start_mrr: float = column(
        "MRR at the end of the month before, at the exchange rates of that day.", unit="currency per month", ge=0
    )
    movement: str = column("How MRR changed from the end of last month to as_of.", isin=MOVEMENTS)
    new_mrr: float = column(
        "MRR at as_of of an account that had never paid before this month.", unit="currency per month", ge=0
    )
    expansion_mrr: float = column(
        "Increase of MRR of an account that already paid, without resumed_mrr.", unit="currency per month", ge=0
    )
    expansion_volume_mrr: float = column(
        "Part of expansion_mrr by more seats of the same product; where seats are not known, by more use.",
        unit="currency per month",
        ge=0,
    )
    expansion_product_mrr: float = column(
        "Part of expansion_mrr by another product or plan.", unit="currency per month", ge=0
    )
    expansion_price_mrr: float = column(
        "Part of expansion_mrr by a higher price of the same product.", unit="currency per month", ge=0
    )
    contraction_mrr: float = column(
        "Decrease of MRR of an account that still pays, or is paused.", unit="currency per month", ge=0
    )
    paused_mrr: float = column(
        "Part of contraction_mrr by pauses still open at as_of.", unit="currency per month", ge=0
    )
    churned_mrr: float = column(
        "MRR at the end of last month of an account that neither pays nor is paused at as_of.",
        unit="currency per month",
        ge=0,
    )
    reactivated_mrr: float = column(
        "MRR at as_of of an account that paid in the past but not at the end of last month, or MRR that returned "
        "from pauses.",
        unit="currency per month",
        ge=0,
    )
    resumed_mrr: float = column(
        "Part of reactivated_mrr that was paused at the end of last month.", unit="currency per month", ge=0
    )
    fx_mrr: float = column("Change of MRR by exchange rates alone.", unit="currency per month")
    end_mrr: float = column("MRR at as_of, at the exchange rates of as_of.", unit="currency per month", ge=0)

    @row_rule
    def bridge_closes(cls, t: ir.Table) -> ir.BooleanValue:
        """start + new + reactivated + expansion - contraction - churned + FX = end, to the cent."""
        end = t.start_mrr + t.new_mrr + t.reactivated_mrr + t.expansion_mrr - t.contraction_mrr - t.churned_mrr
        return closes(t.end_mrr, end + t.fx_mrr)

    @row_rule
    def kinds_add_up(cls, t: ir.Table) -> ir.BooleanValue:
        """Volume + product + price = expansion. Pauses are part of contraction, resumes part of reactivation."""
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

    One row per as_of and account with MRR at the end of last month or at as_of. Only these two points in time are
    compared, both at the exchange rates of the first. So a change that is undone within the month is no movement. A
    swap of plan or product is one expansion or contraction. The end of one of several subscriptions is a contraction;
    the end of the last one is churn. A pause is a contraction, and its end is a resume. A start counts in the month
    in which it became known. For whole months, read the last day of each; other days show the month to date. Months
    do not add up to a year's retention: see `account_periods`.
    """
    last_month_end = days_before(spine.month_start)
    periods = spine.select("as_of", starts_on=last_month_end)
    rows = two_points(periods, subscription_steps, account_states, fx_rates, account_hierarchy, company)
    rounded = rows.mutate(**{n: cents(rows[n]) for n in ENDS})
    rows = moved(rounded.filter((rounded.start > 0) | (rounded.end > 0)), "mrr")
    rows = rows.drop("end_mrr", "starts_on", "first_paid_on").rename(end_mrr="end_current_mrr")
    return rows.join(spine.select("as_of", month="month_start"), "as_of")
