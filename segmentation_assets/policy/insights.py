"""Policy sections of the analyses beside the KPIs: cohorts, features, traits, CSMs, data quality, renewals, goals.

Not here: the periods, targets and benchmarks of the KPIs themselves (`kpis`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.company import NotNegative, Positive, Share
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import TIERS, Tier

Count = Annotated[int, Field(ge=1)]


class CohortPolicy(Section):
    """How long a cohort of accounts that started in the same quarter is followed."""

    max_age_quarters: Annotated[int, Field(ge=1, le=80)]
    usage_quarters: Annotated[int, Field(ge=1, le=20)]
    """Usage is shown for this many of the last quarter ends. More of them make runs slower."""


class AdoptionPolicy(Section):
    """When a feature is loved or untouched."""

    loving_cohorts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Usage cohorts whose favorite features count."""
    missing_cohorts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Usage cohorts whose unused features count."""
    loved_from: Share
    """Loved: at least this share of the accounts in `loving_cohorts` use the feature."""
    untouched_up_to: Share
    """Untouched: at most this share of the accounts in `missing_cohorts` use it."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.untouched_up_to >= self.loved_from:
            raise ValueError("untouched_up_to must be below loved_from")
        if set(self.loving_cohorts) & set(self.missing_cohorts):
            raise ValueError("a cohort cannot be both in loving_cohorts and in missing_cohorts")
        return self


class TraitPolicy(Section):
    """How certain it must be that a trait goes with an outcome."""

    confidence: Annotated[float, Field(gt=0, lt=1)]
    sophisticated_from: Share
    """From this readiness for advanced features on, an account is sophisticated."""


class EngagedUsePolicy(Section):
    """What counts as strong usage with engagement."""

    min_seat_activity: NotNegative
    """Active users / licensed seats over the usage window."""
    min_touches_90d: NotNegative
    """Marketing and community touches."""


class CsmPolicy(Section):
    """The weight of an account in its CSM's results, by tier."""

    tier_weights: dict[Tier, NotNegative]

    @field_validator("tier_weights")
    @classmethod
    def _all_tiers(cls, value: dict[Tier, float]) -> dict[Tier, float]:
        missing = [tier for tier in TIERS if tier not in value]
        if missing or not any(value.values()):
            lacks = ", ".join(missing) or "none"
            raise ValueError(f"every tier needs a weight, at least one above 0; missing: {lacks}")
        return value


class DataQualityPolicy(Section):
    """The data quality score of an extract: weights, and when its data is stale or wrong."""

    completeness_weight: NotNegative
    freshness_weight: NotNegative
    validity_weight: NotNegative
    max_age_days: dict[str, Count]
    """By extract: it is fresh while its newest row (of a complete list, its newest delivery) is at most this old."""
    default_max_age_days: Count
    worst_quarantined_share: Annotated[float, Field(gt=0, le=1)]
    """From this share of refused rows on, validity gets no points."""
    null_has_a_meaning: dict[str, tuple[str, ...]]
    """By extract: columns where empty has a meaning (still open, not paid). They do not count as incomplete."""

    @model_validator(mode="after")
    def _weights_sum(self) -> Self:
        total = self.completeness_weight + self.freshness_weight + self.validity_weight
        if abs(total - 100) > 1e-9:
            raise ValueError(f"the three weights must sum to 100, they sum to {total:g}")
        return self


class BacktestPolicy(Section):
    """How segments and scores of past days are compared with what happened afterwards."""

    months: Annotated[int, Field(ge=1, le=6)]
    """Length of the short windows; they follow each other up to as_of."""
    windows: Annotated[int, Field(ge=1, le=8)]
    """Number of short windows."""
    long_months: Annotated[int, Field(ge=6, le=24)]
    """Length of the one long window that ends at as_of."""
    min_events: Annotated[int, Field(ge=1)]
    """A score is judged if at least this many accounts left (or expanded)."""
    top_share: Annotated[float, Field(gt=0, lt=1)]
    """Lift compares this share of the accounts, those that the score places first, with all."""
    draws: Annotated[int, Field(ge=50, le=10_000)]
    """Times that the accounts are drawn anew for an interval."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: Count


class RenewalPolicy(Section):
    """How future renewals are forecast."""

    quarters: Annotated[int, Field(ge=1, le=8)]
    confidence: Annotated[float, Field(gt=0, lt=1)]


class RenewalWindowPolicy(Section):
    """The periods ahead for which renewals are summed."""

    days: Annotated[tuple[Annotated[int, Field(ge=1, le=366)], ...], Field(min_length=1)]
    """Windows of this many days after as_of. The quarter of the day after as_of is one more."""
    confidence: Annotated[float, Field(gt=0, lt=1)]

    @field_validator("days")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("the days must ascend, each once")
        return value


class ReconciliationPolicy(Section):
    """Differences between subscriptions, invoices and opportunities that need no explanation."""

    tolerance_share: Share
    tolerance_amount: NotNegative
    not_yet_billed_days: Count
    """Service may be without an invoice for this many days. After that an invoice is missing."""


class GoalPolicy(Section):
    """The expansion target for the next twelve months, and what may be moved to reach it."""

    expansion_target: Positive | None
    """An amount of ARR. Null: `expansion_target_share` of ARR."""
    expansion_target_share: Positive
    win_rate: Share
    """Share of the amount of open expansion opportunities that is won."""
    max_moved_share: Share
    """Share of a tier's CSM hours that can move to another tier."""
    min_accounts: Annotated[int, Field(ge=3)]
    """In a tier with fewer accounts, the effect of one more CSM hour is not known."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Confidence of the interval around that effect."""
