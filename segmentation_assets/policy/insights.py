"""Policy sections on what KPIs are taken apart by: cohorts, features, traits, CSMs, data, renewals, goals.

Here: lengths, thresholds and weights of the analyses beside the KPIs. Not here: the periods, targets and benchmarks
of the KPIs themselves (`kpis`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.company import NotNegative, Positive, Share
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import TIERS, Tier

Count = Annotated[int, Field(ge=1)]


class CohortPolicy(Section):
    """How long cohorts of accounts that signed up together are followed."""

    max_age_quarters: Annotated[int, Field(ge=1, le=80)]
    usage_quarters: Annotated[int, Field(ge=1, le=20)]
    """Usage is told for so many of the last quarter ends; a longer look back makes runs longer."""


class AdoptionPolicy(Section):
    """What it takes for a feature to be loved, or untouched."""

    loving_cohorts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Behavioral cohorts whose favourites are looked for."""
    missing_cohorts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Behavioral cohorts that are asked what they never touch."""
    loved_from: Share
    untouched_up_to: Share

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.untouched_up_to >= self.loved_from:
            raise ValueError("untouched_up_to must be below loved_from")
        if set(self.loving_cohorts) & set(self.missing_cohorts):
            raise ValueError("a cohort cannot be both in loving_cohorts and in missing_cohorts")
        return self


class TraitPolicy(Section):
    """How sure it must be that a trait goes with an outcome."""

    confidence: Annotated[float, Field(gt=0, lt=1)]
    sophisticated_from: Share
    """Readiness for advanced features that counts as sophisticated."""


class EngagedUsePolicy(Section):
    """What counts as strong usage with engagement."""

    min_seat_activity: NotNegative
    """Active users / licensed seats over the usage window."""
    min_touches_90d: NotNegative
    """Marketing and community touches."""


class CsmPolicy(Section):
    """What a CSM's result counts, by the tier of the account."""

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
    """What an extract loses points for."""

    completeness_weight: NotNegative
    freshness_weight: NotNegative
    validity_weight: NotNegative
    max_age_days: dict[str, Count]
    """Age of the newest row that is still fresh, by extract."""
    default_max_age_days: Count
    worst_quarantined_share: Annotated[float, Field(gt=0, le=1)]
    """From so many refused rows on, no points for validity."""
    null_has_a_meaning: dict[str, tuple[str, ...]]
    """Columns where nothing is a fact (still open, not paid), by extract: not counted as incomplete."""

    @model_validator(mode="after")
    def _weights_sum(self) -> Self:
        total = self.completeness_weight + self.freshness_weight + self.validity_weight
        if abs(total - 100) > 1e-9:
            raise ValueError(f"the three weights must sum to 100, they sum to {total:g}")
        return self


class RenewalPolicy(Section):
    """How renewals ahead are forecast."""

    quarters: Annotated[int, Field(ge=1, le=8)]
    confidence: Annotated[float, Field(gt=0, lt=1)]


class ReconciliationPolicy(Section):
    """Differences between subscriptions, invoices and opportunities that nobody needs to explain."""

    tolerance_share: Share
    tolerance_amount: NotNegative
    not_yet_billed_days: Count
    """Days of service that may be without an invoice so far; for longer, an invoice is missing."""


class GoalPolicy(Section):
    """What expansion should bring in the twelve months ahead."""

    expansion_target: Positive | None
    """An amount of ARR, or null: the next share of ARR."""
    expansion_target_share: Positive
    win_rate: Share
    """Of the amount of open expansion opportunities."""
    max_moved_share: Share
    """Of a tier's CSM hours that can be moved away from it."""
    min_accounts: Annotated[int, Field(ge=3)]
    """Accounts of a tier from which on it is said what one more CSM hour brings there."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Of the interval around that."""
