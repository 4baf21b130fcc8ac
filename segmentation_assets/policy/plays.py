"""Policy section on plays: the catalogue of what people and automation do with an account, who does it, and by when.

Here: each play with the accounts it is for, its owner and its dates. Not here: how often a tier is entitled to a play
and the hours of it (`capacity.CarePolicy`), or the advice on an account that has no play due (`report.next_actions`).
"""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from segmentation_assets.policy.company import Days, Positive, Share
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import SEGMENTS, TIERS, Needs, Segment, Tier

PLAY_KINDS = ("renewal", "override", "onboarding", "risk", "growth", "care")
"""An account has at most one open play of each kind."""
OWNER_ROLES = ("csm", "account_executive", "executive_sponsor", "automation")
AUTOMATION = "automation"
STAGES = ("onboarding", "adopting", "established", "renewing", "paused")
PLAY_REASONS = (
    "renewal", "churn_risk", "usage", "seats", "health", "overdue", "risk_since", "leaving", "paused", "tenure",
    "signal", "expansion", "last_done",
)  # fmt: skip

PlayKind = Literal["renewal", "override", "onboarding", "risk", "growth", "care"]
Owner = Literal["csm", "account_executive", "executive_sponsor", "automation"]
Trigger = Literal["before_renewal", "after_start", "segment_since", "this_week", "care"]
Stage = Literal["onboarding", "adopting", "established", "renewing", "paused"]
Micro = Literal["expansion_ready", "at_risk", "advocate", "stable"]
Weakest = Literal["product", "relationship", "outcome", "financial"]
Reason = Literal[
    "renewal", "churn_risk", "usage", "seats", "health", "overdue", "risk_since", "leaving", "paused", "tenure",
    "signal", "expansion", "last_done",
]  # fmt: skip
WorkingDays = Annotated[int, Field(ge=1, le=60)]
Text = Annotated[str, Field(min_length=1)]

STEPPED: tuple[Trigger, ...] = ("before_renewal", "after_start")
_CONDITIONS = ("segments", "tiers", "micro_segments", "stages", "needs_profiles", "weakest")


class PlayEntry(Section):
    """One play of the catalogue: for which accounts, by whom, from when on, and why. All conditions must hold."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: PlayKind
    play: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """The word in `interactions.play` that says the play was done."""
    owner: Owner
    trigger: Trigger
    """What the play's dates count from. before_renewal and after_start: `steps`, in days before the renewal or after
    the first payment. segment_since: the day the segment came into force. this_week: the Monday of the week, for
    signals without a date of their own. care: the last time it was done, and how often the tier is entitled to it."""
    title: Text | None = None
    """What to do. A play with `steps` has a title for each step instead."""
    steps: dict[Days, Text] = {}
    segments: Annotated[tuple[Segment, ...], Field(min_length=1)] | None = None
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)] | None = None
    micro_segments: Annotated[tuple[Micro, ...], Field(min_length=1)] | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] | None = None
    needs_profiles: Annotated[tuple[Needs, ...], Field(min_length=1)] | None = None
    weakest: Annotated[tuple[Weakest, ...], Field(min_length=1)] | None = None
    """The weakest dimension of health."""
    has_override: bool | None = None
    is_leaving: bool | None = None
    """Whether the account is known to leave. Null: it makes no difference."""
    again_after_days: Days | None = None
    """Once done, the play is due again after this many days, if its conditions still hold. Null: only once."""
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1)]
    """The figures of the account that say why, in order. One that is not known is left out."""

    @model_validator(mode="after")
    def _dates(self) -> Self:
        if self.trigger in STEPPED:
            if not self.steps or self.title is not None:
                raise ValueError(f"{self.id}: a play {self.trigger} needs steps (days: what to do), and no title")
            if self.again_after_days is not None:
                raise ValueError(f"{self.id}: steps say when it is due again; leave out again_after_days")
        elif self.steps or self.title is None:
            raise ValueError(f"{self.id}: a play with trigger {self.trigger} needs a title, and no steps")
        if self.trigger == "this_week" and self.again_after_days is None:
            raise ValueError(f"{self.id}: a play of this_week needs again_after_days, or it would be due every week")
        if self.trigger == "care" and self.again_after_days is not None:
            raise ValueError(f"{self.id}: care.plays says how often it is due; leave out again_after_days")
        if self.trigger == "segment_since" and self.segments is None:
            raise ValueError(f"{self.id}: a play that counts from segment_since must name its segments")
        return self

    @property
    def has_conditions(self) -> bool:
        """Whether some accounts do not get the play."""
        flags = (self.has_override, self.is_leaving)
        return any(getattr(self, name) is not None for name in _CONDITIONS) or any(f is not None for f in flags)

    @property
    def step_days(self) -> tuple[int, ...]:
        """The days of the steps in the order in which they come."""
        return tuple(sorted(self.steps, reverse=self.trigger == "before_renewal"))

    def covers(self, segment: Segment, tier: Tier) -> bool:
        """Whether every account of this segment and tier gets the play, unless it is known to leave."""
        others = ("micro_segments", "stages", "needs_profiles", "weakest", "has_override")
        if self.is_leaving or any(getattr(self, name) is not None for name in others):
            return False
        return (self.segments is None or segment in self.segments) and (self.tiers is None or tier in self.tiers)


class NeedsTrack(Section):
    """What goes to an account of a needs profile: the path of its onboarding, its content, its review's template."""

    onboarding_path: Text
    content_track: Text
    review_template: Text


class PlayEffectPolicy(Section):
    """How accounts with a play are compared with accounts without it."""

    held_back_since: date | None
    """Since this day, the accounts of `plays.holdout_shares` have gone without their plays. Null: nobody has yet, so
    nothing is an experiment."""
    done_within_days: Annotated[int, Field(ge=1, le=90)]
    """A play counts as done if it was done within this many days after the list."""
    risk_cuts: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)]
    """Similar accounts are in the same band of churn risk between these."""
    min_accounts: Annotated[int, Field(ge=5)]
    """With fewer accounts with or without the play, the sample is too small to conclude."""
    typical_accounts: Annotated[int, Field(ge=10)]
    """The intervals are tightest near this number of accounts."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)]

    @field_validator("risk_cuts")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("the cuts must ascend, each once")
        return value


class PlayPolicy(Section):
    """Which plays are due for an account, in which order, by when, and who is left without for comparison."""

    order: tuple[PlayKind, ...]
    """Most urgent kind first. Renewals count first only within `renewal_first_days`, later ones come last."""
    renewal_first_days: Days
    horizon_days: Days
    """Plays due later than this many days after as_of are not listed."""
    early_days: Days
    """A play done up to this many days before it opens counts as done."""
    replanned_days: Days
    """For this many days after a move of segment or tier, its plays say that they were planned anew."""
    waits_for: dict[PlayKind, tuple[PlayKind, ...]]
    """A kind is not due while a play of one of these kinds is open for the account."""
    urgency: dict[PlayKind, Share]
    """Weight of a kind in the order of a person's list: urgency x ARR."""
    urgency_half_days: Positive
    """Urgency halves with this many days until the play is due. Overdue plays have their full weight."""
    due_working_days: dict[PlayKind, dict[Tier, WorkingDays]]
    """The promised response: working days from the day a play opens to the day it is due."""
    holdout_shares: dict[str, Share]
    """Share of accounts that do not get a play, by the play's id: drawn once per account, so its effect can be
    known."""
    needs_tracks: dict[Needs, NeedsTrack]
    catalogue: Annotated[tuple[PlayEntry, ...], Field(min_length=1)]
    """Of each kind, the first play whose conditions hold."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name, kinds in (
            ("order", self.order), ("urgency", self.urgency), ("due_working_days", self.due_working_days),
        ):  # fmt: skip
            if sorted(kinds) != sorted(PLAY_KINDS):
                raise ValueError(f"{name} must name each of {', '.join(PLAY_KINDS)} once")
        for kind, days in self.due_working_days.items():
            missing = [tier for tier in TIERS if tier not in days]
            if missing:
                raise ValueError(f"due_working_days.{kind} lacks {', '.join(missing)}")
        ids = [entry.id for entry in self.catalogue]
        twice = sorted({each for each in ids if ids.count(each) > 1})
        if twice:
            raise ValueError(f"catalogue: {', '.join(twice)} stands twice")
        strangers = sorted(set(self.holdout_shares) - set(ids))
        if strangers:
            raise ValueError(f"holdout_shares: {', '.join(strangers)} is no play of the catalogue")
        for kind, others in self.waits_for.items():
            if any(self.waits_for.get(other) for other in others) or kind in others:
                raise ValueError(f"waits_for.{kind}: a kind that others wait for must itself wait for none")
        return self

    @model_validator(mode="after")
    def _every_entry_can_be_due(self) -> Self:
        for kind in PLAY_KINDS:
            entries = [entry for entry in self.catalogue if entry.kind == kind]
            never = [entry.id for entry in entries[:-1] if not entry.has_conditions]
            if never:
                raise ValueError(f"catalogue: {never[0]} has no condition, so no {kind} play after it is ever due")
        return self

    @model_validator(mode="after")
    def _everybody_renews(self) -> Self:
        renewals = [entry for entry in self.catalogue if entry.kind == "renewal"]
        bare = [
            f"{segment} in tier {tier}"
            for segment, tier in product(SEGMENTS, TIERS)
            if not any(entry.covers(segment, tier) for entry in renewals)  # pyright: ignore[reportArgumentType]
        ]
        if bare:
            raise ValueError(f"catalogue: no renewal play for {'; '.join(bare)}")
        return self

    @property
    def care_plays(self) -> frozenset[str]:
        """Plays whose rhythm is the care that a tier is entitled to."""
        return frozenset(entry.play for entry in self.catalogue if entry.trigger == "care")
