"""What each account pays: recurring revenue, seats, renewals, expansion, payment behaviour.

Here: `account_revenue`, read from states and steps at the days of a run. Not here: when a subscription holds
(`subscriptions`, `states`), movements and retention of groups of accounts (`kpis`), what an account costs (`costs`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import BillingInvoices, BillingSubscriptions, FxRates
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.exchange import with_rate
from segmentation_assets.profiles.facts import only_if, with_figures
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account, known_at
from segmentation_assets.profiles.states import AccountStates, churned_on, holds_at, states_for
from segmentation_assets.profiles.subscriptions import SubscriptionSteps, in_force
from segmentation_assets.tables.amounts import cents, fine, ratio, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
_DAYS_PER_MONTH = 365.25 / 12
_MONTHS_PER_YEAR = 12
_SAME_LINK = 1e-12  # links are products of rates; this is the rounding of their logarithms


class AccountRevenue(Snapshot):
    """What each account pays, since when, and when it renews. One row per account that ever had a subscription."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    arr: float = column("Annual recurring revenue: 12 x mrr, to the cent.", unit="currency per year", ge=0)
    mrr: float = column(
        "Monthly recurring revenue in force at the end of as_of, at the exchange rate of as_of.",
        unit="currency per month",
        ge=0,
    )
    seats: Integer = column(
        "Licensed seats of the paid subscriptions in force; null: none of them has seats.",
        unit="seats",
        nullable=True,
        ge=0,
    )
    products: Integer = column("Different products paid for.", ge=0)
    product_list: str = column("Names of the products paid for, in order, separated by commas.", nullable=True)
    regions: Integer = column("Different regions with a paid subscription.", ge=0)
    region: str = column("Region of the largest subscription in force.", nullable=True)
    arr_12m_ago: float = column(
        "ARR in force twelve months before, at the exchange rate of that day.", unit="currency per year", ge=0
    )
    arr_at_rate_12m_ago: float = column(
        "ARR at as_of, at the exchange rate of twelve months before: the numerator of nrr_12m.",
        unit="currency per year",
        ge=0,
    )
    nrr_12m: float = column(
        "Net revenue retention: arr_at_rate_12m_ago / arr_12m_ago; null: no ARR twelve months before.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    first_paid_on: Day = column(
        "First day of the first paid subscription; null: never paid, trial only.", nullable=True
    )
    tenure_days: Integer = column("Days since first_paid_on.", unit="days", nullable=True, ge=0)
    renewal_on: Day = column(
        "leaving_on if known, else the next contract term end after as_of, else the next anniversary of the oldest "
        "subscription in force; null: no paid subscription in force.",
        nullable=True,
    )
    days_to_renewal: Integer = column("Days from as_of to renewal_on.", unit="days", nullable=True, ge=1)
    leaving_on: Day = column(
        "First day without the account, if at as_of the ends of all its subscriptions are known and none follows; "
        "null: not known to leave.",
        nullable=True,
    )
    paused_on: Day = column(
        "First day of the pause (price 0 within a subscription) that is open at as_of; null: no open pause, or the "
        "pause is so long that the account counts as lost.",
        nullable=True,
    )
    last_expansion_on: Day = column(
        "Last day on which MRR of the paying account rose by more seats, plan or products.",
        nullable=True,
    )
    months_to_first_expansion: float = column(
        "Months from first_paid_on to the first expansion.", unit="months", nullable=True, ge=0
    )
    is_multi_product: Flag = column("The account pays for more than one product.")
    is_multi_region: Flag = column("The account pays in more than one region.")
    invoices_late_12m: Integer = column(
        "Invoices due in the last 12 months that were paid late or are overdue at as_of; null: no invoice extract.",
        nullable=True,
        ge=0,
    )
    mean_days_late: float = column(
        "Mean days late of all invoices due in the last 12 months; one paid on time counts 0; null: none was due.",
        unit="days",
        nullable=True,
        ge=0,
    )
    late_share_12m: float = column(
        "invoices_late_12m / invoices due in the last 12 months; null: none was due.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    overdue_amount: float = column(
        "Unpaid invoices past due at as_of, minus unpaid credit notes, at the exchange rate of as_of; at least 0.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    overdue_days: Integer = column(
        "Days that the oldest unpaid invoice is overdue at as_of; 0: none is.", unit="days", nullable=True, ge=0
    )
    is_live: Flag = column("ARR above 0 at the end of as_of, or paused.")
    churned_on: Day = column(
        "First day on which the account counts as lost: all subscriptions ended, or a pause reached `pause_days`.",
        nullable=True,
    )
    is_trial_only: Flag = column("The account had a trial, but never paid.")
    has_billing_history_12m: Flag = column("The account first paid at least twelve months before as_of.")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_revenue(
    spine: Table[Spine],
    subscription_steps: Table[SubscriptionSteps],
    account_states: Table[AccountStates],
    billing_subscriptions: Table[BillingSubscriptions],
    billing_invoices: Table[BillingInvoices],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
) -> Table[AccountRevenue]:
    """What does each account pay us, since when, when does it renew, and does it pay on time?

    One row per as_of and account with any subscription started by then. Subscriptions of merged accounts count for
    the surviving account, so a merger is no churn. Recurring revenue is the sum of the subscriptions in force at the
    end of as_of, discounts netted, at the exchange rate of as_of; it is never below 0. nrr_12m compares it with
    twelve months before, both at the exchange rate of the start. A contract that changed its currency is converted at
    the rate of the day of the change. A subscription whose price falls to 0 is paused: its account stays live,
    without that revenue, until the pause has lasted `pause_days`. Expansion is a day's net rise of MRR by seats, plan
    or products while the account pays. Swaps on the same day net out, and a price uplift alone is no expansion.
    """
    days = spine.select("as_of", "day_12m_ago")
    states = states_for(spine, account_states, subscription_steps, fx_rates, account_hierarchy, company)
    states = holds_at(states).join(days, "as_of")
    now = _paid_at(days, subscription_steps, account_states, fx_rates, account_hierarchy, company)
    rows = with_figures(
        _started(subscription_steps, spine, account_hierarchy),
        _lives(states, company),
        _amounts(now, "now"),
        _amounts_then(days, subscription_steps, fx_rates, account_hierarchy, company),
        _terms(now.filter(now.mrr > 0)),
        _leaving(now.filter(now.mrr > 0), billing_subscriptions, spine, account_hierarchy, company),
        _payment(spine, billing_invoices, fx_rates, account_hierarchy, company),
    )
    rows = rows.left_join(_days_with_invoices(spine, billing_invoices), "as_of")
    return _columns(rows.drop("as_of_right"))


def _started(steps: ir.Table, spine: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """(as_of, account_id) of accounts with a subscription that has started, on trial or not."""
    rows = spine.select("as_of").join(steps.select("day", "account_id"), ibis._.as_of >= steps.day)
    return by_surviving_account(rows.select(*_KEY).distinct(), hierarchy).distinct()


def _lives(states: ir.Table, company: CompanyPolicy) -> ir.Table:
    """From the state at as_of: when the account first paid and expanded, and whether it is lost or paused."""
    gone = churned_on(states, states.as_of, company)
    has_paused = (states.subscriptions == 0) & states.stopped_on.notnull() & gone.isnull()
    return states.select(
        *_KEY,
        "day_12m_ago",
        "first_paid_on",
        "first_expansion_on",
        "last_expansion_on",
        "subscriptions",
        "seats",
        gone=gone,
        paused_on=only_if(has_paused, states.stopped_on),
    )


def _paid_at(
    days: ir.Table, steps: ir.Table, states: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """Steps with a price in force at as_of: `amount` at the rate of as_of, `amount_then` at that of a year before."""
    rows = in_force(days, steps.filter(steps.mrr != 0), "as_of")
    rows = with_rate(rows, fx_rates, company)
    rows = with_linked_rate(rows, "day_12m_ago", states, fx_rates, company)
    rows = rows.mutate(amount=rows.mrr * rows.rate, amount_then=rows.mrr * rows.linked_rate)
    return by_surviving_account(rows, hierarchy)


def with_linked_rate(
    rows: ir.Table, then: str, states: ir.Table, fx_rates: ir.Table, company: CompanyPolicy, now: str = "as_of"
) -> ir.Table:
    """`rows` (as_of, account_id as billing names it, currency, ...) with `linked_rate`: the rate of the day `then`.

    If the account's contracts changed their currency after `then` and up to `now`, it is the rate of the old
    currency, times the rates of the days of the changes. So a change of currency does not change revenue.
    """
    links = states.select("day", "until", "currency_link", linked="account_id", old_currency="currency")
    pairs = rows.select("as_of", "account_id", at_then=then, at_now=now).distinct()

    def link_at(day: str, name: str, *more: str) -> ir.Table:
        is_over = pairs[day] >= links.until
        holds = [pairs.account_id == links.linked, pairs[day] >= links.day, links.until.isnull() | ~is_over]
        linked = pairs.join(links, holds)
        return linked.select("as_of", "account_id", "at_then", "at_now", *more, **{name: linked.currency_link})

    keys = ["as_of", "account_id", "at_then", "at_now"]
    at_end = link_at("at_now", "link_now", "old_currency").rename(new_currency="old_currency")
    both = at_end.join(link_at("at_then", "link_then", "old_currency"), keys)
    moved = both.filter((both.link_now - both.link_then).abs() > _SAME_LINK)
    moved = moved.filter(moved.old_currency.notnull()).mutate(currency=moved.old_currency)
    moved = with_rate(moved, fx_rates, company, "at_then")
    linked = moved.select(
        "old_currency", "new_currency", linked_at="as_of", linked="account_id", linked_then="at_then",
        linked_now="at_now", linked_value=ratio(moved.link_now, moved.link_then) * moved.rate,
    )  # fmt: skip
    rated = with_rate(rows, fx_rates, company, then, "rate_then")
    same = [
        rated.as_of == linked.linked_at,
        rated.account_id == linked.linked,
        rated[then] == linked.linked_then,
        rated[now] == linked.linked_now,
    ]
    joined = rated.left_join(linked, same)
    # Other contracts of the account may still be in the old currency.
    is_linked = joined.new_currency.notnull() | (joined.currency != joined.old_currency)
    value = only_if(is_linked, joined.linked_value)
    return joined.select(*rows.columns, linked_rate=ibis.coalesce(value, joined.rate_then))


def _amounts(rows: ir.Table, name: str) -> ir.Table:
    """Recurring revenue per account: `amount_<name>`, `amount_<name>_then`, `is_unpriced_<name>`."""
    return rows.group_by(*_KEY).aggregate(
        **{
            f"amount_{name}": total(rows.amount),
            f"amount_{name}_then": total(rows.amount_then),
            f"is_unpriced_{name}": (rows.amount.isnull() | rows.amount_then.isnull()).any(),
        }
    )


def _amounts_then(
    days: ir.Table, steps: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """Recurring revenue twelve months before, at the exchange rate of that day."""
    rows = in_force(days, steps.filter(steps.mrr != 0), "day_12m_ago")
    rows = by_surviving_account(with_rate(rows, fx_rates, company, "day_12m_ago"), hierarchy)
    rows = rows.mutate(amount=rows.mrr * rows.rate)
    return rows.group_by(*_KEY).aggregate(amount_12m=total(rows.amount), is_unpriced_12m=rows.amount.isnull().any())


def _terms(in_force: ir.Table) -> ir.Table:
    """Products, regions and renewal of the subscriptions in force. One row per account with any."""
    largest = ibis.window(
        group_by=_KEY, order_by=[in_force.amount.desc(), in_force.subscription_id, in_force.start_date]
    )
    ranked = in_force.mutate(place=ibis.row_number().over(largest))
    by_product = _names(in_force, "product", "products").rename(product_list="names")
    by_region = _names(in_force, "region", "regions").drop("names")
    rows = ranked.group_by(*_KEY).aggregate(
        region=ranked.region.max(where=ranked.place == 0),
        next_term_end=ranked.term_end.min(where=ranked.term_end > ranked.as_of),
        oldest_start=ranked.start_date.min(),
    )
    return with_figures(rows, by_product, by_region)


def _names(in_force: ir.Table, name: str, count: str) -> ir.Table:
    """Number and sorted list of the different values of a column, per account."""
    each = in_force.filter(in_force[name].notnull()).select(*_KEY, name).distinct()
    return each.group_by(*_KEY).aggregate(
        **{count: each[name].count(), "names": each[name].collect().sort().join(", ")}
    )


def _leaving(
    paid: ir.Table, extract: ir.Table, spine: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """(as_of, account_id) -> `leaving_on`, if the ends of all its subscriptions are known and none follows.

    The extract may say from which day an end is known. If it does not, the end is known on its own day only.
    """
    is_told = (paid.end_date > paid.as_of) & (paid.end_known_on <= paid.as_of)
    ends = paid.group_by(*_KEY).aggregate(leaving_on=paid.end_date.max(), is_leaving=is_told.fill_null(False).all())
    ends = ends.filter(ends.is_leaving)
    coming = by_surviving_account(known_at(extract, spine), hierarchy)
    coming = coming.filter((coming.start_date > coming.as_of) & (coming.mrr > 0))
    coming = coming.group_by(*_KEY).aggregate(next_start=coming.start_date.min())
    rows = ends.left_join(coming, list(_KEY))
    follows = rows.next_start <= days_after(rows.leaving_on, company.renewal_grace_days)
    return rows.select(*_KEY, leaving_on=only_if(~follows.fill_null(False), rows.leaving_on))


def _payment(
    spine: ir.Table, invoices: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """Lateness of the invoices due in the last twelve months, and amounts overdue at as_of, per account.

    Late = paid after the due day, or due before as_of and not paid by then. A credit note is never late; until it is
    paid out, it lowers the overdue amount.
    """
    rows = known_at(invoices, spine, "day_12m_ago")
    rows = by_surviving_account(rows.filter(rows.issued_on <= rows.as_of), hierarchy)
    rows = with_rate(rows, fx_rates, company)
    is_paid = (rows.paid_on <= rows.as_of).fill_null(False)
    settled = ibis.ifelse(is_paid, rows.paid_on, rows.as_of)
    rows = rows.mutate(
        days_late=ibis.greatest(settled.delta(rows.due_on, unit="day"), 0),
        is_overdue=~is_paid & (rows.due_on < rows.as_of) & (rows.amount > 0),
        is_credit=~is_paid & (rows.amount < 0),
        is_recent=(rows.due_on > rows.day_12m_ago) & (rows.due_on <= rows.as_of) & (rows.amount >= 0),
        owed=rows.amount * rows.rate,
    )
    is_late = rows.is_recent & (rows.days_late > 0)
    return rows.group_by(*_KEY).aggregate(
        late=is_late.sum(),
        days_late_in_all=rows.days_late.sum(where=is_late),
        due=rows.is_recent.sum(),
        owed=total(rows.owed, rows.is_overdue | rows.is_credit),
        owed_unpriced=((rows.is_overdue | rows.is_credit) & rows.owed.isnull()).sum(),
        overdue_days=rows.days_late.max(where=rows.is_overdue),
    )


def _days_with_invoices(spine: ir.Table, invoices: ir.Table) -> ir.Table:
    """(as_of) of the days by which any invoice is known. From then on, an account without invoices has 0."""
    rows = known_at(invoices, spine)
    days = rows.filter(rows.issued_on <= rows.as_of).select("as_of").distinct()
    return days.mutate(has_invoices=ibis.literal(True))


def _columns(rows: ir.Table) -> ir.Table:
    """The contract's columns from the joined parts."""
    is_paying = rows.subscriptions.fill_null(0) > 0
    mrr = _money(is_paying, rows.amount_now, rows.is_unpriced_now)
    at_rate_then = annual(_money(is_paying, rows.amount_now_then, rows.is_unpriced_now))
    then = annual(_money(rows.amount_12m.notnull() | rows.is_unpriced_12m, rows.amount_12m, rows.is_unpriced_12m))
    arr = annual(mrr)
    renewal_on = ibis.coalesce(rows.leaving_on, rows.next_term_end, _next_anniversary(rows.oldest_start, rows.as_of))
    is_known = rows.has_invoices.fill_null(False)
    overdue = cents(ibis.greatest(rows.owed.fill_null(0.0), 0.0))
    late = rows.late.fill_null(0)
    return rows.select(
        *_KEY,
        "seats",
        "product_list",
        "region",
        "first_paid_on",
        "last_expansion_on",
        "leaving_on",
        "paused_on",
        arr=arr,
        mrr=mrr,
        products=ibis.ifelse(is_paying, ibis.greatest(rows.products.fill_null(0), 1), 0),
        regions=rows.regions.fill_null(0),
        arr_12m_ago=then,
        arr_at_rate_12m_ago=at_rate_then,
        nrr_12m=at_rate_then / then.nullif(0.0),
        tenure_days=rows.as_of.delta(rows.first_paid_on, unit="day"),
        renewal_on=renewal_on,
        days_to_renewal=renewal_on.delta(rows.as_of, unit="day"),
        months_to_first_expansion=rows.first_expansion_on.delta(rows.first_paid_on, unit="day") / _DAYS_PER_MONTH,
        is_multi_product=rows.products.fill_null(0) > 1,
        is_multi_region=rows.regions.fill_null(0) > 1,
        invoices_late_12m=only_if(is_known, late),
        mean_days_late=rows.days_late_in_all.fill_null(0) / rows.due.nullif(0),
        late_share_12m=late / rows.due.nullif(0),
        overdue_amount=only_if(is_known & (rows.owed_unpriced.fill_null(0) == 0), overdue),
        overdue_days=only_if(is_known, rows.overdue_days.fill_null(0)),
        is_live=(arr > 0) | rows.paused_on.notnull(),
        churned_on=rows.gone,
        is_trial_only=rows.first_paid_on.isnull(),
        has_billing_history_12m=(rows.first_paid_on <= rows.day_12m_ago).fill_null(False),
    )


def _money(is_paid: ir.BooleanValue, amount: ir.FloatingValue, is_unpriced: ir.BooleanValue) -> ir.FloatingValue:
    """A sum of money, discounts netted, at least 0; 0 for none, null (which the contract forbids) without a rate."""
    priced = only_if(~is_unpriced.fill_null(False), ibis.greatest(fine(amount), 0.0))
    return ibis.ifelse(is_paid.fill_null(False), priced, 0.0)


def annual(amount: ir.FloatingValue) -> ir.FloatingValue:
    """A year of a monthly amount, to the cent."""
    return cents(fine(amount) * _MONTHS_PER_YEAR)


def _next_anniversary(start: ir.DateValue, day: ir.DateValue) -> ir.DateValue:
    """The first anniversary of `start` after `day`; 29 February counts as the 28th."""
    is_leap_day = (start.month() == 2) & (start.day() == 29)
    month_day = ibis.ifelse(is_leap_day, 28, start.day())
    this_year = ibis.date(day.year(), start.month(), month_day)
    next_year = ibis.date(day.year() + 1, start.month(), month_day)
    return ibis.ifelse(this_year > day, this_year, next_year)
