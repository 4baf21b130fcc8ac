"""Rows as an Excel workbook that is safe to open and pleasant to work in.

Here: sheets, cell types, number formats, what Excel cannot hold. Not here: which rows, or where the file goes
(`writing`).

Every text is written as text, never as a formula, and one that looks like a formula stays text when it is edited.
Rows are streamed to disk, so memory does not grow with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_assets.reading.figures import sheet_format
from segmentation_assets.reading.palette import LIGHT, SOFT
from segmentation_assets.reading.rows import FORMULA
from segmentation_assets.reasons import Refusal

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767
_MOST_NAME = 31
_EXACT = 2**53
"""Excel's numbers are doubles: a greater whole number is written as text."""
_FIRST_DAY = date(1900, 3, 1)
"""Before it Excel's calendar is wrong (it has a 29 February 1900); such days are written as text."""
_SAMPLE = 200
_NARROWEST, _WIDEST = 8, 48
_WHOLE, _DATE, _MOMENT = "#,##0", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"


class CannotHold(Refusal, ValueError):
    """Something that an Excel cell cannot hold. The message names sheet, row and column, and what to do."""


@dataclass(frozen=True)
class Sheet:
    """Rows to write under a header. `units` says, per column, what its numbers are in."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[Any]]
    units: Mapping[str, str]
    wrap: bool = False


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> dict[str, list[str]]:
    """Write sheets, in their order; returns the sheets that each became: several, where one of Excel's is too small.

    Raises CannotHold; `path` may then hold a part, so the caller writes beside and moves.
    """
    import xlsxwriter  # noqa: PLC0415 - only where a workbook is written

    written: dict[str, list[str]] = {}
    options = {
        "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
        "tmpdir": str(path.parent), "default_date_format": _DATE,
    }  # fmt: skip
    with xlsxwriter.Workbook(str(path), options) as book:
        formats = _Formats(book)
        for sheet in sheets:
            rows = iter(sheet.rows)
            written[sheet.name] = []
            for name, part in _parts(sheet, rows, written):
                written[sheet.name].append(name)
                _write_sheet(book.add_worksheet(name), sheet, part, formats)
    return written


def _parts(
    sheet: Sheet, rows: Iterator[Sequence[Any]], written: Mapping[str, list[str]]
) -> Iterator[tuple[str, Iterator[Sequence[Any]]]]:
    """The rows of a sheet, as many as one of Excel's holds at a time; one part at least."""
    number, first = 1, next(rows, None)
    while number == 1 or first is not None:
        held = chain([] if first is None else [first], islice(rows, MOST_ROWS - 2))
        taken = {name.lower() for names in written.values() for name in names}
        yield _sheet_name(sheet.name, number, taken), held
        number, first = number + 1, next(rows, None)


def _sheet_name(name: str, number: int, taken: set[str]) -> str:
    suffix = "" if number == 1 else f" ({number})"
    unique = name[: _MOST_NAME - len(suffix)] + suffix
    while unique.lower() in taken:  # two long names that begin alike
        number += 1
        suffix = f" ({number})"
        unique = name[: _MOST_NAME - len(suffix)] + suffix
    return unique


class _Formats:
    """The formats of one workbook, made once each."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._known: dict[tuple[tuple[str, Any], ...], Format] = {}

    def of(self, **properties: Any) -> Format:
        key = tuple(sorted(properties.items()))
        if key not in self._known:
            self._known[key] = self._book.add_format({"valign": "top", **properties})
        return self._known[key]


def _write_sheet(target: Worksheet, sheet: Sheet, rows: Iterator[Sequence[Any]], formats: _Formats) -> None:
    sample = list(islice(rows, _SAMPLE))
    for i, name in enumerate(sheet.header):
        width = max([len(name) + 3, *(len(_rough(row[i])) + 1 for row in sample)])
        target.set_column(i, i, min(max(width, _NARROWEST), _WIDEST))
    target.freeze_panes(1, 0)
    for i, name in enumerate(sheet.header):
        target.write_string(0, i, name, formats.of(bold=True, bottom=1, bg_color=LIGHT[SOFT]))
    cells = _Cells(target, sheet, formats)
    last = 0
    for last, row in enumerate(chain(sample, rows), start=1):
        for i, value in enumerate(row):
            if value is not None:
                cells.write(last, i, value)
    target.autofilter(0, 0, last, len(sheet.header) - 1)


def _rough(value: Any) -> str:
    return "" if value is None else f"{value:,.2f}" if isinstance(value, float) else str(value)


class _Cells:
    """Writes the cells of one sheet, each as its type."""

    def __init__(self, target: Worksheet, sheet: Sheet, formats: _Formats) -> None:
        self.target, self.sheet, self.formats = target, sheet, formats
        units = [sheet.units.get(name, "") for name in sheet.header]
        self.numbers = [formats.of(num_format=sheet_format(unit)) for unit in units]
        self.whole = formats.of(num_format=_WHOLE)
        self.date, self.moment = formats.of(num_format=_DATE), formats.of(num_format=_MOMENT)
        self.text = formats.of(text_wrap=True) if sheet.wrap else formats.of()
        self.quoted = formats.of(quote_prefix=True)

    def write(self, row: int, column: int, value: Any) -> None:
        """One cell that is not empty."""
        target = self.target
        if isinstance(value, str):
            self._write_text(row, column, value)
        elif isinstance(value, bool):
            target.write_boolean(row, column, value, self.text)
        elif isinstance(value, int):
            if abs(value) > _EXACT:
                self._write_text(row, column, str(value))
            else:
                target.write_number(row, column, value, self.whole)
        elif isinstance(value, float | Decimal):
            if math.isfinite(value):  # Excel has no other numbers: left empty, as null is
                target.write_number(row, column, float(value), self.numbers[column])
        elif isinstance(value, date) and (value.date() if isinstance(value, datetime) else value) >= _FIRST_DAY:
            if isinstance(value, datetime):
                target.write_datetime(row, column, value.replace(tzinfo=None), self.moment)
            else:
                target.write_datetime(row, column, value, self.date)  # pyright: ignore[reportArgumentType]
        else:
            self._write_text(row, column, value.isoformat() if isinstance(value, date) else str(value))

    def _write_text(self, row: int, column: int, value: str) -> None:
        if len(value) * 2 > MOST_CHARACTERS and len(value.encode("utf-16-le")) // 2 > MOST_CHARACTERS:
            raise CannotHold(
                f"sheet {self.sheet.name}, row {row + 1}, column {self.sheet.header[column]}: a text of "
                f"{len(value):,} characters, and an Excel cell holds {MOST_CHARACTERS:,}; export to a folder or a "
                ".csv file instead"
            )
        self.target.write_string(row, column, value, self.quoted if value.startswith(FORMULA) else self.text)
