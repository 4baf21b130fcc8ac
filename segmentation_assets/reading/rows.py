"""Rows as CSV, JSON or Parquet, for machines and spreadsheets.

Here: formatting. Not here: which rows (`access`), or values for people (`figures`).

CSV and JSON are exact: numbers as stored, dates as ISO text, nulls empty. In CSV, a text that a spreadsheet would run
as a formula always gets a leading apostrophe, because sooner or later a person opens the file. Numbers are never
changed. Machines that need such texts unchanged read JSON or Parquet.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import duckdb

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Starts of a cell that a spreadsheet may run as a formula; the last four are the full-width forms."""
_CRLF = "\r\n"

Row = Sequence[Any]


def write_csv(header: Sequence[str], rows: Iterable[Row], target: TextIO) -> None:
    """Rows as CSV with a header line, safe to open in a spreadsheet."""
    writer = csv.writer(_Lines(target), lineterminator=_CRLF)
    writer.writerow(header)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)


class _Lines:
    """Ends lines with a line feed. The CSV writer itself must end them with CRLF, or it would not quote both."""

    def __init__(self, target: TextIO) -> None:
        self._target = target

    def write(self, line: str) -> int:
        return self._target.write(line.removesuffix(_CRLF) + "\n")


def _csv_cell(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return "" if value is None else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else repr(value) if isinstance(value, float) else str(value)


def write_json(header: Sequence[str], rows: Iterable[Row], target: TextIO) -> None:
    """Rows as one JSON array of objects, one row per line. NaN and infinity, which JSON lacks, are null."""
    target.write("[")
    separator = "\n"
    for row in rows:
        record = {name: _json_value(value) for name, value in zip(header, row, strict=True)}
        target.write(separator + json.dumps(record, ensure_ascii=False))
        separator = ",\n"
    target.write("\n]\n")


def write_parquet(connection: duckdb.DuckDBPyConnection, sql: str, target: Path | BinaryIO) -> None:
    """The result of a query as one Parquet file, or as its bytes."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - takes a third of a second, and other formats do not need it

    pq.write_table(connection.sql(sql).to_arrow_table(), target)


def _json_value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
