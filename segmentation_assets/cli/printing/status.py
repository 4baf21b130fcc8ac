"""Printing a home's status: a line per stage, the tables that are not fresh, refused rows, runs.

Not here: what is fresh or stale (`status`).
"""

from __future__ import annotations

import shlex
from collections import Counter
from datetime import datetime

from rich.console import Console
from rich.table import Table

from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.status import FAILED, FRESH, LATE, MISSING, STALE, Status, TableStatus

_COLOURS = {FRESH: "green", LATE: "yellow", STALE: "yellow", MISSING: "red", FAILED: "red"}
_RUNS_SHOWN = 5


def print_status(console: Console, status: Status, shows_all: bool) -> None:
    """The whole status; of fresh tables only how many they are, unless `shows_all`."""
    console.print(f"{status.home}   last complete day {status.last_complete_day}", markup=False, soft_wrap=True)
    _print_stages(console, status)
    shown = [table for table in status.tables if shows_all or table.state != FRESH]
    if shown:
        console.print()
        _print_tables(console, status, shown)
    _print_quarantine(console, status)
    console.print()
    _print_runs(console, status)


def _print_stages(console: Console, status: Status) -> None:
    stages = Table(box=None, pad_edge=False)
    for heading in ("stage", "tables", "latest day", "fresh", "late", "stale", "missing", "failed"):
        stages.add_column(heading, justify="left" if heading in ("stage", "latest day") else "right")
    for stage in dict.fromkeys(table.stage for table in status.tables):
        tables = [table for table in status.tables if table.stage == stage]
        states = Counter(table.state for table in tables)
        latest = max((table.latest for table in tables if table.latest), default=None)
        counts = [
            f"[{_COLOURS[state]}]{states[state]}[/]" if states[state] else ""
            for state in (FRESH, LATE, STALE, MISSING, FAILED)
        ]
        stages.add_row(stage, str(len(tables)), str(latest or ""), *counts)
    console.print(stages)


def _print_tables(console: Console, status: Status, tables: list[TableStatus]) -> None:
    listing = Table("table", "latest day", "state", "why", "made", box=None, pad_edge=False)
    for table in tables:
        why = table.reason or ", ".join(cause for cause in table.causes if cause != table.state)
        if table.state == LATE and table.latest:
            why = f"{(status.last_complete_day - table.latest).days} days behind"
        state = f"[{_COLOURS[table.state]}]{table.state}[/]"
        listing.add_row(table.table, str(table.latest or ""), state, escape(why), _moment(table.made_at))
    console.print(listing)


def _print_quarantine(console: Console, status: Status) -> None:
    refused = [table for table in status.tables if table.rows_quarantined]
    if not refused:
        return
    listing = Table("refused rows of", "rows", "of", "share", box=None, pad_edge=False)
    for table in refused:
        listing.add_row(
            table.table, f"{table.rows_quarantined:,}", f"{table.rows_read:,}", f"{table.quarantined_share or 0:.2%}"
        )
    console.print()
    console.print(listing)
    console.print("why: `segmentation show quarantine`")


def _print_runs(console: Console, status: Status) -> None:
    run = status.last_run
    if run:
        about = f" for {run.as_of}" if run.as_of else ""
        console.print(f"last run: {run.run_id[:8]} {run.job}{about}, {run.status.lower()}, {_moment(run.ended_at)}")
    else:
        console.print("last run: none yet")
    if status.failed_run:
        console.print(f"[red]failed:[/] {escape(status.failed_run.reason)}", soft_wrap=True)
    for unfinished in status.unfinished_runs[:_RUNS_SHOWN]:
        about = f" for {unfinished.as_of}" if unfinished.as_of else ""
        console.print(f"{unfinished.status.lower()}: {unfinished.run_id[:8]} {unfinished.job}{about}")
    if status.works:
        console.print(f"at work: {status.works}", markup=False, soft_wrap=True)
    if status.keeps_current:
        console.print(f"kept current by {status.keeps_current}", markup=False, soft_wrap=True)
    else:
        console.print("kept current by nobody: `segmentation watch`, or `segmentation ui`")
    if status.is_open_to_all:
        console.print(
            f"[yellow]every user of this machine can look into {escape(str(status.home))}[/], which holds customers' "
            f"data: chmod o-rwx {escape(shlex.quote(str(status.home)))}",
            soft_wrap=True,
        )
    if status.clock:
        console.print(f"[yellow]{escape(status.clock)}[/]", soft_wrap=True)
    if status.switches:
        on, off = (
            [name for name, is_on in sorted(status.switches.items()) if is_on is state] for state in (True, False)
        )
        text = f"on: {', '.join(on) or 'nothing'}" + (f"; off: {', '.join(off)}" if off else "")
        console.print(text, markup=False, soft_wrap=True)


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
