"""`segmentation what-if`: another policy beside production's. Not here: the comparison (`trials`)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import click

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import DAY, FILE, format_option, policy_option, settings_of


@click.command("what-if", short_help="Compare another policy with production's.")
@click.argument("file", type=FILE, metavar="POLICY.yaml")
@click.option("--as-of", type=DAY, help="A published day. [default: the latest]", shell_complete=completion.days)
@click.option("--from", "first", type=DAY, help="Count moves from this day on. [default: the quarter's grid]")
@click.option("--to", "last", type=DAY, help="Count moves up to this day. [default: --as-of]")
@click.option("--moves", "most", type=click.IntRange(min=0), default=20, show_default=True,
              help="Accounts listed by name.")  # fmt: skip
@click.option("--output", type=FILE, help="Also write a page (HTML) with all accounts that move.")
@format_option("table", "json")
@policy_option
@click.pass_obj
def command(
    home: Path, file: Path, as_of: date | None, first: date | None, last: date | None, most: int,
    output: Path | None, form: str, policy: Path | None,
) -> None:  # fmt: skip
    """What if POLICY.yaml held as well? POLICY.yaml has only what differs from production's policy.

    Computes what the change touches, in memory, from published tables. Nothing is published or changed. Shows who
    would move and why, accounts and ARR by tier and segment, NRR by tier, people, and how often accounts move.
    """
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.policy.model import load_policy

    production = load_policy(settings.policy)
    other = load_policy(settings.policy, then=file)
    from segmentation_assets.reading.figures import in_currency
    from segmentation_assets.trials.what_if import what_if

    trial = what_if(settings.home, production, other, as_of, first, last)
    with in_currency(production.company.reporting_currency):
        if output is not None:
            from segmentation_assets.report.trials import write_what_if

            write_what_if(trial, output)
        if form == "json":
            from segmentation_assets.trials.words import as_data

            click.echo(json.dumps(as_data(trial), indent=1, ensure_ascii=False, default=str))
            return
        from rich.console import Console

        from segmentation_assets.cli.printing.trials import print_what_if

        print_what_if(Console(highlight=False), trial, most)
    if output is not None:
        click.echo(output)
