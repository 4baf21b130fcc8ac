"""DuckDB as the engine: in memory, over the published folder.

Here: reading published files as Ibis tables, running expressions, writing results to staged Parquet. Not here: what
to run and when (`building`), where files stand (`store`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.backends.sql.datatypes import DuckDBType

from segmentation_assets.tables.contracts import Contract, ibis_schema
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.packs import source_sql
from segmentation_assets.warehouse.sql_text import identifier, literal, literals
from segmentation_assets.warehouse.store import Store, footer_sql

STAGED = "staged"
"""Name of the view over files that are written but not yet published."""
_SETTINGS = (
    "SET preserve_insertion_order = false",
    "SET partitioned_write_max_open_files = 100000",
    "SET TimeZone = 'UTC'",
    "SET enable_progress_bar = false",  # it would print to the command's stdout
)
_RESULT = "result_rows"
_NO_DAY = "__HIVE_DEFAULT_PARTITION__"


@contextmanager
def open_connection(store: Store, memory_limit: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that spills to the home's staging folder; closed at the end, even after an error."""
    with store.stage() as folder, duckdb.connect(":memory:") as connection:
        configure(connection, folder, memory_limit)
        yield connection


def configure(connection: duckdb.DuckDBPyConnection, spill: Path, memory_limit: str | None = None) -> None:
    """Apply the engine's settings to a connection that the caller opened."""
    for statement in _SETTINGS:
        connection.execute(statement)
    connection.execute(f"SET temp_directory = {literal(spill)}")
    limit = memory_limit or os.environ.get("SEGMENTATION_MEMORY_LIMIT")
    if limit:
        connection.execute(f"SET memory_limit = {literal(limit)}")


@dataclass(frozen=True)
class Split:
    """The rows of a query by day (None: rows without a day), and SQL for the days set apart and for the rest."""

    rows: Mapping[date | None, int]
    apart: str
    rest: str


class Engine:
    """Runs Ibis expressions on one DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: Store) -> None:
        self.connection = connection
        self.store = store
        self.backend = ibis.duckdb.from_connection(connection)
        self._views = 0

    def execute(self, expr: ir.Expr) -> Any:
        """The result as pandas (a frame, a series or a scalar)."""
        return self.backend.execute(expr)

    def read(
        self, spec: TableSpec, days: Sequence[date] | None = None, *, name: str | None = None, uniform: bool = False
    ) -> ir.Table:
        """A published table, or some days of it, with exactly its contract's columns.

        A column that an older file lacks is null. A day that is not published has no rows. `name` names the view, so
        that its SQL can be reused. `uniform` promises that all files have today's contract: then DuckDB need not open
        each file to compare columns.
        """
        if spec.partition is None:
            paths = sorted((self.store.published / spec.name).glob("*.parquet"))
            return self.read_files(spec.contract, paths, None, name=name, uniform=uniform)
        files = self.store.files(spec.name, spec.partition, days)
        return self.read_files(spec.contract, files.values(), spec.partition, list(files), name=name, uniform=uniform)

    def count(self, spec: TableSpec, day: date | None) -> int:
        """Number of rows of a published table, or of one day of it."""
        table = self.read(spec, None if day is None else [day])
        return int(self.execute(table.count()))

    def read_files(
        self,
        contract: type[Contract],
        paths: Iterable[Path],
        partition: str | None,
        days: Collection[date] | None = None,
        *,
        name: str | None = None,
        uniform: bool = False,
    ) -> ir.Table:
        """Parquet files as one typed table; of packs, only `days` (None: all of theirs)."""
        schema = ibis_schema(contract)
        columns = [(identifier(n), _type_sql(t)) for n, t in schema.items()]
        empty = ", ".join(f"CAST(NULL AS {t}) AS {n}" for n, t in columns)
        select = f"SELECT {empty} WHERE false"
        if files := list(dict.fromkeys(paths)):
            select += f" UNION ALL BY NAME {source_sql(partition, files, days, uniform=uniform)}"
        if name is None:
            self._views += 1
            name = f"read_{self._views}"
        ordered = ", ".join(f"CAST({n} AS {t}) AS {n}" for n, t in columns)
        self.connection.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT {ordered} FROM ({select})')
        return ibis.table(schema, name=name)

    def read_staged(self, spec: TableSpec, files: Mapping[date | None, Path], packs: Iterable[Path] = ()) -> ir.Table:
        """The files that `write` and `write_pack` wrote, before they are published, with the day as a column."""
        if spec.partition is None:
            return self.read_files(spec.contract, files.values(), None, name=STAGED)
        # The file of an empty day is outside the hive folders. It has no rows to audit.
        paths = [p for p in files.values() if p.parent.name.startswith(f"{spec.partition}=")]
        return self.read_files(spec.contract, [*paths, *packs], spec.partition, name=STAGED, uniform=True)

    def write_empty(self, schema: ibis.Schema, target: Path, facts: Mapping[str, Any]) -> None:
        """A file without rows."""
        nulls = ", ".join(f'CAST(NULL AS {_type_sql(t)}) AS "{n}"' for n, t in schema.items())
        self.connection.execute(
            f"COPY (SELECT {nulls} WHERE false) TO {literal(target)} (FORMAT parquet, {footer_sql(facts)})"
        )

    def frame(self, frame: pd.DataFrame, contract: type[Contract]) -> ir.Table:
        """A pandas frame as a table of the contract's types; missing values become nulls.

        Raises TypeError for columns that are missing or cannot be converted. The message names the table.
        """
        schema = ibis_schema(contract)
        missing = [name for name in schema if name not in frame.columns]
        if missing:
            raise TypeError(f"{contract.__name__}: the frame lacks columns {missing}")
        try:
            arrow = pa.Table.from_pandas(frame[list(schema)], schema=schema.to_pyarrow(), preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TypeError(f"{contract.__name__}: {error}") from error
        name = f"frame_{contract.__name__}"
        self.connection.register(name, arrow)
        return ibis.table(schema, name=name)

    def sql(self, expr: ir.Table) -> str:
        """SQL of `expr`, cast to Ibis' types. DuckDB's can differ: a day plus an interval is a timestamp there."""
        self.backend._register_in_memory_tables(expr)
        columns = (f'CAST("{n}" AS {_type_sql(t)}) AS "{n}"' for n, t in expr.schema().items())
        with _unfused():
            return f"SELECT {', '.join(columns)} FROM ({self.backend.compile(expr)})"

    def write(
        self, sql: str, folder: Path, partition: str | None, facts: Mapping[str, Any]
    ) -> dict[date | None, Path]:
        """Run a query into Parquet below `folder`: one file in all, or one per day that has rows.

        Rows without a day go to a file of their own, under None.
        """
        footer = footer_sql(facts)
        if partition is None:
            target = folder / "all.parquet"
            self.connection.execute(f"COPY ({sql}) TO {literal(target)} (FORMAT parquet, {footer})")
            return {None: target}
        self.connection.execute(
            f"COPY ({sql}) TO {literal(folder)} "
            f"(FORMAT parquet, PARTITION_BY ({partition}), OVERWRITE_OR_IGNORE, {footer})"
        )
        return {_day_of(d): self._one_file(d, footer) for d in sorted(folder.glob(f"{partition}=*"))}

    def split(self, sql: str, partition: str, apart: Collection[date]) -> Split:
        """Run a query once, to be written in two parts: the days `apart`, and the rest."""
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {_RESULT} AS {sql}")
        name = identifier(partition)
        counted = self.connection.execute(f"SELECT {name}, count(*) FROM {_RESULT} GROUP BY 1").fetchall()
        listed = f"{name} IN ({literals(sorted(apart))})" if apart else "false"
        rest = f"SELECT * FROM {_RESULT} WHERE ({listed}) IS NOT true"
        return Split(dict(counted), f"SELECT * FROM {_RESULT} WHERE {listed} ORDER BY {name}", rest)

    def forget_split(self) -> None:
        """Drop the rows of the last `split`."""
        self.connection.execute(f"DROP TABLE IF EXISTS {_RESULT}")

    def write_pack(self, sql: str, target: Path, facts: Mapping[str, Any]) -> None:
        """Run a query into one file with the day as a column. The query gives the rows in the order of days."""
        self.connection.execute(f"COPY ({sql}) TO {literal(target)} (FORMAT parquet, {footer_sql(facts)})")

    def _one_file(self, folder: Path, footer: str) -> Path:
        """The file that COPY wrote for a day. COPY may write several: then merge them into one."""
        files = sorted(folder.glob("*.parquet"))
        if len(files) == 1:
            return files[0]
        whole = folder / "whole.parquet"
        listed = literals(files)
        self.connection.execute(
            f"COPY (SELECT * FROM read_parquet([{listed}], hive_partitioning = false)) "
            f"TO {literal(whole)} (FORMAT parquet, {footer})"
        )
        return whole


@cache
def _type_sql(of: dt.DataType) -> str:
    """DuckDB's name of a type. Cached, because Ibis derives it again for every column of every view."""
    return DuckDBType.to_string(of)


@contextmanager
def _unfused() -> Iterator[None]:
    """Keep Ibis from fusing selects: it takes a third of the compile time, and DuckDB's planner does it anyway."""
    before = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = before


def _day_of(folder: Path) -> date | None:
    value = folder.name.partition("=")[2]
    return None if value == _NO_DAY else date.fromisoformat(value)
