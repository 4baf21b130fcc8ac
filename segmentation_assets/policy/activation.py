"""Policy sections on alerts and on leads.

Not here: how often sensors look (`orchestration`), or what a move is (`segments`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self, get_args

from pydantic import PositiveInt, model_validator

from segmentation_assets.policy.section import Section

INTO_RISK, OUT_OF_RISK = "into_risk", "out_of_risk"
ALERT_KINDS = (
    INTO_RISK, "renewal_at_risk", "billing_down", "billing_up", "segment_down", "tier_down", "segment_up", "tier_up",
    OUT_OF_RISK,
)  # fmt: skip

LikelySegment = Literal["Strategic", "Growth", "Efficient", "Long-Tail"]
AlertKind = Literal[
    "into_risk", "renewal_at_risk", "billing_down", "billing_up", "segment_down", "tier_down", "segment_up",
    "tier_up", "out_of_risk",
]  # fmt: skip


class AlertPolicy(Section):
    """The order of alerts."""

    order: tuple[AlertKind, ...]
    """Most urgent first."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if sorted(self.order) != sorted(ALERT_KINDS):
            raise ValueError(f"order must name each of {', '.join(ALERT_KINDS)} once")
        return self


class LeadRoutePolicy(Section):
    """Which team calls a lead of which likely segment."""

    days: PositiveInt
    """Leads that came in within this many days."""

    least_peers: PositiveInt
    """With fewer accounts of its size and industry, a lead is compared with all of its size."""

    teams: Mapping[LikelySegment, str]
    unknown_team: str
    """The team of a lead whose size is not known, or is that of no account."""

    @model_validator(mode="after")
    def _every_segment(self) -> Self:
        if sorted(self.teams) != sorted(get_args(LikelySegment)):
            raise ValueError(f"teams must name a team for each of {', '.join(get_args(LikelySegment))}")
        return self
