"""An account in a few sentences: what a person should know before a call.

Here: the sentences, from the published figures of one account. Not here: what is due (`tasks`), what happened before
(`timeline`), or the reasons of its segment and tier (`explanations`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import duckdb

from segmentation_assets.reading.figures import counted, day, money, number, share

Row = Mapping[str, Any]

_COLUMNS = (
    "first_paid_on", "renewal_on", "days_to_renewal", "leaving_on", "paused_on", "executive_sponsor",
    "active_users_28d", "users_trend", "mau_seat_share", "single_champion", "new_champions", "tickets_90d", "csat",
    "open_escalations", "goals_due", "goals_met_share", "overdue_days", "nps", "days_since_last_touch",
)  # fmt: skip


def briefings(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    account_id: str | None = None,
    person: Callable[[str], str] = str,
) -> dict[str, tuple[str, ...]]:
    """The sentences of each live account, or of one, from views of `segments` and `account_profiles`.

    `person` writes the name of a person, which somebody typed into the CRM.
    """
    present = {row[0] for row in connection.execute("DESCRIBE account_profiles").fetchall()}
    columns = ", ".join(f"p.{name}" if name in present else f"NULL AS {name}" for name in _COLUMNS)
    result = connection.execute(
        f"SELECT s.*, {columns} FROM segments s JOIN account_profiles p ON p.as_of = s.as_of "
        "AND p.account_id = s.account_id WHERE s.as_of = ? AND (? IS NULL OR s.account_id = ?)",
        [as_of, account_id, account_id],
    )
    names = [column[0] for column in result.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in result.fetchall()]
    return {row["account_id"]: briefing(row, person) for row in rows}


def briefing(row: Row, person: Callable[[str], str] = str) -> tuple[str, ...]:
    """Who the account is and when it renews; how it does; what is open. What is not known is left out."""
    paragraphs = (_who(row), _how(row), _open(row, person))
    return tuple(" ".join(sentences) for sentences in paragraphs if sentences)


def _who(row: Row) -> list[str]:
    since = f", a customer since {day(row['first_paid_on'])}" if row["first_paid_on"] else ""
    sentences = [f"{row['segment']} account in the {row['coverage_tier']} tier with {money(row['arr'])} ARR{since}."]
    if row["leaving_on"]:
        sentences.append(f"It is known to leave on {day(row['leaving_on'])}.")
    elif row["renewal_on"]:
        risk = f"; churn risk in 90 days is {share(row['churn_risk'], 0)}" if row["churn_risk"] is not None else ""
        sentences.append(f"It renews on {day(row['renewal_on'])}, in {counted(row['days_to_renewal'], 'day')}{risk}.")
    if row["paused_on"]:
        sentences.append(f"It has paused since {day(row['paused_on'])}.")
    return sentences


def _how(row: Row) -> list[str]:
    sentences = []
    if row["health_score"] is not None:
        weakest = f", weakest in {row['weakest_dimension']}" if row["weakest_dimension"] else ""
        sentences.append(f"Health is {number(row['health_score'])} of 100{weakest}.")
    if row["active_users_28d"] is not None:
        seats = f", {share(row['mau_seat_share'], 0)} of its seats" if row["mau_seat_share"] is not None else ""
        trend = row["users_trend"]
        way = (
            f", {share(abs(trend), 0)} {'fewer' if trend < 0 else 'more'} than in the four weeks before"
            if trend
            else ""
        )
        sentences.append(f"{counted(row['active_users_28d'], 'user')} in four weeks{seats}{way}.")
    if row["single_champion"]:
        sentences.append("One user makes most of the use: if that person leaves, the account may leave, too.")
    if row["new_champions"]:
        sentences.append(f"{counted(row['new_champions'], 'new champion')} in the last four weeks.")
    return sentences


def _open(row: Row, person: Callable[[str], str]) -> list[str]:
    sentences = []
    if row["tickets_90d"] is not None:
        escalated = f", {number(row['open_escalations'])} escalated and open" if row["open_escalations"] else ""
        csat = f"; CSAT {number(row['csat'], 1)}" if row["csat"] is not None else ""
        sentences.append(f"{counted(row['tickets_90d'], 'ticket')} in 90 days{escalated}{csat}.")
    if row["goals_due"]:
        met = "" if row["goals_met_share"] is None else f", {share(row['goals_met_share'], 0)} of them met"
        sentences.append(f"{counted(row['goals_due'], 'goal')} due so far{met}.")
    if row["overdue_days"]:
        sentences.append(f"An invoice is {counted(row['overdue_days'], 'day')} overdue.")
    if row["days_since_last_touch"] is not None:
        sentences.append(f"The last touch was {counted(row['days_since_last_touch'], 'day')} ago.")
    if row["executive_sponsor"]:
        sentences.append(f"Executive sponsor: {person(row['executive_sponsor'])}.")
    return sentences
