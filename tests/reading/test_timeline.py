"""What happened with an account: sentences worked out by hand, as known on the day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from segmentation_assets.reading.figures import in_currency
from segmentation_assets.reading.timeline import open_opportunities, timelines

DAY = date(2026, 3, 31)
EVER, NEVER = date(1900, 1, 1), date(2200, 1, 1)
SCHEMAS = {
    "arr_steps": {"as_of": pa.date32(), "day": pa.date32(), "until": pa.date32(), "arr": pa.float64()},
    "segment_moves": {
        "as_of": pa.date32(), "kind": pa.string(), "effective_on": pa.date32(), "moved_from": pa.string(),
        "moved_to": pa.string(),
    },
    "interactions": {
        "occurred_on": pa.date32(), "kind": pa.string(), "initiated_by": pa.string(), "play": pa.string(),
    },
    "support_tickets": {
        "opened_at": pa.timestamp("us"), "resolved_at": pa.timestamp("us"), "priority": pa.string(),
        "is_escalated": pa.bool_(),
    },
    "opportunities": {
        "opportunity_id": pa.string(), "kind": pa.string(), "stage": pa.string(), "amount_arr": pa.float64(),
        "created_on": pa.date32(), "closed_on": pa.date32(), "competitor": pa.string(), "loss_reason": pa.string(),
    },
    "success_goals": {"goal": pa.string(), "due_on": pa.date32(), "met_on": pa.date32()},
}  # fmt: skip


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 9)  # noqa: DTZ001 - extracts hold UTC without a zone


def scene(**tables: Sequence[Mapping[str, Any]]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    for name, rows in tables.items():
        kinds = {"account_id": pa.string(), "known_from": pa.date32(), "known_to": pa.date32(), **SCHEMAS[name]}
        filled = [{"account_id": "a", "as_of": DAY, "known_from": EVER, "known_to": NEVER, **row} for row in rows]
        frame = pa.Table.from_pylist(filled, schema=pa.schema(list(kinds.items())))
        connection.register("rows", frame)
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM rows')
    return connection


def sentences(most: int = 99, **tables: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    with in_currency("USD"):
        events = timelines(scene(**tables), tables, DAY, 365, most)
    return [(event.on.isoformat(), event.what) for event in events.get("a", [])]


def test_arr_begins_rises_falls_ends_and_stands_still_in_silence():
    steps = [
        (date(2025, 5, 1), date(2025, 7, 1), 12_000.0), (date(2025, 7, 1), date(2025, 9, 1), 12_000.0),
        (date(2025, 9, 1), date(2025, 11, 1), 18_000.0), (date(2025, 11, 1), date(2026, 1, 1), 6_000.0),
        (date(2026, 2, 1), None, 3_000.0),
    ]  # fmt: skip
    assert sentences(arr_steps=[{"day": a, "until": b, "arr": c} for a, b, c in steps]) == [
        ("2026-02-01", "ARR begins with $3.00k."),
        ("2026-01-01", "ARR of $6.00k ends."),
        ("2025-11-01", "ARR falls from $18.0k to $6.00k."),
        ("2025-09-01", "ARR rises from $12.0k to $18.0k."),
        ("2025-05-01", "ARR begins with $12.0k."),
    ]


def test_emails_and_plain_tickets_are_counted_by_month_and_the_rest_is_named():
    talks = [
        {"occurred_on": date(2026, 3, 2), "kind": "email"}, {"occurred_on": date(2026, 3, 9), "kind": "email"},
        {"occurred_on": date(2026, 3, 5), "kind": "meeting", "initiated_by": "customer"},
        {"occurred_on": date(2026, 3, 4), "kind": "email", "play": "success_plan"},
        {"occurred_on": date(2026, 4, 1), "kind": "call"},
    ]  # fmt: skip
    assert sentences(interactions=talks) == [
        ("2026-03-09", "2 emails in March 2026."),
        ("2026-03-05", "Meeting, by the customer."),
        ("2026-03-04", "Play done: success plan (email)."),
    ]
    tickets = [
        {"opened_at": at(3, 1), "resolved_at": at(4, 2), "priority": "urgent",
         "is_escalated": True},
        {"opened_at": at(2, 1), "resolved_at": at(2, 2), "is_escalated": True},
        {"opened_at": at(2, 3), "priority": "low"},
    ]  # fmt: skip
    assert sentences(support_tickets=tickets) == [
        ("2026-03-01", "Ticket opened, urgent and escalated; still open."),
        ("2026-02-03", "1 other ticket in February 2026."),
        ("2026-02-01", "Ticket opened, escalated."),
    ]


def test_what_was_not_yet_known_or_is_too_old_is_left_out():
    assert sentences(
        success_goals=[
            {"goal": "go_live", "met_on": date(2026, 3, 1)},
            {"goal": "roll_out", "due_on": date(2026, 3, 2), "met_on": date(2026, 4, 2)},
            {"goal": "later", "met_on": date(2026, 3, 3), "known_from": date(2026, 4, 1)},
            {"goal": "old", "met_on": date(2025, 3, 31)},
        ]
    ) == [("2026-03-02", "Goal due and not met: roll out."), ("2026-03-01", "Goal met: go live.")]


def test_opportunities_are_events_and_the_open_ones_a_list():
    offers = [
        {"opportunity_id": "o1", "kind": "renewal", "stage": "open", "amount_arr": 500.0,
         "created_on": date(2026, 1, 1), "competitor": "Rival"},
        {"opportunity_id": "o2", "kind": "expansion", "stage": "lost", "amount_arr": 900.0,
         "created_on": date(2025, 1, 1), "closed_on": date(2026, 2, 1), "competitor": "Rival",
         "loss_reason": "too_expensive"},
        {"opportunity_id": "o3", "kind": "expansion", "stage": "won", "amount_arr": 700.0,
         "created_on": date(2026, 2, 2), "closed_on": date(2026, 4, 1)},
    ]  # fmt: skip
    assert sentences(opportunities=offers) == [
        ("2026-02-02", "Expansion opportunity of $700 opened."),
        ("2026-02-01", "Expansion opportunity of $900 lost to Rival: too expensive."),
        ("2026-01-01", "Renewal opportunity of $500 opened."),
    ]
    assert open_opportunities(scene(opportunities=offers), DAY, quote=lambda text: f"«{text}»") == {
        "a": [("expansion", 700.0, date(2026, 2, 2), ""), ("renewal", 500.0, date(2026, 1, 1), "«Rival»")]
    }


def test_a_timeline_is_bounded_to_its_newest_events():
    goals = [{"goal": f"g{n}", "met_on": date(2026, 3, n)} for n in range(1, 20)]
    assert sentences(most=2, success_goals=goals) == [
        ("2026-03-19", "Goal met: g19."), ("2026-03-18", "Goal met: g18."),
    ]  # fmt: skip
