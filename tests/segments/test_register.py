"""What a policy moved is told apart from what an account did."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from segmentation_assets.segments.register import (
    SegmentRegister,
    SegmentRelabels,
    segment_register,
    segment_relabels,
)
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.ledgers import Posting

EMPTY = pd.DataFrame(columns=list(ibis_schema(SegmentRegister)))
SUNDAY, NEXT = date(2026, 5, 10), date(2026, 5, 17)
LONG = date(2026, 2, 2)


def row(account: str = "a", segment: str = "Growth", since: date = LONG, **more: Any) -> dict[str, Any]:
    return {
        "account_id": account, "segment": segment, "segment_since": since, "segment_move_rule": "held",
        "segment_cause_kind": "behaviour", "segment_cause_text": "expansion score 40 to 52",
        "coverage_tier": "Core", "tier_since": LONG, "tier_move_rule": "held", "tier_cause_kind": None,
        "tier_cause_text": None, **more,
    }  # fmt: skip


def post(booked: pd.DataFrame, day: date, *rows: dict[str, Any], policy: str = "p") -> pd.DataFrame:
    return segment_register(booked, Posting(day, pd.Timestamp(2026, 5, 20), "r", policy), pd.DataFrame(rows))


def changes(booked: pd.DataFrame) -> list[tuple]:
    new = booked[booked["entry"] > 0]
    return [tuple(each) for each in new[["account_id", "kind", "moved_from", "moved_to", "cause_kind"]].to_numpy()]


OPENED = post(EMPTY, SUNDAY, row("a"), row("b", "Efficient"))


def test_the_first_posting_opens_and_says_nothing_changed():
    assert OPENED[["account_id", "kind", "entry", "moved_to"]].to_numpy().tolist() == [
        ["a", "segment", 0, "Growth"], ["a", "tier", 0, "Core"],
        ["b", "segment", 0, "Efficient"], ["b", "tier", 0, "Core"],
    ]  # fmt: skip
    assert changes(OPENED) == []


def test_a_move_since_the_run_before_has_its_own_cause_whatever_the_policy():
    moved = row("a", "Efficient", since=date(2026, 5, 11))
    for policy in ("p", "q"):
        booked = post(OPENED, NEXT, moved, row("b", "Efficient"), policy=policy)
        assert changes(booked) == [("a", "segment", "Growth", "Efficient", "behaviour")]
        assert booked[booked["entry"] == 1]["cause_text"].tolist() == ["expansion score 40 to 52"]


def test_what_another_policy_says_of_the_day_before_as_well_is_of_the_policy():
    booked = post(OPENED, NEXT, row("a", "Strategic"), row("b", "Efficient", coverage_tier="Growth"), policy="q")
    assert changes(booked) == [
        ("a", "segment", "Growth", "Strategic", "policy"), ("b", "tier", "Core", "Growth", "policy"),
    ]  # fmt: skip
    again = post(
        booked, date(2026, 5, 18), row("a", "Growth"), row("b", "Efficient", coverage_tier="Growth"), policy="q"
    )
    assert changes(again)[-1] == ("a", "segment", "Strategic", "Growth", "restated")


def test_the_same_policy_that_says_otherwise_of_the_day_before_had_other_data():
    assert changes(post(OPENED, NEXT, row("a", "Strategic"), row("b", "Efficient"))) == [
        ("a", "segment", "Growth", "Strategic", "restated")
    ]


def test_over_the_turn_of_a_quarter_the_grid_starts_anew():
    booked = post(OPENED, date(2026, 7, 5), row("a", "Strategic"), row("b", "Efficient"))
    assert changes(booked) == [("a", "segment", "Growth", "Strategic", "re_anchored")]


def test_billing_that_came_in_on_the_same_day_moved_the_account():
    fell = row("a", "Long-Tail", since=SUNDAY, segment_cause_kind="revenue")
    assert changes(post(OPENED, SUNDAY, fell, row("b", "Efficient"))) == [
        ("a", "segment", "Growth", "Long-Tail", "revenue")
    ]


def test_an_account_that_came_back_has_revenue_behind_it():
    back = row("a", "Efficient", since=date(2026, 5, 12), segment_move_rule="start", segment_cause_kind=None)
    assert changes(post(OPENED, NEXT, back)) == [("a", "segment", "Growth", "Efficient", "revenue")]


def test_a_repeated_posting_and_one_for_an_earlier_day_book_nothing():
    moved = post(OPENED, NEXT, row("a", "Strategic"), policy="q")
    assert len(post(moved, NEXT, row("a", "Strategic"), policy="q")) == len(moved)
    assert changes(post(moved, SUNDAY, row("a", "Growth"), policy="q")) == changes(moved)
    newest = moved[moved["is_newest"].astype(bool)]
    assert newest.groupby(["account_id", "kind"]).size().eq(1).all()


def test_the_end_of_a_move_that_no_monday_confirmed_is_no_restatement():
    """At-Risk at once on Wednesday, announced; from Monday on Growth again, as if it had never left."""
    wednesday, monday = date(2026, 5, 13), date(2026, 5, 18)
    entered = post(OPENED, wednesday, row("a", "At-Risk", since=wednesday))
    ended = post(entered, monday, row("a", "Growth"))
    assert changes(ended)[-1] == ("a", "segment", "At-Risk", "Growth", "behaviour")
    same_week = post(entered, date(2026, 5, 16), row("a", "Growth"))
    assert changes(same_week)[-1] == ("a", "segment", "At-Risk", "Growth", "restated"), "no Monday came between"
    assert changes(post(entered, monday, row("a", "Growth"), policy="q"))[-1][-1] == "policy"


NO_RELABELS = pd.DataFrame(columns=list(ibis_schema(SegmentRelabels)))


def relabels(register: pd.DataFrame, booked: pd.DataFrame = NO_RELABELS, day: date = NEXT) -> pd.DataFrame:
    return segment_relabels(booked, Posting(day, pd.Timestamp(2026, 5, 20), "r", "p"), register)


def test_relabels_are_the_changes_that_no_account_made():
    moved = row("b", "Growth", since=date(2026, 5, 11))
    register = post(OPENED, NEXT, row("a", "Strategic"), moved, policy="q")
    booked = relabels(register)
    assert booked.drop(columns="entry").to_numpy().tolist() == [
        ["a", "segment", "Growth", "Strategic", "policy", SUNDAY, NEXT]
    ]
    later = date(2026, 5, 24)
    register = post(register, later, row("a", "Growth"), moved, policy="q")
    again = relabels(register, booked, later)
    assert again["cause_kind"].tolist() == ["policy", "restated"]
    assert again["announced_on"].tolist() == [SUNDAY, NEXT], "the last day for which the old segment was announced"
    assert relabels(register, again, later).equals(again)
