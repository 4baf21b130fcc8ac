"""Policy sections on serving accounts: support, engagement, technology, outside signals, and what it all costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from segmentation_assets.policy.company import NotNegative, Positive, Share
from segmentation_assets.policy.section import Section

Window = Annotated[int, Field(gt=0)]
_Rating = Annotated[int, Field(ge=0, le=10)]


class SupportPolicy(Section):
    """The windows of support figures."""

    recent_days: Window
    window_days: Window


class EngagementPolicy(Section):
    """What counts as a touch, a meeting, an answer or a promoter."""

    window_days: Window
    answer_days: Window
    our_initiators: tuple[str, ...]
    """Values of `interactions.initiated_by` that stand for our own people."""
    meeting_kinds: tuple[str, ...]
    digital_channels: tuple[str, ...]
    community_channels: tuple[str, ...]
    digital_first_share: Share
    promoter_from: _Rating
    detractor_to: _Rating

    @model_validator(mode="after")
    def _apart(self) -> EngagementPolicy:
        if self.detractor_to >= self.promoter_from:
            raise ValueError("detractor_to must be below promoter_from")
        return self


class TechnologyPolicy(Section):
    """How an account's tools are judged."""

    displaced_days: Window
    consolidating_at: int
    expanding_at: int
    full_tools: Window
    tools_weight: Share
    complementary_weight: Share

    @model_validator(mode="after")
    def _fits(self) -> TechnologyPolicy:
        if self.consolidating_at >= self.expanding_at:
            raise ValueError("consolidating_at must be below expanding_at")
        total = self.tools_weight + self.complementary_weight
        if abs(total - 1) > 1e-9:
            raise ValueError(f"tools_weight and complementary_weight must sum to 1, they sum to {total:g}")
        return self


class SignalsPolicy(Section):
    """The window of external signals."""

    window_days: Window


class CostPolicy(Section):
    """Rates, in the reporting currency per hour, and what counts as cost of revenue."""

    support_hourly_rate: NotNegative
    csm_hourly_rate: NotNegative
    """For a CSM whose cost is not in the roster."""
    custom_development_hourly_rate: NotNegative
    hosting_share: Share
    csm_is_cost_of_revenue: bool
    annualise_below_days: Positive
    annualise_min_days: Positive
    """A shorter tenure is annualized as if it were this long, so that the set-up of the first week does not count
    fifty times."""

    @model_validator(mode="after")
    def _ordered(self) -> CostPolicy:
        if self.annualise_min_days > self.annualise_below_days:
            raise ValueError("annualise_min_days must not be above annualise_below_days")
        return self
