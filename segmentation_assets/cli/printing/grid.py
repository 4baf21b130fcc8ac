"""Rows as a table that fits the terminal. Not here: which rows (`reading.access`), or files (`reading.rows`)."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segmentation_assets.reading.figures import shown
from segmentation_assets.reading.rows import Row

_WIDEST = 44


def print_table(
    console: Console, header: Sequence[str], rows: Sequence[Row], title: str | None = None, width: int | None = None
) -> int:
    """Rows as a table that fits the terminal; returns how many columns had no room."""
    columns = [[Text(shown(row[i]), overflow="ellipsis") for row in rows] for i in range(len(header))]
    fitting = _fitting(header, columns, width or console.width)
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for i in range(fitting):
        side = "right" if _is_numeric(rows, i) else "left"
        table.add_column(header[i], justify=side, no_wrap=True, max_width=_WIDEST, overflow="ellipsis")
    for row in range(len(rows)):
        table.add_row(*(columns[i][row] for i in range(fitting)))
    console.print(table)
    return len(header) - fitting


def print_in_full(console: Console, header: Sequence[str], rows: Sequence[Row]) -> None:
    """Rows with every column and every value in full.

    As a table where it fits, or where nobody looks (a file, a pipe: lines may be long); else each row as a block of
    lines, a column a line.
    """
    cells = [[shown(value) for value in row] for row in rows]
    texts = [[Text(row[i]) for row in cells] for i in range(len(header))]
    widths = [max([cell_len(name), *(cell.cell_len for cell in texts[i])]) for i, name in enumerate(header)]
    if console.is_terminal and sum(widths) + 3 * len(header) > console.width:
        _print_blocks(console, header, cells)
        return
    console.width = max(console.width, sum(widths) + 3 * len(header) + 1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if _is_numeric(rows, i) else "left", no_wrap=True)
    for i in range(len(rows)):
        table.add_row(*(column[i] for column in texts))
    console.print(table)


def _print_blocks(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widest = max(map(len, header))
    for i, row in enumerate(rows):
        if i:
            console.print()
        for name, value in zip(header, row, strict=True):
            console.print(Text.assemble((f"{name:<{widest}}", "bold"), "  ", value), soft_wrap=True)


def _is_numeric(rows: Sequence[Row], i: int) -> bool:
    return any(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in rows)


def _fitting(header: Sequence[str], columns: Sequence[Sequence[Text]], width: int) -> int:
    used = 0
    for i, name in enumerate(header):
        used += min(max([len(name), *(cell.cell_len for cell in columns[i])]), _WIDEST) + 3
        if used > width and i:
            return i
    return len(header)
