"""Do subscriptions, invoices and won opportunities agree?

Here: `arr_reconciliation`, per account. Not here: recurring revenue itself (`profiles.revenue`), or late payment.
"""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import (
    BillingInvoices,
    FxRates,
    Opportunities,
)
from segmentation_assets.kpis.identities import closes
from segmentation_assets.kpis.service_periods import billed
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.insights import ReconciliationPolicy
from segmentation_assets.profiles.exchange import with_rate
from segmentation_assets.profiles.facts import facts, first_fact, only_if, with_figures, zero_if_present
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account, survivors
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.tables.amounts import cents, ratio, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

INVOICE_KINDS = (
    "agrees", "changed_in_the_year", "not_yet_billed", "billed_ahead", "ended", "price", "missing",
    "invoiced_without_subscription", "unknown",
)  # fmt: skip
BOOKING_KINDS = ("agrees", "growth_not_won", "won_not_subscribed", "unknown")

_KEY = SNAPSHOT_KEY
_ARR = "currency per year"
_MONTHS_PER_YEAR = 12


class ArrReconciliation(Snapshot):
    """Subscriptions against invoices against won opportunities, twelve months up to as_of. Key: as_of, account_id."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    arr: float = column("ARR from subscriptions at as_of.", unit=_ARR, ge=0)
    arr_12m_ago: float = column("ARR twelve months before, at the exchange rates of as_of.", unit=_ARR, ge=0)
    subscribed_12m: float = column(
        "Revenue by subscriptions in the twelve months: MRR x 12 x days in force / days of the twelve months.",
        unit="currency",
        ge=0,
    )
    invoiced_12m: float = column(
        "Invoiced for service in the twelve months, credit notes netted. Each invoice is spread over its days of "
        "service. For an account that never subscribed: issued_12m. Null: no invoice extract.",
        unit="currency",
        nullable=True,
    )
    issued_12m: float = column(
        "Invoices issued in the twelve months, for service of any time, credit notes netted; null: no invoice "
        "extract.",
        unit="currency",
        nullable=True,
    )
    billed_ahead: float = column(
        "Part of the invoices issued by as_of that is for service after as_of; null: no invoice extract.",
        unit="currency",
        nullable=True,
    )
    unbilled: float = column(
        "Part of subscribed_12m on days after the last invoiced day of service; all of it without an invoice. Null: "
        "no invoice extract.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    won_12m: float = column(
        "Amount of new and expansion opportunities won in the twelve months; null: no opportunity extract.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    arr_less_invoiced: float = column(
        "arr - invoiced_12m = explained_by_change + unexplained.", unit=_ARR, nullable=True
    )
    explained_by_change: float = column(
        "arr - subscribed_12m: subscriptions changed within the twelve months.", unit=_ARR
    )
    unexplained: float = column(
        "subscribed_12m - invoiced_12m: billing differs from the subscriptions.", unit="currency", nullable=True
    )
    invoice_kind: str = column(
        "Cause of the difference. not_yet_billed: only the newest days lack an invoice; missing: more days lack an "
        "invoice; billed_ahead: invoices begin before the subscription; ended: the account has left; price: the "
        "days agree, the amounts differ; invoiced_without_subscription: the account never subscribed; "
        "changed_in_the_year: billing agrees, but ARR changed within the twelve months.",
        isin=INVOICE_KINDS,
    )
    growth_less_won: float = column("(arr - arr_12m_ago, at least 0) - won_12m.", unit=_ARR, nullable=True)
    booking_kind: str = column(
        "Cause of growth_less_won: ARR grew without a win, or a win has no subscription.", isin=BOOKING_KINDS
    )

    @row_rule
    def explained(cls, t: ir.Table) -> ir.BooleanValue:
        """arr_less_invoiced = explained_by_change + unexplained, to the cent."""
        parts = t.explained_by_change + t.unexplained
        return t.arr_less_invoiced.isnull() | closes(t.arr_less_invoiced, parts)

    @row_rule
    def unknown_where_null(cls, t: ir.Table) -> ir.BooleanValue:
        """A kind is unknown exactly where its extract is missing."""
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
    """Do subscriptions, invoices and won opportunities agree for each account, and if not, why?

    One row per as_of and account with ARR at as_of or twelve months before, or with invoices or wins in between, also
    without any subscription. All amounts are at the exchange rates of as_of. Invoices are spread over their days of
    service, so a year paid at once counts month by month. ARR differs from the invoices of a year because
    subscriptions changed within it (explained_by_change) or because billing differs (unexplained). The kind names the
    cause where the difference is above the policy's tolerance; billing comes first. Opportunities are compared with
    the growth of ARR: either a win has no subscription, or ARR grew without a win.
    """
    invoices = billed(spine, billing_invoices, fx_rates, account_hierarchy, company)
    won = _won(spine, opportunities, account_hierarchy)
    revenue = account_revenue.semi_join(spine, "as_of").select(*_KEY, "arr", "first_paid_on")
    everyone = reduce(
        lambda one, other: one.union(other), [t.select(*_KEY) for t in (revenue, invoices, won)]
    ).distinct()
    subscribed = _subscribed(spine, subscription_steps, fx_rates, account_hierarchy, invoices, company)
    rows = with_figures(everyone, revenue, subscribed, invoices, won)
    rows = rows.join(spine.select("as_of", "day_12m_ago"), "as_of")
    issued = first_fact(billing_invoices.select("known_from", "issued_on"), "issued_on")
    rows = zero_if_present(rows, issued, ("invoiced_12m", "issued_12m", "billed_ahead"))
    rows = zero_if_present(rows, first_fact(opportunities, "closed_on"), ("won_12m",))
    return _explained(_columns(rows), policy)


def _subscribed(
    spine: ir.Table,
    steps: ir.Table,
    fx_rates: ir.Table,
    hierarchy: ir.Table,
    invoices: ir.Table,
    company: CompanyPolicy,
) -> ir.Table:
    """Revenue by subscriptions over their days in the twelve months, and ARR at the start of these months.

    `unbilled` is the part on days after the last invoiced day of service.
    """
    priced = steps.filter(steps.mrr != 0)
    rows = spine.select("as_of", "day_12m_ago").join(priced, ibis._.as_of >= priced.day)
    rows = rows.filter(rows.until.isnull() | (rows.until > rows.day_12m_ago))
    rows = with_rate(by_surviving_account(rows, hierarchy), fx_rates, company)
    covered = invoices.select(billed_at="as_of", billed_to="account_id", covered_until="covered_until")
    rows = rows.view().left_join(covered.view(), [("as_of", "billed_at"), ("account_id", "billed_to")])
    amount = ratio(rows.mrr * rows.rate * _MONTHS_PER_YEAR, rows.as_of.delta(rows.day_12m_ago, unit="day"))
    first = ibis.greatest(rows.day, days_after(rows.day_12m_ago))
    after = days_after(rows.as_of)
    last = ibis.least(rows.until.fill_null(after), after)
    days = ibis.greatest(last.delta(first, unit="day"), 0)
    unbilled_from = ibis.greatest(first, rows.covered_until.fill_null(first))
    return rows.group_by(*_KEY).aggregate(
        subscribed_12m=total(amount * days),
        unbilled=total(amount * ibis.greatest(last.delta(unbilled_from, unit="day"), 0)),
        arr_12m_ago=total(rows.mrr * rows.rate * _MONTHS_PER_YEAR, rows.day <= rows.day_12m_ago),
    )


def _won(spine: ir.Table, opportunities: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """New and expansion opportunities won in the twelve months."""
    rows = facts(opportunities, "closed_on", survivors(hierarchy), spine, "day_12m_ago")
    is_booking = (rows.stage == "won") & (rows.kind != "renewal") & (rows.closed_on > rows.day_12m_ago)
    won = rows.filter(is_booking)
    return won.group_by(*_KEY).aggregate(won_12m=total(won.amount_arr))


def _columns(rows: ir.Table) -> ir.Table:
    """Amounts to the cent and their differences, for accounts with any amount to compare."""
    own = {n: cents(rows[n].fill_null(0.0)) for n in ("arr", "arr_12m_ago", "subscribed_12m")}
    invoiced = ibis.ifelse(rows.first_paid_on.isnull(), rows.issued_12m, rows.invoiced_12m)
    others = {n: cents(rows[n]) for n in ("issued_12m", "billed_ahead", "won_12m")}
    unbilled = only_if(invoiced.notnull(), cents(rows.unbilled.fill_null(0.0)))
    rows = rows.mutate(**own, **others, invoiced_12m=cents(invoiced), unbilled=unbilled)
    happened = (rows.invoiced_12m != 0) | (rows.issued_12m != 0) | (rows.won_12m > 0)
    rows = rows.filter(
        (rows.arr > 0) | (rows.arr_12m_ago > 0) | (rows.subscribed_12m > 0) | happened.fill_null(False)
    )
    growth = ibis.greatest(rows.arr - rows.arr_12m_ago, 0.0)
    return rows.mutate(
        arr_less_invoiced=cents(rows.arr - rows.invoiced_12m),
        explained_by_change=cents(rows.arr - rows.subscribed_12m),
        unexplained=cents(rows.subscribed_12m - rows.invoiced_12m),
        growth_less_won=cents(growth - rows.won_12m),
    )


def _explained(rows: ir.Table, policy: ReconciliationPolicy) -> ir.Table:
    """Adds the causes of the differences that are above the policy's tolerance."""

    def tolerance(amount: ir.FloatingValue) -> ir.FloatingValue:
        return ibis.greatest(amount * policy.tolerance_share, policy.tolerance_amount)

    def differs(difference: ir.FloatingValue, one: ir.FloatingValue, other: ir.FloatingValue) -> ir.BooleanValue:
        return difference.abs() > tolerance(ibis.greatest(one, other))

    largest = tolerance(ibis.greatest(rows.subscribed_12m, rows.invoiced_12m))
    is_short = rows.unexplained > 0
    unbilled_days = days_after(rows.as_of).delta(
        ibis.greatest(rows.covered_until.fill_null(rows.first_paid_on), rows.first_paid_on), unit="day"
    )
    is_recent = (unbilled_days <= policy.not_yet_billed_days).fill_null(False)
    begins_early = (rows.covered_from < rows.first_paid_on) & (rows.first_paid_on > rows.day_12m_ago)
    is_booking = differs(rows.growth_less_won, rows.arr, rows.won_12m)
    return rows.mutate(
        invoice_kind=ibis.cases(
            (rows.invoiced_12m.isnull(), "unknown"),
            (
                rows.unexplained.abs() <= largest,
                ibis.ifelse(
                    differs(rows.explained_by_change, rows.arr, rows.subscribed_12m), "changed_in_the_year", "agrees"
                ),
            ),
            (rows.first_paid_on.isnull(), "invoiced_without_subscription"),
            (rows.arr == 0, "ended"),
            (is_short & is_recent & (rows.unexplained - rows.unbilled <= largest), "not_yet_billed"),
            (is_short & (rows.unbilled > largest), "missing"),
            (~is_short & begins_early.fill_null(False), "billed_ahead"),
            else_="price",
        ),
        booking_kind=ibis.cases(
            (rows.won_12m.isnull(), "unknown"),
            (~is_booking, "agrees"),
            (rows.growth_less_won > 0, "growth_not_won"),
            else_="won_not_subscribed",
        ),
    ).drop("first_paid_on", "day_12m_ago", "covered_from", "covered_until")
