"""`segmentation report`: write the report of a day. Not here: what is in it (`report`)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from segmentation_assets.cli import completion
from segmentation_assets.cli.options import DAY, FILE, policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages, reporting
from segmentation_assets.reading.figures import counted


@click.command("report", short_help="Write the report, one HTML file, and open it.")
@click.option(
    "--as-of",
    type=DAY,
    help="The day to report on. [default: the latest that all its tables have]",
    shell_complete=completion.days,
)
@click.option("--output", type=FILE, help="Write to this file instead of the home's reports folder.")
@click.option(
    "--for",
    "person",
    metavar="NAME",
    help="Only the list of one CSM or account executive: what is due, with a calendar file (.ics) beside it.",
)
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
@policy_option
@click.pass_obj
def command(
    home: Path, as_of: date | None, output: Path | None, person: str | None, opens: bool, policy: Path | None
) -> None:
    """Write the report of a day: one HTML file that works without a network."""
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.policy.model import load_policy

    chosen, console = load_policy(settings.policy), messages()
    if person is not None:
        from segmentation_assets.report.personal import write_personal

        mine = write_personal(settings.home, chosen, person, as_of, output)
        console.print(f"{mine.person}, {mine.as_of}: {counted(mine.tasks, 'play')}, {mine.today} of them today")
        click.echo(mine.file)
        click.echo(mine.calendar)
        if opens:
            click.launch(mine.file.absolute().as_uri())
        return
    from segmentation_assets.report.publishing import publish_report, write_report

    with reporting(console) as progress:
        if output:
            report = write_report(settings.home, chosen, as_of, output, progress.working)
        else:
            report = publish_report(settings.home, chosen, as_of, progress=progress.working)
    for reason in report.missing:
        console.print(f"the report does without: {reason}")
    console.print(
        f"{counted(report.accounts, 'account')} on {report.as_of}, {report.size_bytes / 1e6:.1f} MB, "
        f"{report.seconds:.1f} s"
    )
    click.echo(report.file)
    if opens:
        click.launch(report.file.absolute().as_uri())
