"""`segmentation close`: locks a quarter's reported figures, and shows how today's differ.

Not here: closing (`running.closing`), or reading what is closed (`reading.books`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from segmentation_assets.reading.rows import Row
    from segmentation_assets.running.closing import Bridge


@click.command("close", short_help="Lock a quarter's reported figures.")
@click.argument("quarter", required=False)
@click.option("--bridge", "is_bridge", is_flag=True, help="How the figures published now differ, by cause.")
@click.pass_obj
def command(home: Path, quarter: str | None, is_bridge: bool) -> None:
    """Lock the figures of QUARTER, such as 2026-Q3, as they are published for its last day.

    Closed figures never change. With --bridge: from the closed figures to those published now, by cause, to the
    cent. Without QUARTER: the quarters that are closed.
    """
    from segmentation_assets.reading.books import closings
    from segmentation_assets.running.closing import bridge, close

    console = Console(soft_wrap=True, highlight=False)
    if quarter is None:
        for one in closings(home):
            console.print(f"{one.quarter}  closed {one.closed_at:%Y-%m-%d %H:%M}  ARR {one.arr:,.2f}")
        if not closings(home):
            console.print("No quarter is closed.")
        return
    if not is_bridge:
        closed = close(quarter, home)
        console.print(
            f"{quarter} is closed: ARR {closed.arr:,.2f} of {len(closed.arr_cents):,} accounts on {closed.as_of}, "
            f"{len(closed.figures):,} rows of KPIs"
        )
        return
    _print_bridge(console, bridge(quarter, home))


def _print_bridge(console: Console, steps: Bridge) -> None:
    from segmentation_assets.cli.printing.grid import print_table

    rows: list[Row] = [("reported", len(steps.closing.arr_cents), f"{steps.reported_arr:,.2f}")]
    rows += [(one.cause, one.accounts, f"{one.arr:+,.2f}") for one in steps.causes]
    rows.append(("restated", None, f"{steps.restated_arr:,.2f}"))
    print_table(console, ("ARR", "accounts", "amount"), rows, title=f"{steps.closing.quarter}, closed figures stand")
    if steps.figures:
        figures = [(f.table, f.member, f.window_months, f.kpi, f.reported, f.restated) for f in steps.figures]
        header = ("table", "member", "months", "figure", "reported", "restated")
        print_table(console, header, figures, title="Other figures that would differ")
    else:
        console.print("No other figure differs.")
