"""Rows as a table that fits the terminal. Not here: which rows (`reading.access`), or files (`reading.rows`)."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segmentation_assets.reading.rows import Row, shown

_WIDEST = 44


def print_table(
    console: Console, header: Sequence[str], rows: Sequence[Row], title: str | None = None, width: int | None = None
) -> int:
    """Rows as a table that fits the terminal; returns how many columns had no room."""
    columns = [[Text(shown(row[i]), overflow="ellipsis") for row in rows] for i in range(len(header))]
    fitting = _fitting(header, columns, width or console.width)
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for i in range(fitting):
        numeric = any(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in rows)
        table.add_column(
            header[i], justify="right" if numeric else "left", no_wrap=True, max_width=_WIDEST, overflow="ellipsis"
        )
    for row in range(len(rows)):
        table.add_row(*(columns[i][row] for i in range(fitting)))
    console.print(table)
    return len(header) - fitting


def _fitting(header: Sequence[str], columns: Sequence[Sequence[Text]], width: int) -> int:
    used = 0
    for i, name in enumerate(header):
        used += min(max([len(name), *(cell.cell_len for cell in columns[i])]), _WIDEST) + 3
        if used > width and i:
            return i
    return len(header)
