"""Crossings by hand, and against the plainest model there is."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.activation.crossings import (
    ThresholdLedger,
    detect_crossings,
    threshold_ledger,
    thresholds_at,
    to_compare,
)
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.ledgers import Posting

TIER = load_policy().tier
EMPTY = pd.DataFrame(columns=list(ibis_schema(ThresholdLedger)))


def sides(*rows: tuple[str, str, bool, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["account_id", "threshold", "is_above", "arr_seen", "threshold_seen"])


def directions(before: pd.DataFrame, arr: dict[str, float], **thresholds: float) -> dict[tuple[str, str], str]:
    result = detect_crossings(before, arr, thresholds, 0.1)
    result = result[result["direction"].notna()]
    return dict(zip(zip(result["account_id"], result["threshold"], strict=True), result["direction"], strict=True))


@pytest.mark.parametrize(
    ("was", "seen", "now", "direction"),
    [
        (False, 24_999.99, 25_000, "up"),
        (False, 24_000, 24_999.99, None),
        (True, 26_000, 22_500, None),  # at the exit band
        (True, 26_000, 22_499.99, "down"),
        (True, 23_000, 24_000, None),
        (False, 23_000, 24_000, None),
        (True, 26_000, 0, "down"),
    ],
)
def test_up_at_the_threshold_and_down_below_the_band(was: bool, seen: float, now: float, direction: str | None):
    result = directions(sides(("a", "growth", was, seen, 25_000)), {"a": now}, growth=25_000)
    assert result == ({("a", "growth"): direction} if direction else {})


def test_an_account_never_seen_came_from_nothing():
    assert directions(sides(), {"a": 30_000}, long_tail=10_000, growth=25_000, strategic=100_000) == {
        ("a", "long_tail"): "up",
        ("a", "growth"): "up",
    }


def test_another_threshold_in_the_policy_crosses_nobody():
    before = sides(("a", "growth", True, 28_000, 25_000), ("b", "growth", False, 24_000, 25_000))
    same = {"a": 28_000.0, "b": 24_000.0}
    for bound in (20_000, 23_000, 28_000, 29_000, 35_000):
        assert directions(before, same, growth=bound) == {}
    # What then moves is held against the new one: 28,000 was never above 30,000.
    assert directions(before, {"a": 31_000, "b": 24_000}, growth=30_000) == {("a", "growth"): "up"}


def test_a_renewed_cut_crosses_nobody_and_keeps_who_is_in_its_band():
    before = sides(("a", "strategic", True, 95_000, 100_000), ("b", "strategic", False, 99_000, 100_000))
    same = {"a": 95_000.0, "b": 99_000.0}
    assert directions(before, same, strategic=102_000) == {}
    assert directions(before, same, strategic=98_000) == {}
    assert directions(before, {"a": 103_000, "b": 99_000}, strategic=102_000) == {}  # it had stayed above
    assert directions(before, {"a": 91_000, "b": 99_000}, strategic=102_000) == {("a", "strategic"): "down"}


def test_nobody_reaches_a_cut_that_is_not_there():
    before = sides(("a", "strategic", True, 95_000, 100_000))
    assert directions(before, {"a": 1e9}, strategic=thresholds_at(TIER, None)["strategic"]) == {}


def test_an_account_that_was_merged_does_not_count_down():
    before = sides(("a", "growth", True, 30_000, 25_000), ("b", "growth", True, 30_000, 25_000))
    assert to_compare(before, {"c": 60_000.0}, {"a"}) == {"c": 60_000.0, "b": 0.0}


def post(booked: pd.DataFrame, day: date, steps: list[tuple[str, date, date | None, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(steps, columns=["account_id", "day", "until", "arr"])
    hierarchy = pd.DataFrame({"account_id": ["a"], "surviving_account_id": ["a"]})
    cuts = pd.DataFrame({"strategic_cut": [100_000.0]})
    return threshold_ledger(booked, Posting(day, pd.Timestamp(2026, 1, 1), "r", "p"), frame, hierarchy, cuts, TIER)


def booked_crossings(ledger: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = ledger[ledger["direction"].notna()]
    names = ["account_id", "threshold", "entry", "direction", "effective_on", "arr_before", "arr_after"]
    return list(rows[names].itertuples(index=False, name=None))


def test_the_day_of_a_crossing_is_the_day_that_arr_passed():
    day = date(2026, 3, 31)
    opened = post(EMPTY, date(2026, 3, 1), [("a", date(2025, 1, 1), None, 24_000)])
    assert booked_crossings(opened) == []
    # It passed 25,000 on the 10th, fell, passed again on the 15th, and rose once more: the last passage counts.
    steps = [
        ("a", date(2025, 1, 1), date(2026, 3, 10), 24_000),
        ("a", date(2026, 3, 10), date(2026, 3, 12), 26_000),
        ("a", date(2026, 3, 12), date(2026, 3, 15), 24_000),
        ("a", date(2026, 3, 15), date(2026, 3, 20), 27_000),
        ("a", date(2026, 3, 20), None, 30_000),
    ]
    ledger = post(opened, day, steps)
    assert booked_crossings(ledger) == [("a", "growth", 1, "up", date(2026, 3, 15), 24_000, 30_000)]
    assert len(ledger) == 4  # three openings, one crossing
    assert ledger["is_newest"].sum() == 3


def test_an_account_that_ends_went_down_on_its_last_day():
    opened = post(EMPTY, date(2026, 3, 1), [("a", date(2025, 1, 1), None, 30_000)])
    ledger = post(opened, date(2026, 3, 31), [("a", date(2025, 1, 1), date(2026, 3, 20), 30_000)])
    assert booked_crossings(ledger) == [
        ("a", "long_tail", 1, "down", date(2026, 3, 20), 30_000, 0),
        ("a", "growth", 1, "down", date(2026, 3, 20), 30_000, 0),
    ]


def test_a_crossing_that_no_price_made_is_of_the_day():
    """The rate of a currency moved: every step is at today's rate, so none of them passed the threshold."""
    opened = post(EMPTY, date(2026, 3, 1), [("a", date(2025, 1, 1), None, 26_000)])
    steps = [("a", date(2025, 1, 1), date(2025, 6, 1), 22_000.0), ("a", date(2025, 6, 1), None, 22_000.0)]
    ledger = post(opened, date(2026, 3, 31), steps)
    assert booked_crossings(ledger) == [("a", "growth", 1, "down", date(2026, 3, 31), 26_000, 22_000)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 8999.0, 9000.0, 10_000.0, 22_499.0, 22_500.0, 25_000.0, 120_000.0]), max_size=8)
)
def test_postings_one_by_one_are_the_plain_state_machine(values: list[float]):
    ledger = post(EMPTY, date(2026, 1, 1), [("a", date(2025, 1, 1), None, 24_000)])
    above, expected, last = {"long_tail": True, "growth": False, "strategic": False}, [], 24_000.0
    bounds = {"long_tail": 10_000, "growth": 25_000, "strategic": 100_000}
    for value in values:
        steps = [("a", date(2025, 1, 1), None, value)] if value else []
        ledger = post(post(ledger, date(2026, 1, 2), steps), date(2026, 1, 2), steps)  # and once more
        for name, bound in bounds.items():
            now = value >= bound or (above[name] and value >= bound * 0.9)
            if now != above[name]:
                expected.append((name, "up" if now else "down", last, value))
            above[name] = now
        last = value
    result = ledger[ledger["direction"].notna()]
    names = ["threshold", "direction", "arr_before", "arr_after"]
    assert list(result[names].itertuples(index=False, name=None)) == expected
    newest = ledger[ledger["is_newest"].astype(bool)]
    assert dict(zip(newest["threshold"], newest["is_above"], strict=True)) == above
    assert np.all(newest["arr_seen"].astype(float) == last)
