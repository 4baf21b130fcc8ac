"""A table of the chain on Spark, from the rows that DuckDB has of its inputs. Not here: companies, comparisons."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import SPINE, TableSpec, call
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.planning import code_version_under
from segmentation_assets.warehouse.spark.compiler import Query, spark_query
from segmentation_assets.warehouse.spark.engine import SparkTables
from tests.harness import shared

QUICK = {
    # Java code for each query would take longer than the few rows here. What a query means is the same.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}

ON_ENGINE = [
    spec.name
    for spec in CATALOGUE
    if not (spec.is_extract or spec.is_ledger or spec.is_frame or spec.spine_is_frame)
    and not any(item.is_frame for item in spec.inputs)
]
"""The tables that an engine computes. Functions of frames run in this process, whatever the engine."""


class OnSpark:
    """Tables computed on Spark. `rows_of` gives the rows of an input, with all days that are read."""

    def __init__(self, tables: SparkTables, folder: Path, policy: Policy, rows_of: Callable[[str], pa.Table]) -> None:
        self.tables = tables
        self.folder = folder
        self.policy = policy
        self.rows_of = rows_of

    def table(self, name: str, days: Collection[date]) -> pa.Table:
        """The rows of one table at `days`."""
        spec = CATALOGUE[name]
        for item in spec.inputs:
            self.tables.bind(item.name, ibis_schema(item.contract), [self._file(item.name)])
        self.tables.bind_days(SPINE, ibis_schema(Spine), spine_frame(sorted(days)))
        return self.tables.arrow(self._sql(spec))

    def _file(self, name: str) -> Path:
        file = self.folder / f"{name}.parquet"
        if not file.exists():
            pq.write_table(self.rows_of(name), file)
        return file

    def _sql(self, spec: TableSpec) -> Query:
        contracts = (code_version(item.contract) for item in spec.inputs)
        key = "-".join(
            (code_version_under(spec, self.policy), *contracts, code_version(spark_query), ibis.__version__)
        )
        text = shared.text_of(f"spark_{spec.name}", key)
        if text is None:
            text = json.dumps(asdict(spark_query(expression(spec, self.policy), spec.name)))
            shared.keep_text(f"spark_{spec.name}", key, text)
        return Query(**json.loads(text))


def expression(spec: TableSpec, policy: Policy) -> ibis.expr.types.Table:
    """A table over inputs that have the names of their tables."""
    inputs = {item.name: ibis.table(ibis_schema(item.contract), name=item.name) for item in spec.inputs}
    return call(spec, {SPINE: ibis.table(ibis_schema(Spine), name=SPINE), **inputs}, policy.sections, "test")
