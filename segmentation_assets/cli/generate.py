"""`segmentation generate`: a sample company's extracts. Not here: how they are made (`sample`)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from segmentation_assets.cli.options import DAY, FOLDER
from segmentation_assets.cli.printing.progress import messages, reporting


@click.command("generate", short_help="Write a sample company's extracts to a folder.")
@click.argument("directory", type=FOLDER)
@click.option("--accounts", type=click.IntRange(1), default=400, show_default=True, help="Live accounts at the end.")
@click.option("--days", type=click.IntRange(1), default=730, show_default=True, help="Days of history.")
@click.option("--users-per-account", type=click.IntRange(1), default=25, show_default=True, help="On average.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same company.")
@click.option("--end", type=DAY, default="yesterday", show_default=True, help="Last day of every extract.")
def command(directory: Path, accounts: int, days: int, users_per_account: int, seed: int, end: date) -> None:
    """Write a realistic sample company into DIRECTORY: all extracts and their sources.yaml."""
    write_sample(directory, accounts, days, users_per_account, seed, end)


def write_sample(directory: Path, accounts: int, days: int, users: int, seed: int, end: date) -> Path:
    """Write the sample and say what it is; returns its mapping."""
    from segmentation_assets.sample.generate import generate

    console = messages()
    with reporting(console) as report:
        sample = generate(
            directory,
            accounts=accounts,
            days=days,
            users_per_account=users,
            seed=seed,
            end=end,
            progress=lambda text: report.working(f"writing {text}"),
        )
    console.print(
        f"A sample company up to {sample.end}: {sample.live_accounts:,} live accounts, "
        f"{sample.churned_accounts:,} churned, ARR {sample.arr:,.0f}; {sum(sample.rows.values()):,} rows in "
        f"{len(sample.rows)} extracts\nsources: {sample.sources}"
    )
    return sample.sources
