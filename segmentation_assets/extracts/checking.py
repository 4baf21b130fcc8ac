"""What is wrong with a mapping, told before anything runs.

Here: each mapping problem with its file, column, what the contract expects, an example, and what to do. Not here:
problems of single rows, which landing puts into quarantine; a column is a problem of the mapping when more of its
values are bad than the policy lets through.

The newest drop of each extract is read, all of it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from segmentation_assets.extracts.casting import (
    RAW,
    WITH_RANGES,
    Cast,
    casts,
    expected,
    missing_columns,
    select_sql,
    try_expressions,
)
from segmentation_assets.extracts.contracts import EXTRACTS
from segmentation_assets.extracts.detective import Delivery, Detective
from segmentation_assets.extracts.reading import (
    REJECTS,
    Drop,
    Reader,
    SourceError,
    drops_of,
    first_line,
)
from segmentation_assets.extracts.sources import Sources, own_columns
from segmentation_assets.policy.company import CompanyPolicy, ExtractsPolicy
from segmentation_assets.policy.detective import DetectivePolicy
from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.section import Section
from segmentation_assets.tables.contracts import Contract, ibis_schema, schema_of
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.engine import configure
from segmentation_assets.warehouse.sql_text import identifier, literal

_DATE_FORMATS: Mapping[str, str] = {
    r"(1[3-9]|2\d|3[01])/\d{1,2}/\d{4}": "%d/%m/%Y",
    r"\d{1,2}/(1[3-9]|2\d|3[01])/\d{4}": "%m/%d/%Y",
    r"\d{1,2}/\d{1,2}/\d{4}": "%d/%m/%Y (or %m/%d/%Y)",
    r"\d{1,2}\.\d{1,2}\.\d{4}": "%d.%m.%Y",
    r"\d{1,2}-\d{1,2}-\d{4}": "%d-%m-%Y",
    r"\d{8}": "%Y%m%d",
    r"\d{1,2}-[A-Za-z]{3}-\d{4}": "%d-%b-%Y",
    r"[A-Za-z]{3} \d{1,2}, \d{4}": "%b %d, %Y",
}
_COMMA_DECIMAL = re.compile(r"-?\d{1,3}(\.\d{3})*,\d{1,2}|-?\d+,\d+")
_POINT_THOUSANDS = re.compile(r"-?\d{1,3}(\.\d{3})+")
_COMMA_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True)
class Problem:
    """One thing to correct in a mapping. `place` is the line of the mapping; `column` is the contract's.

    A warning stops nothing: what it tells of is landed as it is.
    """

    extract: str
    place: str
    file: str
    column: str | None
    problem: str
    expected: str | None
    example: str | None
    advice: str
    is_warning: bool = False

    def __str__(self) -> str:
        where = self.extract + (f".{self.column}" if self.column else "")
        wanted = f", expected {self.expected}" if self.expected else ""
        shown = f", e.g. {self.example!r}" if self.example is not None else ""
        return f"{self.place}: {where}: {self.file}: {self.problem}{wanted}{shown}; {self.advice}"


def check_sources(sources: Sources, policy_sections: Mapping[type[Section], Section] | None = None) -> list[Problem]:
    """All mapping problems, in landing order; none but warnings means that every extract can be read as mapped.

    Without `policy_sections` the default policy says which share of bad values is a problem.
    """
    sections = policy_sections if policy_sections is not None else load_policy().sections
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
        configure(connection, Path(folder) / "spill")
        check = _Check(sources, Reader(connection, sources, Path(folder)), sections)
        for spec in EXTRACTS:
            if spec.name in sources.extracts:
                problems += check.problems_of(spec)
    return problems


class _Check:
    def __init__(self, sources: Sources, reader: Reader, sections: Mapping[type[Section], Section]) -> None:
        self.sources, self.reader = sources, reader
        self.zone: str = sections[CompanyPolicy].timezone  # type: ignore[attr-defined]
        self.share: float = sections[ExtractsPolicy].max_quarantine_share  # type: ignore[attr-defined]
        self.may_lack_account: tuple[str, ...] = sections[ExtractsPolicy].may_lack_account  # type: ignore[attr-defined]
        grace_days: int = sections[CompanyPolicy].renewal_grace_days  # type: ignore[attr-defined]
        self.detective = Detective(reader, sections[DetectivePolicy], grace_days)  # type: ignore[arg-type]

    def problems_of(self, spec: TableSpec) -> list[Problem]:
        try:
            drop = drops_of(self.sources, spec.name)[-1]
            return [*self._of_drop(spec, drop)]
        except SourceError as error:
            place = self._place(spec.name, error.column)
            return [Problem(spec.name, place, error.file, error.column, error.args[0], None, None, error.advice)]
        except (duckdb.Error, OSError) as error:
            file = self.sources.extracts[spec.name].path or self.reader.place(spec.name)
            advice = "check that the file is whole and is what its name says"
            return [Problem(spec.name, self._place(spec.name), file, None, first_line(error), None, None, advice)]

    def _place(self, extract: str, column: str | None = None) -> str:
        return self.sources.line(extract, "columns", column) if column else self.sources.line(extract)

    def _of_drop(self, spec: TableSpec, drop: Drop) -> Iterator[Problem]:
        source, own = self.sources.extracts[spec.name], own_columns(spec.name)
        raw = self.reader.raw(spec.name, [drop])
        file = self.reader.label(drop.files[-1]) if source.path else self.reader.place(spec.name)
        types = ibis_schema(spec.contract)
        missing = [*missing_columns(spec.contract, source, raw, own)]
        for lost in missing:
            yield Problem(
                spec.name, self._place(spec.name, lost.column), file, lost.column,
                f"no column {lost.source}{lost.hint}" if lost.source != "nothing" else "the column is not mapped",
                expected(types[lost.column]), None,
                f"map it under columns: {{{lost.column}: ...}}; the columns there are {', '.join(raw.columns)}",
            )  # fmt: skip
        types = try_expressions(self.reader.connection, spec.name, source, raw, file)
        if not missing:
            columns = casts(spec.contract, source, raw, own, self.zone, types)
            problems = [*self._of_values(spec, file, select_sql(raw, columns), columns)]
            yield from problems
            if all(problem.is_warning for problem in problems):
                yield from self._suspicions(Delivery(spec, source, raw, columns, drop.day is not None, file))

    def _suspicions(self, delivery: Delivery) -> Iterator[Problem]:
        name = delivery.spec.name
        for each in self.detective.look(delivery):
            place = self._place(name, each.column)
            yield Problem(name, place, delivery.file, each.column, each.seen, None, None, each.line, is_warning=True)

    def _of_values(self, spec: TableSpec, file: str, typed: str, columns: list[Cast]) -> Iterator[Problem]:
        counts = [
            part
            for cast in columns
            for part in (
                *_count("type", cast, _fails(cast), f"CAST({identifier(RAW + cast.column)} AS VARCHAR)"),
                *_count("null", cast, _lacks(spec.contract, cast), "NULL"),
                *_count("word", cast, _strange(spec.contract, cast), identifier(cast.column)),
            )
        ]
        result = self.reader.connection.execute(f"SELECT count(*) AS n, {', '.join(counts)} FROM ({typed})")
        names = [d[0] for d in result.description or ()]
        found = dict(zip(names, result.fetchone() or (), strict=True))
        lines = self.reader.connection.execute(
            f"SELECT count(*), min(error || ': ' || text) FROM {REJECTS} WHERE extract = {literal(spec.name)}"
        ).fetchone()
        rows = found["n"]
        if lines and lines[0] > self.share * (rows + lines[0]):
            yield self._lines(spec.name, file, *lines)
        if not rows and not spec.partition and not (lines and lines[0]):
            advice = "export it again, if there should be some"
            place = self._place(spec.name)
            yield Problem(spec.name, place, file, None, "there are no rows", None, None, advice, is_warning=True)
        for cast in columns:
            yield from self._of_column(spec, file, cast, found, rows)

    def _lines(self, extract: str, file: str, count: int, example: str) -> Problem:
        advice = "quote values that contain the delimiter, or set format: {delimiter: ...}"
        wanted = "as many values as the header has names"
        if "UNICODE" in example or "ENCODING" in example:
            advice, wanted = "set format: {encoding: latin-1} (or cp1252, utf-16)", "text in utf-8"
        return Problem(
            extract, self._place(extract), file, None, f"{count} lines are no rows", wanted, example, advice
        )

    def _of_column(
        self, spec: TableSpec, file: str, cast: Cast, found: Mapping[str, Any], rows: int
    ) -> Iterator[Problem]:
        name, kind = cast.column, ibis_schema(spec.contract)[cast.column]
        place, allowed = self._place(spec.name, name), self.share * rows
        bad, example = found[f"type:{name}"], found[f"type:{name}:example"]
        if bad > allowed:
            advice = _advice(name, type(kind).__name__.lower(), example)
            what = f"{bad} of {rows} values cannot be read"
            yield Problem(spec.name, place, file, name, what, expected(kind), example, advice)
        elif found[f"null:{name}"] > allowed:
            what = f"{found[f'null:{name}']} of {rows} values are missing"
            advice = 'map another column, a constant, or an expression such as {sql: "coalesce(a, b)"}'
            may_lack = name == "account_id" and spec.name in self.may_lack_account
            if may_lack:
                advice = "these rows are left out; if they have an account, " + advice
            yield Problem(spec.name, place, file, name, what, expected(kind), None, advice, is_warning=may_lack)
        if found[f"word:{name}"] > allowed:
            words = _allowed(spec.contract, name)
            value = found[f"word:{name}:example"]
            advice = f"translate it under values: {{{name}: {{{value}: {words[0]}}}}}"
            what = f"{found[f'word:{name}']} of {rows} values are not known"
            yield Problem(spec.name, place, file, name, what, "one of " + ", ".join(words), value, advice)


def _count(what: str, cast: Cast, condition: str | None, value: str) -> Iterator[str]:
    name, shown = identifier(f"{what}:{cast.column}"), identifier(f"{what}:{cast.column}:example")
    if condition is None:
        yield f"0 AS {name}, NULL AS {shown}"
    else:
        yield f"count(*) FILTER ({condition}) AS {name}, max({value}) FILTER ({condition}) AS {shown}"


def _fails(cast: Cast) -> str | None:
    if not cast.can_fail:
        return None
    return f"{identifier(RAW + cast.column)} IS NOT NULL AND {identifier(cast.column)} IS NULL"


def _lacks(contract: type[Contract], cast: Cast) -> str | None:
    return None if schema_of(contract).columns[cast.column].nullable else f"{identifier(cast.column)} IS NULL"


def _allowed(contract: type[Contract], column: str) -> list[str]:
    checks = schema_of(contract).columns[column].checks
    return [str(v) for c in checks if c.name == "isin" for v in c.statistics["allowed_values"]]


def _strange(contract: type[Contract], cast: Cast) -> str | None:
    words = _allowed(contract, cast.column)
    return f"{identifier(cast.column)} NOT IN ({', '.join(map(literal, words))})" if words else None


def _advice(column: str, kind: str, example: str) -> str:
    if kind in ("date", "timestamp"):
        key = "date_format" if kind == "date" else "datetime_format"
        for pattern, form in _DATE_FORMATS.items():
            if re.match(pattern, example):
                return f'set format: {{{key}: "{form}"}}'
        return f'set format: {{{key}: ...}} as in strptime, e.g. "%d/%m/%Y"'
    if kind in ("int64", "float64"):
        if _COMMA_THOUSANDS.fullmatch(example):
            return 'set format: {thousands: ","}'
        if (kind == "int64" or column in WITH_RANGES) and _POINT_THOUSANDS.fullmatch(example):
            return 'set format: {thousands: ".", decimal: ","}'
        if _COMMA_DECIMAL.fullmatch(example):
            dotted = ', thousands: "."' if "." in example else ""
            return f'set format: {{decimal: ","{dotted}}}'
        return (
            f"map another column, or take the number out of the text under columns: {{{column}: {{sql: ...}}}}, "
            f"or translate words under values: {{{column}: ...}}"
        )
    return f"translate it under values: {{{column}: {{{example}: true}}}}"
