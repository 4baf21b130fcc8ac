"""Tables of a home that Spark computes because they read much; all else of a run stays as it is.

Here: which tables those are, and their rows as Parquet that the home's own engine audits and publishes. So contracts,
packs, footers and lineage are the same. Not here: the session's settings (`session`), views (`engine`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ibis
import ibis.expr.types as ir

from segmentation_assets.settings import SparkSettings
from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import SPINE, TableSpec, call
from segmentation_assets.warehouse.spark.compiler import spark_query
from segmentation_assets.warehouse.spark.engine import SparkTables
from segmentation_assets.warehouse.spark.session import open_session, require
from segmentation_assets.warehouse.sql_text import identifier, literal

if TYPE_CHECKING:
    from segmentation_assets.warehouse.building import Builder


@dataclass
class BigTables:
    """Spark for the tables that read at least `least_bytes` of published files.

    `storage`: where Spark writes and this process reads, None: the home's staging folder. On a cluster, both this and
    the home must be on a file system that every worker sees.
    """

    tables: SparkTables
    least_bytes: int
    storage: Path | None = None

    def takes(self, builder: Builder, spec: TableSpec, days: Sequence[date | None]) -> bool:
        """Whether these days of a table are computed here. Functions of frames never are."""
        if spec.is_frame or spec.spine_is_frame or any(item.is_frame for item in spec.inputs):
            return False
        files = {file for item in spec.inputs for file in self._files(builder, spec, item.name, days)[0]}
        return sum(file.stat().st_size for file in files) >= self.least_bytes

    @contextmanager
    def rows(self, builder: Builder, spec: TableSpec, days: Sequence[date | None], folder: Path) -> Iterator[str]:
        """SQL for the home's own engine that reads the rows that Spark computed.

        If the job fails, its error is raised and nothing of it is left.
        """
        target = (self.storage or folder) / f"spark-{uuid4().hex}"
        try:
            self.tables.write(spark_query(self._expression(builder, spec, days), spec.name), target)
            columns = ", ".join(map(identifier, ibis_schema(spec.contract)))
            yield f"SELECT {columns} FROM read_parquet({literal(target / '*.parquet')}, hive_partitioning = false)"
        finally:
            shutil.rmtree(target, ignore_errors=True)

    def _expression(self, builder: Builder, spec: TableSpec, days: Sequence[date | None]) -> ir.Table:
        dated = spine_frame([day for day in days if day is not None])
        inputs: dict[str, Any] = {SPINE: self.tables.bind_days(SPINE, ibis_schema(Spine), dated)}
        for item in spec.inputs:
            source = builder.registry[item.name]
            files, existing = self._files(builder, spec, item.name, days)
            name = f"input_{source.name}"
            inputs[item.name] = self.tables.bind(
                name, ibis_schema(source.contract), files, source.partition, existing
            )
        result = call(spec, inputs, builder.sections, builder.policy_hash_of(spec))
        assert isinstance(result, ibis.Table), f"{spec.name} returned no expression"
        builder.expressions[spec.name] = result
        return result

    @staticmethod
    def _files(
        builder: Builder, spec: TableSpec, name: str, days: Sequence[date | None]
    ) -> tuple[list[Path], list[date] | None]:
        """The published files of one input at the days that are read, and those days."""
        source = builder.registry[name]
        if source.partition is None:
            return sorted((builder.store.published / name).glob("*.parquet")), None
        item = next(each for each in spec.inputs if each.name == name)
        read = {each for day in days if day is not None for each in builder.days_read(item, day)}
        by_day = builder.store.files(name, source.partition, sorted(read) if read else None)
        return sorted(set(by_day.values())), sorted(by_day)


@contextmanager
def open_big_tables(chosen: SparkSettings, more: Mapping[str, str] | None = None) -> Iterator[BigTables]:
    """Tables on the Spark that the settings name. Raises NoSpark."""
    require()
    with open_session(chosen.master, more) as session:
        yield BigTables(SparkTables(session), chosen.least_bytes, chosen.storage)
