"""`segmentation demo`: a sample company, the whole chain on it, and what came of it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import click

from segmentation_assets.cli.options import DAY, settings_of
from segmentation_assets.settings import DEFAULT, keep_private

DAYS, USERS, SEED = 730, 25, 7
"""The sample company's history in days, users per account, and random seed."""


@click.command("demo", short_help="Make a sample company and run everything on it.")
@click.option(
    "--accounts", type=click.IntRange(1), default=400, show_default=True, help="Live accounts of the sample."
)
@click.option("--end", type=DAY, default="yesterday", show_default=True, help="Last day of every extract.")
@click.option(
    "--months", type=click.IntRange(0), default=1, show_default=True, help="Month-ends to compute as history."
)
@click.pass_obj
def command(home: Path, accounts: int, end: date, months: int) -> None:
    """Make a sample company, run the whole chain on it, and say what came of it."""
    from rich.console import Console

    from segmentation_assets.cli.generate import write_sample
    from segmentation_assets.cli.printing.week import print_week
    from segmentation_assets.cli.run import run_tables
    from segmentation_assets.cli.sync import preview
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.sync.connecting import run_of

    keep_private()
    sources = write_sample(settings_of(home).sample, accounts, DAYS, USERS, SEED, end)
    settings = settings_of(home, sources, Path(DEFAULT))
    run_tables(settings, [*month_ends(end, months), end], "*", "table")
    policy = load_policy(settings.policy)
    print_week(Console(), settings.home, policy.company.reporting_currency)
    click.echo("\nA first sync with a CRM:")
    preview(run_of(settings.home, policy, "hubspot"), "table")


def month_ends(end: date, months: int) -> list[date]:
    """The ends of the last `months` months before `end`."""
    ends: list[date] = []
    while len(ends) < months:
        ends.append((ends[-1] if ends else end).replace(day=1) - timedelta(days=1))
    return ends
