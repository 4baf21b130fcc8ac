from __future__ import annotations

from datetime import date, timedelta

from segmentation_assets.policy.model import load_policy
from segmentation_assets.segments.moves import days_looked_at
from tests.companies import Company, records

POLICY = load_policy()
MONDAY = date(2026, 5, 11)
WEEK = timedelta(weeks=1)
BEFORE, LONG_BEFORE = MONDAY - WEEK, MONDAY - 2 * WEEK
WEDNESDAY = MONDAY - timedelta(days=5)
EVE = MONDAY - timedelta(days=1)
STATE = {"segment": "Growth", "coverage_tier": "Core", "segment_since": LONG_BEFORE, "tier_since": LONG_BEFORE,
         "segment_move_rule": "held", "tier_move_rule": "held"}  # fmt: skip


def moves(
    states: dict[date, dict],
    *,
    as_of: date = MONDAY,
    arr: dict[date, float] | None = None,
    relabels: list[dict] | None = None,
) -> list[dict]:
    """Moves of one account that is in Growth and Core on every day, but for what is said."""
    key = {"account_id": "a"}
    days = days_looked_at(as_of)
    assert set(states) <= set(days)
    company = Company(
        segment_states=[{"as_of": d} | key | STATE | states.get(d, {}) for d in days],
        segment_relabels=relabels or [],
        segment_inputs=[{"as_of": d, "arr": (arr or {}).get(d, 15_000.0)} | key for d in days],
    )
    return records(company.frame("segment_moves", as_of).sort_values(["kind", "effective_on"], ignore_index=True))


def segment(name: str, rule: str, since: date = MONDAY, text: str = "behavioral cohort A to B", **more) -> dict:
    return {
        "segment": name, "segment_since": since, "segment_move_rule": rule, "segment_compared_with": LONG_BEFORE,
        "segment_cause": "behavioral_cohort", "segment_cause_kind": "behaviour", "segment_cause_text": text, **more,
    }  # fmt: skip


def tier(name: str, rule: str, since: date = MONDAY) -> dict:
    return {
        "coverage_tier": name, "tier_since": since, "tier_move_rule": rule, "tier_compared_with": BEFORE,
        "tier_cause": "arr", "tier_cause_kind": "revenue", "tier_cause_text": "arr 12,000 to 8,000",
    }  # fmt: skip


def words(row: dict, *names: str) -> tuple:
    return tuple(row[name].date() if name in {"effective_on", "compared_with"} else row[name] for name in names)


def test_days_looked_at():
    assert days_looked_at(MONDAY) == [BEFORE, EVE, MONDAY]
    assert days_looked_at(MONDAY + timedelta(days=6)) == [BEFORE, EVE, MONDAY, MONDAY + timedelta(days=6)]


def test_who_stays_has_no_row():
    assert moves({}) == []
    assert moves({}, as_of=MONDAY + timedelta(days=3)) == []


def test_a_move_on_monday_has_the_cause_that_its_state_carries():
    (row,) = moves({MONDAY: segment("Efficient", "held")}, arr={EVE: 15_000.0, MONDAY: 14_000.0})
    assert words(row, "kind", "moved_from", "moved_to", "direction", "move_rule") == (
        "segment", "Growth", "Efficient", "down", "held",
    )  # fmt: skip
    assert words(row, "cause", "cause_kind", "cause_text") == (
        "behavioral_cohort", "behaviour", "behavioral cohort A to B",
    )  # fmt: skip
    assert words(row, "effective_on", "compared_with") == (MONDAY, LONG_BEFORE)
    assert (row["arr_before"], row["arr_after"]) == (15_000.0, 14_000.0)


def test_every_day_of_a_week_tells_the_moves_of_its_monday():
    """A weekly run is of a Sunday: it must not miss what counted on the Monday before."""
    moved = segment("Efficient", "held")
    sunday = MONDAY + timedelta(days=6)
    (row,) = moves({MONDAY: moved, sunday: moved}, as_of=sunday)
    assert words(row, "moved_from", "moved_to", "effective_on") == ("Growth", "Efficient", MONDAY)


def test_two_moves_of_one_account_have_a_row_each():
    thursday = MONDAY + timedelta(days=3)
    rows = moves(
        {
            MONDAY: segment("Efficient", "held"),
            thursday: segment("At-Risk", "risk_at_once", thursday, "cohort B to C"),
        },
        as_of=thursday,
    )
    assert [words(row, "moved_from", "moved_to", "effective_on", "direction", "cause_text") for row in rows] == [
        ("Growth", "Efficient", MONDAY, "down", "behavioral cohort A to B"),
        ("Efficient", "At-Risk", thursday, "into_risk", "cohort B to C"),
    ]


def test_one_day_in_danger_has_a_row_for_its_entry_and_one_for_its_end():
    entered = segment("At-Risk", "risk_at_once", WEDNESDAY)
    (entry,) = moves({EVE: entered, MONDAY: entered})
    assert words(entry, "moved_to", "effective_on", "direction") == ("At-Risk", WEDNESDAY, "into_risk")
    later = MONDAY + WEEK
    (end,) = moves({MONDAY: entered, later - timedelta(days=1): entered}, as_of=later)
    assert words(end, "moved_from", "moved_to", "effective_on", "direction", "move_rule") == (
        "At-Risk", "Growth", later, "out_of_risk", "not_confirmed",
    )  # fmt: skip
    assert words(end, "cause", "cause_text") == ("behavioral_cohort", "behavioral cohort A to B")


def test_arr_that_crossed_and_came_back_within_a_week_has_both_rows():
    fell = tier("Long-Tail", "arr_at_once", WEDNESDAY)
    rows = moves({EVE: fell}, arr={EVE: 8_000.0})
    assert [words(row, "moved_from", "moved_to", "effective_on", "move_rule") for row in rows] == [
        ("Core", "Long-Tail", WEDNESDAY, "arr_at_once"), ("Long-Tail", "Core", MONDAY, "not_confirmed"),
    ]  # fmt: skip
    assert [(row["arr_before"], row["arr_after"]) for row in rows] == [(15_000.0, 8_000.0), (8_000.0, 15_000.0)]
    assert {row["cause_kind"] for row in rows} == {"revenue"}


def test_directions():
    def direction(start: str, end: str) -> str:
        was = {"segment": start}
        (row,) = moves({BEFORE: was, EVE: was, MONDAY: segment(end, "held")})
        return row["direction"]

    assert direction("Long-Tail", "Efficient") == "up"
    assert direction("Strategic", "Growth") == "down"
    assert direction("At-Risk", "Long-Tail") == "out_of_risk"
    assert direction("Long-Tail", "At-Risk") == "into_risk"


def test_an_account_that_left_and_came_back():
    (row,) = moves({MONDAY: {"segment": "Efficient", "segment_since": MONDAY, "segment_move_rule": "start"}})
    assert words(row, "cause", "cause_kind", "cause_text", "compared_with") == ("came_back", "revenue", "", EVE)


def test_a_move_that_only_the_new_anchor_makes_is_re_anchored():
    first = date(2026, 7, 1)  # a Wednesday; the second quarter's last Monday is 29 June
    (row,) = moves({first: segment("Efficient", "held", date(2026, 5, 4))}, as_of=first)
    assert words(row, "moved_from", "moved_to", "cause", "cause_kind", "move_rule", "effective_on") == (
        "Growth", "Efficient", "re_anchored", "re_anchored", "re_anchored", first,
    )  # fmt: skip


def test_a_move_in_the_same_week_as_a_new_anchor_keeps_its_own_cause():
    first = date(2026, 7, 1)
    (row,) = moves({first: segment("At-Risk", "risk_at_once", first)}, as_of=first)
    assert words(row, "moved_to", "cause") == ("At-Risk", "behavioral_cohort")


def relabel(old: str, new: str, on: date = WEDNESDAY, announced_on: date = WEDNESDAY - timedelta(days=1), **more):
    return {
        "account_id": "a", "kind": "segment", "entry": 1, "moved_from": old, "moved_to": new, "cause_kind": "policy",
        "announced_on": announced_on, "relabelled_on": on, **more,
    }  # fmt: skip


def test_what_a_new_policy_moved_has_a_row_of_its_own():
    """Growth was announced until Tuesday. From Wednesday on, a new policy says Strategic, since long ago."""
    strategic = {"segment": "Strategic"}
    (row,) = moves(
        dict.fromkeys((BEFORE, EVE, MONDAY), strategic),
        relabels=[relabel("Growth", "Strategic")],
    )
    assert words(row, "moved_from", "moved_to", "direction", "effective_on", "compared_with") == (
        "Growth", "Strategic", "up", WEDNESDAY, WEDNESDAY - timedelta(days=1),
    )  # fmt: skip
    assert words(row, "move_rule", "cause", "cause_kind", "cause_text") == ("policy", "policy", "policy", "")


def test_a_move_that_only_the_new_policy_dates_before_its_first_run_is_of_the_policy():
    """The new policy says At-Risk since Tuesday. Until Tuesday Growth was announced, so nobody heard of that move."""
    tuesday = WEDNESDAY - timedelta(days=1)
    at_risk = segment("At-Risk", "risk_at_once", tuesday)
    (row,) = moves({EVE: at_risk, MONDAY: at_risk}, relabels=[relabel("Growth", "At-Risk")])
    assert words(row, "moved_to", "effective_on", "cause_kind") == ("At-Risk", WEDNESDAY, "policy")


def test_a_move_that_was_announced_stays_beside_what_the_policy_did():
    """Efficient was announced for Monday to Wednesday. On Thursday a new policy says At-Risk since Tuesday."""
    tuesday, thursday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=3)
    rows = moves(
        {MONDAY: segment("Efficient", "held"), thursday: segment("At-Risk", "risk_at_once", tuesday)},
        as_of=thursday,
        relabels=[relabel("Efficient", "At-Risk", thursday, thursday - timedelta(days=1))],
    )
    assert [words(row, "moved_to", "effective_on", "cause_kind") for row in rows] == [
        ("Efficient", MONDAY, "behaviour"), ("At-Risk", thursday, "policy"),
    ]  # fmt: skip


def test_a_move_after_the_new_policy_is_the_accounts_own():
    held = segment("Efficient", "held")
    rows = moves({MONDAY: held}, relabels=[relabel("Strategic", "Growth")])
    assert [words(row, "moved_from", "moved_to", "cause_kind") for row in rows] == [
        ("Strategic", "Growth", "policy"), ("Growth", "Efficient", "behaviour"),
    ]  # fmt: skip


def test_two_new_policies_on_one_day_are_one_change():
    there = relabel("Growth", "Strategic")
    on = relabel("Strategic", "Efficient", entry=2, announced_on=WEDNESDAY)
    back = relabel("Strategic", "Growth", entry=2, announced_on=WEDNESDAY)
    assert [words(row, "moved_from", "moved_to") for row in moves({}, relabels=[there, on])] == [
        ("Growth", "Efficient")
    ]
    assert moves({}, relabels=[there, back]) == []


def test_a_relabelling_is_told_in_the_weeks_of_its_run_and_never_before_it():
    strategic = {"segment": "Strategic"}
    states = dict.fromkeys((BEFORE, EVE, MONDAY), strategic)
    assert moves(states, relabels=[relabel("Growth", "Strategic", on=BEFORE)]) == []
    assert moves(states, relabels=[relabel("Growth", "Strategic", on=MONDAY + timedelta(days=1))]) == []
    assert len(moves(states, relabels=[relabel("Growth", "Strategic", on=MONDAY)])) == 1


def test_a_move_since_the_announcement_explains_the_change_itself():
    """At-Risk was announced until Sunday. Monday does not confirm it; the next run, on Tuesday, finds Growth."""
    tuesday = MONDAY + timedelta(days=1)
    entered = segment("At-Risk", "risk_at_once", WEDNESDAY)
    rows = moves(
        {EVE: entered},
        as_of=tuesday,
        relabels=[relabel("At-Risk", "Growth", tuesday, EVE, cause_kind="restated")],
    )
    assert [words(row, "moved_to", "move_rule") for row in rows] == [
        ("At-Risk", "risk_at_once"), ("Growth", "not_confirmed"),
    ]  # fmt: skip
