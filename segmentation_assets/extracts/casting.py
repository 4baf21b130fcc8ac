"""From raw columns to the contract's: one SQL select per extract, and what makes a column impossible to map.

Here: renaming, constants, expressions, value maps, and casts that give null instead of an error. Not here: reading
files (`reading`), what follows from a null that should not be one (`judging`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb
import ibis.expr.datatypes as dt

from segmentation_assets.extracts.reading import FILE, ROW, Raw, SourceError, first_line
from segmentation_assets.extracts.sources import Constant, Expression, ExtractSource, Format, close_to
from segmentation_assets.tables.contracts import Contract, ibis_schema, schema_of
from segmentation_assets.warehouse.sql_text import identifier, literal

RAW = "raw:"
"""Prefix of the column that keeps what was read, where the cast to the contract's type can fail."""

_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_NUMBERS = (*_WHOLE_NUMBERS, "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_OFFSET = r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$"
_WHOLE_TEXT = r"[+-]?\d+(\.0{1,2})?"
_EXPECTED: Mapping[str, str] = {
    "string": "text",
    "int64": "a whole number",
    "float64": "a number",
    "boolean": "true or false",
    "date": "a date (YYYY-MM-DD)",
    "timestamp": "a time (YYYY-MM-DD HH:MM:SS)",
}


@dataclass(frozen=True)
class Missing:
    """A contract column that the source cannot fill. `source` is the name it was looked for under."""

    column: str
    source: str
    hint: str


@dataclass(frozen=True)
class Cast:
    """How one contract column is filled: the raw expression and the typed one over it; `can_fail` if it casts."""

    column: str
    raw: str
    typed: str
    can_fail: bool


def expected(kind: dt.DataType) -> str:
    """A contract type in words."""
    return _EXPECTED[type(kind).__name__.lower()]


def missing_columns(contract: type[Contract], source: ExtractSource, raw: Raw, own: list[str]) -> Iterator[Missing]:
    """Columns named in the mapping that the source lacks, and required ones that nothing fills."""
    for name in own:
        given = source.columns.get(name, name)
        if isinstance(given, str) and _found(given, raw) is None:
            nullable = schema_of(contract).columns[name].nullable
            if name in source.columns or not nullable:
                yield Missing(name, given, close_to(given, dict(raw.columns)))
        elif given is None and not schema_of(contract).columns[name].nullable:
            yield Missing(name, "nothing", "")


def casts(contract: type[Contract], source: ExtractSource, raw: Raw, own: list[str], zone: str) -> list[Cast]:
    """How each column of the contract is filled. Call `missing_columns` first."""
    schema = ibis_schema(contract)
    return [_cast(name, schema[name], source, raw, zone) for name in own]


def select_sql(raw: Raw, columns: list[Cast], *, distinct: Literal["no", "per file", "all"] = "no") -> str:
    """The contract's columns over `raw`, what was read beside each that can fail, FILE and ROW.

    `distinct` keeps one of equal rows: of a file, or of all files.
    """
    inner = ", ".join(f"{c.raw} AS {identifier(RAW + c.column)}" for c in columns)
    outer = ", ".join(
        f"{c.typed} AS {identifier(c.column)}" + (f", {identifier(RAW + c.column)}" if c.can_fail else "")
        for c in columns
    )
    place = {"no": f"{FILE}, {ROW}", "per file": f"{FILE}, min({ROW}) AS {ROW}"}.get(
        distinct, f"min({FILE}) AS {FILE}, NULL::BIGINT AS {ROW}"
    )
    once = "" if distinct == "no" else " GROUP BY ALL"
    return f"SELECT {outer}, {FILE}, {ROW} FROM (SELECT {inner}, {place} FROM ({raw.sql}){once})"


def try_expressions(
    connection: duckdb.DuckDBPyConnection, extract: str, source: ExtractSource, raw: Raw, file: str
) -> None:
    """Raises SourceError, naming the column, for an `sql` that the engine refuses."""
    for name, given in source.columns.items():
        if isinstance(given, Expression):
            try:
                connection.execute(f"DESCRIBE SELECT {_expression(given)} FROM ({raw.sql})")
            except duckdb.Error as error:
                raise SourceError(
                    f"{extract}.{name}: sql: {first_line(error)}",
                    file=file,
                    column=name,
                    advice="correct the expression; text becomes a number with TRY_CAST(column AS DOUBLE)",
                ) from None


def _found(name: str, raw: Raw) -> str | None:
    if name in raw.columns:
        return name
    return {c.lower(): c for c in raw.columns}.get(name.lower())


def _expression(given: Expression) -> str:
    return f"(\n{given.sql}\n)"


def _cast(name: str, kind: dt.DataType, source: ExtractSource, raw: Raw, zone: str) -> Cast:
    given = source.columns.get(name, name)
    native = "VARCHAR"
    if isinstance(given, Constant):
        expr = literal(given.constant)
    elif isinstance(given, Expression):
        expr, native = f"CAST({_expression(given)} AS VARCHAR)", "VARCHAR"
    else:
        found = _found(given, raw) if given is not None else None
        if found is None:
            return Cast(name, "NULL", f"CAST(NULL AS {_storage(kind)})", can_fail=False)
        expr, native = identifier(found), raw.columns[found]
    if name in source.values:
        expr, native = _mapped(expr, native, source.values[name]), "VARCHAR"
    if native == "VARCHAR":
        expr = f"NULLIF(TRIM({expr}), '')" if not kind.is_string() else f"NULLIF({expr}, '')"
    typed, can_fail = _typed(identifier(RAW + name), native, kind, source.format, zone)
    return Cast(name, expr, typed, can_fail)


def _mapped(expr: str, native: str, values: Mapping[str, str | None]) -> str:
    text = expr if native == "VARCHAR" else f"CAST({expr} AS VARCHAR)"
    whens = " ".join(
        f"WHEN {literal(old)} THEN {'NULL' if new is None else literal(new)}" for old, new in values.items()
    )
    return f"CASE {text} {whens} ELSE {text} END" if whens else text


def _storage(kind: dt.DataType) -> str:
    return {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE"}.get(
        type(kind).__name__.lower(), "TIMESTAMP"
    )


def _typed(expr: str, native: str, kind: dt.DataType, form: Format, zone: str) -> tuple[str, bool]:
    base = native.partition("(")[0]
    if kind.is_string():
        return (expr, False) if native == "VARCHAR" else (f"CAST({expr} AS VARCHAR)", False)
    if kind.is_boolean():
        return (expr, False) if native == "BOOLEAN" else (f"TRY_CAST({expr} AS BOOLEAN)", True)
    if kind.is_date():
        return _day(expr, native, form, zone)
    if kind.is_timestamp():
        return _moment(expr, native, form)
    if kind.is_integer() and base in _WHOLE_NUMBERS:
        return f"CAST({expr} AS BIGINT)", False
    if kind.is_floating() and base in _NUMBERS:
        return f"CAST({expr} AS DOUBLE)", False
    plain = _plain_number(expr, form) if native == "VARCHAR" else expr
    number = f"TRY_CAST({plain} AS DOUBLE)"
    if kind.is_floating():
        return number, True
    # A cast rounds 5.5 to 6; a whole number is one that has no other part. In text, 1.000 may be a thousand.
    whole = f"regexp_full_match({plain}, '{_WHOLE_TEXT}')" if native == "VARCHAR" else f"{number} = floor({number})"
    return f"CASE WHEN {whole} THEN TRY_CAST({number} AS BIGINT) END", True


def _plain_number(expr: str, form: Format) -> str:
    if form.thousands:
        expr = f"replace({expr}, {literal(form.thousands)}, '')"
    if form.decimal == ",":  # a point is then no decimal sign: 1.500 must not be read as one and a half
        expr = f"CASE WHEN NOT contains({expr}, '.') THEN replace({expr}, ',', '.') END"
    return expr


def _day(expr: str, native: str, form: Format, zone: str) -> tuple[str, bool]:
    if native == "DATE":
        return _in_calendar(expr), True
    if native == "TIMESTAMP WITH TIME ZONE":
        return _in_calendar(f"CAST(({expr} AT TIME ZONE {literal(zone)}) AS DATE)"), True
    if native == "VARCHAR":
        if form.date_format:
            return _in_calendar(f"CAST(TRY_STRPTIME({expr}, {literal(form.date_format)}) AS DATE)"), True
        there = f"CAST((TRY_CAST({expr} AS TIMESTAMPTZ) AT TIME ZONE {literal(zone)}) AS DATE)"
        at_once = f"TRY_CAST({expr} AS DATE)"
        return _in_calendar(f"CASE WHEN regexp_matches({expr}, '{_OFFSET}') THEN {there} ELSE {at_once} END"), True
    return _in_calendar(f"TRY_CAST({expr} AS DATE)"), True


def _in_calendar(day: str) -> str:
    """Years that a calendar has on every engine; no infinity."""
    return f"CASE WHEN {day} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {day} END"


def _moment(expr: str, native: str, form: Format) -> tuple[str, bool]:
    if native == "VARCHAR" and form.datetime_format:
        moment = f"TRY_STRPTIME({expr}, {literal(form.datetime_format)})"
    elif native.startswith("TIMESTAMP") and native != "TIMESTAMP WITH TIME ZONE":
        moment = f"CAST({expr} AS TIMESTAMP)"
    else:  # through TIMESTAMPTZ, or an offset in the text would be dropped
        moment = f"CAST(TRY_CAST({expr} AS TIMESTAMPTZ) AS TIMESTAMP)"
    return f"CASE WHEN {moment} BETWEEN TIMESTAMP '1678-01-01' AND TIMESTAMP '2262-01-01' THEN {moment} END", True
