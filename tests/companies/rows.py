"""Rows by hand as typed tables, and tables as rows. Not here: assertions, or what a test should spell out itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import Contract, ibis_schema

Rows = Sequence[Mapping[str, Any]]
_KNOWN: Mapping[str, Any] = {
    "known_from": date(1, 1, 1),
    "known_to": date(9999, 12, 31),
    "policy_hash": "test",
}


def typed(contract: type[Contract], rows: Rows) -> ir.Table:
    """Rows as an Ibis table of the contract's columns; what a row leaves out is null (or known from ever to ever).

    Raises KeyError for a column that the contract does not have: a typo in the test.
    """
    return ibis.memtable(arrow(contract, rows))


def arrow(contract: type[Contract], rows: Rows) -> pa.Table:
    """The same as an Arrow table."""
    schema = ibis_schema(contract)
    for row in rows:
        unknown = set(row) - set(schema)
        if unknown:
            raise KeyError(f"{contract.__name__} has no column {sorted(unknown)}")
    columns = {n: [row.get(n, _KNOWN.get(n)) for row in rows] for n in schema}
    return pa.table(columns, schema=schema.to_pyarrow())


def spine(*days: date) -> ir.Table:
    """The spine of a run over these days."""
    return ibis.memtable(arrow_spine(*days))


def arrow_spine(*days: date) -> pa.Table:
    """The same as an Arrow table."""
    return pa.Table.from_pandas(spine_frame(days), schema=ibis_schema(Spine).to_pyarrow(), preserve_index=False)


def records(result: ir.Table | pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as pandas gives them, but None where a text is null: pandas 3 has NaN there, pandas 2 None."""
    frame = result if isinstance(result, pd.DataFrame) else result.execute()
    words = [name for name in frame if pd.api.types.is_string_dtype(frame[name])]
    texts = {name: frame[name].astype(object).where(frame[name].notna(), None) for name in words}
    return frame.assign(**texts).to_dict("records")
