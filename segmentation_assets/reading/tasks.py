"""What each person has to do: the plays that are due, with names, in the order of a list.

Here: tasks from `plays_due`, the people who have them, and finding a person by name. Not here: which play is due
(`activation.plays`), or how a list looks (the faces).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from segmentation_assets.reading.access import Days, NotPublished, find_table, newest_whole_day, open_tables
from segmentation_assets.reading.figures import counted, day
from segmentation_assets.reading.play_reasons import reason_of
from segmentation_assets.reasons import Refusal

PLAYS = "plays_due"
NAMES_FROM = ("csm_performance", "csm_supply")
"""Tables with the names of CSMs, the later one first."""
TIMINGS: Mapping[str, str] = {"today": "Today", "this_week": "This week", "later": "Later"}
"""The parts of a list, with their names for people. Today has what is overdue, too."""
ROLES: Mapping[str, str] = {
    "csm": "CSM", "account_executive": "Account executive", "executive_sponsor": "Executive sponsor",
    "automation": "Automated",
}  # fmt: skip
NOBODY = ""
_CLOSE = 6


class UnknownPerson(Refusal, LookupError):
    """Nobody of this name has an account or a task on that day. The message lists similar names."""


@dataclass(frozen=True)
class Task:
    """One play that is due, as a person's list says it."""

    account_id: str
    account_name: str
    kind: str
    play_id: str
    step: int | None
    place: int
    """Order within the account."""
    title: str
    why: str
    material: str
    timing: str
    opened_on: date
    due_on: date
    days_until_due: int
    is_overdue: bool
    arr: float
    role: str
    owner: str
    """CSM id or name; empty: nobody is named."""
    owner_name: str
    is_stand_in: bool
    last_done_on: date | None
    replanned_on: date | None
    segment: str
    coverage_tier: str
    renewal_on: date | None

    @property
    def is_automated(self) -> bool:
        """Whether no person does it."""
        return self.role == "automation"

    @property
    def due_in_words(self) -> str:
        """The day, and how long overdue."""
        if not self.is_overdue:
            return day(self.due_on)
        late = -self.days_until_due
        return f"{day(self.due_on)}, {counted(late, 'day')} overdue" if late else f"{day(self.due_on)}, now overdue"

    @property
    def remarks(self) -> str:
        """What a person should know beside the task: a stand-in, a new plan, the last time."""
        parts = [f"stands in for the {ROLES[self.role].lower()}"] if self.is_stand_in else []
        if self.replanned_on:
            parts.append(f"planned anew after the move of {day(self.replanned_on)}")
        if self.last_done_on:
            parts.append(f"last done {day(self.last_done_on)}")
        return "; ".join(parts)


def tasks(connection: duckdb.DuckDBPyConnection, as_of: date, names: Mapping[str, str]) -> list[Task]:
    """The plays due on a day without those held out, in the order of a list: today first, then ARR x urgency."""
    result = connection.execute(
        "SELECT p.*, s.account_name FROM plays_due p LEFT JOIN segments s ON s.as_of = p.as_of "
        "AND s.account_id = p.account_id WHERE p.as_of = ? AND NOT p.is_held_out "
        "ORDER BY list_position(['today', 'this_week', 'later'], p.timing), p.arr_urgency DESC, p.place, "
        "p.account_id",
        [as_of],
    )
    columns = [column[0] for column in result.description or ()]
    return [_task(dict(zip(columns, row, strict=True)), names) for row in result.fetchall()]


def _task(row: Mapping[str, Any], names: Mapping[str, str]) -> Task:
    same = (
        "account_id", "kind", "play_id", "step", "place", "title", "material", "timing", "opened_on", "due_on",
        "days_until_due", "is_overdue", "arr", "is_stand_in", "last_done_on", "replanned_on", "segment",
        "coverage_tier", "renewal_on",
    )  # fmt: skip
    owner = row["owner"] or NOBODY
    return Task(
        **{name: row[name] for name in same},
        account_name=row["account_name"] or row["account_id"],
        why=reason_of(row),
        role=row["owner_role"],
        owner=owner,
        owner_name=names.get(owner, owner) or ("Automated" if row["owner_role"] == "automation" else "nobody"),
    )


def names_of_csms(connection: duckdb.DuckDBPyConnection, tables: Iterable[str], as_of: date) -> dict[str, str]:
    """CSMs' names by id, from those of NAMES_FROM that are among `tables`."""
    names: dict[str, str] = {}
    present = set(tables)
    for table in (each for each in NAMES_FROM if each in present):
        rows = connection.execute(
            f'SELECT csm_id, csm_name FROM "{table}" WHERE as_of = ? AND csm_name IS NOT NULL', [as_of]
        ).fetchall()
        names |= dict(rows)
    return names


@dataclass(frozen=True)
class Lists:
    """All tasks of one day, and the people of that day by the key that tasks and accounts name them with."""

    as_of: date
    tasks: Sequence[Task]
    people: Mapping[str, str]

    def of(self, person: str) -> list[Task]:
        """The tasks of one person, by key."""
        return [task for task in self.tasks if task.owner == person and not task.is_automated]

    def find(self, name: str) -> str:
        """The key of a person, by id or name, whatever the case. Raises UnknownPerson."""
        wanted = " ".join(name.split()).casefold()
        matches = [key for key, full in self.people.items() if wanted in (key.casefold(), full.casefold())]
        if matches:
            return matches[0]
        known_names = sorted({each for each in self.people.values() if each})
        close = [each for each in known_names if wanted in each.casefold()] or difflib.get_close_matches(
            name, known_names, _CLOSE, 0.5
        )
        hint = (
            f"did you mean {' or '.join(close[:_CLOSE])}?" if close else f"names: {', '.join(known_names[:_CLOSE])}"
        )
        raise UnknownPerson(f"nobody called {name!r} has an account or a task on {self.as_of}; {hint}")

    def busiest(self) -> str | None:
        """The CSM with the most ARR x urgency due today: one to show. None: nobody has a task."""
        worth: dict[str, float] = {}
        for task in self.tasks:
            if task.owner and task.role == "csm":
                worth[task.owner] = worth.get(task.owner, 0.0) + (task.arr if task.timing == "today" else 0.0)
        return min(worth, key=lambda key: (-worth[key], key)) if worth else None


def lists_of(home: Path | str | None, as_of: date | str | None = None) -> Lists:
    """Everybody's tasks on a day, by default the newest with plays and segments. Raises NotPublished."""
    chosen = newest_whole_day(PLAYS, ("segments",), home) if as_of is None else find_table(PLAYS, home).day_of(as_of)
    tables: dict[str, Days] = {PLAYS: chosen, "segments": chosen}
    for name in NAMES_FROM:
        try:
            find_table(name, home).of(chosen)
        except NotPublished:
            continue
        tables[name] = chosen
    with open_tables(tables, home) as connection:
        names = names_of_csms(connection, tables, chosen)
        people = people_of(connection, chosen, names)
        return Lists(chosen, tasks(connection, chosen, names), people)


def people_of(connection: duckdb.DuckDBPyConnection, as_of: date, names: Mapping[str, str]) -> dict[str, str]:
    """Everybody who has an account or a task on the day: name by key, in the order of names."""
    rows = connection.execute(
        "SELECT csm_id FROM segments WHERE as_of = ? AND csm_id IS NOT NULL "
        "UNION SELECT account_executive FROM segments WHERE as_of = ? AND account_executive IS NOT NULL "
        "UNION SELECT owner FROM plays_due WHERE as_of = ? AND owner IS NOT NULL",
        [as_of, as_of, as_of],
    ).fetchall()
    people = {key: names.get(key, key) for (key,) in rows}
    return dict(sorted(people.items(), key=lambda item: (item[1], item[0])))
