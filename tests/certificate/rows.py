"""One hash per table over its rows, and what differs where two are unequal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import ibis
import pyarrow as pa

from segmentation_assets.tables.contracts import Contract, ibis_schema, key_of

DIGITS = 9
"""Decimals of a number that must be equal: the sums of floats below are rounded to as many."""
_BIG = 1e6
"""From here on, the last bits of a number of 53 bits are near the ninth decimal: fifteen digits count."""
_SIGNIFICANT = 15


def fingerprint(table: pa.Table, contract: type[Contract]) -> str:
    """A hash over all cells, whatever the order of rows: numbers as `cell` rounds them, all else exactly."""
    lines = sorted(repr(row) for row in cells(table, ibis_schema(contract)))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def differences(one: pa.Table, other: pa.Table, contract: type[Contract], most: int = 8) -> Sequence[str]:
    """Cells that differ, as text: row by row of the contract's key."""
    schema = ibis_schema(contract)
    names, key = list(schema), key_of(contract) or tuple(schema)
    at = [names.index(name) for name in key]
    first, second = (sorted(cells(t, schema), key=lambda row: [repr(row[i]) for i in at]) for t in (one, other))
    if len(first) != len(second):
        return [f"{len(first)} rows on DuckDB, {len(second)} on Spark"]
    unequal = [
        f"{name} of {[row[i] for i in at]}: {mine!r} on DuckDB, {theirs!r} on Spark"
        for row, same in zip(first, second, strict=True)
        for name, mine, theirs in zip(names, row, same, strict=True)
        if mine != theirs
    ]
    return [f"{len(unequal)} cells differ", *unequal[:most]] if unequal else []


def cells(table: pa.Table, schema: ibis.Schema) -> list[tuple[Any, ...]]:
    """The rows of the schema's columns as Python's own values."""
    missing = [name for name in schema if name not in table.column_names]
    assert not missing, f"columns missing: {missing}"
    columns = []
    for name, kind in schema.items():
        values = table[name].cast(pa.timestamp("us")) if kind.is_timestamp() else table[name]
        columns.append([cell(value) for value in values.to_pylist()])
    return list(zip(*columns, strict=True))


def cell(value: Any) -> Any:
    """A float as it counts here. Minus zero is zero."""
    if not isinstance(value, float):
        return value
    return (float(f"{value:.{_SIGNIFICANT}g}") if abs(value) >= _BIG else round(value, DIGITS)) + 0.0
