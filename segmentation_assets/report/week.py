"""My week: what each person has to do today, this week and later.

Here: the page's view model, and the tasks as data for the script, which shows one person's list. Not here: the tasks
(`reading.tasks`), or one person's list as a file (`personal`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segmentation_assets.policy.plays import PLAY_KINDS
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.reading.figures import counted, day, money, number, share
from segmentation_assets.reading.tasks import NOBODY, PLAYS, ROLES, TIMINGS, Task, people_of, tasks
from segmentation_assets.report.accounts import csm_names
from segmentation_assets.report.evidence import Evidence, Row

TASKS = (
    "account_id", "name", "what", "why", "due_on", "due", "timing", "overdue", "arr", "owner", "role", "kind",
    "material", "remarks", "who", "rank",
)  # fmt: skip
"""Columns of the tasks for the script."""
ADHERENCE = "play_adherence"
LEADS = "lead_routes"
ALL = "all"
"""The company's row of `play_adherence`, and a tier's row of all kinds."""
AUTOMATED = "automation"
"""The key of the list of what automation does."""


@dataclass(frozen=True)
class PersonWeek:
    """One person's line: how many plays, by when, and the ARR of the accounts with a play today."""

    key: str
    name: str
    roles: str
    counts: tuple[tuple[str, int], ...]
    overdue: int
    arr_today: float


@dataclass(frozen=True)
class Promise:
    """How a tier's plays of the last three months were done; `kinds` has the share in time of each kind."""

    name: str
    row: Row
    kinds: tuple[Row | None, ...]


@dataclass(frozen=True)
class LeadRoute:
    """A recent lead: its row, and what its likely segment rests on."""

    row: Row
    why: str


@dataclass(frozen=True)
class WeekPage:
    """Everything on the page."""

    people: tuple[PersonWeek, ...] = ()
    timings: tuple[str, ...] = tuple(TIMINGS.values())
    lead: str = ""
    held_out: str = ""
    kinds: tuple[str, ...] = PLAY_KINDS
    promises: tuple[Promise, ...] = ()
    promises_lead: str = ""
    leads: tuple[LeadRoute, ...] = ()
    leads_lead: str = ""
    gaps: tuple[str, ...] = ()


def week_tasks(evidence: Evidence) -> list[Task]:
    """Everybody's tasks of the day; none without plays_due."""
    if not evidence.has(PLAYS):
        return []
    return tasks(evidence.connection, evidence.as_of, csm_names(evidence))


def week_page(evidence: Evidence, everything: Sequence[Task]) -> WeekPage:
    """Make the page."""
    if not evidence.has(PLAYS):
        return WeekPage(gaps=evidence.gaps(PLAYS))
    by_key: dict[str, list[Task]] = {}
    for task in everything:
        by_key.setdefault(key_of(task), []).append(task)
    people = people_of(evidence.connection, evidence.as_of, csm_names(evidence))
    lines = [_line(key, people, mine) for key, mine in by_key.items()]
    lines.sort(key=lambda line: (line.key in (AUTOMATED, NOBODY), -line.arr_today, line.name, line.key))
    held = evidence.rows("SELECT count(*) AS n FROM plays_due WHERE as_of = ? AND is_held_out", evidence.as_of)[0][
        "n"
    ]
    return WeekPage(
        people=tuple(lines),
        lead=_lead(everything),
        held_out=f"{counted(held, 'play')} held out for comparison (policy plays.holdout_shares)." if held else "",
        promises=(promises := _promises(evidence)),
        promises_lead=_promises_lead(promises),
        leads=(leads := _leads(evidence)),
        leads_lead=_leads_lead(leads),
        gaps=evidence.gaps("csm_supply", "csm_performance", ADHERENCE, LEADS),
    )


def _promises(evidence: Evidence) -> tuple[Promise, ...]:
    """A line for each tier with plays that fell due, and one for the company; none without play_adherence."""
    rows = {(row["coverage_tier"], row["kind"]): row for row in evidence.of_day(ADHERENCE)}
    return tuple(
        Promise("Company" if tier == ALL else tier, row, tuple(rows.get((tier, kind)) for kind in PLAY_KINDS))
        for tier in (*TIERS, ALL)
        if (row := rows.get((tier, ALL)))
    )


def _promises_lead(promises: Sequence[Promise]) -> str:
    if not promises:
        return ""
    row = promises[-1].row
    late = f", half of those late by {number(row['median_days_late'])} days or more" if row["done_late"] else ""
    return (
        f"Of {counted(row['due'], 'play')} that opened and fell due since {day(row['starts_on'])}, "
        f"{share(row['in_time_share'])} were done in time, {row['done_late']:,} late{late}; {row['not_done']:,} not."
    )


def _leads(evidence: Evidence) -> tuple[LeadRoute, ...]:
    """The recent leads by team, the newest first."""
    rows = evidence.of_day(LEADS, order="team, created_on DESC NULLS LAST, lead_id")
    return tuple(LeadRoute(row, _why_likely(row)) for row in rows)


def _why_likely(row: Row) -> str:
    if row["likely_segment"] is None:
        return "size not known" if row["size_class"] is None else "no account of its size"
    few = "; few accounts" if row["low_n"] else ""
    return f"{share(row['likely_share'], 0)} of {counted(row['peers'], 'account')} of its {row['peers_by']}{few}"


def _leads_lead(leads: Sequence[LeadRoute]) -> str:
    if not leads:
        return ""
    teams = Counter(str(each.row["team"]) for each in leads)
    listed = ", ".join(f"{team} {count:,}" for team, count in teams.items())
    return f"{counted(len(leads), 'recent lead')} by team: {listed}."


def key_of(task: Task) -> str:
    """The key of the list that a task stands on."""
    return AUTOMATED if task.is_automated else task.owner


def _line(key: str, people: dict[str, str], mine: Sequence[Task]) -> PersonWeek:
    today = {task.account_id: task.arr for task in mine if task.timing == "today"}
    roles = sorted({ROLES[task.role] for task in mine if not task.is_stand_in}) if key != AUTOMATED else []
    name = {AUTOMATED: "Automated", NOBODY: "nobody is named"}.get(key) or people.get(key, key)
    return PersonWeek(
        key or "nobody", name, ", ".join(roles),
        tuple((timing, sum(task.timing == timing for task in mine)) for timing in TIMINGS),
        sum(task.is_overdue for task in mine), sum(today.values()),
    )  # fmt: skip


def _lead(everything: Sequence[Task]) -> str:
    mine = [task for task in everything if not task.is_automated]
    late = [task for task in mine if task.is_overdue]
    today = [task for task in mine if task.timing == "today"]
    arr = sum({task.account_id: task.arr for task in today}.values())
    return (
        f"{counted(len(today), 'play')} for people today, {len(late)} of them overdue, for accounts with "
        f"{money(arr)} ARR; automation has {counted(len(everything) - len(mine), 'play')} more."
    )


def packed_tasks(everything: Sequence[Task]) -> list[list[Any]]:
    """The tasks for the script, in the order of a list."""
    return [
        [task.account_id, task.account_name, task.title, task.why, task.due_on, task.due_in_words, task.timing,
         task.is_overdue, round(task.arr), key_of(task) or "nobody", ROLES[task.role], task.kind, task.material,
         task.remarks, task.owner_name, task.place]
        for task in everything
    ]  # fmt: skip
