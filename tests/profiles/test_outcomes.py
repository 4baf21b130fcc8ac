from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation_assets.profiles.outcomes  # noqa: F401
from tests.profiles.service import (
    AS_OF,
    ago,
    assert_future_changes_nothing,
    assert_lone_days_equal_backfill,
    computed,
    figures,
)

TABLE = "account_outcomes"


def goal(name: str, set_on: int | None, due: int | None, met: int | None = None) -> dict:
    days = {"set_on": set_on, "due_on": due, "met_on": met}
    return {"account_id": "a", "goal": name, **{n: None if d is None else ago(d) for n, d in days.items()}}


def test_goals_set_due_met_and_late():
    goals = [
        goal("in time", 100, 50, 50),
        goal("late", 100, 50, 20),
        goal("missed", 100, 50),
        goal("due today", 100, 0),
        goal("due tomorrow", 100, -1),
        goal("met ahead", 100, -30, 1),
        goal("met tomorrow", 100, 10, -1),
        goal("no due date", 100, None, 4),
        goal("set tomorrow", -1, -50),
    ]
    assert figures(TABLE, {"success_goals": goals}) == {
        "goals_set": 8,
        "goals_due": 5,
        "goals_met": 4,
        "goals_met_late": 1,
        "goals_met_share": pytest.approx(4 / 7),  # 5 due, and 2 met without being due
    }


def test_a_goal_without_the_day_it_was_set_counts_once_it_is_due_or_met():
    goals = [goal("due", None, 5), goal("met", None, -5, 2), goal("neither", None, -5), goal("undated", None, None)]
    row = figures(TABLE, {"success_goals": goals})
    assert (row["goals_set"], row["goals_due"], row["goals_met"]) == (2, 1, 1)


def test_unknown_without_a_goal_by_then_and_zero_with_one():
    assert set(figures(TABLE, {"success_goals": [goal("x", -1, -9)]}).values()) == {None}
    row = figures(TABLE, {"success_goals": [goal("x", 5, -9)]}, account="b")
    assert (row["goals_set"], row["goals_due"], row["goals_met"], row["goals_met_late"]) == (0, 0, 0, 0)
    assert row["goals_met_share"] is None


def test_goals_of_a_merged_account_are_the_survivors():
    crm = [{"account_id": "a", "merged_into_account_id": "b"}, {"account_id": "b"}]
    rows = computed(TABLE, {"crm_accounts": crm, "success_goals": [goal("x", 5, 3)]})
    assert rows[AS_OF, "b"]["goals_due"] == 1
    assert (AS_OF, "a") not in rows


HISTORY = {
    "success_goals": [
        goal("one", 300, 200, 190),
        goal("two", 90, 10, 12),
        goal("three", 60, 1),
        goal("four", 2, -60),
    ]
}


def test_lone_days_equal_a_backfill():
    assert_lone_days_equal_backfill(TABLE, HISTORY, [ago(301), ago(195), ago(11), AS_OF])


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=10, max_size=30))
def test_what_comes_later_changes_nothing(later: list[tuple[int, bool]]):
    def future(days: int, only_known_later: bool) -> dict:
        if only_known_later:
            return {"success_goals": [{**goal("later", 50, 40, 30), "known_from": ago(-days)}]}
        return {"success_goals": [goal("later", -days, -days - 9, -days)]}

    assert_future_changes_nothing(TABLE, HISTORY, [future(*case) for case in later])
