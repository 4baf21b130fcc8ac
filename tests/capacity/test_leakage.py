from __future__ import annotations

import math
from typing import Any

import pytest

from segmentation_assets.capacity.leakage import coverage_leakage
from segmentation_assets.capacity.staffing import AccountDemand
from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.revenue import AccountRevenue
from tests.capacity.company import DAY, POLICY, demand
from tests.companies import given, spine


def leak(got: float | None, cost: float | None = None, tenure_days: int = 800, **account) -> dict[str, Any]:
    """The row of one Growth account, entitled to 30 hours a year."""
    key = {"as_of": DAY, "account_id": "a00"}
    found = coverage_leakage(
        spine(DAY),
        given(AccountDemand, demand({"coverage_tier": "Growth", "arr": 60_000.0} | account)),
        given(AccountCosts, [key | {"csm_hours_12m": got, "csm_cost_12m": cost}]),
        given(AccountRevenue, [key | {"tenure_days": tenure_days}]),
        POLICY.care,
        POLICY.costs,
    )
    (row,) = found.execute().to_dict("records")
    return row


def test_more_than_entitled_is_priced_at_the_cost_of_the_hours_it_got():
    row = leak(40.0, 2_000.0)
    assert (row["entitled_hours"], row["over_served_hours"], row["under_served_hours"]) == (30.0, 10.0, 0.0)
    assert (row["hourly_cost"], row["over_served_cost"], row["under_served_arr"]) == (50.0, 500.0, 0.0)
    assert row["service"] == "over_served"


def test_less_than_entitled_is_also_told_as_arr():
    row = leak(12.0, 480.0)
    assert (row["under_served_hours"], row["under_served_cost"]) == (18.0, 720.0)
    assert row["under_served_arr"] == 36_000.0
    assert row["service"] == "under_served"


def test_nothing_got_is_priced_at_the_policys_rate():
    row = leak(0.0, 0.0)
    assert (row["hourly_cost"], row["under_served_cost"], row["under_served_arr"]) == (60.0, 1_800.0, 60_000.0)


def test_without_time_entries_nothing_is_known():
    row = leak(None)
    assert row["service"] == "unknown"
    assert all(
        math.isnan(row[n]) for n in ("got_hours", "over_served_hours", "under_served_cost", "under_served_arr")
    )
    assert row["entitled_hours"] == 30.0


@pytest.mark.parametrize(
    ("got", "service"),
    [
        (22.4, "under_served"),
        (22.5, "as_entitled"),
        (30.0, "as_entitled"),
        (37.5, "as_entitled"),
        (37.6, "over_served"),
    ],
)
def test_a_quarter_of_the_entitlement_is_tolerated(got, service):
    assert leak(got, got)["service"] == service


def test_a_new_customer_is_entitled_to_its_own_months_only():
    row = leak(10.0, 500.0, tenure_days=73)
    assert (row["months_entitled"], row["entitled_hours"]) == (pytest.approx(2.4), pytest.approx(6.0))


def test_an_override_of_the_day_does_not_raise_the_entitlement_of_the_year():
    assert leak(30.0, 1.0, has_override=True, hours_per_month=6.5)["entitled_hours"] == 30.0
