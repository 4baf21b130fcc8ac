"""KPIs of the company, of every coverage tier and of every segment.

Here: the tables `company_kpis`, `tier_kpis`, `segment_kpis`, and the rule that tiers and segments add up to the
company. Not here: their figures (`groups`, `acquisition`), comparison with targets (`judging`), what one account did
(`periods`), durations (`durations`), migration between tiers (`migration`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import CsmRoster, FxRates, GtmSpend
from segmentation_assets.kpis.acquisition import payback, period_spend, segment_spend
from segmentation_assets.kpis.durations import MedianDurations
from segmentation_assets.kpis.efficiency import SalesEfficiency
from segmentation_assets.kpis.groups import BY_COMPANY, BY_SEGMENT, BY_TIER, Grouping, group_figures, joined_by
from segmentation_assets.kpis.identities import agrees, closes
from segmentation_assets.kpis.judging import judged
from segmentation_assets.kpis.kpi_columns import ARR, Acquisition, Kpis
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
from segmentation_assets.tables.amounts import money, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.calendar import windows
from segmentation_assets.tables.contracts import Integer, column, ibis_schema, row_rule
from segmentation_assets.tables.registry import POLICY_HASH, Table, table


class TierKpis(Kpis):
    """KPIs of each coverage tier. Key: as_of, coverage_tier, window_months; always all tiers and unassigned."""

    coverage_tier: str = column(
        "Coverage tier; unassigned: accounts with ARR but no tier.", isin=[*TIERS, UNASSIGNED]
    )

    class Config:
        unique = ["as_of", "coverage_tier", "window_months"]


class SegmentKpis(Acquisition):
    """KPIs of each segment. Key: as_of, segment, window_months; always all segments and unassigned."""

    segment: str = column("Segment; unassigned: accounts with ARR but no segment.", isin=[*SEGMENTS, UNASSIGNED])

    class Config:
        unique = ["as_of", "segment", "window_months"]


class CompanyKpis(Acquisition):
    """KPIs of the company. Key: as_of, window_months.

    The columns `tiers_...` and `segments_...` are sums over `tier_kpis` and `segment_kpis`. A row where they differ
    from the company's own figures breaks the contract.
    """

    logo_churn: float = column("1 - logo retention.", unit="share", nullable=True, ge=0, le=1)
    logo_churn_benchmark: float = column(
        "Benchmark: logo churn of companies in one month; null for longer periods. No status depends on it.",
        unit="share",
        nullable=True,
    )
    magic_number: float = column(
        "(revenue of the three months up to as_of - revenue of the three months before) x 4 / sales and marketing "
        "spend of the three months before. As in `sales_efficiency`.",
        unit="times",
        nullable=True,
    )
    tiers_accounts: Integer = column("Sum over tiers of accounts.", ge=0)
    tiers_start_arr: float = column("Sum over tiers of start_arr.", unit=ARR)
    tiers_new_arr: float = column("Sum over tiers of new_arr.", unit=ARR)
    tiers_expansion_arr: float = column("Sum over tiers of expansion_arr.", unit=ARR)
    tiers_contraction_arr: float = column("Sum over tiers of contraction_arr.", unit=ARR)
    tiers_churned_arr: float = column("Sum over tiers of churned_arr.", unit=ARR)
    tiers_reactivated_arr: float = column("Sum over tiers of reactivated_arr.", unit=ARR)
    tiers_migrated_in_arr: float = column("Sum over tiers of migrated_in_arr.", unit=ARR)
    tiers_migrated_out_arr: float = column("Sum over tiers of migrated_out_arr.", unit=ARR)
    tiers_fx_arr: float = column("Sum over tiers of fx_arr.", unit=ARR)
    tiers_end_arr: float = column("Sum over tiers of end_arr.", unit=ARR)
    tiers_nrr: float = column("NRR of start tiers, weighted by start ARR.", unit="ratio", nullable=True)
    tiers_grr: float = column("GRR of start tiers, weighted by start ARR.", unit="ratio", nullable=True)
    segments_start_arr: float = column("Sum over segments of start_arr.", unit=ARR)
    segments_end_arr: float = column("Sum over segments of end_arr.", unit=ARR)
    segments_nrr: float = column("NRR of start segments, weighted by start ARR.", unit="ratio", nullable=True)

    @row_rule
    def tiers_sum_to_company(cls, t: ir.Table) -> ir.BooleanValue:
        """Every amount of the bridge, and the number of accounts, is the sum over the tiers."""
        start = closes(t.tiers_start_arr, t.start_arr) & closes(t.tiers_end_arr, t.end_arr)
        gained = closes(t.tiers_new_arr, t.new_arr) & closes(t.tiers_reactivated_arr, t.reactivated_arr)
        grown = closes(t.tiers_expansion_arr, t.expansion_arr) & closes(t.tiers_fx_arr, t.fx_arr)
        lost = closes(t.tiers_contraction_arr, t.contraction_arr) & closes(t.tiers_churned_arr, t.churned_arr)
        return start & gained & grown & lost & (t.tiers_accounts == t.accounts)

    @row_rule
    def migration_cancels(cls, t: ir.Table) -> ir.BooleanValue:
        """ARR that migrates out of tiers equals ARR that migrates into tiers."""
        return closes(t.tiers_migrated_in_arr, t.tiers_migrated_out_arr)

    @row_rule
    def tier_retention_is_company_retention(cls, t: ir.Table) -> ir.BooleanValue:
        """Retention of start tiers, weighted by start ARR, is the company's."""
        return agrees(t.tiers_nrr, t.nrr) & agrees(t.tiers_grr, t.grr)

    @row_rule
    def segments_sum_to_company(cls, t: ir.Table) -> ir.BooleanValue:
        """Start ARR, end ARR and NRR of the segments add up to the company's."""
        sums = closes(t.segments_start_arr, t.start_arr) & closes(t.segments_end_arr, t.end_arr)
        return sums & agrees(t.segments_nrr, t.nrr)

    class Config:
        unique = ["as_of", "window_months"]


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
    """How well does each coverage tier retain and expand, what does it cost, and does it meet its targets?

    One row per as_of, tier and window of 12, 3 and 1 months, also for tiers without accounts, and `unassigned` for
    accounts with ARR but no tier. Retention, expansion and losses count in the tier at the start of the period; new
    and reactivated ARR in the tier at its end. If an account changed tier, its ARR at the end migrates. So the bridge
    of each tier closes, and tiers add up to the company. Accounts, ARR, health, cost and pipeline are those of the
    accounts in the tier at as_of. Tickets and hours are those of the period: of a lost account in its tier at the
    start, and of an account that paid at neither end in `unassigned`.
    """
    groups = (account_periods, account_standings, account_workloads, median_durations)
    rows = group_figures(spine, *groups, policy, bands, BY_TIER)
    rows = judged(rows, policy, targets, benchmarks, has_targets=True)
    return _columns(rows, TierKpis, BY_TIER)


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
    """How well does each segment retain and expand, what does it cost, and what do new accounts cost?

    One row per as_of, segment and window, computed like `tier_kpis` with segments in place of tiers. A segment's
    spend is its own plus a share of the shared spend, by new and expansion ARR. CAC payback divides it by the monthly
    gross margin of the new ARR (blended: of new and expansion ARR).
    """
    groups = (account_periods, account_standings, account_workloads, median_durations)
    rows = group_figures(spine, *groups, policy, bands, BY_SEGMENT)
    rows = judged(rows, policy, targets, benchmarks, has_targets=False)
    spend = period_spend(spine, gtm_spend, fx_rates, company, policy)
    return _columns(payback(segment_spend(rows, spend)), SegmentKpis, BY_SEGMENT)


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
    """How well does the company retain, expand, grow and spend, compared with benchmarks?

    One row per as_of and window of 12, 3 and 1 months. Annual retention compares a closed cohort at two points in
    time; it is neither a product nor a sum of months. Utilisation is all logged customer hours / the productive hours
    of all CSMs on the roster. The magic number is that of the last three months in every row. The sums over tiers and
    segments must equal the company's own figures.
    """
    groups = (account_periods, account_standings, account_workloads, median_durations)
    rows = group_figures(spine, *groups, policy, bands, BY_COMPANY)
    rows = judged(rows, policy, targets, benchmarks, has_targets=False)
    spend = period_spend(spine, gtm_spend, fx_rates, company, policy)
    spent = spend.group_by("as_of", "window_months").aggregate(gtm_spend=money(spend.spend))
    rows = payback(joined_by(rows, spent, "as_of", "window_months"))
    rows = joined_by(rows, sales_efficiency.select("as_of", "magic_number"), "as_of")
    utilisation = _company_utilisation(spine, account_workloads, csm_roster, policy, productivity)
    rows = joined_by(rows, utilisation, "as_of", "window_months")
    rows = joined_by(rows, _sums(tier_kpis, "tiers", _TIER_SUMS), "as_of", "window_months")
    rows = joined_by(rows, _sums(segment_kpis, "segments", _SEGMENT_SUMS), "as_of", "window_months")
    month_churn = ibis.literal(benchmarks.monthly_logo_churn.low)
    rows = rows.mutate(
        utilisation=rows.company_utilisation,
        logo_churn=1 - rows.logo_retention,
        logo_churn_benchmark=ibis.ifelse(rows.window_months == 1, month_churn, ibis.null("float64")),
    )
    return _columns(rows, CompanyKpis, BY_COMPANY)


def _columns(rows: ir.Table, contract: type[Kpis], grouping: Grouping) -> ir.Table:
    """The contract's columns; `member` gets the name of the grouping's column."""
    rows = rows.rename({grouping.column: "member"})
    return rows.select(*(name for name in ibis_schema(contract) if name != POLICY_HASH))


def _company_utilisation(
    spine: ir.Table,
    workloads: ir.Table,
    roster: ir.Table,
    policy: RetentionPolicy,
    productivity: ProductivityPolicy,
) -> ir.Table:
    """All customer hours / the productive hours of all CSMs, also idle ones. Key: as_of, window_months."""
    periods = windows(spine, policy.windows_months)
    available = csm_productive_hours(roster, periods, productivity)
    hours = workloads.group_by("as_of", "window_months").aggregate(hours=total(workloads.rostered_csm_hours))
    supply = available.group_by("as_of", "window_months").aggregate(available=total(available.hours_available))
    rows = hours.join(supply, ["as_of", "window_months"])
    return rows.select("as_of", "window_months", company_utilisation=rows.hours / rows.available.nullif(0.0))


_TIER_SUMS = (
    "accounts", "start_arr", "new_arr", "expansion_arr", "contraction_arr", "churned_arr", "reactivated_arr",
    "migrated_in_arr", "migrated_out_arr", "fx_arr", "end_arr",
)  # fmt: skip
_SEGMENT_SUMS = ("start_arr", "end_arr")


def _sums(kpis: ir.Table, prefix: str, amounts: tuple[str, ...]) -> ir.Table:
    """Sums over the groups, and retention of the groups weighted by their start ARR. Key: as_of, window_months."""
    start = total(kpis.start_arr).nullif(0.0)

    def added(name: str) -> ir.NumericValue:
        return kpis[name].sum() if kpis[name].type().is_integer() else money(kpis[name])

    return kpis.group_by("as_of", "window_months").aggregate(
        **{f"{prefix}_{name}": added(name) for name in amounts},
        **{f"{prefix}_{name}": total(kpis[name] * kpis.start_arr) / start for name in ("nrr", "grr")},
    )
