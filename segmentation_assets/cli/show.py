"""`segmentation show`: rows of a published table. Not here: which rows (`reading.access`) or formats."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import FILE, days_option, format_option, listed
from segmentation_assets.cli.printing.progress import messages

_SCREENFUL = 20


@click.command("show", short_help="Print rows of a published table.")
@click.argument("table", shell_complete=completion.tables)
@days_option
@click.option("--where", metavar="SQL", help="A condition, such as \"arr > 50000 and segment = 'Growth'\".")
@click.option("--columns", metavar="A,B", help="Only these columns, all of them.", shell_complete=completion.columns)
@click.option(
    "--limit", type=click.IntRange(0), help=f"At most so many rows. [default: {_SCREENFUL} in a table, else all]"
)
@format_option("table", "csv", "json", "parquet")
@click.option("--output", type=FILE, help="Write to this file instead of the terminal.")
@click.pass_obj
def command(
    home: Path,
    table: str,
    as_of: str | None,
    where: str | None,
    columns: str | None,
    limit: int | None,
    form: str,
    output: Path | None,
) -> None:
    """Print rows of a published TABLE, of the latest day or another.

    Without --columns, a table shows the columns that fit. With it, every column is shown in full: below one another
    where they are wider than the terminal.
    """
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: say --output FILE, or pipe it")
    from segmentation_assets.reading import rows as formats
    from segmentation_assets.reading.access import fetched, open_table, query

    chosen = listed(columns)
    most = limit if limit is not None else _SCREENFUL if form == "table" and output is None else None
    asked_for = most + 1 if most is not None and limit is None else most  # one more tells whether there are more
    with open_table(table, as_of, home) as connection:
        sql = query(connection, table, where, asked_for, chosen)
        if form == "parquet":
            formats.write_parquet(connection, sql, output or sys.stdout.buffer)
            return
        header, rows = fetched(connection, sql)
    with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as target:
        if form == "csv":
            formats.write_csv(header, rows, target)
        elif form == "json":
            formats.write_json(header, rows, target)
        else:
            is_cut = limit is None and most is not None and len(rows) > most
            _print(Console(file=target), header, rows[:most], is_cut, bool(chosen))


def _print(console: Console, header: Sequence[str], rows: Sequence[Any], is_cut: bool, in_full: bool) -> None:
    from segmentation_assets.cli.printing.grid import print_in_full, print_table

    if in_full:
        print_in_full(console, header, rows)
    else:
        hidden = print_table(console, header, rows)
        if hidden:
            names = ", ".join(header[len(header) - hidden :][:8]) + (", …" if hidden > 8 else "")
            messages().print(f"{hidden} more columns ({names}): --columns, or --format csv")
    if is_cut:
        messages().print(f"the first {len(rows)} rows: --limit, or --format csv")
