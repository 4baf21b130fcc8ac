"""What goes of old runs, and that Dagster reads all that is left."""

# No postponed annotations here: Dagster reads the type of `context` from the function itself.

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.storage.pruning import Pruned, prune
from segmentation_assets.settings import Settings

LONG = "a plot " * 1000
DAYS = dg.DailyPartitionsDefinition("2026-01-01")


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("contract", asset="table")])
def table(context: dg.AssetExecutionContext):
    yield dg.MaterializeResult(
        metadata={"rows": 5, "plot": dg.MetadataValue.md(LONG)}, data_version=dg.DataVersion("v")
    )
    yield dg.AssetCheckResult(passed=context.partition_key != "2026-03-01", severity=dg.AssetCheckSeverity.WARN)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: two of them are made to be of forty days ago."""
    home = tmp_path_factory.mktemp("pruned")
    job = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("all", "*", executor_def=dg.in_process_executor)])
    with open_instance(Settings(home, None, None)) as instance:
        for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
            assert job.resolve_job_def("all").execute_in_process(instance=instance, partition_key=day).success
    ago = datetime.now(UTC) - timedelta(days=40)
    with closing(sqlite3.connect(home / "dagster/history/runs.db")) as runs, runs:
        runs.execute("UPDATE runs SET end_time = ? WHERE id <= 2", [ago.timestamp()])
        old = [run for (run,) in runs.execute("SELECT run_id FROM runs WHERE id <= 2")]
    with closing(sqlite3.connect(home / "dagster/history/runs/index.db")) as index, index:
        marks = ", ".join("?" * len(old))
        moment = ago.replace(tzinfo=None).isoformat(" ")
        index.execute(f"UPDATE event_logs SET timestamp = ? WHERE run_id IN ({marks})", [moment, *old])
    return home


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    shutil.copytree(home / "dagster", tmp_path / "dagster")
    return tmp_path


def test_logs_and_long_texts_of_old_runs_go_and_nothing_else(copy: Path):
    assert prune(copy / "dagster") == Pruned(logs=2, texts=2)
    assert prune(copy / "dagster") == Pruned(logs=0, texts=0)
    with open_instance(Settings(copy, None, None)) as instance:
        runs = [record.dagster_run for record in instance.get_run_records(ascending=True)]
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 3
        assert [bool(instance.all_logs(run.run_id)) for run in runs] == [False, False, True]
        result = instance.fetch_materializations(dg.AssetKey("table"), limit=9, ascending=True).records
        words = [(r.partition_key, r.asset_materialization) for r in result if r.asset_materialization]
        assert [(day, sorted(event.metadata)) for day, event in words] == [
            ("2026-03-01", ["rows"]), ("2026-03-02", ["rows"]), ("2026-03-03", ["plot", "rows"]),
        ]  # fmt: skip
        assert {r.asset_materialization.tags["dagster/data_version"] for r in result if r.asset_materialization} == {
            "v"
        }
        assert instance.get_materialized_partitions(dg.AssetKey("table")) == {r.partition_key for r in result}
        key = dg.AssetCheckKey(dg.AssetKey("table"), "contract")
        checks = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
        ended = [check.status.value for check in checks if check.status.value != "PLANNED"]
        assert ended == ["SUCCEEDED", "SUCCEEDED", "FAILED"]


def test_the_newest_text_of_a_table_stays_however_old_it_is(copy: Path):
    later = datetime.now(UTC) + timedelta(days=400)
    assert prune(copy / "dagster", now=later) == Pruned(logs=3, texts=2)


def test_a_run_that_ends_prunes(copy: Path):
    job = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("all", "*", executor_def=dg.in_process_executor)])
    with open_instance(Settings(copy, None, None)) as instance:
        job.resolve_job_def("all").execute_in_process(instance=instance, partition_key="2026-03-04")
        kept = {file.stem for file in (copy / "dagster/history/runs").glob("*-*.db")}
        records = instance.get_run_records(ascending=True)
        assert kept == {record.dagster_run.run_id for record in records[2:]}


def test_where_nothing_ever_ran_nothing_is_pruned(tmp_path: Path):
    assert prune(tmp_path) == Pruned(0, 0)
    assert not list(tmp_path.iterdir())
