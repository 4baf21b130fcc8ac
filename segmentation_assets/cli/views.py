"""`segmentation views`: the DuckDB file with a view per table. Not here: making it (`warehouse.views`)."""

from __future__ import annotations

from pathlib import Path

import click

from segmentation_assets.cli.options import FOLDER, policy_option, settings_of
from segmentation_assets.reasons import Refusal


@click.command("views", short_help="Print the path of the DuckDB file for SQL.")
@policy_option
@click.option(
    "--snapshot",
    type=FOLDER,
    help="Make a new folder with all tables as they are between two runs, and print the path of its DuckDB file.",
)
@click.pass_obj
def command(home: Path, policy: Path | None, snapshot: Path | None) -> None:
    """Print the path of the DuckDB file that has a view per table, after bringing it up to date. Runs do that too.

    Do not query that file while a run is at work: DuckDB may fail, or mix rows of before and after. A snapshot can be
    read at any time: no run changes it. Taking one waits for a run that is at work, and costs no space.
    """
    settings = settings_of(home, policy=policy)
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.catalogue import read_catalogue
    from segmentation_assets.warehouse.snapshots import take_snapshot
    from segmentation_assets.warehouse.store import Store
    from segmentation_assets.warehouse.views import refresh_views

    store = Store(home)
    if not store.tables():
        raise Refusal(f"nothing is published in {home}: run `segmentation demo` or `segmentation run` first")
    entries = read_catalogue(load_policy(settings.policy), home).entries.values()
    if snapshot is not None:
        with store.alone():
            store = take_snapshot(store, snapshot.absolute())
    click.echo(refresh_views(store, entries))
