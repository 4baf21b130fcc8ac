"""`segmentation sweep`: one number of the policy over a range. Not here: the curves (`trials.sweeping`)."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

import click

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import DAY, FILE, format_option, policy_option, settings_of


@click.command("sweep", short_help="Draw what one number of the policy does.")
@click.argument("span", metavar="NAME=LO:HI:STEP")
@click.option("--as-of", type=DAY, help="A published day. [default: the latest]", shell_complete=completion.days)
@click.option("--output", type=FILE, help="Also write a page (HTML) with the curves.")
@format_option("table", "json")
@policy_option
@click.pass_obj
def command(home: Path, span: str, as_of: date | None, output: Path | None, form: str, policy: Path | None) -> None:
    """What does each value of one number do, such as tier.growth_min_arr=10000:40000:5000?

    NAME is a path in the policy. Computes, beside production, accounts and ARR by tier, who moves, people needed,
    and NRR by tier. Production's own value is among the values.
    """
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.reading.figures import in_currency
    from segmentation_assets.trials.sweeping import read_range, sweep

    result = sweep(settings.home, settings.policy, read_range(span), as_of)
    with in_currency(load_policy(settings.policy).company.reporting_currency):
        if output is not None:
            from segmentation_assets.report.trials import write_sweep

            write_sweep(result, output)
        if form == "json":
            click.echo(json.dumps(asdict(result), indent=1, ensure_ascii=False, default=str))
            return
        from rich.console import Console

        from segmentation_assets.cli.printing.trials import print_sweep

        print_sweep(Console(highlight=False), result)
    if output is not None:
        click.echo(output)
