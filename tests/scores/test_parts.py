"""Scales, renormalised weights, caps and contributions."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.scores import WordPoints
from segmentation_assets.scores.parts import (
    CONTRIBUTION_COLUMNS,
    Part,
    add_up,
    adjust,
    contributions,
    mean_of,
    of_word,
    on_scale,
    weigh,
)


def table(**columns):
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame(columns).assign(as_of="d", account_id=[f"a{i}" for i in range(rows)])
    return ibis.memtable(frame)


def numbers(*values):
    return pd.array(values, dtype="Float64")


def listed(expr):
    return [None if pd.isna(v) else v for v in expr.execute()]


def own(name, weight):
    """A part whose value is the column of its name as it stands."""
    return Part(name, weight, lambda t: t[name], lambda t: t[name])


def test_a_scale_is_straight_between_knots_and_flat_beyond():
    rows = table(x=numbers(-5, 0, 5, 10, 35, 60, 99, None))
    points = on_scale(rows.x, ((0, 20), (10, 40), (60, 100)))
    assert listed(points) == [20, 20, 30, 40, 70, 100, 100, None]


def test_a_scale_may_fall():
    rows = table(x=numbers(0, 0.02, 0.06, 0.5))
    assert listed(on_scale(rows.x, ((0, 100), (0.02, 80), (0.10, 0)))) == pytest.approx([100, 80, 40, 0])


def test_words_count_in_any_case_and_unnamed_ones_as_other():
    rows = table(word=["Software", " software ", "mining", None])
    points = WordPoints(points={"SOFTWARE": 100}, other=50)
    assert listed(of_word(rows.word, points)) == [100, 100, 50, None]
    assert listed(of_word(rows.word, WordPoints(points={}, other=30))) == [30, 30, 30, None]


def test_mean_of_what_is_known():
    rows = table(x=numbers(1, 1, None, None), y=numbers(3, None, 3, None))
    assert listed(mean_of([rows.x, rows.y])) == [2, 1, 3, None]


def test_weights_go_to_the_parts_that_are_present():
    rows = table(x=numbers(80, 80, None, None), y=numbers(20, None, 20, None), z=numbers(50, 50, None, None))
    parts = [own("x", 50), own("y", 30), own("z", 20)]
    scored = weigh(rows, "score", parts).execute()
    # All: 40 + 6 + 10. Without y: 80 x 50/70 + 50 x 20/70. y alone: 20.
    assert scored.score[:3].tolist() == pytest.approx([56, 5000 / 70, 20])
    assert scored.x_points[:2].tolist() == pytest.approx([40, 4000 / 70])
    assert pd.isna(scored.score[3])
    assert scored.loc[3, ["x_points", "y_points", "z_points"]].isna().all()


def test_a_part_that_weighs_nothing_decides_nothing():
    rows = table(x=numbers(80, None), y=numbers(20, 20))
    scored = weigh(rows, "score", [own("x", 100), own("y", 0)]).execute()
    assert scored.score[0] == 80
    assert pd.isna(scored.score[1])


def test_a_cap_is_a_part_of_its_own():
    rows = table(x=numbers(90, 40, None))
    scored = weigh(rows, "score", [own("x", 100)])
    capped = adjust(scored, "score", "cap", ibis.least(scored.score, 60.0)).execute()
    assert capped.score[:2].tolist() == [60, 40]
    assert capped.cap_points[:2].tolist() == [-30, 0]
    assert capped.loc[2, ["score", "cap_points"]].isna().all()


def test_an_adjustment_to_null_keeps_the_score():
    rows = table(x=numbers(90))
    scored = weigh(rows, "score", [own("x", 100)])
    kept = adjust(scored, "score", "cap", ibis.null("float64")).execute()
    assert kept.score.tolist() == [90]
    assert kept.cap_points.isna().all()


def test_added_parts_count_nothing_where_unknown():
    rows = table(x=numbers(1.5, None), y=numbers(-3, -3))
    added = add_up(rows, "log_odds", [own("x", None), own("y", None)]).execute()
    assert added.log_odds.tolist() == [-1.5, -3]
    assert added.x_points.tolist() == [1.5, 0]


def test_parts_without_weight_or_value_belong_to_adjustments():
    rows = table(x=numbers(1))
    with pytest.raises(ValueError, match="part x has no weight"):
        weigh(rows, "score", [own("x", None)])
    with pytest.raises(ValueError, match="part x has no value"):
        weigh(rows, "score", [Part("x", 100, lambda t: t.x)])


def test_contributions_show_raw_input_weight_and_points():
    rows = table(
        x=numbers(80, 30), word=["Big", None], flag=pd.array([True, None], dtype="boolean"), y=numbers(10, 10)
    )
    words = WordPoints(points={"big": 100}, other=0)
    parts = [
        own("x", 60),
        Part("word", 40, lambda t: t.word, lambda t: of_word(t.word, words)),
    ]
    scored = weigh(rows, "score", parts)
    capped = adjust(scored, "score", "cap", ibis.least(scored.score, 70.0))
    long = contributions(capped, rows, "score", [*parts, Part("cap", None, lambda t: t.flag)])
    assert long.columns == CONTRIBUTION_COLUMNS
    result = long.order_by("account_id", "part").execute().drop(columns=["as_of", "score"])
    expected = pd.DataFrame(
        [
            ("a0", "cap", None, "yes", None, -18.0),
            ("a0", "word", None, "Big", 0.4, 40.0),
            ("a0", "x", 80.0, None, 0.6, 48.0),
            ("a1", "cap", None, None, None, 0.0),
            ("a1", "x", 30.0, None, 1.0, 30.0),
        ],
        columns=["account_id", "part", "raw_number", "raw_text", "weight", "points"],
    )
    pd.testing.assert_frame_equal(result, expected, check_dtype=False)


def test_a_null_score_has_no_contributions():
    rows = table(x=numbers(None, 5))
    scored = weigh(rows, "score", [own("x", 100)])
    long = contributions(scored, rows, "score", [own("x", 100)]).execute()
    assert long.account_id.tolist() == ["a1"]


VALUE = st.none() | st.floats(0, 100)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(VALUE, VALUE, VALUE), min_size=1, max_size=15),
    weights=st.tuples(*[st.floats(0, 100)] * 3),
    cap=st.floats(0, 100),
)
def test_contributions_sum_to_the_score_and_the_score_stays_in_range(rows, weights, cap):
    given_rows = table(
        **{name: numbers(*values) for name, values in zip("xyz", zip(*rows, strict=True), strict=True)}
    )
    parts = [own(name, weight) for name, weight in zip("xyz", weights, strict=True)]
    scored = weigh(given_rows, "score", parts)
    capped = adjust(scored, "score", "cap", ibis.least(scored.score, cap))
    scores = capped.execute().set_index("account_id").score
    long = contributions(capped, given_rows, "score", [*parts, Part("cap", None, lambda t: t.x)]).execute()
    sums = long.groupby("account_id").points.sum()
    for account, score in scores.items():
        if pd.isna(score):
            assert account not in sums
        else:
            assert sums[account] == pytest.approx(score, abs=1e-9)
            assert 0 <= score <= cap + 1e-9
            assert score <= 100
    for _, shares in long[long.part != "cap"].groupby("account_id"):
        assert shares.weight.sum() == pytest.approx(1, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(weights=st.tuples(*[st.floats(0.01, 60)] * 7), present=st.lists(st.booleans(), min_size=7, max_size=7))
def test_full_marks_never_leave_the_range(weights, present):
    names = "abcdefg"
    columns = {n: numbers(100.0 if is_there else None) for n, is_there in zip(names, present, strict=True)}
    parts = [own(n, w) for n, w in zip(names, weights, strict=True)]
    score = weigh(table(**columns), "score", parts).execute().score[0]
    assert pd.isna(score) if not any(present) else 100 - 1e-9 <= score <= 100
