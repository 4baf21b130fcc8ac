"""Policy sections on segments, coverage tiers, micro-segments and stability, one per table that reads it.

Here: the names of segments and tiers, their rules, exit bands, how moves are slowed down, and what follows from a
segment. Not here: capacity and plays (`capacity`), or the scores that the rules read (`scores`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.company import Days, NotNegative, Positive, Score, Share
from segmentation_assets.policy.section import Section

SEGMENTS = ("Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail")
"""Also the CRM's picklist."""

AT_RISK = "At-Risk"

TIERS = ("Strategic", "Growth", "Core", "Long-Tail")
"""Coverage tiers, most care first."""

MICRO_SEGMENTS = ("expansion_ready", "at_risk", "advocate", "stable")

UNKNOWN = "unknown"
SIZE_CLASSES = ("smb", "mid_market", "enterprise")
VALUE_TIERS = ("Bronze", "Silver", "Gold", "Platinum")
"""Lowest first."""
NEEDS_PROFILES = ("Value not realized", "Basic need", "Specific use case", "Expanding use case", "Platform")

Segment = Literal["Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail"]
SizeClass = Literal["smb", "mid_market", "enterprise", "unknown"]
ValueTier = Literal["Bronze", "Silver", "Gold", "Platinum", "unknown"]
Needs = Literal["Value not realized", "Basic need", "Specific use case", "Expanding use case", "Platform", "unknown"]
Level = Literal["low", "high", "unknown"]
Tier = Literal["Strategic", "Growth", "Core", "Long-Tail"]
Signals = Literal["expansion_ready", "at_risk", "advocate"]


STRATEGIC_SIGNS = ("multi_product", "multi_region", "reference", "strategic_influence")
"""Signs beyond ARR and expansion that an account is Strategic, in the order they are named."""
TOP_ARR = "top_arr"
STRATEGIC_EVIDENCE = (*STRATEGIC_SIGNS, "expansion_score", TOP_ARR)


@dataclass(frozen=True)
class TierRule:
    """A rule of the coverage tiers, as the columns `tier_rule_id` name it."""

    tier: Tier
    is_kept: bool = False
    """The account would not enter the tier, but nothing that makes it leave holds."""
    evidence: str | None = None
    """Of Strategic: what held."""

    @property
    def id(self) -> str:
        """Such as growth_kept or strategic:multi_region."""
        name = self.tier.lower().replace("-", "_") + ("_kept" if self.is_kept else "")
        return f"{name}:{self.evidence}" if self.evidence else name


TIER_RULES = (
    *(TierRule("Strategic", evidence=evidence) for evidence in STRATEGIC_EVIDENCE),
    *(TierRule("Strategic", is_kept=True, evidence=evidence) for evidence in STRATEGIC_EVIDENCE),
    TierRule("Growth"),
    TierRule("Growth", is_kept=True),
    TierRule("Long-Tail"),
    TierRule("Core"),
    TierRule("Core", is_kept=True),
)


def _check_each_once(what: str, names: Iterable[str], expected: Iterable[str]) -> None:
    if sorted(names) != sorted(expected):
        raise ValueError(f"{what} must name each of {', '.join(expected)} once, found {', '.join(names) or 'none'}")


class UpBand(Section):
    """A threshold for high values: an account enters at `enter` and leaves below `leave`."""

    enter: float
    leave: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.leave > self.enter:
            raise ValueError(f"leave {self.leave:g} must not lie above enter {self.enter:g}")
        return self


class ScoreBand(UpBand):
    """A threshold of a score or percentile, 0-100."""

    enter: Score
    leave: Score


class ShareBand(UpBand):
    """A threshold of a share, 0-1."""

    enter: Share
    leave: Share


class DownBand(Section):
    """A threshold for low values: an account enters below `enter` and leaves at `leave`."""

    enter: NotNegative
    leave: NotNegative

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.leave < self.enter:
            raise ValueError(f"leave {self.leave:g} must not lie below enter {self.enter:g}")
        return self


class Conditions(Section):
    """Conditions on an account; all that are set must hold. `unknown` matches a value that is not known."""

    size_classes: Annotated[tuple[SizeClass, ...], Field(min_length=1)] | None = None
    cohorts: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    value_tiers: Annotated[tuple[ValueTier, ...], Field(min_length=1)] | None = None
    needs_profiles: Annotated[tuple[Needs, ...], Field(min_length=1)] | None = None
    expansion: Annotated[tuple[Level, ...], Field(min_length=1)] | None = None
    """Whether the expansion score reaches `high_expansion`."""
    worth_saving: bool | None = None
    barely_used: bool | None = None


class SegmentRule(Conditions):
    """One of the ordered rules: accounts that meet its conditions get its segment."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    segment: Segment
    dimensions_at_most: Annotated[int, Field(ge=0, le=3)] | None = None
    """Holds if at most this many of size class, usage cohort, value tier and needs profile are known."""

    @property
    def has_conditions(self) -> bool:
        """Whether some accounts do not meet the rule and go on to the next one."""
        return any(value is not None for name, value in self if name not in {"id", "segment"})


class Archetype(Conditions):
    """The typical account of a segment: conditions on size, behavior, value and needs. A missing one always holds."""

    or_barely_used: bool = False
    """The condition on behavior also holds if the product is barely used, in any cohort."""


class WorthSaving(Section):
    """When an account in trouble is worth an intervention: one of the two is enough."""

    clv_percentile: ScoreBand
    value_tiers: tuple[ValueTier, ...]


class SegmentRulesPolicy(Section):
    """The segments: ordered rules, their thresholds with exit bands, and each segment's archetype."""

    high_expansion: ScoreBand
    """Expansion score."""
    barely_used: DownBand
    """Share of licensed seats active in 28 days."""
    value_exit_share: Annotated[float, Field(ge=0, lt=1)]
    """An account leaves its value tier when its value is more than this share below the cut-off."""
    worth_saving: WorthSaving
    rules: Annotated[tuple[SegmentRule, ...], Field(min_length=1)]
    """The first rule that holds decides."""
    archetypes: dict[Segment, Archetype]

    @model_validator(mode="after")
    def _decides_everybody(self) -> Self:
        pairs = [(rule.id, rule.segment) for rule in self.rules]
        twice = sorted({rule for rule, segment in pairs if pairs.count((rule, segment)) > 1})
        if twice:
            raise ValueError(f"rules: {', '.join(twice)} stands twice for the same segment")
        never = [rule.id for rule in self.rules[:-1] if not rule.has_conditions]
        if never:
            raise ValueError(f"rules: {never[0]} has no condition, so no rule after it can ever hold")
        if self.rules[-1].has_conditions:
            raise ValueError(f"rules: the last one, {self.rules[-1].id}, must have no condition: it takes all others")
        missing = [name for name in SEGMENTS if name not in {rule.segment for rule in self.rules}]
        if missing:
            raise ValueError(f"rules: none gives {', '.join(missing)}")
        _check_each_once("archetypes", self.archetypes, SEGMENTS)
        return self

    @property
    def cohorts(self) -> frozenset[str]:
        """The cohorts that rules or archetypes name."""
        parts: tuple[Conditions, ...] = (*self.rules, *self.archetypes.values())
        return frozenset(name for part in parts for name in part.cohorts or () if name != UNKNOWN)

    @property
    def cohorts_in_trouble(self) -> tuple[str, ...]:
        """The cohorts that lead into At-Risk, in the order the rules name them."""
        named = [name for rule in self.rules if rule.segment == AT_RISK for name in rule.cohorts or ()]
        return tuple(dict.fromkeys(name for name in named if name != UNKNOWN))


class TierPolicy(Section):
    """Coverage tiers: ARR bounds (also the billing thresholds) and the other conditions of each tier."""

    strategic_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of accounts with the largest ARR that can be Strategic."""
    top_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of accounts with the largest ARR that are Strategic by ARR alone."""
    strategic_expansion_score: ScoreBand
    growth_min_arr: Positive
    growth_min_behavioral_score: Score
    growth_min_health_score: Score
    growth_expansion_score: ScoreBand
    growth_lookalike: ShareBand
    long_tail_below_arr: Positive
    long_tail_expansion_score: ScoreBand
    """An account leaves Long-Tail at `enter` and returns below `leave`."""
    exit_band: Annotated[float, Field(ge=0, lt=1)]
    """An account leaves a tier when its ARR is this share below the tier's entry."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.top_share > self.strategic_share:
            raise ValueError("top_share must not be larger than strategic_share")
        if self.long_tail_below_arr > self.growth_min_arr:
            raise ValueError("long_tail_below_arr must not be larger than growth_min_arr: the tiers would overlap")
        return self


TierTrait = Literal[
    "stable_usage", "pays_on_time", "healthy", "digital_first", "limited_expansion", "advanced_use", "basic_use"
]


class TierTraitsPolicy(Section):
    """The typical account of each tier. It decides nothing: `segments` shows who is unlike their tier."""

    tiers: dict[Tier, Annotated[tuple[TierTrait, ...], Field(min_length=1)]]
    advanced_use_from: Share
    """Advanced use: at least this share of the advanced features paid for is in use (`ladder_level`)."""

    @field_validator("tiers")
    @classmethod
    def _every_tier(cls, value: dict[Tier, tuple[TierTrait, ...]]) -> dict[Tier, tuple[TierTrait, ...]]:
        missing = [tier for tier in TIERS if tier not in value]
        if missing:
            raise ValueError(f"no traits for {', '.join(missing)}")
        return value


class StabilityPolicy(Section):
    """How long a candidate segment must hold before an account moves."""

    grid_points: Annotated[int, Field(ge=1)]
    """The candidate must hold on this many Mondays in a row."""
    min_stay_weeks: Annotated[int, Field(ge=0)]
    """An account stays in a segment for at least this long. Exceptions: into At-Risk, out of it, or because ARR
    crossed a billing threshold."""
    tier_memory_quarters: Annotated[int, Field(ge=0)]
    """Quarters before a walk's first Monday that decide the tier it starts from: every Monday of the last quarter,
    the first Monday of each month of the others."""
    max_usage_lag_days: Days
    """Older usage moves no account into At-Risk. It is still shown and scored, up to `usage.max_lag_days`."""


class Treatment(Section):
    """What follows from a segment."""

    go_to_market: str
    pricing_model: str
    message_track: str
    territory: str
    """`{region}` is replaced by the account's region."""
    care_tier: Tier | None
    """The coverage tier whose care fits the segment. Null: the segment has none."""
    agrees_with: Annotated[tuple[Tier, ...], Field(min_length=1)]
    """The coverage tiers that do not conflict with the segment."""


class TreatmentPolicy(Section):
    """What follows from each segment."""

    unknown_region: str
    care_labels: dict[Tier, str]
    """The name of each coverage tier for people: its kind of care. Three tiers share their names with segments."""
    segments: dict[Segment, Treatment]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_each_once("treatment.segments", self.segments, SEGMENTS)
        _check_each_once("treatment.care_labels", self.care_labels, TIERS)
        for name, treatment in self.segments.items():
            if treatment.care_tier is not None and treatment.care_tier not in treatment.agrees_with:
                raise ValueError(f"{name}: its own care_tier {treatment.care_tier} must be in agrees_with")
        return self


class MicroSegmentPolicy(Section):
    """Signals for the next step with an account within its tier, and declining usage."""

    order: tuple[Signals, ...]
    """The first micro-segment with a signal wins. Without any: stable."""
    declining_trend: Annotated[float, Field(ge=-1, le=0)]
    """Usage declines if the trend of users or events, net of the company's trend, is at most this."""
    declining_min_users: Annotated[int, Field(ge=0)]
    """Only for accounts with at least this many active users in the 28 days before."""
    declining_min_events: Annotated[int, Field(ge=0)]
    """The same of events, where usage does not say who used the product."""
    surge_trend: NotNegative
    """Adoption surge: the trend of users, net of the company's trend, is at least this."""
    min_new_champions: Annotated[int, Field(ge=1)]
    negative_sentiment_below: Annotated[float, Field(ge=-1, le=1)]
    low_health_below: Score
    late_overdue_days: Days
    """Late payment: an invoice is overdue for more than this."""
    late_mean_days: Positive
    """Late payment: the invoices of twelve months were this many days late on average."""
    satisfied_min_csat: float
    satisfied_min_nps: Annotated[float, Field(ge=-100, le=100)]
    fit_min_firmographic_score: Score
    override_renewal_within_days: Days
    """Declining usage with a renewal within this many days sets coverage_override."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_each_once("order", self.order, MICRO_SEGMENTS[:-1])
        if self.order[0] != "at_risk":
            raise ValueError("order must begin with at_risk: no account in danger is ready to expand or an advocate")
        return self


class MovePolicy(Section):
    """How moves are explained."""

    segment_order: tuple[Segment, ...]
    """Best first. A move towards the front is up."""
    explained_scores: tuple[str, ...]
    """Scores whose parts can be named as causes."""
    parts_named: Annotated[int, Field(ge=0)]
    """Number of score parts to name."""
    min_points: NotNegative
    """A part that changed by fewer points is not named."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_each_once("segment_order", self.segment_order, SEGMENTS)
        return self
