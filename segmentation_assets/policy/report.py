"""Policy sections on the report: how much it keeps and shows, and what it tells people to do next.

Here: how many reports stay, how far its charts go back, and the next action per segment and weakest health dimension.
No table declares either, so changing them makes no table stale. Not here: the care that accounts are entitled to
(`capacity.CarePolicy`), or how anything looks (`report`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from segmentation_assets.policy.company import Days, Positive
from segmentation_assets.policy.section import Section
from segmentation_assets.policy.segments import SEGMENTS, Segment

HEALTH_DIMENSIONS = ("product", "relationship", "outcome", "financial")

Dimension = Literal["product", "relationship", "outcome", "financial"]
Owner = Literal["csm", "account_executive", "executive_sponsor", "automation"]


class ReportPolicy(Section):
    """How many reports are kept, and what the pages take as near, many or too much."""

    kept: Annotated[int, Field(ge=1)]
    """The newest so many reports stay in the home; older ones are removed when a new one is written."""
    history_months: Annotated[int, Field(ge=1, le=60)]
    """Charts over time begin so many months before as_of."""
    history_points: Annotated[int, Field(ge=2, le=60)]
    """An account's charts have at most so many points, evenly spread over that time."""
    decisions: Annotated[int, Field(ge=1)]
    """The executive page suggests so many decisions."""
    renewal_within_days: Days
    """A renewal so near is listed in portfolios."""
    overloaded_from: Positive
    """Hours demanded / hours there from which somebody has too much to do."""
    save_months: Positive
    """An intervention in an account at risk takes so many months of `care.override_hours_per_month`."""


class NextAction(Section):
    """What is done next, and who does it."""

    owner: Owner
    action: Annotated[str, Field(min_length=1)]


class SegmentActions(Section):
    """The next action of a segment, by the weakest dimension of health."""

    product: NextAction
    relationship: NextAction
    outcome: NextAction
    financial: NextAction
    healthy: NextAction
    """Where no dimension is below `health_bands.healthy_from`."""
    unknown: NextAction
    """Where no dimension of health is known."""


class NextActionPolicy(Section):
    """What to do next with an account. An override comes first, then the segment's action."""

    high_touch: NextAction
    """Where declining usage meets a near renewal, whatever the segment."""
    segments: dict[Segment, SegmentActions]

    @field_validator("segments")
    @classmethod
    def _every_segment(cls, value: dict[Segment, SegmentActions]) -> dict[Segment, SegmentActions]:
        missing = [segment for segment in SEGMENTS if segment not in value]
        if missing:
            raise ValueError(f"no actions for {', '.join(missing)}")
        return value
