"""The data dictionary for people and programs: which tables there are, and what each of their columns means.

Here: showing entries. Not here: making them (`warehouse.dictionary`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.rows import write_csv
from segmentation_assets.tables.dictionary import HEADER, TableEntry, columns_markdown, rows_of, rules_in_words


def write_dictionary(entries: Sequence[TableEntry], form: str, target: TextIO) -> None:
    """Entries as `markdown`, `json` or `csv`."""
    if form == "csv":
        write_csv(HEADER, rows_of(entries), target)
    elif form == "json":
        target.write(json.dumps([one.to_json() for one in entries], indent=1, ensure_ascii=False) + "\n")
    else:
        target.write("\n\n".join(markdown(one) for one in entries) + "\n")


def markdown(entry: TableEntry) -> str:
    """One table as a section of a Markdown document."""
    head = f"## `{entry.name}` ({entry.group})\n\n{entry.description}\n\n{_about(entry, '`')}"
    rules = rules_in_words(entry.row_rules)
    return f"{head}\n\n{columns_markdown(entry.columns)}" + (f"\n\n{rules}" if rules else "")


def print_tables(console: Console, entries: Sequence[TableEntry]) -> None:
    """All tables, one line each: what one row is, and the question it answers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("group", "table", "key", "what it tells"):
        table.add_column(name, overflow="fold")
    group = ""
    for one in entries:
        shown = one.group if one.group != group else ""
        group = one.group
        table.add_row(shown, f"[bold]{one.name}[/]", ", ".join(one.key), escape(one.question))
    console.print(table)


def print_table_entry(console: Console, entry: TableEntry) -> None:
    """One table with its columns."""
    console.print(f"[bold]{entry.name}[/] ({entry.group})\n{escape(entry.description)}\n", highlight=False)
    console.print(escape(_about(entry, "")), highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("column", "type", "unit", "empty", "rule", "meaning"):
        table.add_column(name, overflow="fold")
    for one in entry.columns:
        name = f"[bold]{one.name}[/]" if one.is_key else one.name
        empty = "may be" if one.may_be_empty else ""
        table.add_row(name, one.type, one.unit, empty, escape(one.rule), escape(one.description))
    console.print(table)
    rules = rules_in_words(entry.row_rules)
    if rules:
        console.print(escape(rules), highlight=False)


def _about(entry: TableEntry, quote: str) -> str:
    key = ", ".join(f"{quote}{name}{quote}" for name in entry.key) or "none"
    days = f"published by {entry.partition}" if entry.partition else "published as a whole"
    reads = f"; reads {', '.join(entry.inputs)}" if entry.inputs else ""
    policy = f"; policy {', '.join(entry.policy)}" if entry.policy else ""
    return f"Key: {key}; {days}{reads}{policy}."
