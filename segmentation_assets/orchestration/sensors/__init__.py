"""Sensors: what looks around by itself, and asks for runs or tells people.

Here: which sensors there are. Not here: schedules, or what the runs do that are asked for.
"""

from __future__ import annotations

import dagster as dg

from segmentation_assets.orchestration.sensors.arrivals import extract_arrivals
from segmentation_assets.orchestration.sensors.billing import billing_thresholds
from segmentation_assets.orchestration.sensors.digests import declining_usage, segment_moves
from segmentation_assets.orchestration.sensors.failures import run_failures
from segmentation_assets.policy.model import Policy
from segmentation_assets.settings import Settings
from segmentation_assets.tables.registry import Registry

__all__ = ["sensors"]


def sensors(settings: Settings, policy: Policy, registry: Registry) -> list[dg.SensorDefinition]:
    """The sensors of one home, of the tables there are. All run unless somebody switches them off."""
    found = [run_failures(settings, policy)]
    if any(spec.is_extract for spec in registry):
        found.append(extract_arrivals(settings, policy))
    if "threshold_ledger" in registry:
        found.append(billing_thresholds(settings, policy))
    if "segment_alerts" in registry:
        found += [segment_moves(settings, policy), declining_usage(settings, policy)]
    return found
