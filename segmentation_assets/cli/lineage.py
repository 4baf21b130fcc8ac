"""`segmentation lineage`: what a column is made from, and what is made from it. Not here: lineage (`lineage`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import format_option, policy_option, settings_of, sources_option
from segmentation_assets.settings import Settings


@click.command("lineage", short_help="Say what a column is made from, and what uses it.")
@click.argument("column", metavar="TABLE[.COLUMN]", shell_complete=completion.table_columns)
@click.option("--up", "direction", flag_value="up", help="What it is made from.")
@click.option("--down", "direction", flag_value="down", help="What is made from it.")
@click.option("--both", "direction", flag_value="both", default=True, help="Both. [default]")
@click.option(
    "--depth", type=click.IntRange(1), default=3, show_default=True, help="Steps of the tree; raw fields always."
)
@sources_option
@policy_option
@format_option("table", "json", "mermaid")
@click.pass_obj
def command(
    home: Path, column: str, direction: str, depth: int, sources: Path | None, policy: Path | None, form: str
) -> None:
    """Say what TABLE.COLUMN is made from, back to raw fields, and what is made from it; or of a whole TABLE."""
    settings = settings_of(home, sources, policy)
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue

    directions = ("up", "down") if direction == "both" else (direction,)
    facts = read_catalogue(load_policy(settings.policy), home)
    table, name = facts.find(column)
    if name is None:
        _of_table(facts, table, directions, form)
    else:
        _of_column(facts, table, name, directions, depth, form, _mapping(settings))


def _of_table(facts: Any, table: str, directions: tuple[str, ...], form: str) -> None:
    from segmentation_assets.cli.printing import lineage_tree as trees

    if form == "mermaid":
        click.echo(trees.mermaid_of_table(facts, table, directions))
    elif form == "json":
        click.echo(json.dumps(trees.table_json(facts, table, directions), indent=1, ensure_ascii=False))
    else:
        trees.print_table_lineage(Console(), facts, table, directions)


def _of_column(
    facts: Any, table: str, column: str, directions: tuple[str, ...], depth: int, form: str, mapping: Any
) -> None:
    from segmentation_assets.cli.printing import lineage_tree as trees

    traces = {direction: getattr(facts.lineage, direction)(table, column) for direction in directions}
    if form == "mermaid":
        click.echo(trees.mermaid_of_column(traces))
    elif form == "json":
        click.echo(json.dumps(trees.column_json(facts, traces, mapping), indent=1, ensure_ascii=False))
    else:
        trees.print_column(Console(), facts, traces, depth, mapping)


def _mapping(settings: Settings) -> Any:
    """What the home's sources.yaml says of each extract; nothing where there is none."""
    if settings.sources is None:
        return {}
    from segmentation_assets.extracts.sources import read_mapping

    return read_mapping(settings.sources)
