"""What each account paid at the start and at the end of a period: the ground of all retention.

Here: `account_periods`, one row per account and period. Not here: figures of groups of accounts (`retention`), the
calendar month (`movements`), or migration between tiers (`migration`).
"""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import BillingSubscriptions, FxRates
from segmentation_assets.kpis.identities import at_most, closes
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.profiles.known import AccountHierarchy
from segmentation_assets.profiles.revenue import annual, holds_on, priced, revenue_steps, started_subscriptions
from segmentation_assets.segments.segments import Segments
from segmentation_assets.warehouse.as_of import FromPolicy, Spine, months_ago
from segmentation_assets.warehouse.contracts import Day, Integer, Snapshot, column, row_rule
from segmentation_assets.warehouse.registry import Table, table

UNASSIGNED = "unassigned"
"""The tier and the segment of an account that had ARR, but none of its own."""

_STARTS = FromPolicy(RetentionPolicy, lambda policy: months_ago(*policy.windows_months))
_KEY = ("as_of", "account_id")
_CENTS = 2

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
        "The account's topmost parent as known at t0 (itself without one): what roll-ups add up over."
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


@table(
    group="kpis",
    reads={"segments": _STARTS, "account_hierarchy": _STARTS},
)
def account_periods(
    spine: Table[Spine],
    billing_subscriptions: Table[BillingSubscriptions],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    segments: Table[Segments],
    company: CompanyPolicy,
    policy: RetentionPolicy,
) -> Table[AccountPeriods]:
    """What did each account pay at the start and at the end of the last 12, 3 and 1 months, and what moved it?

    One row per as_of, window and account with ARR at either end. Two points in time are compared, both at the
    exchange rates of the first, so what flips in between leaves no trace and a rate is no movement. An account
    without ARR at the start is new if it never paid by then, else reactivated; one without ARR at the end churned.
    Tier and segment are those published for the two days. Subscriptions of merged accounts count for the survivor at
    both ends, so a merger is no churn.
    """
    started = started_subscriptions(spine, billing_subscriptions, account_hierarchy)
    windows = [
        two_points(started, spine, f"day_{months}m_ago", fx_rates, company).mutate(
            window_months=ibis.literal(months, "int64")
        )
        for months in policy.windows_months
    ]
    rows = reduce(lambda one, other: one.union(other), windows)
    amounts = {n: annual(rows[n]) for n in ("start", "end", "end_current")}
    rows = rows.mutate(**amounts)
    rows = moved(rows.filter((rows.start > 0) | (rows.end > 0)), "arr").rename(end_arr_current="end_current_arr")
    rows = rows.mutate(retained_arr=ibis.least(rows.start_arr, rows.end_arr)).drop("first_paid_on")
    rows = _with_groups(_with_groups(rows, segments, "start", "starts_on"), segments, "end", "as_of")
    return _with_parents(rows, account_hierarchy)


def two_points(started: ir.Table, spine: ir.Table, day: str, fx_rates: ir.Table, company: CompanyPolicy) -> ir.Table:
    """MRR of `started_subscriptions` at the spine's column `day` and at as_of, of accounts that pay at either.

    Key: as_of, account_id. `start` and `end` are at the exchange rates of `day`, `end_current` at those of as_of;
    null where the currency has no rate. Adds `starts_on` (the day) and `first_paid_on`.
    """
    with_amounts = priced(started, spine, fx_rates, company, then=day)
    days = spine.select("as_of", starts_on=day)
    # Steps find what a grace bridges; without one the subscriptions in force on a day are all there is to add.
    amounts = (
        _by_steps(revenue_steps(with_amounts, company), days)
        if company.renewal_grace_days
        else _by_subscriptions(with_amounts, days)
    )
    paying = amounts.filter((amounts.steps_then > 0) | (amounts.steps_now > 0))
    return paying.select(
        *_KEY,
        "starts_on",
        "first_paid_on",
        start=ibis.ifelse(paying.steps_then > 0, paying.start, 0.0),
        end=ibis.ifelse(paying.steps_now > 0, paying.end, 0.0),
        end_current=ibis.ifelse(paying.steps_now > 0, paying.end_current, 0.0),
    )


def _by_steps(steps: ir.Table, days: ir.Table) -> ir.Table:
    rows = steps.join(days, "as_of")
    then, now = holds_on(rows, rows.starts_on), holds_on(rows, rows.as_of)
    return rows.group_by(*_KEY, "starts_on").aggregate(
        first_paid_on=rows.day.min(),
        steps_then=then.sum(),
        steps_now=now.sum(),
        start=rows.amount_at_rate_then.max(where=then),
        end=rows.amount_at_rate_then.max(where=now),
        end_current=rows.amount.max(where=now),
    )


def _by_subscriptions(with_amounts: ir.Table, days: ir.Table) -> ir.Table:
    """As `_by_steps`; a subscription that ended on the day it began was never in force."""
    paid = with_amounts.filter(
        (with_amounts.mrr > 0) & (with_amounts.ends_on.isnull() | (with_amounts.ends_on > with_amounts.start_date))
    )
    rows = paid.join(days, "as_of")
    now = rows.ends_on.isnull()
    then = (rows.start_date <= rows.starts_on) & (now | (rows.ends_on > rows.starts_on))

    def total(amount: ir.FloatingValue, where: ir.BooleanValue) -> ir.FloatingValue:
        """The sum; null where the currency of a part has no rate."""
        unpriced = (where & amount.isnull()).sum() > 0
        return ibis.ifelse(unpriced, ibis.null("float64"), amount.sum(where=where))

    return rows.group_by(*_KEY, "starts_on").aggregate(
        first_paid_on=rows.start_date.min(),
        steps_then=then.sum(),
        steps_now=now.sum(),
        start=total(rows.amount_at_rate_then, then),
        end=total(rows.amount_at_rate_then, now),
        end_current=total(rows.amount, now),
    )


def moved(rows: ir.Table, unit: str) -> ir.Table:
    """`two_points`, rounded, with the movement between them; amounts are named `<what>_<unit>`."""
    start, end = rows.start, rows.end
    was, is_now = start > 0, end > 0
    is_new = ~was & is_now & (rows.first_paid_on > rows.starts_on)
    movement = ibis.cases(
        (is_new, "new"),
        (~was & is_now, "reactivation"),
        (was & ~is_now, "churn"),
        (end > start, "expansion"),
        (end < start, "contraction"),
        else_="flat",
    )
    rows = rows.mutate(movement=movement)

    def amount(kind: str, value: ir.FloatingValue) -> ir.FloatingValue:
        return ibis.ifelse(rows.movement == kind, value.round(_CENTS), 0.0)

    amounts = {
        "new": amount("new", end),
        "expansion": amount("expansion", end - start),
        "contraction": amount("contraction", start - end),
        "churned": amount("churn", start),
        "reactivated": amount("reactivation", end),
        "fx": (rows.end_current - end).round(_CENTS),
    }
    rows = rows.mutate(**{f"{name}_{unit}": value for name, value in amounts.items()})
    return rows.rename({f"{name}_{unit}": name for name in ("start", "end", "end_current")})


def _with_groups(rows: ir.Table, segments: ir.Table, end: str, day: str) -> ir.Table:
    """Tier and segment at one end of the period: published ones where the account had ARR, else none."""
    names = {"tier": f"{end}_tier", "segment": f"{end}_segment"}
    at = segments.select(
        day="as_of", account="account_id", **{names["tier"]: "coverage_tier", names["segment"]: "segment"}
    )
    joined = rows.left_join(at, [rows[day] == at.day, rows.account_id == at.account])
    has_arr = joined[f"{end}_arr"] > 0
    return joined.mutate(
        **{n: ibis.ifelse(has_arr, joined[n].fill_null(UNASSIGNED), ibis.null("string")) for n in names.values()}
    ).drop("day", "account")


def _with_parents(rows: ir.Table, hierarchy: ir.Table) -> ir.Table:
    tops = hierarchy.select(day="as_of", account="account_id", parent="top_account_id")
    joined = rows.left_join(tops, [rows.starts_on == tops.day, rows.account_id == tops.account])
    return joined.mutate(parent_account_id=ibis.coalesce(joined.parent, joined.account_id)).drop(
        "day", "account", "parent"
    )
