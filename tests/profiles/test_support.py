from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation_assets.profiles.support  # noqa: F401
from tests.profiles.service import (
    AS_OF,
    ago,
    assert_future_changes_nothing,
    assert_lone_days_equal_backfill,
    computed,
    figures,
)


def at(days: int, hour: int = 12) -> datetime:
    return datetime.combine(ago(days), datetime.min.time()) + timedelta(hours=hour)


def ticket(number: int, opened: int, **columns) -> dict:
    return {"ticket_id": f"t{number}", "account_id": "a", "opened_at": at(opened), **columns}


def test_windows_end_at_as_of_and_are_open_at_their_far_end():
    days = [0, 27, 28, 89, 90, 364, 365]
    row = figures("account_support", {"support_tickets": [ticket(i, d) for i, d in enumerate(days)]})
    assert (row["tickets_28d"], row["tickets_90d"], row["tickets_12m"]) == (2, 4, 6)


def test_per_100_seats_uses_the_90_days_and_the_seats_of_the_day():
    extracts = {
        "support_tickets": [ticket(i, 10) for i in range(3)],
        "account_revenue": [
            {"as_of": AS_OF, "account_id": "a", "seats": 60},
            {"as_of": ago(1), "account_id": "a", "seats": 1},
            {"as_of": AS_OF, "account_id": "b", "seats": 0},
        ],
    }
    rows = computed("account_support", extracts)
    assert rows[AS_OF, "a"]["tickets_per_100_seats"] == pytest.approx(5.0)  # 3 x 100 / 60
    assert rows[AS_OF, "b"]["tickets_per_100_seats"] is None  # no seats to divide by


def test_first_response_is_the_mean_over_tickets_answered_by_then():
    tickets = [
        ticket(1, 10, first_response_at=at(10, 15)),  # 3 h
        ticket(2, 5, first_response_at=at(4, 12)),  # 24 h
        ticket(3, 1, first_response_at=at(-1, 12)),  # answered tomorrow: not yet
        ticket(4, 91, first_response_at=at(90, 12)),  # too long ago
    ]
    assert figures("account_support", {"support_tickets": tickets})["first_response_hours"] == pytest.approx(13.5)


def test_hours_and_satisfaction_count_when_the_ticket_is_resolved():
    tickets = [
        ticket(1, 400, resolved_at=at(300), handling_hours=4.0, csat=1.0),  # opened before, resolved in the year
        ticket(2, 100, resolved_at=at(20), handling_hours=2.0, csat=4.0),  # csat in the window by its resolution
        ticket(3, 3, resolved_at=at(-2), handling_hours=50.0, csat=1.0),  # resolved in two days: not yet
        ticket(4, 2, handling_hours=0.5, csat=3.0),  # never resolved: by its opening
        ticket(5, 500, resolved_at=at(400), handling_hours=70.0, csat=1.0),  # over a year ago
    ]
    row = figures("account_support", {"support_tickets": tickets})
    assert row["handling_hours_12m"] == pytest.approx(6.5)
    assert row["csat"] == pytest.approx(3.5)


def test_sentiment_is_the_mean_of_tickets_opened_in_the_window():
    tickets = [ticket(1, 1, sentiment=-0.5), ticket(2, 2, sentiment=0.1), ticket(3, 3), ticket(4, 95, sentiment=1.0)]
    assert figures("account_support", {"support_tickets": tickets})["sentiment"] == pytest.approx(-0.2)


def test_escalations_are_open_until_resolved():
    tickets = [
        ticket(1, 500, is_escalated=True),
        ticket(2, 10, is_escalated=True, resolved_at=at(-1)),
        ticket(3, 10, is_escalated=True, resolved_at=at(0)),
        ticket(4, 10, is_escalated=False),
        ticket(5, 10),
    ]
    assert figures("account_support", {"support_tickets": tickets})["open_escalations"] == 2


def test_self_service_ratio_over_90_days():
    extracts = {
        "support_tickets": [ticket(1, 5)],
        "self_service_sessions": [
            {"account_id": "a", "used_on": ago(0), "channel": "chatbot", "sessions": 2},
            {"account_id": "a", "used_on": ago(89), "channel": "community", "sessions": 1},
            {"account_id": "a", "used_on": ago(90), "channel": "chatbot", "sessions": 40},
        ],
    }
    rows = computed("account_support", extracts)
    assert rows[AS_OF, "a"]["self_service_sessions_90d"] == 3
    assert rows[AS_OF, "a"]["self_service_ratio"] == pytest.approx(0.75)
    assert rows[AS_OF, "b"]["self_service_sessions_90d"] == 0
    assert rows[AS_OF, "b"]["self_service_ratio"] is None  # nothing asked for, nothing to divide by


def test_without_any_row_by_then_everything_is_unknown():
    row = figures("account_support", {"support_tickets": [ticket(1, -1)]})
    assert set(row.values()) == {None}


def test_an_account_without_tickets_is_known_to_have_none():
    row = figures("account_support", {"support_tickets": [ticket(1, 200, handling_hours=1.0)]}, account="b")
    counts = ("tickets_28d", "tickets_90d", "tickets_12m", "open_escalations", "handling_hours_12m")
    assert [row[name] for name in counts] == [0, 0, 0, 0, 0]
    assert (row["csat"], row["sentiment"], row["first_response_hours"]) == (None, None, None)
    assert (row["self_service_sessions_90d"], row["self_service_ratio"]) == (None, None)


def test_hours_are_unknown_where_no_ticket_says_them():
    row = figures("account_support", {"support_tickets": [ticket(1, 5)]})
    assert (row["tickets_12m"], row["handling_hours_12m"]) == (1, None)


def test_a_merged_account_counts_with_the_one_it_was_merged_into():
    crm = [{"account_id": "a"}, {"account_id": "old", "merged_into_account_id": "a"}]
    tickets = [ticket(1, 5), {**ticket(2, 6), "account_id": "old"}]
    rows = computed("account_support", {"crm_accounts": crm, "support_tickets": tickets})
    assert list(rows) == [(AS_OF, "a")]
    assert rows[AS_OF, "a"]["tickets_28d"] == 2


def test_the_day_ends_where_the_company_is():
    midnight = {"ticket_id": "t", "account_id": "a", "opened_at": at(0, 22)}  # summer time: April 1st, 0:00
    before = {"ticket_id": "u", "account_id": "a", "opened_at": at(0, 22) - timedelta(minutes=1)}
    berlin = {"company": {"timezone": "Europe/Berlin"}}
    assert figures("account_support", {"support_tickets": [midnight, before]}, policy=berlin)["tickets_28d"] == 1
    assert figures("account_support", {"support_tickets": [midnight, before]})["tickets_28d"] == 2


HISTORY = {
    "support_tickets": [
        ticket(i, d, resolved_at=at(d - 20), handling_hours=1.5, csat=3.0, is_escalated=i % 2 == 0, sentiment=0.2)
        for i, d in enumerate((0, 1, 30, 31, 95, 200, 380))
    ],
    "self_service_sessions": [
        {"account_id": "b", "used_on": ago(d), "channel": "chatbot", "sessions": 1} for d in (2, 40, 100)
    ],
    "account_revenue": [{"as_of": ago(d), "account_id": "a", "seats": 10 + d} for d in (0, 1, 31, 60, 400)],
}


def test_lone_days_equal_a_backfill():
    assert_lone_days_equal_backfill("account_support", HISTORY, [ago(400), ago(31), AS_OF])


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=10, max_size=30))
def test_what_comes_later_changes_nothing(later: list[tuple[int, bool]]):
    def future(days: int, only_known_later: bool) -> dict:
        resolved = {"resolved_at": at(-days - 1), "is_escalated": True, "csat": 1.0, "handling_hours": 9.0}
        new = (
            ticket(100, 3, **resolved, known_from=ago(-days)) if only_known_later else ticket(100, -days, **resolved)
        )
        session = {"account_id": "a", "used_on": ago(-days), "channel": "community", "sessions": 5}
        return {"support_tickets": [new], "self_service_sessions": [session]}

    assert_future_changes_nothing("account_support", HISTORY, [future(*case) for case in later])


def test_a_lone_day_has_a_row_for_each_known_account():
    assert set(computed("account_support", {}, date(2025, 1, 1))) == {
        (date(2025, 1, 1), "a"),
        (date(2025, 1, 1), "b"),
    }
