"""What Dagster adds per asset and per partition: tables that cost next to nothing, built with it and without.

Here: a registry of such tables and both ways of building it. Prints a JSON. Not here: the chain.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from segmentation_assets.definitions import build_defs
from segmentation_assets.orchestration.runs import Runner
from segmentation_assets.policy.model import load_policy
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.as_of import Spine
from segmentation_assets.warehouse.build import Builder
from segmentation_assets.warehouse.contracts import Integer, Snapshot, column
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.registry import Registry, Table, TableSpec
from segmentation_assets.warehouse.store import Store

ASSETS, DAYS = 30, 101


class DayNumbers(Snapshot):
    """One row per day."""

    number: Integer = column("Day of the month.")

    class Config:
        unique = ["as_of"]


def day_numbers(spine: Table[Spine]) -> Table[DayNumbers]:
    """The day of the month."""
    return spine.select("as_of", number=spine.as_of.day().cast("int64"))  # type: ignore[return-value]


def measure_dagster() -> dict[str, Any]:
    """Seconds that Dagster adds per asset, and per further partition of an asset."""
    last = date(2026, 6, 30)
    _added([last])  # the first run pays for imports and for making the instance
    one = _added([last])
    many = _added([last - timedelta(days=i) for i in range(DAYS)])
    return {
        "assets": ASSETS,
        "partitions": DAYS,
        "per_asset": one / ASSETS,
        "per_partition": (many - one) / (ASSETS * (DAYS - 1)),
    }


def _added(days: Sequence[date]) -> float:
    registry = _registry()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), None, None)
        runner = Runner(settings, build_defs(settings=settings, registry=registry))
        started = time.perf_counter()
        outcome = runner.run([spec.name for spec in registry], days)
        with_dagster = time.perf_counter() - started
    if not outcome.succeeded:
        raise RuntimeError(str(outcome.failed))
    with tempfile.TemporaryDirectory() as folder, open_connection(Store(Path(folder))) as connection:
        builder = Builder(Engine(connection, Store(Path(folder))), registry, load_policy())
        started = time.perf_counter()
        builder.ensure([spec.name for spec in registry], days)
        return with_dagster - (time.perf_counter() - started)


def _registry() -> Registry:
    registry = Registry()
    for number in range(ASSETS):
        registry.add(TableSpec(f"day_numbers_{number}", DayNumbers, "numbers", day_numbers))
    return registry


if __name__ == "__main__":
    json.dump(measure_dagster(), sys.stdout)
