"""What each account paid at the start and at the end of a period: the ground of all retention.

Here: `account_periods`, one row per account and period. Not here: figures of groups of accounts (`retention`), the
calendar month (`movements`), or migration between tiers (`migration`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import BillingSubscriptions, FxRates
from segmentation_assets.kpis.identities import at_most, closes
from segmentation_assets.kpis.points import first_paid, mrr_on, paid_spans, rates_on
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account
from segmentation_assets.profiles.revenue import annual
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import total
from segmentation_assets.tables.as_of import FromPolicy, Spine, months_ago
from segmentation_assets.tables.calendar import windows
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

UNASSIGNED = "unassigned"
"""The tier and the segment of an account that had ARR, but none of its own."""

_STARTS = FromPolicy(RetentionPolicy, lambda policy: months_ago(*policy.windows_months))
_KEY = SNAPSHOT_KEY
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
    periods = windows(spine, policy.windows_months)
    rows = two_points(periods, billing_subscriptions, fx_rates, account_hierarchy, company)
    amounts = {n: annual(rows[n]) for n in ("start", "end", "end_current")}
    rows = rows.mutate(**amounts)
    rows = moved(rows.filter((rows.start > 0) | (rows.end > 0)), "arr").rename(end_arr_current="end_current_arr")
    rows = rows.mutate(retained_arr=ibis.least(rows.start_arr, rows.end_arr)).drop("first_paid_on")
    rows = _with_groups(_with_groups(rows, segments, "start", "starts_on"), segments, "end", "as_of")
    return _with_parents(rows, account_hierarchy)


def two_points(
    periods: ir.Table, subscriptions: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """MRR at the two ends of `periods` (as_of, starts_on, ...), of accounts that pay at either.

    Key: that of `periods`, and account_id. `start` and `end` are at the exchange rates of `starts_on`, `end_current`
    at those of as_of; null where a currency has no rate. Adds `first_paid_on`.
    """
    ends = periods.mutate(day=periods.as_of, is_end=ibis.literal(True))
    ends = periods.mutate(day=periods.starts_on, is_end=ibis.literal(False)).union(ends)
    points = ends.select("as_of", "day")
    seen, spans = paid_spans(periods.select("as_of").distinct(), subscriptions, hierarchy, company)
    rates = rates_on(points, fx_rates, company)
    paid = by_surviving_account(mrr_on(points, seen, spans, "account_id", "currency"), hierarchy)
    rows = paid.join(ends, ["as_of", "day"])
    rows = rows.left_join(
        rates.select("as_of", "currency", starts_on="day", rate_then="rate"), ["as_of", "currency", "starts_on"]
    ).drop("as_of_right", "currency_right", "starts_on_right")
    rows = rows.left_join(rates.rename(rate_now="rate"), ["as_of", "currency", "day"])

    def priced(rate: ir.FloatingValue, where: ir.BooleanValue) -> ir.FloatingValue:
        """The sum, 0 for none; null where the currency of a part has no rate."""
        is_unpriced = (where & rate.isnull()).any()
        return only_if(~is_unpriced, total(rows.mrr * rate, where).fill_null(0.0))

    amounts = rows.group_by(*periods.columns, "account_id").aggregate(
        start=priced(rows.rate_then, ~rows.is_end),
        end=priced(rows.rate_then, rows.is_end),
        end_current=priced(rows.rate_now, rows.is_end),
    )
    firsts = first_paid(seen, spans, hierarchy)
    return amounts.join(firsts, list(_KEY))


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
