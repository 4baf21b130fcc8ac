"""usage_days and account_usage, rule by rule, with figures worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest

from tests.profiles.chain import DEFAULT, Rows, computed, frame_of

THROUGH = date(2026, 3, 31)  # a Tuesday
DAY = timedelta(days=1)


def subscription(**values: Any) -> dict[str, Any]:
    return {
        "subscription_id": "s",
        "account_id": "a",
        "start_date": date(2025, 1, 1),
        "mrr": 100.0,
        "currency": "USD",
        "seats": 10,
        "product": "crm",
    } | values


def used(user: str, ago: int | Iterable[int], **values: Any) -> Rows:
    """Use of feature f by a user so many days before THROUGH: 1 event in 1 session of 2 minutes, but for `values`."""
    days = [ago] if isinstance(ago, int) else ago
    row = {"feature": "f", "account_id": "a", "event_count": 1, "session_count": 1, "session_minutes": 2.0}
    return [{"user_id": user, "usage_date": THROUGH - n * DAY} | row | values for n in days]


def usage(
    product_usage: Rows, *days: date, policy: dict[str, Any] | None = None, **extracts: Rows
) -> dict[tuple[date, str], dict[str, Any]]:
    rows = {
        "product_usage": product_usage,
        "billing_subscriptions": [subscription()],
        "crm_accounts": [{"account_id": "a"}],
        **extracts,
    }
    return computed("account_usage", rows, *(days or (THROUGH,)), policy={"usage": policy or {}})


def one(product_usage: Rows, **extracts: Any) -> dict[str, Any]:
    return usage(product_usage, **extracts)[THROUGH, "a"]


def test_usage_days_add_up_all_features_of_a_user() -> None:
    rows = [
        *used("u", 0, event_count=3, error_count=1),
        *used("u", 0, feature="g", event_count=4, session_minutes=1.5),
        *used("idle", 0, event_count=0, session_count=0),
        *used("looker", 0, event_count=0, session_count=None, session_minutes=None),
        *used("visitor", 0, event_count=0, session_count=2),
    ]
    frame = frame_of("usage_days", {"product_usage": rows}, [THROUGH]).set_index("user_id")
    assert set(frame.index) == {"u", "visitor"}, "no event and no session is no use"
    assert frame.loc["u", ["events", "sessions", "minutes", "errors"]].tolist() == [7, 2, 3.5, 1]


def test_windows_end_at_the_last_usage_day() -> None:
    """28 days end on THROUGH itself: day 27 back is in, day 28 back is in the window before, day 56 in neither."""
    row = one([*used("u", [0, 27]), *used("v", [28, 55], event_count=10), *used("w", 56)])
    assert (row["active_users_28d"], row["active_users_prior_28d"]) == (1, 1)
    assert (row["events_28d"], row["events_prior_28d"]) == (2, 20)
    assert (row["minutes_28d"], row["minutes_prior_28d"]) == (4.0, 4.0)


def test_a_late_delivery_moves_the_windows_not_the_figures() -> None:
    rows = [*used("u", [0, 1, 8]), *used("v", 27)]
    late = THROUGH + 3 * DAY
    result = usage(rows, THROUGH, late)
    on_time, delayed = result[THROUGH, "a"], result[late, "a"]
    assert (delayed.pop("usage_lag_days"), on_time.pop("usage_lag_days")) == (3, 0)
    assert delayed == on_time


def test_use_after_as_of_does_not_exist() -> None:
    before = THROUGH - 5 * DAY
    row = usage([*used("u", 0), *used("v", [5, 7])], before)[before, "a"]
    assert (row["usage_through"], row["mau"], row["events_28d"]) == (before, 1, 2)


def test_usage_that_stopped_arriving_is_not_known() -> None:
    last = THROUGH + 28 * DAY
    assert set(usage(used("u", 0), last, last + DAY)) == {(last, "a")}


def test_an_account_nobody_uses_has_zeros_where_usage_is_known() -> None:
    subscriptions = [subscription(), subscription(subscription_id="t", account_id="b")]
    row = usage(used("u", 0), billing_subscriptions=subscriptions)[THROUGH, "b"]
    zeros = ("mau", "wau", "dau", "events_28d", "minutes_28d", "mau_seat_share", "stickiness", "logins_per_user")
    assert [row[name] for name in zeros] == [0] * len(zeros)
    nulls = ("users_trend", "users_trend_net", "error_rate", "top_user_share")
    assert [row[name] for name in nulls] == [None] * len(nulls)
    assert (row["is_active_account"], row["single_champion"]) == (False, False)


def test_only_accounts_that_pay_have_usage() -> None:
    subscriptions = [
        subscription(),
        subscription(subscription_id="t", account_id="trial", mrr=0.0),
        subscription(subscription_id="u", account_id="gone", end_date=THROUGH),
        subscription(subscription_id="v", account_id="flat", seats=None),
    ]
    result = usage(used("u", 0), billing_subscriptions=subscriptions)
    assert set(result) == {(THROUGH, "a"), (THROUGH, "flat")}
    assert usage([]) == {}


def test_without_seats_only_what_is_per_seat_is_unknown() -> None:
    """Two users against one before: + 100 %. Who pays for no seats now has no share, whatever it had before."""
    rows = [*used("u", [0, 30], event_count=5), *used("v", 1)]
    of_seats = (
        "dau_seat_share", "wau_seat_share", "mau_seat_share", "calendar_month_seat_share", "active_seat_share",
        "is_active_account", "single_champion",
    )  # fmt: skip
    for terms in (
        [subscription(seats=None)],
        [subscription(seats=0)],
        [subscription(end_date=THROUGH), subscription(subscription_id="t", start_date=THROUGH, seats=None)],
    ):
        row = one(rows, billing_subscriptions=terms)
        assert [row[name] for name in of_seats] == [None] * len(of_seats)
        assert (row["mau"], row["events_28d"], row["users_trend"], row["users_trend_net"]) == (2, 6, 1.0, 0.0)
        assert (row["feature_breadth_share"], row["active_days_28d"]) == (None, 2)


def test_deactivated_users_never_count() -> None:
    users = [
        {"user_id": "left", "account_id": "a", "deactivated_on": THROUGH},
        {"user_id": "gone_bot", "account_id": "a", "deactivated_on": THROUGH, "is_service_user": True},
        {"user_id": "leaves", "account_id": "a", "deactivated_on": THROUGH + DAY},
    ]
    rows = [u for user in ("left", "gone_bot", "leaves", "unlisted") for u in used(user, [0, 30], event_count=5)]
    row = one(rows, product_users=users)
    assert (row["mau"], row["active_users_prior_28d"], row["events_28d"]) == (2, 2, 10)
    nobody = one([*used("left", 1), *used("gone_bot", 1)], product_users=users)
    assert (nobody["mau"], nobody["events_28d"], nobody["active_days_28d"]) == (0, 0, 0)


BOT: Rows = [{"user_id": "bot", "account_id": "a", "is_service_user": True, "department": "it"}]


def test_service_users_count_as_use_and_never_as_people() -> None:
    """Two people make 6 + 2 events, the API key 92, of which 9 fail; before, 4 by a person and 196 by the key."""
    people = [
        *used("u", 0, event_count=6, error_count=1),
        *used("v", 3, event_count=2),
        *used("u", 30, event_count=4),
    ]
    bot = [*used("bot", 1, event_count=92, error_count=9, feature="api"), *used("bot", 31, event_count=196)]
    alone, row = one(people, product_users=BOT), one([*people, *bot], product_users=BOT)
    changed = {name for name in row if row[name] != alone[name]}
    assert changed == {"events_28d", "events_prior_28d", "events_trend", "error_rate"}
    assert (row["events_28d"], row["events_prior_28d"]) == (6 + 2 + 92, 4 + 196)
    assert (row["events_trend"], alone["events_trend"]) == (-0.5, 1.0)
    assert row["error_rate"] == 0.1, "1 + 9 of 100"
    assert (row["top_user_share"], row["single_champion"], row["new_champions"]) == (0.75, True, 1), "6 of 8; v"


def test_an_account_that_only_its_api_key_uses_has_events_and_no_people() -> None:
    row = one([*used("bot", [0, 1, 2], event_count=100), *used("bot", 30, event_count=150)], product_users=BOT)
    assert (row["events_28d"], row["events_trend"], row["error_rate"]) == (300, 1.0, None)
    zeros = ("mau", "wau", "dau", "mau_seat_share", "dau_seat_share", "active_days_28d", "consistency", "minutes_28d",
             "minutes_prior_28d", "logins_per_user", "features_used", "power_users", "new_champions")  # fmt: skip
    assert [row[name] for name in zeros] == [0] * len(zeros)
    nulls = ("top_user_share", "users_trend", "logins_trend", "minutes_trend", "departments_active")
    assert [row[name] for name in nulls] == [None] * len(nulls)
    assert (row["is_active_account"], row["single_champion"]) == (False, False)


def test_daily_weekly_monthly_users() -> None:
    row = one([*used("u", range(14)), *used("v", 6), *used("w", 7), *used("x", 27)])
    assert (row["wau"], row["mau"]) == (2, 4)
    assert row["dau"] == pytest.approx(17 / 28)
    assert row["stickiness"] == pytest.approx(17 / 28 / 4)
    assert (row["wau_seat_share"], row["mau_seat_share"]) == (0.2, 0.4)


def test_the_calendar_month_is_that_of_the_last_usage_day() -> None:
    """March has 31 days: on the 1st, the user is outside the 28 days but inside the month."""
    first, rows = date(2026, 4, 2), [*used("u", 30), *used("v", 31), *used("w", 0)]
    row = one(rows)
    assert (row["mau_calendar_month"], row["mau"]) == (2, 1)
    assert row["calendar_month_seat_share"] == 0.2
    assert usage(rows, first)[first, "a"]["mau_calendar_month"] == 2, "no usage in April yet"


def test_an_account_is_active_from_forty_percent_of_its_seats_on() -> None:
    rows = [u for n in range(4) for u in used(f"u{n}", 2)]
    assert one(rows)["is_active_account"]
    assert not one(rows[:3])["is_active_account"]


def test_an_account_is_as_active_on_the_second_as_on_the_thirtieth() -> None:
    """10 seats. Five users log in once in any 28 days, each on a day of its own; one more logs in daily.

    Last 28 days: 6 of 10 on each day. The month to date has 2 of 10 on 2 April: below 40 %, though nothing changed.
    """
    second, thirtieth = date(2026, 4, 2), date(2026, 4, 30)
    base = (thirtieth - THROUGH).days
    rows = used("daily", range(-base, 80))
    for n in range(5):  # u0 on 29 April and 1 April, u1 on 24 April and 27 March ...
        rows += used(f"u{n}", range(-base + 1 + 5 * n, 80, 28))
    result = usage(rows, second, thirtieth)
    assert [result[day, "a"]["active_seat_share"] for day in (second, thirtieth)] == [0.6, 0.6]
    assert [result[day, "a"]["is_active_account"] for day in (second, thirtieth)] == [True, True]
    assert result[second, "a"]["calendar_month_seat_share"] == 0.2, "daily, and u0 on 1 April"


def test_the_last_full_month_is_the_one_that_ended_last() -> None:
    """March: u on the 1st, v on the 31st, 2 of 10 seats. April: w on the 1st, x on the 30th, y, z too: 4 of 10.

    On 2 and 29 April: March. On 30 April, the last day of its month: April. 1 March is 59 days before 29 April,
    outside both 28-day windows.
    """
    rows = [
        *used("u", 30),
        *used("v", 0),
        *used("w", [-1, -2]),
        *used("x", -30),
        *used("y", [-29, -5]),
        *used("z", -7),
    ]
    days = (date(2026, 4, 2), date(2026, 4, 29), date(2026, 4, 30))
    result = usage(rows, *days, policy={"active_account_window": "last_full_month"})
    assert [result[day, "a"]["active_seat_share"] for day in days] == [0.2, 0.2, 0.4]
    assert [result[day, "a"]["is_active_account"] for day in days] == [False, False, True]


def test_shares_divide_by_the_seats_in_force_on_the_days_themselves() -> None:
    """10 seats for 21 days of the window, 30 for the last 7: mean 15; a day's share by that day's seats."""
    raised = THROUGH - 6 * DAY
    subscriptions = [
        subscription(end_date=raised),
        subscription(subscription_id="t", start_date=raised, seats=30),
    ]
    row = one([*used("u", [0, 20]), *used("v", [1, 2])], billing_subscriptions=subscriptions)
    assert row["mau_seat_share"] == pytest.approx(2 / 15)
    assert row["wau_seat_share"] == pytest.approx(2 / 30)
    assert row["dau_seat_share"] == pytest.approx((3 / 30 + 1 / 10) / 28)


def test_days_before_the_first_seat_do_not_thin_the_share() -> None:
    """A customer of 7 days: use in the trial before counts as use, but not against seats."""
    subscriptions = [subscription(mrr=0.0, end_date=THROUGH - 6 * DAY), subscription(start_date=THROUGH - 6 * DAY)]
    row = one([*used("u", range(14)), *used("v", 20)], billing_subscriptions=subscriptions)
    assert (row["mau"], row["mau_seat_share"]) == (2, 0.2)
    assert row["dau_seat_share"] == pytest.approx(0.1)


def test_seats_that_began_after_the_last_usage_day_divide_what_is_there() -> None:
    day = THROUGH + 2 * DAY
    subscriptions = [subscription(start_date=THROUGH + DAY)]
    row = usage(used("u", 0), day, billing_subscriptions=subscriptions)[day, "a"]
    assert (row["mau_seat_share"], row["dau_seat_share"]) == (0.1, 0.0)


def test_consistency_counts_weekdays_and_active_days_all() -> None:
    """THROUGH is a Tuesday: 2 and 3 days back are Sunday and Saturday; 28 days hold 20 weekdays."""
    row = one([*used("u", [0, 1, 2, 3, 4]), *used("v", [0, 4, 9])])
    assert row["active_days_28d"] == 6
    assert row["consistency"] == pytest.approx(3 / 20)


FEATURES: Rows = [
    {"feature": "f", "product": "crm", "level": "core", "is_key": True},
    {"feature": "g", "product": "crm", "level": "advanced"},
    {"feature": "h", "product": "crm", "level": "advanced", "is_key": True},
    {"feature": "i", "product": "ads", "level": "advanced", "is_key": True},
    {"feature": "j", "level": "core"},
]


def test_breadth_is_over_the_features_of_the_products_paid_for() -> None:
    rows = [
        *used("u", 0, event_count=6),
        *used("v", 1, feature="g", event_count=1),
        *used("u", 2, feature="i", event_count=3),
        *used("u", 2, feature="unlisted"),
        *used("u", 28, feature="h", event_count=50),
    ]
    row = one(rows, product_features=FEATURES)
    assert row["features_used"] == 4
    assert row["feature_breadth_share"] == 0.5, "f and g of f, g, h and j, which belongs to all products"
    assert row["unused_paid_features"] == 2
    assert row["ladder_level"] == 0.5, "g of g and h; i is not paid for"
    assert row["key_events_per_active_user"] == 4.5, "6 on f and 3 on i by 2 users"


def test_without_a_catalogue_breadth_and_depth_are_unknown() -> None:
    row = one(used("u", 0))
    columns = ("feature_breadth_share", "unused_paid_features", "ladder_level", "key_events_per_active_user")
    assert row["features_used"] == 1
    assert [row[name] for name in columns] == [None] * 4


def test_departments_are_those_of_users_who_could_log_in() -> None:
    users = [
        {"user_id": "u", "account_id": "a", "department": "sales"},
        {"user_id": "v", "account_id": "a", "department": "sales"},
        {"user_id": "w", "account_id": "a", "department": "legal"},
        {"user_id": "x", "account_id": "a", "department": "it", "deactivated_on": THROUGH},
        {"user_id": "y", "account_id": "a", "department": "hr", "created_on": THROUGH + DAY},
        {"user_id": "bot", "account_id": "a", "department": "ops", "is_service_user": True},
        {"user_id": "z", "account_id": "a"},
    ]
    rows = [u for user in ("u", "v", "x", "bot", "z") for u in used(user, 0)]
    row = one([*rows, *used("w", 30)], product_users=users)
    assert (row["departments_active"], row["department_breadth_share"]) == (1, 0.5)
    assert one(rows)["departments_active"] is None


def test_per_user_figures_and_trends() -> None:
    rows = [
        *used("u", [0, 1], event_count=3, session_count=2, session_minutes=10.0, error_count=1),
        *used("v", 5, event_count=2, session_count=2, session_minutes=4.0, error_count=0),
        *used("u", 30, event_count=10, session_count=3, session_minutes=16.0),
        *used("v", 31, event_count=10, session_count=1, session_minutes=16.0),
        *used("w", 32, event_count=12, session_count=2, session_minutes=0.0),
        *used("x", 33, event_count=0, session_count=2, session_minutes=0.0),
    ]
    row = one(rows)
    assert (row["logins_per_user"], row["minutes_per_user"]) == (3.0, 12.0)
    assert (row["users_trend"], row["events_trend"]) == (-0.5, -0.75)
    assert (row["logins_trend"], row["minutes_trend"]) == (-0.25, -0.25)
    assert row["error_rate"] == 0.25


def test_what_the_extract_does_not_say_is_unknown_not_zero() -> None:
    row = one(used("u", 0, session_count=None, session_minutes=None))
    assert (row["minutes_28d"], row["logins_per_user"], row["minutes_per_user"]) == (None, None, None)
    assert (row["minutes_prior_28d"], row["error_rate"]) == (0.0, None)


def test_trends_are_net_of_the_median_account() -> None:
    """Users +100 %, 0 % and -50 %: the median is 0. Of the two with events that changed, it is their mean."""
    subscriptions = [subscription(subscription_id=a, account_id=a) for a in ("a", "b", "c", "new")]
    rows = [
        *used("a1", [0, 30]), *used("a2", 0),
        *used("b1", [0, 30], account_id="b"),
        *used("c1", [0, 30], account_id="c"), *used("c2", 30, account_id="c"),
        *used("n1", 0, account_id="new"),
    ]  # fmt: skip
    result = usage(rows, billing_subscriptions=subscriptions)
    net = {account: row["users_trend_net"] for (_, account), row in result.items()}
    assert net == {"a": 1.0, "b": 0.0, "c": -0.5, "new": None}
    two = usage([r for r in rows if r["account_id"] != "b"], billing_subscriptions=subscriptions)
    net = {account: row["events_trend_net"] for (_, account), row in two.items()}
    assert net == {"a": 0.75, "b": None, "c": -0.75, "new": None}, "the median of +1 and -0.5 is 0.25"


def test_medians_are_those_of_the_same_day() -> None:
    rows = [*used("u", [0, 1, 30]), *used("v", 0)]
    day = THROUGH - DAY
    result = usage(rows, day, THROUGH)
    assert (result[day, "a"]["users_trend"], result[THROUGH, "a"]["users_trend"]) == (0.0, 1.0)
    assert (result[day, "a"]["users_trend_net"], result[THROUGH, "a"]["users_trend_net"]) == (0.0, 0.0)


def test_a_single_champion_makes_half_of_the_events_where_seats_are_several() -> None:
    rows = [*used("u", 0, event_count=5), *used("v", 0, event_count=5)]
    assert (one(rows)["top_user_share"], one(rows)["single_champion"]) == (0.5, True)
    assert not one([*rows, *used("w", 0)])["single_champion"]
    assert one(rows, billing_subscriptions=[subscription(seats=5)])["single_champion"]
    assert not one(rows, billing_subscriptions=[subscription(seats=4)])["single_champion"]


def test_power_users_are_active_on_enough_days() -> None:
    enough = DEFAULT.usage.power_user_days
    rows = [*used("u", range(enough)), *used("v", range(enough - 1)), *used("w", range(28 - enough + 1, 40))]
    assert one(rows)["power_users"] == 1


def test_new_champions_are_in_the_top_three_now_and_were_not() -> None:
    """Now: d 9, c 8, a 7 (b as many, but later in order); before: a, b, bb."""
    now = {"a": 7, "b": 7, "c": 8, "d": 9}
    before = {"a": 5, "b": 3, "c": 1, "e": 1, "bb": 2}
    rows = [
        *(u for user, events in now.items() for u in used(user, 3, event_count=events)),
        *(u for user, events in before.items() for u in used(user, 33, event_count=events)),
    ]
    assert one(rows)["new_champions"] == 2
    assert one([*used("a", 3, event_count=0), *used("b", 3)])["new_champions"] == 1, "no events, no champion"


def test_usage_of_a_merged_account_counts_for_the_one_that_survives() -> None:
    crm = [{"account_id": "a"}, {"account_id": "b", "merged_into_account_id": "a"}]
    subscriptions = [subscription(), subscription(subscription_id="t", account_id="b", seats=30)]
    users = [{"user_id": "v", "account_id": "b", "department": "it"}]
    rows = [*used("u", 0), *used("v", [0, 1], account_id="b", feature="g")]
    result = usage(rows, crm_accounts=crm, billing_subscriptions=subscriptions, product_users=users)
    assert set(result) == {(THROUGH, "a")}
    row = result[THROUGH, "a"]
    assert (row["mau"], row["events_28d"], row["features_used"], row["active_days_28d"]) == (2, 3, 2, 2)
    assert (row["mau_seat_share"], row["departments_active"]) == (0.05, 1)


def test_windows_follow_the_policy() -> None:
    policy = {"window_days": 5, "week_days": 2, "power_user_days": 2, "champions": 1, "max_lag_days": 0}
    rows = [*used("u", [0, 1, 5], event_count=2), *used("v", 4, event_count=9), *used("w", 9), *used("x", 10)]
    row = usage(rows, policy=policy)[THROUGH, "a"]
    assert (row["mau"], row["wau"], row["active_users_prior_28d"], row["mau_calendar_month"]) == (2, 1, 2, 4)
    assert (row["dau"], row["power_users"], row["new_champions"]) == (0.6, 1, 1)
    assert usage(rows, THROUGH + DAY, policy=policy) == {}


@pytest.mark.parametrize("field", ["week_days", "power_user_days"])
def test_no_window_is_longer_than_the_one_it_lies_in(field: str) -> None:
    section = DEFAULT.usage
    with pytest.raises(ValueError, match=f"{field} must not be longer than window_days"):
        type(section).model_validate(section.model_dump() | {field: 29})
