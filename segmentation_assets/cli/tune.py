"""`segmentation tune`: proposes better cut-offs, applies nothing. Not here: the search (`trials.tuning`)."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

import click

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import DAY, format_option, policy_option, settings_of


@click.command("tune", short_help="Search cut-offs that tell best what happens next.")
@click.argument("spans", metavar="NAME=LO:HI:STEP...", nargs=-1, required=True)
@click.option("--for", "outcome", type=click.Choice(["nrr", "churn"]), default="nrr", show_default=True,
              help="What the tiers should tell.")  # fmt: skip
@click.option("--people", type=click.FloatRange(min=0), help="Most people needed. [default: as today]")
@click.option("--moves", type=click.FloatRange(min=0), help="Most moves between tiers per account and month, such as "
              "0.05. [default: as today]")  # fmt: skip
@click.option("--as-of", type=DAY, help="A published day. [default: the latest]", shell_complete=completion.days)
@format_option("table", "json")
@policy_option
@click.pass_obj
def command(
    home: Path, spans: tuple[str, ...], outcome: str, people: float | None, moves: float | None,
    as_of: date | None, form: str, policy: Path | None,
) -> None:  # fmt: skip
    """Search the ranges for the values under which coverage tiers tell best what becomes of their accounts.

    The search sees earlier quarters alone; the last quarter judges it. It proposes a piece of a policy only if the
    gain there is more than chance, and it applies nothing.
    """
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.trials.sweeping import read_range
    from segmentation_assets.trials.tuning import fragment, tune

    result = tune(
        settings.home, settings.policy, [read_range(span) for span in spans], outcome, as_of, (people, moves)
    )
    if form == "json":
        facts = asdict(result) | {"is_proposed": result.is_proposed}
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False, default=str))
        return
    from rich.console import Console

    from segmentation_assets.cli.printing.trials import print_tuning

    print_tuning(Console(stderr=True, highlight=False), result)
    if result.is_proposed:
        click.echo(fragment(result.best), nl=False)
