"""Policy sections on coverage: entitlements to care, staffing, the assignment of CSMs, business cases.

Not here: how much of a CSM's contracted time is for customers (`kpis.ProductivityPolicy`, which capacity reads too).
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
    """Accounts per CSM in a tier, and the range that is still sound. Null: the tier needs no CSM by ratio."""

    accounts_per_csm: Annotated[float, Field(gt=0)] | None
    low: Positive | None = None
    high: Positive | None = None
    segments: dict[Segment, Positive] = {}
    """Another ratio for accounts of the tier that are in one of these segments."""

    @model_validator(mode="after")
    def _ordered(self) -> CoverageRatio:
        low, high, target = self.low, self.high, self.accounts_per_csm
        if target is not None and ((low and low > target) or (high and high < target)):
            raise ValueError(f"accounts_per_csm {target} is not between low {low} and high {high}")
        if target is None and self.segments:
            raise ValueError(f"segments {', '.join(self.segments)} have a ratio, but accounts_per_csm is null")
        return self


class CoveragePolicy(Section):
    """Coverage ratios by tier, the tier with most care first."""

    ratios: dict[str, CoverageRatio]


class Care(Section):
    """A play that accounts of a tier are entitled to: `hours` of work every `every_months` months."""

    play: Annotated[str, Field(min_length=1)]
    every_months: Positive
    hours: Positive

    @property
    def hours_per_month(self) -> float:
        """Hours per account and month."""
        return self.hours / self.every_months


class CarePolicy(Section):
    """CSM hours that accounts are entitled to."""

    plays: dict[Tier, tuple[Care, ...]]
    override_hours_per_month: NotNegative
    """Added for an account with a coverage override."""
    segment_hours_per_month: dict[Segment, NotNegative] = {}
    """Added while an account is in one of these segments, in any tier: an intervention. If an override adds hours,
    too, the larger of the two counts."""
    automated_tiers: tuple[Tier, ...]
    """Tiers without a named CSM and without hours, except for an override or a segment that adds hours."""
    as_entitled_share: Share
    """Hours within this share of the entitlement count as entitled: neither over- nor under-served."""

    @field_validator("plays")
    @classmethod
    def _every_tier(cls, value: dict[Tier, tuple[Care, ...]]) -> dict[Tier, tuple[Care, ...]]:
        missing = [tier for tier in TIERS if tier not in value]
        if missing:
            raise ValueError(f"no plays for {', '.join(missing)}; write an empty list for a tier without plays")
        return value

    def hours_per_month(self, tier: Tier) -> float:
        """Hours per month that one account of a tier is entitled to, before overrides; 0 in an automated tier."""
        return 0.0 if tier in self.automated_tiers else sum(care.hours_per_month for care in self.plays[tier])


class StaffingPolicy(Section):
    """The hours of one FTE, how far ahead staffing is planned, and when a gap is worth acting on."""

    full_week_hours: Positive
    """Contracted hours per week of one FTE, also assumed for people without hours in the roster."""
    horizon_days: Annotated[int, Field(ge=1)]
    """Length of the planning period after as_of. People who start or leave in it count for their days."""
    measured_min_hours: NotNegative
    """From this many hours logged in the three months to as_of on, a CSM's own internal share replaces
    `productivity.admin_share`."""
    least_gap_fte: Positive
    """Smallest part of a person that the company hires, or that moves from one tier to another."""
    least_moved_hours: Positive
    """Fewest hours per month of one account that move when people move between tiers."""


class AssignmentPolicy(Section):
    """The hard rules of the assignment of CSMs, and the price in hours of breaking each soft one."""

    levels: dict[Tier, tuple[Level, ...]]
    """The levels that a tier's CSM must have. Tiers not listed take any level."""
    region_required: tuple[Tier, ...]
    industry_required: tuple[Tier, ...]
    stays_in_spite_of: tuple[Skill, ...]
    """The current CSM may keep an account without these skills, at the price of the mismatch."""
    region_mismatch_share: NotNegative
    """Price of a CSM of another region, and below of one new to the industry, as a share of the account's hours."""
    industry_mismatch_share: NotNegative
    handover_hours: dict[Tier, NotNegative]
    """Price of moving an account away from a CSM who could keep it."""
    overload_price: Positive
    """Price of each monthly hour above a CSM's hours, or of the same share of a portfolio above the ratio."""
    most_load: Annotated[float, Field(ge=1)]
    """Nobody gets more than this many times their hours or their ratio."""
    unassigned_factor: Positive
    """Price of an account without a CSM: this factor times its hours and its share of a portfolio."""
    candidates: Annotated[int, Field(ge=1)]
    """CSMs considered per account at first, including the current one. Others follow where they lower the price."""
    exact_pairs: Annotated[int, Field(ge=0)]
    """The integer program decides on at most this many pairs of similar accounts and CSMs. A small problem fits in
    completely. Of a large one it takes the pairs of the relaxation and the cheapest that relieve overload."""
    max_gap: Share
    """The search stops this near to the bound."""
    max_rounds: Annotated[int, Field(ge=1)]
    max_nodes: Annotated[int, Field(ge=1)]
    """Limits of the search: rounds of more candidates, nodes of the integer program. They are counts and not seconds,
    so that the result does not depend on the machine."""

    @field_validator("levels")
    @classmethod
    def _someone(cls, value: dict[Tier, tuple[Level, ...]]) -> dict[Tier, tuple[Level, ...]]:
        nobody = [tier for tier, levels in value.items() if not levels]
        if nobody:
            raise ValueError(f"{', '.join(nobody)}: an empty list fits nobody; leave the tier out to take any level")
        return value

    @model_validator(mode="after")
    def _handovers(self) -> Self:
        missing = [tier for tier in TIERS if tier not in self.handover_hours]
        if missing:
            raise ValueError(f"handover_hours lacks {', '.join(missing)}")
        return self


class ScenarioPolicy(Section):
    """How near a stated figure must be to the figure computed from its parts, and which NRR is not plausible."""

    tolerance_share: Share
    highest_nrr: Annotated[float, Field(gt=1)]
    """A stated NRR above this is a percentage that was not written as a ratio."""
