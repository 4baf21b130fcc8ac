"""Getting at the rows of a source: which files, in which drops, as one DuckDB relation of raw columns.

Here: globs and dated drops, CSV, JSON, Parquet, DuckDB and SQLite files, Postgres. Not here: what the columns mean
(`casting`), whether a row is good (`judging`).

Parquet is read where it stands. All else is first unloaded to Parquet text columns, so that a source is parsed
once, and a database is asked once. Text comes with no opinion on types: the contract decides.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.extracts.sources import ExtractSource, Sources
from segmentation_assets.warehouse.sql_text import identifier, literal

FILE, ROW = "_landing_file", "_landing_row"
REJECTS = "landing_rejects"
_ROW_NUMBER = "file_row_number"  # the name is DuckDB's
_KINDS: Mapping[str, str] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
_DATE = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
_DELIMITERS = ",;\t|"
_NATIVE_ENCODINGS = ("utf-8", "utf-8-sig", "ascii")
_CHUNK = 50_000


class SourceError(Exception):
    """A source cannot be read as mapped. `file` and `advice` are for people."""

    def __init__(self, message: str, *, file: str, advice: str, column: str | None = None) -> None:
        super().__init__(message)
        self.file, self.advice, self.column = file, advice, column

    def __str__(self) -> str:
        return f"{self.file}: {self.args[0]}; {self.advice}"


@dataclass(frozen=True)
class Drop:
    """One delivery: its date (None: the source has none) and its files, none for a database."""

    day: date | None
    files: tuple[Path, ...] = ()

    @property
    def label(self) -> str:
        """The date as text, empty where there is none."""
        return str(self.day) if self.day else ""

    def with_logs(self) -> list[Path]:
        """The files and, for a database file, its write-ahead log."""
        logs = [f.with_name(f.name + suffix) for f in self.files for suffix in ("-wal", ".wal")]
        return [*self.files, *(log for log in logs if log.exists())]


@dataclass(frozen=True)
class Raw:
    """A relation to select from, its source columns with their DuckDB types, and what names its files.

    `sql` also gives the columns FILE (text) and ROW: the row's number in its file, from 1 and without the header;
    null where rows have no order (a database, a query).
    """

    sql: str
    columns: Mapping[str, str]


def kind_of(path: Path) -> str:
    """csv, json or parquet, by the file's suffix (also before `.gz`).

    Raises SourceError for any other.
    """
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    kind = _KINDS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise SourceError(
            f"file name ends in {path.suffix or 'nothing'}",
            file=path.name,
            advice=f"use a file that ends in one of {', '.join(_KINDS)}",
        )
    return kind


def drops_of(sources: Sources, name: str) -> list[Drop]:
    """The drops of an extract, oldest first. A database is one drop without date.

    Raises SourceError where a file is missing, or some file names have a date and some have none.
    """
    source = sources.extracts[name]
    if source.path is None:
        file = source.duckdb or source.sqlite
        return [Drop(None, (_existing(sources, file),) if file else ())]
    by_day: dict[date | None, list[Path]] = {}
    for path in _files(sources, source.path):
        kind_of(path)
        by_day.setdefault(_drop_day(path), []).append(path)
    if None in by_day and len(by_day) > 1:
        undated = by_day[None][0].name
        raise SourceError(
            f"some files of {source.path} have a date in their name and {undated} has none",
            file=undated,
            advice="name every drop YYYY-MM-DD, or match the dated ones alone",
        )
    return [Drop(day, tuple(sorted(files))) for day, files in sorted(by_day.items(), key=lambda i: str(i[0]))]


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
    found = sorted(p for p in root.glob("/".join(parts)) if p.is_file() and not p.name.startswith("."))
    if not found:
        raise SourceError(
            "no file matches", file=pattern, advice=f"paths are relative to the folder of {sources.file.name}"
        )
    return found


def _drop_day(path: Path) -> date | None:
    found = _DATE.findall(path.name)
    if not found:
        return None
    try:
        return date.fromisoformat(found[-1])
    except ValueError:
        raise SourceError(
            f"{found[-1]} in the file name is no date", file=path.name, advice="name drops YYYY-MM-DD"
        ) from None


@dataclass
class Reader:
    """Reads the sources of one mapping on one connection; unloads go to `folder`."""

    connection: duckdb.DuckDBPyConnection
    sources: Sources
    folder: Path
    _unloaded: dict[tuple[str, tuple[Path, ...]], Path] = field(default_factory=dict)
    _copies: dict[str, str] = field(default_factory=dict)
    _starts: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {REJECTS} (extract VARCHAR, file VARCHAR, line BIGINT, text VARCHAR, "
            "error VARCHAR)"
        )

    def label(self, path: Path) -> str:
        """How a file is called in messages and in quarantine: relative to the mapping's folder where it can be."""
        return str(path.relative_to(self.sources.folder)) if path.is_relative_to(self.sources.folder) else path.name

    def raw(self, name: str, drops: Sequence[Drop]) -> Raw:
        """The rows of these drops, with their raw columns.

        Raises SourceError, and duckdb.Error for a file that is not what its name says.
        """
        source = self.sources.extracts[name]
        if source.path is None:
            sql = (
                f"SELECT * FROM read_parquet({literal(str(self._database(name, source)))}, hive_partitioning = false)"
            )
        elif source.query:  # each drop by itself, or the query would mix deliveries
            parts = [
                f"(WITH source AS ({self._of_files(name, source, drop.files)}) "
                f"SELECT *, {literal(str(drop.files[0]))} AS {FILE}, NULL::BIGINT AS {ROW} FROM (\n{source.query}\n))"
                for drop in drops
            ]
            sql = " UNION ALL BY NAME ".join(parts)
        else:
            sql = self._of_files(name, source, [f for drop in drops for f in drop.files])
        return Raw(sql, self._columns(sql))

    def place(self, name: str) -> str:
        """What FILE holds for a database."""
        source = self.sources.extracts[name]
        where = source.duckdb or source.sqlite or source.postgres or ""
        return f"{where}:{source.table or 'query'}"

    def _columns(self, sql: str) -> Mapping[str, str]:
        described = self.connection.execute(f"DESCRIBE {sql}").fetchall()
        return {row[0]: row[1] for row in described if row[0] not in (FILE, ROW)}

    def _of_files(self, name: str, source: ExtractSource, files: Sequence[Path]) -> str:
        parquet = [f for f in files if kind_of(f) == "parquet"]
        text = [f for f in files if kind_of(f) != "parquet"]
        parts = [self._parquet(parquet)] if parquet else []
        if text:
            parts.append(self._unloaded_text(name, source, text))
        return " UNION ALL BY NAME ".join(parts)

    def _parquet(self, files: Sequence[Path]) -> str:
        listed = ", ".join(literal(str(f)) for f in files)
        return (
            f"SELECT * EXCLUDE ({_ROW_NUMBER}), {_ROW_NUMBER} + 1 AS {ROW} FROM read_parquet([{listed}], "
            f"union_by_name = true, filename = '{FILE}', file_row_number = true)"
        )

    def _unloaded_text(self, name: str, source: ExtractSource, files: Sequence[Path]) -> str:
        """The unloaded rows of text files; they stand file by file and in order, so each file's are counted anew.

        What the engine calls the line of a reject is its number among the rows, the header being the first; so many
        rows further down are those after it.
        """
        target = self._text(name, source, files)
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
        place = f"(u.{_ROW_NUMBER} - s._start + 1)"
        return (
            f"SELECT u.* EXCLUDE ({_ROW_NUMBER}), {place} + CASE WHEN s._rejects IS NULL THEN 0 "
            f"ELSE len(list_filter(s._rejects, lambda before: before < {place})) END AS {ROW} "
            f"FROM {rows} u JOIN {self._starts[target]} s ON s._file = u.{FILE}"
        )

    # -- text

    def _text(self, name: str, source: ExtractSource, files: Sequence[Path]) -> Path:
        known = (name, tuple(files))
        if known not in self._unloaded:
            relations = [*self._csv(name, source, [f for f in files if kind_of(f) == "csv"])]
            relations += self._json([f for f in files if kind_of(f) == "json"])
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
            self._unloaded[known] = target
        return self._unloaded[known]

    def _target(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"unloaded-{len(list(self.folder.glob('unloaded-*')))}.parquet"

    def _csv(self, name: str, source: ExtractSource, files: Iterable[Path]) -> Iterator[str]:
        groups: dict[tuple[str, tuple[str, ...]], list[Path]] = {}
        for file in files:
            groups.setdefault(self._header(file, source), []).append(file)
        for (delimiter, header), group in groups.items():
            self.connection.executemany(
                f"DELETE FROM {REJECTS} WHERE extract = ? AND file = ?", [[name, str(f)] for f in group]
            )
            readable = {str(self._in_utf8(f, source)): str(f) for f in group}
            self._copies.update({r: f for r, f in readable.items() if r != f})
            listed = ", ".join(literal(f) for f in readable)
            columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in header)
            origin = "".join(f" WHEN {literal(r)} THEN {literal(f)}" for r, f in readable.items() if r != f)
            shown = f"CASE _read{origin} ELSE _read END" if origin else "_read"
            yield (
                f"SELECT * EXCLUDE (_read), {shown} AS {FILE} FROM read_csv([{listed}], "
                f"auto_detect = false, header = true, delim = {literal(delimiter)}, quote = '\"', escape = '\"', "
                f"columns = {{{columns}}}, filename = '_read', store_rejects = true, "
                "rejects_table = '_landing_errors', rejects_scan = '_landing_scans')"
            )

    def _header(self, file: Path, source: ExtractSource) -> tuple[str, tuple[str, ...]]:
        with _opened(file, source.format.encoding) as text:
            try:
                line = next((row for row in text if row.strip()), "")
            except UnicodeDecodeError as error:
                raise not_decodable(self.label(file), source, error) from None
        if not line:
            raise SourceError(
                "the file is empty", file=self.label(file), advice="its first line must name the columns"
            )
        delimiter = source.format.delimiter or max(_DELIMITERS, key=line.count)
        names = next(csv.reader([line], delimiter=delimiter[0])) if len(delimiter) == 1 else line.split(delimiter)
        header = tuple(name.strip() for name in names)
        repeated = {n for n in header if [h.lower() for h in header].count(n.lower()) > 1}
        if repeated or "" in header:
            what = f"two columns are called {sorted(repeated)[0]}" if repeated else "a column has no name"
            raise SourceError(what, file=self.label(file), advice="give every column of the header a name of its own")
        return delimiter, header

    def _in_utf8(self, file: Path, source: ExtractSource) -> Path:
        """The file, or a copy in UTF-8 where it is in another encoding."""
        if source.format.encoding in _NATIVE_ENCODINGS:
            return file
        target = self._target().with_suffix(".csv")
        try:
            with _opened(file, source.format.encoding) as text, target.open("w", encoding="utf-8", newline="") as out:
                while chunk := text.read(1 << 20):
                    out.write(chunk)
        except UnicodeDecodeError as error:
            raise not_decodable(self.label(file), source, error) from None
        return target

    def _keep_rejects(self, name: str) -> None:
        made = self.connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = '_landing_errors'"
        ).fetchone()
        if not made or not made[0]:
            return
        # One line may be refused for several reasons: the first one stands.
        self.connection.execute(
            f"INSERT INTO {REJECTS} SELECT ?, s.file_path, e.line, any_value(trim(e.csv_line, chr(10) || chr(13))), "
            "min_by(e.error_type, e.column_idx)::VARCHAR FROM _landing_errors e JOIN _landing_scans s "
            "USING (scan_id, file_id) GROUP BY s.file_path, e.line",
            [name],
        )
        for copy, original in self._copies.items():
            self.connection.execute(f"UPDATE {REJECTS} SET file = ? WHERE file = ?", [original, copy])
        self.connection.execute("DROP TABLE _landing_errors")
        self.connection.execute("DROP TABLE _landing_scans")

    def _json(self, files: Sequence[Path]) -> list[str]:
        if not files:
            return []
        listed = ", ".join(literal(str(f)) for f in files)
        objects = f"read_json_objects([{listed}], format = 'auto', filename = '{FILE}')"
        keys = self.connection.execute(
            f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {objects} ORDER BY key"
        ).fetchall()
        columns = "".join(f"json ->> {literal(_pointer(key))} AS {identifier(key)}, " for (key,) in keys)
        return [f"SELECT {columns}{FILE} FROM {objects}"]

    # -- databases

    def _database(self, name: str, source: ExtractSource) -> Path:
        if (name, ()) not in self._unloaded:
            target = self._target()
            if source.duckdb:
                self._unload_duckdb(_existing(self.sources, source.duckdb), source, self.place(name), target)
            elif source.sqlite:
                self._unload_sqlite(_existing(self.sources, source.sqlite), source, self.place(name), target)
            else:
                self._unload_postgres(source, self.place(name), target)
            self._unloaded[name, ()] = target
        return self._unloaded[name, ()]

    def _unload_duckdb(self, file: Path, source: ExtractSource, place: str, target: Path) -> None:
        try:
            with duckdb.connect(str(file), read_only=True) as other:
                other.execute("SET TimeZone = 'UTC'")
                other.execute(
                    f"COPY (SELECT *, {literal(place)} AS {FILE}, NULL::BIGINT AS {ROW} "
                    f"FROM (\n{_selection(source)}\n)) TO {literal(str(target))} (FORMAT parquet)"
                )
        except duckdb.Error as error:
            raise SourceError(
                first_line(error), file=self.label(file), advice="check the table or query in the mapping"
            ) from None

    def _unload_sqlite(self, file: Path, source: ExtractSource, place: str, target: Path) -> None:
        try:
            with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as other:
                cursor = other.execute(_selection(source))
                names = [item[0] for item in cursor.description]
                _write_text(names, iter(lambda: cursor.fetchmany(_CHUNK), []), place, target)
        except sqlite3.Error as error:
            raise SourceError(
                str(error), file=self.label(file), advice="check the table or query in the mapping"
            ) from None

    def _unload_postgres(self, source: ExtractSource, place: str, target: Path) -> None:
        variable = source.postgres or ""
        if not os.environ.get(variable):
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
            with psycopg.connect(os.environ[variable]) as other, other.cursor(name="landing") as cursor:
                cursor.execute(_selection(source).encode())
                rows = cursor.fetchmany(_CHUNK)
                names = [item.name for item in cursor.description or ()]
                _write_text(names, _chunks(rows, cursor), place, target)
        except psycopg.Error as error:  # its text names host and user, never the password
            raise SourceError(first_line(error), file=place, advice="check the connection, table or query") from None


def not_decodable(file: str, source: ExtractSource, error: UnicodeDecodeError) -> SourceError:
    """A file that is not in the encoding that the mapping says, with an example of what cannot be read."""
    example = error.object[max(error.start - 10, 0) : error.start + 5]
    return SourceError(
        f"not in {source.format.encoding}: {example!r} cannot be read",
        file=file,
        advice="set format: {encoding: latin-1} (or cp1252, utf-16) in the mapping",
    )


def first_line(error: Exception) -> str:
    """The first line of an engine's message: what is wrong, without the query."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _opened(file: Path, encoding: str) -> io.TextIOBase:
    opener = gzip.open if file.suffix.lower() == ".gz" else open
    binary = opener(file, "rb")  # the wrapper closes it
    return io.TextIOWrapper(binary, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _selection(source: ExtractSource) -> str:
    if source.query:
        return source.query
    return "SELECT * FROM " + ".".join(identifier(part) for part in (source.table or "").split("."))


def _chunks(first: list[Any], cursor: Any) -> Iterator[list[Any]]:
    yield first
    yield from iter(lambda: cursor.fetchmany(_CHUNK), [])


def _write_text(names: Sequence[str], chunks: Iterable[Sequence[Sequence[Any]]], place: str, target: Path) -> None:
    fields = [pa.field(n, pa.string()) for n in (*names, FILE)]
    schema = pa.schema([*fields, pa.field(ROW, pa.int64())])
    with pq.ParquetWriter(target, schema) as writer:
        for rows in chunks:
            columns = [[_as_text(row[i]) for row in rows] for i in range(len(names))]
            writer.write_table(pa.table([*columns, [place] * len(rows), [None] * len(rows)], schema=schema))


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat(sep=" ")
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)
