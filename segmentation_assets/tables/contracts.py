"""What a table promises: pandera models whose columns carry description, unit and rules.

Here: the base model, the `column` helper, the column types, a contract's key and its Ibis schema. Not here: enforcing
a contract (`enforcement`), or any table's own contract, which is in the module of the table's function.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import ibis
import ibis.expr.datatypes as dt
import pandas as pd

from segmentation_assets.tables.schemas import pa, pandas_engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

# The column types of contracts, besides `str` and `float`. Integers and flags may be null.
if TYPE_CHECKING:
    Integer = int
    Flag = bool
    Day = date
    Moment = datetime
else:
    Integer = pd.Int64Dtype
    Flag = pd.BooleanDtype
    Day = pandas_engine.Date
    Moment = pandas_engine.DateTime

SNAPSHOT_KEY = ("as_of", "account_id")
"""The key of tables with one row per day and account."""
VALIDITY = ("known_from", "known_to")
"""A row was known from `known_from` to the day before `known_to`. Rows of one natural key never overlap."""
_STAMP = "policy_hash"
_IBIS_TYPES: Mapping[str, dt.DataType] = {
    "str": dt.string,
    "string[pyarrow]": dt.string,  # pandera's name for `str` under pandas 3
    "float64": dt.float64,
    "Int64": dt.int64,
    "boolean": dt.boolean,
    "date": dt.date,
    "datetime64[ns]": dt.timestamp,
}


def column(description: str, *, unit: str | None = None, nullable: bool = False, **rules: Any) -> Any:
    """Declare a contract column: what it means, its unit, whether it may be null, and pandera rules.

    `unit` is a word such as `currency`, `share`, `score`, `days`. Identifiers, words and plain counts have none.
    `rules` are pandera's own: `ge`, `le`, `isin`, `str_matches`, `in_range`, ...
    """
    # pandera treats a tuple of one word as the word itself, and then allows each of its letters
    rules = {name: list(rule) if isinstance(rule, tuple) else rule for name, rule in rules.items()}
    return pa.Field(description=description, nullable=nullable, metadata={"unit": unit}, **rules)


row_rule = pa.dataframe_check
"""A rule over a whole row: a class method that takes the table and returns a boolean column.

It runs on pandas frames and on Ibis tables, so it uses operators and `isnull` only.
"""


def row_warning(rule: Any) -> Any:
    """Like `row_rule`, but a row that breaks the rule is published. The table's check `warnings` reports it."""
    return pa.dataframe_check(raise_warning=True)(rule)


class Contract(pa.DataFrameModel):
    """Base of all contracts. `Config.unique` is the key; the class docstring says what the table is for."""

    class Config:
        strict = True
        coerce = True
        unique: list[str] = []


class Dated(Contract):
    """Base of all tables that describe days."""

    as_of: Day = column("The row describes the end of this day, in the company's timezone.")


class Snapshot(Dated):
    """Base of all computed tables that describe days. `policy_hash` is filled in when the table is built."""

    policy_hash: str = column("Hash of the policy sections that this table and its inputs use.")


@cache
def schema_of(contract: type[Contract]) -> pa.DataFrameSchema:
    """The pandera schema of a contract. Cached, because building one is slow."""
    return contract.to_schema()


@cache
def ibis_schema(contract: type[Contract]) -> ibis.Schema:
    """Column names and types of a contract: the key first, then as declared, `policy_hash` last.

    Raises TypeError for a column type that cannot be stored.
    """
    types = {}
    for name, col in schema_of(contract).columns.items():
        text = str(col.dtype)
        if text not in _IBIS_TYPES:
            raise TypeError(f"{contract.__name__}.{name}: type {text} has no storage type; use {list(_IBIS_TYPES)}")
        types[name] = _IBIS_TYPES[text]
    key = [name for name in key_of(contract) if name in types]
    order = [*key, *(n for n in types if n not in key and n != _STAMP), *([_STAMP] if _STAMP in types else [])]
    return ibis.schema({name: types[name] for name in order})


def key_of(contract: type[Contract]) -> tuple[str, ...]:
    """The columns that identify a row."""
    return tuple(cast("list[str]", schema_of(contract).unique or []))


def column_docs(contract: type[Contract]) -> list[tuple[str, str, str, str]]:
    """(name, type, unit, description) of every column, in the order they are stored."""
    columns = schema_of(contract).columns
    return [
        (name, str(kind), (columns[name].metadata or {}).get("unit") or "", columns[name].description or "")
        for name, kind in ibis_schema(contract).items()
    ]


def conform(contract: type[Contract], expr: ir.Table, stamp: Mapping[str, ir.Value] | None = None) -> ir.Table:
    """`expr` with exactly the contract's columns, in its order and types. `stamp` holds columns to add.

    Raises TypeError for columns that are missing or not in the contract. This is a bug; no query has run yet.
    """
    want, columns = ibis_schema(contract), {name: expr[name] for name in expr.columns} | dict(stamp or {})
    missing, extra = [n for n in want if n not in columns], [n for n in columns if n not in want]
    if missing or extra:
        raise TypeError(f"{contract.__name__}: columns missing {missing}, not in the contract {extra}")
    return expr.select(**{n: v if (v := columns[n]).type() == t else v.cast(t) for n, t in want.items()})
