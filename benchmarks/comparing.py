"""Holding the two sides' tables against each other: rows, keys and nulls exactly, numbers to a relative 1e-9.

Here: one query per table over both published folders. Not here: making the tables (`chain_side`, `hand_side`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import ibis.expr.datatypes as dt

from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.packs import whole_sql
from segmentation_assets.warehouse.store import Store

TOLERANCE = 1e-9
_DIFFERENCES = {"cap_points": 100}
"""Columns that are the difference of two numbers as large as this: they are as exact as those, not as themselves."""
_LEFT_OUT = ("policy_hash",)


@dataclass(frozen=True)
class Comparison:
    """How two copies of a table differ: rows only one side has, and per column how many rows differ."""

    table: str
    rows: int
    only_chain: int
    only_hand: int
    columns: int
    differing: Mapping[str, int] = field(default_factory=dict)
    example: str = ""

    @property
    def is_equal(self) -> bool:
        """Nothing differs."""
        return not (self.only_chain or self.only_hand or self.differing)

    def __str__(self) -> str:
        if self.is_equal:
            return f"{self.table}: equal ({self.rows:,} rows, {self.columns} columns)"
        rows = f"{self.only_chain} rows only in the chain, {self.only_hand} only by hand, of {self.rows}"
        return f"{self.table}: {rows}; differing: {dict(self.differing)}; e.g. {self.example}"


def compare(spec: TableSpec, chain_home: Path, hand_home: Path) -> Comparison:
    """Compare one table, all days that either side has."""
    types = {n: t for n, t in ibis_schema(spec.contract).items() if n not in _LEFT_OUT}
    key = [k for k in spec.key if k in types]
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for side, home in (("chain", chain_home), ("hand", hand_home)):
            connection.execute(f"CREATE VIEW {side} AS {_select(spec, types, home)}")
        return _compared(connection, spec.name, key, types)


def _select(spec: TableSpec, types: Mapping[str, dt.DataType], home: Path) -> str:
    columns = ", ".join(f'CAST("{n}" AS {_sql_type(t)}) AS "{n}"' for n, t in types.items())
    if Store(home).has(spec.name):
        return f"SELECT {columns} FROM ({whole_sql(home, spec.name, spec.partition)})"
    return f"SELECT {columns} FROM read_parquet('{home / 'published' / spec.name}.parquet')"


def _sql_type(kind: dt.DataType) -> str:
    names = {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE"}
    return names.get(type(kind).__name__.lower(), "TIMESTAMP")


def _compared(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    key: list[str],
    types: Mapping[str, dt.DataType],
) -> Comparison:
    values = [n for n in types if n not in key]
    match = " AND ".join(f'c."{k}" IS NOT DISTINCT FROM h."{k}"' for k in key)
    c, h = f'c."{key[0]}"', f'h."{key[0]}"'
    differs = {n: f"{c} IS NOT NULL AND {h} IS NOT NULL AND ({_differs(n, types[n])})" for n in values}
    counts = ", ".join(f'count(*) FILTER ({sql}) AS "{n}"' for n, sql in differs.items())
    source = f"FROM chain c FULL JOIN hand h ON {match}"
    counted = connection.execute(
        f"SELECT count(*), count(*) FILTER ({h} IS NULL), count(*) FILTER ({c} IS NULL)"
        f"{', ' + counts if counts else ''} {source}"
    ).fetchone()
    assert counted is not None
    total, only_chain, only_hand, *rest = counted
    differing = {n: count for n, count in zip(values, rest, strict=True) if count}
    example = ""
    if differing:
        name = next(iter(differing))
        shown = ", ".join(f'c."{k}"' for k in key)
        rows = f'SELECT {shown}, c."{name}", h."{name}" {source} WHERE {differs[name]} ORDER BY ALL LIMIT 3'
        example = f"{name} {connection.execute(rows).fetchall()}"
    elif only_chain or only_hand:
        keys = ", ".join(f'coalesce(c."{k}", h."{k}")' for k in key)
        rows = f"SELECT {c} IS NOT NULL AS in_chain, {keys} {source} WHERE {c} IS NULL OR {h} IS NULL LIMIT 3"
        example = str(connection.execute(rows).fetchall())
    return Comparison(table, total, only_chain, only_hand, len(types), differing, example)


def _differs(name: str, kind: dt.DataType) -> str:
    c, h = f'c."{name}"', f'h."{name}"'
    if kind.is_floating():
        scale = f"greatest({_DIFFERENCES.get(name, 1)}, abs({c}), abs({h}))"
        return f"({c} IS NULL) <> ({h} IS NULL) OR abs({c} - {h}) > {TOLERANCE} * {scale}"
    return f"{c} IS DISTINCT FROM {h}"
