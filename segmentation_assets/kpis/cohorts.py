"""What became of accounts that signed up together.

Here: `cohort_retention`, by quarter of the first payment and age. Not here: retention over a period that ends at
as_of (`retention`), or fitting lifetimes to cohorts (`scores.lifetime`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import BillingSubscriptions, FxRates
from segmentation_assets.kpis.calendar import each
from segmentation_assets.kpis.identities import agrees, at_most
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.insights import CohortPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.profiles.known import AccountHierarchy, known
from segmentation_assets.profiles.revenue import AccountRevenue, annual, revenue_steps, started_subscriptions
from segmentation_assets.profiles.usage import AccountUsage
from segmentation_assets.warehouse.as_of import FromPolicy, Spine, freeze_day
from segmentation_assets.warehouse.contracts import Day, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.warehouse.registry import Table, table

_KEY = ("as_of", "account_id")
_ARR = "currency per year"
_CENTS = 2
_QUARTERS_PER_YEAR = 4
_MONTHS_PER_QUARTER = 3
_DAY = ibis.interval(days=1)

USAGE_REASONS = ("not_kept", "no_usage")


def quarter_ends(quarters: int, day: date) -> Iterable[date]:
    """The last so many ends of calendar quarters on or before `day`, newest first."""
    end = freeze_day(date.fromordinal(day.toordinal() + 1))
    for _ in range(quarters):
        yield end
        end = freeze_day(end)


class CohortRetention(Snapshot):
    """What is left of each signup cohort at the end of each quarter. Key: as_of, signup_quarter, age_quarters."""

    signup_quarter: Day = column("First day of the quarter in which the accounts first paid.")
    age_quarters: Integer = column(
        "Quarters since its end; 0 = the end of the signup quarter.", unit="quarters", ge=0
    )
    observed_on: Day = column("The quarter end that the row is about.")
    accounts: Integer = column("The cohort: accounts that paid at the end of their signup quarter.", ge=1)
    start_arr: float = column("Their ARR then.", unit=_ARR, ge=0)
    arr: float = column("Their ARR at observed_on, at the exchange rates of the start.", unit=_ARR, ge=0)
    retained_arr: float = column("Sum of each account's smaller one of both.", unit=_ARR, ge=0)
    expansion_arr: float = column("Sum of what accounts gained on their start.", unit=_ARR, ge=0)
    retained_accounts: Integer = column("Accounts with ARR at observed_on.", ge=0)
    expanded_accounts: Integer = column("Accounts above their start.", ge=0)
    nrr: float = column("ARR retention, net: arr / start_arr.", unit="ratio", ge=0)
    grr: float = column("ARR retention, gross: retained_arr / start_arr.", unit="ratio", ge=0)
    logo_retention: float = column("retained_accounts / accounts.", unit="share", ge=0, le=1)
    expansion_rate: float = column("expanded_accounts / accounts, lost ones included.", unit="share", ge=0, le=1)
    low_n: Flag = column("Fewer accounts than `retention.low_n`.")
    usage_accounts: Integer = column(
        "Accounts whose usage at observed_on is known; null: see the reason.", nullable=True
    )
    active_share: float = column("Of them, accounts in active use.", unit="share", nullable=True, ge=0, le=1)
    seat_activity: float = column(
        "Mean active users / licensed seats over 28 days.", unit="ratio", nullable=True, ge=0
    )
    usage_reason: str = column(
        "Why usage is not told: not_kept (too long ago to look back), no_usage (none known); null: it is.",
        nullable=True,
        isin=USAGE_REASONS,
    )

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """GRR <= min(1, NRR), and NRR is GRR and the expansion."""
        return at_most(t.grr, t.nrr) & at_most(t.grr, 1) & agrees(t.nrr, t.grr + t.expansion_arr / t.start_arr)

    @row_rule
    def reason_where_unknown(cls, t: ir.Table) -> ir.BooleanValue:
        """Usage is told, or why not."""
        return t.usage_reason.isnull() == t.usage_accounts.notnull()

    class Config:
        unique = ["as_of", "signup_quarter", "age_quarters"]


@table(
    group="kpis",
    reads={
        "account_usage": FromPolicy(
            CohortPolicy, lambda policy: lambda day: {*quarter_ends(policy.usage_quarters, day), day}
        )
    },
)
def cohort_retention(
    spine: Table[Spine],
    billing_subscriptions: Table[BillingSubscriptions],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    account_revenue: Table[AccountRevenue],
    account_usage: Table[AccountUsage],
    company: CompanyPolicy,
    policy: CohortPolicy,
    retention: RetentionPolicy,
) -> Table[CohortRetention]:
    """Of the customers who signed up together, how much is left after each quarter, and do they use the product?

    One row per as_of, quarter of the first payment, and quarter end since. The cohort is closed at the end of its
    signup quarter: accounts that paid and left inside it are in none. Exchange rates are those of that day. Only
    quarters over by as_of are told. Usage is told for the policy's last quarter ends.
    """
    accounts = _cohort_accounts(account_revenue, spine)
    started = started_subscriptions(spine, billing_subscriptions, account_hierarchy)
    steps = revenue_steps(_priced_at_start(started, accounts, fx_rates, company), company)
    rows = _observed(accounts, steps, policy)
    rows = _with_usage(rows, account_usage, policy)
    return _columns(rows, retention.low_n)


def _quarter(day: ir.DateValue) -> ir.IntegerValue:
    """Quarters since the year 0: consecutive numbers."""
    return (day.year() * _QUARTERS_PER_YEAR + day.quarter() - 1).cast("int64")


def _start(quarter: ir.IntegerValue) -> ir.DateValue:
    """First day of a quarter."""
    year = (quarter / _QUARTERS_PER_YEAR).floor().cast("int64")
    return ibis.date(year, (quarter % _QUARTERS_PER_YEAR) * _MONTHS_PER_QUARTER + 1, 1)


def _end(quarter: ir.IntegerValue) -> ir.DateValue:
    return (_start(quarter + 1) - _DAY).cast("timestamp").cast("date")


def _cohort_accounts(revenue: ir.Table, spine: ir.Table) -> ir.Table:
    """Accounts whose signup quarter is over: its number, its end, and the last quarter that is over at as_of."""
    rows = revenue.filter(revenue.first_paid_on.notnull()).select(*_KEY, "first_paid_on").semi_join(spine, "as_of")
    following = (rows.as_of + _DAY).cast("timestamp").cast("date")
    rows = rows.mutate(signup=_quarter(rows.first_paid_on), last=_quarter(following) - 1)
    rows = rows.filter(rows.signup <= rows.last)
    return rows.mutate(signup_end=_end(rows.signup)).drop("first_paid_on")


def _priced_at_start(started: ir.Table, accounts: ir.Table, fx_rates: ir.Table, company: CompanyPolicy) -> ir.Table:
    """Subscriptions with their amount at the exchange rate of the end of the account's signup quarter."""
    days = accounts.select("as_of", "signup_end").distinct()
    known_rates = known(fx_rates, days, "signup_end")
    rates = known_rates.group_by("as_of", "signup_end", "currency").aggregate(
        rate=ibis.coalesce(
            known_rates.rate.argmax(known_rates.valid_from, where=known_rates.valid_from <= known_rates.signup_end),
            known_rates.rate.argmin(known_rates.valid_from),
        )
    )
    rows = started.filter(started.mrr > 0).join(accounts.select(*_KEY, "signup_end"), _KEY)
    rows = rows.left_join(rates, ["as_of", "signup_end", "currency"])
    amount = rows.mrr * ibis.ifelse(rows.currency == company.reporting_currency, 1.0, rows.rate)
    return rows.select(*_KEY, "start_date", "ends_on", "mrr", amount=amount, amount_at_rate_then=amount)


def _observed(accounts: ir.Table, steps: ir.Table, policy: CohortPolicy) -> ir.Table:
    """Each account of a cohort at each quarter end since: `start` and `end`, its ARR then and there."""
    ages = range(policy.max_age_quarters + 1)
    points = each(accounts, "age_quarters", ages)
    points = points.filter(points.signup + points.age_quarters <= points.last)
    points = points.mutate(observed_on=_end(points.signup + points.age_quarters))
    held = steps.select("day", "until", "amount", held_of="as_of", held_by="account_id")
    rows = points.left_join(
        held,
        [
            points.as_of == held.held_of,
            points.account_id == held.held_by,
            held.day <= points.observed_on,
            held.until.isnull() | (held.until > points.observed_on),
        ],
    )
    end = annual(rows.amount.fill_null(0.0))
    rows = rows.select(*points.columns, end=end)
    start = ibis.ifelse(rows.age_quarters == 0, rows.end, 0.0).max().over(ibis.window(group_by=_KEY))
    rows = rows.mutate(start=start)
    return rows.filter(rows.start > 0)


def _with_usage(rows: ir.Table, account_usage: ir.Table, policy: CohortPolicy) -> ir.Table:
    """Adds usage of the account at the quarter end, and whether it was looked up."""
    usage = account_usage.select(
        "is_active_account", "mau_seat_share", used_on="as_of", used_by="account_id", usage_through="usage_through"
    )
    is_kept = rows.signup + rows.age_quarters > rows.last - policy.usage_quarters
    rows = rows.mutate(is_kept=is_kept)
    return rows.left_join(usage, [rows.is_kept, rows.observed_on == usage.used_on, rows.account_id == usage.used_by])


def _columns(rows: ir.Table, low_n: int) -> ir.Table:
    is_used = rows.used_by.notnull()
    sums = rows.group_by("as_of", "signup", "age_quarters", "observed_on", "is_kept").aggregate(
        accounts=rows.count(),
        start_arr=rows.start.sum().round(_CENTS),
        arr=rows.end.sum().round(_CENTS),
        retained_arr=ibis.least(rows.start, rows.end).sum().round(_CENTS),
        expansion_arr=ibis.greatest(rows.end - rows.start, 0.0).sum().round(_CENTS),
        retained_accounts=(rows.end > 0).sum(),
        expanded_accounts=(rows.end > rows.start).sum(),
        used=is_used.sum(),
        active=(rows.is_active_account & is_used).sum(),
        seat_activity=rows.mau_seat_share.mean(),
    )
    reason = ibis.cases((~sums.is_kept, "not_kept"), (sums.used == 0, "no_usage"))
    return sums.select(
        "as_of", "age_quarters", "observed_on", "accounts", "start_arr", "arr", "retained_arr", "expansion_arr",
        "retained_accounts", "expanded_accounts", "seat_activity",
        signup_quarter=_start(sums.signup),
        nrr=sums.arr / sums.start_arr,
        grr=sums.retained_arr / sums.start_arr,
        logo_retention=sums.retained_accounts / sums.accounts,
        expansion_rate=sums.expanded_accounts / sums.accounts,
        low_n=sums.accounts < low_n,
        usage_accounts=sums.used.nullif(0),
        active_share=sums.active / sums.used.nullif(0),
        usage_reason=reason,
    )  # fmt: skip
