"""Retention of accounts that signed up in the same quarter.

Here: `cohort_retention`, by quarter of the first payment and age. Not here: retention over a period that ends at
as_of (`retention`), or fitting lifetimes to cohorts (`scores.lifetime`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import FxRates
from segmentation_assets.kpis.identities import agrees, at_most
from segmentation_assets.kpis.points import mrr_on
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.insights import CohortPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.profiles.exchange import rates_on
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.profiles.revenue import AccountRevenue, annual
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.profiles.usage import AccountUsage, _raw_accounts
from segmentation_assets.tables.amounts import mean, money, ratio, total
from segmentation_assets.tables.as_of import FromPolicy, Spine, freeze_day
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_after, days_before
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
_POINT = ("as_of", "signup", "age_quarters")
_ARR = "currency per year"
_QUARTERS_PER_YEAR = 4
_MONTHS_PER_QUARTER = 3

USAGE_REASONS = ("not_kept", "no_usage")


def quarter_ends(quarters: int, day: date) -> Iterable[date]:
    """The last `quarters` ends of calendar quarters on or before `day`, newest first."""
    end = freeze_day(date.fromordinal(day.toordinal() + 1))
    for _ in range(quarters):
        yield end
        end = freeze_day(end)


class CohortRetention(Snapshot):
    """Retention of each signup cohort at the end of each quarter. Key: as_of, signup_quarter, age_quarters."""

    signup_quarter: Day = column("First day of the quarter in which the accounts first paid.")
    age_quarters: Integer = column(
        "Quarters from the end of the signup quarter to observed_on.", unit="quarters", ge=0
    )
    observed_on: Day = column("Quarter end at which the cohort is observed.")
    accounts: Integer = column("The cohort: accounts that paid at the end of their signup quarter.", ge=1)
    start_arr: float = column("The cohort's ARR at the end of its signup quarter.", unit=_ARR, ge=0)
    arr: float = column(
        "The cohort's ARR at observed_on, at the exchange rates of the end of the signup quarter.", unit=_ARR, ge=0
    )
    retained_arr: float = column(
        "Sum over the cohort of the smaller of an account's start ARR and its ARR at observed_on.", unit=_ARR, ge=0
    )
    expansion_arr: float = column(
        "Sum over the cohort of an account's ARR at observed_on above its start ARR.", unit=_ARR, ge=0
    )
    retained_accounts: Integer = column("Accounts of the cohort with ARR at observed_on.", ge=0)
    risen_accounts: Integer = column(
        "Accounts of the cohort with more ARR than at the start, for any reason, also price.", ge=0
    )
    nrr: float = column("Net revenue retention: arr / start_arr.", unit="ratio", ge=0)
    grr: float = column("Gross revenue retention: retained_arr / start_arr.", unit="ratio", ge=0)
    logo_retention: float = column("retained_accounts / accounts.", unit="share", ge=0, le=1)
    expansion_rate_with_price: float = column(
        "risen_accounts / accounts. Lost accounts stay in the denominator.", unit="share", ge=0, le=1
    )
    low_n: Flag = column("Fewer accounts than `retention.low_n`.")
    usage_accounts: Integer = column(
        "Accounts of the cohort with licensed seats and known usage at observed_on; null: see usage_reason.",
        nullable=True,
    )
    active_share: float = column(
        "Share of usage_accounts in active use; null: see usage_reason.", unit="share", nullable=True, ge=0, le=1
    )
    seat_activity: float = column(
        "Mean over accounts of active users in the 28 days up to observed_on / licensed seats.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    usage_reason: str = column(
        "Why usage is null: not_kept (older than the quarters that the policy looks back), no_usage (not known for "
        "any account with seats); null: it is known.",
        nullable=True,
        isin=USAGE_REASONS,
    )

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """GRR <= min(1, NRR), and NRR = GRR + expansion_arr / start_arr."""
        return at_most(t.grr, t.nrr) & at_most(t.grr, 1) & agrees(t.nrr, t.grr + t.expansion_arr / t.start_arr)

    @row_rule
    def reason_where_unknown(cls, t: ir.Table) -> ir.BooleanValue:
        """A row has either usage figures or a reason why there are none."""
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
    subscription_steps: Table[SubscriptionSteps],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    account_revenue: Table[AccountRevenue],
    account_usage: Table[AccountUsage],
    company: CompanyPolicy,
    policy: CohortPolicy,
    retention: RetentionPolicy,
) -> Table[CohortRetention]:
    """How much of each signup cohort is left after each quarter, and do its accounts use the product?

    One row per as_of, quarter of the first payment, and quarter end since. The cohort is closed at the end of its
    signup quarter: an account that paid and left within that quarter is in no cohort. Exchange rates are those of the
    end of the signup quarter. Only quarters that are over by as_of have rows. Usage is known for the last quarter
    ends, as many as the policy says.
    """
    accounts = _cohort_accounts(account_revenue, spine)
    points = _points(accounts, policy)
    paid = _paid(accounts, points, subscription_steps, survivors(account_hierarchy))
    rates = rates_on(accounts.select("as_of", day="signup_end"), fx_rates, company).rename(signup_end="day")
    members, arr = _members(paid, rates)
    rows = points.join(_starts(members, retention.low_n), ["as_of", "signup"])
    for figures in (_observed(members, arr), _usage(members, points, account_usage)):
        rows = rows.left_join(figures, list(_POINT)).drop("as_of_right", "signup_right", "age_quarters_right")
    return _columns(rows)


def _quarter(day: ir.DateValue) -> ir.IntegerValue:
    """Quarters since the year 0: consecutive numbers."""
    return (day.year() * _QUARTERS_PER_YEAR + day.quarter() - 1).cast("int64")


def _start(quarter: ir.IntegerValue) -> ir.DateValue:
    """First day of a quarter."""
    year = (quarter / _QUARTERS_PER_YEAR).floor().cast("int64")
    return ibis.date(year, (quarter % _QUARTERS_PER_YEAR) * _MONTHS_PER_QUARTER + 1, 1)


def _end(quarter: ir.IntegerValue) -> ir.DateValue:
    return days_before(_start(quarter + 1))


def _cohort_accounts(revenue: ir.Table, spine: ir.Table) -> ir.Table:
    """Accounts whose signup quarter is over, with its number, its end, and the last quarter over at as_of."""
    rows = revenue.filter(revenue.first_paid_on.notnull()).select(*_KEY, "first_paid_on").semi_join(spine, "as_of")
    following = days_after(rows.as_of)
    rows = rows.mutate(signup=_quarter(rows.first_paid_on), last=_quarter(following) - 1)
    rows = rows.filter(rows.signup <= rows.last)
    return rows.mutate(signup_end=_end(rows.signup)).drop("first_paid_on")


def _points(accounts: ir.Table, policy: CohortPolicy) -> ir.Table:
    """The rows of each cohort. Key: as_of, signup, age_quarters. `is_kept`: usage of that day is available."""
    cohorts = accounts.select("as_of", "signup", "last").distinct()
    rows = each(cohorts, "age_quarters", range(policy.max_age_quarters + 1))
    rows = rows.filter(rows.signup + rows.age_quarters <= rows.last)
    quarter = rows.signup + rows.age_quarters
    return rows.select(*_POINT, observed_on=_end(quarter), is_kept=quarter > rows.last - policy.usage_quarters)


def _paid(accounts: ir.Table, points: ir.Table, steps: ir.Table, merged: ir.Table) -> ir.Table:
    """MRR of `accounts`, and of those merged into them, at the end of each `quarter` since signup, by `currency`."""
    sums = mrr_on(points.select(day="observed_on"), steps, "account_id", "currency").rename(
        raw_account_id="account_id"
    )
    raw = _raw_accounts(accounts, merged)
    sums = sums.mutate(quarter=_quarter(sums.day))
    since = [raw.signup <= sums.quarter, raw.last >= sums.quarter]
    rows = raw.join(sums, ["raw_account_id", *since])
    return rows.select(*_KEY, "signup", "signup_end", "quarter", "currency", "mrr")


def _members(paid: ir.Table, rates: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Two tables: accounts that paid at the end of their signup quarter (`start`), and `arr` at each quarter end.

    Both at the exchange rate of the end of the signup quarter. Keys: as_of, account_id; the second also `quarter`.
    """
    rows = paid.left_join(rates, ["as_of", "signup_end", "currency"])
    sums = rows.group_by(*_KEY, "quarter").aggregate(
        mrr=total(rows.mrr * rows.rate), has_rates=rows.rate.notnull().all(), signup=rows.signup.max()
    )
    arr = sums.mutate(arr=ibis.ifelse(sums.has_rates, annual(sums.mrr), 0.0))
    members = arr.filter((arr.quarter == arr.signup) & (arr.arr > 0))
    return members.select(*_KEY, "signup", start="arr"), arr.select(*_KEY, "quarter", "arr")


def _starts(members: ir.Table, low_n: int) -> ir.Table:
    """Size of each cohort. Key: as_of, signup."""
    return members.group_by("as_of", "signup").aggregate(
        accounts=members.count(), start_arr=money(members.start), low_n=members.count() < low_n
    )


def _observed(members: ir.Table, arr: ir.Table) -> ir.Table:
    """ARR and accounts of each cohort at each quarter end. Key: as_of, signup, age_quarters."""
    rows = arr.join(members, _KEY)
    rows = rows.mutate(age_quarters=rows.quarter - rows.signup)
    return rows.group_by(*_POINT).aggregate(
        arr=money(rows.arr),
        retained_arr=money(ibis.least(rows.start, rows.arr)),
        expansion_arr=money(ibis.greatest(rows.arr - rows.start, 0.0)),
        retained_accounts=(rows.arr > 0).sum(),
        risen_accounts=(rows.arr > rows.start).sum(),
    )


def _usage(members: ir.Table, points: ir.Table, account_usage: ir.Table) -> ir.Table:
    """Usage of the cohorts at the quarter ends where it is available. Key: as_of, signup, age_quarters."""
    days = points.filter(points.is_kept).select("as_of", "observed_on").distinct()
    usage = account_usage.select("account_id", "is_active_account", "mau_seat_share", used_on="as_of")
    used = days.join(usage, days.observed_on == usage.used_on).drop("used_on")
    rows = used.view().join(members.view(), _KEY)
    rows = rows.mutate(age_quarters=_quarter(rows.observed_on) - rows.signup).filter(ibis._.age_quarters >= 0)
    return rows.group_by(*_POINT).aggregate(
        used=rows.is_active_account.count(),
        active=rows.is_active_account.sum(),
        seat_activity=mean(rows.mau_seat_share),
    )


_COUNTS = ("retained_accounts", "risen_accounts", "used", "active")
_SUMS = ("arr", "retained_arr", "expansion_arr")


def _columns(rows: ir.Table) -> ir.Table:
    sums = rows.mutate(
        **{name: rows[name].fill_null(0) for name in _COUNTS}, **{name: rows[name].fill_null(0.0) for name in _SUMS}
    )
    reason = ibis.cases((~sums.is_kept, "not_kept"), (sums.used == 0, "no_usage"))
    return sums.select(
        "as_of", "age_quarters", "observed_on", "accounts", "start_arr", "arr", "retained_arr", "expansion_arr",
        "retained_accounts", "risen_accounts", "seat_activity", "low_n",
        signup_quarter=_start(sums.signup),
        nrr=ratio(sums.arr, sums.start_arr),
        grr=ratio(sums.retained_arr, sums.start_arr),
        logo_retention=ratio(sums.retained_accounts, sums.accounts),
        expansion_rate_with_price=ratio(sums.risen_accounts, sums.accounts),
        usage_accounts=sums.used.nullif(0),
        active_share=sums.active / sums.used.nullif(0),
        usage_reason=reason,
    )  # fmt: skip
