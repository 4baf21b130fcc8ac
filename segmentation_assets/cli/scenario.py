"""`segmentation scenario`: audit a coverage business case. Not here: the audit (`capacity.scenario`)."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from segmentation_assets.cli.options import format_option, policy_option, settings_of


@click.command("scenario", short_help="Compute and audit a coverage business case.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@policy_option
@format_option("table", "json")
@click.pass_obj
def command(home: Path, file: Path, policy: Path | None, form: str) -> None:
    """Compute the coverage business case in FILE, and say which of its stated figures hold."""
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.capacity.scenario.audit import audit
    from segmentation_assets.capacity.scenario.reading import read_scenario
    from segmentation_assets.cli.printing.audit import print_audit
    from segmentation_assets.policy.model import load_policy

    chosen = load_policy(settings.policy)
    case = audit(read_scenario(file, chosen.scenario), chosen.coverage, chosen.targets, chosen.scenario)
    if form == "json":
        click.echo(json.dumps(case.to_dict(), indent=1, ensure_ascii=False))
    else:
        print_audit(Console(), case)
