"""Profiles a folder of exports: its files, their columns, and the form of each column's texts.

Here: reading every file that a mapping could name, and profiling its columns. Not here: which extract a file is
(`proposing`), or what to write for unusual texts (`advice`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from segmentation_assets.extracts.advice import forms_of, is_nothing, notation_of
from segmentation_assets.extracts.reading import Raw, Reader, SourceError, drops_of, kind_of
from segmentation_assets.extracts.sources import ExtractSource, Format, Sources
from segmentation_assets.warehouse.sql_text import identifier

EMPTY, NUMBER, DATE, RANGE, TEXT = "empty", "number", "date", "range", "text"
_DROP = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|UTC|[+-]\d{2}(:?\d{2})?)?)?")
_PLAIN = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_SIZE = re.compile(r"[\d,]+\s*(-|–|—|to)\s*[\d,]+|[\d,]+\s*\+")
_ENCODINGS = ("utf-8", "utf-16", "cp1252")
_MOST_ROWS, _MOST_VALUES = 200_000, 400
_DATES = ("DATE", "TIMESTAMP")


@dataclass(frozen=True)
class Column:
    """A column and its texts. `values` are the most frequent ones. `forms` are the strptime formats that read all its
    dates, if they are not ISO. `notation` are the keys of the mapping that read its numbers, if they are not
    plain."""

    name: str
    rows: int
    filled: int
    distinct: int
    values: tuple[str, ...]
    kind: str
    forms: tuple[str, ...] = ()
    notation: str | None = None
    has_time: bool = False

    @property
    def is_key(self) -> bool:
        """Whether every row has a different value."""
        return 0 < self.rows == self.filled == self.distinct


@dataclass(frozen=True)
class File:
    """A file, or dated drops of it. `pattern` is relative to the folder, `table` has the rows of the newest drop."""

    pattern: str
    table: str
    rows: int
    columns: dict[str, Column]
    drops: int = 1
    before: str | None = None
    """The table with the rows of the drop before the newest; None if there is none."""
    encoding: str = "utf-8"


@dataclass
class Folder:
    """The files of a folder that can be read as tables, and the problems of the others."""

    path: Path
    connection: duckdb.DuckDBPyConnection
    files: list[File] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def share_in(self, one: tuple[File, str], other: tuple[File, str]) -> float:
        """The share of a column's distinct values that another column has too."""
        (mine, column), (theirs, key) = one, other
        answer = self.connection.execute(
            f"SELECT count(*), count(*) FILTER (v IN (SELECT {_text(key)} FROM {theirs.table})) FROM "
            f"(SELECT DISTINCT {_text(column)} AS v FROM {mine.table} WHERE {identifier(column)} IS NOT NULL)"
        ).fetchone()
        return answer[1] / answer[0] if answer and answer[0] else 0.0

    def number(self, sql: str) -> float:
        """The single number that a query returns."""
        answer = self.connection.execute(sql).fetchone()
        return float(answer[0] or 0) if answer else 0.0


def profile(path: Path, connection: duckdb.DuckDBPyConnection, work: Path) -> Folder:
    """Read all files below a folder. Unpacked copies go to `work`."""
    folder = Folder(path, connection)
    for pattern, drops in _patterns(path):
        problem = ""
        for encoding in _ENCODINGS:
            try:
                folder.files.append(_file(folder, pattern, drops, encoding, work))
            except SourceError as error:
                problem = problem or str(error)
                if "not in " in error.args[0]:
                    continue
            except (duckdb.Error, OSError, UnicodeError) as error:
                problem = problem or str(error).partition("\n")[0]
            else:
                problem = ""
            break
        if problem:
            folder.unreadable[pattern] = problem
    return folder


def _patterns(path: Path) -> Iterator[tuple[str, int]]:
    """Files as a mapping names them, with the number of files. Files that differ only by a date are one entry."""
    groups: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        if not file.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        try:
            kind_of(file)
        except SourceError:
            continue
        name = _DROP.sub("*", inside.name)
        groups.setdefault((inside.parent / name).as_posix(), []).append(file)
    for pattern, files in groups.items():
        yield pattern, len(files)


def _file(folder: Folder, pattern: str, drops: int, encoding: str, work: Path) -> File:
    source = ExtractSource(path=pattern, format=Format(encoding=encoding))
    sources = Sources(folder.path / "sources.yaml", {"file": source}, {})
    number = len(folder.files)
    reader = Reader(folder.connection, sources, work / f"{number}-{encoding}")
    table, before = f"profile_{number}", None
    dated = drops_of(sources, "file")
    if len(dated) > 1:
        before = f"{table}_before"
        _load(folder, before, reader.raw("file", [dated[-2]]))
    raw = reader.raw("file", [dated[-1]])
    _load(folder, table, raw)
    rows = int(folder.number(f"SELECT count(*) FROM {table}"))
    columns = {name: _column(folder, table, name, kind, rows) for name, kind in raw.columns.items()}
    return File(pattern, table, rows, columns, drops, before, encoding)


def _load(folder: Folder, table: str, raw: Raw) -> None:
    named = ", ".join(map(identifier, raw.columns))
    folder.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {named} FROM ({raw.sql}) LIMIT {_MOST_ROWS}"
    )


def _text(column: str) -> str:
    return f"trim(CAST({identifier(column)} AS VARCHAR))"


def _column(folder: Folder, table: str, name: str, native: str, rows: int) -> Column:
    text = _text(name)
    counts = folder.connection.execute(
        f"SELECT {text} AS v, count(*) AS n FROM {table} WHERE {text} <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    values = tuple(value for value, _ in counts[:_MOST_VALUES])
    filled = sum(n for _, n in counts)
    said = [value for value in values if not is_nothing(value)]
    has_time = any(re.search(r"\d{1,2}:\d{2}", value) for value in said)
    kind, forms, notation = _looks(said, native)
    return Column(name, rows, filled, len(counts), values, kind, forms, notation, has_time)


def _looks(values: Sequence[str], native: str) -> tuple[str, tuple[str, ...], str | None]:
    if not values:
        return EMPTY, (), None
    if native.startswith(_DATES) or all(_ISO.fullmatch(value) for value in values):
        return DATE, (), None
    if all(_PLAIN.fullmatch(value) for value in values):
        return NUMBER, (), None
    forms = forms_of(values)
    if forms:
        return DATE, forms, None
    if all(_SIZE.fullmatch(value) or _PLAIN.fullmatch(value) for value in values):
        return RANGE, (), None
    notation = notation_of(values)
    return (NUMBER, (), notation) if notation else (TEXT, (), None)
