"""What to do next for an account within its tier: micro-segments, declining usage and the coverage override.

Here: the signals of one account on one day, as Ibis expressions. Not here: segment and tier (the signals never change
them), or the plays that answer the signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add, or_

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import AT_RISK, MICRO_SEGMENTS, MicroSegmentPolicy

STABLE = MICRO_SEGMENTS[-1]
HIGH_TOUCH = "high_touch"
_SEPARATOR = ", "


def is_usage_declining(rows: ir.Table, policy: MicroSegmentPolicy) -> ir.BooleanValue:
    """Whether users or events fall, faster than the median account's, from a large enough base. Unknown is no."""
    has_base = _has_base(rows, policy)
    users = (rows.users_trend_net <= policy.declining_trend) & (rows.users_trend < 0)
    events = (rows.events_trend_net <= policy.declining_trend) & (rows.events_trend < 0)
    return has_base.fill_null(False) & (users.fill_null(False) | events.fill_null(False))


def _has_base(rows: ir.Table, policy: MicroSegmentPolicy) -> ir.BooleanValue:
    """Whether the window before had enough users for a trend; where usage names no users, enough events."""
    users, events = rows.active_users_prior_28d, rows.events_prior_28d
    return ibis.ifelse(users.isnull(), events >= policy.declining_min_events, users >= policy.declining_min_users)


def signals_of(
    rows: ir.Table, policy: MicroSegmentPolicy, cohorts_in_trouble: Sequence[str]
) -> dict[str, dict[str, ir.BooleanValue]]:
    """The signals of each micro-segment. Any one is enough. Unknown is no signal.

    Needs profile columns, segment, behavioral_cohort, health_score, firmographic_score and is_usage_declining.
    """
    surges = (rows.users_trend_net >= policy.surge_trend) & (rows.users_trend > 0)
    has_base = _has_base(rows, policy)
    is_late = (rows.overdue_days > policy.late_overdue_days).fill_null(False)
    often_late = (rows.mean_days_late >= policy.late_mean_days).fill_null(False)
    is_satisfied = (rows.csat >= policy.satisfied_min_csat).fill_null(False) | (
        rows.nps >= policy.satisfied_min_nps
    ).fill_null(False)
    fits = rows.firmographic_score >= policy.fit_min_firmographic_score
    signals = {
        "expansion_ready": {
            "new champions": rows.new_champions >= policy.min_new_champions,
            "adoption surge": surges & has_base,
            "competitor displaced": rows.competitor_displaced_90d,
        },
        "at_risk": {
            "usage declining": rows.is_usage_declining,
            "negative sentiment": rows.sentiment < policy.negative_sentiment_below,
            "late payments": is_late | often_late,
            "low health": rows.health_score < policy.low_health_below,
            **{f"cohort {name}": rows.behavioral_cohort == name for name in cohorts_in_trouble},
            f"segment {AT_RISK}": rows.segment == AT_RISK,
        },
        "advocate": {"satisfied and a good fit": is_satisfied & fits},
    }
    return {name: {word: sign.fill_null(False) for word, sign in signs.items()} for name, signs in signals.items()}


def with_micro_segment(rows: ir.Table, policy: MicroSegmentPolicy, cohorts_in_trouble: Sequence[str]) -> ir.Table:
    """`rows` with is_usage_declining, micro_segment, micro_segment_reason and coverage_override."""
    rows = rows.mutate(is_usage_declining=is_usage_declining(rows, policy))
    signals = signals_of(rows, policy, cohorts_in_trouble)
    present = [(reduce(or_, signals[name].values()), name) for name in policy.order]
    is_near = (rows.days_to_renewal <= policy.override_renewal_within_days).fill_null(False)
    return rows.mutate(
        micro_segment=ibis.cases(*present, else_=STABLE),
        micro_segment_reason=ibis.cases(*((holds, _words(signals[name])) for holds, name in present), else_=""),
        coverage_override=ibis.ifelse(rows.is_usage_declining & is_near, HIGH_TOUCH, ibis.null("string")),
    )


def _words(signals: Mapping[str, ir.BooleanValue]) -> ir.StringValue:
    """The signals that are present, comma-separated."""
    parts = [ibis.ifelse(sign, _SEPARATOR + word, "") for word, sign in signals.items()]
    return reduce(add, parts).substr(len(_SEPARATOR))
