"""Were plays done in the promised time? Dates worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from segmentation_assets.policy.plays import PLAY_KINDS
from tests.companies import DEFAULT, Company

FRIDAY = date(2026, 11, 27)
LISTS = THREE_AGO, ONE_AGO = date(2026, 8, 27), date(2026, 10, 27)
Row = dict[str, Any]


def play(account: str, due_on: date, listed_on: date = ONE_AGO, **values: Any) -> Row:
    """A row of a past list: a renewal step of a Core account that opened a week before it was due, unless said."""
    row: Row = {
        "as_of": listed_on, "account_id": account, "kind": "renewal", "play": "renewal_outreach",
        "coverage_tier": "Core", "opened_on": date.fromordinal(due_on.toordinal() - 7), "due_on": due_on,
        "is_held_out": False,
    }  # fmt: skip
    return row | values


def adherence(plays: list[Row], done: list[tuple[str, date]], word: str = "renewal_outreach") -> dict[Any, Row]:
    accounts = {row["account_id"] for row in plays} | {account for account, _ in done}
    merged = {"merged": "a"}
    rows = Company(
        plays_due=plays,
        account_hierarchy=[
            {"as_of": FRIDAY, "account_id": each, "surviving_account_id": merged.get(each, each)} for each in accounts
        ],
        interactions=[
            {"interaction_id": f"N{i}", "account_id": account, "occurred_on": on, "play": word}
            for i, (account, on) in enumerate(done)
        ],
    ).rows("play_adherence", FRIDAY)
    return {(row["coverage_tier"], row["kind"]): row for row in rows}


def test_in_time_late_and_not_done():
    due = date(2026, 11, 10)
    plays = [play(name, due) for name in "abcdef"]
    done = [
        ("a", due),  # on the day: in time
        ("b", date(2026, 11, 13)),  # 3 days late
        ("c", date(2026, 11, 15)),  # 5 days late
        ("d", date(2026, 11, 24)),  # 14 days late
        ("e", date(2026, 10, 19)),  # 15 days before it opened on 3 November: another step's
    ]
    row = adherence(plays, done)["Core", "renewal"]
    assert (row["due"], row["done_in_time"], row["done_late"], row["not_done"]) == (6, 1, 3, 2)
    assert row["in_time_share"] == 1 / 6
    assert row["median_days_late"] == 5
    assert row["starts_on"] == THREE_AGO
    assert row["low_n"] is (DEFAULT.retention.low_n > 6)
    two_late = adherence(plays, done[:3])["Core", "renewal"]
    assert two_late["median_days_late"] == 4  # between 3 and 5
    assert adherence(plays, done[:1])["Core", "renewal"]["median_days_late"] is None


def test_each_play_counts_on_the_list_before_it_fell_due():
    plays = [
        play("a", THREE_AGO, THREE_AGO),  # overdue already on the list: fell due before
        play("b", date(2026, 10, 27), THREE_AGO),  # the day of the next list still belongs to the first
        play("c", date(2026, 10, 28), THREE_AGO),  # the next list has it, too
        play("c", date(2026, 10, 28)),
        play("d", FRIDAY),
        play("e", date(2026, 11, 28)),  # after as_of
        play("f", date(2026, 11, 5), is_held_out=True),
        play("g", date(2026, 11, 5), FRIDAY),  # on the list of as_of alone
    ]
    row = adherence(plays, [])["all", "all"]
    assert (row["due"], row["not_done"], row["in_time_share"]) == (3, 3, 0)  # b, c, d


def test_done_a_little_early_or_by_a_merged_account_counts_and_another_play_does_not():
    due = date(2026, 11, 10)  # opened on 3 November; 14 days early is 20 October
    plays = [play("a", due), play("b", due), play("c", due, kind="care", play="check_in", coverage_tier="Growth")]
    rows = adherence(plays, [("merged", date(2026, 10, 20)), ("c", due)])
    assert rows["Core", "renewal"]["done_in_time"] == 1
    assert rows["Growth", "care"]["not_done"] == 1
    assert {key: row["due"] for key, row in rows.items()} == {
        ("Core", "renewal"): 2, ("Growth", "care"): 1, ("Core", "all"): 2, ("Growth", "all"): 1, ("all", "all"): 3,
    }  # fmt: skip
    assert {kind for _, kind in rows} <= {*PLAY_KINDS, "all"}
