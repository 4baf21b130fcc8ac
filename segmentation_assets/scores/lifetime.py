"""Customer lifetime: how long accounts of a kind still pay, from how many renewed at each anniversary.

Here: each account's cohort and tenure, the renewal counts per cohort, the shifted-beta-geometric (sBG) fit on them,
and the discounted expected residual lifetime per tenure. Not here: the money (`value` multiplies the lifetime by the
gross margin), or churn within the next 90 days (`churn`).

The model (Fader and Hardie, "How to project customer retention", 2007, and "Customer-base valuation in a contractual
setting", 2010): at each annual renewal an account leaves with a probability of its own that never changes; over the
accounts of a cohort it is beta(alpha, beta) distributed. So those most likely to leave do so first, and the share
that leaves at renewal t falls with t: alpha / (alpha + beta + t - 1).
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
from segmentation_assets.profiles.known import known
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.firmographic import SIZE_CLASSES, size_class
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.registry import Frame, Table, table

UNKNOWN_SIZE = "unknown"
COHORTS = (*SIZE_CLASSES, UNKNOWN_SIZE)
SBG = "sBG"
METHODS = (SBG, "churn_rate", "company_churn_rate", "cap")
_COHORT = "Size class as known at as_of: smb, mid_market, enterprise, or unknown."
_LOG_BOUNDS = (-12.0, 12.0)
"""Where the search for log(alpha) and log(beta) stops: far beyond what data tell apart from no spread at all."""
_NEGLIGIBLE = 1e-15


class AccountTenures(Snapshot):
    """Cohort and annual renewals of every account that ever paid by `as_of`, live or not."""

    account_id: str = column("Account; merged accounts count with the one they were merged into.")
    cohort: str = column(_COHORT, isin=COHORTS)
    first_paid_on: Day = column("First day with a paid subscription; renewals are its anniversaries.")
    renewals_due: Integer = column("Anniversaries of the first paid day by as_of.", ge=0)
    left_in_year: Integer = column(
        "Year since the first paid day in which it left; null while live.", nullable=True, ge=1
    )
    renewals_made: Integer = column("Anniversaries on which it still paid: its tenure in full years.", ge=0)

    class Config:
        unique = ["as_of", "account_id"]


class CohortRenewals(Snapshot):
    """How many accounts of a cohort came to each annual renewal by `as_of`, and how many of them left there."""

    cohort: str = column(_COHORT, isin=COHORTS)
    renewal_year: Integer = column("1 = the first anniversary of the first paid day; 0 = the first payment.", ge=0)
    at_risk: Integer = column("Accounts whose anniversary is past and that paid until the year before it.", ge=0)
    churned: Integer = column("Of those, accounts that left in the year up to this anniversary.", ge=0)

    class Config:
        unique = ["as_of", "cohort", "renewal_year"]


class ClvParameters(Snapshot):
    """How retention of each cohort behaves, as of a day: the fitted parameters, or why there is no fit."""

    cohort: str = column(_COHORT, isin=COHORTS)
    accounts: Integer = column("Accounts of the cohort that ever paid by as_of.", ge=1)
    renewal_years: Integer = column("Annual renewals that accounts of the cohort have come to.", ge=0)
    renewals: Integer = column("Renewals made, over all accounts and years.", ge=0)
    churned: Integer = column("Accounts that left at one of those renewals.", ge=0)
    alpha: float = column("sBG alpha; null without a fit.", nullable=True, gt=0)
    beta: float = column("sBG beta; null without a fit.", nullable=True, gt=0)
    churn_rate: float = column(
        "Yearly churn over all ages: churned / (churned + renewals).", unit="share", nullable=True, ge=0, le=1
    )
    expected_years: float = column(
        "Discounted residual lifetime without a fit, the same at every tenure; null with one.",
        unit="years",
        nullable=True,
        ge=0,
    )
    method: str = column(
        "sBG; else churn_rate (the cohort's), company_churn_rate (the cohort has none), cap (nobody has).",
        isin=METHODS,
    )
    is_flagged: Flag = column("True where the lifetime is not from a fit.")

    class Config:
        unique = ["as_of", "cohort"]


class ClvLifetimes(Snapshot):
    """How many more (discounted) yearly payments to expect of an account, by cohort and tenure."""

    cohort: str = column(_COHORT, isin=COHORTS)
    tenure_years: Integer = column("Renewals made.", ge=0)
    derl: float = column("Discounted expected residual lifetime.", unit="years", ge=0)
    method: str = column("How the lifetime was found; see clv_parameters.", isin=METHODS)
    is_flagged: Flag = column("True where the lifetime is not from a fit.")

    class Config:
        unique = ["as_of", "cohort", "tenure_years"]


@table(group="scores")
def account_tenures(
    spine: Table[Spine],
    account_revenue: Table[AccountRevenue],
    crm_accounts: Table[CrmAccounts],
    policy: FirmographicPolicy,
) -> Table[AccountTenures]:
    """Which renewal cohort does each account belong to, and how many annual renewals did it make?

    One row per as_of and account that ever paid, churned ones included: without them every cohort would look
    immortal. The cohort is the size class by what the CRM knows at as_of. Renewals are the anniversaries of the first
    paid day, whatever the contract's term; an account that came back counts as if it had never left.
    """
    paid = account_revenue.filter(account_revenue.first_paid_on.notnull())
    crm = known(crm_accounts, spine).select("as_of", "account_id", "employees", "annual_revenue")
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
    """Of the accounts of a size class that came to their first, second, ... renewal: how many left?

    One row per as_of, cohort and renewal year, from 0 (the first payment) to the oldest account's last anniversary.
    An account counts in the years whose anniversary is past, so that one that left early in its year does not count
    before those that started with it have come to their renewal, too.
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


@table(group="scores")
def clv_parameters(cohort_renewals: Frame[CohortRenewals], policy: LifetimePolicy) -> Frame[ClvParameters]:
    """How does retention of each size class behave, and is there enough history to say so?

    One row per as_of and cohort. With enough accounts and renewals (policy), and accounts that left after their
    first renewal, alpha and beta are the maximum-likelihood fit of the shifted-beta-geometric model to the counts.
    Without, the lifetime is that of a constant churn rate, discounted as the fits are, over a limited number of years
    (policy), and flagged; a cohort that has come to no renewal takes the company's churn rate.
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
    found = pd.DataFrame(rows, columns=pd.Index(["as_of", "cohort", *_PARAMETERS]))
    floats = dict.fromkeys(("alpha", "beta", "churn_rate", "expected_years"), "float64")
    return cast("Frame[ClvParameters]", found.astype(floats))


@table(group="scores")
def clv_lifetimes(
    clv_parameters: Frame[ClvParameters], cohort_renewals: Frame[CohortRenewals], policy: LifetimePolicy
) -> Frame[ClvLifetimes]:
    """How many more yearly payments, discounted, are to be expected of an account of this size class and tenure?

    One row per as_of, cohort and tenure in full years. The next payment (at the coming renewal) counts with its
    probability and undiscounted, each later one a year's discount less; what is already paid does not count.
    Accounts without a fit have the same lifetime at every tenure, flagged.
    """
    histories = _histories(cohort_renewals)
    rows = []
    for found in clv_parameters.to_dict("records"):
        tenures = len(histories[found["as_of"], found["cohort"]].at_risk)
        if found["method"] == SBG:
            lifetimes = residual_lifetimes(found["alpha"], found["beta"], policy.discount_rate, tenures)
        else:
            lifetimes = [found["expected_years"]] * tenures
        shared = {name: found[name] for name in ("as_of", "cohort", "method", "is_flagged")}
        rows += [shared | {"tenure_years": n, "derl": years} for n, years in enumerate(lifetimes)]
    columns = ["as_of", "cohort", "tenure_years", "derl", "method", "is_flagged"]
    return cast("Frame[ClvLifetimes]", pd.DataFrame(rows, columns=pd.Index(columns)))


def full_years(start: ir.DateValue, end: ir.DateValue) -> ir.IntegerValue:
    """Anniversaries of `start` on or before `end`; one of 29 February falls on 1 March in other years."""
    is_before = end.month() * 100 + end.day() < start.month() * 100 + start.day()
    return (end.year() - start.year() - is_before.cast("int32")).cast("int64")


def has_a_fit(at_risk: Sequence[int], churned: Sequence[int]) -> bool:
    """Whether the counts (item t - 1 is renewal t) have a fit: some accounts renewed, and some left later than first.

    If all who ever left did so at their first renewal, the likelihood is highest where everybody else stays for good.
    """
    return sum(churned[1:]) > 0 and sum(at_risk) > sum(churned)


def fit_sbg(at_risk: Sequence[int], churned: Sequence[int]) -> tuple[float, float]:
    """Maximum-likelihood (alpha, beta) of the shifted-beta-geometric model; item t - 1 is renewal t.

    The likelihood is that of a coin toss per account and renewal with churn probability
    alpha / (alpha + beta + t - 1), so accounts of any age count up to their last renewal.
    Raises ValueError for counts without a fit (`has_a_fit`).
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - heavy, and only here

    if not has_a_fit(at_risk, churned):
        raise ValueError("no fit: nobody renewed, or nobody left after the first renewal")
    counts = [(t, lost, faced - lost) for t, (faced, lost) in enumerate(zip(at_risk, churned, strict=True)) if faced]
    total = float(sum(at_risk))

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        # Plain floats: a handful of renewals is too little for arrays to pay, and each backfilled day has its fits.
        alpha, beta = math.exp(logs[0]), math.exp(logs[1])
        likelihood = slope_alpha = slope_beta = 0.0
        for t, lost, kept in counts:
            every, stays = alpha + beta + t, beta + t
            likelihood += lost * math.log(alpha / every) + kept * math.log(stays / every)
            slope_alpha += lost - alpha * (lost + kept) / every
            slope_beta += beta * (kept / stays - (lost + kept) / every)
        return -likelihood / total, np.array([-slope_alpha / total, -slope_beta / total])

    found = minimize(
        loss,
        np.zeros(2),
        jac=True,
        method="TNC",  # L-BFGS-B wakes all of BLAS's threads for two numbers: ten times slower
        bounds=[_LOG_BOUNDS] * 2,
        options={"ftol": 1e-15, "xtol": 1e-12, "gtol": 1e-12, "maxfun": 2000},
    )
    return math.exp(found.x[0]), math.exp(found.x[1])


def residual_lifetimes(alpha: float, beta: float, discount_rate: float, tenures: int) -> list[float]:
    """Discounted expected residual lifetime (years) after 0, 1, ..., `tenures` - 1 renewals.

    With r the retention at the next renewal and v = 1 / (1 + discount rate):
    DERL(n) = r(n + 1) x (1 + v DERL(n + 1)), worked back from so far ahead that the start no longer matters.
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
    """Discounted expected residual lifetime (years) at a constant yearly churn rate, of the next payments alone.

    The sum over the next `most_years` payments of (1 - churn rate)^t / (1 + discount rate)^(t - 1): as in
    `residual_lifetimes`, the next payment counts with its probability and undiscounted.
    """
    retention, v = 1 - churn_rate, 1 / (1 + discount_rate)
    return sum(retention**t * v ** (t - 1) for t in range(1, most_years + 1))


@dataclass(frozen=True)
class _History:
    """One cohort's renewals: item t is renewal year t, item 0 the first payment."""

    at_risk: list[int]
    churned: list[int]


def _histories(cohort_renewals: pd.DataFrame) -> dict[tuple[Any, str], _History]:
    """Per as_of and cohort, in order."""
    rows = cohort_renewals.sort_values(by=["as_of", "cohort", "renewal_year"]).to_dict("records")
    found: dict[tuple[Any, str], _History] = {}
    for row in rows:
        history = found.setdefault((row["as_of"], row["cohort"]), _History([], []))
        history.at_risk.append(int(row["at_risk"]))
        history.churned.append(int(row["churned"]))
    return found


_PARAMETERS = (
    "accounts", "renewal_years", "renewals", "churned", "alpha", "beta", "churn_rate", "expected_years", "method",
    "is_flagged",
)  # fmt: skip


def _parameters(history: _History, company_rate: float | None, policy: LifetimePolicy) -> dict[str, Any]:
    """One cohort's row of `clv_parameters`, without its key."""
    accounts, at_risk, churned = history.at_risk[0], history.at_risk[1:], history.churned[1:]
    renewal_years = sum(faced > 0 for faced in at_risk)
    found = {
        "accounts": accounts,
        "renewal_years": renewal_years,
        "renewals": sum(at_risk) - sum(churned),
        "churned": sum(churned),
        "churn_rate": _churn_rate([history]),
    }
    enough = accounts >= policy.min_accounts and renewal_years >= policy.min_renewals
    if enough and has_a_fit(at_risk, churned):
        alpha, beta = fit_sbg(at_risk, churned)
        return found | {"alpha": alpha, "beta": beta, "method": SBG, "is_flagged": False}
    method, rate = next(_churn_rates(found["churn_rate"], company_rate))
    years = geometric_lifetime(rate, policy.discount_rate, policy.longest_unfitted_years)
    return found | {"expected_years": years, "method": method, "is_flagged": True}


def _churn_rates(own: float | None, company: float | None) -> Iterator[tuple[str, float]]:
    """The yearly churn rates to go by, best first."""
    if own is not None:
        yield "churn_rate", own
    if company is not None:
        yield "company_churn_rate", company
    yield "cap", 0.0


def _churn_rate(histories: Iterable[_History]) -> float | None:
    """Share that left of all renewals that came up; null if none did."""
    cohorts = list(histories)
    at_risk = sum(sum(h.at_risk[1:]) for h in cohorts)
    return sum(sum(h.churned[1:]) for h in cohorts) / at_risk if at_risk else None
