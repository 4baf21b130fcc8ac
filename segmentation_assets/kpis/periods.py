"""What each account paid at the start and at the end of a period. All retention KPIs start from this.

Here: `account_periods`, one row per account and period. Not here: figures of groups of accounts (`retention`), the
calendar month (`movements`), or migration between tiers (`migration`).
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import FxRates
from segmentation_assets.kpis.identities import at_most, closes
from segmentation_assets.kpis.points import first_paid
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.profiles.exchange import with_rate
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account
from segmentation_assets.profiles.revenue import AccountRevenue, annual, with_linked_rate
from segmentation_assets.profiles.states import AccountStates, by_kind, by_line
from segmentation_assets.profiles.subscriptions import SubscriptionSteps, in_force, is_paused
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import cents, total
from segmentation_assets.tables.as_of import FromPolicy, Spine, months_ago
from segmentation_assets.tables.calendar import windows
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

UNASSIGNED = "unassigned"
"""The tier and the segment of an account that has ARR but no tier or segment."""

_STARTS = FromPolicy(RetentionPolicy, lambda policy: months_ago(*policy.windows_months))
_KEY = SNAPSHOT_KEY


def carried_arr(rows: ir.Table) -> ir.FloatingValue:
    """What an account's ARR at the start has become. What was paused at the start and came back
    is reactivated ARR."""
    return rows.end_arr - rows.resumed_arr


def has_expanded(periods: ir.Table) -> ir.BooleanValue:
    """Whether an account of `account_periods` pays more, for more seats, plan or products.

    A price uplift alone is no expansion of the account.
    """
    by_more = periods.expansion_volume_arr + periods.expansion_product_arr
    return (periods.start_arr > 0) & (periods.end_arr > periods.start_arr) & (by_more > 0)


MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation", "resume", "flat")


class AccountPeriods(Snapshot):
    """Each account's ARR at the two ends of a period, and its movement. Key: as_of, account_id, window_months."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    window_months: Integer = column("Length of the period that ends at as_of.", unit="months", ge=1)
    starts_on: Day = column("t0: the period compares the end of this day with the end of as_of.")
    start_arr: float = column("a: ARR at t0, at the exchange rates of t0.", unit="currency per year", ge=0)
    end_arr: float = column("b: ARR at as_of, also at the exchange rates of t0.", unit="currency per year", ge=0)
    end_arr_current: float = column("ARR at as_of, at the exchange rates of as_of.", unit="currency per year", ge=0)
    retained_arr: float = column("The smaller of a and b.", unit="currency per year", ge=0)
    movement: str = column("How ARR changed from t0 to as_of.", isin=MOVEMENTS)
    new_arr: float = column("b of an account that had never paid by t0.", unit="currency per year", ge=0)
    expansion_arr: float = column(
        "b - a of an account that pays more, without resumed_arr.", unit="currency per year", ge=0
    )
    expansion_volume_arr: float = column(
        "Part of expansion_arr by more seats of the same product; where seats are not known, by more use.",
        unit="currency per year",
        ge=0,
    )
    expansion_product_arr: float = column(
        "Part of expansion_arr by another product or plan.", unit="currency per year", ge=0
    )
    expansion_price_arr: float = column(
        "Part of expansion_arr by a higher price of the same product.", unit="currency per year", ge=0
    )
    contraction_arr: float = column(
        "a - b of an account that pays less at as_of or is paused then.", unit="currency per year", ge=0
    )
    paused_arr: float = column(
        "Part of contraction_arr by pauses still open at as_of.", unit="currency per year", ge=0
    )
    churned_arr: float = column(
        "a of an account that neither pays nor is paused at as_of.", unit="currency per year", ge=0
    )
    reactivated_arr: float = column(
        "b of an account that paid before t0 but not at t0, or ARR that returned from pauses.",
        unit="currency per year",
        ge=0,
    )
    resumed_arr: float = column("Part of reactivated_arr that was paused at t0.", unit="currency per year", ge=0)
    fx_arr: float = column("Effect of exchange rates: end_arr_current - b.", unit="currency per year")
    start_tier: str = column(
        "Coverage tier at t0; unassigned: ARR but no tier; null: no ARR at t0.",
        nullable=True,
        isin=[*TIERS, UNASSIGNED],
    )
    end_tier: str = column(
        "Coverage tier at as_of; unassigned: ARR but no tier; null: no ARR at as_of.",
        nullable=True,
        isin=[*TIERS, UNASSIGNED],
    )
    start_segment: str = column(
        "Segment at t0; unassigned: ARR but no segment; null: no ARR at t0.",
        nullable=True,
        isin=[*SEGMENTS, UNASSIGNED],
    )
    end_segment: str = column(
        "Segment at as_of; unassigned: ARR but no segment; null: no ARR at as_of.",
        nullable=True,
        isin=[*SEGMENTS, UNASSIGNED],
    )
    parent_account_id: str = column(
        "The account's topmost parent as known at t0, or the account itself. For sums by group."
    )
    renewal_on: Day = column(
        "Next renewal as known at t0; up to as_of: the contract could end in the period. Null: no ARR at t0.",
        nullable=True,
    )

    @row_rule
    def bridge_closes(cls, t: ir.Table) -> ir.BooleanValue:
        """start + new + reactivated + expansion - contraction - churned + FX = end, to the cent."""
        end = t.start_arr + t.new_arr + t.reactivated_arr + t.expansion_arr - t.contraction_arr - t.churned_arr
        return closes(t.end_arr_current, end + t.fx_arr)

    @row_rule
    def kinds_add_up(cls, t: ir.Table) -> ir.BooleanValue:
        """Volume + product + price = expansion. Pauses are part of contraction, resumes part of reactivation."""
        kinds = t.expansion_volume_arr + t.expansion_product_arr + t.expansion_price_arr
        parts = at_most(t.paused_arr, t.contraction_arr) & at_most(t.resumed_arr, t.reactivated_arr)
        return closes(t.expansion_arr, kinds) & parts

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """retained_arr is at most start_arr and at most end_arr: GRR <= min(1, NRR) for each account."""
        return at_most(t.retained_arr, t.start_arr) & at_most(t.retained_arr, t.end_arr)

    @row_rule
    def tier_where_revenue(cls, t: ir.Table) -> ir.BooleanValue:
        """An account has a tier and a segment exactly at the ends at which it has ARR."""
        start, end = t.start_arr > 0, t.end_arr > 0
        tiers = (t.start_tier.notnull() == start) & (t.end_tier.notnull() == end)
        return tiers & (t.start_segment.notnull() == start) & (t.end_segment.notnull() == end)

    class Config:
        unique = ["as_of", "account_id", "window_months"]


@table(
    group="kpis",
    reads={"segments": _STARTS, "account_hierarchy": _STARTS, "account_revenue": _STARTS},
)
def account_periods(
    spine: Table[Spine],
    subscription_steps: Table[SubscriptionSteps],
    account_states: Table[AccountStates],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    account_revenue: Table[AccountRevenue],
    segments: Table[Segments],
    company: CompanyPolicy,
    policy: RetentionPolicy,
) -> Table[AccountPeriods]:
    """What did each account pay at the start and at the end of the last 12, 3 and 1 months, and why did it change?

    One row per as_of, window and account with ARR at either end. Only the two points in time are compared, both at
    the exchange rates of the first. So a change that is undone in between does not show, and exchange rates cause no
    movement. An account without ARR at the start is new if it had never paid, else reactivated. An account without
    ARR at the end has churned, unless it is paused. A pause is a contraction, and its end is a resume. Tier and
    segment are those published for the two days. Subscriptions of merged accounts count for the surviving account at
    both ends, so a merger is no churn.
    """
    periods = windows(spine, policy.windows_months)
    rows = two_points(periods, subscription_steps, account_states, fx_rates, account_hierarchy, company)
    amounts = {n: annual(rows[n]) for n in ENDS}
    rows = rows.mutate(**amounts)
    rows = moved(rows.filter((rows.start > 0) | (rows.end > 0)), "arr").rename(end_arr_current="end_current_arr")
    rows = rows.mutate(retained_arr=ibis.least(rows.start_arr, rows.end_arr)).drop("first_paid_on")
    rows = _with_groups(_with_groups(rows, segments, "start", "starts_on"), segments, "end", "as_of")
    return _with_parents(_with_renewal(rows, account_revenue), account_hierarchy)


def two_points(
    periods: ir.Table,
    steps: ir.Table,
    states: ir.Table,
    fx_rates: ir.Table,
    hierarchy: ir.Table,
    company: CompanyPolicy,
) -> ir.Table:
    """MRR at the two ends of `periods` (as_of, starts_on, ...), of accounts that pay, or are paused, at either.

    Key: the key of `periods`, and account_id. `start` and `end` are at the exchange rates of `starts_on`. A contract
    that changed its currency takes the rate of the day of the change. `end_current` is at the rates of as_of. All are
    null where a currency has no rate. `paused_start` and `paused_end` are the amounts paused at the two ends. Adds
    `first_paid_on`, and the change by `volume`, by `product_change` and by `price` (`states.by_kind`).
    """  # fmt: skip
    rows = _ends(periods, steps, company)
    rows = with_linked_rate(rows, "starts_on", states, fx_rates, company, now="day")
    rows = with_rate(rows.rename(rate_then="linked_rate"), fx_rates, company, "day", "rate_now")
    rows = by_surviving_account(rows, hierarchy)
    key = (*periods.columns, "account_id")
    amounts = _amounts(rows, key)
    lines = by_line(
        rows.mutate(
            rate=rows.rate_then.fill_null(0.0),
            is_after=rows.is_end,
            is_before=~rows.is_end,
            amount_after=rows.mrr * rows.rate_then.fill_null(0.0),
            amount_before=rows.mrr * rows.rate_then.fill_null(0.0),
        ),
        key,
    )
    rows = amounts.join(by_kind(lines, key), list(key))
    return rows.join(first_paid(periods, states, hierarchy), list(_KEY))


def _ends(periods: ir.Table, steps: ir.Table, company: CompanyPolicy) -> ir.Table:
    """The steps in force at both ends of `periods`: with a price, or a pause no longer than the policy allows."""
    ends = periods.mutate(day=periods.as_of, is_end=ibis.literal(True))
    ends = periods.mutate(day=periods.starts_on, is_end=ibis.literal(False)).union(ends)
    rows = in_force(ends, steps.filter((steps.mrr != 0) | steps.paused_on.notnull()))
    return rows.filter((rows.mrr != 0) | is_paused(rows, rows.day, company))


def _amounts(rows: ir.Table, key: Sequence[str]) -> ir.Table:
    def priced(amount: ir.FloatingValue, rate: ir.FloatingValue, where: ir.BooleanValue) -> ir.FloatingValue:
        """The sum, at least 0; null where a currency in it has no rate."""
        is_unpriced = (where & rate.isnull()).any()
        return only_if(~is_unpriced, ibis.greatest(total(amount * rate, where).fill_null(0.0), 0.0))

    paused = rows.paused_mrr.fill_null(0.0)
    return rows.group_by(*key).aggregate(
        start=priced(rows.mrr, rows.rate_then, ~rows.is_end),
        end=priced(rows.mrr, rows.rate_then, rows.is_end),
        end_current=priced(rows.mrr, rows.rate_now, rows.is_end),
        paused_start=priced(paused, rows.rate_then, ~rows.is_end),
        paused_end=priced(paused, rows.rate_then, rows.is_end),
    )


ENDS = ("start", "end", "end_current", "paused_start", "paused_end")
"""The amounts of `two_points`."""


def moved(rows: ir.Table, unit: str) -> ir.Table:
    """`two_points` with the movement between them. Amounts are rounded and named `<what>_<unit>`."""
    start, end = rows.start, rows.end
    was, is_now = start > 0, end > 0
    is_new = ~was & is_now & (rows.first_paid_on > rows.starts_on)
    change = end - start
    back = ibis.cases(
        (~was & is_now & (rows.paused_start > 0), end),
        (was & (change > 0), ibis.least(change, ibis.greatest(rows.paused_start - rows.paused_end, 0.0))),
        else_=0.0,
    )
    rows = rows.mutate(resumed=cents(back))
    grown = ibis.ifelse(was & (change > 0), cents(change - rows.resumed), 0.0)
    is_left = was & ~is_now & (rows.paused_end == 0)
    movement = ibis.cases(
        (is_new, "new"),
        (~was & is_now & (rows.paused_start > 0), "resume"),
        (~was & is_now, "reactivation"),
        (is_left, "churn"),
        (grown > 0, "expansion"),
        (end > start, "resume"),
        (end < start, "contraction"),
        else_="flat",
    )
    rows = rows.mutate(movement=movement, expansion=grown)

    def amount(kind: str, value: ir.FloatingValue) -> ir.FloatingValue:
        return ibis.ifelse(rows.movement == kind, cents(value), 0.0)

    contraction = amount("contraction", start - end)
    paused = ibis.ifelse(is_now, ibis.greatest(rows.paused_end - rows.paused_start, 0.0), rows.paused_end)
    amounts = {
        "new": amount("new", end),
        "expansion": rows.expansion,
        **_kinds(rows),
        "contraction": contraction,
        "paused": ibis.least(contraction, cents(paused)),
        "churned": amount("churn", start),
        "reactivated": ibis.ifelse(rows.movement == "reactivation", cents(end), rows.resumed),
        "resumed": rows.resumed,
        "fx": cents(rows.end_current - end),
    }
    rows = rows.mutate(**{f"{name}_{unit}": value for name, value in amounts.items()})
    rows = rows.drop(
        "expansion", "resumed", "rise", "volume", "product_change", "price", "paused_start", "paused_end"
    )
    return rows.rename({f"{name}_{unit}": name for name in ("start", "end", "end_current")})


def _kinds(rows: ir.Table) -> dict[str, ir.FloatingValue]:
    """The expansion by kind, in proportion to the kinds that grew. The parts add up to it, to the cent."""
    volume, product, price = (ibis.greatest(rows[n], 0.0) for n in ("volume", "product_change", "price"))
    in_all = (volume + product + price).nullif(0.0)
    by_volume = cents((rows.expansion * volume / in_all).fill_null(0.0))
    by_product = cents((rows.expansion * product / in_all).fill_null(0.0))
    by_volume = ibis.least(by_volume, rows.expansion)
    by_product = ibis.least(by_product, cents(rows.expansion - by_volume))
    return {
        "expansion_volume": by_volume,
        "expansion_product": by_product,
        "expansion_price": cents(rows.expansion - by_volume - by_product),
    }


def _with_groups(rows: ir.Table, segments: ir.Table, end: str, day: str) -> ir.Table:
    """Adds the published tier and segment at one end of the period; null where the account had no ARR."""
    names = {"tier": f"{end}_tier", "segment": f"{end}_segment"}
    at = segments.select(
        day="as_of", account="account_id", **{names["tier"]: "coverage_tier", names["segment"]: "segment"}
    )
    joined = rows.left_join(at, [rows[day] == at.day, rows.account_id == at.account])
    has_arr = joined[f"{end}_arr"] > 0
    return joined.mutate(
        **{n: ibis.ifelse(has_arr, joined[n].fill_null(UNASSIGNED), ibis.null("string")) for n in names.values()}
    ).drop("day", "account")


def _with_renewal(rows: ir.Table, revenue: ir.Table) -> ir.Table:
    """Adds the next renewal as known at t0; null where the account had no ARR then."""
    at = revenue.select(day="as_of", account="account_id", next_renewal="renewal_on")
    joined = rows.left_join(at, [rows.starts_on == at.day, rows.account_id == at.account])
    due = only_if(joined.start_arr > 0, joined.next_renewal)
    return joined.mutate(renewal_on=due).drop("day", "account", "next_renewal")


def _with_parents(rows: ir.Table, hierarchy: ir.Table) -> ir.Table:
    tops = hierarchy.select(day="as_of", account="account_id", parent="top_account_id")
    joined = rows.left_join(tops, [rows.starts_on == tops.day, rows.account_id == tops.account])
    return joined.mutate(parent_account_id=ibis.coalesce(joined.parent, joined.account_id)).drop(
        "day", "account", "parent"
    )
