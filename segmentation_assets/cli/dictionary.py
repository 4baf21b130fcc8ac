"""`segmentation dictionary`: what tables and columns mean. Not here: the entries (`tables.dictionary`)."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import format_option, policy_option, settings_of


@click.command("dictionary", short_help="Say what a table and its columns mean.")
@click.argument("table", required=False, shell_complete=completion.tables)
@format_option("table", "markdown", "json", "csv")
@policy_option
@click.pass_obj
def command(home: Path, table: str | None, form: str, policy: Path | None) -> None:
    """Say what TABLE and each of its columns means; without TABLE, which tables there are (with --format, all)."""
    settings = settings_of(home, policy=policy)
    from segmentation_assets.cli.printing.dictionary import print_table_entry, print_tables, write_dictionary
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue

    facts = read_catalogue(load_policy(settings.policy), home)
    entries = [facts.entries[facts.find(table)[0]]] if table else list(facts.entries.values())
    if form != "table":
        write_dictionary(entries, form, sys.stdout)
    elif table:
        print_table_entry(Console(), entries[0])
    else:
        print_tables(Console(), entries)
