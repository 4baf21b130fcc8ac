"""Policy sections on value, lifetime, expansion and the composite score. Not here: the other scores' sections."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from segmentation_assets.policy.company import NotNegative, Positive, Share
from segmentation_assets.policy.scores import Scale, Weights
from segmentation_assets.policy.section import Section

_TOLERANCE = 1e-9


class ValuePolicy(Section):
    """Value of an account: (ARR x NRR) - cost to serve, with a premium for active accounts with room to grow."""

    nrr_floor: NotNegative
    nrr_ceiling: Positive
    assumed_nrr: NotNegative
    """For accounts that had no ARR twelve months ago."""
    assumed_cost: NotNegative
    """For accounts without cost data."""
    whitespace_multiplier: Annotated[float, Field(ge=1)]
    whitespace_below_captured_share: Share
    whitespace_min_seat_activity: NotNegative

    @model_validator(mode="after")
    def _ordered(self) -> ValuePolicy:
        if not self.nrr_floor <= self.assumed_nrr <= self.nrr_ceiling:
            raise ValueError("nrr_floor, assumed_nrr and nrr_ceiling must be in ascending order")
        return self


class ValueTierPolicy(Section):
    """Value tiers as shares of the live accounts, best first; the rest is Bronze."""

    platinum_share: Share
    gold_share: Share
    silver_share: Share
    freeze_per_quarter: bool
    """Whether the cut-offs are those of the previous quarter's last day, instead of each day's own."""

    @model_validator(mode="after")
    def _within_one(self) -> ValueTierPolicy:
        total = self.platinum_share + self.gold_share + self.silver_share
        if total > 1 + _TOLERANCE:
            raise ValueError(f"the shares of Platinum, Gold and Silver sum to {total:g}, more than 1")
        return self


class LifetimePolicy(Section):
    """Customer lifetime: when a cohort gets a fit, and what replaces the fit if not."""

    discount_rate: Positive
    """Per year."""
    min_accounts: Annotated[int, Field(ge=1)]
    min_renewals: Annotated[int, Field(ge=2)]
    """A fit needs at least this many annual renewals behind the cohort: the points on its survival curve."""
    longest_unfitted_years: Annotated[int, Field(ge=1)]
    """For a cohort without a fit, at most this many yearly payments count."""


class AddressablePolicy(Section):
    """The share of an account's employees who could use the product."""

    default_share: Annotated[float, Field(gt=0, le=1)]
    share_by_industry: dict[str, Annotated[float, Field(gt=0, le=1)]]
    """Case does not matter."""

    @model_validator(mode="after")
    def _each_industry_once(self) -> AddressablePolicy:
        names = [name.strip().lower() for name in self.share_by_industry]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the same industry stands twice: {', '.join(twice)}")
        return self


class ExpansionWeights(Weights):
    """Weights of the expansion score."""

    arr: NotNegative
    trajectory: NotNegative
    whitespace: NotNegative
    lookalike: NotNegative


class ExpansionPolicy(Section):
    """Room to expand compared with similar accounts, and the expansion score."""

    min_peers: Annotated[int, Field(ge=1)]
    whitespace_percentile: Annotated[float, Field(gt=0, le=100)]
    net_trend: Scale
    """Points for the mean of the trends of users and events, net of the company's trend."""
    weights: ExpansionWeights


class CompositeWeights(Weights):
    """Weights of the composite score."""

    firmographic: NotNegative
    technographic: NotNegative
    behavioral: NotNegative
    value: NotNegative
    needs: NotNegative


class CompositePolicy(Section):
    """The composite score."""

    weights: CompositeWeights
