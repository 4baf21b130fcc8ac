"""How much ARR comes up for renewal, and how much of it is likely to stay.

Here: `renewal_forecast`, by quarter, tier and CSM. Not here: the probability that one account leaves
(`scores.churn`), or what renewed in the past (`retention`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.identities import at_most, closes
from segmentation_assets.kpis.intervals import normal_quantile
from segmentation_assets.kpis.periods import UNASSIGNED, AccountPeriods
from segmentation_assets.policy.insights import RenewalPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import money, ratio, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

GROWTH_BASES = ("tier", "company")

_KEY = SNAPSHOT_KEY
_GROUP = ("as_of", "quarter_start", "coverage_tier", "csm_id")
_ARR = "currency per year"
_MONTHS = 12
_QUARTERS_PER_YEAR = 4


class RenewalForecast(Snapshot):
    """ARR due for renewal and at risk. Key: as_of, quarter_start, coverage_tier, csm_id; only groups with ARR due."""

    quarter_start: Day = column("First day of the calendar quarter in which contracts renew.")
    quarters_ahead: Integer = column(
        "Quarters from the quarter of the day after as_of to this one.", unit="quarters", ge=0
    )
    coverage_tier: str = column(
        "Coverage tier at as_of; unassigned: accounts without one.", isin=[*TIERS, UNASSIGNED]
    )
    csm_id: str = column("CSM in the CRM at as_of; unassigned: accounts without one.")
    accounts: Integer = column("Live accounts that renew in the quarter, after as_of.", ge=1)
    low_n: Flag = column("Fewer accounts than `retention.low_n`.")
    accounts_without_risk: Integer = column(
        "Due accounts whose churn risk is not known; they count as staying.", ge=0
    )
    arr_due: float = column("ARR at as_of of the accounts that renew in the quarter.", unit=_ARR, ge=0)
    accounts_leaving: Integer = column("Due accounts that are known to leave.", ge=0)
    arr_leaving: float = column("ARR of the due accounts that are known to leave.", unit=_ARR, ge=0)
    arr_at_risk: float = column(
        "arr_leaving + the sum over the other due accounts of ARR x probability of churn by the renewal.",
        unit=_ARR,
        ge=0,
    )
    expected_accounts_lost: float = column(
        "Sum of the probabilities of churn by the renewal; 1 for accounts known to leave.", unit="accounts", ge=0
    )
    expected_grr_of_churn: float = column(
        "1 - arr_at_risk / arr_due: expected GRR if only churn is lost.", unit="ratio", ge=0, le=1
    )
    growth_of_retained: float = column(
        "ARR at as_of / ARR twelve months before, of the accounts retained over these months.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    growth_basis: str = column(
        "Whose accounts growth_of_retained counts: the tier's, or the company's if the tier has too few; null: no "
        "history.",
        nullable=True,
        isin=GROWTH_BASES,
    )
    expected_nrr: float = column(
        "(arr_due - arr_at_risk) x growth_of_retained / arr_due.", unit="ratio", nullable=True, ge=0
    )
    expected_nrr_low: float = column(
        "Lower end of the interval of expected_nrr. It covers who leaves; growth counts as exact.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    expected_nrr_high: float = column(
        "Upper end of the interval of expected_nrr; at most, all accounts stay.", unit="ratio", nullable=True, ge=0
    )
    reason: str = column(
        "Why expected_nrr is null: no_history (no account had ARR twelve months before); null: it is known.",
        nullable=True,
    )

    @row_rule
    def risk_is_part_of_due(cls, t: ir.Table) -> ir.BooleanValue:
        """arr_leaving <= arr_at_risk <= arr_due, and expected_nrr lies within its interval."""
        inside = at_most(t.expected_nrr_low, t.expected_nrr) & at_most(t.expected_nrr, t.expected_nrr_high)
        return (t.arr_at_risk <= t.arr_due) & at_most(t.arr_leaving, t.arr_at_risk) & inside

    @row_rule
    def grr_is_what_is_not_at_risk(cls, t: ir.Table) -> ir.BooleanValue:
        """arr_due - arr_at_risk = expected_grr_of_churn x arr_due, to the cent."""
        return closes(t.arr_due - t.arr_at_risk, t.expected_grr_of_churn * t.arr_due)

    class Config:
        unique = list(_GROUP)


@table(group="kpis")
def renewal_forecast(
    spine: Table[Spine],
    segments: Table[Segments],
    account_revenue: Table[AccountRevenue],
    account_periods: Table[AccountPeriods],
    policy: RenewalPolicy,
    churn: ChurnPolicy,
    retention: RetentionPolicy,
) -> Table[RenewalForecast]:
    """How much ARR comes up for renewal in the next quarters, how much of it may leave, and how much will stay?

    One row per as_of, quarter, tier and CSM with ARR due. An account is due with all its ARR in the quarter of its
    next renewal. An account that is known to leave is due in the quarter in which it leaves, with all its ARR at
    risk. For the others, churn risk gives the probability p of churn within `churn.horizon_days`. A renewal within
    the horizon has probability p. A renewal n days ahead, beyond the horizon, has 1 - (1 - p) ^ (n / horizon): the
    same risk each day. ARR that stays grows like that of the accounts retained over the last twelve months, by tier,
    or in the whole company where fewer than `retention.low_n` were retained. The interval assumes that accounts
    decide independently.
    """
    rows = accounts_due(segments, account_revenue, spine, churn.horizon_days)
    rows = rows.filter(rows.quarters_ahead.between(0, policy.quarters - 1))
    sums = rows.group_by(*_GROUP, "quarters_ahead").aggregate(
        accounts=rows.count(),
        accounts_without_risk=rows.is_unknown.sum(),
        arr_due=money(rows.arr),
        accounts_leaving=rows.is_leaving.sum(),
        arr_leaving=money(rows.arr, rows.is_leaving).fill_null(0.0),
        arr_at_risk=money(rows.arr * rows.risk),
        expected_accounts_lost=total(rows.risk),
        variance=total(rows.arr * rows.arr * rows.risk * (1 - rows.risk)),
    )
    tier, company = _growth(account_periods, spine, retention.low_n)
    joined = sums.left_join(tier, ["as_of", "coverage_tier"]).select(*sums.columns, "tier_growth")
    joined = joined.left_join(company, "as_of").select(*joined.columns, "company_growth")
    return _columns(joined, normal_quantile(policy.confidence), retention.low_n)


def _quarter(day: ir.DateValue) -> ir.IntegerValue:
    return (day.year() * _QUARTERS_PER_YEAR + day.quarter()).cast("int64")


def accounts_due(segments: ir.Table, revenue: ir.Table, spine: ir.Table, horizon_days: int) -> ir.Table:
    """Live accounts with a renewal, with `risk`: the probability of churn by the renewal. Key: as_of, account_id."""
    states = segments.select(*_KEY, "coverage_tier", "csm_id", "churn_risk")
    live = revenue.filter(revenue.is_live & revenue.renewal_on.notnull()).select(
        *_KEY, "renewal_on", "days_to_renewal", "leaving_on", "arr"
    )
    rows = live.semi_join(spine, "as_of").left_join(states, list(_KEY))
    rows = rows.select(*live.columns, "coverage_tier", "csm_id", "churn_risk")
    rows = rows.mutate(
        quarters_ahead=_quarter(rows.renewal_on) - _quarter(days_after(rows.as_of)),
        quarter_start=rows.renewal_on.truncate("Q").cast("date"),
        is_leaving=rows.leaving_on.notnull(),
    )
    horizons = ibis.greatest(rows.days_to_renewal / horizon_days, 1.0)
    by_renewal = 1 - (1 - rows.churn_risk.fill_null(0.0)) ** horizons
    return rows.select(
        *_KEY,
        "arr",
        "renewal_on",
        "days_to_renewal",
        "quarter_start",
        "quarters_ahead",
        "is_leaving",
        coverage_tier=rows.coverage_tier.fill_null(UNASSIGNED),
        csm_id=rows.csm_id.fill_null(UNASSIGNED),
        is_unknown=rows.churn_risk.isnull() & ~rows.is_leaving,
        risk=ibis.ifelse(rows.is_leaving, 1.0, by_renewal),
    )


def _growth(periods: ir.Table, spine: ir.Table, low_n: int) -> tuple[ir.Table, ir.Table]:
    """ARR now / twelve months before, of retained accounts: by start tier with enough of them, and of the company."""
    kept = (periods.window_months == _MONTHS) & (periods.start_arr > 0) & (periods.end_arr > 0)
    rows = periods.filter(kept).semi_join(spine, "as_of")
    sums = rows.group_by("as_of", coverage_tier=rows.start_tier).aggregate(
        kept=rows.count(), start=money(rows.start_arr), end=money(rows.end_arr)
    )
    tier = sums.filter(sums.kept >= low_n).select(
        "as_of", "coverage_tier", tier_growth=ratio(ibis._.end, ibis._.start)
    )
    company = sums.group_by("as_of").aggregate(company_growth=ratio(money(sums.end), money(sums.start)))
    return tier, company


def _columns(rows: ir.Table, deviations: float, low_n: int) -> ir.Table:
    growth = ibis.coalesce(rows.tier_growth, rows.company_growth)
    rows = rows.mutate(growth_of_retained=growth, stays=1 - ratio(rows.arr_at_risk, rows.arr_due))
    half = ratio(rows.variance.sqrt() * deviations, rows.arr_due)
    return rows.select(
        *_GROUP,
        "quarters_ahead",
        "accounts",
        "accounts_without_risk",
        "arr_due",
        "accounts_leaving",
        "arr_leaving",
        "arr_at_risk",
        "expected_accounts_lost",
        "growth_of_retained",
        low_n=rows.accounts < low_n,
        expected_grr_of_churn=rows.stays,
        growth_basis=ibis.cases((rows.tier_growth.notnull(), "tier"), (rows.company_growth.notnull(), "company")),
        expected_nrr=rows.stays * rows.growth_of_retained,
        expected_nrr_low=ibis.greatest(rows.stays - half, 0.0) * rows.growth_of_retained,
        expected_nrr_high=ibis.least(rows.stays + half, 1.0) * rows.growth_of_retained,
        reason=ibis.ifelse(rows.growth_of_retained.isnull(), "no_history", ibis.null("string")),
    )
