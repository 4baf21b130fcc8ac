"""Which accounts give, and which get, the hours that the plan moves between tiers?

Here: `rebalanced_accounts`. Not here: how many people move (`plan`), or what each account got (`leakage`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.capacity.leakage import CoverageLeakage
from segmentation_assets.capacity.plan import CapacityPlan
from segmentation_assets.policy.capacity import StaffingPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.tables.amounts import cents, fine, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table

DIRECTIONS = ("gives", "gets")
_MONTHS = 12


class RebalancedAccounts(Snapshot):
    """Accounts that give or get CSM hours in the plan's rebalancing. Key: as_of, account_id."""

    account_id: str = column("Account.")
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    csm_id: str = column("CSM in the CRM.", nullable=True)
    direction: str = column("Whether the account gives hours or gets hours.", isin=DIRECTIONS)
    place: Integer = column(
        "Order within tier and direction: most over-served hours give first, most under-served ARR gets first.",
        ge=1,
    )
    arr: float = column("Annual recurring revenue.", unit="currency per year", ge=0)
    hours_per_month: float = column("Hours that the account gives or gets.", unit="hours per month", gt=0)
    worth: float = column(
        "Gives: cost of those hours in a year. Gets: ARR x those hours / entitled hours, at most the ARR.",
        unit="currency per year", ge=0,
    )  # fmt: skip

    class Config:
        unique = ["as_of", "account_id"]


@table(group="capacity")
def rebalanced_accounts(
    spine: Table[Spine],
    capacity_plan: Table[CapacityPlan],
    coverage_leakage: Table[CoverageLeakage],
    staffing: StaffingPolicy,
) -> Table[RebalancedAccounts]:
    """Where do the hours come from that the plan moves between tiers, and where do they go?

    One row per as_of and account that gives or gets hours. A tier gives (or gets) the people that `capacity_plan`
    moves out (or in), times the customer hours of one person. An over-served account gives a month's average of its
    over-served hours of twelve months; an under-served account gets the average of its under-served hours. The most
    over-served hours and the most under-served ARR come first, until the tier's hours are used up. An account that
    would give or get fewer hours than the policy's least has no row. So the rows of a tier may add up to less than
    the hours that the plan moves.
    """
    leaks = coverage_leakage.semi_join(spine, "as_of")
    gives = _used_up(leaks, capacity_plan, "gives", staffing.least_moved_hours)
    gets = _used_up(leaks, capacity_plan, "gets", staffing.least_moved_hours)
    return gives.union(gets)


def _used_up(leaks: ir.Table, plan: ir.Table, direction: str, least: float) -> ir.Table:
    gives = direction == "gives"
    people = plan.rebalanced_out_fte if gives else plan.rebalanced_in_fte
    moved = plan.select("as_of", "coverage_tier", moved=people * plan.hours_per_fte)
    rows = leaks.join(moved.filter(moved.moved > 0), ["as_of", "coverage_tier"])
    offered = (rows.over_served_hours if gives else rows.under_served_hours) / _MONTHS
    first = rows.over_served_hours if gives else rows.under_served_arr
    rows = rows.mutate(offered=fine(offered), first=first).filter(ibis._.offered >= least)
    tier = {"group_by": ["as_of", "coverage_tier"], "order_by": [rows["first"].desc(), rows.account_id]}
    so_far = total(rows.offered, over=ibis.cumulative_window(**tier))
    rows = rows.mutate(place=ibis.row_number().over(ibis.window(**tier)) + 1, left=rows.moved - so_far + rows.offered)
    rows = rows.mutate(hours_per_month=fine(ibis.least(rows.offered, rows.left)))
    rows = rows.filter(rows.hours_per_month >= least)
    cost = rows.hours_per_month * _MONTHS * rows.hourly_cost
    care = rows.arr * ibis.least(rows.hours_per_month * _MONTHS / rows.entitled_hours.nullif(0.0), 1.0)
    return rows.select(
        "as_of", "account_id", "coverage_tier", "csm_id", "place", "arr", "hours_per_month",
        direction=ibis.literal(direction),
        worth=cents(cost if gives else care),
    )  # fmt: skip
