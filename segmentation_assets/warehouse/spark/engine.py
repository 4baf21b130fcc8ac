"""Tables on Spark: Parquet files become views, an expression becomes Parquet files.

Here: binding files and days to names, running an expression over them. Not here: the SQL (`compiler`), the session
(`session`), or which tables run on Spark and what happens to their files (`building`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from segmentation_assets.warehouse.spark.compiler import Query, type_name


class SparkTables:
    """Views over Parquet files in one Spark session, and what is computed from them."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def bind(
        self,
        name: str,
        schema: ibis.Schema,
        files: Sequence[Path],
        partition: str | None = None,
        days: Collection[date] | None = None,
    ) -> ir.Table:
        """Parquet files as a table of these columns; a column that a file lacks is null. No files: no rows.

        The day is in the path of a file below `<partition>=<day>/`. Other files hold it as a column, and of them only
        `days` are read.
        """
        by_path = [f for f in files if partition and f.parent.name.startswith(f"{partition}=")]
        others = [f for f in files if f not in set(by_path)]
        parts = [self._read(by_path, schema, base=by_path[0].parents[1])] if by_path else []
        if others:
            rows = self._read(others, schema)
            parts.append(rows if partition is None or days is None else rows.where(_is_one_of(partition, days)))
        rows = parts[0] if parts else self.session.sql(f"SELECT {_nulls(schema)} WHERE false")
        for part in parts[1:]:
            rows = rows.unionByName(part)
        rows.createOrReplaceTempView(name)
        return ibis.table(schema, name=name)

    def bind_days(self, name: str, schema: ibis.Schema, frame: pd.DataFrame) -> ir.Table:
        """A frame of days as a table."""
        rows = (
            ", ".join(f"DATE '{day}' AS `{column}`" for column, day in zip(schema, row, strict=True))
            for row in frame[list(schema)].itertuples(index=False)
        )
        text = " UNION ALL ".join(f"SELECT {row}" for row in rows) or f"SELECT {_nulls(schema)} WHERE false"
        self.session.sql(text).createOrReplaceTempView(name)
        return ibis.table(schema, name=name)

    def arrow(self, query: Query) -> pa.Table:
        """The rows of a query, in this process's memory."""
        with self._shared(query):
            return self.session.sql(query.sql).toArrow()

    def write(self, query: Query, folder: Path) -> None:
        """The rows of a query as Parquet files in `folder`, which must not exist yet.

        A job that fails raises pyspark's own error; the folder has no `_SUCCESS` then and nothing reads it.
        """
        with self._shared(query):
            self.session.sql(query.sql).write.parquet(str(folder))

    @contextmanager
    def _shared(self, query: Query) -> Iterator[None]:
        """The subqueries that are read several times, each computed once, in the executors' memory or on their disks.

        A checkpoint is a leaf of every later plan. A view or a cached query is not: its plan is copied into each.
        """
        names = []
        try:
            for name, sql in query.shared:
                self.session.sql(sql).localCheckpoint(eager=True).createOrReplaceTempView(name)
                names.append(name)
            yield
        finally:
            for name in names:
                self.session.catalog.dropTempView(name)

    def _read(self, files: Sequence[Path], schema: ibis.Schema, base: Path | None = None) -> Any:
        reader = self.session.read.option("mergeSchema", "true")
        if base is not None:
            reader = reader.option("basePath", str(base))
        rows = reader.parquet(*map(str, files))
        there = set(rows.columns)
        return rows.selectExpr(*(_typed(n, t) if n in there else _null(n, t) for n, t in schema.items()))


def _typed(name: str, of: dt.DataType) -> str:
    return f"CAST(`{name}` AS {type_name(of)}) AS `{name}`"


def _null(name: str, of: dt.DataType) -> str:
    return f"CAST(NULL AS {type_name(of)}) AS `{name}`"


def _nulls(schema: ibis.Schema) -> str:
    return ", ".join(_null(name, of) for name, of in schema.items())


def _is_one_of(partition: str, days: Collection[date]) -> str:
    listed = ", ".join(f"DATE '{day}'" for day in sorted(days))
    return f"`{partition}` IN ({listed})" if listed else "false"
