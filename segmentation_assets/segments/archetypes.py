"""How close an account is to the typical account of its segment, the archetype.

Here: the number of the archetype's four conditions that hold, as Ibis expressions. Not here: the rules that gave the
segment (`rules`). An archetype decides nothing.
"""

from __future__ import annotations

from functools import reduce
from operator import and_

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import SEGMENTS, UNKNOWN, Archetype, SegmentRulesPolicy

CONDITIONS = 4
"""Size, behavior, value and needs."""


def archetype_fit(rows: ir.Table, policy: SegmentRulesPolicy) -> ir.IntegerValue:
    """Number of the four conditions of its segment's archetype that an account meets. An unknown value meets none.

    Needs segment, size_class, behavioral_cohort, value_tier, needs_profile, expansion_level, is_worth_saving and
    is_barely_used.
    """
    counts = [(rows.segment == name, _count(rows, policy.archetypes[name])) for name in SEGMENTS]
    return ibis.cases(*counts, else_=0)


def _count(rows: ir.Table, archetype: Archetype) -> ir.IntegerValue:
    behaves = _is_among(rows.behavioral_cohort, archetype.cohorts)
    if archetype.or_barely_used:
        behaves |= rows.is_barely_used
    value = [
        _is_among(rows.value_tier, archetype.value_tiers),
        _is_among(rows.expansion_level, archetype.expansion),
    ]
    if archetype.worth_saving is not None:
        value.append(rows.is_worth_saving == archetype.worth_saving)
    conditions = (
        _is_among(rows.size_class, archetype.size_classes),
        behaves,
        reduce(and_, value),
        _is_among(rows.needs_profile, archetype.needs_profiles),
    )
    return sum(condition.cast("int64") for condition in conditions)


def _is_among(value: ir.StringValue, words: tuple[str, ...] | None) -> ir.BooleanValue:
    return ibis.literal(True) if words is None else value.fill_null(UNKNOWN).isin(words)
