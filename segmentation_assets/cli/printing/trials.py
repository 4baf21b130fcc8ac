"""Trials of other policies in the terminal. Not here: their figures and words (`trials`), their page (`report`)."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from segmentation_assets.cli.printing.grid import print_table
from segmentation_assets.reading.figures import counted, day
from segmentation_assets.trials import words
from segmentation_assets.trials.sweeping import Sweep
from segmentation_assets.trials.tuning import Tuning
from segmentation_assets.trials.what_if import WhatIf


def print_what_if(console: Console, trial: WhatIf, most: int) -> None:
    """The sentence, what changes in the policy, each comparison as a table, then the accounts that move."""
    console.print(Text(words.outcome(trial), style="bold"), soft_wrap=True)
    if trial.is_same:
        return
    console.print(Text(f"The policy against production's, by the data at the end of {day(trial.as_of)}:"))
    for one in trial.differences:
        console.print(Text(f"  {words.difference(one)}"), soft_wrap=True)
    for shown in words.tables(trial):
        print_table(console, shown.header, shown.rows, title=shown.title)
    _print_moves(console, trial, most)
    for reason in trial.reasons:
        console.print(Text(f"Not compared: {reason}"), soft_wrap=True)


def print_sweep(console: Console, result: Sweep) -> None:
    """The points as tables: accounts and people, then ARR and NRR by tier."""
    console.print(Text(words.sweep_title(result), style="bold"), soft_wrap=True)
    for shown in words.sweep_tables(result):
        print_table(console, shown.header, shown.rows, title=shown.title)
    for reason in result.reasons:
        console.print(Text(reason), soft_wrap=True)


def print_tuning(console: Console, result: Tuning) -> None:
    """What the search came to, line by line. A proposal itself goes to stdout."""
    for line in words.tuning_lines(result):
        console.print(Text(line), soft_wrap=True)


def _print_moves(console: Console, trial: WhatIf, most: int) -> None:
    shown = words.moves(trial, most)
    if not shown.rows:
        return
    console.print(Text(shown.title, style="italic"))
    for account, name, arr, by, move, cause in shown.rows:
        line = Text(f"  {account} {name}, {arr}: {by} {move}; ") + Text(cause, style="dim")
        console.print(line, soft_wrap=True)
    if len(trial.moved) > most:
        console.print(Text(f"  and {counted(len(trial.moved) - most, 'move')} more (--moves {len(trial.moved)})"))
