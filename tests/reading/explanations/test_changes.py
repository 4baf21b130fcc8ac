"""What changed between two snapshots, by hand."""

from __future__ import annotations

from datetime import date

from segmentation_assets.reading.explanations.changes import changes, key_of, parts_by_move, why_recorded
from tests.report.worlds import segment

SINCE = date(2026, 2, 28)


def parts(**points: float) -> list[dict[str, object]]:
    return [{"score": "health_score", "part": name, "points": value} for name, value in points.items()]


def test_each_difference_is_a_sentence_with_its_largest_parts():
    before = segment(segment="Efficient", arr=900.0, health_score=80.0, churn_risk=0.1)
    now = segment(segment="At-Risk", arr=1100.5, health_score=70.0, churn_risk=0.25)
    words = changes(
        now, before, parts(product=20, outcome=5, cap=-15), parts(product=26, outcome=4, cap=0), SINCE, 0.5, 60
    )
    assert words == (
        "Segment Efficient to At-Risk.",
        "ARR 900 to 1,100 (+200).",  # 200.5, half to even
        "Health 80.0 to 70.0: cap −15.0, product −6.0.",
        "Churn risk in 60 days 10.0% to 25.0%.",
    )


def test_small_differences_and_unknown_scores_are_not_told():
    before = segment(health_score=80.0, expansion_score=None)
    assert changes(segment(health_score=80.4, expansion_score=60.0), before, [], [], SINCE, 0.5, 90) == ()


def test_parts_are_named_only_where_both_days_have_them():
    words = changes(segment(health_score=70.0), segment(health_score=80.0), parts(product=20), [], SINCE, 0.5, 90)
    assert words == ("Health 80.0 to 70.0.",)


def test_an_account_that_was_not_there():
    assert changes(segment(), None, [], [], SINCE, 0.5, 90) == ("The account was not live on 2026-02-28.",)


def test_a_recorded_move_in_words_with_its_score_parts():
    move = {"as_of": SINCE, "account_id": "a", "kind": "segment", "effective_on": SINCE, "cause": "health_score",
            "cause_text": "health score 52 to 38", "move_rule": "risk_at_once"}  # fmt: skip
    parts = [
        {"place": 2, "score": "health_score", "part": "cap", "change": 1.26},
        {"place": 1, "score": "behavioral_score", "part": "seat_activity", "change": -12.04},
    ]
    rows = parts_by_move([move | part for part in parts])[key_of(move)]
    assert why_recorded(move, rows) == (
        "health score 52 to 38 (scores: behavioral seat activity \N{MINUS SIGN}12.0; health cap +1.3)"
    )
    assert why_recorded(move | {"move_rule": "not_confirmed"}) == "health score 52 to 38, and back"
    assert why_recorded(move | {"cause": "re_anchored"}) == "the weekly grid restarted with the quarter"
