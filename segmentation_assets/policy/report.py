"""Policy sections on the report: how many are kept, what they show, and the next action for each kind of account.

No table uses them, so changing them makes nothing stale. Not here: the care that accounts are entitled to
(`capacity.CarePolicy`), or how anything looks (`report`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from segmentation_assets.policy.company import Days, Positive
from segmentation_assets.policy.plays import Owner
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import SEGMENTS, Segment

HEALTH_DIMENSIONS = ("product", "relationship", "outcome", "financial")

Dimension = Literal["product", "relationship", "outcome", "financial"]


class ReportPolicy(Section):
    """How many reports are kept, and what the pages count as near, many or too much."""

    kept: Annotated[int, Field(ge=1)]
    """The home keeps this many reports, and people's lists of so many days. Writing a new one removes older ones."""
    history_months: Annotated[int, Field(ge=1, le=60)]
    """Charts over time begin this many months before as_of."""
    history_points: Annotated[int, Field(ge=2, le=60)]
    """An account's charts have at most this many points, evenly spread over that time."""
    decisions: Annotated[int, Field(ge=1)]
    """The executive page suggests this many decisions."""
    timeline_days: Days
    """An account's timeline begins this many days before as_of."""
    timeline_events: Annotated[int, Field(ge=1, le=200)]
    """An account's timeline has at most this many events, the newest."""
    renewal_within_days: Days
    """Portfolios list renewals within this many days."""
    overloaded_from: Positive
    """A CSM is overloaded from this ratio on: hours demanded / hours available."""
    save_months: Positive
    """An intervention takes this many months, at `care.override_hours_per_month`."""


class NextAction(Section):
    """What to do next, and who does it."""

    owner: Owner
    action: Annotated[str, Field(min_length=1)]


class SegmentActions(Section):
    """The next action of a segment, by the weakest dimension of health."""

    product: NextAction
    relationship: NextAction
    outcome: NextAction
    financial: NextAction
    healthy: NextAction
    """If no dimension is below `health_bands.healthy_from`."""
    unknown: NextAction
    """If no dimension of health is known."""


class NextActionPolicy(Section):
    """What to do next with an account. A coverage override comes first, then the segment's action."""

    high_touch: NextAction
    """For an account with a coverage override (declining usage, near renewal), in any segment."""
    segments: dict[Segment, SegmentActions]

    @field_validator("segments")
    @classmethod
    def _every_segment(cls, value: dict[Segment, SegmentActions]) -> dict[Segment, SegmentActions]:
        missing = [segment for segment in SEGMENTS if segment not in value]
        if missing:
            raise ValueError(f"no actions for {', '.join(missing)}")
        return value
