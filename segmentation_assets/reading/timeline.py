"""What happened with an account, newest first, and which opportunities are open.

Here: changes of ARR, moves, meetings, plays, tickets, opportunities and goals as sentences, from extracts and
published tables, as known at the end of a day. Not here: a page (`report`), or an answer (`assistants`). Emails, and
tickets that are neither urgent nor escalated, are counted by month: one by one they would hide the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from segmentation_assets.reading.figures import counted, label, money

Row = Mapping[str, Any]
Quote = Callable[[str], str]

EXTRACTS = ("interactions", "support_tickets", "opportunities", "success_goals")
"""Extracts that the timeline reads. They have no days: what was known on a day is in their columns."""
OF_THE_DAY = ("arr_steps", "segment_moves")
_ONE = "($account IS NULL OR account_id = $account)"
_KNOWN = f"known_from <= $day AND known_to > $day AND account_id IS NOT NULL AND {_ONE}"


@dataclass(frozen=True)
class Event:
    """Something that happened on a day: its kind, and a sentence."""

    on: date
    kind: str
    what: str


def timelines(
    connection: duckdb.DuckDBPyConnection,
    tables: Collection[str],
    as_of: date,
    days: int,
    most: int,
    account_id: str | None = None,
    quote: Quote = str,
) -> dict[str, list[Event]]:
    """By account, at most `most` events of the last `days`, newest first, from those of the tables that have a view.

    `quote` writes a text of data, which somebody typed elsewhere.
    """
    scene = _Scene(connection, as_of, as_of - timedelta(days=days), account_id, quote)
    makers: Mapping[str, Callable[[], Iterator[tuple[str, Event]]]] = {
        "arr_steps": scene.billing, "segment_moves": scene.moves, "interactions": scene.interactions,
        "support_tickets": scene.tickets, "opportunities": scene.opportunities, "success_goals": scene.goals,
    }  # fmt: skip
    by_account: dict[str, list[Event]] = defaultdict(list)
    for table, make in makers.items():
        if table in tables:
            for account, event in make():
                by_account[account].append(event)
    return {
        account: sorted(events, key=lambda event: (-event.on.toordinal(), event.kind, event.what))[:most]
        for account, events in by_account.items()
    }


def open_opportunities(
    connection: duckdb.DuckDBPyConnection, as_of: date, account_id: str | None = None, quote: Quote = str
) -> dict[str, list[tuple[str, float | None, date, str]]]:
    """By account, what is open at the end of a day: kind, ARR, since when, and the competitor."""
    scene = _Scene(connection, as_of, as_of, account_id, quote)
    rows = scene.rows(
        "SELECT account_id, kind, amount_arr, created_on, competitor FROM opportunities "
        f"WHERE {_KNOWN} AND created_on <= $day AND (closed_on IS NULL OR closed_on > $day) "
        "ORDER BY amount_arr DESC NULLS LAST, opportunity_id"
    )
    listed: dict[str, list[tuple[str, float | None, date, str]]] = defaultdict(list)
    for row in rows:
        competitor = quote(row["competitor"]) if row["competitor"] else ""
        listed[row["account_id"]].append((row["kind"], row["amount_arr"], row["created_on"], competitor))
    return dict(listed)


@dataclass(frozen=True)
class _Scene:
    connection: duckdb.DuckDBPyConnection
    as_of: date
    since: date
    account_id: str | None
    quote: Quote

    def rows(self, sql: str) -> Sequence[Row]:
        named = {"day": self.as_of, "since": self.since, "account": self.account_id}
        result = self.connection.execute(sql, {name: value for name, value in named.items() if f"${name}" in sql})
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, values, strict=True)) for values in result.fetchall()]

    def billing(self) -> Iterator[tuple[str, Event]]:
        """ARR that began, rose, fell or ended."""
        rows = self.rows(
            "SELECT * FROM (SELECT account_id, day, arr, until, lag(arr) OVER steps AS old, lag(until) OVER steps AS "
            "old_until, lead(day) OVER steps AS following FROM arr_steps WHERE as_of = $day AND "
            "($account IS NULL OR account_id = $account) WINDOW steps AS (PARTITION BY account_id ORDER BY day))"
        )
        for row in rows:
            if self.since < row["day"] <= self.as_of:
                old = row["old"] if row["old_until"] == row["day"] else None
                if old is None:
                    yield row["account_id"], Event(row["day"], "billing", f"ARR begins with {money(row['arr'])}.")
                elif round(old, 2) != round(row["arr"], 2):
                    way = "rises" if row["arr"] > old else "falls"
                    text = f"ARR {way} from {money(old)} to {money(row['arr'])}."
                    yield row["account_id"], Event(row["day"], "billing", text)
            if row["until"] and self.since < row["until"] <= self.as_of and row["following"] != row["until"]:
                text = f"ARR of {money(row['arr'])} ends."
                yield row["account_id"], Event(row["until"], "billing", text)

    def moves(self) -> Iterator[tuple[str, Event]]:
        """Moves of segment and tier."""
        rows = self.rows(
            "SELECT DISTINCT account_id, kind, effective_on, moved_from, moved_to FROM segment_moves "
            f"WHERE as_of <= $day AND effective_on > $since AND effective_on <= $day AND {_ONE}"
        )
        for row in rows:
            text = f"{label(row['kind'])} {row['moved_from']} to {row['moved_to']}."
            yield row["account_id"], Event(row["effective_on"], "move", text)

    def interactions(self) -> Iterator[tuple[str, Event]]:
        """Plays, meetings, calls and reviews one by one; emails by month."""
        rows = self.rows(
            "SELECT account_id, occurred_on, kind, initiated_by, play FROM interactions "
            f"WHERE {_KNOWN} AND occurred_on > $since AND occurred_on <= $day"
        )
        emails = []
        for row in rows:
            if row["play"]:
                text = f"Play done: {self.quote(row['play'].replace('_', ' '))} ({label(row['kind']).lower()})."
                yield row["account_id"], Event(row["occurred_on"], "play", text)
            elif row["kind"] == "email":
                emails.append((row["account_id"], row["occurred_on"]))
            else:
                by = {"us": ", by us", "customer": ", by the customer"}.get(row["initiated_by"], "")
                yield row["account_id"], Event(row["occurred_on"], "interaction", f"{label(row['kind'])}{by}.")
        yield from _by_month(emails, "interaction", "email")

    def tickets(self) -> Iterator[tuple[str, Event]]:
        """Urgent and escalated tickets one by one; others by month."""
        rows = self.rows(
            "SELECT account_id, opened_at::DATE AS opened_on, resolved_at::DATE AS resolved_on, priority, "
            f"is_escalated FROM support_tickets WHERE {_KNOWN} AND opened_at::DATE > $since "
            "AND opened_at::DATE <= $day"
        )
        others = []
        for row in rows:
            if row["priority"] != "urgent" and not row["is_escalated"]:
                others.append((row["account_id"], row["opened_on"]))
                continue
            words = " and ".join(
                word for word, holds in (("urgent", row["priority"] == "urgent"), ("escalated", row["is_escalated"]))
                if holds
            )  # fmt: skip
            is_open = row["resolved_on"] is None or row["resolved_on"] > self.as_of
            text = f"Ticket opened, {words}{'; still open' if is_open else ''}."
            yield row["account_id"], Event(row["opened_on"], "ticket", text)
        yield from _by_month(others, "ticket", "other ticket")

    def opportunities(self) -> Iterator[tuple[str, Event]]:
        """Opportunities opened, won and lost."""
        rows = self.rows(
            "SELECT account_id, kind, stage, amount_arr, created_on, closed_on, competitor, loss_reason "
            f"FROM opportunities WHERE {_KNOWN} AND created_on <= $day"
        )
        for row in rows:
            what = f"{label(row['kind'])} opportunity of {money(row['amount_arr'])}"
            if row["created_on"] > self.since:
                yield row["account_id"], Event(row["created_on"], "opportunity", f"{what} opened.")
            if row["closed_on"] and self.since < row["closed_on"] <= self.as_of and row["stage"] != "open":
                to = f" to {self.quote(row['competitor'])}" if row["stage"] == "lost" and row["competitor"] else ""
                lost = row["stage"] == "lost" and row["loss_reason"]
                why = f": {self.quote(row['loss_reason'].replace('_', ' '))}" if lost else ""
                yield row["account_id"], Event(row["closed_on"], "opportunity", f"{what} {row['stage']}{to}{why}.")

    def goals(self) -> Iterator[tuple[str, Event]]:
        """Goals met, and goals due that were not."""
        rows = self.rows(f"SELECT account_id, goal, due_on, met_on FROM success_goals WHERE {_KNOWN}")
        for row in rows:
            goal = self.quote(row["goal"].replace("_", " "))
            if row["met_on"] and self.since < row["met_on"] <= self.as_of:
                yield row["account_id"], Event(row["met_on"], "goal", f"Goal met: {goal}.")
            is_met = row["met_on"] and row["met_on"] <= self.as_of
            if not is_met and row["due_on"] and self.since < row["due_on"] <= self.as_of:
                yield row["account_id"], Event(row["due_on"], "goal", f"Goal due and not met: {goal}.")


def _by_month(dated: Sequence[tuple[str, date]], kind: str, noun: str) -> Iterator[tuple[str, Event]]:
    """One event per account and month, on the last day that something happened in it."""
    months: dict[tuple[str, int, int], list[date]] = defaultdict(list)
    for account, on in dated:
        months[account, on.year, on.month].append(on)
    for (account, _, _), days in months.items():
        last = max(days)
        yield account, Event(last, kind, f"{counted(len(days), noun)} in {last:%B %Y}.")
