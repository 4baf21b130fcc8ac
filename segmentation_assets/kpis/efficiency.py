"""What growth costs: sales and marketing spend of a period, and the magic number.

Here: `sales_efficiency`, and spend by period for other modules. Not here: CAC payback, which needs new ARR
(`retention`), or what an account costs to serve (`profiles.costs`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import FxRates, GtmSpend
from segmentation_assets.kpis.points import mrr_on
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import QUARTER_MONTHS
from segmentation_assets.profiles.exchange import rates_on, with_rate
from segmentation_assets.profiles.known import known_at
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.tables.amounts import money, ratio, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.days import days_after, months_after, months_before
from segmentation_assets.tables.registry import Table, table

_QUARTERS_PER_YEAR = 4


class SalesEfficiency(Snapshot):
    """Does spend turn into revenue? Key: as_of. All amounts at the exchange rates of three months before as_of."""

    revenue_3m: float = column(
        "Recurring revenue of the three months up to as_of: sum of MRR at each month's end.", unit="currency", ge=0
    )
    revenue_prior_3m: float = column("Recurring revenue of the three months before those.", unit="currency", ge=0)
    spend_prior_3m: float = column(
        "Sales and marketing spend of the same months as revenue_prior_3m; null: a month's spend is not known.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    magic_number: float = column(
        "(revenue_3m - revenue_prior_3m) x 4 / spend_prior_3m; null: no spend, or less than six months of billing.",
        unit="times",
        nullable=True,
    )

    class Config:
        unique = ["as_of"]


@table(group="kpis")
def sales_efficiency(
    spine: Table[Spine],
    subscription_steps: Table[SubscriptionSteps],
    fx_rates: Table[FxRates],
    gtm_spend: Table[GtmSpend],
    company: CompanyPolicy,
) -> Table[SalesEfficiency]:
    """How much yearly revenue does a unit of sales and marketing spend bring? The magic number.

    One row per as_of. It compares the three months that end at as_of with the three before; the spend of those three
    months counts as the cause of the difference. At a quarter's last day, both are calendar quarters. A month's
    revenue is its MRR at the month's end. A month's spend counts by the share of its days in the period.
    """
    rows = _revenue(spine, subscription_steps, fx_rates, company)
    spans = spine.select(
        "as_of",
        window_months=ibis.literal(QUARTER_MONTHS, "int64"),
        starts_on=months_before(spine.as_of, 2 * QUARTER_MONTHS),
        ends_on=spine.day_3m_ago,
    )
    spend = spend_in(gtm_spend, spans, spine, fx_rates, company)
    spent = spend.group_by("as_of").aggregate(spend=money(spend.spend))
    joined = rows.left_join(spent, "as_of").drop("as_of_right")
    joined = joined.mutate(spend_prior_3m=joined.spend)
    growth = (joined.revenue_3m - joined.revenue_prior_3m) * _QUARTERS_PER_YEAR
    ratio = growth / joined.spend_prior_3m.nullif(0.0)
    return joined.select(
        "as_of",
        "revenue_3m",
        "revenue_prior_3m",
        "spend_prior_3m",
        magic_number=ibis.ifelse(joined.first_month > 0, ratio, ibis.null("float64")),
    )


def _revenue(spine: ir.Table, steps: ir.Table, fx_rates: ir.Table, company: CompanyPolicy) -> ir.Table:
    """Revenue of the last three months, of the three before, and of the earliest month (`first_month`)."""
    backs = range(2 * QUARTER_MONTHS)
    ends = each(spine.select("as_of"), "back", backs)
    month_end = ibis.cases(*((ends.back == back, months_before(ends.as_of, back)) for back in backs))
    ends = ends.mutate(day=month_end)
    paid = mrr_on(ends, steps, "currency").rename(paid_on="day")
    rows = ends.left_join(paid, ends.day == paid.paid_on)
    rates = rates_on(spine.select("as_of", day="day_3m_ago"), fx_rates, company).drop("day")
    rates = rates.rename(rated_at="as_of", rated="currency")
    rows = rows.left_join(rates, [("as_of", "rated_at"), ("currency", "rated")])
    mrr, back = rows.mrr * rows.rate, rows.back

    def revenue(where: ir.BooleanValue) -> ir.FloatingValue:
        return money(mrr, where).fill_null(0.0)

    return rows.group_by("as_of").aggregate(
        revenue_3m=revenue(back < QUARTER_MONTHS),
        revenue_prior_3m=revenue(back >= QUARTER_MONTHS),
        first_month=revenue(back == 2 * QUARTER_MONTHS - 1),
    )


def spend_in(
    gtm_spend: ir.Table, spans: ir.Table, spine: ir.Table, fx_rates: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """Spend after `starts_on` up to `ends_on` of each span, by segment (null: shared spend).

    `spans` has as_of, window_months, starts_on, ends_on. A month's spend counts by the share of its days inside, at
    the exchange rates of `window_months` before as_of. A span has a row only if spend is known for all its months.
    """
    rows = known_at(gtm_spend, spans, "window_months", "starts_on", "ends_on")
    following = months_after(rows.month, 1)
    length = following.delta(rows.month, unit="day")
    inside = ibis.least(
        length,
        following.delta(rows.starts_on, unit="day") - 1,
        rows.ends_on.delta(rows.month, unit="day") + 1,
        rows.ends_on.delta(rows.starts_on, unit="day"),
    )
    rows = _rated(
        rows.mutate(share_inside=ratio(ibis.greatest(inside, 0), length), following=following),
        spine,
        fx_rates,
        company,
    )
    rows = rows.mutate(spent=rows.amount * rows.rate * rows.share_inside)
    covered = rows.group_by("as_of", "window_months").aggregate(
        covered_from=rows.month.min(), covered_to=rows.following.max()
    )
    by_segment = rows.group_by("as_of", "window_months", "starts_on", "ends_on", "segment").aggregate(
        spend=total(rows.spent)
    )
    joined = by_segment.join(covered, ["as_of", "window_months"])
    first_day = days_after(joined.starts_on)
    is_covered = (joined.covered_from <= first_day) & (joined.covered_to > joined.ends_on)
    return joined.filter(is_covered).select("as_of", "window_months", "segment", "spend")


def _rated(rows: ir.Table, spine: ir.Table, fx_rates: ir.Table, company: CompanyPolicy) -> ir.Table:
    """Adds `rate`, the exchange rate `window_months` before as_of; null where the currency has none."""
    days = {12: "day_12m_ago", 3: "day_3m_ago", 1: "day_1m_ago"}
    dated = rows.join(spine.select("as_of", *days.values()), "as_of")
    then = ibis.cases(*((dated.window_months == months, dated[day]) for months, day in days.items()))
    return with_rate(dated.mutate(then=then).drop(*days.values()), fx_rates, company, "then").drop("then")
