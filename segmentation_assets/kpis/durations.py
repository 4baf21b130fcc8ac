"""Time to an event that many accounts have not had yet: Kaplan-Meier medians.

Here: `durations`, the counts behind the curves, and `median_durations`. Not here: the KPIs that show the medians
(`retention`, `migration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.intervals import normal_quantile
from segmentation_assets.kpis.periods import AccountPeriods
from segmentation_assets.policy.kpis import QUARTER_MONTHS, MigrationPolicy, SurvivalPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import ratio
from segmentation_assets.tables.as_of import FromPolicy, Spine, months_ago
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import months_before
from segmentation_assets.tables.registry import Table, table

FIRST_EXPANSION = "first_expansion"
DOWNGRADE_TO_CHURN = "downgrade_to_churn"
COMPANY, TIER, SEGMENT = "company", "coverage_tier", "segment"
WHOLE_LIFE = 0
"""`window_months` of durations that cover all accounts, not a cohort at t0."""

_DAYS_PER_MONTH = 365.25 / 12
_HALF = 0.5
SHARE_QUARTERS = (2, 3)
"""Quarters with a probability column; the column names contain them."""
_SHARE_DIGITS = 12  # rounds off binary noise before a share is compared with one half
_KEY = SNAPSHOT_KEY
_CURVE = ("as_of", "duration", "grouping", "member", "window_months")


class _Curve(Snapshot):
    duration: str = column(
        "Which time: from first payment to first expansion, or from a downgrade to churn.",
        isin=[FIRST_EXPANSION, DOWNGRADE_TO_CHURN],
    )
    grouping: str = column("Whether member is the company, a tier or a segment.", isin=[COMPANY, TIER, SEGMENT])
    member: str = column("Tier or segment of the accounts at the start of the period, or company.")
    window_months: Integer = column(
        "Length of the period at whose start accounts had that tier or segment; 0 for the company: no cohort.",
        unit="months",
        ge=0,
    )


class Durations(_Curve):
    """Number of accounts by days waited. Key: all columns except accounts."""

    days: Integer = column(
        "Days until the event, or until the account was last observed without it.", unit="days", ge=0
    )
    has_happened: Flag = column("The event happened; false: the account was still waiting (censored).")
    accounts: Integer = column("Accounts with this number of days and this outcome.", ge=1)

    class Config:
        unique = [*_CURVE, "days", "has_happened"]


class MedianDurations(_Curve):
    """Median time and probability of the event. Key: as_of, duration, grouping, member, window_months."""

    median_months: float = column(
        "Kaplan-Meier median; null where the curve stays above one half.", unit="months", nullable=True, ge=0
    )
    low_months: float = column(
        "Lower end of the median's confidence interval; null: the curve does not reach it.",
        unit="months",
        nullable=True,
        ge=0,
    )
    high_months: float = column(
        "Upper end of the median's confidence interval; null: the curve does not reach it.",
        unit="months",
        nullable=True,
        ge=0,
    )
    share_2q: float = column(
        "Kaplan-Meier probability of the event within two quarters; null: no account was observed that long.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    share_2q_low: float = column(
        "Lower end of the confidence interval of share_2q.", unit="share", nullable=True, ge=0, le=1
    )
    share_2q_high: float = column(
        "Upper end of the confidence interval of share_2q.", unit="share", nullable=True, ge=0, le=1
    )
    share_3q: float = column(
        "Kaplan-Meier probability of the event within three quarters; null: no account was observed that long.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    share_3q_low: float = column(
        "Lower end of the confidence interval of share_3q.", unit="share", nullable=True, ge=0, le=1
    )
    share_3q_high: float = column(
        "Upper end of the confidence interval of share_3q.", unit="share", nullable=True, ge=0, le=1
    )
    accounts: Integer = column("Accounts that the curve is estimated from.", ge=1)
    happened: Integer = column("Accounts of the curve that had the event.", ge=0)

    class Config:
        unique = list(_CURVE)


@table(
    group="kpis",
    reads={
        "segments": FromPolicy(
            MigrationPolicy,
            lambda p: months_ago(*range(0, QUARTER_MONTHS * (p.lag_quarters + 1), QUARTER_MONTHS)),
        )
    },
)
def durations(
    spine: Table[Spine],
    account_revenue: Table[AccountRevenue],
    account_periods: Table[AccountPeriods],
    segments: Table[Segments],
    migration: MigrationPolicy,
) -> Table[Durations]:
    """How many days passed until accounts expanded for the first time, or churned after a downgrade?

    One row per as_of, curve, number of days and outcome. Time to first expansion starts with the first payment;
    accounts without expansion count up to churn or as_of. The company's curve has all accounts that ever paid; curves
    of tiers and segments have the accounts that were in them at the start of the period. A downgrade is the first
    fall to a lower tier between the ends of the last `migration.lag_quarters` quarters up to as_of. Time to churn
    starts with the account's first day in the lower tier, or with the quarter's end where that day is outside the
    quarter. An account that left before its fall does not count.
    """
    waits = _first_expansions(spine, account_revenue)
    company = waits.mutate(
        duration=ibis.literal(FIRST_EXPANSION),
        grouping=ibis.literal(COMPANY),
        member=ibis.literal(COMPANY),
        window_months=ibis.literal(WHOLE_LIFE, "int64"),
    )
    curves = [company, *(_of_cohort(waits, account_periods, g, f"start_{c}") for g, c in _COHORTS.items())]
    curves.append(_downgrades(spine, segments, account_revenue, migration))
    columns = (*_CURVE, "days", "has_happened")
    rows = reduce(lambda one, other: one.union(other), [c.select(*columns) for c in curves])
    return rows.group_by(*columns).aggregate(accounts=rows.count())


_COHORTS: Mapping[str, str] = {TIER: "tier", SEGMENT: "segment"}


def _first_expansions(spine: ir.Table, account_revenue: ir.Table) -> ir.Table:
    """Per account that ever paid: days from the first payment to the first expansion, to churn, or to as_of."""
    rows = account_revenue.join(spine.select("as_of"), "as_of")
    rows = rows.filter(rows.first_paid_on.notnull())
    seen = ibis.coalesce(rows.churned_on, rows.as_of).delta(rows.first_paid_on, unit="day")
    expanded = (rows.months_to_first_expansion * _DAYS_PER_MONTH).round().cast("int64")
    return rows.select(
        *_KEY,
        days=ibis.coalesce(expanded, ibis.greatest(seen, 0)).cast("int64"),
        has_happened=rows.months_to_first_expansion.notnull(),
    )


def _of_cohort(waits: ir.Table, account_periods: ir.Table, grouping: str, start: str) -> ir.Table:
    cohort = account_periods.filter(account_periods[start].notnull())
    rows = waits.join(cohort.select(*_KEY, "window_months", member=start), list(_KEY))
    return rows.mutate(duration=ibis.literal(FIRST_EXPANSION), grouping=ibis.literal(grouping))


def _downgrades(spine: ir.Table, segments: ir.Table, account_revenue: ir.Table, policy: MigrationPolicy) -> ir.Table:
    """Per account that fell: days from the first fall to churn, or to as_of."""
    falls = [_falls(spine, segments, quarter) for quarter in range(policy.lag_quarters)]
    all_falls = reduce(lambda one, other: one.union(other), falls)
    first = all_falls.group_by(*_KEY).aggregate(fell_on=all_falls.fell_on.min())
    rows = first.join(account_revenue.select(*_KEY, "churned_on"), list(_KEY))
    # Billing knows at as_of that these accounts had left before the fall: it was none.
    rows = rows.filter(rows.churned_on.isnull() | (rows.churned_on >= rows.fell_on))
    return rows.select(
        "as_of",
        duration=ibis.literal(DOWNGRADE_TO_CHURN),
        grouping=ibis.literal(COMPANY),
        member=ibis.literal(COMPANY),
        window_months=ibis.literal(WHOLE_LIFE, "int64"),
        days=ibis.coalesce(rows.churned_on, rows.as_of).delta(rows.fell_on, unit="day").cast("int64"),
        has_happened=rows.churned_on.notnull(),
    )


def _falls(spine: ir.Table, segments: ir.Table, quarter: int) -> ir.Table:
    """Accounts in a lower tier at the end of a quarter (0: the one that ends at as_of) than at its start."""
    days = spine.select(
        "as_of",
        start=months_before(spine.as_of, QUARTER_MONTHS * (quarter + 1)),
        end=months_before(spine.as_of, QUARTER_MONTHS * quarter),
    )
    before = segments.select(day="as_of", account="account_id", tier_before="coverage_tier")
    after = segments.select("account_id", "tier_since", end_day="as_of", tier_after="coverage_tier")
    rows = days.join(after, days.end == after.end_day)
    rows = rows.join(before, [rows.start == before.day, rows.account_id == before.account])
    fell = rows.filter(tier_rank(rows.tier_after) > tier_rank(rows.tier_before))
    # A first day in the tier is known only as far back as the tables go. Outside the quarter, its end counts instead.
    is_inside = (fell.tier_since > fell.start) & (fell.tier_since <= fell.end)
    return fell.select(*_KEY, fell_on=ibis.ifelse(is_inside, fell.tier_since, fell.end))


def tier_rank(tier: ir.StringValue) -> ir.IntegerValue:
    """0 for the highest tier, 1 for the next, and so on; null for a value that is no tier."""
    return ibis.cases(*((tier == name, rank) for rank, name in enumerate(TIERS)), else_=ibis.null("int8"))


@table(group="kpis")
def median_durations(durations: Table[Durations], policy: SurvivalPolicy) -> Table[MedianDurations]:
    """How long until half of the accounts expand for the first time, or churn after a downgrade?

    One row per as_of and curve. Kaplan-Meier: accounts that still wait count for the time they were observed. The
    median is the first day on which at most half still wait. Its interval is where the curve's confidence limits
    (Greenwood's variance, log-log, `survival.confidence`; Kalbfleisch & Prentice) cross one half. A curve that stays
    above one half has no median. The probabilities for two and three quarters are 1 - the curve.
    """
    curves = _limits(_survival(durations), normal_quantile(policy.confidence))

    def first_day(share_waiting: str) -> ir.FloatingValue:
        reached = curves[share_waiting].round(_SHARE_DIGITS) <= _HALF
        return curves.days.min(where=reached) / _DAYS_PER_MONTH

    def share(quarters: int, share_waiting: str) -> ir.FloatingValue:
        day = round(quarters * QUARTER_MONTHS * _DAYS_PER_MONTH)
        waiting = curves[share_waiting].argmax(curves.days, where=curves.days <= day).fill_null(1.0)
        is_seen = (curves.days.max() >= day) | (curves.waiting.min() == 0)
        return only_if(is_seen, (1 - waiting).round(_SHARE_DIGITS))

    shares = {
        f"share_{quarters}q{end}": share(quarters, waiting)
        for quarters in SHARE_QUARTERS
        for end, waiting in (("", "waiting"), ("_low", "waiting_high"), ("_high", "waiting_low"))
    }
    return curves.group_by(*_CURVE).aggregate(
        **shares,
        median_months=first_day("waiting"),
        low_months=first_day("waiting_low"),
        high_months=first_day("waiting_high"),
        accounts=curves.gone.sum(),
        happened=curves.happened.sum(),
    )


def _survival(durations: ir.Table) -> ir.Table:
    """The product-limit estimate day by day: `waiting`, the share that still waits, and Greenwood's `variance`.

    `variance` is the variance of ln(`waiting`). It is null on the day on which the event happens to all accounts that
    are left: nobody waits after that.
    """
    days = durations.group_by(*_CURVE, "days").aggregate(
        happened=durations.accounts.sum(where=durations.has_happened).fill_null(0), gone=durations.accounts.sum()
    )
    so_far = ibis.window(group_by=_CURVE, order_by=days.days, preceding=None, following=0)
    whole = ibis.window(group_by=_CURVE, order_by=days.days, preceding=None, following=None)
    # All sums use one order of days, because sorting is most of the work.
    days = days.mutate(at_risk=days.gone.sum().over(whole) - days.gone.sum().over(so_far) + days.gone)
    left = (days.at_risk - days.happened).nullif(0)
    days = days.mutate(
        log_step=ratio(left, days.at_risk).ln(),
        variance_step=ratio(days.happened, days.at_risk * left),
        is_last=left.isnull(),
    )
    so_far = ibis.window(group_by=_CURVE, order_by=days.days, preceding=None, following=0)
    return days.mutate(
        waiting=ibis.ifelse(days.is_last, 0.0, days.log_step.sum().over(so_far).exp()),
        variance=days.variance_step.sum().over(so_far),
    )


def _limits(curves: ir.Table, deviations: float) -> ir.Table:
    """Adds the confidence limits of `waiting`. Both are 0 where nobody waits, and 1 where everybody waits."""
    log = ibis.ifelse(curves.waiting > 0, curves.waiting, 1.0).ln()
    spread = deviations * curves.variance.sqrt() / log.nullif(0.0)
    limits = {"waiting_low": (log * (-spread).exp()).exp(), "waiting_high": (log * spread.exp()).exp()}
    return curves.mutate(
        **{name: ibis.ifelse(curves.waiting > 0, limit.fill_null(1.0), 0.0) for name, limit in limits.items()}
    )
