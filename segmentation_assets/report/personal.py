"""One person's list, to mail or print: one HTML file without a script, and a calendar file of the due dates.

Here: both files of one person. Not here: what is due (`activation.plays`), the tasks (`reading.tasks`), or
everybody's lists on one page (`week`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.calendar_files import Event, calendar
from segmentation_assets.reading.figures import counted, day, in_currency, money
from segmentation_assets.reading.palette import style_variables
from segmentation_assets.reading.tasks import ROLES, TIMINGS, Lists, Task, lists_of
from segmentation_assets.report.document import environment
from segmentation_assets.report.publishing import reports_folder, write_atomically
from segmentation_assets.tables.as_of import next_working_day

LISTS = "lists"
_NOT_IN_NAMES = re.compile(r"[^\w-]+")


@dataclass(frozen=True)
class PersonalList:
    """The files of one person's list."""

    person: str
    as_of: date
    file: Path
    calendar: Path
    tasks: int
    today: int


def write_personal(
    home: Path, policy: Policy, person: str, as_of: date | str | None = None, file: Path | None = None
) -> PersonalList:
    """Write a person's list and its calendar file beside it, by default into the home's reports, which keep the lists
    of the newest days (policy `report.kept`).

    Raises NotPublished without plays_due, UnknownPerson, and OSError if a file cannot be written.
    """
    lists = lists_of(home, as_of)
    key = lists.find(person)
    name, mine = lists.people[key], lists.of(key)
    folder = reports_folder(home) / LISTS
    is_kept_in_home = file is None
    file = file or folder / f"{lists.as_of}-{_file_name(name)}.html"
    with in_currency(policy.company.reporting_currency):
        text = _document(lists, name, mine)
        dates = calendar(f"Due: {name}", events(mine, lists.as_of), datetime.now().astimezone())
    write_atomically(file, text)
    beside = file.with_suffix(".ics")
    write_atomically(beside, dates)
    if is_kept_in_home:
        prune(folder, policy.report.kept)
    return PersonalList(name, lists.as_of, file, beside, len(mine), sum(task.timing == "today" for task in mine))


def prune(folder: Path, days: int) -> None:
    """Remove the lists of all but the newest days."""
    by_day: dict[str, list[Path]] = {}
    for path in folder.glob("????-??-??-*"):
        by_day.setdefault(path.name[: len("2026-01-01")], []).append(path)
    for day_of_lists in sorted(by_day)[:-days]:
        for path in by_day[day_of_lists]:
            path.unlink(missing_ok=True)


def _file_name(name: str) -> str:
    return _NOT_IN_NAMES.sub("-", name).strip("-").lower()[:60] or "list"


def _document(lists: Lists, name: str, mine: Sequence[Task]) -> str:
    parts = [(title, [task for task in mine if task.timing == timing]) for timing, title in TIMINGS.items()]
    return environment().get_template("personal.html").render(
        name=name, as_of=day(lists.as_of), lead=lead(mine), parts=parts, roles=ROLES, style=style_variables(),
    )  # fmt: skip


def lead(mine: Sequence[Task]) -> str:
    """What the list comes to, in a sentence."""
    today = [task for task in mine if task.timing == "today"]
    if not mine:
        return "Nothing is due."
    accounts = {task.account_id: task.arr for task in today}
    late = sum(task.is_overdue for task in mine)
    overdue = f", {late} of them overdue" if late else ""
    week = sum(task.timing == "this_week" for task in mine)
    return (
        f"{counted(len(today), 'play')} due today for accounts with {money(sum(accounts.values()))} ARR{overdue}; "
        f"{week} more this week, {len(mine) - len(today) - week} later."
    )


def events(mine: Sequence[Task], as_of: date) -> list[Event]:
    """An event for each task on the day it is due; what is overdue stands on the next working day."""
    next_day = next_working_day(as_of)
    return [
        Event(
            f"{task.account_id}|{task.play_id}|{task.step}|{task.opened_on}",
            next_day if task.is_overdue else task.due_on,
            f"{'Overdue: ' if task.is_overdue else ''}{task.account_name}: {task.title}",
            f"{task.why}\nContent: {task.material}\nARR {money(task.arr)}, account {task.account_id}"
            + (f"\n{task.remarks}" if task.remarks else ""),
        )
        for task in mine
    ]
