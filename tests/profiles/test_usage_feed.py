"""Up to which day usage is complete, of the company and of one account, with figures worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from tests.profiles.chain import Rows, computed
from tests.profiles.test_usage import DAY, THROUGH, subscription, used

OTHERS = ("b", "c", "d")
WEEKDAYS = [n for n in range(56) if (THROUGH - n * DAY).weekday() < 5]


def users(number: int, ago: Iterable[int], account: str = "a", **values: Any) -> Rows:
    """So many users of an account, each once a day, so many days before THROUGH (a Tuesday)."""
    return [row for n in range(number) for row in used(f"{account}-u{n}", ago, account_id=account, **values)]


def usage(
    rows: Rows, *days: date, accounts: Iterable[str] = ("a", *OTHERS), table: str = "account_usage", **extracts: Rows
) -> dict[tuple[date, str], dict[str, Any]]:
    inputs = {
        "product_usage": rows,
        "billing_subscriptions": [subscription(subscription_id=a, account_id=a) for a in accounts],
        "crm_accounts": [{"account_id": a} for a in accounts],
        **extracts,
    }
    return computed(table, inputs, *(days or (THROUGH,)))


def through(rows: Rows, day: date = THROUGH) -> date:
    return usage(rows, day, accounts=["a"])[day, "a"]["usage_through"]


def test_windows_end_at_a_day_with_half_of_what_is_usual_for_its_weekday() -> None:
    """Four users on each of the last four Tuesdays, one on the other days: usual is 4 on a Tuesday, 1 on a Monday."""
    usual = [u for n in range(4) for u in used(f"u{n}", [7, 14, 21, 28])]
    usual += used("u0", [1, 2, 8, 9, 15, 16])
    assert through([*usual, *used("u0", 0)]) == THROUGH - DAY, "1 of 4: delivered in part"
    assert through([*usual, *used("u0", 0), *used("u1", 0)]) == THROUGH, "2 of 4"
    row = usage([*usual, *used("stray", 0, event_count=99)], accounts=["a"])[THROUGH, "a"]
    assert (row["usage_lag_days"], row["wau"], row["events_28d"]) == (1, 4, 6 + 4 * 4), "days 1 to 28"


def test_a_row_of_a_day_to_come_moves_nothing_then_or_now() -> None:
    """Four users a day up to today, and one row dated five days ahead: unseen today, 1 of 4 on that day."""
    rows = [*users(4, range(56)), *used("stray", -5)]
    assert through(rows) == THROUGH
    row = usage(rows, THROUGH + 5 * DAY, accounts=["a"])[THROUGH + 5 * DAY, "a"]
    assert (row["usage_through"], row["usage_lag_days"], row["mau"]) == (THROUGH, 5, 4)


def test_days_without_a_feed_do_not_make_a_stray_row_usual() -> None:
    """Three users a day until 28 days ago, and one row today: 1 of 3 that are usual, the empty weeks apart."""
    rows = users(3, range(28, 49))
    stray = used("a-u0", 0)
    assert through([*rows, *stray]) == THROUGH - 28 * DAY
    day = THROUGH + DAY
    assert usage([*rows, *used("a-u0", -1)], day, accounts=["a"]) == {}, "28 days are known, 29 are not"


def test_a_quiet_weekday_does_not_let_a_stray_row_pass() -> None:
    """4 users on weekdays, 1 on Sundays, until 16 days ago. A Sunday's stray row, 2 days ago, follows on silence:

    held against 20 weekdays of 4 and 4 Sundays of 1, the mean is about 3.4. The same where Sundays had no use at all.
    """
    sundays = [n for n in range(16, 72) if (THROUGH - n * DAY).weekday() == 6]
    days = [n for n in range(16, 72) if (THROUGH - n * DAY).weekday() < 5]
    for quiet in (sundays, []):
        rows = [*users(4, days), *users(1, quiet), *used("a-u0", 2)]
        assert through(rows) == THROUGH - min([*days, *quiet]) * DAY
    ongoing = [n for n in range(72) if (THROUGH - n * DAY).weekday() < 5]
    assert through([*users(4, ongoing), *used("a-u0", 2)], THROUGH - 2 * DAY) == THROUGH - 4 * DAY, "a first Sunday"


def test_a_weekend_is_complete_beside_other_weekends() -> None:
    """8 users on weekdays, 1 on Saturdays and Sundays: on a Sunday the windows end on it."""
    weekend = [n for n in range(56) if (THROUGH - n * DAY).weekday() >= 5]
    sunday = THROUGH - 2 * DAY
    assert through([*users(8, WEEKDAYS), *users(1, weekend)], sunday) == sunday
    assert through(users(8, WEEKDAYS), sunday) == sunday - 2 * DAY, "no use at weekends: Friday"


def test_a_company_of_few_users_is_known_up_to_their_last_day() -> None:
    """One user every nine days, two users on some days: each of these days is complete, however far apart."""
    now_and_then = used("u", range(0, 63, 9))
    for ago in range(9):
        assert through(now_and_then, THROUGH + ago * DAY) == THROUGH
    once_a_week = [*used("u", range(0, 63, 7)), *used("v", range(7, 63, 14))]
    assert through(once_a_week) == THROUGH, "1 of 1.5 on the mean of four Tuesdays"


@pytest.mark.parametrize("left", [4, 1])
def test_a_lasting_fall_is_believed_within_four_weeks(left: int) -> None:
    """Of 20 users so many are left from day 1 on. Day 1's mean of four weekdays falls as low weeks come in:

    4 left: 20, (4 + 3 x 20) / 4 = 16, (2 x 4 + 2 x 20) / 4 = 12, (3 x 4 + 20) / 4 = 8: 4 is half of it in the 4th
    week. 1 left: 20, 15.25, 10.5, 5.75, then 1: in the 5th.
    """
    start = THROUGH - 28 * DAY
    rows = [*users(20, range(29, 85)), *users(left, range(-14, 29))]
    result = usage(rows, *(start + n * DAY for n in range(35)), accounts=["a"])
    assert len(result) == 35, "usage is known on every day"
    weeks = 3 if left == 4 else 4
    for (day, _), row in result.items():
        believed = (day - start).days >= 7 * weeks
        assert row["usage_through"] == (day if believed else start - DAY), day


def test_a_late_feed_of_one_account_is_no_decline_of_it() -> None:
    """a: three users each weekday, up to Tuesday a week ago. The others go on.

    Last week before the silence: Wednesday to Tuesday, 5 weekdays x 3 = 15 user-days, as usual; 20 days of 28.
    """
    goes_on = [row for other in OTHERS for row in users(3, WEEKDAYS, other)]
    late = [*goes_on, *users(3, [n for n in WEEKDAYS if n >= 7])]
    result = usage(late)
    row = result[THROUGH, "a"]
    assert (row["is_feed_late"], row["usage_through"], row["usage_lag_days"]) == (True, THROUGH - 7 * DAY, 7)
    then = usage(late, THROUGH - 7 * DAY)[THROUGH - 7 * DAY, "a"]
    same = ("mau", "events_28d", "users_trend", "events_trend", "mau_seat_share", "wau", "consistency", "dau")
    assert [row[name] for name in same] == [then[name] for name in same]
    assert (row["events_28d"], row["wau"]) == (60, 3), "3 users x 20 weekdays"
    for other in OTHERS:
        assert (result[THROUGH, other]["is_feed_late"], result[THROUGH, other]["usage_lag_days"]) == (False, 0)


@pytest.mark.parametrize(("silent", "is_late"), [(3, False), (4, True), (28, True), (29, False)])
def test_silence_is_a_late_feed_for_four_weeks_then_silence(silent: int, is_late: bool) -> None:
    rows = [row for other in OTHERS for row in users(3, range(90), other)]
    row = usage([*rows, *users(3, range(silent, 90))])[THROUGH, "a"]
    assert row["is_feed_late"] is is_late
    assert row["usage_lag_days"] == (silent if is_late else 0)
    assert row["mau"] == (0 if silent == 29 else 3), "29 days: nobody in the window, and said so"


def test_users_who_leave_one_by_one_are_no_late_feed() -> None:
    """Ten users, one fewer every three days, nobody since four days ago: last week 10 or so, before it four times."""
    rows = [row for other in OTHERS for row in users(3, range(90), other)]
    leaving = [row for n in range(10) for row in used(f"u{n}", range(5 + 3 * n, 90))]
    row = usage([*rows, *leaving])[THROUGH, "a"]
    assert (row["is_feed_late"], row["usage_lag_days"]) == (False, 0)


def test_a_small_or_occasional_account_is_no_late_feed() -> None:
    """Two users a day are 14 user-days a week, one fewer than counts; five users on Tuesdays alone: 4 days of 28."""
    rows = [row for other in OTHERS for row in users(3, range(90), other)]
    for own in (users(2, range(7, 90)), users(5, range(7, 90, 7))):
        assert not usage([*rows, *own])[THROUGH, "a"]["is_feed_late"]


def test_a_feed_is_that_of_all_accounts_merged_into_one() -> None:
    """m was merged into a: while either delivers, the account's feed is not late; silent, both count together."""
    rows = [row for other in OTHERS for row in users(3, range(90), other)]
    crm = [{"account_id": x} for x in ("a", *OTHERS)] + [{"account_id": "m", "merged_into_account_id": "a"}]
    silent, going_on = users(2, range(7, 90)), users(1, range(90), "m")
    assert not usage([*rows, *silent, *going_on], crm_accounts=crm)[THROUGH, "a"]["is_feed_late"]
    row = usage([*rows, *silent, *users(1, range(6, 90), "m")], crm_accounts=crm)[THROUGH, "a"]
    assert (row["is_feed_late"], row["usage_lag_days"], row["mau"]) == (True, 6, 3), "2 x 6 + 7 = 19 user-days"


def test_an_account_with_a_late_feed_is_neither_dormant_nor_at_risk() -> None:
    """20 days of silence: by the company's window events fell by 64 %; the account's own window says +0 %."""
    rows = [row for other in OTHERS for row in users(6, range(90), other)]
    leaving = [row for n in range(10) for row in used(f"e{n}", range(5 + 4 * n, 90), account_id="e")]
    accounts = ("a", "e", *OTHERS)
    result = usage([*rows, *leaving, *users(6, range(20, 90))], accounts=accounts, table="behavioral_scores")
    cohorts = {account: row["behavioral_cohort"] for (_, account), row in result.items()}
    assert cohorts["a"] == cohorts["b"] == "Steady State"
    assert cohorts["e"] == "At Risk"


def test_one_day_alone_says_what_a_backfill_says() -> None:
    days = [THROUGH - n * DAY for n in (0, 3, 20, 33)]
    rows = [row for other in OTHERS for row in users(3, range(120), other)]
    rows += users(3, [*range(7, 20), *range(26, 120)])
    together = usage(rows, *days)
    for day in days:
        alone = usage(rows, day)
        assert alone == {key: row for key, row in together.items() if key[0] == day}
    assert [together[day, "a"]["is_feed_late"] for day in days] == [True, True, True, False], "silent 7, 4, 6, 0 days"
