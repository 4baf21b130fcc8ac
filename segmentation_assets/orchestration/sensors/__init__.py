"""Sensors: they watch data and runs by themselves, and request runs or report to people.

Here: the list of sensors. Not here: schedules, or what the requested runs do.
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
    """The sensors of one home, for the tables of `registry`. All are on until somebody switches them off."""
    result = [run_failures(settings, policy)]
    if any(spec.is_extract for spec in registry):
        result.append(extract_arrivals(settings, policy))
    if "threshold_ledger" in registry:
        result.append(billing_thresholds(settings, policy))
    if "segment_alerts" in registry:
        result += [segment_moves(settings, policy), declining_usage(settings, policy)]
    return result
