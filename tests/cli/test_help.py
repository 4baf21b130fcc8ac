"""Help fits a terminal of 80 columns and is never cut; every command says what it does."""

from __future__ import annotations

from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import COMMANDS, main

_NAMES = [name for names in COMMANDS.values() for name in names]


def _help(*command: str) -> str:
    result = CliRunner().invoke(main, [*command, "--help"], env={"COLUMNS": "80"}, terminal_width=80)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", [(), *((name,) for name in _NAMES)], ids=" ".join)
def test_help_fits_80_columns(command: tuple[str, ...]):
    lines = _help(*command).splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.rstrip().endswith(("...", "…")) and not line.startswith("Usage")]


def test_the_list_says_what_each_command_does_in_one_line():
    listing = _help().splitlines()
    for name in _NAMES:
        [line] = [line for line in listing if line.startswith(f"  {name} ")]
        assert line.rstrip().endswith(".")
    assert "Exit codes: 0 fine; 1 the data" in " ".join(_help().split())


@pytest.mark.parametrize("name", _NAMES)
def test_every_option_is_explained_but_those_whose_name_says_it(name: str):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    plain = {"help", "port", "form"}
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help and p.name not in plain]
    assert silent in ([], ["to"])  # --to names its forms


def test_version():
    assert CliRunner().invoke(main, ["--version"]).output.split()[-1] == version("segmentation-assets")
