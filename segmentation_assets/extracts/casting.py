"""From raw columns to the contract's: one SQL select per extract, and the columns that cannot be mapped.

Here: renaming, constants, expressions, value maps, and casts that give null instead of an error. Not here: reading
files (`reading`), judging a null (`judging`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb
import ibis.expr.datatypes as dt

from segmentation_assets.extracts.reading import FILE, ROW, TYPED, Raw, SourceError, first_line
from segmentation_assets.extracts.sources import (
    EPOCHS,
    EXCEL,
    MONEY,
    Constant,
    Expression,
    ExtractSource,
    Format,
    FromColumn,
    Source,
    close_to,
    source_column,
)
from segmentation_assets.tables.contracts import Contract, ibis_schema, schema_of
from segmentation_assets.warehouse.sql_text import identifier, literal

RAW = "raw:"
"""Prefix of the column that keeps the raw text, for casts that can fail."""

_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_NUMBERS = (*_WHOLE_NUMBERS, "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_OFFSET = r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$"
_SHORT_OFFSET = r"([+-]\d\d)(\d\d)$"
_STARTS_AS_DATE = r"^\d"  # else the engine reads words such as epoch and infinity as days
_PLAIN = Format()
WITH_RANGES = ("employees",)
_NEWEST = "_landing_newest"
_BLANKS = " \t\r\n\xa0\u1680\u202f\u205f\u2060\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200E)))
"""Characters trimmed from both ends of every text: blanks of all kinds, and zero-width characters."""
_FEW_WORDS = 100
"""Up to this many words, a map is fastest. The engine looks through a map word by word, but hashes a list of rows."""
_PER_SECOND = {"epoch": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
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
    """A contract column that the source cannot fill. `source` is the expected name in the source."""

    column: str
    source: str
    hint: str


@dataclass(frozen=True)
class Cast:
    """How one contract column is filled: the raw expression, and the typed one over it. A cast `can_fail`."""

    column: str
    raw: str
    typed: str
    can_fail: bool


@dataclass(frozen=True)
class Reading:
    """How a column's text becomes a value: the column's own format, and else the extract's."""

    form: Format
    special: str | None = None
    """The column's `format` if it is not a strptime format: one of EPOCHS, EXCEL, MONEY."""


def summed_sql(typed: str, columns: list[Cast], measures: Mapping[str, str]) -> str:
    """Sum typed rows, for logs with a row per event: one row per file and set of values outside `measures`.

    `measures` are the columns to sum, with the storage type of each sum. Rows with an unreadable key are not summed.
    """
    parts, groups = [], [FILE]
    for cast in columns:
        name, raw = identifier(cast.column), identifier(RAW + cast.column)
        kind = measures.get(cast.column)
        parts.append(f"CAST(sum({name}) AS {kind}) AS {name}" if kind else name)
        if cast.can_fail:
            parts.append(f"min({raw}) AS {raw}")
        if kind is None:
            groups += [name, f"CASE WHEN {name} IS NULL THEN {raw} END"] if cast.can_fail else [name]
    return f"SELECT {', '.join(parts)}, {FILE}, min({ROW}) AS {ROW} FROM ({typed}) GROUP BY {', '.join(groups)}"


@dataclass(frozen=True)
class Newest:
    """Keep one row per `key`: the one with the greatest value in the source's `column`."""

    key: tuple[str, ...]
    column: str
    per_file: bool
    """Within each file, because each dated drop is a state of its own."""


def newest_of(source: ExtractSource, raw: Raw, key: tuple[str, ...], *, per_file: bool, file: str) -> Newest | None:
    """Read the mapping's `newest_by`. Raises SourceError if the source lacks that column."""
    if source.newest_by is None:
        return None
    column = _actual_column(source.newest_by, raw)
    if column is None:
        raise SourceError(
            f"newest_by: no column {source.newest_by}{close_to(source.newest_by, dict(raw.columns))}",
            file=file,
            advice="name the source column that says when a row was written",
        )
    return Newest(key, column, per_file)


def expected(kind: dt.DataType) -> str:
    """A contract type in words."""
    return _EXPECTED[type(kind).__name__.lower()]


def missing_columns(contract: type[Contract], source: ExtractSource, raw: Raw, own: list[str]) -> Iterator[Missing]:
    """Columns named in the mapping that the source lacks, and required ones that nothing fills."""
    for name in own:
        origin = source.columns.get(name, name)
        looked_for = source_column(origin)
        if looked_for is not None and _actual_column(looked_for, raw) is None:
            nullable = schema_of(contract).columns[name].nullable
            is_optional = isinstance(origin, FromColumn) and origin.optional
            if (name in source.columns and not is_optional) or not nullable:
                yield Missing(name, looked_for, close_to(looked_for, dict(raw.columns)))
        elif origin is None and not schema_of(contract).columns[name].nullable:
            yield Missing(name, "nothing", "")


def casts(
    contract: type[Contract],
    source: ExtractSource,
    raw: Raw,
    own: list[str],
    zone: str,
    expression_types: Mapping[str, str],
) -> list[Cast]:
    """How each column of the contract is filled. Call `missing_columns` first.

    `expression_types` are the types of the mapping's SQL, from `try_expressions`.
    """
    schema = ibis_schema(contract)
    return [_cast(name, schema[name], source, raw, zone, expression_types.get(name, "VARCHAR")) for name in own]


def select_sql(
    raw: Raw,
    columns: list[Cast],
    *,
    distinct: Literal["no", "per file", "all"] = "no",
    newest: Newest | None = None,
) -> str:
    """The contract's columns over `raw`, the raw text of each column whose cast can fail, FILE and ROW.

    `distinct` keeps one of several equal rows, per file or over all files. `newest` keeps the newest row of each key.
    """
    inner = ", ".join(f"{c.raw} AS {identifier(RAW + c.column)}" for c in columns)
    outer = ", ".join(
        f"{c.typed} AS {identifier(c.column)}" + (f", {identifier(RAW + c.column)}" if c.can_fail else "")
        for c in columns
    )
    place = {"no": f"{FILE}, {ROW}", "per file": f"{FILE}, min({ROW}) AS {ROW}"}.get(
        distinct, f"min({FILE}) AS {FILE}, NULL::BIGINT AS {ROW}"
    ) + (f", {TYPED}" if raw.typed else "")
    if newest:
        place += f", {identifier(newest.column)} AS {_NEWEST}"
    once = "" if distinct == "no" else " GROUP BY ALL"
    rows = f"(SELECT {inner}, {place} FROM ({raw.sql}){once})"
    if newest is None:
        return f"SELECT {outer}, {FILE}, {ROW} FROM {rows}"
    within = ", ".join([*map(identifier, newest.key), *([FILE] if newest.per_file else [])])
    kinds = [f"TRY_CAST({_NEWEST} AS TIMESTAMP)", f"TRY_CAST({_NEWEST} AS DOUBLE)", _NEWEST]
    order = ", ".join([*(f"{kind} DESC NULLS LAST" for kind in kinds), FILE, f"{ROW} DESC"])
    return (
        f"SELECT * EXCLUDE ({_NEWEST}) FROM (SELECT {outer}, {FILE}, {ROW}, {_NEWEST} FROM {rows}) QUALIFY "
        f"row_number() OVER (PARTITION BY {within} ORDER BY {order}) = 1"
    )


def try_expressions(
    connection: duckdb.DuckDBPyConnection, extract: str, source: ExtractSource, raw: Raw, file: str
) -> dict[str, str]:
    """The types that the mapping's expressions return, by contract column.

    Raises SourceError if the engine refuses an `sql`. The message names the column.
    """
    types = {}
    for name, origin in source.columns.items():
        if isinstance(origin, Expression):
            try:
                described = connection.execute(f"DESCRIBE SELECT {_expression(origin.sql)} AS v FROM ({raw.sql})")
            except duckdb.Error as error:
                raise SourceError(
                    f"{extract}.{name}: sql: {first_line(error)}",
                    file=file,
                    column=name,
                    advice="correct the expression; text becomes a number with TRY_CAST(column AS DOUBLE)",
                ) from None
            types[name] = str(described.fetchall()[0][1])
    return types


def _actual_column(name: str, raw: Raw) -> str | None:
    if name in raw.columns:
        return name
    return {c.lower(): c for c in raw.columns}.get(name.lower())


def _expression(sql: str) -> str:
    return f"(\n{sql}\n)"


def _cast(name: str, kind: dt.DataType, source: ExtractSource, raw: Raw, zone: str, expression_type: str) -> Cast:
    """`format` applies only to text of the file. Constants, expressions and translated words are plain text."""
    origin = source.columns.get(name, name)
    if isinstance(origin, Constant):
        expr, native, reading, had_type = literal(origin.constant), "VARCHAR", Reading(_PLAIN), None
    elif isinstance(origin, Expression):
        expr, native, reading, had_type = _expression(origin.sql), expression_type, Reading(_PLAIN), None
    else:
        looked_for = source_column(origin)
        column = _actual_column(looked_for, raw) if looked_for is not None else None
        if column is None:
            return Cast(name, "NULL", f"CAST(NULL AS {_storage(kind)})", can_fail=False)
        expr, native = identifier(column), raw.columns[column]
        reading, had_type = _reading(source, origin, kind), raw.typed.get(column)
    if name in source.values:
        expr, native, had_type = _mapped(expr, native, source.values[name]), "VARCHAR", None
    if native == "VARCHAR":
        expr = _text(name, expr, source, origin)
    typed, can_fail = _typed(identifier(RAW + name), native, kind, reading, zone)
    if had_type is not None and not kind.is_string():
        plain, _ = _typed(identifier(RAW + name), native, kind, _of_typed(reading), zone)
        typed = f"CASE WHEN {had_type} THEN {plain} ELSE {typed} END" if plain != typed else typed
    if isinstance(origin, FromColumn):
        typed, can_fail = _computed(typed, can_fail, kind, origin)
    if name in WITH_RANGES:  # a middle may end in .5; other fractions are refused: 1.200 may be 1,200
        typed, can_fail = f"CASE WHEN {typed} * 2 = floor({typed} * 2) THEN {typed} END", True
    if name == "end_date" and source.ends == "last_day":
        typed = f"({typed} + 1)"
    return Cast(name, expr, typed, can_fail)


def _text(name: str, expr: str, source: ExtractSource, origin: Source) -> str:
    """Cleaned text: trimmed, in one Unicode form, and null if it is a word for a missing value."""
    expr = _cleaned(expr)
    nulls = (*source.nulls, *(origin.nulls if isinstance(origin, FromColumn) else ()))
    if nulls:
        expr = f"CASE WHEN {expr} NOT IN ({', '.join(map(literal, nulls))}) THEN {expr} END"
    return _middle(expr) if name in WITH_RANGES else expr


def _reading(source: ExtractSource, origin: FromColumn | str | None, kind: dt.DataType) -> Reading:
    if not isinstance(origin, FromColumn):
        return Reading(source.format)
    said: dict[str, str | None] = {"decimal": origin.decimal, "thousands": origin.thousands}
    special = origin.format if origin.format in (*EPOCHS, EXCEL, MONEY) else None
    if origin.format and special is None:
        said["date_format" if kind.is_date() else "datetime_format"] = origin.format
    return Reading(source.format.model_copy(update={k: v for k, v in said.items() if v is not None}), special)


def _of_typed(reading: Reading) -> Reading:
    """The reading for a value that had a type in its source. Only counts of seconds or days keep their format."""
    return Reading(_PLAIN, reading.special if reading.special != MONEY else None)


def _cleaned(expr: str) -> str:
    """Text without blanks around it and in one Unicode form, so that texts that look the same are equal."""
    return f"NULLIF(TRIM(nfc_normalize({expr}), {literal(_BLANKS)}), '')"


def _computed(typed: str, can_fail: bool, kind: dt.DataType, origin: FromColumn) -> tuple[str, bool]:
    """Apply the mapping's `divide_by` and `sql` to the typed value."""
    if origin.divide_by:
        typed, can_fail = f"({typed} / {origin.divide_by!r})", True
    if origin.sql:
        result = f"list_transform([{typed}], lambda value: {_expression(origin.sql)})[1]"
        typed, can_fail = f"TRY_CAST({result} AS {_storage(kind)})", True
    return typed, can_fail


def _middle(expr: str) -> str:
    """The middle of a range such as 51-200, the lower end of 10,001+, and any other text unchanged."""
    ends = rf"regexp_extract_all(replace({expr}, ',', ''), '\d+')"
    whole = r"'^[\d,]+\s*(-|–|—|to)\s*[\d,]+$'"
    middle = f"CAST(({ends}[1]::DOUBLE + {ends}[2]::DOUBLE) / 2 AS VARCHAR)"
    open_ended = r"'^[\d,]+\s*\+$'"
    return (
        f"CASE WHEN regexp_matches({expr}, {whole}) THEN {middle} WHEN regexp_matches({expr}, {open_ended}) "
        f"THEN {ends}[1] ELSE {expr} END"
    )


def _mapped(expr: str, native: str, values: Mapping[str, str | None]) -> str:
    text = f"TRIM({expr})" if native == "VARCHAR" else f"CAST({expr} AS VARCHAR)"
    if not values:
        return text
    words = ", ".join(f"{literal(old)}: {'NULL' if new is None else literal(new)}" for old, new in values.items())
    listed = ", ".join(map(literal, values))
    if len(values) <= _FEW_WORDS:
        return f"CASE WHEN {text} IN ({listed}) THEN MAP {{{words}}}[{text}] ELSE {text} END"
    pairs = ", ".join(f"({literal(old)}, {'NULL' if new is None else literal(new)})" for old, new in values.items())
    means = f"(SELECT means FROM (VALUES {pairs}) AS words(word, means) WHERE word = {text})"
    return f"CASE WHEN {text} IN ({listed}) THEN {means} ELSE {text} END"


def _storage(kind: dt.DataType) -> str:
    return {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE"}.get(
        type(kind).__name__.lower(), "TIMESTAMP"
    )


def _typed(expr: str, native: str, kind: dt.DataType, reading: Reading, zone: str) -> tuple[str, bool]:
    base = native.partition("(")[0]
    if kind.is_string():
        return (expr, False) if native == "VARCHAR" else (f"CAST({expr} AS VARCHAR)", False)
    if kind.is_boolean():
        return _flag(expr, native)
    if kind.is_date():
        return _day(expr, native, reading, zone)
    if kind.is_timestamp():
        return _moment(expr, native, reading)
    if kind.is_integer() and base in _WHOLE_NUMBERS:
        return f"CAST({expr} AS BIGINT)", False
    if kind.is_floating() and base in _NUMBERS:
        return f"CAST({expr} AS DOUBLE)", False
    is_text = native == "VARCHAR"
    number = _number(expr, reading) if is_text else f"TRY_CAST({expr} AS DOUBLE)"
    if kind.is_floating():
        return number, True
    # A cast would round 5.5 to 6, so fractions are refused. So is 1.000 in text: it may mean one thousand.
    plain = _plain_number(expr, reading.form)
    whole = f"regexp_full_match({plain}, '{_WHOLE_TEXT}')" if is_text else f"{number} = floor({number})"
    return f"CASE WHEN {whole} THEN TRY_CAST({number} AS BIGINT) END", True


def _flag(expr: str, native: str) -> tuple[str, bool]:
    if native == "BOOLEAN":
        return expr, False
    if native != "VARCHAR":
        return f"TRY_CAST({expr} AS BOOLEAN)", True
    return f"CASE lower({expr}) WHEN 'on' THEN true WHEN 'off' THEN false ELSE TRY_CAST({expr} AS BOOLEAN) END", True


def _number(expr: str, reading: Reading) -> str:
    """A number in text: read by the format, or else after removing what people write around a number.

    That is a currency sign or code, brackets or a trailing minus for a negative amount, and a percent sign.
    """
    is_money = reading.special == MONEY
    bare = _in_own_notation(_bare(expr)) if is_money else _plain_number(_bare(expr), reading.form)
    at_once = f"TRY_CAST({_plain_number(expr, reading.form)} AS DOUBLE)"
    is_owed = rf"regexp_matches({expr}, '^\(.*\)$|-$')"
    around = f"(TRY_CAST({bare} AS DOUBLE) * CASE WHEN {is_owed} THEN -1 ELSE 1 END / {_percent(expr)})"
    return around if is_money else f"COALESCE({at_once}, {around})"


def _percent(expr: str) -> str:
    return f"CASE WHEN ends_with({expr}, '%') THEN 100 ELSE 1 END"


def _bare(expr: str) -> str:
    """A number without currency, brackets, trailing minus and percent sign."""
    front = r"^\(?\s*(-?)\s*([A-Z]{3}|\p{Sc})?\s*(-?)"
    back = r"\s*([A-Z]{3}|\p{Sc}|%|-)?\s*\)?$"
    return rf"regexp_replace(regexp_replace({expr}, '{back}', ''), '{front}', '\1\3')"


def _in_own_notation(expr: str) -> str:
    """A sign followed by one or two last digits is the decimal sign. Other signs and blanks group digits."""
    digits = rf"regexp_replace({expr}, '[\s\x{{a0}}\x{{202f}}’'']', '', 'g')"
    parted = rf"regexp_replace({digits}, '[.,](\d{{1,2}})$', '#\1')"
    return rf"replace(regexp_replace({parted}, '[.,]', '', 'g'), '#', '.')"


def _plain_number(expr: str, form: Format) -> str:
    if form.thousands:
        expr = f"replace({expr}, {literal(form.thousands)}, '')"
    if form.decimal == ",":  # then a point is not a decimal sign: 1.500 must not be read as 1.5
        expr = f"CASE WHEN NOT contains({expr}, '.') THEN replace({expr}, ',', '.') END"
    return expr


def _day(expr: str, native: str, reading: Reading, zone: str) -> tuple[str, bool]:
    if native == "DATE":
        return _in_calendar(expr), True
    if reading.special:
        moment = _counted(expr, reading.special)
        local = moment if reading.special == EXCEL else f"({moment} AT TIME ZONE 'UTC' AT TIME ZONE {literal(zone)})"
        return _in_calendar(f"CAST({local} AS DATE)"), True
    if native == "TIMESTAMP WITH TIME ZONE":
        return _in_calendar(f"CAST(({expr} AT TIME ZONE {literal(zone)}) AS DATE)"), True
    if native == "VARCHAR":
        if reading.form.date_format:
            return _in_calendar(f"CAST(TRY_STRPTIME({expr}, {literal(reading.form.date_format)}) AS DATE)"), True
        there = f"CAST((TRY_CAST({_long_offset(expr)} AS TIMESTAMPTZ) AT TIME ZONE {literal(zone)}) AS DATE)"
        at_once = f"CASE WHEN regexp_matches({expr}, '{_STARTS_AS_DATE}') THEN TRY_CAST({expr} AS DATE) END"
        return _in_calendar(f"CASE WHEN regexp_matches({expr}, '{_OFFSET}') THEN {there} ELSE {at_once} END"), True
    if native.partition("(")[0] in _NUMBERS:  # such as 20240101 or a count of days: the mapping must say which
        return "CAST(NULL AS DATE)", True
    return _in_calendar(f"TRY_CAST({expr} AS DATE)"), True


def _counted(expr: str, special: str) -> str:
    """A time counted from a fixed day, in UTC. Excel counts days from the end of 1899, in the writer's time zone."""
    if special == EXCEL:
        return f"(TIMESTAMP '1899-12-30' + TRY_CAST({expr} AS DOUBLE) * INTERVAL 1 DAY)"
    return f"make_timestamp(CAST(round(TRY_CAST({expr} AS DOUBLE) * {_PER_SECOND[special]}) AS BIGINT))"


def _long_offset(expr: str) -> str:
    """Rewrite -0500 as -05:00, which the engine can read."""
    return rf"regexp_replace({expr}, '{_SHORT_OFFSET}', '\1:\2')"


def _in_calendar(day: str) -> str:
    """Only days in years 1 to 9999, which every engine supports; else null."""
    return f"CASE WHEN {day} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {day} END"


def _moment(expr: str, native: str, reading: Reading) -> tuple[str, bool]:
    if reading.special:
        moment = _counted(expr, reading.special)
    elif native == "VARCHAR" and reading.form.datetime_format:
        moment = f"TRY_STRPTIME({expr}, {literal(reading.form.datetime_format)})"
    elif native == "VARCHAR":  # through TIMESTAMPTZ, because TIMESTAMP drops an offset in the text
        whole = f"CAST(TRY_CAST({_long_offset(expr)} AS TIMESTAMPTZ) AS TIMESTAMP)"
        moment = f"CASE WHEN regexp_matches({expr}, '{_STARTS_AS_DATE}') THEN {whole} END"
    elif native.startswith("TIMESTAMP") and native != "TIMESTAMP WITH TIME ZONE":
        moment = f"CAST({expr} AS TIMESTAMP)"
    elif native.partition("(")[0] in _NUMBERS:
        moment = "CAST(NULL AS TIMESTAMP)"
    else:
        moment = f"CAST(TRY_CAST({expr} AS TIMESTAMPTZ) AS TIMESTAMP)"
    return f"CASE WHEN {moment} BETWEEN TIMESTAMP '1678-01-01' AND TIMESTAMP '2262-01-01' THEN {moment} END", True
