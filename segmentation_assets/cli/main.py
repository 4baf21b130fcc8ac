"""The `segmentation` command: its groups of commands and what holds for all of them.

Here: the list of commands, the home, the version. Not here: what a command does (a module of its own name), shared
options (`options`), errors (`errors`), completion (`completion`), or how rows look (`printing`).

Data goes to stdout, everything else to stderr. A command's module is loaded when it is called, and imports what it
needs when it runs: `show` and `explain` load neither Dagster nor the chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from segmentation_assets.cli.errors import shown_as_messages
from segmentation_assets.cli.options import FOLDER
from segmentation_assets.settings import find_home

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Try it": ("demo", "generate"),
    "Compute": ("init", "check-sources", "run"),
    "Look": ("report", "explain", "show", "app", "export", "views"),
    "Hand on": ("sync", "digest", "mcp"),
    "Understand": ("dictionary", "lineage", "scenario", "what-if", "sweep", "tune"),
    "Keep current": ("watch", "ui", "status", "verify", "compact", "close"),
    "Set up": ("completion",),
}
"""Every command, under the heading that help shows it. `check-sources` is the module `check_sources`."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS."""
        del ctx
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from its module; None: there is no such command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return import_module(f"segmentation_assets.cli.{cmd_name.replace('-', '_')}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each heading."""
        widest = max(map(len, self.list_commands(ctx)))
        for heading, names in COMMANDS.items():
            commands = [(name, command) for name in names if (command := self.get_command(ctx, name))]
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<{widest}}", command.short_help or "") for name, command in commands])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises for people becomes a message."""
        with shown_as_messages():
            return super().invoke(ctx)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine; 1 the data, a file or the run failed, with the reason; 2 wrong use.",
)
@click.option(
    "--home",
    type=FOLDER,
    metavar="DIR",
    help="Folder that everything is kept in. [default: SEGMENTATION_HOME, else data/]",
)
@click.version_option(package_name="segmentation-assets", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, home: Path | None) -> None:
    """Account segmentation: from a company's extracts to segments, KPIs and plans, day by day."""
    context.obj = find_home(home)


if __name__ == "__main__":
    main()
