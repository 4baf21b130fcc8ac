from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation_assets.profiles.engagement  # noqa: F401
from tests.profiles.service import (
    AS_OF,
    ago,
    assert_future_changes_nothing,
    assert_lone_days_equal_backfill,
    computed,
    figures,
)

TABLE = "account_engagement"


def touch(days: int, channel: str = "email", touches: int = 1, account: str = "a") -> dict:
    return {"account_id": account, "engaged_on": ago(days), "channel": channel, "touches": touches}


def talk(number: int, days: int, kind: str = "email", by: str = "us", replied: int | None = None) -> dict:
    reply = None if replied is None else ago(replied)
    return {
        "interaction_id": f"i{number}",
        "account_id": "a",
        "occurred_on": ago(days),
        "kind": kind,
        "initiated_by": by,
        "replied_on": reply,
    }


def survey(
    number: int, sent: int, answered: int | None = None, score: float | None = None, kind: str = "nps"
) -> dict:
    answer = None if answered is None else ago(answered)
    return {
        "response_id": f"s{number}",
        "account_id": "a",
        "sent_on": ago(sent),
        "answered_on": answer,
        "kind": kind,
        "score": score,
    }


def test_touches_of_90_days_and_their_community_part():
    touches = [touch(0, "email", 2), touch(89, "community", 3), touch(90, "event", 50), touch(1, "event", 1)]
    row = figures(TABLE, {"marketing_engagement": touches})
    assert (row["touches_90d"], row["community_touches_90d"]) == (6, 3)


def test_responsiveness_counts_only_what_had_its_five_days_or_was_answered():
    talks = [
        talk(1, 20, replied=15),  # on the fifth day: in time
        talk(2, 20, replied=14),  # on the sixth: too late
        talk(3, 20),  # never
        talk(4, 5),  # its fifth day is as_of itself, not yet passed
        talk(5, 6),  # passed without an answer
        talk(6, 2, replied=1),  # young, but answered
        talk(7, 2, replied=-1),  # answered tomorrow: young and unanswered
        talk(8, 20, by="customer"),
        talk(9, 90, replied=90),  # outside the window
    ]
    assert figures(TABLE, {"interactions": talks})["responsiveness"] == pytest.approx(2 / 5)


def test_a_reply_after_as_of_does_not_rescue_an_old_interaction():
    assert figures(TABLE, {"interactions": [talk(1, 6, replied=-1)]})["responsiveness"] == 0


def test_who_of_us_began_is_what_the_policy_says():
    talks = [talk(1, 20, by="us"), talk(2, 20, by="customer", replied=19)]
    both = {"engagement": {"our_initiators": ("us", "customer")}}
    assert figures(TABLE, {"interactions": talks})["responsiveness"] == 0
    assert figures(TABLE, {"interactions": talks}, policy=both)["responsiveness"] == 0.5


def test_meetings_are_not_emails():
    kinds = ("meeting", "call", "business_review", "email")
    talks = [*(talk(i, 3, kind) for i, kind in enumerate(kinds)), talk(9, 90, "meeting")]
    assert figures(TABLE, {"interactions": talks})["meetings_90d"] == 3


@pytest.mark.parametrize(("meetings", "expected"), [(1, True), (2, False)])
def test_digital_first_from_four_fifths_of_touches_and_meetings(meetings: int, expected: bool):
    extracts = {
        "marketing_engagement": [touch(1, "email", 4), touch(2, "in_app", 1), touch(3, "event", 0)],
        "interactions": [talk(i, 3, "meeting") for i in range(meetings)],
    }
    assert figures(TABLE, extracts)["digital_first"] is expected  # 5 of 6 = 0.83; 5 of 7 = 0.71


def test_events_are_touches_but_not_digital():
    extracts = {"marketing_engagement": [touch(1, "email", 3), touch(1, "event", 1)], "interactions": [talk(1, 1)]}
    assert figures(TABLE, extracts)["digital_first"] is False  # 3 of 4


def test_digital_first_needs_both_extracts_and_something_to_divide_by():
    assert figures(TABLE, {"marketing_engagement": [touch(1)]})["digital_first"] is None
    assert figures(TABLE, {"interactions": [talk(1, 1, "meeting")]})["digital_first"] is None
    both = {"marketing_engagement": [touch(1)], "interactions": [talk(1, 1)]}
    assert figures(TABLE, both, account="b")["digital_first"] is None


def test_nps_is_promoters_minus_detractors():
    scores = (10, 9, 8, 7, 6, 0, 9)
    surveys = [survey(i, 30, 20, score) for i, score in enumerate(scores)]
    surveys += [
        survey(20, 30, 20, 0, "csat"),  # another kind
        survey(21, 30, -1, 0),  # answered tomorrow
        survey(22, 400, 365, 0),  # answered a year ago
        survey(23, 30, 20, None),  # answered without a score
    ]
    assert figures(TABLE, {"surveys": surveys})["nps"] == pytest.approx(100 * (3 - 2) / 7)


def test_survey_response_rate_of_twelve_months():
    surveys = [survey(1, 10, 9, 5), survey(2, 10), survey(3, 10, -1, 5), survey(4, 364, 300, 5), survey(5, 365, 1, 5)]
    assert figures(TABLE, {"surveys": surveys})["survey_response_rate"] == 0.5


def test_days_since_the_last_touch_of_any_kind():
    touches = [touch(12), touch(3, touches=0), {**touch(40), "account_id": "b"}]
    rows = computed(TABLE, {"marketing_engagement": touches, "interactions": [talk(1, 7, by="customer")]})
    assert rows[AS_OF, "a"]["days_since_last_touch"] == 7
    assert rows[AS_OF, "b"]["days_since_last_touch"] == 40


def test_unknown_without_a_row_by_then_and_zero_with_one():
    unknown = figures(TABLE, {"marketing_engagement": [touch(-1)], "interactions": [talk(1, -1)]})
    assert set(unknown.values()) == {None}
    facts = {"marketing_engagement": [touch(200)], "interactions": [talk(1, 200)], "surveys": [survey(1, 300)]}
    none = figures(TABLE, facts, account="b")
    assert [none[n] for n in ("touches_90d", "community_touches_90d", "meetings_90d")] == [0, 0, 0]
    assert [none[n] for n in ("nps", "survey_response_rate", "responsiveness", "days_since_last_touch")] == [None] * 4


HISTORY = {
    "marketing_engagement": [touch(d, c, d + 1) for d, c in ((0, "email"), (45, "community"), (200, "event"))],
    "interactions": [
        talk(i, d, k, "us", d - 4) for i, (d, k) in enumerate(((2, "email"), (30, "meeting"), (92, "call")))
    ],
    "surveys": [survey(i, d, d - 10, d % 11) for i, d in enumerate((5, 33, 150, 390))],
}


def test_lone_days_equal_a_backfill():
    assert_lone_days_equal_backfill(TABLE, HISTORY, [ago(396), ago(30), AS_OF])


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=10, max_size=30))
def test_what_comes_later_changes_nothing(later: list[tuple[int, bool]]):
    def future(days: int, only_known_later: bool) -> dict:
        if only_known_later:
            rows = {
                "marketing_engagement": [touch(1, "content", 9)],
                "interactions": [talk(60, 1, "meeting", replied=0)],
                "surveys": [survey(60, 30, 3, 0)],
            }
            return {name: [{**row, "known_from": ago(-days)} for row in result] for name, result in rows.items()}
        return {
            "marketing_engagement": [touch(-days, touches=9)],
            "interactions": [talk(60, -days, "meeting", replied=-days)],
            "surveys": [survey(60, -days, -days, 0)],
        }

    assert_future_changes_nothing(TABLE, HISTORY, [future(*case) for case in later])
