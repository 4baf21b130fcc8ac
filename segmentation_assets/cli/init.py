"""`segmentation init`: a first mapping of a folder of exports. Not here: working it out (`extracts.proposing`)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segmentation_assets.cli.check_sources import check
from segmentation_assets.cli.options import FOLDER, settings_of
from segmentation_assets.cli.printing.progress import messages
from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.figures import counted
from segmentation_assets.reasons import Refusal

if TYPE_CHECKING:
    from segmentation_assets.extracts.profiling import Folder
    from segmentation_assets.extracts.proposing import Proposal, Question

_MAPPING, _POLICY = "sources.yaml", "policy.yaml"


@click.command("init", short_help="Propose a mapping of a folder of exports.")
@click.argument("folder", type=FOLDER)
@click.option("--yes", is_flag=True, help="Ask nothing: take the safest answer, and say so in the mapping.")
@click.option("--force", is_flag=True, help="Replace a sources.yaml that is there.")
@click.pass_obj
def command(home: Path, folder: Path, yes: bool, force: bool) -> None:
    """Look at the exports in FOLDER and write a sources.yaml beside them, with a reason for each decision.

    What the files cannot tell is asked. Then the mapping is checked as `check-sources` does.
    """
    if not folder.is_dir():
        raise click.UsageError(f"there is no folder {folder}")
    mapping = folder / _MAPPING
    if mapping.exists() and not force:
        raise click.UsageError(f"{mapping} is there already: correct it, or replace it with --force")
    proposal, look = _proposed(folder, yes)
    mapping.write_text(proposal.text, encoding="utf-8")
    _say(mapping, proposal, look)
    policy = _policy(folder, proposal)
    check(settings_of(home, mapping, policy), shows_mapping=True)
    named = f" --policy {policy}" if policy else ""
    messages().print(
        f"Next:\n  segmentation --home my-company run --sources {mapping}{named}\n"
        "  segmentation --home my-company report --open"
    )


def _proposed(folder: Path, yes: bool) -> tuple[Proposal, Folder]:
    import duckdb

    from segmentation_assets.extracts.profiling import profile
    from segmentation_assets.extracts.proposing import propose
    from segmentation_assets.policy.model import load_policy

    def ask(question: Question) -> str:
        return question.safest if yes else _answer_to(question)

    with tempfile.TemporaryDirectory() as work, duckdb.connect(":memory:") as connection:
        connection.execute("SET enable_progress_bar = false")
        look = profile(folder.resolve(), connection, Path(work))
        try:
            return propose(look, ask, load_policy().company.reporting_currency), look
        except LookupError as error:
            bad = "".join(f"\n{name}: {why}" for name, why in look.unreadable.items())
            raise Refusal(f"{folder}: {error.args[0]}{bad}") from None


def _answer_to(question: Question) -> str:
    """An answer from the terminal."""
    console = messages()
    console.print(f"\n[bold]{escape(question.text)}[/]")
    for answer, meaning in question.answers.items():
        console.print(f"  {escape(answer)}: {escape(meaning)}")
    return click.prompt(
        "Answer", type=click.Choice([*question.answers]), default=question.safest, err=True, show_choices=False
    )


def _say(mapping: Path, proposal: Proposal, look: Folder) -> None:
    from segmentation_assets.extracts.proposing import UNLOCKS

    console = messages()
    console.print(f"{mapping}: {counted(len(proposal.extracts), 'extract')} of {counted(len(look.files), 'file')}")
    for name, why in look.unreadable.items():
        console.print(f"[yellow]not read:[/] {escape(name)}: {escape(why)}")
    for name in proposal.unused:
        console.print(f"[yellow]not used:[/] {escape(name)}: it looks like no extract")
    absent = {name: what for name, what in UNLOCKS.items() if name not in proposal.extracts}
    if absent:
        console.print("Absent, and what each would bring:")
    for name, what in absent.items():
        console.print(f"  [dim]{name}: {what}[/]")


def _policy(folder: Path, proposal: Proposal) -> Path | None:
    """A policy beside the mapping, where all money is in another currency than the shipped policy reports in."""
    from segmentation_assets.policy.model import load_policy

    if proposal.currency in {None, load_policy().company.reporting_currency}:
        return None
    file = folder / _POLICY
    if not file.exists():
        file.write_text(
            f"company: {{reporting_currency: {proposal.currency}}}   # all subscriptions are in it\n",
            encoding="utf-8",
        )
        messages().print(f"{file}: reports in {proposal.currency}")
    return file
