"""Landing product usage, by day."""

from __future__ import annotations

from segmentation_assets.extracts.delivery import Landed, Landing
from segmentation_assets.warehouse.registry import TableSpec


def land_usage(landing: Landing, spec: TableSpec) -> Landed:
    return Landed(spec.name)


def forget(landing: Landing, spec: TableSpec) -> None:
    return
