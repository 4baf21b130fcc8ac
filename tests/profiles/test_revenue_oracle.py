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
            "mrr": st.sampled_from([0.0, 10.0, 10.0, 20.0, 33.33]),
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


def in_force(rows: Rows, day: date, grace: int) -> Rows:
    """What the account pays for at the end of `day`."""
    begun = [row for row in rows if row["mrr"] > 0 and row["start_date"] <= day]
    live = [row for row in begun if day < over_on(row)]
    if live or not begun:
        return live
    last = max(over_on(row) for row in begun)
    return [row for row in begun if over_on(row) == last] if (day - last).days < grace else []


def mrr(rows: Rows, day: date, grace: int, rate_day: date) -> float:
    return sum(row["mrr"] * rate(row["currency"], rate_day) for row in in_force(rows, day, grace))


def expected(rows: Rows, as_of: date, grace: int) -> dict[str, Any] | None:
    rows = [row for row in rows if row["start_date"] <= as_of]
    if not rows:
        return None
    year_ago = as_of.replace(year=as_of.year - 1) if (as_of.month, as_of.day) != (2, 29) else date(2023, 2, 28)
    if (as_of + DAY).day == 1:  # month-ends stay month-ends
        year_ago = (date(as_of.year - 1, as_of.month, 28) + 4 * DAY).replace(day=1) - DAY
    now, then = mrr(rows, as_of, grace, as_of), mrr(rows, year_ago, grace, year_ago)
    paid = [row["start_date"] for row in rows if row["mrr"] > 0]
    days = [min(paid) + n * DAY for n in range((as_of - min(paid)).days + 1)] if paid else []
    levels = {day: mrr(rows, day, grace, as_of) for day in days}
    rises = [d for d in days[1:] if levels[d - DAY] > 0 and levels[d] - levels[d - DAY] > 0.005]
    dry = [d for d in days if not levels[d] and all(not levels[e] for e in days if e > d)]
    seats = [row["seats"] for row in in_force(rows, as_of, grace) if row["seats"] is not None]
    return {
        "arr": pytest.approx(12 * now, abs=0.01),
        "arr_12m_ago": pytest.approx(12 * then, abs=0.01),
        "nrr_12m": pytest.approx(mrr(rows, as_of, grace, year_ago) / then, abs=1e-3) if then else None,
        "seats": sum(seats) if seats else None,
        "first_paid_on": min(paid, default=None),
        "last_expansion_on": max(rises, default=None),
        "churned_on": min(dry) if paid and not now else None,
        "is_live": now > 0,
        "is_trial_only": not paid,
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
    found = computed("account_revenue", extracts, *days, policy=policy)
    want = {}
    steps = with_next_steps(rows)
    for account in ACCOUNTS:
        own = [row for row in steps if MERGED.get(row["account_id"], row["account_id"]) == account]
        for day in days:
            figures = expected(own, day, grace)
            if figures is not None:
                want[day, account] = figures
    assert {key: {n: row[n] for n in want.get(key, {})} for key, row in found.items()} == want
    if len(days) > 1:
        alone = computed("account_revenue", extracts, days[0], policy=policy)
        assert alone == {key: row for key, row in found.items() if key[0] == days[0]}
