"""`segmentation check-sources`: what is wrong with a mapping. Not here: the checks (`extracts.checking`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segmentation_assets.cli.options import policy_option, settings_of, sources_option, with_sources
from segmentation_assets.cli.printing.progress import messages
from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.figures import counted
from segmentation_assets.reasons import Refusal
from segmentation_assets.settings import Settings

if TYPE_CHECKING:
    from segmentation_assets.extracts.checking import Understood


@click.command("check-sources", short_help="Check the mapping of your extracts before a run.")
@sources_option
@policy_option
@click.pass_obj
def command(home: Path, sources: Path | None, policy: Path | None) -> None:
    """Say how the mapping of your extracts is read, and what is wrong with it, before anything runs.

    All rows are held to the rules of their extract, in memory: nothing is written.
    """
    check(with_sources(settings_of(home, sources, policy)), shows_mapping=True)


def check(settings: Settings, *, shows_mapping: bool = False) -> None:
    """Print warnings. Raises Refusal with every problem that would stop a run."""
    from segmentation_assets.extracts.checking import examine
    from segmentation_assets.extracts.sources import read_sources
    from segmentation_assets.policy.model import load_policy

    mapping = read_sources(with_sources(settings).sources or Path())
    examination = examine(mapping, load_policy(settings.policy).sections)
    remarks = examination.problems
    for understood in examination.mappings if shows_mapping else ():
        messages().print(_in_words(understood))
    for remark in remarks:
        if remark.is_warning and (shows_mapping or not remark.is_few):
            messages().print(f"[yellow]warning:[/] {escape(str(remark))}")
    problems = [remark for remark in remarks if not remark.is_warning]
    if problems:
        raise Refusal("\n".join([f"{counted(len(problems), 'problem')} with {mapping.file}", *map(str, problems)]))
    messages().print(f"{mapping.file}: {counted(len(mapping.extracts), 'extract')}, no problems")


def _in_words(mapping: Understood) -> str:
    """Rows, what fills which column, what stays empty, and what of the source is not used."""
    drops = f", the newest of {mapping.drops} drops" if mapping.drops > 1 else ""
    filled = [c if c == said else f"{c} ← {said}" for c, said in mapping.columns.items()]
    lines = [f"[bold]{mapping.extract}[/] {escape(mapping.file)}{drops}: {counted(mapping.rows, 'row')}"]
    lines.append(f"  read: {escape(', '.join(filled))}")
    if mapping.empty:
        lines.append(f"  [dim]empty: {', '.join(mapping.empty)}[/]")
    if mapping.unused:
        lines.append(f"  [dim]not used: {escape(', '.join(mapping.unused))}[/]")
    return "\n".join(lines)
