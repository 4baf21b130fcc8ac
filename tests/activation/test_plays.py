"""Which play is due, when and for whom: dates worked out by hand."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.policy.plays import PLAY_REASONS
from segmentation_assets.reading.play_reasons import NO_FIGURE, OLDER, reason_of
from tests.companies import Company, policy_with

FRIDAY = date(2026, 11, 27)
MONDAY = date(2026, 11, 23)
POLICY = load_policy()
Row = dict[str, Any]

SEGMENT: Row = {
    "account_id": "a", "segment": "Efficient", "coverage_tier": "Core", "micro_segment": "stable",
    "micro_segment_reason": "", "lifecycle_stage": "established", "arr": 12_000.0, "csm_id": "C1",
    "account_executive": "Ann", "segment_since": date(2025, 1, 6), "tier_since": date(2025, 1, 6),
    "segment_move_rule": "held", "tier_move_rule": "held", "weakest_dimension": "product",
    "needs_profile": "Basic need",
}  # fmt: skip
PROFILE: Row = {"account_id": "a", "first_paid_on": date(2024, 11, 28), "tenure_days": 729}


def company(
    segment: Row | None = None, profile: Row | None = None, done: tuple[tuple[str, date], ...] = (),
    policy: Policy = POLICY, as_of: date = FRIDAY, health: float = 31.4,
) -> Company:  # fmt: skip
    """One account: Efficient in Core, nothing the matter, unless said. `done`: plays and their days."""
    given_profile = PROFILE | (profile or {})
    renewal = given_profile.get("renewal_on")
    if renewal:
        given_profile["days_to_renewal"] = (renewal - as_of).days
    key = {"as_of": as_of, "account_id": "a"}
    return Company(
        policy,
        segments=[key | SEGMENT | (segment or {})],
        account_profiles=[key | given_profile],
        health_scores=[key | {"product_health": health, "weakest_dimension": "product"}],
        account_hierarchy=[
            key | {"surviving_account_id": "a"},
            key | {"account_id": "merged", "surviving_account_id": "a"},
        ],
        interactions=[
            {"interaction_id": f"N{i}", "account_id": "a" if i % 2 else "merged", "occurred_on": day, "play": play}
            for i, (play, day) in enumerate(done)
        ],
    )


def due(*arguments: Any, **named: Any) -> dict[str, Row]:
    """The account's plays by kind, without the care that every account of a tier gets."""
    rows = company(*arguments, **named).rows("plays_due", named.get("as_of", FRIDAY))
    return {row["kind"]: row for row in rows if row["kind"] != "care"}


def care(*arguments: Any, **named: Any) -> Row | None:
    rows = company(*arguments, **named).rows("plays_due", FRIDAY)
    return next((row for row in rows if row["kind"] == "care"), None)


STRATEGIC: Row = {"segment": "Strategic", "coverage_tier": "Strategic", "arr": 200_000.0}
GROWTH: Row = {"segment": "Growth", "coverage_tier": "Growth", "arr": 60_000.0}


# -- renewals: 27 November + 60 days is 26 January


def test_a_step_opens_on_its_day():
    row = due(STRATEGIC, {"renewal_on": date(2027, 1, 26)})["renewal"]
    assert (row["play_id"], row["step"], row["opened_on"]) == ("renewal_strategic", 3, FRIDAY)
    assert row["due_on"] == date(2026, 12, 4)  # 5 working days after a Friday: the next Friday
    assert (row["days_until_due"], row["timing"], row["is_overdue"]) == (7, "this_week", False)
    assert row["title"] == POLICY.plays.catalogue[0].steps[60]
    assert reason_of(row) == "renews in 60 days, on 26 Jan 2027; weakest is product health 31"


def test_until_then_the_step_before_is_open_and_overdue():
    row = due(STRATEGIC, {"renewal_on": date(2027, 1, 27)})["renewal"]
    # 120 days before 27 January is Tuesday 29 September; five working days later is Tuesday 6 October
    assert (row["step"], row["opened_on"], row["due_on"]) == (2, date(2026, 9, 29), date(2026, 10, 6))
    assert (row["is_overdue"], row["timing"], row["days_until_due"]) == (True, "today", -52)
    assert row["urgency"] == 1.0
    assert row["arr_urgency"] == 200_000.0


def test_done_once_the_next_step_comes_and_says_what_closed_the_last():
    row = due(STRATEGIC, {"renewal_on": date(2027, 1, 27)}, (("renewal_outreach", date(2026, 10, 1)),))["renewal"]
    # 60 days before is Saturday 28 November; five working days later is Friday 4 December
    assert (row["step"], row["opened_on"], row["due_on"]) == (3, date(2026, 11, 28), date(2026, 12, 4))
    assert (row["last_done_on"], row["last_interaction_id"]) == (date(2026, 10, 1), "N0")
    assert row["is_overdue"] is False
    # 7 days until due, half after 14: 0.5 ** 0.5 = 0.70710678
    assert row["urgency"] == pytest.approx(0.707106781, abs=1e-9)
    assert row["arr_urgency"] == 141_421.36


@pytest.mark.parametrize(("on", "is_done"), [(date(2026, 11, 13), False), (date(2026, 11, 14), True)])
def test_done_a_little_early_counts(on: date, is_done: bool):
    """Step 3 opens on 28 November: 14 days early is the 14th."""
    rows = due(STRATEGIC, {"renewal_on": date(2027, 1, 27)}, (("renewal_outreach", on),))
    assert ("renewal" not in rows) is is_done


def test_a_renewal_farther_ahead_than_the_horizon_is_not_listed():
    rows = due(GROWTH, {"renewal_on": FRIDAY + timedelta(days=120 + 60)})
    assert "renewal" not in rows  # opens 60 days ahead, due 5 working days after that
    row = due(GROWTH, {"renewal_on": FRIDAY + timedelta(days=120 + 46)})["renewal"]
    assert (row["opened_on"], row["timing"]) == (FRIDAY + timedelta(days=46), "later")


def test_an_account_that_is_known_to_leave_is_won_back_not_renewed():
    leaving = {"renewal_on": date(2026, 12, 15), "leaving_on": date(2026, 12, 15)}
    rows = due(GROWTH, leaving)
    assert set(rows) == {"risk"}
    assert rows["risk"]["play_id"] == "win_back"
    assert reason_of(rows["risk"]) == "leaves on 15 Dec 2026; weakest is product health 31"


def test_in_a_tier_of_less_care_the_plays_are_those_of_the_tier():
    less: Row = {"segment": "Growth", "coverage_tier": "Core", "tier_conflict": "tier_gives_less"}
    near = {"renewal_on": date(2026, 12, 27)}
    assert due(less, near)["renewal"]["play_id"] == "renewal_efficient"
    assert due(less, near)["renewal"]["play_segment"] == "Efficient"
    assert due(less | {"coverage_override": "high_touch"}, near)["renewal"]["play_id"] == "renewal_growth"
    at_risk = less | {"segment": "At-Risk", "coverage_tier": "Long-Tail"}
    assert due(at_risk, near)["renewal"]["play_id"] == "renewal_at_risk"
    more = {"segment": "Long-Tail", "coverage_tier": "Core", "tier_conflict": "tier_gives_more"}
    assert due(more, near)["renewal"]["play_id"] == "renewal_long_tail"


# -- the order of kinds


def test_renewal_override_onboarding_risk_growth_in_this_order():
    row: Row = {
        **GROWTH, "coverage_override": "high_touch", "lifecycle_stage": "onboarding", "micro_segment": "at_risk",
        "micro_segment_reason": "low health",
    }  # fmt: skip
    profile = {
        "renewal_on": date(2026, 12, 20), "users_trend": -0.341, "tenure_days": 30,
        "first_paid_on": date(2026, 10, 28), "mau_seat_share": 0.42,
    }  # fmt: skip
    rows = company(row, profile).rows("plays_due", FRIDAY)
    kinds = [each["kind"] for each in sorted(rows, key=lambda each: each["place"])]
    assert kinds == ["renewal", "override", "onboarding", "risk"]
    by_kind = {each["kind"]: each for each in rows}
    assert reason_of(by_kind["override"]) == (
        "active users down 34% against the four weeks before; renews in 23 days, on 20 Dec 2026"
    )
    assert by_kind["override"]["opened_on"] == MONDAY
    assert by_kind["override"]["due_on"] == date(2026, 11, 25)  # two working days after Monday
    assert reason_of(by_kind["onboarding"]) == "day 30 since the first payment; 42% of the seats in use"
    assert (by_kind["onboarding"]["step"], by_kind["onboarding"]["opened_on"]) == (2, FRIDAY)
    assert by_kind["onboarding"]["material"] == "self-serve set-up"


def test_a_renewal_far_ahead_comes_last():
    row = {**STRATEGIC, "micro_segment": "at_risk", "micro_segment_reason": "late payments"}
    rows = due(row, {"renewal_on": FRIDAY + timedelta(days=121), "tenure_days": 20})
    assert (rows["risk"]["place"], rows["renewal"]["place"]) == (1, 3)  # after the care of the tier, too
    near = due(row, {"renewal_on": FRIDAY + timedelta(days=120), "tenure_days": 20})
    assert (near["renewal"]["place"], near["risk"]["place"]) == (1, 2)


def test_what_is_open_stands_before_what_is_coming():
    row = {**GROWTH, "micro_segment": "at_risk", "micro_segment_reason": "late payments"}
    rows = due(row, {"renewal_on": FRIDAY + timedelta(days=61)}, (("renewal_outreach", date(2026, 10, 15)),))
    # between them stands the care of the tier, which is open, too
    assert (rows["renewal"]["opened_on"], rows["renewal"]["place"]) == (FRIDAY + timedelta(days=1), 3)
    assert (rows["risk"]["opened_on"], rows["risk"]["place"]) == (MONDAY, 1)


def test_nobody_sells_more_to_an_account_in_danger():
    ready: Row = {**GROWTH, "micro_segment": "expansion_ready", "micro_segment_reason": "adoption surge"}
    row = due({**ready, "expansion_score": 71.6})["growth"]
    assert (row["opened_on"], reason_of(row)) == (MONDAY, "adoption surge; expansion score 72")
    assert set(due({**ready, "coverage_override": "high_touch"})) == {"override"}
    waiting = due({**ready, "segment": "At-Risk", "segment_since": FRIDAY})
    assert set(waiting) == {"risk"}
    done = due({**ready, "coverage_override": "high_touch"}, done=(("intervention", FRIDAY),))
    assert set(done) == {"growth"}  # the override is answered


# -- risk


AT_RISK: Row = {"segment": "At-Risk", "coverage_tier": "Growth", "segment_since": date(2026, 11, 20), "arr": 60_000.0}


def test_an_intervention_is_due_two_working_days_after_the_move():
    row = due(AT_RISK, {"users_trend": -0.341})["risk"]
    assert (row["opened_on"], row["due_on"]) == (date(2026, 11, 20), date(2026, 11, 24))  # Friday, then Tuesday
    assert row["is_overdue"] is True
    assert reason_of(row) == (
        "in At-Risk since 20 Nov 2026; weakest is product health 31; active users down 34% against the four weeks "
        "before"
    )
    assert row["replanned_on"] == date(2026, 11, 20)
    assert (row["owner_role"], row["owner"], row["is_stand_in"]) == ("csm", "C1", False)


def test_it_comes_again_while_the_account_stays_at_risk():
    row = due(AT_RISK, done=(("intervention", date(2026, 11, 24)),))["risk"]
    # 30 days after the 24th is Thursday 24 December; two working days later is Monday the 28th
    assert (row["opened_on"], row["due_on"], row["timing"]) == (date(2026, 12, 24), date(2026, 12, 28), "later")


def test_the_weakest_dimension_chooses_who_goes():
    def owner(weakest: str, tier: str, **named: Any) -> tuple[str, str | None, bool]:
        row = due({**AT_RISK, "weakest_dimension": weakest, "coverage_tier": tier, **named},
                  {"executive_sponsor": "Vera"})["risk"]  # fmt: skip
        return row["owner_role"], row["owner"], row["is_stand_in"]

    assert owner("relationship", "Growth") == ("executive_sponsor", "Vera", False)
    assert owner("relationship", "Core") == ("csm", "C1", False)
    assert owner("financial", "Core") == ("account_executive", "Ann", False)
    assert owner("financial", "Core", account_executive=None) == ("account_executive", "C1", True)
    assert owner("product", "Core", csm_id=None) == ("csm", "Ann", True)
    assert owner("product", "Core", csm_id=None, account_executive=None) == ("csm", None, False)


def test_a_signal_is_of_the_week_and_rests_after_it_was_answered():
    ready: Row = {**GROWTH, "micro_segment": "expansion_ready", "micro_segment_reason": "new champions"}
    assert due(ready)["growth"]["opened_on"] == MONDAY
    assert "growth" not in due(ready, done=(("expansion_outreach", date(2026, 9, 29)),))  # 59 days ago
    again = due(ready, done=(("expansion_outreach", date(2026, 9, 26)),))["growth"]
    assert again["opened_on"] == date(2026, 11, 25)  # 60 days later
    assert due(ready, done=(("check_in", MONDAY),))["growth"]["opened_on"] == MONDAY  # another play closes nothing


def test_automation_has_no_person():
    row = due({"micro_segment": "advocate", "micro_segment_reason": "satisfied and a good fit"})["growth"]
    assert (row["owner_role"], row["owner"], row["is_stand_in"]) == ("automation", None, False)


def test_each_reason_of_the_catalogue_has_words_and_one_that_is_not_known_is_left_out():
    keys = (
        "renewal_on", "days_to_renewal", "churn_risk", "users_trend", "events_trend", "mau_seat_share",
        "weakest_dimension", "weakest_health", "overdue_days", "segment_since", "leaving_on", "paused_on",
        "tenure_days", "micro_segment_reason", "expansion_score", "last_done_on",
    )  # fmt: skip
    unknown: Row = dict.fromkeys(keys) | {"overdue_days": 0, "micro_segment_reason": ""}
    for name in PLAY_REASONS:
        if name != "last_done":
            assert reason_of({**unknown, "reasons": name}) == NO_FIGURE, name
    assert reason_of({**unknown, "reasons": "renewal, last_done"}) == "none is recorded"
    events = {**unknown, "reasons": "usage, churn_risk, overdue", "events_trend": 0.004, "churn_risk": 0.126,
              "overdue_days": 1}  # fmt: skip
    # 0.4 % rounds to none; 12.6 % to 13
    assert reason_of(events) == (
        "events unchanged against the four weeks before; churn risk 13%; an invoice is 1 day overdue"
    )


# -- care: a business review every 3 months of a Strategic account is every 91 days


@pytest.mark.parametrize(
    ("tenure", "opened"),
    [
        (400, date(2026, 10, 22)),  # 400 = 4 x 91 + 36: the turn of 36 days ago is open
        (424, date(2026, 9, 28)),  # 60 days ago
        (425, date(2026, 12, 27)),  # 61 days ago: missed, the next one comes 30 days ahead
        (90, FRIDAY + timedelta(days=1)),  # the first
    ],
)
def test_care_that_was_never_recorded_turns_from_the_first_payment(tenure: int, opened: date):
    row = care(STRATEGIC, {"tenure_days": tenure, "first_paid_on": FRIDAY - timedelta(days=tenure)})
    assert row is not None
    assert (row["opened_on"], row["play"], reason_of(row)) == (
        opened, "business_review", "none is recorded; weakest is product health 31",
    )  # fmt: skip


def test_care_comes_one_turn_after_it_was_done():
    row = care(STRATEGIC, done=(("business_review", date(2026, 9, 10)),))
    assert row is not None
    assert (row["opened_on"], reason_of(row)) == (
        date(2026, 12, 10), "last one on 10 Sep 2026; weakest is product health 31",
    )  # fmt: skip
    assert care({"segment": "Long-Tail", "coverage_tier": "Long-Tail"}) is None


# -- holdouts


def test_a_holdout_is_drawn_by_the_hash_of_account_and_play():
    ready: Row = {**GROWTH, "micro_segment": "expansion_ready", "micro_segment_reason": "new champions"}
    place = int(hashlib.md5(b"a|expansion_outreach", usedforsecurity=False).hexdigest()[:8], 16) / 16**8
    for share, expected in ((0.0, False), (place - 1e-6, False), (place + 1e-6, True), (1.0, True)):
        policy = policy_with({"plays": {"holdout_shares": {"expansion_outreach": share}}})
        assert due(ready, policy=policy)["growth"]["is_held_out"] is expected
    other = policy_with({"plays": {"holdout_shares": {"expansion_roadmap": 1.0}}})
    assert due(ready, policy=other)["growth"]["is_held_out"] is False


# -- properties


@given(
    days=st.integers(1, 400),
    segment=st.sampled_from(["Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail"]),
    tier=st.sampled_from(["Strategic", "Growth", "Core", "Long-Tail"]),
    ago=st.none() | st.integers(0, 200),
)
@settings(max_examples=25, deadline=None)
def test_what_was_done_today_is_not_due_and_one_step_is_open_at_most(
    days: int, segment: str, tier: str, ago: int | None
):
    done = () if ago is None else (("renewal_outreach", FRIDAY - timedelta(days=ago)),)
    row = due({"segment": segment, "coverage_tier": tier}, {"renewal_on": FRIDAY + timedelta(days=days)}, done).get(
        "renewal"
    )
    if row is None:
        return
    steps = next(e for e in POLICY.plays.catalogue if e.id == row["play_id"]).step_days
    ahead = days - (row["opened_on"] - FRIDAY).days
    assert ahead == steps[row["step"] - 1]
    if ago is not None:
        assert (FRIDAY - timedelta(days=ago)) < row["opened_on"] - timedelta(days=POLICY.plays.early_days)
    if row["opened_on"] <= FRIDAY:  # of the steps that have come, the last
        assert all(other < days for other in steps[row["step"] :])


def test_a_day_by_itself_gives_the_same_rows_as_in_a_range():
    days = [FRIDAY, FRIDAY + timedelta(days=3)]
    alone = [company(AT_RISK, {"renewal_on": date(2026, 12, 20)}, as_of=day) for day in days]
    both = Company(
        POLICY,
        **{
            name: [row for one in alone for row in one.stated[name]]
            for name in alone[0].stated
            if name != "interactions"
        },
    )
    expected = [row for one, day in zip(alone, days, strict=True) for row in one.rows("plays_due", day)]
    result = both.rows("plays_due", *days)
    order = lambda row: (row["as_of"], row["kind"])  # noqa: E731
    assert sorted(result, key=order) == sorted(expected, key=order)


def test_a_list_of_an_earlier_release_says_that_it_has_no_figures():
    assert reason_of({"play": "renewal_call"}) == OLDER
