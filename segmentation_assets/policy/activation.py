"""Policy section on alerts. Not here: how often sensors look (`orchestration`), or what a move is (`segments`)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from segmentation_assets.policy.section import Section

INTO_RISK, OUT_OF_RISK = "into_risk", "out_of_risk"
ALERT_KINDS = (
    INTO_RISK, "renewal_at_risk", "billing_down", "billing_up", "segment_down", "tier_down", "segment_up", "tier_up",
    OUT_OF_RISK,
)  # fmt: skip

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
