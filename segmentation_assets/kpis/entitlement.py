"""How many hours of a CSM an account is entitled to.

Here: this one rule, as expressions over rows with a coverage tier, a segment and an override. Not here: the hours
that CSMs logged (`workloads`), or how many people are needed (`capacity`).
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.capacity import CarePolicy
from segmentation_assets.policy.segments import TIERS


def entitled_hours(rows: ir.Table, care: CarePolicy) -> ir.FloatingValue:
    """Hours a month: those of the tier's plays, plus the larger of the hours that an override and the segment add.

    Reads `coverage_tier`, `segment` and `has_override`. An automated tier has no hours of its own.
    """
    return by_tier(rows, {tier: care.hours_per_month(tier) for tier in TIERS}) + added_hours(rows, care)


def added_hours(rows: ir.Table, care: CarePolicy) -> ir.FloatingValue:
    """Hours a month that an override or the segment adds to those of the tier."""
    by_segment = [(rows.segment == name, float(hours)) for name, hours in care.segment_hours_per_month.items()]
    of_segment = ibis.cases(*by_segment, else_=0.0) if by_segment else ibis.literal(0.0)
    of_override = ibis.ifelse(rows.has_override, float(care.override_hours_per_month), 0.0)
    return ibis.greatest(of_segment, of_override)


def by_tier(rows: ir.Table, figures: Mapping[str, float | None]) -> ir.FloatingValue:
    """The figure of each row's tier; null for tiers without one."""
    cases = [(rows.coverage_tier == tier, float(value)) for tier, value in figures.items() if value is not None]
    return ibis.cases(*cases, else_=ibis.null("float64")) if cases else ibis.null("float64")
