"""A home whose tables Spark computes: the same files as without it, and nothing of a job that fails."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import ibis
import pandas as pd
import pytest

from segmentation_assets.settings import SparkSettings, UnknownWarehouse
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.registry import Registry, Table, TableSpec, _spec_of
from segmentation_assets.warehouse.packs import packs_of
from segmentation_assets.warehouse.spark import session
from segmentation_assets.warehouse.spark.big_tables import BigTables
from segmentation_assets.warehouse.spark.engine import SparkTables
from segmentation_assets.warehouse.store import Store
from tests.warehouse.toys import Numbers, Scaled, builder, land, read

DAY = date(2026, 1, 7)
TABLES = ("scaled", "totals", "labels")


def _run(home: Path, spark: SparkTables | None, *, registry: Registry | None = None) -> list[str]:
    with builder(home, registry=registry) as build:
        build.big_tables = BigTables(spark, least_bytes=0) if spark else None
        build.run_days = frozenset({DAY})
        return [
            built.table for built in build.ensure(["labels"] if registry is None else ["scaled"], [DAY]) if built.rows
        ]


def test_tables_are_those_of_a_home_without_spark(tmp_path: Path, spark_tables: SparkTables):
    with_spark, without = tmp_path / "with", tmp_path / "without"
    for home, spark in ((with_spark, spark_tables), (without, None)):
        land(home, [1, 2, 5])
        assert _run(home, spark) == list(TABLES)
    for table in TABLES:
        pd.testing.assert_frame_equal(read(with_spark, table), read(without, table))
    assert Store(with_spark).days_alone("scaled", "as_of") == [DAY]
    assert [set(pack.fingerprints) for pack in packs_of(with_spark, "scaled")] == [
        {DAY - timedelta(days=1), DAY - timedelta(days=2)}
    ], "the days that are only looked back to are packed, and read from there for `totals`"
    assert _run(with_spark, None) == [], "the origin of a table does not say which engine computed it"


def scaled(spine: Table[Spine], numbers: Table[Numbers]) -> Table[Scaled]:
    """A text that is no number stops the job after it has begun."""
    rows = spine.select("as_of").cross_join(numbers)
    text = ibis.ifelse(rows.number > 1, "many", rows.number.cast("string"))
    return rows.select("as_of", "number", scaled=text.cast("int64"))


def test_a_job_that_fails_publishes_nothing_and_leaves_nothing(tmp_path: Path, spark_tables: SparkTables):
    registry = Registry()
    registry.add(TableSpec("numbers", Numbers, "extracts", None, partition=None))
    registry.add(_spec_of(scaled, "toys", {}, "as_of"))
    land(tmp_path, [1])
    assert _run(tmp_path, spark_tables, registry=registry) == ["scaled"]
    before = _files(tmp_path)
    land(tmp_path, [1, 2])
    with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
        _run(tmp_path, spark_tables, registry=registry)
    assert _files(tmp_path) == before
    assert not list((tmp_path / "staging").iterdir())


def _files(home: Path) -> dict[str, bytes]:
    folder = home / "published" / "scaled"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_small_tables_stay_with_the_home(tmp_path: Path):
    """Spark is not even asked: there is no session."""
    land(tmp_path, [1])
    with builder(tmp_path) as build:
        build.big_tables = BigTables(SparkTables(None), least_bytes=2**20)
        assert [built.table for built in build.ensure(["scaled"], [DAY])] == ["scaled"]


def test_no_java_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("pyspark")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(session.NoSpark, match="needs Java 17 or newer: no `java` in JAVA_HOME or on the PATH"):
        session.require()


def test_an_old_java_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("pyspark")
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'java version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(session.NoSpark, match="is Java 8"):
        session.require()


def test_settings(monkeypatch: pytest.MonkeyPatch):
    assert SparkSettings.from_environment() is None
    monkeypatch.setenv("SEGMENTATION_WAREHOUSE", "spark")
    assert SparkSettings.from_environment() == SparkSettings("local[*]", 2**30, None)
    monkeypatch.setenv("SEGMENTATION_SPARK_FROM_MB", "a lot")
    with pytest.raises(UnknownWarehouse, match="use a number of megabytes"):
        SparkSettings.from_environment()
    monkeypatch.setenv("SEGMENTATION_WAREHOUSE", "flink")
    with pytest.raises(UnknownWarehouse, match="use duckdb or spark"):
        SparkSettings.from_environment()
