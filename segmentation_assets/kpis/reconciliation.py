"""Whether what is subscribed, invoiced and won agree.

Here: `arr_reconciliation`, per account. Not here: recurring revenue itself (`profiles.revenue`), or late payment.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import (
    BillingInvoices,
    FxRates,
    Opportunities,
)
from segmentation_assets.kpis.identities import closes
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.insights import ReconciliationPolicy
from segmentation_assets.profiles.exchange import with_rate
from segmentation_assets.profiles.facts import facts, first_fact, with_figures, zero_if_present
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account, known, survivors
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.tables.amounts import cents, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

INVOICE_KINDS = (
    "agrees", "changed_in_the_year", "not_invoiced", "under_invoiced", "billed_in_advance", "over_invoiced",
    "invoiced_without_subscription", "unknown",
)  # fmt: skip
BOOKING_KINDS = ("agrees", "growth_not_won", "won_not_subscribed", "unknown")

_KEY = SNAPSHOT_KEY
_ARR = "currency per year"
_MONTHS_PER_YEAR = 12


class ArrReconciliation(Snapshot):
    """Subscriptions against invoices against won opportunities, twelve months up to as_of. Key: as_of, account_id."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    arr: float = column("ARR by subscriptions at as_of.", unit=_ARR, ge=0)
    arr_12m_ago: float = column("ARR twelve months before, at the rates of as_of.", unit=_ARR, ge=0)
    subscribed_12m: float = column(
        "What the subscriptions of the twelve months come to: MRR x days in force, of a year of twelve months.",
        unit="currency",
        ge=0,
    )
    subscribed_share: float = column(
        "Share of the twelve months from the first payment to churn; gaps between count in.", unit="share", ge=0, le=1
    )
    invoiced_12m: float = column(
        "Invoices issued in the twelve months; null: no invoice extract.", unit="currency", nullable=True, ge=0
    )
    invoiced_annualised: float = column(
        "invoiced_12m / subscribed_share: a full year's worth; null: no subscription in the year.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    won_12m: float = column(
        "New and expansion opportunities won in the twelve months; null: no opportunity extract.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    arr_less_invoiced: float = column("arr - invoiced_12m: the sum of the next two.", unit=_ARR, nullable=True)
    explained_by_change: float = column(
        "arr - subscribed_12m: the price or the months of the year were others than now.", unit=_ARR
    )
    unexplained: float = column("subscribed_12m - invoiced_12m: billing.", unit=_ARR, nullable=True)
    invoice_kind: str = column("What explains arr_less_invoiced.", isin=INVOICE_KINDS)
    growth_less_won: float = column("Growth of ARR in the year, at least 0, less won_12m.", unit=_ARR, nullable=True)
    booking_kind: str = column("What explains growth_less_won.", isin=BOOKING_KINDS)

    @row_rule
    def explained(cls, t: ir.Table) -> ir.BooleanValue:
        """The difference is explained to the cent."""
        parts = t.explained_by_change + t.unexplained
        return t.arr_less_invoiced.isnull() | closes(t.arr_less_invoiced, parts)

    @row_rule
    def unknown_where_null(cls, t: ir.Table) -> ir.BooleanValue:
        """A kind is unknown just where its extract is missing."""
        invoices = (t.invoice_kind == "unknown") == t.invoiced_12m.isnull()
        return invoices & ((t.booking_kind == "unknown") == t.won_12m.isnull())

    class Config:
        unique = list(_KEY)


@table(group="kpis")
def arr_reconciliation(
    spine: Table[Spine],
    account_revenue: Table[AccountRevenue],
    subscription_steps: Table[SubscriptionSteps],
    billing_invoices: Table[BillingInvoices],
    opportunities: Table[Opportunities],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
    policy: ReconciliationPolicy,
) -> Table[ArrReconciliation]:
    """Do subscriptions, invoices and won opportunities tell the same story of each account, and if not, why?

    One row per as_of and account with ARR now or twelve months before, or with invoices or wins in between; all at
    the exchange rates of as_of. ARR differs from the invoices of a year because subscriptions changed within it
    (explained_by_change) or because billing did (unexplained); the kind names the part above the policy's tolerance,
    billing first. Opportunities are held against the growth of ARR: won and not subscribed, or grown without a win.
    More invoiced than subscribed, but not more than a year of the ARR in force, is billing in advance; beyond that it
    is over-invoiced, as is an invoice for longer than a year in the year of its issue.
    """
    sources = (
        _subscribed(spine, subscription_steps, fx_rates, account_hierarchy, company),
        _invoiced(spine, billing_invoices, fx_rates, account_hierarchy, company),
        _won(spine, opportunities, account_hierarchy),
    )
    revenue = account_revenue.join(spine.select("as_of", "day_12m_ago"), "as_of")
    revenue = revenue.select(*_KEY, "arr", "first_paid_on", "churned_on", "day_12m_ago")
    rows = with_figures(revenue, *sources)
    invoiced = billing_invoices.select("known_from", "issued_on")
    rows = zero_if_present(rows, first_fact(invoiced, "issued_on"), ("invoiced_12m",))
    rows = zero_if_present(rows, first_fact(opportunities, "closed_on"), ("won_12m",))
    return _columns(rows, policy)


def _subscribed(
    spine: ir.Table, steps: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """What subscriptions come to over their days in the twelve months, and ARR at their start."""
    priced = steps.filter(steps.mrr != 0)
    rows = spine.select("as_of", "day_12m_ago").join(priced, ibis._.as_of >= priced.day)
    rows = rows.filter(rows.until.isnull() | (rows.until > rows.day_12m_ago))
    rows = with_rate(by_surviving_account(rows, hierarchy), fx_rates, company)
    amount = rows.mrr * rows.rate * _MONTHS_PER_YEAR
    first = ibis.greatest(rows.day, days_after(rows.day_12m_ago))
    after = days_after(rows.as_of)
    days = ibis.least(rows.until.fill_null(after), after).delta(first, unit="day")
    share = ibis.greatest(days, 0) / rows.as_of.delta(rows.day_12m_ago, unit="day")
    return rows.group_by(*_KEY).aggregate(
        subscribed_12m=total(amount * share), arr_12m_ago=total(amount, rows.day <= rows.day_12m_ago)
    )


def _invoiced(
    spine: ir.Table, invoices: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """Invoices issued in the twelve months, at the rates of as_of."""
    rows = known(invoices, spine, "day_12m_ago")
    recent = rows.filter((rows.issued_on > rows.day_12m_ago) & (rows.issued_on <= rows.as_of))
    rows = with_rate(by_surviving_account(recent, hierarchy), fx_rates, company)
    return rows.group_by(*_KEY).aggregate(invoiced_12m=total(rows.amount * rows.rate))


def _won(spine: ir.Table, opportunities: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """New and expansion opportunities won in the twelve months."""
    rows = facts(opportunities, "closed_on", survivors(hierarchy), spine, "day_12m_ago")
    is_booking = (rows.stage == "won") & (rows.kind != "renewal") & (rows.closed_on > rows.day_12m_ago)
    won = rows.filter(is_booking)
    return won.group_by(*_KEY).aggregate(won_12m=total(won.amount_arr))


def _if(condition: ir.BooleanValue, value: ir.FloatingValue) -> ir.FloatingValue:
    return ibis.ifelse(condition, value, ibis.null("float64"))


def _columns(rows: ir.Table, policy: ReconciliationPolicy) -> ir.Table:
    amounts = {name: cents(rows[name].fill_null(0.0)) for name in ("arr", "arr_12m_ago", "subscribed_12m")} | {
        name: cents(rows[name]) for name in ("invoiced_12m", "won_12m")
    }
    first = ibis.greatest(rows.first_paid_on, days_after(rows.day_12m_ago))
    days = rows.churned_on.fill_null(days_after(rows.as_of)).delta(first, unit="day")
    share = ibis.greatest(days, 0) / rows.as_of.delta(rows.day_12m_ago, unit="day")
    rows = rows.mutate(subscribed_share=_if(rows.first_paid_on.notnull(), share).fill_null(0.0), **amounts).drop(
        "first_paid_on", "churned_on", "day_12m_ago"
    )
    happened = (rows.invoiced_12m > 0).fill_null(False) | (rows.won_12m > 0).fill_null(False)
    rows = rows.filter((rows.arr > 0) | (rows.arr_12m_ago > 0) | (rows.subscribed_12m > 0) | happened)
    growth = ibis.greatest(rows.arr - rows.arr_12m_ago, 0.0)
    rows = rows.mutate(
        invoiced_annualised=cents(rows.invoiced_12m / rows.subscribed_share.nullif(0.0)),
        arr_less_invoiced=cents(rows.arr - rows.invoiced_12m),
        explained_by_change=cents(rows.arr - rows.subscribed_12m),
        unexplained=cents(rows.subscribed_12m - rows.invoiced_12m),
        growth_less_won=cents(growth - rows.won_12m),
    )

    def tolerance(amount: ir.FloatingValue) -> ir.FloatingValue:
        return ibis.greatest(amount * policy.tolerance_share, policy.tolerance_amount)

    def differs(difference: ir.FloatingValue, one: ir.FloatingValue, other: ir.FloatingValue) -> ir.BooleanValue:
        return difference.abs() > tolerance(ibis.greatest(one, other))

    is_billing = differs(rows.unexplained, rows.subscribed_12m, rows.invoiced_12m)
    is_booking = differs(rows.growth_less_won, rows.arr, rows.won_12m)
    return rows.mutate(
        invoice_kind=ibis.cases(
            (rows.invoiced_12m.isnull(), "unknown"),
            (is_billing & (rows.subscribed_12m == 0), "invoiced_without_subscription"),
            (is_billing & (rows.invoiced_12m == 0), "not_invoiced"),
            (is_billing & (rows.unexplained > 0), "under_invoiced"),
            (is_billing & (rows.invoiced_12m <= rows.arr + tolerance(rows.arr)), "billed_in_advance"),
            (is_billing, "over_invoiced"),
            (differs(rows.explained_by_change, rows.arr, rows.subscribed_12m), "changed_in_the_year"),
            else_="agrees",
        ),
        booking_kind=ibis.cases(
            (rows.won_12m.isnull(), "unknown"),
            (~is_booking, "agrees"),
            (rows.growth_less_won > 0, "growth_not_won"),
            else_="won_not_subscribed",
        ),
    )
