"""What Dagster adds per asset and per partition: tables that cost next to nothing, built with it and without.

Here: a registry of such tables, both ways of building it, and what Dagster's own storages cost in place of ours
(`running/storage`). Not here: the chain.

The figure per asset has a share in it of what a run costs once (its record and plan, opening the engine and Dagster's
files, the file of views), which the chain, three times as long, spreads over three times as many; that is told too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from unittest.mock import patch

import yaml

from benchmarks.figures import AS_OF, Figure, Findings, Scale
from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.policy.model import load_policy
from segmentation_assets.running.instance import SHIPPED, open_instance
from segmentation_assets.running.runs import Runner
from segmentation_assets.settings import Settings
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.registry import Registry, Table, TableSpec
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

ASSETS, MANY_ASSETS, DAYS = 30, 90, 101
MOST_PER_ASSET_MS, MOST_PER_PARTITION_MS = 20.0, 6.0


class DayNumbers(Snapshot):
    """One row per day."""

    number: Integer = column("Day of the month.")

    class Config:
        unique = ["as_of"]


def day_numbers(spine: Table[Spine]) -> Table[DayNumbers]:
    """The day of the month."""
    return spine.select("as_of", number=spine.as_of.day().cast("int64"))  # type: ignore[return-value]


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """What Dagster adds per asset, and per further partition of an asset: the median of the rounds."""
    del folder
    days = [AS_OF - timedelta(days=i) for i in range(DAYS)]
    tell(f"{ASSETS} tables that cost nothing, for one day and for {DAYS}; {MANY_ASSETS} for one day")
    _added(days[:1])  # the first run pays for imports
    one = [_added(days[:1]) for _ in range(scale.rounds)]
    many = [_added(days) for _ in range(scale.rounds)]
    more = [_added(days[:1], MANY_ASSETS) for _ in range(scale.rounds)]
    asset, further = _each(one, many, 0)
    asset_cpu, further_cpu = _each(one, many, 1)
    last, once = _marginal(one, more)
    tell("the same with Dagster's own storages")
    with _stock_storages():
        stock_one = [_added(days[:1]) for _ in range(scale.rounds)]
        stock_many = [_added(days) for _ in range(scale.rounds)]
    stock_asset_cpu, stock_further_cpu = _each(stock_one, stock_many, 1)
    return Findings(
        [
            Figure("per asset", asset, "ms", at_most=MOST_PER_ASSET_MS),
            Figure("CPU of it", asset_cpu, "ms"),
            Figure("per partition", further, "ms", at_most=MOST_PER_PARTITION_MS),
            Figure("CPU of it", further_cpu, "ms"),
            Figure("CPU of one asset more", last, "ms"),
            Figure("CPU of a run besides", once, "ms"),
            Figure("CPU per asset with Dagster's own storages / with ours", stock_asset_cpu / asset_cpu, "x"),
            Figure("CPU per partition of the two", stock_further_cpu / further_cpu, "x"),
        ]
    )


@contextmanager
def _stock_storages() -> Iterator[None]:
    """Homes made in the block keep their runs, events and ticks with Dagster's own storages."""
    settings = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    stock = {name: value for name, value in settings.items() if not name.endswith("_storage")}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dagster.yaml"
        file.write_text(yaml.safe_dump(stock), encoding="utf-8")
        with patch("segmentation_assets.running.instance.SHIPPED", file):
            yield


def _each(one: Sequence[tuple[float, float]], many: Sequence[tuple[float, float]], clock: int) -> tuple[float, float]:
    """Milliseconds per asset and per further partition, by the medians of one of the clocks."""
    first, last = (1000 * median(added[clock] for added in runs) for runs in (one, many))
    return first / ASSETS, (last - first) / (ASSETS * (DAYS - 1))


def _marginal(one: Sequence[tuple[float, float]], more: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Milliseconds of CPU per further asset, and of a run however many it has."""
    few, all_of_them = (1000 * median(cpu for _, cpu in runs) for runs in (one, more))
    each = (all_of_them - few) / (MANY_ASSETS - ASSETS)
    return each, few - ASSETS * each


def _added(days: Sequence[date], assets: int = ASSETS) -> tuple[float, float]:
    """Seconds that Dagster adds to building so many tables: wall and CPU."""
    registry = _registry(assets)
    names = [spec.name for spec in registry]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), None, None)
        runner = Runner(settings, build_defs(settings=settings, registry=registry))
        with open_instance(settings):  # a home's instance is made once, not by every run
            pass
        started = _clocks()
        outcome = runner.run(names, days)
        ended = _clocks()
    if not outcome.succeeded:
        raise RuntimeError(str(outcome.failed))
    with tempfile.TemporaryDirectory() as folder, open_connection(Store(Path(folder))) as connection:
        builder = Builder(Engine(connection, Store(Path(folder))), registry, load_policy())
        bare = _clocks()
        builder.ensure(names, days)
        done = _clocks()
    wall, cpu = (e - s - (d - b) for s, e, b, d in zip(started, ended, bare, done, strict=True))
    return wall, cpu


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _registry(assets: int) -> Registry:
    registry = Registry()
    for number in range(assets):
        registry.add(TableSpec(f"day_numbers_{number}", DayNumbers, "numbers", day_numbers))
    return registry
