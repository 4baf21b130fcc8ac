"""Cohorts by signup quarter, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from segmentation_assets.kpis.cohorts import quarter_ends
from tests.kpis.alone import POLICY, Row, alone, at, changed, own_hierarchy

DAY = date(2025, 10, 1)
Q1 = date(2025, 1, 1)
FIRST_PAID = {"a": date(2025, 2, 10), "b": date(2025, 3, 31), "gone": date(2025, 1, 5), "late": date(2025, 4, 1)}


def _subscription(account: str, start: date, mrr: float, end: date | None = None, currency: str = "USD") -> Row:
    return {
        "subscription_id": account, "account_id": account, "start_date": start, "mrr": mrr, "end_date": end,
        "currency": currency,
    }  # fmt: skip


SUBSCRIPTIONS = [
    _subscription("a", date(2025, 2, 10), 100.0, date(2025, 5, 1)),
    _subscription("a", date(2025, 5, 1), 150.0),
    _subscription("b", date(2025, 3, 31), 200.0, date(2025, 8, 15)),
    _subscription("gone", date(2025, 1, 5), 900.0, date(2025, 3, 20)),  # in no cohort: left inside the quarter
    _subscription("late", date(2025, 4, 1), 50.0),
]


def _cohorts(day: date = DAY, subscriptions: list[Row] = SUBSCRIPTIONS, **inputs: Any) -> list[Row]:
    revenue = [
        {"as_of": day, "account_id": a, "first_paid_on": first} for a, first in FIRST_PAID.items() if first <= day
    ]
    policy = inputs.pop("policy", POLICY)
    return alone(
        "cohort_retention",
        day,
        policy=policy,
        billing_subscriptions=subscriptions,
        account_revenue=revenue,
        account_hierarchy=own_hierarchy(day, *FIRST_PAID),
        **inputs,
    )


def test_retention_by_age() -> None:
    rows = _cohorts()
    start, second, third = (at(rows, signup_quarter=Q1, age_quarters=age) for age in range(3))
    assert (start["accounts"], start["start_arr"], start["nrr"], start["logo_retention"]) == (2, 3600, 1, 1)
    # a 1,800 and b 2,400 of a 1,200 and b 2,400
    assert (second["observed_on"], second["arr"], second["retained_arr"]) == (date(2025, 6, 30), 4200, 3600)
    assert second["nrr"] == pytest.approx(4200 / 3600)
    assert (second["grr"], second["expansion_rate_with_price"]) == (1, 0.5)
    # b has left
    assert (third["observed_on"], third["arr"], third["retained_accounts"]) == (date(2025, 9, 30), 1800, 1)
    assert (third["nrr"], third["logo_retention"]) == (0.5, 0.5)
    assert third["grr"] == pytest.approx(1 / 3)
    assert third["low_n"]


def test_only_quarters_that_are_over_are_told() -> None:
    assert len(_cohorts()) == 3 + 2
    assert {r["observed_on"] for r in _cohorts(date(2025, 9, 29))} == {date(2025, 3, 31), date(2025, 6, 30)}
    assert max(r["observed_on"] for r in _cohorts(date(2025, 9, 30))) == date(2025, 9, 30)


def test_exchange_rates_are_those_of_the_end_of_the_signup_quarter() -> None:
    rates = [
        {"currency": "EUR", "valid_from": date(2025, 1, 1), "rate": 1.1},
        {"currency": "EUR", "valid_from": date(2025, 4, 1), "rate": 2.0},
    ]
    euros = [row | {"currency": "EUR"} for row in SUBSCRIPTIONS]
    rows = _cohorts(subscriptions=euros, fx_rates=rates)
    assert at(rows, signup_quarter=Q1, age_quarters=1)["arr"] == pytest.approx(4200 * 1.1)
    assert at(rows, signup_quarter=Q1, age_quarters=1)["nrr"] == pytest.approx(4200 / 3600)
    assert at(rows, signup_quarter=date(2025, 4, 1), age_quarters=0)["arr"] == pytest.approx(600 * 2.0)


def _usage(day: date, account: str, share: float, is_active: bool) -> Row:
    return {"as_of": day, "account_id": account, "mau_seat_share": share, "is_active_account": is_active}


def test_usage_is_told_where_it_is_kept() -> None:
    usage = [
        _usage(date(2025, 9, 30), "a", 0.5, True),
        _usage(date(2025, 6, 30), "a", 0.6, True),
        _usage(date(2025, 6, 30), "b", 0.2, False),
    ]
    rows = _cohorts(account_usage=usage)
    june = at(rows, signup_quarter=Q1, age_quarters=1)
    assert (june["usage_accounts"], june["active_share"], june["seat_activity"]) == (2, 0.5, pytest.approx(0.4))
    assert at(rows, signup_quarter=Q1, age_quarters=2)["active_share"] == 1
    assert at(rows, signup_quarter=Q1, age_quarters=0)["usage_reason"] == "no_usage"
    one = changed("cohorts", usage_quarters=1)
    short = at(_cohorts(account_usage=usage, policy=one), signup_quarter=Q1, age_quarters=1)
    assert (short["usage_reason"], short["usage_accounts"], short["active_share"]) == ("not_kept", None, None)


def test_the_quarter_ends_looked_back_on() -> None:
    assert list(quarter_ends(3, date(2025, 10, 1))) == [date(2025, 9, 30), date(2025, 6, 30), date(2025, 3, 31)]
    assert list(quarter_ends(2, date(2025, 12, 31))) == [date(2025, 12, 31), date(2025, 9, 30)]
    assert list(quarter_ends(1, date(2025, 12, 30))) == [date(2025, 9, 30)]
