"""One person's week on the screen: the first plays that are due. Not here: which are (`reading.tasks`)."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from segmentation_assets.cli.printing.grid import print_table
from segmentation_assets.reading.access import NotPublished
from segmentation_assets.reading.escaping import printable
from segmentation_assets.reading.figures import in_currency, money
from segmentation_assets.reading.tasks import lists_of
from segmentation_assets.settings import find_home

_MOST = 6


def print_week(console: Console, home: Path, currency: str) -> None:
    """The list of the CSM with the most ARR due today, shortened; nothing where no play is due for a CSM."""
    try:
        lists = lists_of(home)
    except NotPublished:
        return
    person = lists.busiest()
    if person is None:
        return
    mine, name = lists.of(person), lists.people[person]
    with in_currency(currency):
        body = [
            [task.account_name, task.title, task.due_in_words, money(task.arr), task.why] for task in mine[:_MOST]
        ]
        title = f"This week of {name}: the first {len(body)} of {len(mine)} plays"
        print_table(console, ["account", "what to do", "due", "ARR", "why"], body, title=title)
    option = "" if home == find_home() else f"--home {home} "
    command = f'segmentation {option}report --for "{printable(name)}"'
    console.print(f"  {command}   the whole list, to mail, with a calendar file",
                  highlight=False, soft_wrap=True, markup=False)  # fmt: skip
