"""Mid-ranks: ties, nulls and small groups, by hand and against the definition."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.scores.ranks import mid_rank


def ranks(values, groups=None, where=None):
    frame = pd.DataFrame(
        {
            "row": range(len(values)),
            "value": pd.array(values, dtype="Float64"),
            "day": groups or ["d"] * len(values),
            "counts": pd.array(where or [True] * len(values), dtype="boolean"),
        }
    )
    rows = ibis.memtable(frame)
    ranked = rows.mutate(rank=mid_rank(rows.value, [rows.day], None if where is None else rows.counts))
    return [None if pd.isna(r) else r for r in ranked.order_by("row").execute()["rank"]]


def test_different_values_stand_in_the_middle_of_their_share():
    assert ranks([10, 30, 20, 40]) == [0.125, 0.625, 0.375, 0.875]


def test_equals_share_a_rank():
    # One below, three equal: (1 + 3 / 2) / 5.
    assert ranks([5, 5, 1, 5, 9]) == [0.5, 0.5, 0.1, 0.5, 0.9]
    assert ranks([7, 7, 7]) == [0.5, 0.5, 0.5]


def test_nulls_have_no_rank_and_are_not_counted():
    assert ranks([None, 1, None, 2]) == [None, 0.25, None, 0.75]
    assert ranks([None, None]) == [None, None]


def test_rows_outside_where_have_no_rank_and_are_not_counted():
    assert ranks([1, 2, 3, 100], where=[True, True, None, False]) == [0.25, 0.75, None, None]


def test_a_lone_row_stands_in_the_middle():
    assert ranks([3]) == [0.5]


@pytest.mark.parametrize(("rows", "highest"), [(2, 0.75), (5, 0.9), (9, 1 - 1 / 18), (10, 0.95)])
def test_below_ten_rows_nobody_reaches_the_outer_five_percent(rows, highest):
    assert max(ranks(list(range(rows)))) == pytest.approx(highest, abs=1e-12)


def test_groups_are_ranked_apart():
    assert ranks([1, 2, 100, 200, 300], groups=["a", "a", "b", "b", "b"]) == [
        0.25,
        0.75,
        pytest.approx(1 / 6),
        0.5,
        pytest.approx(5 / 6),
    ]


def by_definition(values, groups):
    result = []
    for value, group in zip(values, groups, strict=True):
        others = [v for v, g in zip(values, groups, strict=True) if g == group and v is not None]
        smaller = sum(v < value for v in others) if value is not None else 0
        equals = sum(v == value for v in others) if value is not None else 0
        result.append(None if value is None else (smaller + equals / 2) / len(others))
    return result


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.integers(-3, 3)), min_size=1, max_size=25))
def test_mid_ranks_are_what_the_definition_says(rows):
    groups, values = [g for g, _ in rows], [v for _, v in rows]
    assert ranks(values, groups) == pytest.approx(by_definition(values, groups), abs=1e-12)
