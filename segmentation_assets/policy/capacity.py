"""Policy sections on coverage: who needs how much care, who gives it, who looks after whom, business cases.

Not here: how much of a CSM's contracted time is for customers (`kpis.ProductivityPolicy`, which this room reads too).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.company import NotNegative, Positive, Share
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import TIERS, Segment, Tier

Level = Literal["associate", "senior"]
Skill = Literal["level", "region", "industry"]


class CoverageRatio(Section):
    """Accounts one CSM looks after in a tier, and the range that is still sound. Null: no CSM by ratio."""

    accounts_per_csm: Annotated[float, Field(gt=0)] | None
    low: Positive | None = None
    high: Positive | None = None
    segments: dict[Segment, Positive] = {}
    """Accounts one CSM looks after where an account of the tier is in one of these segments."""

    @model_validator(mode="after")
    def _ordered(self) -> CoverageRatio:
        low, high, target = self.low, self.high, self.accounts_per_csm
        if target is not None and ((low and low > target) or (high and high < target)):
            raise ValueError(f"accounts_per_csm {target} is not between low {low} and high {high}")
        if target is None and self.segments:
            raise ValueError(f"segments {', '.join(self.segments)} have a ratio, and the tier has none")
        return self


class CoveragePolicy(Section):
    """Coverage ratios by tier; tiers in order of attention."""

    ratios: dict[str, CoverageRatio]


class Care(Section):
    """A play that accounts of a tier are entitled to: so many hours, each time after so many months."""

    play: Annotated[str, Field(min_length=1)]
    every_months: Positive
    hours: Positive

    @property
    def hours_per_month(self) -> float:
        """Hours a month of one account."""
        return self.hours / self.every_months


class CarePolicy(Section):
    """Hours of a CSM's care that accounts are entitled to."""

    plays: dict[Tier, tuple[Care, ...]]
    override_hours_per_month: NotNegative
    """Added where a coverage override puts the account under high touch."""
    segment_hours_per_month: dict[Segment, NotNegative] = {}
    """Added while an account is in one of these segments, whatever its tier: an intervention. Where an override adds
    hours as well, the larger of the two counts."""
    automated_tiers: tuple[Tier, ...]
    """No named CSM and no hours of one, but for an override or a segment that adds hours."""
    as_entitled_share: Share
    """Hours within this share of the entitlement are as entitled: neither over- nor under-served."""

    @field_validator("plays")
    @classmethod
    def _every_tier(cls, value: dict[Tier, tuple[Care, ...]]) -> dict[Tier, tuple[Care, ...]]:
        missing = [tier for tier in TIERS if tier not in value]
        if missing:
            raise ValueError(f"no plays for {', '.join(missing)}; give an empty list where a tier gets none")
        return value

    def hours_per_month(self, tier: Tier) -> float:
        """Hours a month that one account of a tier is entitled to, before overrides; none in an automated tier."""
        return 0.0 if tier in self.automated_tiers else sum(care.hours_per_month for care in self.plays[tier])


class StaffingPolicy(Section):
    """What a full-time CSM is, how far ahead people are planned, and when a gap is worth acting on."""

    full_week_hours: Positive
    """Contracted hours of one FTE, also assumed where the roster does not say."""
    horizon_days: Annotated[int, Field(ge=1)]
    """The planning period after as_of: who starts or leaves in it counts for the days they are there."""
    measured_min_hours: NotNegative
    """Logged hours (three months to as_of) from which a CSM's own internal share replaces the policy's."""
    least_gap_fte: NotNegative
    """A smaller gap is kept."""


class AssignmentPolicy(Section):
    """What the assignment of CSMs must keep to, and what breaking each wish costs, in hours."""

    levels: dict[Tier, tuple[Level, ...]]
    """Levels a tier's CSM must have; tiers not named take anyone."""
    region_required: tuple[Tier, ...]
    industry_required: tuple[Tier, ...]
    stays_in_spite_of: tuple[Skill, ...]
    """A CSM who has an account may keep it without fitting in these, at the price of the mismatch."""
    region_mismatch_share: NotNegative
    """Price of a CSM of another region, as a share of the account's hours; so too of one new to the industry."""
    industry_mismatch_share: NotNegative
    handover_hours: dict[Tier, NotNegative]
    """Price of moving an account whose CSM could keep it."""
    overload_price: Positive
    """Price of each hour a month above a CSM's hours, or of each such hour's worth of portfolio above the ratio."""
    most_load: Annotated[float, Field(ge=1)]
    """Nobody is given more than so many times their hours, or their ratio."""
    unassigned_factor: Positive
    """Price of leaving an account without a CSM: times its hours and its share of a portfolio."""
    candidates: Annotated[int, Field(ge=1)]
    """CSMs first considered per account, the current one among them; others come in where they would pay."""
    exact_pairs: Annotated[int, Field(ge=0)]
    """So many pairs of alike accounts and CSMs one integer program decides on: all of a small problem, of a large one
    those that could relieve overload at the least cost beside the pairs that its relaxation uses."""
    max_gap: Share
    """The search stops at this distance from the bound."""
    max_rounds: Annotated[int, Field(ge=1)]
    max_nodes: Annotated[int, Field(ge=1)]
    """Effort of the search: rounds of further candidates, nodes of the integer program. No clock: same result."""

    @field_validator("levels")
    @classmethod
    def _someone(cls, value: dict[Tier, tuple[Level, ...]]) -> dict[Tier, tuple[Level, ...]]:
        nobody = [tier for tier, levels in value.items() if not levels]
        if nobody:
            raise ValueError(f"{', '.join(nobody)}: an empty list fits nobody; leave the tier away to take anyone")
        return value

    @model_validator(mode="after")
    def _handovers(self) -> Self:
        missing = [tier for tier in TIERS if tier not in self.handover_hours]
        if missing:
            raise ValueError(f"handover_hours lacks {', '.join(missing)}")
        return self


class ScenarioPolicy(Section):
    """How near a stated figure must be to what its parts give, and what no stated figure can be."""

    tolerance_share: Share
    highest_nrr: Annotated[float, Field(gt=1)]
    """A stated NRR above this is percent that was not written as a ratio."""
