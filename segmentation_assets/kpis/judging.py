"""Targets, benchmarks and flags beside the figures of a group.

Here: the comparison of figures with targets and benchmarks. Not here: the figures (`groups`), or the values of
targets and benchmarks (the policy).
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.kpis import BenchmarkPolicy, RetentionPolicy, TargetPolicy
from segmentation_assets.profiles.facts import only_if

STATUSES = ("met", "missed", "no_target", "too_few", "unknown")
POSITIONS = ("below_median", "median", "above_median", "top_quartile", "elite")

RATIO_DIGITS = 9  # so that binary noise does not decide whether a ratio meets its target


def judged(
    rows: ir.Table, policy: RetentionPolicy, targets: TargetPolicy, marks: BenchmarkPolicy, *, has_targets: bool
) -> ir.Table:
    """Adds targets, benchmarks, low-n flags and statuses. `has_targets`: the members are coverage tiers."""
    nrr, grr = (targets.nrr, targets.grr) if has_targets else ({}, {})
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
    return rows.mutate(
        nrr_status=status(rows.nrr, rows.nrr_target, None, rows.nrr_low_n),
        grr_status=status(rows.grr, rows.grr_target, None, rows.grr_low_n),
    )


_LOW_N = {
    "nrr_low_n": "start_accounts",
    "grr_low_n": "start_accounts",
    "renewal_grr_low_n": "renewal_accounts",
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


def status(
    value: ir.FloatingValue, at_least: ir.FloatingValue, at_most: ir.FloatingValue | None, is_few: ir.BooleanValue
) -> ir.StringValue:
    """Status of a figure against its target. A figure of too few accounts gets `too_few`, not a judgement."""
    settled = value.round(RATIO_DIGITS)
    is_met, has_none = at_least.isnull() | (settled >= at_least), at_least.isnull()
    if at_most is not None:
        is_met, has_none = is_met & (at_most.isnull() | (settled <= at_most)), has_none & at_most.isnull()
    return ibis.cases(
        (has_none, "no_target"),
        (value.isnull(), "unknown"),
        (is_few, "too_few"),
        (is_met, "met"),
        else_="missed",
    )


def _position(nrr: ir.FloatingValue, marks: BenchmarkPolicy) -> ir.StringValue:
    """NRR against the benchmark of companies."""
    value = nrr.round(RATIO_DIGITS)
    return ibis.cases(
        (value >= marks.nrr_elite.low, "elite"),
        (value >= marks.nrr_top_quartile.low, "top_quartile"),
        (value > marks.nrr.high, "above_median"),
        (value >= marks.nrr.low, "median"),
        else_="below_median",
    )
