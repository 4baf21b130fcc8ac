"""Does attention go where the entitlement is?

Here: `coverage_leakage`. Not here: what accounts are entitled to (`staffing`), or whether there are people enough
(`plan`).
"""

from __future__ import annotations

import ibis

from segmentation_assets.capacity.staffing import AccountDemand, by_tier
from segmentation_assets.policy.capacity import CarePolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.policy.service import CostPolicy
from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table

_MONTHS = 12
_DAYS_PER_YEAR = 365
_DIGITS, _CENTS = 6, 2


class CoverageLeakage(Snapshot):
    """Hours entitled and hours got, of twelve months. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    coverage_tier: str = column("Coverage tier at as_of.", isin=TIERS)
    csm_id: str = column("CSM in the CRM.", nullable=True)
    arr: float = column("Annual recurring revenue.", unit="currency per year", ge=0)
    months_entitled: float = column("Months of the trailing twelve as a customer.", unit="months", ge=0, le=12)
    entitled_hours: float = column("CSM hours of those months at the rate of as_of's tier.", unit="hours", ge=0)
    got_hours: float = column(
        "CSM hours logged on the account in twelve months; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    over_served_hours: float = column("Hours got beyond the entitlement.", unit="hours", nullable=True, ge=0)
    under_served_hours: float = column("Hours entitled to and not got.", unit="hours", nullable=True, ge=0)
    hourly_cost: float = column(
        "Mean cost of the hours logged on the account; the policy's rate where there are none.",
        unit="currency per hour", ge=0,
    )  # fmt: skip
    over_served_cost: float = column("Over-served hours x hourly cost.", unit="currency", nullable=True, ge=0)
    under_served_cost: float = column("Under-served hours x hourly cost.", unit="currency", nullable=True, ge=0)
    under_served_arr: float = column(
        "ARR x the share of the entitlement not got.", unit="currency per year", nullable=True, ge=0
    )
    service: str = column(
        "Hours got against the entitlement, give or take the policy's share of it.",
        isin=["over_served", "as_entitled", "under_served", "unknown"],
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="capacity")
def coverage_leakage(
    spine: Table[Spine],
    account_demand: Table[AccountDemand],
    account_costs: Table[AccountCosts],
    account_revenue: Table[AccountRevenue],
    care: CarePolicy,
    costs: CostPolicy,
) -> Table[CoverageLeakage]:
    """Which accounts get more care than their tier is entitled to, which get less, and what is it worth?

    One row per as_of and live account. Entitled = hours a month of the tier at as_of x the months of the trailing
    twelve in which the account was a customer (an override is of the day and not in it); got = CSM hours logged on it
    in that time. The difference
    is priced at the cost of the account's own hours, so that it reconciles with `account_costs`.
    """
    rows = account_demand.select("as_of", "account_id", "coverage_tier", "csm_id", "arr").semi_join(spine, "as_of")
    rows = with_figures(
        rows,
        account_costs.select("as_of", "account_id", "csm_hours_12m", "csm_cost_12m"),
        account_revenue.select("as_of", "account_id", "tenure_days"),
    )
    months = ibis.least(rows.tenure_days / _DAYS_PER_YEAR, 1.0).fill_null(1.0) * _MONTHS
    rows = rows.mutate(
        months_entitled=months,
        entitled_hours=(by_tier(rows, {tier: care.hours_per_month(tier) for tier in TIERS}) * months).round(_DIGITS),
        got_hours=rows.csm_hours_12m,
        hourly_cost=(rows.csm_cost_12m / rows.csm_hours_12m.nullif(0.0)).fill_null(costs.csm_hourly_rate),
    )
    difference = rows.got_hours - rows.entitled_hours
    rows = rows.mutate(
        over_served_hours=ibis.ifelse(difference > 0, difference, 0.0),
        under_served_hours=ibis.ifelse(difference < 0, -difference, 0.0),
    )
    # Where nothing is known of the hours got, nothing is known of the difference.
    unknown = rows.got_hours.isnull()
    rows = rows.mutate(
        **{
            n: ibis.ifelse(unknown, ibis.null("float64"), rows[n])
            for n in ("over_served_hours", "under_served_hours")
        }
    )
    tolerated = rows.entitled_hours * care.as_entitled_share
    return rows.mutate(
        over_served_cost=(rows.over_served_hours * rows.hourly_cost).round(_CENTS),
        under_served_cost=(rows.under_served_hours * rows.hourly_cost).round(_CENTS),
        under_served_arr=(rows.arr * (rows.under_served_hours / rows.entitled_hours.nullif(0.0))).round(_CENTS),
        service=ibis.cases(
            (rows.got_hours.isnull(), "unknown"),
            (rows.over_served_hours > tolerated, "over_served"),
            (rows.under_served_hours > tolerated, "under_served"),
            else_="as_entitled",
        ),
    ).drop("csm_hours_12m", "csm_cost_12m", "tenure_days")
