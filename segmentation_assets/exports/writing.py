"""Published tables as files that people work on: an Excel workbook, one CSV file, or a folder of them.

Here: which rows go where, and that a file is there whole or not at all. Not here: how a workbook looks (`workbook`),
how CSV is written (`terminal.formats`), finding published files (`access`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from segmentation_assets.exports.workbook import Sheet, write_workbook
from segmentation_assets.reading.access import Days, find_table, open_tables, query
from segmentation_assets.reading.rows import write_csv
from segmentation_assets.reasons import WrongUse
from segmentation_assets.tables.dictionary import HEADER, TableEntry, rows_of

DICTIONARY = "dictionary"
_BATCH = 10_000
Progress = Callable[[str], None]


class WrongTarget(WrongUse, ValueError):
    """The tables do not fit what they are to be written to. The message says what does."""


@dataclass(frozen=True)
class Exported:
    """One table as it was written: where, on which sheets (for a workbook), how many rows."""

    table: str
    path: Path
    rows: int
    sheets: tuple[str, ...] = ()


@dataclass
class _Counted:
    """Rows of a query, counted as they pass."""

    connection: duckdb.DuckDBPyConnection
    sql: str
    header: tuple[str, ...] = ()
    rows: int = 0

    def __post_init__(self) -> None:
        described = self.connection.execute(f"DESCRIBE {self.sql}").fetchall()
        self.header = tuple(str(row[0]) for row in described)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        result = self.connection.execute(self.sql)
        while batch := result.fetchmany(_BATCH):
            self.rows += len(batch)
            yield from batch


def export(
    tables: Sequence[str],
    to: Path,
    as_of: Days = None,
    home: Path | str | None = None,
    entries: Mapping[str, TableEntry] | None = None,
    progress: Progress | None = None,
) -> list[Exported]:
    """Write published tables to `to`: a workbook (.xlsx), one CSV file (.csv), or a folder of CSV files.

    Tables without days (extracts) are written whole, whatever `as_of` says. `entries` say what the columns mean: the
    dictionary goes along, but for a single CSV file. An existing file is replaced when the new one is finished.
    Raises NotPublished, WrongTarget, workbook.CannotHold, OSError; then nothing is written.
    """
    names = list(dict.fromkeys(tables))
    kind = _kind(to, names)
    announce = progress or (lambda _: None)
    days = {name: as_of if find_table(name, home).partition else None for name in names}
    chosen = {name: one for name, one in (entries or {}).items() if name in names}
    with open_tables(days, home) as connection:
        rows = {name: _Counted(connection, query(connection, name)) for name in names}
        if kind == ".xlsx":
            return _to_workbook(to, rows, chosen, announce)
        return _to_csv(to, rows, chosen, announce)


def _kind(to: Path, names: Sequence[str]) -> str:
    suffix = "" if to.is_dir() else to.suffix.lower()
    if suffix not in {"", ".xlsx", ".csv"}:
        raise WrongTarget(f"{to}: say a name that ends in .xlsx or .csv, or a folder")
    if suffix == ".csv" and len(names) > 1:
        raise WrongTarget(f"{to}: one CSV file holds one table, and there are {len(names)}; say a folder, or .xlsx")
    if suffix == "" and to.exists() and not to.is_dir():
        raise WrongTarget(f"{to}: is a file; say a folder, or a name that ends in .xlsx or .csv")
    return suffix


def _to_workbook(
    to: Path, rows: Mapping[str, _Counted], entries: Mapping[str, TableEntry], announce: Progress
) -> list[Exported]:
    def sheets() -> Iterator[Sheet]:
        for name, counted in rows.items():
            announce(f"writing {name}")
            units = {c.name: c.unit for c in entries[name].columns} if name in entries else {}
            yield Sheet(name, counted.header, counted, units)
        if entries:
            yield Sheet(DICTIONARY, HEADER, rows_of(entries.values()), {}, wrap=True)

    with _replacing([to]) as (unfinished,):
        sheets_of = write_workbook(unfinished, sheets())
    return [Exported(name, to, counted.rows, tuple(sheets_of[name])) for name, counted in rows.items()]


def _to_csv(
    to: Path, rows: Mapping[str, _Counted], entries: Mapping[str, TableEntry], announce: Progress
) -> list[Exported]:
    is_folder = to.suffix.lower() != ".csv" or to.is_dir()
    targets = [to / f"{name}.csv" for name in rows] if is_folder else [to]
    extra = [to / f"{DICTIONARY}.csv"] if is_folder and entries else []
    with _replacing([*targets, *extra]) as unfinished:
        for (name, counted), path in zip(rows.items(), unfinished, strict=False):
            announce(f"writing {name}")
            with path.open("w", encoding="utf-8", newline="") as file:
                write_csv(counted.header, counted, file)
        if extra:
            with unfinished[-1].open("w", encoding="utf-8", newline="") as file:
                write_csv(HEADER, rows_of(entries.values()), file)
    return [Exported(name, path, rows[name].rows) for name, path in zip(rows, targets, strict=True)]


@contextmanager
def _replacing(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """Files beside the targets, moved into place at the end, removed after an error."""
    unfinished = [path.with_name(f".{path.name}.{os.getpid()}") for path in targets]
    for path in targets:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield unfinished
        for file, target in zip(unfinished, targets, strict=True):
            file.replace(target)
    finally:
        for file in unfinished:
            file.unlink(missing_ok=True)
