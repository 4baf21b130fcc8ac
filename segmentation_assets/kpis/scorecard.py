"""Every KPI with its target, its benchmark and its status, one row each.

Here: `kpi_scorecard`, the KPIs of `company_kpis`, `tier_kpis` and `segment_kpis` as rows. Not here: their figures
(`retention`), or the values of targets and benchmarks (the policy).
"""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.durations import COMPANY, SEGMENT, TIER
from segmentation_assets.kpis.judging import RATIO_DIGITS, STATUSES, status
from segmentation_assets.kpis.retention import CompanyKpis, SegmentKpis, TierKpis
from segmentation_assets.policy.kpis import (
    SCORED_KPIS,
    BenchmarkPolicy,
    Goal,
    RetentionPolicy,
    TargetPolicy,
)
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import Flag, Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table

BENCHMARK_POSITIONS = ("below", "within", "above")
GROUPINGS = (COMPANY, TIER, SEGMENT)
_KEY = ("as_of", "window_months", "grouping", "member")
_OF_COMPANY = ("magic_number", "logo_churn")
_OF_ACQUISITION = ("cac_payback_months",)


class KpiScorecard(Snapshot):
    """A KPI of the company, a tier or a segment, beside its target and benchmark.

    Key: as_of, window_months, grouping, member, kpi; always all KPIs of the grouping.
    """

    grouping: str = column("company, coverage_tier or segment.", isin=GROUPINGS)
    member: str = column("The company, the tier or the segment.")
    window_months: Integer = column("Length of the period that ends at as_of.", unit="months", ge=1)
    kpi: str = column("The KPI: a column of company_kpis, tier_kpis or segment_kpis.", isin=SCORED_KPIS)
    value: float = column("The KPI's value, in its own unit; null: not known.", nullable=True)
    target_low: float = column("The least value that meets the policy's target; null: none.", nullable=True)
    target_high: float = column(
        "The largest value that meets the target; for NRR, the upper end of the target range, which is no limit; "
        "null: none.",
        nullable=True,
    )
    status: str = column(
        "The value against its target: met, missed, no_target, too_few (accounts) or unknown.", isin=STATUSES
    )
    benchmark_low: float = column(
        "Benchmark: what other companies reach, lower end; null: the policy has none for this KPI and period.",
        nullable=True,
    )
    benchmark_high: float = column("Benchmark, upper end.", nullable=True)
    benchmark_position: str = column(
        "The value below, within or above the benchmark; null: one of them is not known.",
        nullable=True,
        isin=BENCHMARK_POSITIONS,
    )
    is_low_n: Flag = column("The value is of fewer accounts than `retention.low_n`.")

    class Config:
        unique = [*_KEY, "kpi"]


@table(group="kpis")
def kpi_scorecard(
    company_kpis: Table[CompanyKpis],
    tier_kpis: Table[TierKpis],
    segment_kpis: Table[SegmentKpis],
    targets: TargetPolicy,
    benchmarks: BenchmarkPolicy,
    policy: RetentionPolicy,
) -> Table[KpiScorecard]:
    """Which KPI of the company, of a tier or of a segment meets its target, and where does it stand among others?

    One row per as_of, window, member and KPI. NRR and GRR of tiers have the targets of `tier_kpis`; other KPIs those
    that the policy gives (`targets.others`). Targets and yearly benchmarks are for periods of their own length.
    """
    parts = [
        _long(company_kpis.mutate(member=ibis.literal(COMPANY)), COMPANY, SCORED_KPIS, policy),
        _long(tier_kpis.rename(member="coverage_tier"), TIER, _without(*_OF_COMPANY, *_OF_ACQUISITION), policy),
        _long(segment_kpis.rename(member="segment"), SEGMENT, _without(*_OF_COMPANY), policy),
    ]
    return _judged(reduce(ibis.union, parts), targets, benchmarks)


def _without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in SCORED_KPIS if name not in names)


_FEW = {
    "renewal_grr": "renewal_grr_low_n",
    "time_to_first_expansion_months": "time_to_first_expansion_low_n",
    **dict.fromkeys(("healthy_share", "risk_share"), "health_low_n"),
}
"""The flags of KPIs that are not of the accounts at the start. Those of live accounts have none."""
_OF_LIVE_ACCOUNTS = ("cost_share_of_arr", "gross_margin_share", "self_service_ratio", "utilisation")


def _long(kpis: ir.Table, grouping: str, names: tuple[str, ...], policy: RetentionPolicy) -> ir.Table:
    """One row per KPI: its value, the target that its table has, and whether it is of few accounts."""
    rows = each(kpis, "kpi", names)
    few = {name: rows[flag] for name, flag in _FEW.items()}
    few |= dict.fromkeys(_OF_LIVE_ACCOUNTS, rows.accounts < policy.low_n)
    return rows.select(
        "as_of",
        "window_months",
        "member",
        "kpi",
        grouping=ibis.literal(grouping),
        value=ibis.cases(*((rows.kpi == name, rows[name].cast("float64")) for name in names)),
        own_low=ibis.cases((rows.kpi == "nrr", rows.nrr_target), (rows.kpi == "grr", rows.grr_target)),
        range_high=only_if(rows.kpi == "nrr", rows.nrr_target_high),
        is_low_n=ibis.cases(*((rows.kpi == name, is_few) for name, is_few in few.items()), else_=rows.nrr_low_n),
    )


def _judged(rows: ir.Table, targets: TargetPolicy, benchmarks: BenchmarkPolicy) -> ir.Table:
    """Adds the policy's other targets, benchmarks, and where the value stands against both."""
    is_of_target = rows.window_months == targets.window_months
    goals = [
        ((rows.grouping == grouping) & (rows.member == member) & (rows.kpi == kpi), goal)
        for grouping, members in targets.others.items()
        for member, kpis in members.items()
        for kpi, goal in kpis.items()
    ]
    at_least = ibis.coalesce(rows.own_low, only_if(is_of_target, _of_goals(goals, "at_least")))
    at_most = only_if(is_of_target, _of_goals(goals, "at_most"))
    low, high = _benchmark(rows, benchmarks)
    value = rows.value.round(RATIO_DIGITS)
    return rows.select(
        *_KEY,
        "kpi",
        "value",
        "is_low_n",
        target_low=at_least,
        target_high=ibis.coalesce(rows.range_high, at_most),
        status=status(rows.value, at_least, at_most, rows.is_low_n),
        benchmark_low=low,
        benchmark_high=high,
        benchmark_position=ibis.cases(
            (value < low, "below"), (value > high, "above"), ((value >= low) & (value <= high), "within")
        ),
    )


def _of_goals(goals: list[tuple[ir.BooleanValue, Goal]], side: str) -> ir.FloatingValue:
    bounds = [(is_it, getattr(goal, side)) for is_it, goal in goals]
    stated = [(is_it, ibis.literal(float(bound))) for is_it, bound in bounds if bound is not None]
    return ibis.cases(*stated) if stated else ibis.null("float64")


def _benchmark(rows: ir.Table, marks: BenchmarkPolicy) -> tuple[ir.FloatingValue, ir.FloatingValue]:
    """Lower and upper end of the benchmark of each KPI; null for a period of another length."""
    is_year, is_month = rows.window_months == marks.window_months, rows.window_months == 1
    ranges = {
        "nrr": (is_year, marks.nrr.low, marks.nrr.high),
        "arr_growth": (is_year, marks.arr_growth.low, marks.arr_growth.high),
        "expansion_share": (ibis.literal(True), marks.expansion_share.low, marks.expansion_share_top.low),
        "logo_churn": (is_month, marks.monthly_logo_churn.low, marks.monthly_logo_churn.high),
    }
    low = ibis.cases(
        *(((rows.kpi == kpi) & applies, ibis.literal(least)) for kpi, (applies, least, _) in ranges.items())
    )
    high = ibis.cases(
        *(((rows.kpi == kpi) & applies, ibis.literal(most)) for kpi, (applies, _, most) in ranges.items())
    )
    return low, high
