"""Reads the rows of a source: which files, in which drops, as one DuckDB relation of raw columns.

Here: globs and dated drops, CSV, JSON, Excel, Parquet, DuckDB and SQLite files, Postgres. Not here: text files line
by line (`text_files`), what the columns mean (`casting`), whether a row is good (`judging`).

Parquet is read in place. Every other source is first unloaded to Parquet text columns, so that it is parsed or
queried only once. All text stays text: the contract decides the types. A value that had a type in its source (a
number in JSON, a date in Excel) is marked, so that the format of texts is not applied to it.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.extracts.secrets import without_secrets
from segmentation_assets.extracts.sources import ExtractSource, Place, Sources
from segmentation_assets.extracts.sql_rules import ADVICE, NotAllowed, check_sql
from segmentation_assets.extracts.text_files import (
    PACKED,
    Head,
    Lines,
    Unreadable,
    head_of,
    in_utf8,
    lines_of,
    unpacked,
    without_last,
)
from segmentation_assets.warehouse.sql_text import identifier, literal

FILE, ROW = "_landing_file", "_landing_row"
WHOLE = "_json"
"""The column with the whole JSON object of a row, for queries that name it: absent keys are no error there."""
TYPED = "_landing_typed"
"""Name of a column with, per row, the columns whose values had a type in their source and are not text."""
_RESERVED = (FILE, ROW, TYPED)
REJECTS = "landing_rejects"
_ROW_NUMBER = "file_row_number"  # the name is DuckDB's
_KINDS: Mapping[str, str] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".json": "json", ".jsonl": "json", ".ndjson": "json", ".xlsx": "excel", ".xlsm": "excel", ".xls": "excel",
}  # fmt: skip
_DATE = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
_CHUNK = 50_000
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_CP1252_FROM, _CP1252_TO = 0x80, 0xA0
"""Bytes that are letters and signs in cp1252, and control characters in latin-1."""
_EXACT = 2**53
"""Up to this value a float holds whole numbers exactly."""
_LONGEST = 2000
"""Most characters of a message. An engine may quote a whole cell."""


class SourceError(Exception):
    """A source cannot be read as mapped. `file` and `advice` are shown to people."""

    def __init__(self, message: str, *, file: str, advice: str, column: str | None = None) -> None:
        super().__init__(message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…")
        self.file, self.advice, self.column = file, advice, column

    def __str__(self) -> str:
        return f"{self.file}: {self.args[0]}; {self.advice}"


@dataclass(frozen=True)
class Drop:
    """One delivery: its date (None: the source has no dates) and its files (none for a database)."""

    day: date | None
    files: tuple[Path, ...] = ()
    beside: tuple[Path, ...] = ()
    """Files of other tables that the mapping's query reads."""

    @property
    def label(self) -> str:
        """The date as text; empty if there is none."""
        return str(self.day) if self.day else ""

    def with_logs(self) -> list[Path]:
        """All files that its rows come from, including the write-ahead log of a database file."""
        files = [*self.files, *self.beside]
        logs = [f.with_name(f.name + suffix) for f in files for suffix in ("-wal", ".wal")]
        return [*files, *(log for log in logs if log.exists())]


@dataclass(frozen=True)
class Raw:
    """A relation to select from, and its source columns with their DuckDB types.

    `sql` also returns the columns FILE (text) and ROW: the row's number in its file, from 1, without the header; null
    if rows have no order (a database, a query).
    """

    sql: str
    columns: Mapping[str, str]
    typed: Mapping[str, str] = field(default_factory=dict)
    """SQL per column: whether this row's value had a type in its source. A missing column was text, or has its type
    in `columns`."""


def kind_of(path: Path) -> str:
    """The kind of a file by its suffix: csv, json, excel or parquet. A final `.gz`, `.zip` or `.zst` is ignored.

    Raises SourceError for any other suffix.
    """
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in PACKED]
    kind = _KINDS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise SourceError(
            f"file name ends in {path.suffix or 'nothing'}",
            file=path.name,
            advice=f"use a file that ends in one of {', '.join(_KINDS)}",
        )
    return kind


def drops_of(sources: Sources, name: str) -> list[Drop]:
    """The drops of an extract, oldest first. A database is one drop without a date.

    Raises SourceError if a file is missing, or if only some file names have a date.
    """
    source = sources.extracts[name]
    beside = tuple(file for table in source.tables.values() for file in _files_of(sources, table))
    if source.path is None:
        return [Drop(None, tuple(_files_of(sources, source)), beside)]
    by_day: dict[date | None, list[Path]] = {}
    for path in _files(sources, source.path):
        kind_of(path)
        by_day.setdefault(_drop_day(path), []).append(path)
    if None in by_day and len(by_day) > 1:
        undated = by_day[None][0].name
        raise SourceError(
            f"some files of {source.path} have a date in their name and {undated} has none",
            file=undated,
            advice="name every drop YYYY-MM-DD, or match only the dated ones",
        )
    dated = sorted(by_day.items(), key=lambda item: str(item[0]))
    return [Drop(day, tuple(sorted(files)), beside) for day, files in dated]


def _files_of(sources: Sources, place: Place) -> list[Path]:
    """The files of a place; none for a database server."""
    if place.path is not None:
        return _files(sources, place.path)
    file = place.duckdb or place.sqlite
    return [_existing(sources, file)] if file else []


def _existing(sources: Sources, name: str) -> Path:
    path = sources.folder / name
    if not path.is_file():
        raise SourceError(
            "no such file", file=name, advice=f"paths are relative to the folder of {sources.file.name}"
        )
    return path


def _files(sources: Sources, pattern: str) -> list[Path]:
    path = Path(pattern)
    if (sources.folder / path).is_dir():
        raise SourceError("is a folder", file=pattern, advice=f"name the files in it, e.g. {pattern}/*.parquet")
    if not any(c in pattern for c in "*?["):
        return [_existing(sources, pattern)]
    root, parts = (Path(path.anchor), path.parts[1:]) if path.is_absolute() else (sources.folder, path.parts)
    files = sorted(p for p in root.glob("/".join(parts)) if p.is_file() and not p.name.startswith("."))
    if not files:
        raise SourceError(
            "no file matches", file=pattern, advice=f"paths are relative to the folder of {sources.file.name}"
        )
    return files


def _drop_day(path: Path) -> date | None:
    dates = _DATE.findall(path.name)
    if not dates:
        return None
    try:
        return date.fromisoformat(dates[-1])
    except ValueError:
        raise SourceError(
            f"{dates[-1]} in the file name is not a date", file=path.name, advice="name drops YYYY-MM-DD"
        ) from None


@dataclass
class Reader:
    """Reads the sources of one mapping on one connection. Unloaded files go to `folder`."""

    connection: duckdb.DuckDBPyConnection
    sources: Sources
    folder: Path
    lines: dict[Path, Lines] = field(default_factory=dict)
    """The line counts of each CSV file that was read."""
    left_out: dict[str, int] = field(default_factory=dict)
    """The number of rows that `where` left out at the last reading, by extract."""
    _unloaded: dict[tuple[str, tuple[Path, ...]], Path] = field(default_factory=dict)
    _originals: dict[str, Path] = field(default_factory=dict)
    _heads: dict[Path, Head] = field(default_factory=dict)
    _starts: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {REJECTS} (extract VARCHAR, file VARCHAR, line BIGINT, text VARCHAR, "
            "error VARCHAR)"
        )

    def label(self, path: Path) -> str:
        """The name of a file in messages and in quarantine: relative to the mapping's folder if possible."""
        return str(path.relative_to(self.sources.folder)) if path.is_relative_to(self.sources.folder) else path.name

    def raw(self, name: str, drops: Sequence[Drop]) -> Raw:
        """The rows of these drops, with their raw columns.

        Raises SourceError, or duckdb.Error for a file whose content does not match its suffix.
        """
        source = self.sources.extracts[name]
        try:
            check_sql(self.connection, name, source)
        except NotAllowed as error:
            raise SourceError(str(error), file=self.place(name), advice=ADVICE) from None
        if source.query and source.path is not None:  # one query per drop, or deliveries would mix
            parts = [
                f"SELECT *, {literal(str(drop.files[0]))} AS {FILE}, NULL::BIGINT AS {ROW} FROM "
                f"({self._queried(name, source, drop)})"
                for drop in drops
            ]
            sql = " UNION ALL BY NAME ".join(parts)
        elif source.path is None:
            sql = _scan(self._database(name, source))
        else:
            sql = self._of_files(name, source, [f for drop in drops for f in drop.files])
        described = self._columns(sql)
        if source.where and (source.where_if is None or source.where_if in described):
            sql = self._filtered(name, source, sql)
        own = {column: kind for column, kind in described.items() if column not in _RESERVED}
        return Raw(sql, own, _typed_conditions(own) if TYPED in described else {})

    def _queried(self, name: str, source: ExtractSource, drop: Drop) -> str:
        """The mapping's query. It reads the drop's files as `source`, and the other tables by their names."""
        tables = {"source": self._of_files(name, source, drop.files)}
        tables |= {table: self._table(f"{name}.{table}", place) for table, place in source.tables.items()}
        named = ", ".join(f"{identifier(table)} AS ({sql})" for table, sql in tables.items())
        hidden = ", ".join(map(literal, _RESERVED))
        return f"WITH {named} SELECT COLUMNS(lambda c: c NOT IN ({hidden})) FROM (\n{source.query}\n)"

    def _table(self, name: str, place: Place) -> str:
        """SQL for the rows of another table that a query reads."""
        if place.path is None:
            return _scan(self._database(name, place))
        return self._of_files(name, place, _files(self.sources, place.path))

    def _filtered(self, name: str, source: ExtractSource, sql: str) -> str:
        kept = f"SELECT * FROM ({sql}) WHERE (\n{source.where}\n)"
        try:
            counted = self.connection.execute(
                f"SELECT (SELECT count(*) FROM ({sql})) - (SELECT count(*) FROM ({kept}))"
            ).fetchone()
        except duckdb.Error as error:
            raise SourceError(
                f"where: {first_line(error)}",
                file=self.place(name),
                advice="correct the condition; it names columns of the source, e.g. where: \"status = 'active'\"",
            ) from None
        self.left_out[name] = int(counted[0]) if counted else 0
        return kept

    def place(self, name: str) -> str:
        """The value of FILE for a database."""
        source = self.sources.extracts[name]
        where = source.duckdb or source.sqlite or source.postgres or source.path or ""
        return f"{where}:{source.table or 'query'}" if source.path is None else where

    def _columns(self, sql: str) -> Mapping[str, str]:
        described = self.connection.execute(f"DESCRIBE {sql}").fetchall()
        return {row[0]: row[1] for row in described}

    def _of_files(self, name: str, place: Place, files: Sequence[Path]) -> str:
        parquet = [f for f in files if kind_of(f) == "parquet"]
        text = [f for f in files if kind_of(f) != "parquet"]
        parts = [self._parquet(parquet)] if parquet else []
        if text:
            parts.append(self._unloaded_text(name, place, text))
        return " UNION ALL BY NAME ".join(parts)

    def _parquet(self, files: Sequence[Path]) -> str:
        listed = ", ".join(literal(str(f)) for f in files)
        return (
            f"SELECT * EXCLUDE ({_ROW_NUMBER}), {_ROW_NUMBER} + 1 AS {ROW} FROM read_parquet([{listed}], "
            f"union_by_name = true, filename = '{FILE}', file_row_number = true)"
        )

    def _unloaded_text(self, name: str, place: Place, files: Sequence[Path]) -> str:
        """The unloaded rows of text files, numbered per file. They are stored file by file, in order.

        The engine's line number of a rejected line counts rows from the header. Each rejected line shifts the numbers
        of the rows after it by one.
        """
        target = self._text(name, place, files)
        rows = f"read_parquet({literal(str(target))}, hive_partitioning = false, file_row_number = true)"
        if target not in self._starts:
            self._starts[target] = f"landing_starts_{len(self._starts)}"
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {self._starts[target]} AS "
                f"SELECT * FROM (SELECT {FILE} AS _file, min({_ROW_NUMBER}) AS _start FROM {rows} GROUP BY ALL) "
                "LEFT JOIN (SELECT file AS _file, list(line - 1 - place ORDER BY line) AS _rejects FROM (SELECT *, "
                f"row_number() OVER (PARTITION BY file ORDER BY line) AS place FROM {REJECTS} "
                f"WHERE extract = {literal(name)}) GROUP BY ALL) USING (_file)"
            )
        number = f"(u.{_ROW_NUMBER} - s._start + 1)"
        return (
            f"SELECT u.* EXCLUDE ({_ROW_NUMBER}), {number} + CASE WHEN s._rejects IS NULL THEN 0 "
            f"ELSE len(list_filter(s._rejects, lambda before: before < {number})) END AS {ROW} "
            f"FROM {rows} u JOIN {self._starts[target]} s ON s._file = u.{FILE}"
        )

    # -- text

    def _text(self, name: str, place: Place, files: Sequence[Path]) -> Path:
        key = (name, tuple(files))
        if key not in self._unloaded:
            csv_files = [f for f in files if kind_of(f) == "csv"]
            relations = [*self._csv(name, place, csv_files)]
            relations += self._json(place, [f for f in files if kind_of(f) == "json"])
            relations += self._excel(place, [f for f in files if kind_of(f) == "excel"])
            target = self._target()
            try:
                self.connection.execute("SET preserve_insertion_order = true")
                self.connection.execute(
                    f"COPY ({' UNION ALL BY NAME '.join(relations)}) TO {literal(str(target))} (FORMAT parquet)"
                )
            except duckdb.InvalidInputException as error:
                raise SourceError(
                    first_line(error),
                    file=", ".join(self.label(f) for f in files[:3]),
                    advice="save it with one kind of line end, and values with line breaks in quotes",
                ) from None
            finally:
                self.connection.execute("SET preserve_insertion_order = false")
            self._keep_rejects(name)
            self._count_lines(name, place, csv_files, target)
            self._unloaded[key] = target
        return self._unloaded[key]

    def _target(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"unloaded-{len(list(self.folder.glob('unloaded-*')))}.parquet"

    def _plain(self, file: Path, place: Place) -> Path:
        """The file unpacked, in UTF-8 and without its last lines. It is the file itself, or a copy."""
        target = self._target()
        encoding = place.format.encoding
        try:
            plain = unpacked(file, target.with_suffix(".unpacked"))
            if kind_of(file) == "csv":
                plain = in_utf8(plain, encoding, target.with_suffix(".utf8"))
                plain = without_last(plain, place.skip_last, target.with_suffix(".csv")) if place.skip_last else plain
        except UnicodeDecodeError as error:
            raise not_decodable(self.label(file), encoding, error) from None
        except Unreadable as error:
            raise SourceError(error.args[0], file=self.label(file), advice=error.advice) from None
        if plain != file:
            target.touch()  # the next copy takes another name
            self._originals[str(plain)] = file
        return plain

    def _csv(self, name: str, place: Place, files: Iterable[Path]) -> Iterator[str]:
        groups: dict[Head, list[tuple[Path, Path]]] = {}
        for file in files:
            plain = self._plain(file, place)
            head = self._heads[file] = self._head(file, plain, place)
            groups.setdefault(head, []).append((file, plain))
        for head, group in groups.items():
            self.connection.executemany(
                f"DELETE FROM {REJECTS} WHERE extract = ? AND file = ?", [[name, str(f)] for f, _ in group]
            )
            listed = ", ".join(literal(str(plain)) for _, plain in group)
            columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in head.names)
            blank = f" WHERE {identifier(head.names[0])} IS NOT NULL" if self._drops_blank(head, group) else ""
            yield (
                f"SELECT * EXCLUDE (_read), {self._original('_read', group)} AS {FILE} FROM read_csv([{listed}], "
                f"auto_detect = false, header = true, skip = {head.above}, delim = {literal(head.delimiter)}, "
                f"quote = '\"', escape = '\"', columns = {{{columns}}}, filename = '_read', store_rejects = true, "
                f"rejects_table = '_landing_errors', rejects_scan = '_landing_scans'){blank}"
            )

    def _drops_blank(self, head: Head, group: Sequence[tuple[Path, Path]]) -> bool:
        """Whether to drop blank lines. In a file with one column, the engine reads them as rows without a value."""
        for file, plain in group:
            self.lines[file] = lines_of(plain)
        return len(head.names) == 1 and not any(self.lines[file].has_quotes for file, _ in group)

    @staticmethod
    def _original(column: str, group: Sequence[tuple[Path, Path]]) -> str:
        """SQL for the path of the delivered file, also if a copy of it is read."""
        whens = "".join(
            f" WHEN {literal(str(copy))} THEN {literal(str(file))}" for file, copy in group if copy != file
        )
        return f"CASE {column}{whens} ELSE {column} END" if whens else column

    def _head(self, file: Path, plain: Path, place: Place) -> Head:
        try:
            head = head_of(plain, place.format.delimiter, place.skip)
        except UnicodeDecodeError as error:
            raise not_decodable(self.label(file), place.format.encoding, error) from None
        except Unreadable as error:
            raise SourceError(error.args[0], file=self.label(file), advice=error.advice) from None
        self._refuse_reserved(file, head.names)
        return head

    def _refuse_reserved(self, file: Path, names: Iterable[str]) -> None:
        if taken := sorted(set(names) & {*_RESERVED}):
            raise SourceError(
                f"a column is called {taken[0]}, a name that landing needs for itself",
                file=self.label(file),
                advice="rename it at the source",
            )

    def _keep_rejects(self, name: str) -> None:
        rejects = self.connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = '_landing_errors'"
        ).fetchone()
        if not rejects or not rejects[0]:
            return
        # One line may be rejected for several reasons: keep the first.
        self.connection.execute(
            f"INSERT INTO {REJECTS} SELECT ?, s.file_path, e.line, any_value(trim(e.csv_line, chr(10) || chr(13))), "
            "min_by(e.error_type, e.column_idx)::VARCHAR FROM _landing_errors e JOIN _landing_scans s "
            "USING (scan_id, file_id) GROUP BY s.file_path, e.line",
            [name],
        )
        for copy, original in self._originals.items():
            self.connection.execute(f"UPDATE {REJECTS} SET file = ? WHERE file = ?", [str(original), copy])
        self.connection.execute("DROP TABLE _landing_errors")
        self.connection.execute("DROP TABLE _landing_scans")

    def _count_lines(self, name: str, place: Place, files: Sequence[Path], unloaded: Path) -> None:
        """Compare the number of rows read with the lines of each file. Raises SourceError if they disagree."""
        if not files:
            return
        suspects = [file for file in files if self.lines[file].has_quotes]
        rows = dict(self._per_file(f"SELECT {FILE}, count(*) FROM {{}} GROUP BY 1", unloaded))
        lost = dict(
            self.connection.execute(
                f"SELECT file, count(*) + sum(len(text) - len(replace(text, chr(10), ''))) FROM {REJECTS} "
                "WHERE extract = ? GROUP BY file",
                [name],
            ).fetchall()
        )
        within = self._line_breaks(unloaded) if suspects and place.line_breaks else {}
        for file in files:
            lines, head = self.lines[file], self._heads[file]
            rejected = int(lost.get(str(file), 0))
            read = head.above + 1 + rows.get(str(file), 0) + rejected + within.get(str(file), 0)
            missing = lines.total - read
            # Blank lines are not rows. Those above the header and within quotes are counted already.
            fewest = 0 if within or head.above or len(head.names) == 1 else lines.blank
            if not fewest <= missing <= lines.blank:
                raise self._lines_lost(file, lines, missing, place)

    def _per_file(self, sql: str, unloaded: Path) -> list[tuple[str, int]]:
        scanned = f"read_parquet({literal(str(unloaded))}, hive_partitioning = false)"
        return self.connection.execute(sql.format(scanned)).fetchall()

    def _line_breaks(self, unloaded: Path) -> dict[str, int]:
        """Line breaks within values, per file."""
        names = [c for c in self._columns(_scan(unloaded)) if c not in _RESERVED]
        breaks = " + ".join(
            f"COALESCE(len({identifier(n)}) - len(replace({identifier(n)}, chr(10), '')), 0)" for n in names
        )
        return {f: int(n) for f, n in self._per_file(f"SELECT {FILE}, sum({breaks}) FROM {{}} GROUP BY 1", unloaded)}

    def _lines_lost(self, file: Path, lines: Lines, missing: int, place: Place) -> SourceError:
        if lines.opens_quote and not place.line_breaks:
            what = (
                f"line {lines.opens_quote}: a quote is open at the end of the line, and {missing:,} more lines went "
                "into it"
            )
            advice = (
                "close the quote at the source; if texts really contain line breaks, write in the mapping: "
                "line_breaks: true"
            )
        else:
            what = f"{lines.total:,} lines are in the file, but {abs(missing):,} of them do not match the rows read"
            advice = "look for a quote that is not closed, or export the file again"
        return SourceError(what, file=self.label(file), advice=advice)

    def _json(self, place: Place, files: Sequence[Path]) -> list[str]:
        if not files:
            return []
        group = [(file, self._plain(file, place)) for file in files]
        listed = ", ".join(literal(str(plain)) for _, plain in group)
        objects = f"read_json_objects([{listed}], format = 'auto', filename = '_read')"
        origin = self._original("_read", group)
        rows = f"SELECT json, {origin} AS {FILE} FROM {objects}"
        if place.records:
            path = "$." + place.records.removeprefix("$.") + "[*]"
            rows = f"SELECT unnest(json_extract(json, {literal(path)})) AS json, {FILE} FROM ({rows})"
        keys = [
            key
            for (key,) in self.connection.execute(
                f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM ({rows}) ORDER BY key"
            ).fetchall()
        ]
        self._refuse_reserved(files[0], keys)
        pointers = [literal(_pointer(key)) for key in keys]
        columns = "".join(f"json ->> {p} AS {identifier(key)}, " for key, p in zip(keys, pointers, strict=True))
        named = ", ".join(
            f"CASE WHEN json_type(json, {p}) NOT IN ('VARCHAR', 'NULL') THEN {literal(key)} END"
            for key, p in zip(keys, pointers, strict=True)
        )
        typed = f"list_filter([{named}], lambda n: n IS NOT NULL) AS {TYPED}, " if named else ""
        if place.query and WHOLE in place.query and WHOLE not in keys:
            columns += f"CAST(json AS VARCHAR) AS {WHOLE}, "
        return [f"SELECT {columns}{typed}{FILE} FROM ({rows})"]

    def _excel(self, place: Place, files: Sequence[Path]) -> list[str]:
        relations = []
        for file in files:
            target = self._target()
            _write_rows(*self._sheet(file, place), str(file), target)
            relations.append(f"SELECT * EXCLUDE ({ROW}) FROM ({_scan(target)})")
        return relations

    def _sheet(self, file: Path, place: Place) -> tuple[list[str], list[list[Sequence[Any]]]]:
        """Names and rows of a sheet. Cells keep the type that Excel shows."""
        from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - only for Excel

        try:
            workbook = CalamineWorkbook.from_path(str(file))
            sheet = place.sheet or workbook.sheet_names[0]
            if sheet not in workbook.sheet_names:
                raise SourceError(
                    f"has no sheet {sheet!r}; it has {', '.join(workbook.sheet_names)}",
                    file=self.label(file),
                    advice="set sheet: ... in the mapping",
                )
            cells = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
        except (CalamineError, OSError) as error:
            raise SourceError(
                f"cannot be read as an Excel workbook ({first_line(error)})",
                file=self.label(file),
                advice="save it as .xlsx again; it may have been cut off on the way",
            ) from None
        filled = [row for row in cells if any(value != "" for value in row)][place.skip :]
        if not filled:
            raise SourceError(
                "the sheet is empty", file=self.label(file), advice="its first row must name the columns"
            )
        rows = filled[1 : len(filled) - place.skip_last]
        width = max(i + 1 for i, name in enumerate(filled[0]) if str(name).strip())
        names = [str(name).strip() for name in filled[0][:width]]
        if "" in names or len({name.lower() for name in names}) < len(names):
            raise SourceError(
                f"the columns are called {', '.join(names)}: every one needs a name of its own",
                file=self.label(file),
                advice="rows above the header: `skip: 1`",
            )
        self._refuse_reserved(file, names)
        return names, [[row[:width] for row in rows]]

    # -- databases

    def _database(self, name: str, source: Place) -> Path:
        if (name, ()) not in self._unloaded:
            target = self._target()
            if source.duckdb:
                self._unload_duckdb(_existing(self.sources, source.duckdb), source, _place_of(source), target)
            elif source.sqlite:
                self._unload_sqlite(_existing(self.sources, source.sqlite), source, _place_of(source), target)
            else:
                self._unload_postgres(source, _place_of(source), target)
            self._unloaded[name, ()] = target
        return self._unloaded[name, ()]

    def _unload_duckdb(self, file: Path, source: Place, place: str, target: Path) -> None:
        try:
            with duckdb.connect(str(file), read_only=True) as other:
                other.execute("SET TimeZone = 'UTC'")
                _shut(other, target.parent)
                other.execute(
                    f"COPY (SELECT *, {literal(place)} AS {FILE}, NULL::BIGINT AS {ROW} "
                    f"FROM (\n{_selection(source)}\n)) TO {literal(str(target))} (FORMAT parquet)"
                )
        except duckdb.Error as error:
            raise SourceError(
                first_line(error), file=self.label(file), advice="check the table or query in the mapping"
            ) from None

    def _unload_sqlite(self, file: Path, source: Place, place: str, target: Path) -> None:
        try:
            with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as other:
                other.set_authorizer(_only_reading)
                cursor = other.execute(_selection(source))
                names = [item[0] for item in cursor.description]
                _write_rows(names, iter(lambda: cursor.fetchmany(_CHUNK), []), place, target)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise SourceError(
                str(error), file=self.label(file), advice="check the table or query in the mapping"
            ) from None

    def _unload_postgres(self, source: Place, place: str, target: Path) -> None:
        variable = source.postgres or ""
        connection = os.environ.get(variable)
        if not connection:
            raise SourceError(
                f"the environment variable {variable} is not set",
                file=place,
                advice="set it to the connection string, e.g. postgresql://user@host/database",
            )
        try:
            import psycopg  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise SourceError(
                "Postgres needs the extra `postgres`", file=place, advice="install segmentation-assets[postgres]"
            ) from None
        try:
            with psycopg.connect(connection) as other, other.cursor() as cursor:
                other.read_only = True
                # The streaming protocol takes one statement. In brackets it can only be a query.
                rows = cursor.stream(f"SELECT * FROM (\n{_selection(source)}\n) AS landing".encode(), size=_CHUNK)
                first = list(islice(rows, _CHUNK))
                names = [item.name for item in cursor.description or ()]
                _write_rows(names, _chunks(first, rows), place, target)
        except (psycopg.Error, ValueError, OSError) as error:
            raise SourceError(
                without_secrets(first_line(error), connection),
                file=place,
                advice=f"check {variable} (in a URL, write @ / : % # and blanks of a password as %40 %2F %3A %25 %23 "
                "%20), the table or the query",
            ) from None


def not_decodable(file: str, encoding: str, error: UnicodeDecodeError) -> SourceError:
    """The error for a file that does not have the mapping's encoding, with an example of unreadable text."""
    example = error.object[max(error.start - 10, 0) : error.start + 5]
    likely = "latin-1} (or cp1252, utf-16)"
    if error.object.startswith(_UTF_16_MARKS) or b"\0" in example:
        likely = "utf-16}"
    elif any(_CP1252_FROM <= byte < _CP1252_TO for byte in error.object[error.start : error.start + 1]):
        likely = "cp1252} (or latin-1)"
    return SourceError(
        f"not in {encoding}: {example!r} cannot be read",
        file=file,
        advice=f"set format: {{encoding: {likely} in the mapping",
    )


def first_line(error: Exception) -> str:
    """The first line of an engine's message. It says what is wrong; the query follows below."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _scan(file: Path) -> str:
    return f"SELECT * FROM read_parquet({literal(str(file))}, hive_partitioning = false)"


def _typed_conditions(columns: Iterable[str]) -> dict[str, str]:
    """SQL per column: whether this row's value had a type."""
    return {name: f"list_contains({TYPED}, {literal(name)})" for name in columns}


def _place_of(source: Place) -> str:
    where = source.duckdb or source.sqlite or source.postgres or ""
    return f"{where}:{source.table or 'query'}"


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _selection(source: Place) -> str:
    if source.query:
        return source.query
    return "SELECT * FROM " + ".".join(identifier(part) for part in (source.table or "").split("."))


def _chunks(first: list[Any], rows: Iterator[Any]) -> Iterator[list[Any]]:
    yield first
    yield from iter(lambda: list(islice(rows, _CHUNK)), [])


def _shut(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Lock a connection: a source's query may write to this folder, and reach nothing else but its own database."""
    connection.execute(f"SET allowed_directories = [{literal(str(folder))}]")
    connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")


def _only_reading(action: int, *_: str | None) -> int:
    """SQLite's authorizer: allows reading and computing, but no pragma and no other file."""
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


def _write_rows(names: Sequence[str], chunks: Iterable[Sequence[Sequence[Any]]], place: str, target: Path) -> None:
    """Write values as text and, per row, the columns whose values had a type in their source (TYPED)."""
    text = [pa.field(n, pa.string()) for n in (*names, FILE)]
    schema = pa.schema([*text, pa.field(TYPED, pa.list_(pa.string())), pa.field(ROW, pa.int64())])
    with pq.ParquetWriter(target, schema) as writer:
        for rows in chunks:
            columns = [[_as_text(row[i]) for row in rows] for i in range(len(names))]
            typed = [
                [name for name, v in zip(names, row, strict=True) if v is not None and not isinstance(v, str)]
                for row in rows
            ]
            writer.write_table(pa.table([*columns, [place] * len(rows), typed, [None] * len(rows)], schema=schema))


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat(sep=" ")
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)
