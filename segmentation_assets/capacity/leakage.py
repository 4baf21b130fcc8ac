"""Do accounts get the CSM hours they are entitled to?

Here: `coverage_leakage`. Not here: what accounts are entitled to now (`staffing`), whether there are enough people
(`plan`), or which hours should move (`rebalancing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from segmentation_assets.capacity.staffing import AccountDemand
from segmentation_assets.kpis.entitlement import entitled_hours
from segmentation_assets.policy.capacity import CarePolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.policy.service import CostPolicy
from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.facts import only_if, with_figures
from segmentation_assets.segments.grid import SegmentGrid
from segmentation_assets.tables.amounts import cents, fine, total
from segmentation_assets.tables.as_of import Spine, last_monday, months_before, weeks
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

_MONTHS = 12
_DAYS_PER_YEAR = 365
_DAYS_PER_WEEK = 7
_KEY = ("as_of", "account_id")


class CoverageLeakage(Snapshot):
    """Entitled hours and received hours of twelve months. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    coverage_tier: str = column("Coverage tier at as_of.", isin=TIERS)
    csm_id: str = column("CSM in the CRM.", nullable=True)
    arr: float = column("Annual recurring revenue.", unit="currency per year", ge=0)
    customer_days: Integer = column(
        "Days of the twelve months up to as_of on which the account was a customer.", ge=0, le=366
    )
    tiers: Integer = column("Number of coverage tiers the account was in on those days.", ge=0)
    entitled_hours: float = column(
        "CSM hours the account was entitled to on those days, by its tier and segment of each day.",
        unit="hours", ge=0,
    )  # fmt: skip
    got_hours: float = column(
        "CSM hours logged on the account in the twelve months up to as_of; null: no time entries.",
        unit="hours", nullable=True, ge=0,
    )  # fmt: skip
    over_served_hours: float = column(
        "got_hours - entitled_hours, at least 0; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    under_served_hours: float = column(
        "entitled_hours - got_hours, at least 0; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    hourly_cost: float = column(
        "Mean cost of an hour logged on the account; without logged hours, the policy's rate.",
        unit="currency per hour", ge=0,
    )  # fmt: skip
    over_served_cost: float = column("Over-served hours x hourly cost.", unit="currency", nullable=True, ge=0)
    under_served_cost: float = column("Under-served hours x hourly cost.", unit="currency", nullable=True, ge=0)
    under_served_arr: float = column(
        "ARR x under_served_hours / entitled_hours; 0 for an account without entitlement.",
        unit="currency per year", nullable=True, ge=0,
    )  # fmt: skip
    service: str = column(
        "over_served or under_served by more than the policy's share of the entitlement, else as_entitled; "
        "unknown: no time entries.",
        isin=["over_served", "as_entitled", "under_served", "unknown"],
    )

    class Config:
        unique = ["as_of", "account_id"]


def mondays_of_the_year(day: date) -> Iterable[date]:
    """The Mondays of all weeks that overlap the twelve months up to a day."""
    return weeks(last_monday(months_before(day, _MONTHS) + timedelta(days=1)), day)


@table(group="capacity", reads={"segment_grid": mondays_of_the_year})
def coverage_leakage(
    spine: Table[Spine],
    account_demand: Table[AccountDemand],
    segment_grid: Table[SegmentGrid],
    account_costs: Table[AccountCosts],
    care: CarePolicy,
    costs: CostPolicy,
) -> Table[CoverageLeakage]:
    """Which accounts get more care than they are entitled to, which get less, and what is the difference worth?

    One row per as_of and live account. The entitlement is the sum over the days of the trailing twelve months of the
    hours of that day's tier and segment. A move counts from the next Monday. Days before the account was a customer
    and days in an automated tier add no hours. Coverage overrides do not count: only the override of as_of is known.
    Received are the CSM hours logged on the account in that time. The difference is priced at the mean cost of the
    account's own hours, so that it reconciles with `account_costs`.
    """
    rows = account_demand.select(*_KEY, "coverage_tier", "csm_id", "arr").semi_join(spine, "as_of")
    rows = with_figures(
        rows,
        account_costs.select(*_KEY, "csm_hours_12m", "csm_cost_12m"),
        _entitled(spine, segment_grid, care),
    )
    rows = rows.mutate(
        customer_days=rows.customer_days.fill_null(0),
        tiers=rows.tiers.fill_null(0),
        entitled_hours=rows.entitled_hours.fill_null(0.0),
        got_hours=rows.csm_hours_12m,
        hourly_cost=(rows.csm_cost_12m / rows.csm_hours_12m.nullif(0.0)).fill_null(costs.csm_hourly_rate),
    )
    difference = rows.got_hours - rows.entitled_hours
    # Without time entries, the difference is not known either.
    is_known = rows.got_hours.notnull()
    rows = rows.mutate(
        over_served_hours=only_if(is_known, fine(ibis.ifelse(difference > 0, difference, 0.0))),
        under_served_hours=only_if(is_known, fine(ibis.ifelse(difference < 0, -difference, 0.0))),
    )
    tolerated = rows.entitled_hours * care.as_entitled_share
    lacking = (rows.under_served_hours / rows.entitled_hours.nullif(0.0)).fill_null(0.0)
    return rows.mutate(
        over_served_cost=cents(rows.over_served_hours * rows.hourly_cost),
        under_served_cost=cents(rows.under_served_hours * rows.hourly_cost),
        under_served_arr=only_if(rows.got_hours.notnull(), cents(rows.arr * lacking)),
        service=ibis.cases(
            (rows.got_hours.isnull(), "unknown"),
            (rows.over_served_hours > tolerated, "over_served"),
            (rows.under_served_hours > tolerated, "under_served"),
            else_="as_entitled",
        ),
    ).drop("csm_hours_12m", "csm_cost_12m")


def _entitled(spine: ir.Table, grid: ir.Table, care: CarePolicy) -> ir.Table:
    """(as_of, account_id) -> days as a customer, tiers, and entitled hours of the twelve months."""
    # A Monday can be on the grids of two anchors. The reports of its own quarter use the earlier one.
    first = grid.anchor.min().over(ibis.window(group_by="as_of"))
    weeks_of = grid.mutate(is_first=grid.anchor == first).filter(ibis._.is_first)
    weeks_of = weeks_of.select("account_id", "coverage_tier", "segment", monday="as_of")
    days = spine.select("as_of", "day_12m_ago")
    rows = weeks_of.join(
        days,
        [
            weeks_of.monday <= days.as_of,
            days_after(weeks_of.monday, _DAYS_PER_WEEK - 1) > days.day_12m_ago,
        ],
    )
    before = ibis.greatest(rows.day_12m_ago.delta(rows.monday, unit="day") + 1, 0)
    after = ibis.greatest(_DAYS_PER_WEEK - 1 - rows.as_of.delta(rows.monday, unit="day"), 0)
    rows = rows.mutate(days=_DAYS_PER_WEEK - before - after)
    days_in = rows.group_by(*_KEY, "coverage_tier", "segment").aggregate(days=rows.days.sum())
    days_in = days_in.mutate(has_override=ibis.literal(False))
    hours = entitled_hours(days_in, care) * days_in.days * (_MONTHS / _DAYS_PER_YEAR)
    days_in = days_in.mutate(hours=hours)
    return days_in.group_by(*_KEY).aggregate(
        customer_days=days_in.days.sum(),
        tiers=days_in.coverage_tier.nunique(),
        entitled_hours=total(days_in.hours),
    )
