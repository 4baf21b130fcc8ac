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
        "play_id": "renewal_efficient", "segment_moved_on": None,
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
    due = date(2026, 11, 20)  # opened on 13 November
    plays = [play(name, due) for name in "abcdef"]
    done = [
        ("a", due),  # on the day: in time
        ("b", date(2026, 11, 23)),  # 3 days late
        ("c", date(2026, 11, 25)),  # 5 days late
        ("d", FRIDAY),  # 7 days late
        ("e", date(2026, 10, 29)),  # 15 days before it opened: another step's
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


def opened(account: str, on: date, listed_on: date, **values: Any) -> Row:
    return play(account, date.fromordinal(on.toordinal() + 7), listed_on, **values)


def test_a_play_counts_on_the_one_list_before_which_nobody_could_have_done_it():
    """14 days early is allowed: from the list of 27 August what opens from 11 September to 10 November, then that of
    27 October what opens until today."""
    plays = [
        opened("a", date(2026, 9, 10), THREE_AGO),  # those done on 27 August are not on the list
        opened("b", date(2026, 9, 11), THREE_AGO),
        opened("c", date(2026, 11, 10), THREE_AGO),
        opened("c", date(2026, 11, 10), ONE_AGO),
        opened("d", date(2026, 11, 11), THREE_AGO),
        opened("d", date(2026, 11, 11), ONE_AGO),
        opened("e", date(2026, 11, 20), ONE_AGO),
        opened("f", date(2026, 11, 21), ONE_AGO),  # due on the 28th, after as_of
        opened("g", date(2026, 11, 12), ONE_AGO, is_held_out=True),
        opened("h", date(2026, 11, 12), FRIDAY),
    ]
    row = adherence(plays, [])["all", "all"]
    assert (row["due"], row["not_done"], row["in_time_share"]) == (4, 4, 0)  # b, c, d, e


def test_an_intervention_counts_from_the_move_into_at_risk():
    """Growth is promised 2 working days: moved on Tuesday 10 November, due on the 12th."""

    def moved(account: str, on: date | None, listed_on: date = FRIDAY) -> Row:
        return play(account, date(2027, 1, 15), listed_on, kind="risk", play="intervention", play_id="intervention",
                    coverage_tier="Growth", segment_moved_on=on)  # fmt: skip

    plays = [
        moved("a", date(2026, 11, 10)),
        moved("b", date(2026, 11, 10)),
        moved("c", None),  # At-Risk since the run looks
        moved("d", date(2026, 10, 27)),  # the list of that day has it
        moved("d", date(2026, 10, 27), ONE_AGO),
        moved("e", date(2026, 8, 27), ONE_AGO),  # before the three months
        moved("f", date(2026, 11, 26)),  # due on Monday
    ]
    done = [("a", date(2026, 11, 12)), ("b", date(2026, 11, 13))]
    row = adherence(plays, done, "intervention")["Growth", "risk"]
    assert (row["due"], row["done_in_time"], row["done_late"], row["not_done"]) == (3, 1, 1, 1)
    assert row["median_days_late"] == 1


def test_done_a_little_early_or_by_a_merged_account_counts_and_another_play_does_not():
    due = date(2026, 11, 24)  # opened on 17 November; 14 days early is the 3rd
    plays = [play("a", due), play("b", due), play("c", due, kind="care", play="check_in", coverage_tier="Growth")]
    rows = adherence(plays, [("merged", date(2026, 11, 3)), ("c", due)])
    assert rows["Core", "renewal"]["done_in_time"] == 1
    assert rows["Growth", "care"]["not_done"] == 1
    assert {key: row["due"] for key, row in rows.items()} == {
        ("Core", "renewal"): 2, ("Growth", "care"): 1, ("Core", "all"): 2, ("Growth", "all"): 1, ("all", "all"): 3,
    }  # fmt: skip
    assert {kind for _, kind in rows} <= {*PLAY_KINDS, "all"}
