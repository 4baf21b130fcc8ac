"""Checks a mapping before anything runs.

Here: each problem with its file, column, expected value, an example and advice; and a summary of how the mapping is
read. Not here: which rows break which rule (`rehearsal`), the messages about rules (`rule_words`), what valid data
may mean (`detective`), landing (`landing`).

The newest drop of each extract is read completely and checked against every rule of landing. If more rows would be
refused than the policy allows, that is a problem of the mapping. If fewer, it is one warning.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from segmentation_assets.extracts.casting import casts, expected, missing_columns, try_expressions
from segmentation_assets.extracts.contracts import EXTRACTS
from segmentation_assets.extracts.delivered import Delivery
from segmentation_assets.extracts.detective import Detective
from segmentation_assets.extracts.judging import MUST_BE
from segmentation_assets.extracts.reading import REJECTS, Drop, Reader, SourceError, drops_of, first_line
from segmentation_assets.extracts.rehearsal import Broken, Counts, Rehearsal
from segmentation_assets.extracts.rule_words import RuleWords
from segmentation_assets.extracts.sources import Expression, Sources, own_columns, source_column
from segmentation_assets.policy.company import CompanyPolicy, ExtractsPolicy
from segmentation_assets.policy.detective import DetectivePolicy
from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.section import Section
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.engine import Engine, configure
from segmentation_assets.warehouse.sql_text import literal
from segmentation_assets.warehouse.store import Store


@dataclass(frozen=True)
class Problem:
    """One thing to correct in a mapping. `place` is the line of the mapping; `column` is the contract's.

    A warning stops nothing. The data is landed as it is, or a few rows are left out.
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
    is_few: bool = False
    """A few rows are left out. Every run reports them too."""

    def __str__(self) -> str:
        where = self.extract + (f".{self.column}" if self.column else "")
        wanted = f", expected {self.expected}" if self.expected else ""
        shown = f", e.g. {self.example!r}" if self.example is not None else ""
        return f"{self.place}: {where}: {self.file}: {self.problem}{wanted}{shown}; {self.advice}"


@dataclass(frozen=True)
class Understood:
    """How the mapping of an extract is read: its rows, the source of each column, empty and unused columns."""

    extract: str
    file: str
    drops: int
    rows: int
    columns: Mapping[str, str]
    empty: tuple[str, ...]
    unused: tuple[str, ...]


@dataclass
class Examination:
    """The result of examining the sources of a mapping, in landing order."""

    problems: list[Problem] = field(default_factory=list)
    mappings: list[Understood] = field(default_factory=list)


def check_sources(sources: Sources, policy_sections: Mapping[type[Section], Section] | None = None) -> list[Problem]:
    """All mapping problems, in landing order. If there are only warnings, every extract would land."""
    return examine(sources, policy_sections).problems


def examine(sources: Sources, policy_sections: Mapping[type[Section], Section] | None = None) -> Examination:
    """All mapping problems, and how the mapping is read.

    Without `policy_sections`, the default policy decides how many rows may be refused.
    """
    sections = policy_sections if policy_sections is not None else load_policy().sections
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
        configure(connection, Path(folder) / "spill")
        check = _Check(sources, Reader(connection, sources, Path(folder)), sections, Path(folder))
        for spec in EXTRACTS:
            if spec.name in sources.extracts:
                check.examination.problems += check.problems_of(spec)
    return check.examination


class _Check:
    def __init__(
        self, sources: Sources, reader: Reader, sections: Mapping[type[Section], Section], folder: Path
    ) -> None:
        self.sources, self.reader, self.examination = sources, reader, Examination()
        self.company: CompanyPolicy = sections[CompanyPolicy]  # type: ignore[assignment]
        self.policy: ExtractsPolicy = sections[ExtractsPolicy]  # type: ignore[assignment]
        self.rehearsal = Rehearsal(reader, Engine(reader.connection, Store(folder)), self.company)
        grace_days = self.company.renewal_grace_days
        policy: DetectivePolicy = sections[DetectivePolicy]  # type: ignore[assignment]
        self.detective = Detective(reader, policy, grace_days, self.company.today())

    def problems_of(self, spec: TableSpec) -> list[Problem]:
        try:
            return [*self._of_drops(spec, drops_of(self.sources, spec.name))]
        except SourceError as error:
            place = self._place(spec.name, error.column)
            return [Problem(spec.name, place, error.file, error.column, error.args[0], None, None, error.advice)]
        except (duckdb.Error, OSError) as error:
            file = self.sources.extracts[spec.name].path or self.reader.place(spec.name)
            advice = "check that the file is complete and matches its suffix"
            return [Problem(spec.name, self._place(spec.name), file, None, first_line(error), None, None, advice)]

    def _place(self, extract: str, column: str | None = None) -> str:
        return self.sources.line(extract, "columns", column) if column else self.sources.line(extract)

    def _of_drops(self, spec: TableSpec, drops: Sequence[Drop]) -> Iterator[Problem]:
        source, own, drop = self.sources.extracts[spec.name], own_columns(spec.name), drops[-1]
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
        returned = try_expressions(self.reader.connection, spec.name, source, raw, file)
        if missing:
            return
        columns = casts(spec.contract, source, raw, own, self.company.timezone, returned)
        delivery = Delivery(spec, source, raw, columns, drop.day is not None, file).loaded(self.reader.connection)
        counts, broken = self.rehearsal.of(delivery)
        self.examination.mappings.append(_understood(delivery, len(drops), counts.rows))
        yield from self._of_rows(delivery, counts, broken)
        if not any(_is_unreadable(each) and each.rows > self._allowed(delivery) * counts.rows for each in broken):
            yield from self._suspicions(delivery)

    def _suspicions(self, delivery: Delivery) -> Iterator[Problem]:
        for each in self.detective.look(delivery):
            place, file = self._place(each.extract, each.column), self.detective.deliveries[each.extract].file
            yield Problem(each.extract, place, file, each.column, each.seen, None, None, each.line, is_warning=True)

    def _allowed(self, delivery: Delivery) -> float:
        own = delivery.source.max_quarantine_share
        return self.policy.max_quarantine_share if own is None else own

    def _of_rows(self, delivery: Delivery, counts: Counts, broken: Sequence[Broken]) -> Iterator[Problem]:
        """The rules that rows break: problems if too many rows would be refused, else one warning."""
        spec = delivery.spec
        if not counts.rows and not spec.partition:
            advice = "if there should be rows, export it again"
            place = self._place(spec.name)
            yield Problem(
                spec.name, place, delivery.file, None, "there are no rows", None, None, advice, is_warning=True
            )
        words = RuleWords(delivery, counts, self.company, self.sources, self.detective)
        tolerated = [each for each in broken if self._is_tolerated(delivery, each)]
        emptied = [each for each in broken if not each.reason.refuses]
        rest = [each for each in broken if each not in tolerated and each not in emptied]
        lacking = sum(each.rows for each in tolerated)
        rows, refused = counts.rows - lacking, counts.refused - lacking
        share = max(refused / rows if rows else 0.0, counts.refused_money / counts.money if counts.money else 0.0)
        for each in (*tolerated, *emptied):
            yield replace(self._problem(delivery, words, each), is_warning=True)
        if share > self._allowed(delivery):
            if counts.lines:
                yield self._lines(delivery, counts)
            for each in rest:
                yield self._problem(delivery, words, each)
        elif refused:
            yield self._few(delivery, counts, rest, refused)

    def _is_tolerated(self, delivery: Delivery, broken: Broken) -> bool:
        return delivery.spec.name in self.policy.may_lack_account and broken.reason.rule == "account_id: not null"

    def _problem(self, delivery: Delivery, words: RuleWords, broken: Broken) -> Problem:
        column, said = broken.reason.column, words.of(broken)
        name = delivery.spec.name
        example = said.example if said.example is not None else broken.example
        return Problem(
            name, self._place(name, column), delivery.file, column, said.problem, said.expected,
            example if said.has_example else None, said.advice,
        )  # fmt: skip

    def _few(self, delivery: Delivery, counts: Counts, broken: Sequence[Broken], refused: int) -> Problem:
        said = [f"{each.reason.rule.replace('_', ' ')} {each.rows:,}" + _shown(each) for each in broken]
        said += [f"unreadable lines {counts.lines:,}"] if counts.lines else []
        name = delivery.spec.name
        what = f"{refused:,} of {counts.rows:,} rows would be refused ({'; '.join(said)})"
        if counts.refused_money:
            what += f", with {counts.refused_money:,.2f} of {counts.money:,.2f} a month"
        advice = "they are left out; after the run they are in the table quarantine"
        place = self._place(name)
        return Problem(name, place, delivery.file, None, what, None, None, advice, is_warning=True, is_few=True)

    def _lines(self, delivery: Delivery, counts: Counts) -> Problem:
        name = delivery.spec.name
        ((example,),) = self.reader.connection.execute(
            f"SELECT min(error || ': ' || text) FROM {REJECTS} WHERE extract = {literal(name)}"
        ).fetchall()
        opened = [(f, lines.opens_quote) for f, lines in self.reader.lines.items() if lines.opens_quote]
        what = f"{counts.lines:,} {'line is not a row' if counts.lines == 1 else 'lines are not rows'}"
        advice = "quote values that contain the delimiter, or set format: {delimiter: ...}"
        wanted = "as many values as the header has names"
        if "UNICODE" in example or "ENCODING" in example:
            advice, wanted = "set format: {encoding: latin-1} (or cp1252, utf-16)", "text in utf-8"
        elif "QUOTE" in example and opened:
            file, line = opened[0]
            what = f"line {line} of {self.reader.label(file)} opens a quote that is never closed; {what}"
            wanted = "a quote closed on its line"
            advice = (
                "close the quote at the source; if texts contain line breaks, write line_breaks: true; a quote "
                "within a quoted text is doubled"
            )
        return Problem(name, self._place(name), delivery.file, None, what, wanted, example, advice)


def _is_unreadable(broken: Broken) -> bool:
    return broken.rule.startswith((MUST_BE, "not null", "isin"))


def _shown(broken: Broken) -> str:
    where = f" in row {broken.row:,}" if broken.row is not None else ""
    return f", e.g. {broken.example!r}{where}" if broken.example is not None else where


def _understood(delivery: Delivery, drops: int, rows: int) -> Understood:
    source, lowered = delivery.source, {c.lower(): c for c in delivery.raw.columns}
    columns, empty, used = {}, [], set[str]()
    for cast in delivery.columns:
        column = source_column(source.columns.get(cast.column, cast.column))
        is_filled = cast.raw != "NULL"
        if is_filled:
            columns[cast.column] = source.said_of(cast.column)
        else:
            empty.append(cast.column)
        if column and column.lower() in lowered:
            used.add(lowered[column.lower()])
    texts = " ".join(origin.sql for origin in source.columns.values() if isinstance(origin, Expression)) + " ".join(
        filter(None, (source.where, source.newest_by))
    )
    unused = [c for c in delivery.raw.columns if c not in used and not re.search(rf"\b{re.escape(c)}\b", texts)]
    return Understood(delivery.spec.name, delivery.file, drops, rows, columns, tuple(empty), tuple(unused))
