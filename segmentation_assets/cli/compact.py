"""`segmentation compact`: packs the files of old days. Not here: the packing (`warehouse.packing`)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console

from segmentation_assets.cli.options import policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages
from segmentation_assets.reading.figures import counted


@click.command("compact", short_help="Pack the files of old days into one file per table.")
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(0),
    metavar="DAYS",
    help="Pack days that are older than this. [default: the policy's orchestration.compact_after_days]",
)
@policy_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(home: Path, days: int | None, policy: Path | None, form: str) -> None:
    """Move days with a file of their own into one file per table, `packed/<table>/`. No row changes.

    `show`, `load`, the report and the views of analytics.duckdb read these days as before. A program that reads
    `published/<table>/as_of=*` itself no longer finds them there. A run in the same home makes the command wait.
    """
    from segmentation_assets.chain import CATALOGUE
    from segmentation_assets.policy.model import load_policy, section_names
    from segmentation_assets.tables.dictionary import dictionary
    from segmentation_assets.tables.registry import AS_OF
    from segmentation_assets.warehouse.engine import Engine, open_connection
    from segmentation_assets.warehouse.packing import pack_old_days
    from segmentation_assets.warehouse.store import Store
    from segmentation_assets.warehouse.views import refresh_views

    rules = load_policy(settings_of(home, None, policy).policy)
    oldest = rules.company.today() - timedelta(days=rules.orchestration.compact_after_days if days is None else days)
    store, packed = Store(home), {}
    with store.alone(patience=rules.orchestration.patience_seconds), open_connection(store) as connection:
        engine = Engine(connection, store)
        for spec in CATALOGUE:
            if spec.partition == AS_OF:
                packed[spec.name] = pack_old_days(engine, spec.name, oldest)
                if packed[spec.name]:
                    messages().print(f"  {spec.name:<28} {counted(packed[spec.name], 'day')}", highlight=False)
        refresh_views(store, dictionary(CATALOGUE, section_names()), connection)
    tables = {name: count for name, count in packed.items() if count}
    if form == "json":
        click.echo(json.dumps({"before": str(oldest), "days_packed": tables}, indent=1))
        return
    if not tables:
        said = f"No table has two days before {oldest} in files of their own: nothing to pack."
        Console(highlight=False).print(said)
        return
    Console(highlight=False).print(
        f"{counted(sum(tables.values()), 'file')} of days before {oldest} packed into {counted(len(tables), 'file')}"
    )
