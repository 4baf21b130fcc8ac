"""What each account pays: recurring revenue, seats, renewals, expansion, payment behaviour.

Here: `account_revenue` and the account's steps of recurring revenue that it is made of. Not here: movements and
retention of groups of accounts (`kpis`), what an account costs (`costs`).
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import BillingInvoices, BillingSubscriptions, FxRates
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.profiles.facts import only_if, with_figures
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account, known
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
_DAYS_PER_MONTH = 365.25 / 12
_MONTHS_PER_YEAR = 12
_FINE = 9  # decimals of sums: more than a price in cents times a rate has, so that no half cent hangs on the order
_CENTS = 2  # decimals of money; differences below half a cent are the rounding of sums, not prices


class AccountRevenue(Snapshot):
    """What does each account pay us, since when, and when does it renew? One row per account that ever started."""

    account_id: str = column("The paying account; accounts merged into it are counted here.")
    arr: float = column("Annual recurring revenue: 12 x mrr, to the cent.", unit="currency per year", ge=0)
    mrr: float = column(
        "Monthly recurring revenue in force at day end, at the exchange rate of as_of.",
        unit="currency per month",
        ge=0,
    )
    seats: Integer = column(
        "Licensed seats of the paid subscriptions in force; null where none of them says.",
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
        "Today's ARR at the exchange rate of twelve months before: what nrr_12m divides by arr_12m_ago.",
        unit="currency per year",
        ge=0,
    )
    nrr_12m: float = column(
        "Net revenue retention: arr_at_rate_12m_ago / arr_12m_ago. Null without revenue twelve months ago.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    first_paid_on: Day = column("First day of the first paid subscription; null while only on trial.", nullable=True)
    tenure_days: Integer = column("Days since first_paid_on.", unit="days", nullable=True, ge=0)
    renewal_on: Day = column(
        "Next contract term end after as_of, else the next anniversary of the oldest subscription in force.",
        nullable=True,
    )
    days_to_renewal: Integer = column("Days from as_of to renewal_on.", unit="days", nullable=True, ge=1)
    last_expansion_on: Day = column(
        "Last day on which recurring revenue rose while the account was paying.", nullable=True
    )
    months_to_first_expansion: float = column(
        "Months from first_paid_on to the first expansion.", unit="months", nullable=True, ge=0
    )
    is_multi_product: Flag = column("Pays for more than one product.")
    is_multi_region: Flag = column("Pays in more than one region.")
    invoices_late_12m: Integer = column(
        "Invoices due in the last 12 months and paid late or overdue now; null without an invoice extract.",
        nullable=True,
        ge=0,
    )
    mean_days_late: float = column(
        "Mean days late of the late ones (invoices_late_12m), not of all that fell due: how late it pays when it is "
        "late. 0 where none was late; null where no invoice fell due.",
        unit="days",
        nullable=True,
        ge=0,
    )
    overdue_amount: float = column(
        "Unpaid and past due, at the exchange rate of as_of.", unit="currency", nullable=True, ge=0
    )
    overdue_days: Integer = column(
        "Days that the oldest unpaid invoice is overdue; 0 = none is.", unit="days", nullable=True, ge=0
    )
    is_live: Flag = column("ARR above 0 at day end.")
    churned_on: Day = column("First day without recurring revenue; null while live or never paid.", nullable=True)
    is_trial_only: Flag = column("Started, but never paid.")
    has_billing_history_12m: Flag = column("First paid at least twelve months before: a year can be compared.")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_revenue(
    spine: Table[Spine],
    billing_subscriptions: Table[BillingSubscriptions],
    billing_invoices: Table[BillingInvoices],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    company: CompanyPolicy,
) -> Table[AccountRevenue]:
    """What does each account pay us, since when, when does it renew, and does it pay on time?

    One row per as_of and account with any subscription started by then; subscriptions of merged accounts count for
    the account that survives, so a merger is no churn. Recurring revenue is the sum of the subscriptions in force at
    day end, of a price above 0 (trials and pauses are not revenue), at the exchange rate of as_of; nrr_12m compares
    it with twelve months before, both at the rate of the start. A subscription is in force from its start up to its
    end, or up to the day the end became known if that is later, but no longer than up to the start of the next step
    of the same subscription_id. When an account's last subscription has ended, its revenue stands for
    `renewal_grace_days` more: a late renewal within them is no churn. Expansion is a net rise of a day while paying:
    same-day swaps net out.
    """
    started = started_subscriptions(spine, billing_subscriptions, account_hierarchy)
    started = priced(started, spine, fx_rates, company)
    rows = with_figures(
        _ever_started(started),
        _paid_states(revenue_steps(started, company), spine),
        _terms(subscriptions_in_force(started, company)),
        _payment(spine, billing_invoices, fx_rates, account_hierarchy, company),
    )
    rows = rows.left_join(_days_with_invoices(spine, billing_invoices), "as_of")
    return _columns(rows.join(spine.select("as_of", "day_12m_ago"), "as_of"))


def started_subscriptions(spine: ir.Table, subscriptions: ir.Table, hierarchy: ir.Table) -> ir.Table:
    """Subscriptions known and started at each as_of, trials too, under their surviving account.

    Adds `ends_on`, null while in force at as_of. An end counts from the day it became known on if that is later, so
    that the revenue of a past day is the same from every later as_of. The next step of the same subscription_id that
    has started ends the one before at the latest, known or not: a subscription is never paid for twice.
    """
    rows = known(subscriptions, spine)
    rows = by_surviving_account(rows.filter(rows.start_date <= rows.as_of), hierarchy)
    in_order = ibis.window(group_by=["as_of", "subscription_id"], order_by="start_date")
    rows = rows.mutate(next_start=rows.start_date.lead().over(in_order))
    ends_on = ibis.greatest(rows.end_date, rows.end_known_on.fill_null(rows.end_date))
    is_over = rows.end_date.notnull() & (ends_on <= rows.as_of)
    earliest = ibis.least(ends_on, rows.next_start.fill_null(ends_on))
    return rows.mutate(ends_on=ibis.ifelse(is_over, earliest, rows.next_start)).drop("next_start")


def priced(
    started: ir.Table, spine: ir.Table, fx_rates: ir.Table, company: CompanyPolicy, then: str = "day_12m_ago"
) -> ir.Table:
    """`started_subscriptions` with `amount` (mrr at the rate of as_of) and `amount_at_rate_then` (of the day `then`).

    `then` is a date column of the spine, the day that as_of is compared with. Both amounts are in the reporting
    currency, and null where the subscription's currency has no rate at all.
    """
    rates = exchange_rates(spine, fx_rates, "as_of", then).rename(rated_at="as_of", rated="currency")
    rows = started.left_join(rates, [started.as_of == rates.rated_at, started.currency == rates.rated])
    return rows.mutate(
        amount=rows.mrr * _rate(rows, rows.rate_as_of, company),
        amount_at_rate_then=rows.mrr * _rate(rows, rows[f"rate_{then}"], company),
    ).drop("rated_at", "rated", "rate_as_of", f"rate_{then}")


def _rate(rows: ir.Table, rate: ir.Column, company: CompanyPolicy) -> ir.FloatingValue:
    return ibis.ifelse(rows.currency == company.reporting_currency, 1.0, rate)


def exchange_rates(spine: ir.Table, fx_rates: ir.Table, *days: str) -> ir.Table:
    """(as_of, currency) -> `rate_<day>` per spine column in `days`: the newest rate valid from that day or before.

    Before a currency's first rate, the first one counts. The reporting currency needs no rate.
    """
    rows = known(fx_rates, spine, *(day for day in days if day != "as_of"))
    newest = {
        f"rate_{day}": ibis.coalesce(
            rows.rate.argmax(rows.valid_from, where=rows.valid_from <= rows[day]),
            rows.rate.argmin(rows.valid_from),
        )
        for day in days
    }
    return rows.group_by("as_of", "currency").aggregate(**newest)


def revenue_steps(started: ir.Table, company: CompanyPolicy) -> ir.Table:
    """The account's recurring revenue as steps, from `priced` subscriptions. Key: as_of, account_id, day.

    From `day` up to `until` (null = still at as_of) the account pays `amount` per month; days without revenue have no
    step. `amount_before` is the amount of the step that ends where this one starts, null after a pause longer than
    the grace. A swap within one day is one step, and none of its inner amounts is seen.
    """
    paid = started.filter(started.mrr > 0)
    levels = _levels(
        paid.mutate(
            amount=paid.amount.fill_null(0.0),
            amount_at_rate_then=paid.amount_at_rate_then.fill_null(0.0),
            unpriced=paid.amount.isnull().cast("int64"),
        ),
        ("amount", "amount_at_rate_then", "unpriced"),
        company.renewal_grace_days,
    )
    is_priced = levels.level_of_unpriced == 0
    left = levels.level_of_subscriptions - levels.subscriptions
    is_late_renewal = (left == 0) & (levels.day <= levels.last_grace_end)
    amount_before = ibis.cases(
        (left > 0, levels.level_of_amount - levels.amount), (is_late_renewal, -levels.last_amount)
    )
    return levels.filter(levels.level_of_subscriptions > 0).select(
        *_KEY,
        "day",
        "until",
        amount=only_if(is_priced, levels.level_of_amount),
        amount_at_rate_then=only_if(is_priced, levels.level_of_amount_at_rate_then),
        amount_before=only_if(is_priced, amount_before),
    )


def seat_periods(started: ir.Table, company: CompanyPolicy) -> ir.Table:
    """Licensed seats in force, from `started_subscriptions`: periods that cover all days up to as_of without a gap.

    Key: as_of, account_id, day; `until` is exclusive, null at the end. Days without a paid subscription, or where
    none says its seats, have null.
    """
    paid = started.filter(started.mrr > 0)
    levels = _levels(
        paid.mutate(seats=paid.seats.fill_null(0), seated=paid.seats.notnull().cast("int64")),
        ("seats", "seated"),
        company.renewal_grace_days,
    )
    is_paying = levels.level_of_subscriptions > 0
    seats = only_if(is_paying & (levels.level_of_seated > 0), levels.level_of_seats)
    day = ibis.ifelse(is_paying, levels.day, days_after(levels.day, company.renewal_grace_days))
    periods = levels.select(*_KEY, day=day, until=levels.until, seats=seats)
    periods = periods.filter(periods.until.isnull() | (periods.day < periods.until))
    before = levels.group_by(*_KEY).aggregate(until=levels.day.min())
    return periods.union(
        before.select(*_KEY, "until", day=ibis.date(1, 1, 1), seats=ibis.null("int64")).select(periods.columns)
    )


def _levels(paid: ir.Table, sums: Sequence[str], grace_days: int) -> ir.Table:
    """What paid subscriptions add up to after each day on which one starts or ends. Key: as_of, account_id, day.

    `subscriptions` and each of `sums` are the day's net change, `level_of_...` what is in force from then on, up to
    `until`. Where nothing is in force from the next change on, `until` is the end of the grace or the late renewal.
    """
    names = ("subscriptions", *sums)
    starts = paid.mutate(subscriptions=ibis.literal(1, "int64")).select(*_KEY, "ends_on", *names, day="start_date")
    ended = starts.filter(starts.ends_on.notnull())
    ends = ended.select(*_KEY, *(((-ended[name]).name(name)) for name in names), day="ends_on")
    both = starts.select(ends.columns).union(ends)
    changes = both.group_by(*_KEY, "day").aggregate(**{name: both[name].sum() for name in names})
    so_far = ibis.cumulative_window(group_by=_KEY, order_by="day")
    in_order = ibis.window(group_by=_KEY, order_by="day")
    levels = changes.mutate(
        **{f"level_of_{name}": changes[name].sum().over(so_far) for name in names},
        **{f"last_{name}": changes[name].lag().over(in_order) for name in sums},
        last_grace_end=days_after(changes.day.lag().over(in_order), grace_days),
        next_day=changes.day.lead().over(in_order),
        next_subscriptions=changes.subscriptions.lead().over(in_order),
        day_after_next=changes.day.lead(2).over(in_order),
    )
    ends_next = (levels.level_of_subscriptions > 0) & (levels.level_of_subscriptions + levels.next_subscriptions == 0)
    grace_end = days_after(levels.next_day, grace_days)
    bridged = ibis.ifelse(levels.day_after_next < grace_end, levels.day_after_next, grace_end)
    return levels.mutate(until=ibis.ifelse(ends_next, bridged, levels.next_day))


def subscriptions_in_force(started: ir.Table, company: CompanyPolicy) -> ir.Table:
    """The paid subscriptions of `started_subscriptions` behind the revenue at as_of.

    Within the grace after the last ones ended, they still are.
    """
    paid = started.filter(started.mrr > 0)
    if not company.renewal_grace_days:
        return paid.filter(paid.ends_on.isnull())
    last = paid.group_by(ended_at=paid.as_of, ended=paid.account_id).aggregate(
        has_open=paid.ends_on.isnull().any(), last_end=paid.ends_on.max()
    )
    rows = paid.join(last, [paid.as_of == last.ended_at, paid.account_id == last.ended])
    in_grace = (rows.ends_on == rows.last_end) & (rows.as_of < days_after(rows.last_end, company.renewal_grace_days))
    return rows.filter(rows.ends_on.isnull() | (~rows.has_open & in_grace)).drop(
        "ended_at", "ended", "has_open", "last_end"
    )


def bridged_subscriptions(started: ir.Table, company: CompanyPolicy) -> ir.Table:
    """`started_subscriptions` that are paid for; those that ended last before a gap last through what bridges it.

    That is the grace, or up to the late renewal within it: as the steps of `revenue_steps` do.
    """
    paid = started.filter(started.mrr > 0)
    if not company.renewal_grace_days:
        return paid
    levels = _levels(paid, (), company.renewal_grace_days)
    ends_next = levels.level_of_subscriptions + levels.next_subscriptions == 0
    gaps = levels.filter((levels.level_of_subscriptions > 0) & ends_next).select(
        gap_at="as_of", gap_of="account_id", gap_from="next_day", bridged="until"
    )
    rows = paid.left_join(
        gaps, [paid.as_of == gaps.gap_at, paid.account_id == gaps.gap_of, paid.ends_on == gaps.gap_from]
    )
    return rows.select(
        **{n: ibis.coalesce(rows.bridged, rows.ends_on) if n == "ends_on" else rows[n] for n in paid.columns}
    )


def _ever_started(started: ir.Table) -> ir.Table:
    return started.group_by(*_KEY).aggregate(first_paid_on=started.start_date.min(where=started.mrr > 0))


def _paid_states(steps: ir.Table, spine: ir.Table) -> ir.Table:
    """Per account that ever paid: what is in force at as_of and twelve months before, the end, the expansions."""
    rows = steps.join(spine.select("as_of", "day_12m_ago"), "as_of")
    is_now, was_then = holds_on(rows, rows.as_of), holds_on(rows, rows.day_12m_ago)
    grew = (rows.amount - rows.amount_before).round(_CENTS) > 0
    return rows.group_by(*_KEY).aggregate(
        steps_now=is_now.sum(),
        amount_now=rows.amount.max(where=is_now),
        steps_then=was_then.sum(),
        amount_then=rows.amount_at_rate_then.max(where=was_then),
        amount_now_at_rate_then=rows.amount_at_rate_then.max(where=is_now),
        last_until=rows.until.max(),
        first_expansion_on=rows.day.min(where=grew),
        last_expansion_on=rows.day.max(where=grew),
    )


def holds_on(steps: ir.Table, day: ir.DateValue) -> ir.BooleanValue:
    """Whether a step of `revenue_steps` is in force at the end of `day`."""
    return (steps.day <= day) & (steps.until.isnull() | (steps.until > day))


def _terms(in_force: ir.Table) -> ir.Table:
    """Products, regions and renewal of the subscriptions in force. One row per account that has any."""
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
        seats=ranked.seats.sum(),
    )
    return with_figures(rows, by_product, by_region)


def _names(in_force: ir.Table, name: str, count: str) -> ir.Table:
    """Number and sorted list of the different values of a column, per account."""
    each = in_force.filter(in_force[name].notnull()).select(*_KEY, name).distinct()
    return each.group_by(*_KEY).aggregate(
        **{count: each[name].count(), "names": each[name].collect().sort().join(", ")}
    )


def _payment(
    spine: ir.Table, invoices: ir.Table, fx_rates: ir.Table, hierarchy: ir.Table, company: CompanyPolicy
) -> ir.Table:
    """Lateness of the invoices due in the last twelve months, and what is overdue at as_of, per account.

    Late = paid after the due day, or not paid by as_of although due before it (paid after as_of is unpaid).
    """
    rows = known(invoices, spine, "day_12m_ago")
    rows = by_surviving_account(rows.filter(rows.issued_on <= rows.as_of), hierarchy)
    rates = exchange_rates(spine, fx_rates, "as_of").rename(rated_at="as_of", rated="currency")
    rows = rows.left_join(rates, [rows.as_of == rates.rated_at, rows.currency == rates.rated])
    is_paid = (rows.paid_on <= rows.as_of).fill_null(False)
    settled = ibis.ifelse(is_paid, rows.paid_on, rows.as_of)
    rows = rows.mutate(
        days_late=ibis.greatest(settled.delta(rows.due_on, unit="day"), 0),
        is_overdue=~is_paid & (rows.due_on < rows.as_of) & (rows.amount > 0),
        is_recent=(rows.due_on > rows.day_12m_ago) & (rows.due_on <= rows.as_of),
        owed=rows.amount * _rate(rows, rows.rate_as_of, company),
    )
    is_late = rows.is_recent & (rows.days_late > 0)
    return rows.group_by(*_KEY).aggregate(
        late=is_late.sum(),
        days_late_in_all=rows.days_late.sum(where=is_late),
        due=rows.is_recent.sum(),
        owed=rows.owed.sum(where=rows.is_overdue),
        owed_unpriced=(rows.is_overdue & rows.owed.isnull()).sum(),
        overdue_days=rows.days_late.max(where=rows.is_overdue),
    )


def _days_with_invoices(spine: ir.Table, invoices: ir.Table) -> ir.Table:
    """(as_of) of the days by which any invoice of any account is known: from there on, none means none."""
    rows = known(invoices, spine)
    days = rows.filter(rows.issued_on <= rows.as_of).select("as_of").distinct()
    return days.mutate(has_invoices=ibis.literal(True))


def _columns(rows: ir.Table) -> ir.Table:
    """The contract's columns from the joined parts."""
    is_paying = rows.steps_now.fill_null(0) > 0
    arr, then, at_rate_then = (
        _arr(rows[steps], rows[amount])
        for steps, amount in (
            ("steps_now", "amount_now"),
            ("steps_then", "amount_then"),
            ("steps_now", "amount_now_at_rate_then"),
        )
    )
    renewal_on = ibis.coalesce(rows.next_term_end, _next_anniversary(rows.oldest_start, rows.as_of))
    is_known = rows.has_invoices.fill_null(False)
    late = rows.late.fill_null(0)
    return rows.select(
        *_KEY,
        "seats",
        "product_list",
        "region",
        "first_paid_on",
        "last_expansion_on",
        arr=arr,
        mrr=ibis.ifelse(is_paying, rows.amount_now.round(_FINE), 0.0),
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
        mean_days_late=only_if(rows.due > 0, rows.days_late_in_all.fill_null(0) / late.nullif(0)).fill_null(
            only_if(rows.due > 0, ibis.literal(0.0))
        ),
        overdue_amount=only_if(
            is_known & (rows.owed_unpriced.fill_null(0) == 0), rows.owed.fill_null(0.0).round(_FINE).round(_CENTS)
        ),
        overdue_days=only_if(is_known, rows.overdue_days.fill_null(0)),
        is_live=arr > 0,
        churned_on=ibis.ifelse(is_paying, ibis.null("date"), rows.last_until),
        is_trial_only=rows.first_paid_on.isnull(),
        has_billing_history_12m=(rows.first_paid_on <= rows.day_12m_ago).fill_null(False),
    )


def _arr(steps: ir.IntegerValue, amount: ir.FloatingValue) -> ir.FloatingValue:
    """A year of `amount`, to the cent; 0 without a step, null (the contract forbids it) where a rate is missing."""
    return ibis.ifelse(steps.fill_null(0) > 0, annual(amount), 0.0)


def annual(amount: ir.FloatingValue) -> ir.FloatingValue:
    """A year of a monthly amount, to the cent."""
    return (amount.round(_FINE) * _MONTHS_PER_YEAR).round(_CENTS)


def whole_cents(amount: ir.FloatingValue) -> ir.FloatingValue:
    """A sum to the cent, where half a cent does not hang on the order of adding."""
    return amount.round(_FINE).round(_CENTS)


def _next_anniversary(start: ir.DateValue, day: ir.DateValue) -> ir.DateValue:
    """The first anniversary of `start` after `day`; 29 February counts as the 28th."""
    is_leap_day = (start.month() == 2) & (start.day() == 29)
    month_day = ibis.ifelse(is_leap_day, 28, start.day())
    this_year = ibis.date(day.year(), start.month(), month_day)
    next_year = ibis.date(day.year() + 1, start.month(), month_day)
    return ibis.ifelse(this_year > day, this_year, next_year)
