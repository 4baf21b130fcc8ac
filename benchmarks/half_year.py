"""What Dagster's files of a home take after half a year of daily runs and 30-second ticks, and how fast pages answer.

Here: half a year, made by copying the records of one real run day by day, pruned as runs do it. Not here: what a run
itself costs (`dagster_cost`).
"""
# No postponed annotations here: Dagster reads the type of `context` from the function itself.

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg  # noqa: TID251 - what Dagster keeps is what is measured
from dagster._core.definitions.run_request import InstigatorType  # noqa: TID251
from dagster._core.scheduler.instigation import TickData, TickStatus  # noqa: TID251

from benchmarks.figures import Figure, Findings, Scale
from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.storage.pruning import prune
from segmentation_assets.settings import Settings

DAYS = 182
TABLES = 90
_SENSORS = tuple(f"sensor_{i}" for i in range(5))
TICKS_KEPT = 2 * 2_880
"""Per sensor: `retention` keeps a day of ticks that asked for nothing, and Dagster forgets once an hour or so."""
_LONG = "plot " * 3_200  # with the rest, the 16 KB that a table of the demo says of itself
_START = datetime(2026, 1, 1, 6, tzinfo=UTC)
_PARTITIONS = dg.DailyPartitionsDefinition("2025-12-01")


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """Size of the folder on the last day, and the seconds that what the automation page asks for takes."""
    del scale
    home = folder / "half_year"
    dagster = home / "dagster"
    with open_instance(Settings(home, None, None)) as instance:
        run = _run_once(instance)
        assert not instance.all_instigator_state()  # makes the database of ticks
    tell(f"{DAYS} days")
    for number in range(DAYS):
        _copy_day(dagster, run, _START + timedelta(days=number))
        if number % 7 == 0 or number == DAYS - 1:
            prune(dagster, now=_START + timedelta(days=number))
    with open_instance(Settings(home, None, None)) as instance:
        _copy_ticks(dagster, instance)
    size = sum(file.stat().st_size for file in dagster.rglob("*") if file.is_file())
    with open_instance(Settings(home, None, None)) as instance:
        started = time.perf_counter()
        instance.all_instigator_state()
        ticks = [tick for name in _SENSORS for tick in instance.get_ticks(name, name, limit=25)]
        instance.get_run_records(limit=25)
        answered = time.perf_counter() - started
    if len(ticks) != 25 * len(_SENSORS):
        raise RuntimeError(f"{len(ticks)} ticks were read")
    logs = len(list((dagster / "history/runs").glob("*-*.db")))
    figures = [
        Figure("Dagster's files after half a year", size / 1e6, "MB", at_most=500),
        Figure("what the automation page asks for", answered, "s", at_most=2),
        Figure("logs of runs kept", logs),
    ]
    return Findings(figures, [])


def _run_once(instance: dg.DagsterInstance) -> str:
    """A run of tables that say of themselves what those of the demo say."""

    def table(name: str) -> dg.AssetsDefinition:
        @dg.asset(name=name, partitions_def=_PARTITIONS)
        def step() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata={"rows": 400, "plot": dg.MetadataValue.md(_LONG)})

        return step

    tables = [table(f"table_{i}") for i in range(TABLES)]
    job = dg.define_asset_job("all", "*", executor_def=dg.in_process_executor)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    frame = dg.Definitions(assets=tables, jobs=[job]).resolve_job_def("all")
    return frame.execute_in_process(instance=instance, partition_key="2025-12-31", run_config=quiet).run_id


def _copy_day(dagster: Path, run: str, day: datetime) -> None:
    """The run again, on another day: its log, its events in the index, its row."""
    other, at = str(uuid4()), day.replace(tzinfo=None).isoformat(" ")
    logs = dagster / "history" / "runs"
    shutil.copyfile(logs / f"{run}.db", logs / f"{other}.db")
    with closing(sqlite3.connect(logs / "index.db")) as index, index:
        index.execute(
            "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition) "
            "SELECT ?, event, dagster_event_type, ?, step_key, asset_key, ? FROM event_logs WHERE run_id = ?",
            [other, at, str(day.date()), run],
        )
    with closing(sqlite3.connect(dagster / "history" / "runs.db")) as runs, runs:
        runs.execute(
            "INSERT INTO runs (run_id, snapshot_id, pipeline_name, mode, status, run_body, partition, end_time, "
            "start_time) SELECT ?, snapshot_id, pipeline_name, mode, status, run_body, ?, ?, ? FROM runs "
            "WHERE run_id = ?",
            [other, str(day.date()), day.timestamp(), day.timestamp() - 60, run],
        )


def _copy_ticks(dagster: Path, instance: dg.DagsterInstance) -> None:
    """Ticks that asked for nothing: one of each sensor as the daemon writes it, then copies."""
    for name in _SENSORS:
        at = _START.timestamp() + DAYS * 86_400
        reason = "no new billing data\nand another line of reasons, as sensors give them"
        instance.create_tick(
            TickData(name, name, InstigatorType.SENSOR, TickStatus.SKIPPED, at, skip_reason=reason, selector_id=name)
        )
    copy = (
        f"WITH RECURSIVE copies(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM copies WHERE i < {TICKS_KEPT}) "
        "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body) "
        "SELECT job_origin_id, selector_id, status, type, timestamp, tick_body FROM job_ticks, copies"
    )
    with closing(sqlite3.connect(dagster / "schedules" / "schedules.db")) as schedules, schedules:
        schedules.execute(copy)
