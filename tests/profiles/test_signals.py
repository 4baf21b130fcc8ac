from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation_assets.profiles.signals  # noqa: F401
from tests.profiles.service import (
    AS_OF,
    ago,
    assert_future_changes_nothing,
    assert_lone_days_equal_backfill,
    computed,
    figures,
)

TABLE = "account_signals"


def signal(number: int, days: int, weight: float, **columns) -> dict:
    row = {"signal_id": f"g{number}", "account_id": "a", "signal": "funding", "observed_on": ago(days)}
    return {**row, "weight": weight, **columns}


def test_count_and_weights_of_180_days():
    signals = [signal(1, 0, 0.7), signal(2, 179, -0.5), signal(3, 180, -1.0), signal(4, 9, -0.1), signal(5, 9, 0.0)]
    row = figures(TABLE, {"external_signals": signals})
    assert row == {
        "signals_180d": 4,
        "signal_weight_180d": pytest.approx(0.1),
        "negative_weight_180d": pytest.approx(-0.6),
    }


def test_only_good_news_has_no_negative_weight():
    assert figures(TABLE, {"external_signals": [signal(1, 3, 0.7)]})["negative_weight_180d"] == 0


def test_unknown_without_a_signal_by_then_and_zero_with_one():
    assert set(figures(TABLE, {"external_signals": [signal(1, -1, 0.5)]}).values()) == {None}
    assert set(figures(TABLE, {"external_signals": [signal(1, 500, 0.5)]}, account="b").values()) == {0}


def test_a_signal_of_an_account_that_the_crm_does_not_know_still_shows_that_there_is_an_extract():
    rows = computed(TABLE, {"external_signals": [signal(1, 5, 0.5, account_id="stranger")]})
    assert set(rows) == {(AS_OF, "a"), (AS_OF, "b")}
    assert rows[AS_OF, "a"]["signals_180d"] == 0


def test_signals_of_a_chain_of_merged_accounts_sum_in_the_survivor():
    crm = [
        {"account_id": "a", "merged_into_account_id": "b"},
        {"account_id": "b", "merged_into_account_id": "c"},
        {"account_id": "c"},
    ]
    signals = [signal(i, 3, 0.25, account_id=account) for i, account in enumerate("abc")]
    rows = computed(TABLE, {"crm_accounts": crm, "external_signals": signals})
    assert list(rows) == [(AS_OF, "c")]
    assert rows[AS_OF, "c"]["signal_weight_180d"] == pytest.approx(0.75)


def test_a_merge_counts_from_the_day_it_is_known():
    crm = [
        {"account_id": "a", "known_to": ago(10)},
        {"account_id": "a", "merged_into_account_id": "b", "known_from": ago(10)},
        {"account_id": "b"},
    ]
    rows = computed(TABLE, {"crm_accounts": crm, "external_signals": [signal(1, 30, 0.5)]}, ago(11), ago(10))
    assert {key: row["signals_180d"] for key, row in rows.items()} == {
        (ago(11), "a"): 1,
        (ago(11), "b"): 0,
        (ago(10), "b"): 1,
    }


HISTORY = {"external_signals": [signal(i, d, (-1) ** i / 2) for i, d in enumerate((0, 1, 90, 179, 180, 400))]}


def test_lone_days_equal_a_backfill():
    assert_lone_days_equal_backfill(TABLE, HISTORY, [ago(401), ago(220), AS_OF])


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=10, max_size=30))
def test_what_comes_later_changes_nothing(later: list[tuple[int, bool]]):
    def future(days: int, only_known_later: bool) -> dict:
        row = signal(99, 5, -1.0, known_from=ago(-days)) if only_known_later else signal(99, -days, -1.0)
        return {"external_signals": [row]}

    assert_future_changes_nothing(TABLE, HISTORY, [future(*case) for case in later])
