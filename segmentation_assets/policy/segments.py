"""Policy sections on segments, coverage tiers, micro-segments and stability, one per table that reads it.

Here: the names of segments and tiers, the segment matrix, tier rules, how moves are slowed, and what follows from a
segment. Not here: capacity (`capacity`), plays, or the scores that the rules read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from segmentation_assets.policy.company import Days, NotNegative, Positive, Score, Share
from segmentation_assets.policy.section import Section

SEGMENTS = ("Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail")
"""Also the CRM's picklist, and the table's order: ties go to the one named first."""

AT_RISK = "At-Risk"

TIERS = ("Strategic", "Growth", "Core", "Long-Tail")
"""Coverage tiers, most care first."""

MICRO_SEGMENTS = ("expansion_ready", "at_risk", "advocate", "stable")

Segment = Literal["Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail"]
Tier = Literal["Strategic", "Growth", "Core", "Long-Tail"]
Signals = Literal["expansion_ready", "at_risk", "advocate"]


def _check_each_once(what: str, found: Iterable[str], wanted: Iterable[str]) -> None:
    if sorted(found) != sorted(wanted):
        raise ValueError(f"{what} must name each of {', '.join(wanted)} once, found {', '.join(found) or 'none'}")


class MatrixRow(Section):
    """One row of the segment matrix: the values that fit, by dimension."""

    segment: Segment
    size_classes: tuple[str, ...]
    cohorts: tuple[str, ...]
    value_tiers: tuple[str, ...]
    needs_profiles: tuple[str, ...]
    min_expansion_score: Score | None = None
    """Needed to meet the row exactly; an unknown score does. No part of the distance."""
    or_seat_activity_below: Positive | None = None
    """Meets the behavioral condition whatever the cohort."""


class AtRiskRule(Section):
    """Who is At-Risk, decided before any row: a cohort in trouble that is worth an intervention."""

    cohorts: tuple[str, ...]
    min_clv_percentile: Score
    worthless_value_tiers: tuple[str, ...]
    """Where CLV is unknown, all value tiers but these are worth it."""


class SegmentMatrixPolicy(Section):
    """The segment matrix. Its dimensions are weighted like the composite score's."""

    size_classes: tuple[str, ...]
    """Scales, lowest first: the rank on them makes the distance."""
    cohorts: tuple[str, ...]
    value_tiers: tuple[str, ...]
    needs_profiles: tuple[str, ...]
    at_risk: AtRiskRule
    rows: tuple[MatrixRow, ...]
    """In the order that settles ties."""
    no_data_segment: Segment

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_each_once(
            "the rows of the matrix", [r.segment for r in self.rows], [s for s in SEGMENTS if s != AT_RISK]
        )
        scales = ("size_classes", "cohorts", "value_tiers", "needs_profiles")
        for scale in scales:
            known = getattr(self, scale)
            if len(known) < 2 or len(set(known)) != len(known):
                raise ValueError(f"{scale} needs two or more values, each once")
            for row in self.rows:
                self._check_known(f"row {row.segment}, {scale}", getattr(row, scale), known)
        for condition in ("min_expansion_score", "or_seat_activity_below"):
            if sum(getattr(row, condition) is not None for row in self.rows) > 1:
                raise ValueError(f"only one row may have {condition}: an account has one answer to it")
        self._check_known("at_risk, cohorts", self.at_risk.cohorts, self.cohorts)
        self._check_known("at_risk, worthless_value_tiers", self.at_risk.worthless_value_tiers, self.value_tiers)
        return self

    @staticmethod
    def _check_known(what: str, named: tuple[str, ...], known: tuple[str, ...]) -> None:
        if not named:
            raise ValueError(f"{what}: names nothing")
        strangers = [n for n in named if n not in known]
        if strangers:
            raise ValueError(f"{what}: {', '.join(strangers)} is not on the scale {', '.join(known)}")


class TierPolicy(Section):
    """Coverage tiers: ARR bounds (also the billing thresholds) and the evidence each tier asks for."""

    strategic_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of accounts, largest ARR first, that may be Strategic."""
    top_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of accounts that is Strategic by ARR alone."""
    strategic_min_expansion_score: Score
    growth_min_arr: Positive
    growth_min_behavioral_score: Score
    growth_min_health_score: Score
    growth_min_expansion_score: Score
    growth_min_lookalike: Share
    long_tail_below_arr: Positive
    long_tail_below_expansion_score: Score
    exit_band: Annotated[float, Field(ge=0, lt=1)]
    """Leaving a tier by ARR needs so much less than its entry."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.top_share > self.strategic_share:
            raise ValueError("top_share must not be larger than strategic_share")
        if self.long_tail_below_arr > self.growth_min_arr:
            raise ValueError("long_tail_below_arr must not be larger than growth_min_arr: the tiers would overlap")
        return self


class StabilityPolicy(Section):
    """How long a candidate must hold before an account moves."""

    grid_points: Annotated[int, Field(ge=1)]
    """Mondays in a row."""
    tier_memory_quarters: Annotated[int, Field(ge=0)]
    """Quarters before a walk's first Monday that tell which tier an account was in then."""
    max_usage_lag_days: Days
    """Usage further behind than this moves nobody into At-Risk; it still counts, up to `usage.max_lag_days`."""


class Treatment(Section):
    """What follows from a segment."""

    go_to_market: str
    pricing_model: str
    message_track: str
    territory: str
    """`{region}` stands for the account's region."""
    care_tier: Tier | None
    """The coverage tier whose level of care the segment names; null: none of its own."""
    agrees_with: tuple[Tier, ...]
    """Coverage tiers that are no conflict."""


class TreatmentPolicy(Section):
    """What follows from each segment."""

    unknown_region: str
    segments: dict[Segment, Treatment]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_each_once("treatment.segments", self.segments, SEGMENTS)
        for name, treatment in self.segments.items():
            if treatment.care_tier is not None and treatment.care_tier not in treatment.agrees_with:
                raise ValueError(f"{name}: its own care_tier {treatment.care_tier} must be in agrees_with")
        return self


class MicroSegmentPolicy(Section):
    """Signals of the next step inside a tier, and declining usage."""

    order: tuple[Signals, ...]
    """The first whose signals are there wins; none: stable."""
    declining_trend: Annotated[float, Field(ge=-1, le=0)]
    """Users or events, net of the company's trend: at most this is declining usage."""
    declining_min_users: Annotated[int, Field(ge=0)]
    """From a base of at least so many active users in the 28 days before."""
    surge_trend: NotNegative
    """Users, net of the company's trend: at least this is an adoption surge."""
    min_new_champions: Annotated[int, Field(ge=1)]
    negative_sentiment_below: Annotated[float, Field(ge=-1, le=1)]
    late_overdue_days: Days
    """Longest overdue invoice: more than this is late payment."""
    late_mean_days: Positive
    """Mean days late of twelve months: at least this is late payment."""
    satisfied_min_csat: float
    satisfied_min_nps: Annotated[float, Field(ge=-100, le=100)]
    fit_min_firmographic_score: Score
    override_renewal_within_days: Days
    """Declining usage with a renewal within so many days: coverage_override."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_each_once("order", self.order, MICRO_SEGMENTS[:-1])
        return self


class MovePolicy(Section):
    """How moves are told."""

    segment_order: tuple[Segment, ...]
    """Best first: a move towards the front is up."""
    explained_scores: tuple[str, ...]
    """Scores whose parts are named as causes."""
    parts_named: Annotated[int, Field(ge=0)]
    min_points: NotNegative
    """A part that changed by less is not named."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_each_once("segment_order", self.segment_order, SEGMENTS)
        return self
