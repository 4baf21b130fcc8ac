"""account_usage against a naive oracle that walks days, users and rows in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from statistics import mean, median
from typing import Any

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from tests.profiles.chain import DEFAULT, Rows, computed

FIRST = date(2026, 1, 1)
DAY = timedelta(days=1)
ACCOUNTS = ["a", "b", "c", "d"]
MERGED = {"d": "a"}
USERS = [f"u{n}" for n in range(9)]
OF_ACCOUNT = {user: ACCOUNTS[n % len(ACCOUNTS)] for n, user in enumerate(USERS)}
CATALOGUE: Rows = [
    {"feature": "f", "product": "crm", "level": "core", "is_key": True},
    {"feature": "g", "product": "crm", "level": "advanced"},
    {"feature": "h", "product": "ads", "level": "advanced", "is_key": True},
    {"feature": "i", "level": "standard"},
]
WINDOW = 28

LENGTHS = [None, None, 20, 40, 90]


def drawn(seed: int) -> tuple[Rows, Rows, Rows, list[date]]:
    """Usage, users, subscriptions and days, dense enough that every rule has something to decide."""
    random = Random(seed)
    days = random.sample([FIRST + n * DAY for n in range(40, 130)], 3)
    keys = {(random.randrange(120), random.choice(USERS), random.choice("fghix")) for _ in range(250)}
    usage = [
        {
            "usage_date": FIRST + n * DAY, "user_id": user, "feature": feature, "account_id": OF_ACCOUNT[user],
            "event_count": random.randrange(5), "session_count": random.choice([None, 0, 1, 2]),
        }
        for n, user, feature in sorted(keys)
    ]  # fmt: skip
    users = [
        {
            "user_id": user, "account_id": OF_ACCOUNT[user], "department": random.choice([None, "sales", "legal"]),
            "is_service_user": random.choice([None, False, False, False, True]),
            "deactivated_on": random.choice([None, None, *days]),
        }
        for user in USERS[:-1]  # the last one is in no user extract
    ]  # fmt: skip
    terms = {}
    for _ in range(random.randrange(3, 12)):
        start, length = FIRST + random.randrange(-60, 110) * DAY, random.choice(LENGTHS)
        name = f"s{random.randrange(6)}"  # often a later step of another one
        row = {"subscription_id": name, "account_id": random.choice(ACCOUNTS), "start_date": start, "mrr": 10.0}
        row |= {
            "end_date": length and start + length * DAY,
            "currency": "USD",
            "product": random.choice(["crm", "ads"]),
        }
        terms[name, start] = row | {"seats": random.choice([None, 3, 4, 8])}
    return usage, users, list(terms.values()), days


def in_force(terms: Rows, account: str, day: date) -> Rows:
    return [
        row
        for row in terms
        if MERGED.get(row["account_id"], row["account_id"]) == account
        and row["start_date"] <= day
        and (row["end_date"] is None or day < row["end_date"])
        and not any(
            later["subscription_id"] == row["subscription_id"] and row["start_date"] < later["start_date"] <= day
            for later in terms
        )
    ]


def seats_on(terms: Rows, account: str, day: date) -> int:
    return sum(row["seats"] or 0 for row in in_force(terms, account, day))


def counts(person: Mapping[str, Any] | None, as_of: date) -> bool:
    return person is None or not (person["deactivated_on"] and person["deactivated_on"] <= as_of)


def is_person(user: Mapping[str, Any] | None) -> bool:
    return user is None or not user["is_service_user"]


class Naive:
    """Figures of one account on one day."""

    def __init__(self, use: Rows, people: Rows, terms: Rows, account: str, as_of: date, through: date) -> None:
        self.terms, self.account, self.as_of, self.through = terms, account, as_of, through
        listed = {row["user_id"]: row for row in people}
        self.people = listed
        own = [row for row in use if MERGED.get(row["account_id"], row["account_id"]) == account]
        self.by_all = [row for row in own if counts(listed.get(row["user_id"]), as_of)]
        self.rows = [row for row in self.by_all if is_person(listed.get(row["user_id"]))]
        by_day = Counter[tuple[str, date]]()
        for row in self.rows:
            by_day[row["user_id"], row["usage_date"]] += row["event_count"] + (row["session_count"] or 0)
        self.active = {key for key, n in by_day.items() if n}

    def days(self, start: int, length: int = WINDOW) -> list[date]:
        return [self.through - n * DAY for n in range(start, start + length)]

    def users(self, days: list[date]) -> set[str]:
        return {user for user, day in self.active if day in days}

    def events(self, days: list[date]) -> int:
        """By people and service users."""
        return sum(row["event_count"] for row in self.by_all if row["usage_date"] in days)

    def events_of(self, days: list[date]) -> Counter[str]:
        result = Counter[str]()
        for row in self.rows:
            if row["usage_date"] in days:
                result[row["user_id"]] += row["event_count"]
        return +result

    def top(self, days: list[date]) -> set[str]:
        ranked = sorted(self.events_of(days).items(), key=lambda item: (-item[1], item[0]))
        return {user for user, _ in ranked[:3]}

    def mean_seats(self, days: list[date]) -> float:
        licensed = [seats_on(self.terms, self.account, day) for day in days]
        return mean([n for n in licensed if n] or [seats_on(self.terms, self.account, self.as_of)])

    def of_seats(self, users: int, days: list[date]) -> float | None:
        return users / self.mean_seats(days) if seats_on(self.terms, self.account, self.as_of) else None

    def figures(self) -> dict[str, Any]:
        window, prior = self.days(0), self.days(WINDOW)
        month = [day for day in self.days(0, 31) if (day.year, day.month) == (self.through.year, self.through.month)]
        now, events = self.users(window), self.events_of(window)
        daily = [
            len(self.users([day])) / seats for day in window if (seats := seats_on(self.terms, self.account, day))
        ]
        weekdays = [day for day in window if day.weekday() < 5]
        paid = {row["product"] for row in in_force(self.terms, self.account, self.as_of)}
        features = {row["feature"]: row for row in CATALOGUE if row.get("product") in {None, *paid}}
        used = {r["feature"] for r in self.rows if r["usage_date"] in window and r["event_count"]}
        advanced = {f for f, row in features.items() if row["level"] == "advanced"}
        key = {row["feature"] for row in CATALOGUE if row.get("is_key")}
        key_events = sum(r["event_count"] for r in self.rows if r["usage_date"] in window and r["feature"] in key)
        staff = {
            row["department"]
            for row in self.people.values()
            if MERGED.get(row["account_id"], row["account_id"]) == self.account
            and row["department"]
            and is_person(row)
            and counts(row, self.as_of)
        }
        at_work = {self.people[u]["department"] for u in now if u in self.people} - {None}
        has_seats = bool(seats_on(self.terms, self.account, self.as_of))
        active_share = self.of_seats(len(now), window)
        top_share = max(events.values()) / sum(events.values()) if events else None
        per_user = Counter(user for user, day in self.active if day in window)
        return {
            "active_users_28d": len(now),
            "active_users_prior_28d": len(self.users(prior)),
            "events_28d": self.events(window),
            "events_prior_28d": self.events(prior),
            "dau": mean([len(self.users([day])) for day in window]),
            "wau": len(self.users(self.days(0, 7))),
            "mau_calendar_month": len(self.users(month)),
            "dau_seat_share": mean(daily or [0]) if has_seats else None,
            "wau_seat_share": self.of_seats(len(self.users(self.days(0, 7))), self.days(0, 7)),
            "mau_seat_share": active_share,
            "active_seat_share": active_share,
            "is_active_account": None if active_share is None else active_share >= DEFAULT.usage.active_account_share,
            "calendar_month_seat_share": self.of_seats(len(self.users(month)), month),
            "active_days_28d": sum(bool(self.users([day])) for day in window),
            "consistency": mean([bool(self.users([day])) for day in weekdays]),
            "features_used": len(used),
            "feature_breadth_share": len(used & set(features)) / len(features),
            "unused_paid_features": len(set(features) - used),
            "ladder_level": len(used & advanced) / len(advanced) if advanced else None,
            "key_events_per_active_user": key_events / max(len(now), 1),
            "departments_active": len(at_work) if staff | at_work else None,
            "top_user_share": top_share,
            "single_champion": ((top_share or 0) >= 0.5 and seats_on(self.terms, self.account, self.as_of) >= 5)
            if has_seats
            else None,
            "power_users": sum(n >= DEFAULT.usage.power_user_days for n in per_user.values()),
            "new_champions": len(self.top(window) - self.top(prior)),
            "events_trend": self.events(window) / self.events(prior) - 1 if self.events(prior) else None,
            "users_trend": len(now) / len(self.users(prior)) - 1 if self.users(prior) else None,
        }


def last_complete(users_on: Mapping[date, int], as_of: date) -> date | None:
    """The last day with at least half of the users of the up to four days of its weekday before it that had any.

    The first of its weekday, and one after more than a week of silence, is held against the up to 28 days before it.
    """
    seen = [day for n in range(DEFAULT.usage.look_back_days) if (day := as_of - n * DAY) in users_on]
    for place, day in enumerate(seen):
        earlier = seen[place + 1 :]
        same = [each for each in earlier if each.weekday() == day.weekday()][:4]
        follows_on = bool(earlier) and (day - earlier[0]).days <= 7
        before = [users_on[each] for each in (same if follows_on and same else earlier[:28])]
        if not before or users_on[day] >= 0.5 * mean(before):
            return day
    return None


def expected(use: Rows, people: Rows, terms: Rows, as_of: date) -> dict[tuple[date, str], dict[str, Any]]:
    landed = Counter[tuple[str, date]]()
    for row in use:
        landed[row["user_id"], row["usage_date"]] += row["event_count"] + (row["session_count"] or 0)
    users_on = Counter(day for (_, day), n in landed.items() if n)
    through = last_complete(users_on, as_of)
    if through is None or (as_of - through).days > DEFAULT.usage.max_lag_days:
        return {}
    result = {
        (as_of, account): Naive(use, people, terms, account, as_of, through).figures()
        for account in ACCOUNTS
        if account not in MERGED and in_force(terms, account, as_of)
    }
    trends = [row["users_trend"] for row in result.values() if row["users_trend"] is not None]
    for row in result.values():
        row["users_trend_net"] = None if row["users_trend"] is None else row["users_trend"] - median(trends)
    return result


@pytest.mark.slow(reason="many companies, each walked through day by day in plain Python")
@settings(max_examples=20, deadline=None)
@property_of(st.integers(0, 2**32))
def test_every_day_is_as_a_walk_over_all_rows_finds_it(seed: int) -> None:
    usage, users, terms, days = drawn(seed)
    extracts: dict[str, Rows] = {
        "product_usage": usage,
        "product_users": users,
        "product_features": CATALOGUE,
        "billing_subscriptions": terms,
        "crm_accounts": [{"account_id": a, "merged_into_account_id": MERGED.get(a)} for a in ACCOUNTS],
    }
    result = computed("account_usage", extracts, *days)
    want: dict[tuple[date, str], dict[str, Any]] = {}
    for day in days:
        want |= expected(usage, users, terms, day)
    assert set(result) == set(want)
    for key, figures in want.items():
        got = {name: result[key][name] for name in figures}
        assert got == {n: pytest.approx(v, abs=1e-9) if isinstance(v, float) else v for n, v in figures.items()}
    alone = computed("account_usage", extracts, days[0])
    assert alone == {key: row for key, row in result.items() if key[0] == days[0]}
