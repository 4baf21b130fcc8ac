"""The segment matrix: At-Risk first, then the row that an account meets exactly, then the nearest row.

Here: the candidate segment of a table of rule inputs, as Ibis expressions. Not here: where the inputs come from
(`candidates`), or what makes a candidate a move (`stability`).

Distance to a row: over size class, cohort and value tier the rank gap to the row's nearest member divided by the
largest gap that the scale has; over needs 0 or 1. The four are weighted like the composite score's dimensions, and
the weights of unknown dimensions go to the known ones. Two conditions are no dimension: seat activity below the
Long-Tail row's share stands in for its cohorts, so it is gap 0 in behavior; too low an expansion score keeps an
account from meeting the Growth row exactly, but is no distance (else losing room to expand would lift accounts into
Strategic). At-Risk is never the nearest row: it was decided before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, and_

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import AT_RISK, AtRiskRule, MatrixRow, SegmentMatrixPolicy
from segmentation_assets.policy.value import CompositeWeights

_DECIMALS = 9
"""Distances are compared to so many decimals: equal sums in another order of adding are a tie."""

_SCORE_DECIMALS = 6
"""Scores are held against bounds to so many decimals: a sum of the same parts in another order is the same score."""

_BEYOND = 2.0
"""Further than any distance."""


def reaches(score: ir.NumericValue, bound: float) -> ir.BooleanValue:
    """The score is at the bound or above it; null where it is unknown."""
    return score.round(_SCORE_DECIMALS) >= bound


def is_worth_saving(rows: ir.Table, rule: AtRiskRule) -> ir.BooleanValue:
    """The value condition of At-Risk: CLV percentile, or without CLV the value tier (unknown: yes)."""
    by_tier = rows.value_tier.notin(rule.worthless_value_tiers).fill_null(True)
    return ibis.ifelse(rows.clv_percentile.notnull(), reaches(rows.clv_percentile, rule.min_clv_percentile), by_tier)


def may_expand(rows: ir.Table, policy: SegmentMatrixPolicy) -> ir.BooleanValue:
    """The expansion score meets the row that asks for one, or is unknown."""
    asked = [row.min_expansion_score for row in policy.rows if row.min_expansion_score is not None]
    return reaches(rows.expansion_score, asked[0]).fill_null(True) if asked else ibis.literal(True)


def is_barely_used(rows: ir.Table, policy: SegmentMatrixPolicy) -> ir.BooleanValue:
    """Seat activity meets the row that takes it instead of a cohort; unknown does not."""
    asked = [row.or_seat_activity_below for row in policy.rows if row.or_seat_activity_below is not None]
    return (~reaches(rows.seat_activity, asked[0])).fill_null(False) if asked else ibis.literal(False)


def with_candidate(rows: ir.Table, policy: SegmentMatrixPolicy, weights: CompositeWeights) -> ir.Table:
    """`rows` with candidate_segment, candidate_rule_id, distance and is_exact.

    Needs size_class, behavioral_cohort, value_tier, needs_profile and the flags is_worth_saving, may_expand and
    is_barely_used. Expressions are over each row alone.
    """
    at_risk = (rows.behavioral_cohort.isin(policy.at_risk.cohorts) & rows.is_worth_saving).fill_null(False)
    measured = rows.mutate(
        _at_risk=at_risk,
        **{f"_exact_{i}": _is_exact(rows, row) for i, row in enumerate(policy.rows)},
        **{f"_distance_{i}": _distance(rows, row, policy, weights) for i, row in enumerate(policy.rows)},
    )
    distances = [measured[f"_distance_{i}"] for i in range(len(policy.rows))]
    found = measured.mutate(_nearest=reduce(ibis.least, [d.fill_null(_BEYOND) for d in distances]))
    exact = [(found[f"_exact_{i}"], row.segment) for i, row in enumerate(policy.rows)]
    nearest = [(found[f"_distance_{i}"] == found["_nearest"], row.segment) for i, row in enumerate(policy.rows)]
    is_exact = reduce(lambda a, b: a | b, [holds for holds, _ in exact])
    decided = found["_at_risk"] | is_exact
    nothing_known = found["_nearest"] >= _BEYOND
    segment = ibis.cases(
        (found["_at_risk"], AT_RISK),
        *exact,
        (nothing_known, policy.no_data_segment),
        *nearest,
        else_=policy.no_data_segment,
    )
    found = found.mutate(
        candidate_segment=segment,
        is_exact=decided,
        distance=ibis.ifelse(decided | nothing_known, ibis.null("float64"), found["_nearest"]),
    )
    rule = ibis.cases(
        (found["_at_risk"], "at_risk"),
        (found.is_exact, ibis.literal("exact:") + found.candidate_segment),
        (found.distance.isnull(), "no_data"),
        else_=ibis.literal("nearest:")
        + found.candidate_segment
        + ":"
        + _three_decimals(found.distance.fill_null(0.0)),
    )
    return found.mutate(candidate_rule_id=rule).select(
        *rows.columns, "candidate_segment", "candidate_rule_id", "distance", "is_exact"
    )


def _is_exact(rows: ir.Table, row: MatrixRow) -> ir.BooleanValue:
    behaves = rows.behavioral_cohort.isin(row.cohorts).fill_null(False)
    if row.or_seat_activity_below is not None:
        behaves |= rows.is_barely_used
    conditions = [
        rows.size_class.isin(row.size_classes),
        behaves,
        rows.value_tier.isin(row.value_tiers),
        rows.needs_profile.isin(row.needs_profiles),
    ]
    if row.min_expansion_score is not None:
        conditions.append(rows.may_expand)
    return reduce(and_, conditions).fill_null(False)


def _distance(rows: ir.Table, row: MatrixRow, policy: SegmentMatrixPolicy, weights: CompositeWeights) -> ir.Value:
    behavior = _rank_gap(rows.behavioral_cohort, policy.cohorts, row.cohorts)
    if row.or_seat_activity_below is not None:
        behavior = ibis.ifelse(behavior.notnull() & rows.is_barely_used, 0.0, behavior)
    value = _rank_gap(rows.value_tier, policy.value_tiers, row.value_tiers)
    gaps = (
        (_rank_gap(rows.size_class, policy.size_classes, row.size_classes), weights.firmographic),
        (behavior, weights.behavioral),
        (value, weights.value),
        (_mismatch(rows.needs_profile, row.needs_profiles), weights.needs),
    )
    total = reduce(add, [(gap * weight).fill_null(0.0) for gap, weight in gaps])
    present = reduce(add, [ibis.ifelse(gap.notnull(), float(weight), 0.0) for gap, weight in gaps])
    return (total / present.nullif(0.0)).round(_DECIMALS)


def _rank_gap(value: ir.StringValue, scale: Sequence[str], members: Sequence[str]) -> ir.Value:
    """Ranks to the nearest member / the largest gap of the scale; null where the value is not on the scale."""
    ranks = [scale.index(member) for member in members]
    gaps = [min(abs(rank - member) for member in ranks) / (len(scale) - 1) for rank in range(len(scale))]
    return ibis.cases(
        *((value == word, gap) for word, gap in zip(scale, gaps, strict=True)), else_=ibis.null("float64")
    )


def _mismatch(value: ir.StringValue, members: Sequence[str]) -> ir.Value:
    return ibis.cases((value.isnull(), ibis.null("float64")), (value.isin(members), 0.0), else_=1.0)


def _three_decimals(distance: ir.Value) -> ir.StringValue:
    """0.1834 as 0.183; written out because engines print floats differently."""
    thousandths = (distance * 1000).round().cast("int64")
    return (thousandths // 1000).cast("string") + "." + (thousandths % 1000).cast("string").lpad(3, "0")
