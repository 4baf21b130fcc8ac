from __future__ import annotations

from datetime import date, timedelta

from segmentation_assets.segments.move_parts import days_of_parts
from tests.companies import Company, records

MONDAY = date(2026, 5, 11)
LONG_BEFORE, WEDNESDAY = MONDAY - timedelta(weeks=2), MONDAY + timedelta(days=2)
Points = dict[tuple[str, str], float]


def changed_parts(
    effective_on: date, as_of: date, points: dict[date, Points], cause: str = "behaviour"
) -> list[tuple[str, str, float]]:
    """(score, part, change) of one move, in the order of their places."""
    move = {"as_of": as_of, "account_id": "a", "kind": "segment", "effective_on": effective_on, "cause_kind": cause}
    company = Company(
        segment_moves=[move],
        score_contributions=[
            {"as_of": day, "account_id": "a", "score": score, "part": part, "points": value}
            for day, parts in points.items()
            for (score, part), value in parts.items()
        ],
    )
    rows = records(company.frame("segment_move_parts", as_of).sort_values("place"))
    assert [row["place"] for row in rows] == list(range(1, len(rows) + 1))
    return [(row["score"], row["part"], row["change"]) for row in rows]


def test_days_of_parts():
    assert list(days_of_parts(2)(WEDNESDAY)) == [LONG_BEFORE, MONDAY, WEDNESDAY]


def test_the_largest_changes_come_first():
    before: Points = {
        ("behavioral_score", "seat_activity"): 20.0,
        ("behavioral_score", "trend"): 8.0,
        ("expansion_score", "trajectory"): 15.0,
        ("firmographic_score", "size"): 30.0,
        ("churn_risk", "cohort"): 0.0,
    }
    after: Points = {
        ("behavioral_score", "seat_activity"): 7.96,
        ("behavioral_score", "depth"): 3.0,
        ("expansion_score", "trajectory"): 0.0,
        ("firmographic_score", "size"): 30.2,
        ("churn_risk", "cohort"): 90.0,
    }
    # Trend has no row after, so -8; depth +3 is the fourth, size +0.2 is too little; churn risk is in log-odds.
    assert changed_parts(MONDAY, MONDAY, {LONG_BEFORE: before, MONDAY: after}) == [
        ("expansion_score", "trajectory", -15.0),
        ("behavioral_score", "seat_activity", -12.04),
        ("behavioral_score", "trend", -8.0),
    ]


def test_a_move_since_the_last_monday_is_compared_with_that_monday():
    trend = ("behavioral_score", "trend")
    points: dict[date, Points] = {LONG_BEFORE: {trend: 1.0}, MONDAY: {trend: 20.0}, WEDNESDAY: {trend: 5.0}}
    assert changed_parts(WEDNESDAY, WEDNESDAY, points) == [("behavioral_score", "trend", -15.0)]
    assert changed_parts(MONDAY, WEDNESDAY, points) == [("behavioral_score", "trend", 19.0)]


def test_what_the_policy_changed_has_no_parts():
    trend = ("behavioral_score", "trend")
    points: dict[date, Points] = {LONG_BEFORE: {trend: 1.0}, MONDAY: {trend: 20.0}}
    assert changed_parts(MONDAY, MONDAY, points, "policy") == []


def test_equal_changes_are_in_the_order_of_their_names():
    parts = {("behavioral_score", "trend"), ("behavioral_score", "depth"), ("expansion_score", "age")}
    before, after = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 9.0)
    assert [row[:2] for row in changed_parts(MONDAY, MONDAY, {LONG_BEFORE: before, MONDAY: after})] == sorted(parts)
