"""The kept-open event log against Dagster's own: the same files, the same answers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType
from dagster._core.events import DagsterEvent
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.objects import StepSuccessData
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.storage.event_log import KeptOpenEventLogStorage
from segmentation_assets.settings import Settings
from tests.orchestration.conftest import MakeRunner

DAYS = [date(2026, 3, day) for day in range(1, 6)]
TABLES = ["seeds", "seasons", "ranks", "totals"]


@contextmanager
def stock_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The same folder, read by Dagster's own classes."""
    file = settings.dagster_home / "dagster.yaml"
    shipped = file.read_text()
    file.write_text("telemetry: {enabled: false}\n")
    try:
        with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
            assert not isinstance(instance.event_log_storage, KeptOpenEventLogStorage)
            yield instance
    finally:
        file.write_text(shipped)


def rows_of(file: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


def index_of(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    return rows_of(settings.dagster_home / "history" / "runs" / "index.db", sql)


def what_is_stored(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """All that the index holds but ids, times and the events' own text."""
    return {
        "events": index_of(
            settings,
            "SELECT dagster_event_type, asset_key, partition, step_key FROM event_logs ORDER BY 1, 2, 3, 4",
        ),
        "assets": index_of(
            settings,
            "SELECT a.asset_key, e.dagster_event_type, e.partition FROM asset_keys a, event_logs e "
            "WHERE json_extract(a.last_materialization, '$.storage_id') IS NULL "
            "AND e.id = (SELECT max(id) FROM event_logs l WHERE l.asset_key = a.asset_key) ORDER BY 1",
        ),
        "tags": index_of(
            settings, "SELECT asset_key, key, count(*) FROM asset_event_tags GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        "checks": index_of(
            settings,
            "SELECT c.asset_key, c.check_name, c.partition, c.execution_status, e.dagster_event_type, e.partition "
            "FROM asset_check_executions c LEFT JOIN event_logs e ON e.id = c.materialization_event_storage_id "
            "ORDER BY 1, 2, 3, 4",
        ),
        "log of the run": [
            row
            for file in sorted((settings.dagster_home / "history" / "runs").glob("*-*.db"))
            for row in rows_of(file, "SELECT dagster_event_type, step_key, partition FROM event_logs ORDER BY id")
        ],
    }


def test_the_shipped_instance_uses_it(settings: Settings):
    with open_instance(settings) as instance:
        assert isinstance(instance.event_log_storage, KeptOpenEventLogStorage)


def test_a_runs_log_is_made_as_stock_dagster_makes_it(settings: Settings):
    with open_instance(settings) as instance:
        instance.report_engine_event("hello", job_name="job", run_id="kept")
    with stock_instance(settings) as instance:
        instance.report_engine_event("hello", job_name="job", run_id="stock")
    kept, stock = (
        rows_of(
            settings.dagster_home / "history" / "runs" / f"{run}.db",
            "SELECT type, name, tbl_name, sql, (SELECT version_num FROM alembic_version) FROM sqlite_master "
            "ORDER BY 1, 2",
        )
        for run in ("kept", "stock")
    )
    assert kept == stock
    assert len(kept) > 10


def test_a_log_that_another_process_makes_at_the_same_time(settings: Settings):
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, KeptOpenEventLogStorage)
        file = Path(storage.path_for_shard("run"))
        with sqlite3.connect(file) as other:  # it has begun, and has not written its version yet
            other.execute("CREATE TABLE secondary_indexes (id INTEGER PRIMARY KEY)")
        instance.report_engine_event("hello", job_name="job", run_id="run")
        assert len(storage.get_logs_for_run("run")) == 1


@pytest.mark.parametrize("days", [DAYS, DAYS[:1]])
def test_batches_and_kept_connections_store_what_dagster_stores(
    days: list[date], runner: MakeRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    assert runner().run(TABLES, days).succeeded
    kept = what_is_stored(settings)
    settings.home.rename(tmp_path / "kept")

    monkeypatch.setattr("segmentation_assets.running.instance._EVENT_BATCH", "0")
    shipped = "telemetry: {enabled: false}\nconcurrency: {pools: {granularity: run, default_limit: 1}}\n"
    stock = tmp_path / "stock.yaml"
    stock.write_text(shipped)
    monkeypatch.setattr("segmentation_assets.running.instance.SHIPPED", stock)
    assert runner().run(TABLES, days).succeeded
    assert kept == what_is_stored(settings)
    assert len(kept["events"]) > 2 * len(TABLES) * len(days)


def test_stock_dagster_reads_what_it_wrote(runner: MakeRunner, settings: Settings):
    outcome = runner().run(TABLES, DAYS)
    with stock_instance(settings) as instance:
        assert instance.get_run_by_id(outcome.run_id).status == dg.DagsterRunStatus.SUCCESS
        for table in TABLES:
            key = dg.AssetKey(table)
            assert {day.isoformat() for day in DAYS} <= instance.get_materialized_partitions(key)
            event = instance.get_latest_materialization_event(key)
            assert event is not None
            assert event.run_id == outcome.run_id
        log = instance.all_logs(outcome.run_id)
    assert sum(entry.dagster_event_type == dg.DagsterEventType.STEP_SUCCESS for entry in log) == len(TABLES)


def test_it_reads_what_stock_dagster_wrote(settings: Settings):
    @dg.asset
    def lonely() -> None:
        pass

    with open_instance(settings):
        pass
    with stock_instance(settings) as instance:
        dg.materialize([lonely], instance=instance)
    with open_instance(settings) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey("lonely"))


def test_a_batch_of_several_runs_is_stored_one_by_one(settings: Settings):
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        for run_id in ("one", "two"):
            instance.report_engine_event("hello", job_name="job", run_id=run_id)
        events = [record for run_id in ("one", "two") for record in storage.get_logs_for_run(run_id)]
        storage.store_event_batch(events)
        assert [len(storage.get_logs_for_run(run_id)) for run_id in ("one", "two")] == [2, 2]


def test_few_databases_stay_open(settings: Settings):
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, KeptOpenEventLogStorage)
        for number in range(20):
            instance.report_engine_event("hello", job_name="job", run_id=f"run{number}")
        assert len(storage._databases.names) <= 8
        assert [len(storage.get_logs_for_run(f"run{n}")) for n in range(20)] == [1] * 20


def test_threads_share_it(settings: Settings):
    with open_instance(settings) as instance:

        def report(number: int) -> None:
            for _ in range(10):
                instance.report_engine_event("hello", job_name="job", run_id=f"run{number % 2}")

        threads = [threading.Thread(target=report, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(instance.event_log_storage.get_logs_for_run(f"run{n}")) for n in range(2)] == [20, 20]


def test_a_forked_process_opens_its_own(settings: Settings):
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, KeptOpenEventLogStorage)
        instance.report_engine_event("hello", job_name="job", run_id="run")
        before = dict(storage._databases._engines)
        assert before
        storage._databases._owner = os.getpid() + 1  # as a child finds it
        with storage.run_connection("run"):
            assert storage._databases._engines["run"] is not before["run"]


def delete_and_fail(connection: Connection) -> None:
    connection.exec_driver_sql("DELETE FROM event_logs")
    connection.exec_driver_sql("DELETE FROM no_such_table")


def test_an_event_that_cannot_be_stored_leaves_nothing(settings: Settings):
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        instance.report_engine_event("hello", job_name="job", run_id="run")
        with pytest.raises(OperationalError), storage.run_connection("run") as connection:
            delete_and_fail(connection)
        assert len(storage.get_logs_for_run("run")) == 1


def test_a_wiped_log_starts_anew(settings: Settings):
    with open_instance(settings) as instance:
        instance.report_engine_event("hello", job_name="job", run_id="run")
        instance.event_log_storage.wipe()
        assert instance.event_log_storage.get_logs_for_run("run") == []
        instance.report_engine_event("again", job_name="job", run_id="run")
        assert len(instance.event_log_storage.get_logs_for_run("run")) == 1


def test_the_index_waits_for_the_disk_and_a_runs_own_log_does_not(settings: Settings):
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, KeptOpenEventLogStorage)
        for connect, level in ((storage.index_connection(), 2), (storage.run_connection("run"), 1)):
            with connect as connection:
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_killed_process_loses_no_event(settings: Settings):
    with open_instance(settings):
        pass
    code = (
        "import os, sys, signal\n"
        "from pathlib import Path\n"
        "from segmentation_assets.running.instance import open_instance\n"
        "from segmentation_assets.settings import Settings\n"
        "with open_instance(Settings(Path(sys.argv[1]), None, None)) as instance:\n"
        "    for number in range(25):\n"
        "        instance.report_engine_event(str(number), job_name='job', run_id='killed')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(settings.home)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with open_instance(settings) as instance:
        assert len(instance.event_log_storage.get_logs_for_run("killed")) == 25


def step_success(run_id: str) -> EventLogEntry:
    """An event that is held back until the next one."""
    event = DagsterEvent(
        DagsterEventType.STEP_SUCCESS.value, "job", step_key="step", event_specific_data=StepSuccessData(1.0)
    )
    return EventLogEntry(None, "INFO", "", run_id, 0.0, "step", "job", event)


def test_what_is_held_back_is_written_with_what_follows_seen_by_who_asks_and_not_lost(settings: Settings):
    def stored(run_id: str) -> int:
        file = settings.dagster_home / "history" / "runs" / f"{run_id}.db"
        return rows_of(file, "SELECT count(*) FROM event_logs")[0][0]

    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        for run_id in ("followed", "asked", "failed", "closed"):
            instance.report_engine_event("hello", job_name="job", run_id=run_id)
            storage.store_event(step_success(run_id))
            assert stored(run_id) == 1
        instance.report_engine_event("again", job_name="job", run_id="followed")
        assert stored("followed") == 3
        types = [entry.dagster_event_type for entry in storage.get_logs_for_run("followed")]
        assert types[1] == DagsterEventType.STEP_SUCCESS
        assert len(storage.get_logs_for_run("asked")) == 2
        with pytest.raises(OperationalError), storage.run_connection("failed") as connection:
            delete_and_fail(connection)
        assert len(storage.get_logs_for_run("failed")) == 2
    assert stored("closed") == 2


def test_only_the_verdict_of_a_check_does_not_wait_for_the_disk(settings: Settings):
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, KeptOpenEventLogStorage)

        def level(*, waits: bool) -> int:
            with storage._databases.transaction("index", waits=waits) as connection:
                return connection.exec_driver_sql("PRAGMA synchronous").scalar()

        assert [level(waits=True), level(waits=False), level(waits=True)] == [2, 1, 2]


def test_the_last_materialization_is_the_one_that_stands(runner: MakeRunner, settings: Settings):
    key = dg.AssetKey("seeds")
    runs = [runner().run(["seeds"], DAYS[:1]).run_id for _ in range(2)]
    with open_instance(settings) as instance, stock_instance(settings) as stock:
        for _ in range(2):  # read, and remembered
            [record] = instance.get_asset_records([key])
            assert record == stock.get_asset_records([key])[0]
            assert record.asset_entry.last_run_id == runs[1]
        stock.report_runless_asset_event(dg.AssetMaterialization(key, partition=DAYS[0].isoformat()))
        [record] = instance.get_asset_records([key])
        assert record.asset_entry.last_materialization_record == stock.fetch_materializations(key, 1).records[0]
        instance.wipe_assets([key])
        assert instance.get_asset_records([key]) == stock.get_asset_records([key])
        assert not instance.fetch_materializations(key, 1).records


def test_what_was_just_stored_is_not_what_another_process_stored_since(settings: Settings):
    key, day = dg.AssetKey("seeds"), "2026-03-01"
    wanted = dg.AssetRecordsFilter(key, [day])
    with open_instance(settings) as instance, stock_instance(settings) as stock:
        for number in range(2):
            for each in (instance, stock):
                each.report_runless_asset_event(dg.AssetMaterialization(key, partition=day, metadata={"n": number}))
                result, expected = (i.fetch_materializations(wanted, limit=1) for i in (instance, stock))
                assert result.records[0].storage_id == expected.records[0].storage_id
                assert result.records[0].asset_materialization == expected.records[0].asset_materialization
                assert (result.cursor, result.has_more) == (expected.cursor, expected.has_more)
        other_day = dg.AssetRecordsFilter(key, ["2026-03-02"])
        assert not instance.fetch_materializations(other_day, limit=1).records
