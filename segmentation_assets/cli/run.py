"""`segmentation run`: bring tables up to date.

Here: options, progress, and what the run came to. Not here: which rounds a run has (`running.planning`) or running
one (`running.runs`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from segmentation_assets.cli.options import (
    DAY,
    format_option,
    policy_option,
    settings_of,
    sources_option,
    with_sources,
)
from segmentation_assets.cli.printing.clock import warn_of_clock
from segmentation_assets.cli.printing.progress import Reporter, messages, reporting
from segmentation_assets.reading.figures import counted
from segmentation_assets.reasons import Refusal
from segmentation_assets.settings import Settings

if TYPE_CHECKING:
    from segmentation_assets.running.outcomes import Outcome, Step
    from segmentation_assets.running.planning import Round
    from segmentation_assets.running.runs import Runner

_SEGMENTS = "segments"


@click.command("run", short_help="Land the extracts and bring the tables up to date.")
@sources_option
@policy_option
@click.option("--as-of", type=DAY, help="The day to compute, at its end. [default: the last that extracts cover]")
@click.option("--from", "first", type=DAY, help="First day of a range, with --to.")
@click.option("--to", "last", type=DAY, help="Last day of a range.")
@click.option(
    "--select",
    "selection",
    default="*",
    show_default=True,
    help="Tables, as Dagster selects assets: `+segments`, `key:tier_kpis`, `group:scores`.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long to wait for another run in the same home. [default: the policy's orchestration.patience_seconds]",
)
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="EXTRACT",
    help="The newest delivery of EXTRACT is right, although it is much smaller or looks cut off.",
)
@format_option("table", "json")
@click.pass_obj
def command(
    home: Path,
    sources: Path | None,
    policy: Path | None,
    accepted: tuple[str, ...],
    as_of: date | None,
    first: date | None,
    last: date | None,
    selection: str,
    wait: float | None,
    form: str,
) -> None:
    """Land the extracts and bring the tables up to date, for one day or a range. What is up to date is kept."""
    days = _days(as_of, first, last)
    settings = with_sources(settings_of(home, sources, policy))
    if accepted:
        from segmentation_assets.extracts.delivery import accept
        from segmentation_assets.extracts.sources import read_sources

        accept(read_sources(settings.sources or Path()), settings.home, accepted)
    run_tables(settings, days, selection, form, wait)


def _days(as_of: date | None, first: date | None, last: date | None) -> list[date]:
    if as_of and (first or last):
        raise click.UsageError("say either --as-of or --from and --to")
    if first or last:
        if not (first and last):
            raise click.UsageError("a range needs both --from and --to")
        if last < first:
            raise click.UsageError(f"--to {last} is before --from {first}")
        return [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return [as_of] if as_of else []


def run_tables(
    settings: Settings, days: Sequence[date], selection: str, form: str, wait: float | None = None
) -> None:
    """Run the selected tables, and say what came of it. Raises Refusal where a table failed."""
    console = messages()
    if selection == "*" and _is_kept(settings, days, form):
        return
    with console.status("loading Dagster and the chain") if console.is_terminal else nullcontext():
        from segmentation_assets.running.planning import plan
        from segmentation_assets.running.runs import Runner

    runner = Runner(settings, wait_seconds=wait)
    planned = plan(runner, selection, days)
    settings.remember()
    warn_of_clock(settings)
    outcomes: list[Outcome] = []
    latest: date | None = None
    for each in planned.rounds():
        outcomes.append(_execute(runner, each))
        if not outcomes[-1].succeeded:
            break
        latest = max(each.days, default=latest)
    if form == "json":
        click.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    _sum_up(outcomes)
    if form == "table" and latest and any(step.table == _SEGMENTS for step in _steps(outcomes)):
        _print_summary(settings, latest)


def _print_summary(settings: Settings, day: date) -> None:
    from segmentation_assets.cli.printing.summary import print_summary
    from segmentation_assets.policy.model import load_policy

    print_summary(Console(), settings.home, day, load_policy(settings.policy).company.reporting_currency)


def _is_kept(settings: Settings, days: Sequence[date], form: str) -> bool:
    """Whether everything is up to date already. Then the command says so and starts no run."""
    from segmentation_assets.running.keeping import kept
    from segmentation_assets.running.outcomes import Outcome, Step

    whole = kept(settings, days)
    if whole is None:
        return False
    settings.remember()
    if whole.why_this_day:
        messages().print(f"as_of {whole.day}: {whole.why_this_day}")
    tables = counted(len(whole.tables), "table")
    messages().print(f"{tables} up to date: 0 made, {len(whole.tables)} kept; no run was started")
    if form == "json":
        steps = tuple(Step(name, "done", days_made=0, days_kept=1) for name in whole.tables)
        click.echo(json.dumps([asdict(Outcome("", True, steps))], indent=1))
    else:
        _print_summary(settings, whole.day)
    return True


def _execute(runner: Runner, each: Round) -> Outcome:
    if each.why_this_day:
        messages().print(f"as_of {each.days[0]}: {each.why_this_day}")
    with reporting(messages(), len(each.tables)) as report:
        return runner.run(each.tables, each.days, _progress_to(report), report.remark)


def _progress_to(report: Reporter) -> Callable[[Step], None]:
    def show(step: Step) -> None:
        if step.state == "started":
            report.working(step.table)
        elif step.state == "done" and not step.days_made:
            report.finished()  # what is kept is counted at the end
        elif step.state == "done":
            days = f"{step.days_made} made" + (f", {step.days_kept} kept" if step.days_kept else "")
            report.finished(f"  {step.table:<28} {step.rows or 0:>10,} rows  {days}  {step.seconds or 0:.1f} s")
        else:
            report.finished(f"  {step.table:<28} {step.state}")

    return show


def _steps(outcomes: Sequence[Outcome]) -> list[Step]:
    return [step for outcome in outcomes for step in outcome.steps]


def _not_used(step: Step) -> str:
    """What of an extract's rows was not used, in rows and in money."""
    said = []
    if step.quarantined:
        said.append(f"{step.quarantined:,} of {counted(step.read or 0, 'row')} refused")
    if step.refused_money:
        said.append(f"with {step.refused_money:,.2f} of {step.money or 0:,.2f} recurring a month")
    if step.left_out:
        said.append(f"{counted(step.left_out, 'row')} left out by the mapping's `where`")
    see = "; `segmentation show quarantine` says why" if step.quarantined else ""
    return ", ".join(said) + see


def _sum_up(outcomes: Sequence[Outcome]) -> None:
    steps = _steps(outcomes)
    failed = [f"{step.table}: {step.reason}" for step in steps if step.state == "failed"]
    if failed or not all(outcome.succeeded for outcome in outcomes):
        skipped = [step.table for step in steps if step.state == "skipped"]
        note = [f"not run, as they read it: {', '.join(skipped)}"] if skipped else []
        reasons = [outcome.reason for outcome in outcomes if outcome.reason]
        raise Refusal("\n".join([*failed, *(reasons or note)]) or "the run failed; see `segmentation ui`")
    for step in steps:
        if step.days_made and (step.quarantined or step.left_out):
            messages().print(f"  {step.table}: {_not_used(step)}", highlight=False)
    changed = sum(bool(step.days_made) for step in steps)
    messages().print(f"{counted(len(steps), 'table')} up to date: {changed} made, {len(steps) - changed} kept")
