"""What each account paid at the start and at the end of a period: the ground of all retention.

Here: `account_periods`, one row per account and period. Not here: figures of groups of accounts (`retention`), the
calendar month (`movements`), or migration between tiers (`migration`).
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.kpis.identities import at_most, closes
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.warehouse.contracts import Day, Integer, Snapshot, column, row_rule

UNASSIGNED = "unassigned"
"""The tier and the segment of an account that had ARR, but none of its own."""

MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation", "flat")


class AccountPeriods(Snapshot):
    """Each account's ARR at the two ends of a period, and its movement. Key: as_of, account_id, window_months."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    window_months: Integer = column("Length of the period that ends at as_of.", unit="months", ge=1)
    starts_on: Day = column("t0: the period compares the end of this day with the end of as_of.")
    start_arr: float = column("a: ARR at t0, at the rates of t0.", unit="currency per year", ge=0)
    end_arr: float = column("b: ARR at as_of, still at the rates of t0.", unit="currency per year", ge=0)
    end_arr_current: float = column("ARR at as_of at the rates of as_of.", unit="currency per year", ge=0)
    retained_arr: float = column("The smaller of a and b.", unit="currency per year", ge=0)
    movement: str = column("What happened between the two points.", isin=MOVEMENTS)
    new_arr: float = column("b of an account that never paid by t0.", unit="currency per year", ge=0)
    expansion_arr: float = column("b - a of an account that grew.", unit="currency per year", ge=0)
    contraction_arr: float = column("a - b of an account that shrank.", unit="currency per year", ge=0)
    churned_arr: float = column("a of an account without ARR at as_of.", unit="currency per year", ge=0)
    reactivated_arr: float = column(
        "b of an account that had paid before t0, but not at t0.", unit="currency per year", ge=0
    )
    fx_arr: float = column("What exchange rates did: end_arr_current - b.", unit="currency per year")
    start_tier: str = column(
        "Coverage tier at t0; unassigned: had ARR, but no tier; null: no ARR.",
        nullable=True,
        isin=[*TIERS, UNASSIGNED],
    )
    end_tier: str = column(
        "Coverage tier at as_of; unassigned: has ARR, but no tier; null: no ARR.",
        nullable=True,
        isin=[*TIERS, UNASSIGNED],
    )
    start_segment: str = column("Segment at t0, likewise.", nullable=True, isin=[*SEGMENTS, UNASSIGNED])
    end_segment: str = column("Segment at as_of, likewise.", nullable=True, isin=[*SEGMENTS, UNASSIGNED])
    parent_account_id: str = column(
        "The account's parent as known at t0 (itself without one): what roll-ups add up over."
    )

    @row_rule
    def bridge_closes(cls, t: ir.Table) -> ir.BooleanValue:
        """start + new + reactivated + expansion - contraction - churned + FX = end, to the cent."""
        end = t.start_arr + t.new_arr + t.reactivated_arr + t.expansion_arr - t.contraction_arr - t.churned_arr
        return closes(t.end_arr_current, end + t.fx_arr)

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """What is retained is at most the start and at most the end: GRR <= min(1, NRR) for each account."""
        return at_most(t.retained_arr, t.start_arr) & at_most(t.retained_arr, t.end_arr)

    @row_rule
    def tier_where_revenue(cls, t: ir.Table) -> ir.BooleanValue:
        """A tier and a segment at each end that has ARR, and none where there is none."""
        start, end = t.start_arr > 0, t.end_arr > 0
        tiers = (t.start_tier.notnull() == start) & (t.end_tier.notnull() == end)
        return tiers & (t.start_segment.notnull() == start) & (t.end_segment.notnull() == end)

    class Config:
        unique = ["as_of", "account_id", "window_months"]
