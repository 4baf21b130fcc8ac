"""Customer lifetime: how long accounts of a size class will still pay, from the renewals of the past.

Here: each account's cohort and tenure, the renewal counts per cohort, the shifted-beta-geometric (sBG) fit on them,
and the discounted expected residual lifetime per tenure. Not here: the money (`value` multiplies the lifetime by the
gross margin), or churn within the next 90 days (`churn`).

The model (Fader and Hardie, "How to project customer retention", 2007, and "Customer-base valuation in a contractual
setting", 2010): every account has its own constant probability of leaving at an annual renewal. Over the accounts of
a cohort these probabilities follow a beta(alpha, beta) distribution. The accounts most likely to leave do so first,
so the share that leaves at renewal t falls with t: alpha / (alpha + beta + t - 1).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from segmentation_assets.extracts.contracts import CrmAccounts
from segmentation_assets.policy.scores import FirmographicPolicy
from segmentation_assets.policy.value import LifetimePolicy
from segmentation_assets.profiles.known import known_at
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.firmographic import SIZE_CLASSES, size_class
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.registry import ROWS, Frame, Table, table

UNKNOWN_SIZE = "unknown"
COHORTS = (*SIZE_CLASSES, UNKNOWN_SIZE)
SBG = "sBG"
METHODS = (SBG, "churn_rate", "company_churn_rate", "cap")
_COHORT = "Size class, as known at as_of: smb, mid_market, enterprise, or unknown."
_LOG_BOUNDS = (-12.0, 12.0)
"""Bounds of log(alpha) and log(beta) in the search. Beyond them, data cannot show any spread of the probabilities."""
_NEGLIGIBLE = 1e-15


class AccountTenures(Snapshot):
    """Cohort and annual renewals of every account that paid at any time by `as_of`, live or not."""

    account_id: str = column("Account; merged accounts count with the account they were merged into.")
    cohort: str = column(_COHORT, isin=COHORTS)
    first_paid_on: Day = column("First day with a paid subscription; renewals are its anniversaries.")
    renewals_due: Integer = column("Anniversaries of the first paid day by as_of.", ge=0)
    left_in_year: Integer = column(
        "Year in which the account left, counted from its first paid day (1 = first year); null while live.",
        nullable=True,
        ge=1,
    )
    renewals_made: Integer = column("Anniversaries on which the account still paid: tenure in full years.", ge=0)

    class Config:
        unique = ["as_of", "account_id"]


class CohortRenewals(Snapshot):
    """How many accounts of a cohort reached each annual renewal by `as_of`, and how many of them left at it."""

    cohort: str = column(_COHORT, isin=COHORTS)
    renewal_year: Integer = column("1 = the first anniversary of the first paid day; 0 = the first payment.", ge=0)
    at_risk: Integer = column(
        "Accounts that paid on the anniversary before this one, and whose date of this one has passed by as_of.", ge=0
    )
    churned: Integer = column("Those of them that left in the year before this anniversary.", ge=0)

    class Config:
        unique = ["as_of", "cohort", "renewal_year"]


class ClvParameters(Snapshot):
    """The retention curve of each cohort: the fitted parameters, or what replaces a fit."""

    cohort: str = column(_COHORT, isin=COHORTS)
    accounts: Integer = column("Accounts of the cohort that paid at any time by as_of.", ge=1)
    renewal_years: Integer = column("Annual renewals that at least one account of the cohort has reached.", ge=0)
    renewals: Integer = column("Renewals of all accounts and years.", ge=0)
    churned: Integer = column("Accounts that left instead of renewing.", ge=0)
    alpha: float = column("sBG alpha; null without a fit.", nullable=True, gt=0)
    beta: float = column("sBG beta; null without a fit.", nullable=True, gt=0)
    churn_rate: float = column(
        "Yearly churn over all tenures: churned ÷ (churned + renewals).", unit="share", nullable=True, ge=0, le=1
    )
    expected_years: float = column(
        "Discounted residual lifetime if there is no fit, the same at every tenure; null with a fit.",
        unit="years",
        nullable=True,
        ge=0,
    )
    method: str = column(
        "sBG: a fit; churn_rate: the cohort's churn rate; company_churn_rate: the company's, if the cohort has no "
        "renewal yet; cap: the policy's longest lifetime, if nobody has.",
        isin=METHODS,
    )
    is_flagged: Flag = column("True if the lifetime is not from a fit.")

    class Config:
        unique = ["as_of", "cohort"]


class ClvLifetimes(Snapshot):
    """How many more yearly payments, discounted, to expect from an account, by cohort and tenure."""

    cohort: str = column(_COHORT, isin=COHORTS)
    tenure_years: Integer = column("Renewals so far.", ge=0)
    derl: float = column("Discounted expected residual lifetime: future yearly payments.", unit="years", ge=0)
    method: str = column("Method of the lifetime; see clv_parameters.", isin=METHODS)
    is_flagged: Flag = column("True if the lifetime is not from a fit.")

    class Config:
        unique = ["as_of", "cohort", "tenure_years"]


@table(group="scores")
def account_tenures(
    spine: Table[Spine],
    account_revenue: Table[AccountRevenue],
    crm_accounts: Table[CrmAccounts],
    policy: FirmographicPolicy,
) -> Table[AccountTenures]:
    """Which cohort does each account belong to, and how many times has it renewed?

    One row per as_of and account that paid at any time, including churned ones: without them no cohort would ever
    lose an account. The cohort is the size class, by the CRM data known at as_of. Renewals are the anniversaries of
    the first paid day, whatever the term of the contract. An account that came back counts as if it had never left.
    """
    paid = account_revenue.filter(account_revenue.first_paid_on.notnull())
    crm = known_at(crm_accounts, spine).select("as_of", "account_id", "employees", "annual_revenue")
    rows = paid.select("as_of", "account_id", "first_paid_on", "churned_on").left_join(crm, ["as_of", "account_id"])
    due = full_years(rows.first_paid_on, rows.as_of)
    last_paid_on = rows.churned_on - ibis.interval(days=1)
    left_in_year = full_years(rows.first_paid_on, last_paid_on) + 1
    return rows.select(
        "as_of",
        "account_id",
        "first_paid_on",
        cohort=size_class(rows, policy).fill_null(UNKNOWN_SIZE),
        renewals_due=due,
        left_in_year=left_in_year,
        renewals_made=ibis.ifelse(left_in_year <= due, left_in_year - 1, due),
    )


@table(group="scores")
def cohort_renewals(spine: Table[Spine], account_tenures: Table[AccountTenures]) -> Table[CohortRenewals]:
    """How many accounts of a size class left at their first, second, ... renewal?

    One row per as_of, cohort and renewal year, from 0 (the first payment) to the oldest account's last anniversary.
    An account counts in a year once its anniversary has passed, even if it left earlier in the year. Otherwise
    leavers would count before the accounts that started on the same day and stayed.
    """
    tenures = account_tenures.semi_join(spine, "as_of")
    counts = tenures.group_by("as_of", "cohort", "renewals_due", "left_in_year").agg(accounts=tenures.count())
    years = counts.mutate(renewal_year=ibis.range(0, counts.renewals_due + 1).unnest())
    is_churn = (years.left_in_year == years.renewal_year).fill_null(False)
    is_at_risk = years.left_in_year.isnull() | (years.left_in_year >= years.renewal_year)
    return years.group_by("as_of", "cohort", "renewal_year").agg(
        at_risk=years.accounts.sum(where=is_at_risk).fill_null(0),
        churned=years.accounts.sum(where=is_churn).fill_null(0),
    )


def _of_renewals(*columns: str) -> tuple[str, ...]:
    return tuple(f"cohort_renewals.{name}" for name in columns)


_COUNTS = _of_renewals("renewal_year", "at_risk")
_OUTCOMES = _of_renewals("renewal_year", "at_risk", "churned")


@table(
    group="scores",
    made_from={
        ROWS: _of_renewals("as_of", "cohort"),
        "as_of": _of_renewals("as_of"),
        "cohort": _of_renewals("cohort"),
        "accounts": _COUNTS,
        "renewal_years": _COUNTS,
        "churned": _of_renewals("renewal_year", "churned"),
        **dict.fromkeys(
            ("renewals", "alpha", "beta", "churn_rate", "expected_years", "method", "is_flagged"), _OUTCOMES
        ),
    },
)
def clv_parameters(cohort_renewals: Frame[CohortRenewals], policy: LifetimePolicy) -> Frame[ClvParameters]:
    """What is the retention curve of each size class, and is there enough history for a fit?

    One row per as_of and cohort. With enough accounts and renewals (policy), and accounts that left after their
    first renewal, alpha and beta are the maximum-likelihood fit of the shifted-beta-geometric model to the counts.
    Otherwise the lifetime is that of a constant churn rate over a limited number of years (policy), discounted alike,
    and flagged. A cohort without any renewal so far takes the company's churn rate.
    """
    histories = _histories(cohort_renewals)
    per_day: dict[Any, list[_History]] = defaultdict(list)
    for (as_of, _), history in histories.items():
        per_day[as_of].append(history)
    company_rates = {as_of: _churn_rate(cohorts) for as_of, cohorts in per_day.items()}
    rows = [
        {"as_of": as_of, "cohort": cohort} | _parameters(history, company_rates[as_of], policy)
        for (as_of, cohort), history in histories.items()
    ]
    frame = pd.DataFrame(rows, columns=pd.Index(["as_of", "cohort", *_PARAMETERS]))
    floats = dict.fromkeys(("alpha", "beta", "churn_rate", "expected_years"), "float64")
    return cast("Frame[ClvParameters]", frame.astype(floats))


@table(
    group="scores",
    made_from={
        ROWS: ("clv_parameters.as_of", "clv_parameters.cohort", *_of_renewals("as_of", "cohort", "renewal_year")),
        **{name: (f"clv_parameters.{name}",) for name in ("as_of", "cohort", "method", "is_flagged")},
        "tenure_years": _of_renewals("renewal_year"),
        "derl": (
            *(f"clv_parameters.{name}" for name in ("method", "alpha", "beta", "expected_years")),
            *_of_renewals("renewal_year"),
        ),
    },
)
def clv_lifetimes(
    clv_parameters: Frame[ClvParameters], cohort_renewals: Frame[CohortRenewals], policy: LifetimePolicy
) -> Frame[ClvLifetimes]:
    """How many more yearly payments, discounted, can be expected from an account of this size class and tenure?

    One row per as_of, cohort and tenure in full years. The next payment (at the next renewal) counts with its
    probability, undiscounted. Each later one is discounted by one more year. Past payments do not count. A cohort
    without a fit has the same lifetime at every tenure, flagged.
    """
    histories = _histories(cohort_renewals)
    rows = []
    for parameters in clv_parameters.to_dict("records"):
        tenures = len(histories[parameters["as_of"], parameters["cohort"]].at_risk)
        if parameters["method"] == SBG:
            lifetimes = residual_lifetimes(parameters["alpha"], parameters["beta"], policy.discount_rate, tenures)
        else:
            lifetimes = [parameters["expected_years"]] * tenures
        shared = {name: parameters[name] for name in ("as_of", "cohort", "method", "is_flagged")}
        rows += [shared | {"tenure_years": n, "derl": years} for n, years in enumerate(lifetimes)]
    columns = ["as_of", "cohort", "tenure_years", "derl", "method", "is_flagged"]
    return cast("Frame[ClvLifetimes]", pd.DataFrame(rows, columns=pd.Index(columns)))


def full_years(start: ir.DateValue, end: ir.DateValue) -> ir.IntegerValue:
    """Anniversaries of `start` on or before `end`. That of 29 February is 1 March in a year without one."""
    is_before = end.month() * 100 + end.day() < start.month() * 100 + start.day()
    return (end.year() - start.year() - is_before.cast("int32")).cast("int64")


def has_a_fit(at_risk: Sequence[int], churned: Sequence[int]) -> bool:
    """Whether the counts (item t - 1 is renewal t) have a fit: some accounts renewed, and some left after the first.

    If accounts only left at their first renewal, the most likely model is that all others stay forever.
    """
    return sum(churned[1:]) > 0 and sum(at_risk) > sum(churned)


def fit_sbg(at_risk: Sequence[int], churned: Sequence[int]) -> tuple[float, float]:
    """Maximum-likelihood (alpha, beta) of the shifted-beta-geometric model; item t - 1 is renewal t.

    The likelihood is that of one coin toss per account and renewal, with churn probability
    alpha / (alpha + beta + t - 1). So accounts of any age count up to their last renewal.
    Raises ValueError for counts without a fit (`has_a_fit`).
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import, and only used here

    if not has_a_fit(at_risk, churned):
        raise ValueError("no fit: nobody renewed, or nobody left after the first renewal")
    counts = [(t, lost, faced - lost) for t, (faced, lost) in enumerate(zip(at_risk, churned, strict=True)) if faced]
    total = float(sum(at_risk))

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        # Plain floats are faster than arrays for a handful of renewals, and every backfilled day has its fits.
        alpha, beta = math.exp(logs[0]), math.exp(logs[1])
        likelihood = slope_alpha = slope_beta = 0.0
        for t, leavers, stayers in counts:
            every, stays = alpha + beta + t, beta + t
            likelihood += leavers * math.log(alpha / every) + stayers * math.log(stays / every)
            slope_alpha += leavers - alpha * (leavers + stayers) / every
            slope_beta += beta * (stayers / stays - (leavers + stayers) / every)
        return -likelihood / total, np.array([-slope_alpha / total, -slope_beta / total])

    optimum = minimize(
        loss,
        np.zeros(2),
        jac=True,
        method="TNC",  # L-BFGS-B starts all of BLAS's threads for two numbers and takes ten times as long
        bounds=[_LOG_BOUNDS] * 2,
        options={"ftol": 1e-15, "xtol": 1e-12, "gtol": 1e-12, "maxfun": 2000},
    )
    return math.exp(optimum.x[0]), math.exp(optimum.x[1])


def residual_lifetimes(alpha: float, beta: float, discount_rate: float, tenures: int) -> list[float]:
    """Discounted expected residual lifetime (years) after 0, 1, ..., `tenures` - 1 renewals.

    With r the retention at the next renewal and v = 1 / (1 + discount rate):
    DERL(n) = r(n + 1) x (1 + v DERL(n + 1)), computed backwards from an n so large that its own value is negligible.
    Equals the closed form of Fader and Hardie (2010): r(n + 1) x 2F1(1, beta + n + 1; alpha + beta + n + 1; v).
    """
    v = 1 / (1 + discount_rate)
    horizon = tenures + math.ceil(math.log(_NEGLIGIBLE) / math.log(v))
    lifetimes = []
    later = 0.0
    for n in range(horizon, -1, -1):
        retention = (beta + n) / (alpha + beta + n)
        later = retention * (1 + v * later)
        lifetimes.append(later)
    return lifetimes[::-1][:tenures]


def geometric_lifetime(churn_rate: float, discount_rate: float, most_years: int) -> float:
    """Discounted expected residual lifetime (years) at a constant yearly churn rate, over `most_years` payments.

    The sum over the next `most_years` payments of (1 - churn rate)^t / (1 + discount rate)^(t - 1). As in
    `residual_lifetimes`, the next payment counts with its probability, undiscounted.
    """
    retention, v = 1 - churn_rate, 1 / (1 + discount_rate)
    return sum(retention**t * v ** (t - 1) for t in range(1, most_years + 1))


@dataclass(frozen=True)
class _History:
    """One cohort's renewals: item t is renewal year t, item 0 the first payment."""

    at_risk: list[int]
    churned: list[int]


def _histories(cohort_renewals: pd.DataFrame) -> dict[tuple[Any, str], _History]:
    """The histories by as_of and cohort, in that order."""
    rows = cohort_renewals.sort_values(by=["as_of", "cohort", "renewal_year"]).to_dict("records")
    histories: dict[tuple[Any, str], _History] = {}
    for row in rows:
        history = histories.setdefault((row["as_of"], row["cohort"]), _History([], []))
        history.at_risk.append(int(row["at_risk"]))
        history.churned.append(int(row["churned"]))
    return histories


_PARAMETERS = (
    "accounts", "renewal_years", "renewals", "churned", "alpha", "beta", "churn_rate", "expected_years", "method",
    "is_flagged",
)  # fmt: skip


def _parameters(history: _History, company_rate: float | None, policy: LifetimePolicy) -> dict[str, Any]:
    """One cohort's row of `clv_parameters`, without its key."""
    accounts, at_risk, churned = history.at_risk[0], history.at_risk[1:], history.churned[1:]
    renewal_years = sum(faced > 0 for faced in at_risk)
    row = {
        "accounts": accounts,
        "renewal_years": renewal_years,
        "renewals": sum(at_risk) - sum(churned),
        "churned": sum(churned),
        "churn_rate": _churn_rate([history]),
    }
    enough = accounts >= policy.min_accounts and renewal_years >= policy.min_renewals
    if enough and has_a_fit(at_risk, churned):
        alpha, beta = fit_sbg(at_risk, churned)
        return row | {"alpha": alpha, "beta": beta, "method": SBG, "is_flagged": False}
    method, rate = next(_churn_rates(row["churn_rate"], company_rate))
    years = geometric_lifetime(rate, policy.discount_rate, policy.longest_unfitted_years)
    return row | {"expected_years": years, "method": method, "is_flagged": True}


def _churn_rates(own: float | None, company: float | None) -> Iterator[tuple[str, float]]:
    """(method, yearly churn rate), the best one first."""
    if own is not None:
        yield "churn_rate", own
    if company is not None:
        yield "company_churn_rate", company
    yield "cap", 0.0


def _churn_rate(histories: Iterable[_History]) -> float | None:
    """Leavers ÷ renewals due over all histories; None if no renewal was due."""
    cohorts = list(histories)
    at_risk = sum(sum(h.at_risk[1:]) for h in cohorts)
    return sum(sum(h.churned[1:]) for h in cohorts) / at_risk if at_risk else None
