"""`segmentation ui`: Dagster's pages with its daemon. Not here: the processes (`running.screens`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segmentation_assets.cli.options import policy_option, settings_of, sources_option
from segmentation_assets.cli.printing.progress import messages, say_where
from segmentation_assets.reasons import Refusal
from segmentation_assets.settings import Settings

if TYPE_CHECKING:
    from segmentation_assets.warehouse.store import Holder


@click.command("ui", short_help="Open Dagster's pages; schedules run meanwhile.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@sources_option
@policy_option
@click.pass_obj
def command(home: Path, port: int, sources: Path | None, policy: Path | None) -> None:
    """Open Dagster's UI on 127.0.0.1, with its daemon, until Ctrl-C."""
    settings = settings_of(home, sources, policy)
    console = messages()

    def ready(address: str | None, other: Holder | None) -> None:
        say_where(console, address or "")
        if other:
            console.print(f"pages only: {other} keeps this home current", markup=False)

    serve_until_ended(settings, port, ready)


def serve_until_ended(
    settings: Settings, port: int | None, ready: Callable[[str | None, Holder | None], None]
) -> None:
    """Serve Dagster until a signal; without a port, its daemon alone. Raises Refusal where it ends by itself."""
    messages().print("starting Dagster")
    from segmentation_assets.running.screens import serve

    if serve(settings, port, ready):
        raise Refusal("Dagster ended by itself; its own words are above")
