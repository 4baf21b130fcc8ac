"""`segmentation status`: what is fresh, stale, late, failed. Not here: finding out (`reading.status`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from segmentation_assets.cli.options import format_option, policy_option, settings_of, sources_option


@click.command("status", short_help="Say what is fresh, stale, late or failed, and why.")
@sources_option
@policy_option
@click.option("--all", "shows_all", is_flag=True, help="Also the tables that are fresh.")
@click.option("--check", is_flag=True, help="Exit with 1 unless all that people read is fresh: for monitoring.")
@format_option("table", "json")
@click.pass_obj
def command(home: Path, sources: Path | None, policy: Path | None, shows_all: bool, check: bool, form: str) -> None:
    """Say what is fresh, stale (and why), late, failed, refused or waiting to land, and what runs."""
    settings = settings_of(home, sources, policy)
    from segmentation_assets.chain import CATALOGUE
    from segmentation_assets.cli.printing.status import print_status
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.status import as_plain, status_of
    from segmentation_assets.running.storage.run_records import RunRecords

    status = status_of(settings, CATALOGUE, load_policy(settings.policy), RunRecords(settings.dagster_home))
    if form == "json":
        click.echo(json.dumps(as_plain(status), indent=1, default=str, ensure_ascii=False))
    else:
        print_status(Console(highlight=False), status, shows_all)
    if check and not status.is_fine:
        sys.exit(1)
