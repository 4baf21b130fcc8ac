"""`segmentation watch`: schedules and sensors without pages. Not here: what they do (`orchestration`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segmentation_assets.cli.options import policy_option, settings_of, sources_option, with_sources
from segmentation_assets.cli.printing.clock import warn_of_clock
from segmentation_assets.cli.printing.progress import messages
from segmentation_assets.cli.ui import serve_until_ended

if TYPE_CHECKING:
    from segmentation_assets.warehouse.store import Holder


@click.command("watch", short_help="Run schedules and sensors until Ctrl-C, for servers.")
@sources_option
@policy_option
@click.pass_obj
def command(home: Path, sources: Path | None, policy: Path | None) -> None:
    """Keep this home current without a UI: schedules and sensors, until Ctrl-C or SIGTERM. For servers."""
    settings = with_sources(settings_of(home, sources, policy))
    from segmentation_assets.running.automation import automations

    console, listing = messages(), automations(settings)
    warn_of_clock(settings)

    def ready(_: str | None, __: Holder | None) -> None:
        for each in listing:
            switch = "on " if each.is_on else "off"
            console.print(f"  {each.name:<32} {each.kind:<9} {switch}  {each.acts}", markup=False)
        console.print(f"watching {settings.home}  (Ctrl-C ends it)", markup=False)

    serve_until_ended(settings, None, ready)
