"""account_revenue against a naive oracle that walks every day of every account in plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from tests.profiles.chain import Rows, computed

FIRST = date(2024, 1, 1)
DAY = timedelta(days=1)
RATES = [(FIRST, 1.0), (FIRST + 300 * DAY, 1.25), (FIRST + 520 * DAY, 0.8)]
ACCOUNTS = ["a", "b", "c", "d", "e"]
MERGED = {"e": "a"}

SUBSCRIPTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.sampled_from(ACCOUNTS),
            "subscription_id": st.sampled_from([*"stuvw", None, None, None]),  # null: one of its own
            "start_date": st.integers(0, 600).map(lambda n: FIRST + n * DAY),
            "length": st.one_of(st.none(), st.integers(1, 40), st.sampled_from([100, 366])),
            "known_later": st.sampled_from([None, None, -30, 0, 3, 20]),
            "mrr": st.sampled_from([0.0, 10.0, 10.0, 20.0, 33.33, -5.0]),
            "seats": st.sampled_from([None, 0, 5, 10]),
            "currency": st.sampled_from(["USD", "USD", "EUR"]),
        }
    ),
    min_size=5,
    max_size=60,
)
DAYS = st.lists(st.integers(0, 700).map(lambda n: FIRST + n * DAY), min_size=1, max_size=4, unique=True)


def drawn(raw: list[dict[str, Any]]) -> Rows:
    rows: dict[tuple[str, date], dict[str, Any]] = {}
    for n, values in enumerate(raw):
        row = {k: v for k, v in values.items() if k not in ("length", "known_later")}
        row["subscription_id"] = row["subscription_id"] or f"s{n}"
        end = values["length"] and row["start_date"] + values["length"] * DAY
        known_on = end and values["known_later"] is not None and end + values["known_later"] * DAY
        row |= {"end_date": end, "end_known_on": known_on or None}
        rows[row["subscription_id"], row["start_date"]] = row
    return list(rows.values())


def with_next_steps(rows: Rows) -> Rows:
    """Rows with `next_start`: when the same subscription's terms change, on whichever account."""
    starts = [(row["subscription_id"], row["start_date"]) for row in rows]
    return [
        row
        | {
            "next_start": min(
                (s for i, s in starts if i == row["subscription_id"] and s > row["start_date"]), default=None
            )
        }
        for row in rows
    ]


def rate(currency: str, day: date) -> float:
    if currency == "USD":
        return 1.0
    return next((r for since, r in reversed(RATES) if since <= day), RATES[0][1])


def over_on(row: Mapping[str, Any]) -> date:
    end = date.max if row["end_date"] is None else max(row["end_date"], row["end_known_on"] or row["end_date"])
    return min(end, row["next_start"] or date.max)


def with_pauses(rows: Rows) -> Rows:
    """Rows with `paused`, the price before: free ones that follow a price, or a pause, without a day between."""
    ordered = sorted(rows, key=lambda row: row["start_date"])
    prices: dict[tuple[str, date], float] = {}
    result = []
    for row in ordered:
        price = prices.get((row["subscription_id"], row["start_date"])) if row["mrr"] == 0 else None
        prices[row["subscription_id"], over_on(row)] = row["mrr"] if row["mrr"] > 0 else (price or 0.0)
        result.append(row | {"paused": price or None})
    return result


Held = list[tuple[Mapping[str, Any], float]]
"""Rows in force, each with what it counts for: its price, or that before its pause."""


class Walk:
    """The subscriptions of one account as billing names it, looked at day by day."""

    def __init__(self, rows: Rows, grace: int) -> None:
        self.rows = rows
        self.grace = grace
        self._held: dict[date, Held] = {}

    def held(self, day: date) -> Held:
        """What is in force at the end of `day`: paid, paused or a discount."""
        if day not in self._held:
            self._held[day] = self._look(day)
        return self._held[day]

    def _look(self, day: date) -> Held:
        at = self._in_force(day)
        if any(row["mrr"] > 0 or row["paused"] for row, _ in at):
            return at
        for back in range(1, self.grace + 1):
            before = self._in_force(day - back * DAY)
            if any(row["mrr"] > 0 or row["paused"] for row, _ in before):
                return [*at, *(each for each in before if each[0]["mrr"] > 0)]
        return at

    def _in_force(self, day: date) -> Held:
        return [
            (row, row["paused"] or row["mrr"])
            for row in self.rows
            if row["start_date"] <= day < over_on(row) and (row["mrr"] or row["paused"])
        ]

    def currency(self, day: date) -> str | None:
        result = {row["currency"] for row, _ in self.held(day) if row["mrr"] > 0}
        return result.pop() if len(result) == 1 else None

    def link(self, after: date, until: date) -> float:
        """Product of the rates at which the account changed its one currency after a day and up to another."""
        factor = 1.0
        for n in range((until - after).days):
            day = after + (n + 1) * DAY
            old, new = self.currency(day - DAY), self.currency(day)
            if old and new and old != new:
                factor *= rate(new, day) / rate(old, day)
        return factor

    def mrr(self, day: date, rate_day: date) -> float:
        """Of `day` at the rates of `rate_day`, changes of currency between them linked."""
        factor, old, new = self.link(rate_day, day), self.currency(rate_day), self.currency(day)
        total = 0.0
        for row, _ in self.held(day):
            is_linked = factor != 1 and old and (new or row["currency"] != old)
            total += row["mrr"] * (factor * rate(old, rate_day) if is_linked else rate(row["currency"], rate_day))
        return total


def of(held: Held, what: str) -> list[Any]:
    """Rows that are paid, or paused, or either."""
    return [
        (row, price)
        for row, price in held
        if (what != "paused" and row["mrr"] > 0) or (what != "paid" and row["paused"])
    ]


def amount(those: Held, day: date) -> float:
    return sum(price * rate(row["currency"], day) for row, price in those)


def _expands(before: Held, after: Held, day: date) -> bool:
    """Whether what is paid for rose on `day` by seats, or without any word of seats."""
    if not of(before, "paid") or amount(after, day) - amount(before, day) <= 0.005:
        return False
    old, new = of(before, "either"), of(after, "either")
    seats_before = sum(row["seats"] or 0 for row, _ in old)
    seats_after = [row["seats"] for row, _ in new if row["seats"] is not None]
    by_volume = amount(new, day) - amount(old, day)
    if seats_before and seats_after:
        by_volume = (sum(seats_after) - seats_before) * amount(old, day) / seats_before
    return by_volume > 0.005


def expected(rows: Rows, as_of: date, grace: int) -> dict[str, Any] | None:
    rows = [row for row in rows if row["start_date"] <= as_of]
    if not rows:
        return None
    walks = [Walk([row for row in rows if row["account_id"] == name], grace) for name in ACCOUNTS]
    year_ago = as_of.replace(year=as_of.year - 1) if (as_of.month, as_of.day) != (2, 29) else date(2023, 2, 28)
    if (as_of + DAY).day == 1:  # month-ends stay month-ends
        year_ago = (date(as_of.year - 1, as_of.month, 28) + 4 * DAY).replace(day=1) - DAY

    def held(day: date) -> Held:
        return [each for walk in walks for each in walk.held(day)]

    def mrr(day: date, rate_day: date) -> float:
        return max(sum(walk.mrr(day, rate_day) for walk in walks), 0.0) if of(held(day), "paid") else 0.0

    first = min(row["start_date"] for row in rows)
    days = [first + n * DAY for n in range((as_of - first).days + 1)]
    paid_days = [day for day in days if of(held(day), "paid")]
    expansions = [day for day in paid_days if _expands(held(day - DAY), held(day), day)]
    now, then = mrr(as_of, as_of), mrr(year_ago, year_ago)
    is_paying = bool(of(held(as_of), "paid"))
    lost = None
    if paid_days and not is_paying:
        stopped = paid_days[-1] + DAY
        kept = [day for day in days if of(held(day), "either")][-1] + DAY
        lost = min(stopped + 90 * DAY, kept if kept <= as_of else date.max)
        lost = lost if lost <= as_of else None
    seats = [row["seats"] for row, _ in of(held(as_of), "paid") if row["seats"] is not None]
    return {
        "arr": pytest.approx(12 * now, abs=0.01),
        "arr_12m_ago": pytest.approx(12 * then, abs=0.01),
        "nrr_12m": pytest.approx(mrr(as_of, year_ago) / then, abs=1e-3) if round(12 * then, 2) else None,
        "seats": sum(seats) if seats else None,
        "first_paid_on": min(paid_days, default=None),
        "last_expansion_on": max(expansions, default=None),
        "churned_on": lost,
        "is_live": now > 0 or bool(paid_days and not is_paying and not lost),
        "is_trial_only": not paid_days,
    }


@pytest.mark.slow(reason="many companies, each walked through day by day in plain Python")
@settings(max_examples=25, deadline=None)
@property_of(SUBSCRIPTIONS, DAYS, st.sampled_from([0, 0, 5]))
def test_every_day_is_as_a_walk_over_all_days_finds_it(
    raw: list[dict[str, Any]], days: list[date], grace: int
) -> None:
    rows = drawn(raw)
    extracts = {
        "billing_subscriptions": rows,
        "crm_accounts": [{"account_id": a, "merged_into_account_id": MERGED.get(a)} for a in ACCOUNTS],
        "fx_rates": [{"currency": "EUR", "valid_from": since, "rate": r} for since, r in RATES],
    }
    policy = {"company": {"renewal_grace_days": grace}}
    result = computed("account_revenue", extracts, *days, policy=policy)
    want = {}
    steps = with_pauses(with_next_steps(rows))
    for account in ACCOUNTS:
        own = [row for row in steps if MERGED.get(row["account_id"], row["account_id"]) == account]
        for day in days:
            figures = expected(own, day, grace)
            if figures is not None:
                want[day, account] = figures
    assert {key: {n: row[n] for n in want.get(key, {})} for key, row in result.items()} == want
    if len(days) > 1:
        alone = computed("account_revenue", extracts, days[0], policy=policy)
        assert alone == {key: row for key, row in result.items() if key[0] == days[0]}
