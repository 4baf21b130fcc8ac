from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation_assets.profiles.technology  # noqa: F401
from tests.profiles.service import (
    AS_OF,
    ago,
    assert_future_changes_nothing,
    assert_lone_days_equal_backfill,
    figures,
)

TABLE = "account_technology"


def install(tool: str, first: int, relation: str | None = "neutral", last: int | None = None, **columns) -> dict:
    gone = None if last is None else ago(last)
    row = {"account_id": "a", "tool": tool, "first_seen": ago(first), "relation": relation, "last_seen": gone}
    return {**row, **columns}


def test_tools_in_place_by_relation():
    installs = [
        install("crm", 500, "complementary"),
        install("chat", 0, "complementary"),
        install("rival", 500, "competitor"),
        install("old", 500, "legacy"),
        install("zoom", 500, "neutral"),
        install("unjudged", 500, None),
        install("gone today", 500, "legacy", 0),
        install("gone tomorrow", 500, "legacy", -1),
        install("next week", -7, "legacy"),
    ]
    row = figures(TABLE, {"technology_installs": installs})
    counts = ("tools", "complementary_tools", "competitor_tools", "legacy_tools")
    assert [row[n] for n in counts] == [7, 2, 1, 2]


def test_a_tool_seen_twice_or_at_both_merged_accounts_counts_once():
    crm = [{"account_id": "a"}, {"account_id": "old", "merged_into_account_id": "a"}]
    installs = [
        install("crm", 500, "complementary", 300),
        install("crm", 200, "complementary"),
        install("crm", 100, "complementary", account_id="old"),
    ]
    row = figures(TABLE, {"crm_accounts": crm, "technology_installs": installs})
    assert (row["tools"], row["complementary_tools"]) == (1, 1)


@pytest.mark.parametrize(
    ("gone", "new", "change", "word"),
    [(0, 0, 0, "steady"), (1, 0, -1, "consolidating"), (0, 1, 1, "expanding"), (2, 2, 0, "steady")],
)
def test_change_of_the_stack_in_twelve_months(gone: int, new: int, change: int, word: str):
    installs = [install("always", 500)]
    installs += [install(f"gone{i}", 500, last=30) for i in range(gone)]
    installs += [install(f"new{i}", 30) for i in range(new)]
    row = figures(TABLE, {"technology_installs": installs})
    assert (row["net_tools_change_12m"], row["consolidation"]) == (change, word)


def test_the_year_begins_at_the_end_of_the_same_day_a_year_ago():
    installs = [install("base", 500), install("that day", 365), install("the day after", 364)]
    row = figures(TABLE, {"technology_installs": installs})
    assert (row["tools"], row["net_tools_change_12m"]) == (3, 1)  # 2025-03-31 is in the base, 2025-04-01 is new


def test_wider_cuts_are_the_policys():
    installs = [install("always", 500), install("new", 30)]
    wide = {"technology": {"consolidating_at": -2, "expanding_at": 2}}
    assert figures(TABLE, {"technology_installs": installs}, policy=wide)["consolidation"] == "steady"


def test_no_change_is_known_where_the_record_is_younger_than_a_year():
    row = figures(TABLE, {"technology_installs": [install("new", 100)]})
    assert (row["tools"], row["net_tools_change_12m"], row["consolidation"]) == (1, None, None)


@pytest.mark.parametrize(
    ("complementary", "other", "expected"),
    [
        (0, 0, 0.0),
        (1, 3, 0.6 * 0.4 + 0.4 * 0.25),  # 4 of 10 tools, a quarter complementary
        (12, 0, 1.0),  # saturated
        (0, 20, 0.6),
    ],
)
def test_sophistication_saturates(complementary: int, other: int, expected: float):
    installs = [install(f"c{i}", 50, "complementary") for i in range(complementary)]
    installs += [install(f"o{i}", 50) for i in range(other)]
    installs += [install("elsewhere", 50, account_id="b")]
    assert figures(TABLE, {"technology_installs": installs})["sophistication"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("relation", "last", "expected"),
    [
        ("competitor", 0, True),
        ("competitor", 89, True),
        ("competitor", 90, False),
        ("competitor", -1, False),
        ("competitor", None, False),
        ("legacy", 10, False),
    ],
)
def test_a_competitor_is_displaced_when_last_seen_in_90_days(relation: str, last: int | None, expected: bool):
    row = figures(TABLE, {"technology_installs": [install("rival", 200, relation, last)]})
    assert row["competitor_displaced_90d"] is expected


def test_a_competitor_that_came_back_is_not_displaced():
    installs = [install("rival", 200, "competitor", 10), install("rival", 5, "competitor")]
    assert figures(TABLE, {"technology_installs": installs})["competitor_displaced_90d"] is False


def test_unknown_without_an_install_by_then_and_zero_with_one():
    assert set(figures(TABLE, {"technology_installs": [install("x", -1)]}).values()) == {None}
    row = figures(TABLE, {"technology_installs": [install("x", 500)]}, account="b")
    assert row == {
        "tools": 0,
        "complementary_tools": 0,
        "competitor_tools": 0,
        "legacy_tools": 0,
        "net_tools_change_12m": 0,
        "consolidation": "steady",
        "sophistication": 0,
        "competitor_displaced_90d": False,
    }


HISTORY = {
    "technology_installs": [
        install("crm", 900, "complementary"),
        install("rival", 700, "competitor", 50),
        install("old", 600, "legacy", 300),
        install("chat", 100, "complementary", account_id="b"),
        install("zoom", 1),
    ]
}


def test_lone_days_equal_a_backfill():
    assert_lone_days_equal_backfill(TABLE, HISTORY, [ago(901), ago(300), ago(51), AS_OF])


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=10, max_size=30))
def test_what_comes_later_changes_nothing(later: list[tuple[int, bool]]):
    def future(days: int, only_known_later: bool) -> dict:
        if only_known_later:
            return {"technology_installs": [install("later", 300, "competitor", 20, known_from=ago(-days))]}
        return {"technology_installs": [install("later", -days, "competitor")]}

    assert_future_changes_nothing(TABLE, HISTORY, [future(*case) for case in later])


def test_an_end_that_comes_later_leaves_a_tool_in_place():
    installs = [install("x", 400, "competitor", -days) for days in (1, 40, 400)]
    assert figures(TABLE, {"technology_installs": installs})["competitor_tools"] == 1
    assert figures(TABLE, {"technology_installs": installs})["competitor_displaced_90d"] is False
