from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from segmentation_assets.capacity.leakage import mondays_of_the_year
from segmentation_assets.tables.as_of import anchor
from tests.capacity.company import DAY, demand
from tests.companies import Company

State = tuple[str, str]
GROWTH: State = ("Growth", "Growth")


def states(changes: Sequence[tuple[date, State | None]]) -> list[dict]:
    """Rows of `segment_grid` for one account: the state after each Monday of the year; None: not a customer."""
    rows = []
    for monday in mondays_of_the_year(DAY):
        state = next((state for since, state in reversed(changes) if since <= monday), None)
        if state is not None:
            tier, segment = state
            key = {"as_of": monday, "account_id": "a00", "coverage_tier": tier, "segment": segment}
            # The grid that the next quarter will start at says otherwise, and does not count.
            later = key | {"anchor": monday, "coverage_tier": "Strategic"}
            rows += [key | {"anchor": anchor(monday)}, later]
    return rows


def leak(
    got: float | None,
    cost: float | None = None,
    changes: Sequence[tuple[date, State | None]] = ((date(2020, 1, 6), GROWTH),),
    **account: Any,
) -> dict[str, Any]:
    """The row of one account: in Growth all year, entitled to 30 hours, unless said."""
    key = {"as_of": DAY, "account_id": "a00"}
    company = Company(
        account_demand=demand({"coverage_tier": "Growth", "arr": 60_000.0} | account),
        segment_grid=states(changes),
        account_costs=[key | {"csm_hours_12m": got, "csm_cost_12m": cost}],
    )
    (row,) = company.frame("coverage_leakage", DAY).to_dict("records")
    return row


def test_more_than_entitled_is_priced_at_the_cost_of_the_hours_it_got():
    row = leak(40.0, 2_000.0)
    assert (row["entitled_hours"], row["over_served_hours"], row["under_served_hours"]) == pytest.approx(
        (30.0, 10.0, 0.0)
    )
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
    assert row["entitled_hours"] == pytest.approx(30.0)


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


def test_a_new_customer_is_entitled_to_its_own_days_only():
    # From Monday 9 March to Wednesday 6 May 2026 are 59 days: 2.5 h x 59 x 12 / 365.
    row = leak(10.0, 500.0, changes=[(date(2026, 3, 9), GROWTH)])
    assert (row["customer_days"], row["entitled_hours"]) == (59, pytest.approx(2.5 * 59 * 12 / 365))


def test_each_day_entitles_to_the_hours_of_the_tier_and_segment_of_that_day():
    """Core until Sunday 31 August, Growth until Sunday 1 March, since then Growth and At-Risk.

    7 May to 31 August 2025 are 117 days, to 1 March 2026 182 more, and to 6 May 66 more: 365 in all. The hours are
    (117 x 0.6 + 182 x 2.5 + 66 x 6.5) x 12 / 365."""
    row = leak(30.0, 1500.0, changes=[
        (date(2025, 1, 6), ("Core", "Efficient")), (date(2025, 9, 1), GROWTH),
        (date(2026, 3, 2), ("Growth", "At-Risk")),
    ])  # fmt: skip
    assert (row["customer_days"], row["tiers"]) == (365, 2)
    assert row["entitled_hours"] == pytest.approx((117 * 0.6 + 182 * 2.5 + 66 * 6.5) * 12 / 365)


def test_an_automated_tier_entitles_to_nothing_and_lacks_nothing():
    tail = [(date(2020, 1, 6), ("Long-Tail", "Long-Tail"))]
    row = leak(0.0, 0.0, changes=tail, coverage_tier="Long-Tail")
    assert (row["entitled_hours"], row["under_served_hours"], row["under_served_arr"]) == (0.0, 0.0, 0.0)
    assert row["service"] == "as_entitled"
    row = leak(2.0, 100.0, changes=tail, coverage_tier="Long-Tail")
    assert (row["over_served_hours"], row["service"]) == (2.0, "over_served")


def test_an_override_of_the_day_does_not_raise_the_entitlement_of_the_year():
    assert leak(30.0, 1.0, has_override=True, hours_per_month=6.5)["entitled_hours"] == pytest.approx(30.0)


def test_the_mondays_read_are_those_whose_weeks_are_in_the_twelve_months():
    mondays = list(mondays_of_the_year(DAY))
    # The twelve months start on Wednesday 7 May 2025, in the week of the 5th.
    assert (mondays[0], mondays[-1]) == (date(2025, 5, 5), date(2026, 5, 4))
    assert all(later - earlier == timedelta(weeks=1) for earlier, later in pairwise(mondays))
