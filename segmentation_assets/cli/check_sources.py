"""`segmentation check-sources`: what is wrong with a mapping. Not here: the checks (`extracts.checking`)."""

from __future__ import annotations

from pathlib import Path

import click

from segmentation_assets.cli.options import policy_option, settings_of, sources_option, with_sources
from segmentation_assets.cli.printing.progress import messages
from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.figures import counted
from segmentation_assets.reasons import Refusal
from segmentation_assets.settings import Settings


@click.command("check-sources", short_help="Check the mapping of your extracts before a run.")
@sources_option
@policy_option
@click.pass_obj
def command(home: Path, sources: Path | None, policy: Path | None) -> None:
    """Say what is wrong with the mapping of your extracts, before anything runs."""
    check(with_sources(settings_of(home, sources, policy)))


def check(settings: Settings) -> None:
    """Print warnings. Raises Refusal with every problem that would stop a run."""
    from segmentation_assets.extracts.checking import check_sources
    from segmentation_assets.extracts.sources import read_sources
    from segmentation_assets.policy.model import load_policy

    mapping = read_sources(with_sources(settings).sources or Path())
    remarks = check_sources(mapping, load_policy(settings.policy).sections)
    for remark in remarks:
        if remark.is_warning:
            messages().print(f"[yellow]warning:[/] {escape(str(remark))}")
    problems = [remark for remark in remarks if not remark.is_warning]
    if problems:
        raise Refusal("\n".join([f"{counted(len(problems), 'problem')} with {mapping.file}", *map(str, problems)]))
    messages().print(f"{mapping.file}: {counted(len(mapping.extracts), 'extract')}, no problems")
