"""`segmentation app`: the explorer in a browser. Not here: its page (`app`) or its process (`running.explorer`)."""

from __future__ import annotations

from pathlib import Path

import click

from segmentation_assets.cli.options import policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages, say_where
from segmentation_assets.reasons import Refusal


@click.command("app", short_help="Explore the accounts in a browser.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@policy_option
@click.pass_obj
def command(home: Path, port: int, policy: Path | None) -> None:
    """Explore the published accounts on 127.0.0.1, until Ctrl-C: filter, open one, compare two days."""
    settings = settings_of(home, policy=policy)
    from segmentation_assets.reading.access import find_table
    from segmentation_assets.running.explorer import serve

    console = messages()
    find_table("segments", home)
    console.print("starting the explorer")
    if serve(settings, port, lambda address: say_where(console, address)):
        raise Refusal("the explorer ended by itself; its own words are above")
