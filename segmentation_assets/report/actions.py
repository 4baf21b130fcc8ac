"""What to do next with an account, and why: the policy's action for its segment and weakest dimension of health.

Here: choosing the action. Not here: its text (policy `next_actions`), or entitlements to care (`capacity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.report import HEALTH_DIMENSIONS
from segmentation_assets.reading.figures import number


@dataclass(frozen=True)
class Action:
    """What to do next, who does it, and the figures behind it."""

    owner: str
    action: str
    why: str


def next_action(segment: Mapping[str, Any], health: Mapping[str, Any], policy: Policy) -> Action:
    """The action for an account, from its row of `segments` and its row of `health_scores` (may be empty)."""
    if segment["coverage_override"]:
        chosen = policy.next_actions.high_touch
        why = f"{segment['coverage_override'].replace('_', ' ')}: usage declines and the renewal is near"
        return Action(chosen.owner, chosen.action, why)
    actions = policy.next_actions.segments[segment["segment"]]
    weakest = segment["weakest_dimension"]
    if weakest not in HEALTH_DIMENSIONS:
        chosen = actions.unknown
        return Action(chosen.owner, chosen.action, f"{segment['segment']}; no dimension of health is known")
    score = health.get(f"{weakest}_health")
    shown = f"{weakest} health" + ("" if score is None else f" {number(score)}")
    if score is not None and score >= policy.health_bands.healthy_from:
        chosen = actions.healthy
        return Action(
            chosen.owner, chosen.action, f"{segment['segment']}; even the weakest dimension is healthy: {shown}"
        )
    chosen = getattr(actions, weakest)
    return Action(chosen.owner, chosen.action, f"{segment['segment']}; weakest is {shown}")
