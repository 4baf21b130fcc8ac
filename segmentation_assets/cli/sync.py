"""`segmentation sync`: bring a CRM up to date. Not here: what is sent, or how (`sync`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segmentation_assets.cli.options import format_option, policy_option, settings_of
from segmentation_assets.cli.printing.progress import messages, reporting
from segmentation_assets.reasons import Refusal

if TYPE_CHECKING:
    from segmentation_assets.sync.applying import Result, Run


@click.command("sync", short_help="Send segments and scores to HubSpot or Salesforce.")
@click.argument("system", type=click.Choice(["hubspot", "salesforce"]))
@click.option("--apply", "applies", is_flag=True, help="Write. Without it, say what would be written.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N accounts, the most urgent first.")
@click.option(
    "--setup", "is_setup", is_flag=True, help="Check the CRM's fields and picklists; with --apply, add to them."
)
@click.option("--confirm", is_flag=True, help="Write although many accounts change segment, or many are gone.")
@format_option("table", "json")
@policy_option
@click.pass_obj
def command(
    home: Path,
    system: str,
    applies: bool,
    limit: int | None,
    is_setup: bool,
    confirm: bool,
    form: str,
    policy: Path | None,
) -> None:
    """Send what changed since the CRM last acknowledged it. Without --apply nothing is sent and nobody is asked.

    Secrets are read from the environment: HUBSPOT_TOKEN; SALESFORCE_CLIENT_ID with SALESFORCE_CLIENT_SECRET, or with
    SALESFORCE_USERNAME and SALESFORCE_PRIVATE_KEY.
    """
    settings = settings_of(home, policy=policy, needs_sources=False)
    from segmentation_assets.policy.model import load_policy
    from segmentation_assets.sync.connecting import run_of

    with reporting(messages()) as progress:
        run = run_of(
            settings.home,
            load_policy(settings.policy),
            system,
            progress=lambda done, total: progress.working(f"{done:,} of {total:,} accounts"),
        )
        if is_setup:
            _set_up(run, applies, form)
        elif applies:
            _end(run, run.apply(limit, confirm), form)
        else:
            preview(run, form)


def _set_up(run: Run, applies: bool, form: str) -> None:
    steps = run.set_up() if applies else run.setup_steps()
    if form == "json":
        click.echo(json.dumps([{"field": step.name, "new": step.is_new, "values": step.values} for step in steps]))
        return
    for step in steps:
        click.echo(str(step))
    if not steps:
        messages().print("the CRM has every field and value")
    elif not applies:
        messages().print("nothing was written: --setup --apply adds these, and removes nothing")


def preview(run: Run, form: str) -> None:
    """Say what a sync would send, and send nothing."""
    from segmentation_assets.cli.printing.syncing import preview_as_plain, print_preview
    from segmentation_assets.reading.figures import in_currency

    facts = run.preview()
    if form == "json":
        _echo(preview_as_plain(facts))
        return
    with in_currency(run.policy.company.reporting_currency):
        print_preview(facts)


def _end(run: Run, result: Result, form: str) -> None:
    from segmentation_assets.cli.printing.syncing import print_result, result_as_plain

    del run
    if form == "json":
        _echo(result_as_plain(result))
    else:
        print_result(result)
    if result.faults:
        raise Refusal(
            f"{result.faults:,} values or accounts did not reach the CRM; `segmentation show crm_sync_log "
            "--where \"outcome NOT IN ('acknowledged', 'confirmed')\"` says why. The same command tries them again"
        )


def _echo(plain: Any) -> None:
    click.echo(json.dumps(plain, indent=1, default=str, ensure_ascii=False))
