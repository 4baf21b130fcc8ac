from __future__ import annotations

from datetime import date, timedelta

from segmentation_assets.policy.model import load_policy
from segmentation_assets.scores.contributions import ScoreContributions
from segmentation_assets.segments.candidates import SegmentCandidates
from segmentation_assets.segments.grid import SegmentGrid, SegmentStates, anchors_of
from segmentation_assets.segments.moves import days_compared, days_of_inputs, previous_monday, segment_moves, with_eve
from tests.companies import given, records, spine

POLICY = load_policy()
MONDAY = date(2026, 5, 11)
WEEK = timedelta(weeks=1)
BEFORE, LONG_BEFORE = MONDAY - WEEK, MONDAY - 2 * WEEK
STATE = {"segment": "Growth", "coverage_tier": "Core", "segment_since": LONG_BEFORE, "tier_since": LONG_BEFORE}
INPUTS = {
    "arr": 15_000.0, "candidate_segment": "Growth", "risk_waits": False, "is_worth_saving": True,
    "is_barely_used": False, "growth_evidence": "absent", "has_little_to_expand": False, "has_growth_usage": False,
}  # fmt: skip


def moves(
    now: dict,
    *,
    as_of: date = MONDAY,
    was: dict | None = None,
    was_in_new_chain: dict | None = None,
    eve: dict | None = None,
    inputs: dict[date, dict] | None = None,
    parts: dict[date, dict[tuple[str, str], float]] | None = None,
) -> list[dict]:
    """Moves of one account that was in Growth and Core, but for what is given."""
    key = {"account_id": "a"}
    monday = previous_monday(as_of)
    chains = anchors_of(monday)
    grid = [{"as_of": monday, "anchor": chains[0]} | key | STATE | (was or {})]
    grid += [{"as_of": monday, "anchor": c} | key | STATE | (was_in_new_chain or was or {}) for c in chains[1:]]
    days = sorted(set(days_of_inputs(2)(as_of)))
    candidates = [{"as_of": d} | key | INPUTS | (inputs or {}).get(d, {}) for d in days]
    contributions = [
        {"as_of": d, "score": score, "part": part, "points": points} | key
        for d, named in (parts or {}).items()
        for (score, part), points in named.items()
    ]
    states = [{"as_of": as_of} | key | STATE | now]
    states += [{"as_of": d} | key | STATE | (eve or was or {}) for d in with_eve(as_of)[:-1]]
    found = segment_moves(
        spine(as_of),
        given(SegmentStates, states),
        given(SegmentGrid, grid),
        given(SegmentCandidates, candidates),
        given(ScoreContributions, contributions),
        POLICY.stability,
        POLICY.segment_moves,
    )
    return records(found.order_by("kind"))


def segment_now(name: str, rule: str, since: date = MONDAY) -> dict:
    return {"segment": name, "segment_since": since, "segment_move_rule": rule}


def tier_now(name: str, rule: str, since: date = MONDAY) -> dict:
    return {"coverage_tier": name, "tier_since": since, "tier_move_rule": rule}


def test_days_looked_at():
    assert previous_monday(MONDAY) == BEFORE
    assert previous_monday(MONDAY + timedelta(days=1)) == MONDAY
    assert list(days_compared(2)(MONDAY)) == [LONG_BEFORE, BEFORE, MONDAY]
    assert list(days_compared(2)(MONDAY + timedelta(days=2))) == [MONDAY, MONDAY + timedelta(days=2)]
    assert list(days_compared(1)(MONDAY)) == [BEFORE, MONDAY]
    assert with_eve(MONDAY) == [date(2026, 5, 10), MONDAY]
    assert with_eve(date(2026, 5, 12)) == [date(2026, 5, 12)]
    assert days_of_inputs(2)(MONDAY) == [LONG_BEFORE, *(BEFORE + timedelta(days=i) for i in range(8))]


def test_what_moved_an_account_at_once_is_told_even_where_it_is_over():
    tuesday, thursday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=3)
    (row,) = moves(
        segment_now("At-Risk", "risk_at_once", since=tuesday),
        as_of=thursday,
        inputs={
            MONDAY: {"behavioral_cohort": "Steady State"},
            tuesday: {"behavioral_cohort": "At Risk"},
            thursday: {"behavioral_cohort": "Steady State", "arr": 16_000.0},
        },
    )
    assert (row["cause"], row["cause_text"]) == (
        "behavioral_cohort", "behavioral cohort Steady State to At Risk",
    )  # fmt: skip
    assert (row["effective_on"].date(), row["arr_before"], row["arr_after"]) == (tuesday, 15_000.0, 16_000.0)


WEDNESDAY = MONDAY - timedelta(days=5)
BLIP = {BEFORE: {"behavioral_cohort": "Steady State"}, MONDAY: {"behavioral_cohort": "Steady State"}}
BLIP |= {WEDNESDAY: {"behavioral_cohort": "At Risk"}}


def test_what_entered_in_the_week_and_the_monday_does_not_confirm_has_a_row_of_its_end():
    (row,) = moves({}, eve=segment_now("At-Risk", "risk_at_once", since=WEDNESDAY), inputs=BLIP)
    assert (row["moved_from"], row["moved_to"], row["direction"]) == ("At-Risk", "Growth", "out_of_risk")
    assert (row["move_rule"], row["cause"]) == ("not_confirmed", "not_confirmed")
    assert row["cause_text"] == (
        "at once on 2026-05-06, not confirmed on the Monday; behavioral cohort At Risk to Steady State"
    )
    assert (row["effective_on"].date(), row["compared_with"].date()) == (MONDAY, WEDNESDAY)


def test_an_end_that_is_a_move_of_its_own_goes_from_what_the_week_had_made_of_it():
    """On Wednesday into At-Risk, on Monday Efficient has held: no account goes from Growth to Efficient unseen."""
    (row,) = moves(
        segment_now("Efficient", "held"), eve=segment_now("At-Risk", "risk_at_once", since=WEDNESDAY), inputs=BLIP
    )
    assert (row["moved_from"], row["moved_to"], row["move_rule"]) == ("At-Risk", "Efficient", "held")
    assert row["direction"] == "out_of_risk"


def test_a_tier_that_arr_crossed_into_for_some_days_has_a_row_of_its_end():
    (row,) = moves({}, eve=tier_now("Strategic", "arr_at_once", since=WEDNESDAY))
    assert (row["kind"], row["moved_from"], row["moved_to"], row["move_rule"]) == (
        "tier", "Strategic", "Core", "not_confirmed",
    )  # fmt: skip


def test_what_the_monday_confirms_or_entered_earlier_is_told_once():
    at_risk = segment_now("At-Risk", "risk_at_once", since=WEDNESDAY)
    (row,) = moves(segment_now("At-Risk", "risk_at_once"), eve=at_risk)
    assert (row["moved_from"], row["moved_to"], row["direction"]) == ("Growth", "At-Risk", "into_risk")
    since_long = segment_now("At-Risk", "risk_at_once", since=LONG_BEFORE)
    assert moves(since_long, eve=since_long, was=since_long) == []


def test_who_stays_has_no_row():
    assert moves({}) == []


def test_a_move_that_held_is_explained_from_before_its_candidate_showed():
    (row,) = moves(
        segment_now("Efficient", "held"),
        inputs={
            LONG_BEFORE: {"behavioral_cohort": "Steady State", "value_tier": "Gold"},
            BEFORE: {"behavioral_cohort": "Power User", "value_tier": "Silver"},
            MONDAY: {"behavioral_cohort": "Power User", "value_tier": "Silver"},
        },
    )
    assert (row["kind"], row["moved_from"], row["moved_to"], row["direction"]) == (
        "segment", "Growth", "Efficient", "down",
    )  # fmt: skip
    assert row["cause"] == "behavioral_cohort"
    assert row["cause_text"] == "behavioral cohort Steady State to Power User; value tier Gold to Silver"
    assert (row["effective_on"].date(), row["compared_with"].date()) == (MONDAY, LONG_BEFORE)
    assert row["move_rule"] == "held"


def test_score_parts_follow_the_rule_inputs_largest_first():
    (row,) = moves(
        segment_now("At-Risk", "risk_at_once"),
        inputs={BEFORE: {"behavioral_cohort": "Steady State"}, MONDAY: {"behavioral_cohort": "At Risk"}},
        parts={
            BEFORE: {
                ("behavioral_score", "seat_activity"): 20.0,
                ("behavioral_score", "trend"): 8.0,
                ("expansion_score", "trajectory"): 15.0,
                ("firmographic_score", "size"): 30.0,
                ("churn_risk", "cohort"): 0.0,
            },
            MONDAY: {
                ("behavioral_score", "seat_activity"): 7.96,
                ("behavioral_score", "depth"): 3.0,
                ("expansion_score", "trajectory"): 0.0,
                ("firmographic_score", "size"): 30.2,
                ("churn_risk", "cohort"): 90.0,
            },
        },
    )
    # Trajectory -15, seat activity -12.04, trend -8 (its part went); depth +3 is the fourth, size +0.2 is too little,
    # and churn risk is in log-odds.
    assert row["cause_text"] == (
        "behavioral cohort Steady State to At Risk; expansion trajectory -15.0; behavioral seat activity -12.0; "
        "behavioral trend -8.0"
    )
    assert (row["direction"], row["compared_with"].date()) == ("into_risk", BEFORE)


def test_directions():
    def direction(start: str, end: str) -> str:
        (row,) = moves(segment_now(end, "held"), was={"segment": start})
        return row["direction"]

    assert direction("Long-Tail", "Efficient") == "up"
    assert direction("Strategic", "Growth") == "down"
    assert direction("At-Risk", "Long-Tail") == "out_of_risk"
    assert direction("Long-Tail", "At-Risk") == "into_risk"


def test_arr_across_a_threshold_moves_segment_and_tier_and_says_so():
    segment, tier = moves(
        segment_now("Long-Tail", "arr_at_once") | tier_now("Long-Tail", "arr_at_once"),
        inputs={BEFORE: {"arr": 12_000.0, "value_tier": "Gold"}, MONDAY: {"arr": 8_000.0, "value_tier": "Bronze"}},
    )
    assert segment["cause"] == tier["cause"] == "arr_threshold"
    assert segment["cause_text"] == "ARR 12000 to 8000 crossed a billing threshold; value tier Gold to Bronze"
    assert tier["cause_text"] == "ARR 12000 to 8000 crossed a billing threshold"
    assert (tier["arr_before"], tier["arr_after"], tier["direction"]) == (12_000.0, 8_000.0, "down")


def test_evidence_of_a_tier():
    (row,) = moves(
        tier_now("Strategic", "held"),
        inputs={BEFORE: {"strategic_evidence": "reference"}, MONDAY: {"strategic_evidence": "reference"}},
    )
    assert (row["kind"], row["direction"], row["cause"]) == ("tier", "up", "strategic_evidence")
    assert row["cause_text"] == "strategic evidence none to reference"


def test_risk_that_waited_for_usage():
    (row,) = moves(
        segment_now("At-Risk", "risk_at_once"),
        inputs={
            BEFORE: {"candidate_segment": "At-Risk", "risk_waits": True},
            MONDAY: {"candidate_segment": "At-Risk"},
        },
    )
    assert (row["cause"], row["cause_text"]) == ("usage_lag", "usage is up to date again")


def test_a_day_in_the_week_has_the_moves_since_monday():
    wednesday = MONDAY + timedelta(days=2)
    tuesday = MONDAY + timedelta(days=1)
    (row,) = moves(segment_now("At-Risk", "risk_at_once", since=tuesday), as_of=wednesday)
    assert (row["effective_on"].date(), row["compared_with"].date()) == (tuesday, MONDAY)


def test_a_move_that_only_the_new_anchor_makes_is_re_anchored():
    # 1 July: the Monday before is in the second quarter, where people saw the state on the older grid.
    first = date(2026, 7, 1)
    moved = segment_now("Efficient", "held", since=date(2026, 5, 4))
    (row,) = moves(moved, as_of=first, was_in_new_chain={"segment": "Efficient"})
    assert (row["moved_from"], row["moved_to"]) == ("Growth", "Efficient")
    assert (row["cause"], row["move_rule"]) == ("re_anchored", "re_anchored")
    assert row["cause_text"] == "the grid starts anew on 2026-04-06"
    assert row["effective_on"].date() == first


def test_a_move_in_the_same_week_as_a_new_anchor_keeps_its_own_cause():
    first = date(2026, 7, 1)
    (row,) = moves(
        segment_now("At-Risk", "risk_at_once", since=first),
        as_of=first,
        was_in_new_chain={"segment": "Efficient"},
        inputs={date(2026, 6, 29): {"behavioral_cohort": "Steady State"}, first: {"behavioral_cohort": "Dormant"}},
    )
    assert (row["moved_from"], row["moved_to"], row["cause"]) == ("Growth", "At-Risk", "behavioral_cohort")


def test_nothing_that_can_be_named_is_other():
    (row,) = moves(segment_now("Efficient", "held"))
    assert (row["cause"], row["cause_text"]) == ("other", "")
