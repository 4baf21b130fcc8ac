"""KPIs of the company, of every coverage tier and of every segment.

Here: `company_kpis`, `tier_kpis`, `segment_kpis`: retention, the bridge, efficiency, health, load, each beside its
target and benchmark. Not here: what one account did (`periods`), how long things take (`durations`), migration
between tiers (`migration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import (
    CsmRoster,
    FxRates,
    GtmSpend,
)
from segmentation_assets.tables.calendar import each, windows
from segmentation_assets.kpis.durations import COMPANY, FIRST_EXPANSION, SEGMENT, TIER, MedianDurations
from segmentation_assets.kpis.efficiency import SalesEfficiency, spend_in
from segmentation_assets.kpis.identities import agrees, at_most, closes
from segmentation_assets.kpis.periods import UNASSIGNED, AccountPeriods
from segmentation_assets.kpis.standings import AccountStandings
from segmentation_assets.kpis.workloads import AccountWorkloads, csm_productive_hours
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.kpis import (
    BenchmarkPolicy,
    HealthBandPolicy,
    ProductivityPolicy,
    RetentionPolicy,
    TargetPolicy,
)
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import (
    Day,
    Flag,
    Integer,
    Snapshot,
    column,
    ibis_schema,
    row_rule,
)
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

STATUSES = ("met", "missed", "no_target", "unknown")
POSITIONS = ("below_median", "median", "above_median", "top_quartile", "elite")
REASONS = ("no_history", "no_accounts_at_start")

_ARR = "currency per year"
_KEY = ("as_of", "window_months", "member")
_CENTS = 2
_RATIO_DIGITS = 9  # a ratio that is a target to the last digit but one meets it
_MONTHS_PER_YEAR = 12


class Kpis(Snapshot):
    """Figures of a group of accounts over a period that ends at as_of.

    Where an account belongs at the start of the period decides whose loss or growth it is; where it belongs at the
    end, whose new account. Ratios are fractions, at the exchange rates of the period's start.
    """

    # What people look for first
    window_months: Integer = column("Length of the period.", unit="months", ge=1)
    accounts: Integer = column("Live accounts at as_of.", ge=0)
    arr: float = column("Their ARR at the rates of as_of.", unit=_ARR, ge=0)
    nrr: float = column("Net revenue retention: cohort_end_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    nrr_target: float = column("At least this.", unit="ratio", nullable=True)
    nrr_status: str = column("met, missed, no_target or unknown.", isin=STATUSES)
    grr: float = column("Gross revenue retention: retained_arr / start_arr.", unit="ratio", nullable=True, ge=0)
    grr_target: float = column("At least this.", unit="ratio", nullable=True)
    grr_status: str = column("met, missed, no_target or unknown.", isin=STATUSES)
    logo_retention: float = column("retained_accounts / start_accounts.", unit="share", nullable=True, ge=0, le=1)
    expansion_rate: float = column(
        "expanded_accounts / start_accounts, lost ones included.", unit="share", nullable=True, ge=0, le=1
    )
    starts_on: Day = column("t0: the period compares the end of this day with the end of as_of.")
    reason: str = column(
        "Why there is no retention: no_history (billing starts after t0), no_accounts_at_start; null: there is.",
        nullable=True,
        isin=REASONS,
    )
    # Size at as_of
    arr_share: float = column("Of the company's ARR; null: it has none.", unit="share", nullable=True, ge=0, le=1)
    # The closed cohort
    start_accounts: Integer = column("Accounts with ARR at t0: the cohort.", ge=0)
    start_arr: float = column("The cohort's ARR at t0.", unit=_ARR, ge=0)
    cohort_end_arr: float = column("The same accounts' ARR at as_of.", unit=_ARR, ge=0)
    retained_arr: float = column("Sum of each account's smaller one of both.", unit=_ARR, ge=0)
    retained_accounts: Integer = column("Accounts of the cohort with ARR at as_of.", ge=0)
    expanded_accounts: Integer = column("Accounts of the cohort that grew.", ge=0)
    contracted_accounts: Integer = column("Accounts of the cohort that shrank and stayed.", ge=0)
    churned_accounts: Integer = column("Accounts of the cohort without ARR at as_of.", ge=0)
    new_accounts: Integer = column("Accounts that first paid in the period and still do.", ge=0)
    reactivated_accounts: Integer = column("Accounts back after a time without ARR.", ge=0)
    nrr_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    nrr_target_high: float = column("Upper end of the aim.", unit="ratio", nullable=True)
    nrr_benchmark_low: float = column(
        "Median of whole companies over a year, lower end.", unit="ratio", nullable=True
    )
    nrr_benchmark_high: float = column("The same, upper end.", unit="ratio", nullable=True)
    nrr_position: str = column(
        "Where NRR stands among whole companies; null: unknown, or not a year.", nullable=True, isin=POSITIONS
    )
    grr_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    logo_retention_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    expansion_rate_low_n: Flag = column("Fewer accounts than `retention.low_n` at t0.")
    # The bridge
    new_arr: float = column("ARR of new accounts.", unit=_ARR, ge=0)
    expansion_arr: float = column("Growth of the cohort's accounts.", unit=_ARR, ge=0)
    contraction_arr: float = column("Shrinking of the cohort's accounts that stayed.", unit=_ARR, ge=0)
    churned_arr: float = column("ARR at t0 of the cohort's accounts that left.", unit=_ARR, ge=0)
    reactivated_arr: float = column("ARR of accounts that came back; beside NRR, not in it.", unit=_ARR, ge=0)
    migrated_in_arr: float = column("ARR at as_of of accounts that came from another group.", unit=_ARR, ge=0)
    migrated_out_arr: float = column("ARR at as_of of accounts that went to another group.", unit=_ARR, ge=0)
    migrated_in_accounts: Integer = column("Those that came.", ge=0)
    migrated_out_accounts: Integer = column("Those that went.", ge=0)
    fx_arr: float = column("What exchange rates did, in the group at as_of.", unit=_ARR)
    end_arr: float = column("What the bridge ends at: ARR at as_of at its rates.", unit=_ARR, ge=0)
    quick_ratio: float = column(
        "(new + reactivated + expansion) / (contraction + churned); null: nothing lost.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    expansion_share: float = column("expansion / (new + expansion).", unit="share", nullable=True, ge=0, le=1)
    expansion_share_benchmark_low: float = column("Median of whole companies.", unit="share", nullable=True)
    expansion_share_benchmark_high: float = column("From here on among the top.", unit="share", nullable=True)
    arr_growth: float = column(
        "ARR at as_of / ARR at t0 - 1, both at the rates of t0, new (of a group, also migrated) accounts included.",
        unit="ratio",
        nullable=True,
        ge=-1,
    )
    arr_growth_benchmark_low: float = column(
        "Median of whole companies over a year, lower end.", unit="ratio", nullable=True
    )
    arr_growth_benchmark_high: float = column("The same, upper end.", unit="ratio", nullable=True)
    # Time to first expansion
    time_to_first_expansion_months: float = column(
        "Kaplan-Meier median from the first payment; null where the curve stays above one half.",
        unit="months",
        nullable=True,
        ge=0,
    )
    time_to_first_expansion_low: float = column(
        "Its confidence interval, lower end.", unit="months", nullable=True, ge=0
    )
    time_to_first_expansion_high: float = column("Upper end; null: open.", unit="months", nullable=True, ge=0)
    time_to_first_expansion_accounts: Integer = column("Accounts that it is estimated from.", ge=0)
    time_to_first_expansion_low_n: Flag = column("Fewer than `retention.low_n` of them.")
    # Health at as_of
    health_accounts: Integer = column("Live accounts with a health score.", ge=0)
    healthy_share: float = column("Of them, in the healthy band.", unit="share", nullable=True, ge=0, le=1)
    watch_share: float = column("In the band between.", unit="share", nullable=True, ge=0, le=1)
    risk_share: float = column("In the lowest band.", unit="share", nullable=True, ge=0, le=1)
    health_low_n: Flag = column("Fewer than `retention.low_n` of them.")
    # Cost and load of the accounts live at as_of
    cost_to_serve: float = column("Cost to serve, per year.", unit=_ARR, nullable=True, ge=0)
    cost_share_of_arr: float = column(
        "Cost to serve / ARR of the accounts whose cost is known.", unit="ratio", nullable=True, ge=0
    )
    gross_margin_share: float = column(
        "Gross margin / ARR of the accounts whose margin is known.", unit="ratio", nullable=True, le=1
    )
    tickets: Integer = column("Tickets opened in the period; null: no ticket extract.", nullable=True, ge=0)
    self_service_sessions: Integer = column(
        "Self-service sessions in the period; null: no such extract.", nullable=True, ge=0
    )
    self_service_ratio: float = column("Sessions / (sessions + tickets).", unit="share", nullable=True, ge=0, le=1)
    csm_hours: float = column(
        "CSM hours logged on them in the period; null: no time entries.", unit="hours", nullable=True, ge=0
    )
    utilisation: float = column(
        "Customer hours / productive hours in the period; a CSM's productive hours count where the hours went.",
        unit="ratio",
        nullable=True,
        ge=0,
    )
    expansion_pipeline: float = column(
        "Open expansion opportunities at as_of; null: no opportunity extract.", unit=_ARR, nullable=True, ge=0
    )

    @row_rule
    def bridge_closes(cls, t: ir.Table) -> ir.BooleanValue:
        """start + expansion - contraction - churned + in - out + new + reactivated + FX = end, to the cent."""
        kept = t.start_arr + t.expansion_arr - t.contraction_arr - t.churned_arr
        moved = kept + t.migrated_in_arr - t.migrated_out_arr
        return closes(t.end_arr, moved + t.new_arr + t.reactivated_arr + t.fx_arr)

    @row_rule
    def bridge_ends_at_arr(cls, t: ir.Table) -> ir.BooleanValue:
        """The bridge, made of subscriptions, ends at the ARR of the profiles."""
        return closes(t.end_arr, t.arr)

    @row_rule
    def cohort_is_closed(cls, t: ir.Table) -> ir.BooleanValue:
        """What the cohort ends at is its start, grown and shrunk: nothing new or reactivated is in it."""
        return closes(t.cohort_end_arr, t.start_arr + t.expansion_arr - t.contraction_arr - t.churned_arr)

    @row_rule
    def retention_is_its_amounts(cls, t: ir.Table) -> ir.BooleanValue:
        """NRR and GRR are what the cohort ends at and retains, over its start; unknown without a start."""
        known = (t.start_arr > 0) == t.nrr.notnull()
        net = t.nrr.isnull() | closes(t.nrr * t.start_arr, t.cohort_end_arr)
        return known & net & (t.grr.isnull() | closes(t.grr * t.start_arr, t.retained_arr))

    @row_rule
    def gross_is_at_most_net(cls, t: ir.Table) -> ir.BooleanValue:
        """GRR <= min(1, NRR)."""
        return at_most(t.grr, t.nrr) & (t.grr.isnull() | at_most(t.grr, 1))

    @row_rule
    def cohort_adds_up(cls, t: ir.Table) -> ir.BooleanValue:
        """An account of the cohort stayed or left."""
        return t.start_accounts == t.retained_accounts + t.churned_accounts

    @row_rule
    def accounts_close(cls, t: ir.Table) -> ir.BooleanValue:
        """Accounts at t0 - left + came - went + new + reactivated = accounts at as_of."""
        moved = t.retained_accounts + t.migrated_in_accounts - t.migrated_out_accounts
        return t.accounts == moved + t.new_accounts + t.reactivated_accounts

    @row_rule
    def reason_where_unknown(cls, t: ir.Table) -> ir.BooleanValue:
        """Retention is known, or the reason why not is."""
        return t.reason.isnull() == t.nrr.notnull()


class TierKpis(Kpis):
    """How does every coverage tier do? Key: as_of, coverage_tier, window_months; always all tiers and unassigned."""

    coverage_tier: str = column(
        "Coverage tier; unassigned: accounts with ARR that had none.", isin=[*TIERS, UNASSIGNED]
    )

    class Config:
        unique = ["as_of", "coverage_tier", "window_months"]


class Acquisition(Kpis):
    """What new revenue costs, where spend is known: of the company and of segments."""

    gtm_spend: float = column(
        "Sales and marketing spend of the period; shared spend by share of new and expansion ARR.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    cac_payback_months: float = column(
        "Spend / (new ARR / 12 x gross margin share).", unit="months", nullable=True, ge=0
    )
    cac_payback_blended_months: float = column(
        "Spend / ((new + expansion ARR) / 12 x gross margin share).", unit="months", nullable=True, ge=0
    )


class SegmentKpis(Acquisition):
    """How does every segment do? Key: as_of, segment, window_months; always all segments and unassigned."""

    segment: str = column("Segment; unassigned: accounts with ARR that had none.", isin=[*SEGMENTS, UNASSIGNED])

    class Config:
        unique = ["as_of", "segment", "window_months"]


class CompanyKpis(Acquisition):
    """How does the company do? Key: as_of, window_months.

    The columns `tiers_...` and `segments_...` are sums over `tier_kpis` and `segment_kpis`: a row where they are not
    the company's own figures breaks the contract.
    """

    logo_churn: float = column("1 - logo retention.", unit="share", nullable=True, ge=0, le=1)
    logo_churn_benchmark: float = column(
        "Logo churn of other companies in a month; periods of one month only. Shown, not scored.",
        unit="share",
        nullable=True,
    )
    magic_number: float = column(
        "(revenue of the three months up to as_of - revenue of the three before) x 4 / spend of the three before.",
        unit="ratio",
        nullable=True,
    )
    tiers_accounts: Integer = column("Sum over tiers of accounts.", ge=0)
    tiers_start_arr: float = column("Sum over tiers of start_arr.", unit=_ARR)
    tiers_new_arr: float = column("Sum over tiers of new_arr.", unit=_ARR)
    tiers_expansion_arr: float = column("Sum over tiers of expansion_arr.", unit=_ARR)
    tiers_contraction_arr: float = column("Sum over tiers of contraction_arr.", unit=_ARR)
    tiers_churned_arr: float = column("Sum over tiers of churned_arr.", unit=_ARR)
    tiers_reactivated_arr: float = column("Sum over tiers of reactivated_arr.", unit=_ARR)
    tiers_migrated_in_arr: float = column("Sum over tiers of migrated_in_arr.", unit=_ARR)
    tiers_migrated_out_arr: float = column("Sum over tiers of migrated_out_arr.", unit=_ARR)
    tiers_fx_arr: float = column("Sum over tiers of fx_arr.", unit=_ARR)
    tiers_end_arr: float = column("Sum over tiers of end_arr.", unit=_ARR)
    tiers_nrr: float = column("NRR of start tiers, weighted by start ARR.", unit="ratio", nullable=True)
    tiers_grr: float = column("GRR of start tiers, weighted by start ARR.", unit="ratio", nullable=True)
    segments_start_arr: float = column("Sum over segments of start_arr.", unit=_ARR)
    segments_end_arr: float = column("Sum over segments of end_arr.", unit=_ARR)
    segments_nrr: float = column("NRR of start segments, weighted by start ARR.", unit="ratio", nullable=True)

    @row_rule
    def tiers_sum_to_company(cls, t: ir.Table) -> ir.BooleanValue:
        """Every amount of the bridge is the sum over tiers, and accounts are too."""
        start = closes(t.tiers_start_arr, t.start_arr) & closes(t.tiers_end_arr, t.end_arr)
        gained = closes(t.tiers_new_arr, t.new_arr) & closes(t.tiers_reactivated_arr, t.reactivated_arr)
        grown = closes(t.tiers_expansion_arr, t.expansion_arr) & closes(t.tiers_fx_arr, t.fx_arr)
        lost = closes(t.tiers_contraction_arr, t.contraction_arr) & closes(t.tiers_churned_arr, t.churned_arr)
        return start & gained & grown & lost & (t.tiers_accounts == t.accounts)

    @row_rule
    def migration_cancels(cls, t: ir.Table) -> ir.BooleanValue:
        """What leaves one tier comes to another."""
        return closes(t.tiers_migrated_in_arr, t.tiers_migrated_out_arr)

    @row_rule
    def tier_retention_is_company_retention(cls, t: ir.Table) -> ir.BooleanValue:
        """Retention of start tiers, weighted by start ARR, is the company's."""
        return agrees(t.tiers_nrr, t.nrr) & agrees(t.tiers_grr, t.grr)

    @row_rule
    def segments_sum_to_company(cls, t: ir.Table) -> ir.BooleanValue:
        """Segments add up to the company too."""
        sums = closes(t.segments_start_arr, t.start_arr) & closes(t.segments_end_arr, t.end_arr)
        return sums & agrees(t.segments_nrr, t.nrr)

    class Config:
        unique = ["as_of", "window_months"]


@dataclass(frozen=True)
class Grouping:
    """How accounts are grouped: the key column, the columns of `account_periods`, and all members."""

    name: str
    column: str
    start: str
    end: str
    members: tuple[str, ...]


_TIER = Grouping(TIER, "coverage_tier", "start_tier", "end_tier", (*TIERS, UNASSIGNED))
_SEGMENT = Grouping(SEGMENT, "segment", "start_segment", "end_segment", (*SEGMENTS, UNASSIGNED))
_COMPANY = Grouping(COMPANY, COMPANY, "start_company", "end_company", (COMPANY,))


@table(group="kpis")
def tier_kpis(
    spine: Table[Spine],
    account_periods: Table[AccountPeriods],
    account_standings: Table[AccountStandings],
    account_workloads: Table[AccountWorkloads],
    median_durations: Table[MedianDurations],
    policy: RetentionPolicy,
    targets: TargetPolicy,
    benchmarks: BenchmarkPolicy,
    bands: HealthBandPolicy,
) -> Table[TierKpis]:
    """How does every coverage tier retain, expand and cost, against its targets?

    One row per as_of, tier and window of 12, 3 and 1 months; tiers without accounts too, and `unassigned` for
    accounts that have ARR but no tier. Retention, expansion and losses count in the tier at the start of the period,
    new and reactivated ARR in the tier at its end, and what an account that changed tier is worth at the end
    migrates: so the bridge of every tier closes, and tiers add up to the company. Accounts, ARR, health, cost,
    tickets, hours and pipeline are those of the accounts in the tier at as_of.
    """
    groups = (account_periods, account_standings, account_workloads, median_durations)
    rows = _judged(group_figures(spine, *groups, policy, bands, _TIER), _TIER, policy, targets, benchmarks)
    return _columns(rows, TierKpis)


@table(group="kpis")
def segment_kpis(
    spine: Table[Spine],
    account_periods: Table[AccountPeriods],
    account_standings: Table[AccountStandings],
    account_workloads: Table[AccountWorkloads],
    median_durations: Table[MedianDurations],
    gtm_spend: Table[GtmSpend],
    fx_rates: Table[FxRates],
    company: CompanyPolicy,
    policy: RetentionPolicy,
    targets: TargetPolicy,
    benchmarks: BenchmarkPolicy,
    bands: HealthBandPolicy,
) -> Table[SegmentKpis]:
    """How does every segment retain, expand and cost, and what does it cost to win?

    One row per as_of, segment and window, made like tier_kpis with the segment in the place of the tier. Spend on a
    segment is its own plus a share of what was spent on all, by new and expansion ARR; CAC payback divides it by the
    gross margin of a month of the new ARR (blended: of new and expansion ARR).
    """
    groups = (account_periods, account_standings, account_workloads, median_durations)
    rows = group_figures(spine, *groups, policy, bands, _SEGMENT)
    rows = _judged(rows, _SEGMENT, policy, targets, benchmarks)
    spend = _period_spend(spine, gtm_spend, fx_rates, company, policy)
    return _columns(_payback(_segment_spend(rows, spend)), SegmentKpis)


@table(group="kpis")
def company_kpis(
    spine: Table[Spine],
    account_periods: Table[AccountPeriods],
    account_standings: Table[AccountStandings],
    account_workloads: Table[AccountWorkloads],
    median_durations: Table[MedianDurations],
    csm_roster: Table[CsmRoster],
    gtm_spend: Table[GtmSpend],
    fx_rates: Table[FxRates],
    sales_efficiency: Table[SalesEfficiency],
    tier_kpis: Table[TierKpis],
    segment_kpis: Table[SegmentKpis],
    company: CompanyPolicy,
    policy: RetentionPolicy,
    targets: TargetPolicy,
    benchmarks: BenchmarkPolicy,
    bands: HealthBandPolicy,
    productivity: ProductivityPolicy,
) -> Table[CompanyKpis]:
    """How does the company retain, expand, grow and spend, beside what other companies reach?

    One row per as_of and window of 12, 3 and 1 months. Annual retention compares a closed cohort at two points in
    time; it is no product or sum of months. Utilisation is all customer hours logged over the productive hours of all
    CSMs on the roster. The magic number is that of the last three months in every row. Sums over tiers and segments
    stand beside the company's own figures, and must equal them.
    """
    groups = (account_periods, account_standings, account_workloads, median_durations)
    rows = group_figures(spine, *groups, policy, bands, _COMPANY)
    rows = _judged(rows, _COMPANY, policy, targets, benchmarks)
    spend = _period_spend(spine, gtm_spend, fx_rates, company, policy)
    total = spend.group_by("as_of", "window_months").aggregate(gtm_spend=spend.spend.sum().round(_CENTS))
    rows = _payback(_joined(rows, total, "as_of", "window_months"))
    rows = _joined(rows, sales_efficiency.select("as_of", "magic_number"), "as_of")
    utilisation = _company_utilisation(spine, account_workloads, csm_roster, policy, productivity)
    rows = _joined(rows, utilisation, "as_of", "window_months")
    rows = _joined(rows, _sums(tier_kpis, "tiers", _TIER_SUMS), "as_of", "window_months")
    rows = _joined(rows, _sums(segment_kpis, "segments", _SEGMENT_SUMS), "as_of", "window_months")
    month_churn = ibis.literal(benchmarks.monthly_logo_churn.low)
    rows = rows.mutate(
        utilisation=rows.company_utilisation,
        logo_churn=1 - rows.logo_retention,
        logo_churn_benchmark=ibis.ifelse(rows.window_months == 1, month_churn, ibis.null("float64")),
    )
    return _columns(rows, CompanyKpis)


def _columns(rows: ir.Table, contract: type[Kpis]) -> ir.Table:
    return rows.select(*(name for name in ibis_schema(contract) if name != POLICY_HASH))


def _joined(rows: ir.Table, figures: ir.Table, *key: str) -> ir.Table:
    """`rows` with the columns of `figures` by `key`; null where it has none."""
    joined = rows.view().left_join(figures.view(), list(key))
    return joined.drop(*(f"{name}_right" for name in key if f"{name}_right" in joined.columns))


# -- figures of a group


def group_figures(
    spine: ir.Table,
    periods: ir.Table,
    standings: ir.Table,
    workloads: ir.Table,
    medians: ir.Table,
    policy: RetentionPolicy,
    bands: HealthBandPolicy,
    grouping: Grouping,
) -> ir.Table:
    """All figures of `Kpis` but judgements, per as_of, window and `member` of a grouping."""
    if grouping is _COMPANY:
        standings = standings.mutate(company=ibis.literal(COMPANY))
        periods = periods.mutate(
            start_company=only_if(periods.start_arr > 0, COMPANY), end_company=only_if(periods.end_arr > 0, COMPANY)
        )
    live = standings.rename(member=grouping.column)
    rows = _members(spine, policy, grouping)
    rows = _joined(rows, _cohort(periods, grouping), *_KEY)
    rows = _joined(rows, _arrivals(periods, grouping), *_KEY)
    rows = _joined(rows, _state(live, bands), "as_of", "member")
    rows = _joined(rows, _load(live, workloads), *_KEY)
    rows = _joined(rows, _medians(medians, spine, policy, grouping), *_KEY)
    return _reasons(_ratios(_zeros(rows)))


def _members(spine: ir.Table, policy: RetentionPolicy, grouping: Grouping) -> ir.Table:
    """Every member in every window: groups without accounts have a row too."""
    periods = windows(spine, policy.windows_months)
    return each(periods, "member", grouping.members)


def _cohort(periods: ir.Table, grouping: Grouping) -> ir.Table:
    """What became of the accounts that were there at the start."""
    rows = periods.filter(periods.start_arr > 0).rename(member=grouping.start)
    stayed = rows.end_arr > 0
    left_group = stayed & (rows[grouping.end] != rows.member)
    return rows.group_by(*_KEY).aggregate(
        start_accounts=rows.count(),
        retained_accounts=stayed.sum(),
        expanded_accounts=(rows.expansion_arr > 0).sum(),
        contracted_accounts=(rows.contraction_arr > 0).sum(),
        churned_accounts=(~stayed).sum(),
        migrated_out_accounts=left_group.sum(),
        migrated_out_arr=rows.end_arr.sum(where=left_group).round(_CENTS),
        cohort_end_arr=rows.end_arr.sum().round(_CENTS),
        **{n: rows[n].sum().round(_CENTS) for n in _COHORT_SUMS},
    )


_COHORT_SUMS = ("start_arr", "retained_arr", "expansion_arr", "contraction_arr", "churned_arr")


def _arrivals(periods: ir.Table, grouping: Grouping) -> ir.Table:
    """Where the accounts of the end came from."""
    rows = periods.filter(periods.end_arr > 0).rename(member=grouping.end)
    came = (rows.start_arr > 0) & (rows[grouping.start] != rows.member)
    return rows.group_by(*_KEY).aggregate(
        new_accounts=(rows.new_arr > 0).sum(),
        reactivated_accounts=(rows.reactivated_arr > 0).sum(),
        migrated_in_accounts=came.sum(),
        migrated_in_arr=rows.end_arr.sum(where=came).round(_CENTS),
        new_arr=rows.new_arr.sum().round(_CENTS),
        reactivated_arr=rows.reactivated_arr.sum().round(_CENTS),
        fx_arr=rows.fx_arr.sum().round(_CENTS),
        end_arr=rows.end_arr_current.sum().round(_CENTS),
        end_arr_at_start_rates=rows.end_arr.sum().round(_CENTS),
    )


def _state(live: ir.Table, bands: HealthBandPolicy) -> ir.Table:
    """Size, health, cost and pipeline at as_of. Key: as_of, member."""
    score = live.health_score
    return live.group_by("as_of", "member").aggregate(
        accounts=live.count(),
        arr=live.arr.sum().round(_CENTS),
        health_accounts=score.count(),
        healthy_accounts=(score >= bands.healthy_from).sum(),
        risk_accounts=(score < bands.watch_from).sum(),
        cost_to_serve=live.cost_to_serve.sum().round(_CENTS),
        costed_arr=live.arr.sum(where=live.cost_to_serve.notnull()),
        gross_margin=live.gross_margin.sum(),
        margin_arr=live.arr.sum(where=live.gross_margin.notnull()),
        expansion_pipeline=live.expansion_pipeline.sum().round(_CENTS),
    )


_LOAD = ("tickets", "self_service_sessions", "csm_hours", "rostered_csm_hours", "productive_hours")


def _load(live: ir.Table, workloads: ir.Table) -> ir.Table:
    """Work that the live accounts made in the period; null where it is not known."""
    rows = live.select("as_of", "account_id", "member").join(workloads, ["as_of", "account_id"])
    return rows.group_by(*_KEY).aggregate(**{name: rows[name].sum() for name in _LOAD})


def _medians(medians: ir.Table, spine: ir.Table, policy: RetentionPolicy, grouping: Grouping) -> ir.Table:
    """Time to first expansion of the group's cohort, for the company of all accounts. Key: as_of, window, member."""
    rows = medians.filter((medians.duration == FIRST_EXPANSION) & (medians.grouping == grouping.name))
    if grouping is _COMPANY:
        rows = rows.drop("window_months").join(windows(spine, policy.windows_months), "as_of")
    return rows.select(
        *_KEY,
        time_to_first_expansion_months="median_months",
        time_to_first_expansion_low="low_months",
        time_to_first_expansion_high="high_months",
        time_to_first_expansion_accounts="accounts",
    )


_COUNTS = (
    "start_accounts", "retained_accounts", "expanded_accounts", "contracted_accounts", "churned_accounts",
    "migrated_out_accounts", "new_accounts", "reactivated_accounts", "migrated_in_accounts", "accounts",
    "health_accounts", "healthy_accounts", "risk_accounts", "time_to_first_expansion_accounts",
)  # fmt: skip
_AMOUNTS = (
    *_COHORT_SUMS, "cohort_end_arr", "migrated_out_arr", "migrated_in_arr", "new_arr", "reactivated_arr", "fx_arr",
    "end_arr", "end_arr_at_start_rates", "arr",
)  # fmt: skip


def _zeros(rows: ir.Table) -> ir.Table:
    """A group without accounts counts none and is worth nothing, and makes no work where work is known at all."""
    counts = {name: rows[name].fill_null(0) for name in _COUNTS}
    everywhere = ibis.window(group_by=["as_of", "window_months"])
    load = {n: ibis.coalesce(rows[n], only_if(rows[n].count().over(everywhere) > 0, 0)) for n in _LOAD}
    return rows.mutate(**counts, **{name: rows[name].fill_null(0.0) for name in _AMOUNTS}, **load)


def _ratios(rows: ir.Table) -> ir.Table:
    start = rows.start_arr.nullif(0.0)
    logos = rows.start_accounts.nullif(0)
    gained = rows.new_arr + rows.expansion_arr
    company_arr = rows.arr.sum().over(ibis.window(group_by=["as_of", "window_months"]))
    scored = rows.health_accounts.nullif(0)
    watched = rows.health_accounts - rows.healthy_accounts - rows.risk_accounts
    return rows.mutate(
        arr_share=rows.arr / company_arr.nullif(0.0),
        nrr=rows.cohort_end_arr / start,
        grr=rows.retained_arr / start,
        logo_retention=rows.retained_accounts / logos,
        expansion_rate=rows.expanded_accounts / logos,
        quick_ratio=(gained + rows.reactivated_arr) / (rows.contraction_arr + rows.churned_arr).nullif(0.0),
        expansion_share=rows.expansion_arr / gained.nullif(0.0),
        arr_growth=rows.end_arr_at_start_rates / start - 1,
        healthy_share=rows.healthy_accounts / scored,
        watch_share=watched / scored,
        risk_share=rows.risk_accounts / scored,
        cost_share_of_arr=rows.cost_to_serve / rows.costed_arr.nullif(0.0),
        gross_margin_share=rows.gross_margin / rows.margin_arr.nullif(0.0),
        self_service_ratio=rows.self_service_sessions / (rows.self_service_sessions + rows.tickets).nullif(0),
        utilisation=rows.rostered_csm_hours / rows.productive_hours.nullif(0.0),
    )


_OF_HISTORY = ("quick_ratio", "expansion_share")


def _reasons(rows: ir.Table) -> ir.Table:
    """Says why there is no retention. Without any ARR at t0 there is no history, and what looks new may not be."""
    company_start = rows.start_arr.sum().over(ibis.window(group_by=["as_of", "window_months"]))
    no_history = company_start == 0
    reason = ibis.cases((no_history, "no_history"), (rows.start_accounts == 0, "no_accounts_at_start"))
    return rows.mutate(reason=reason, **{name: only_if(~no_history, rows[name]) for name in _OF_HISTORY})


def _judged(
    rows: ir.Table, grouping: Grouping, policy: RetentionPolicy, targets: TargetPolicy, marks: BenchmarkPolicy
) -> ir.Table:
    """Targets, benchmarks and low-n flags beside the figures; the member under its own column name."""
    nrr, grr = (targets.nrr, targets.grr) if grouping is _TIER else ({}, {})
    is_target_window = rows.window_months == targets.window_months
    is_year = rows.window_months == marks.window_months
    few = {name: rows[n] < policy.low_n for name, n in _LOW_N.items()}
    rows = rows.mutate(
        **few,
        nrr_target=_target(rows, {t: v.low for t, v in nrr.items()}, is_target_window),
        nrr_target_high=_target(rows, {t: v.high for t, v in nrr.items()}, is_target_window),
        grr_target=_target(rows, {t: v.low for t, v in grr.items()}, is_target_window),
        nrr_benchmark_low=only_if(is_year, marks.nrr.low),
        nrr_benchmark_high=only_if(is_year, marks.nrr.high),
        nrr_position=only_if(is_year & rows.nrr.notnull(), _position(rows.nrr, marks)),
        expansion_share_benchmark_low=ibis.literal(marks.expansion_share.low),
        expansion_share_benchmark_high=ibis.literal(marks.expansion_share_top.low),
        arr_growth_benchmark_low=only_if(is_year, marks.arr_growth.low),
        arr_growth_benchmark_high=only_if(is_year, marks.arr_growth.high),
    )
    rows = rows.mutate(nrr_status=_status(rows.nrr, rows.nrr_target), grr_status=_status(rows.grr, rows.grr_target))
    return rows.rename({grouping.column: "member"})


_LOW_N = {
    "nrr_low_n": "start_accounts",
    "grr_low_n": "start_accounts",
    "logo_retention_low_n": "start_accounts",
    "expansion_rate_low_n": "start_accounts",
    "time_to_first_expansion_low_n": "time_to_first_expansion_accounts",
    "health_low_n": "health_accounts",
}


def _target(rows: ir.Table, targets: Mapping[str, float | None], is_window: ir.BooleanValue) -> ir.FloatingValue:
    """The target of each row's tier, in periods of the target's length."""
    known_targets = [(rows.member == tier, ibis.literal(t)) for tier, t in targets.items() if t is not None]
    if not known_targets:
        return ibis.null("float64")
    return only_if(is_window, ibis.cases(*known_targets))


def _status(value: ir.FloatingValue, target: ir.FloatingValue) -> ir.StringValue:
    return ibis.cases(
        (target.isnull(), "no_target"),
        (value.isnull(), "unknown"),
        (value.round(_RATIO_DIGITS) >= target, "met"),
        else_="missed",
    )


def _position(nrr: ir.FloatingValue, marks: BenchmarkPolicy) -> ir.StringValue:
    """Where NRR stands among companies."""
    value = nrr.round(_RATIO_DIGITS)
    return ibis.cases(
        (value >= marks.nrr_elite.low, "elite"),
        (value >= marks.nrr_top_quartile.low, "top_quartile"),
        (value > marks.nrr.high, "above_median"),
        (value >= marks.nrr.low, "median"),
        else_="below_median",
    )


# -- spend, hours, sums


def _period_spend(
    spine: ir.Table, gtm_spend: ir.Table, fx_rates: ir.Table, company: CompanyPolicy, policy: RetentionPolicy
) -> ir.Table:
    periods = windows(spine, policy.windows_months)
    return spend_in(gtm_spend, periods.mutate(ends_on=periods.as_of), spine, fx_rates, company)


def _segment_spend(rows: ir.Table, spend: ir.Table) -> ir.Table:
    """Adds `gtm_spend`: a segment's own, and of shared spend its share by new and expansion ARR."""
    is_own = spend.segment.isin(SEGMENTS)
    own = spend.filter(is_own).select("as_of", "window_months", "segment", own_spend="spend")
    shared = spend.group_by("as_of", "window_months").aggregate(
        shared_spend=spend.spend.sum(where=~is_own.fill_null(False)).fill_null(0.0)
    )
    rows = _joined(_joined(rows, own, "as_of", "window_months", "segment"), shared, "as_of", "window_months")
    gained = rows.new_arr + rows.expansion_arr
    share = gained / gained.sum().over(ibis.window(group_by=["as_of", "window_months"])).nullif(0.0)
    total = rows.own_spend.fill_null(0.0) + rows.shared_spend * share.fill_null(0.0)
    return rows.mutate(gtm_spend=total.round(_CENTS))


def _payback(rows: ir.Table) -> ir.Table:
    """Adds CAC payback; null without new ARR, gross margin or known spend."""
    margin = only_if(rows.gross_margin_share > 0, rows.gross_margin_share) / _MONTHS_PER_YEAR
    is_history = rows.reason.isnull() | (rows.reason != "no_history")
    blended = rows.new_arr + rows.expansion_arr
    return rows.mutate(
        cac_payback_months=only_if(is_history, rows.gtm_spend / (rows.new_arr * margin).nullif(0.0)),
        cac_payback_blended_months=only_if(is_history, rows.gtm_spend / (blended * margin).nullif(0.0)),
    )


def _company_utilisation(
    spine: ir.Table,
    workloads: ir.Table,
    roster: ir.Table,
    policy: RetentionPolicy,
    productivity: ProductivityPolicy,
) -> ir.Table:
    """All customer hours over the productive hours of all CSMs, idle ones too. Key: as_of, window_months."""
    periods = windows(spine, policy.windows_months)
    available = csm_productive_hours(roster, periods, productivity)
    hours = workloads.group_by("as_of", "window_months").aggregate(hours=workloads.rostered_csm_hours.sum())
    total = available.group_by("as_of", "window_months").aggregate(available=available.hours_available.sum())
    rows = hours.join(total, ["as_of", "window_months"])
    return rows.select("as_of", "window_months", company_utilisation=rows.hours / rows.available.nullif(0.0))


_TIER_SUMS = (
    "accounts", "start_arr", "new_arr", "expansion_arr", "contraction_arr", "churned_arr", "reactivated_arr",
    "migrated_in_arr", "migrated_out_arr", "fx_arr", "end_arr",
)  # fmt: skip
_SEGMENT_SUMS = ("start_arr", "end_arr")


def _sums(kpis: ir.Table, prefix: str, amounts: tuple[str, ...]) -> ir.Table:
    """Sums over the groups, and retention of the groups weighted by their start ARR. Key: as_of, window_months."""
    start = kpis.start_arr.sum().nullif(0.0)
    return kpis.group_by("as_of", "window_months").aggregate(
        **{f"{prefix}_{name}": kpis[name].sum() for name in amounts},
        **{f"{prefix}_{name}": (kpis[name] * kpis.start_arr).sum() / start for name in ("nrr", "grr")},
    )
