"""Which accounts' hours make up the people that move, with the arithmetic worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from segmentation_assets.capacity.leakage import CoverageLeakage
from segmentation_assets.capacity.plan import CapacityPlan
from segmentation_assets.capacity.rebalancing import rebalanced_accounts
from tests.capacity.company import DAY, POLICY
from tests.companies import records, spine, typed


def leak(account: str, tier: str, over: float = 0.0, under: float = 0.0, **values: Any) -> dict[str, Any]:
    """A row of `coverage_leakage`: hours of twelve months beyond or below an entitlement of 60."""
    return {
        "as_of": DAY, "account_id": account, "coverage_tier": tier, "arr": 24_000.0, "entitled_hours": 60.0,
        "got_hours": 60.0 + over - under, "hourly_cost": 50.0, "over_served_hours": over, "under_served_hours": under,
        "under_served_arr": 24_000.0 * under / 60, "service": "unknown", **values,
    }  # fmt: skip


def plan(tier: str, out: float = 0.0, into: float = 0.0) -> dict[str, Any]:
    """A row of `capacity_plan`: so many people move, at 100 customer hours a month each."""
    return {
        "as_of": DAY, "coverage_tier": tier, "rebalanced_out_fte": out, "rebalanced_in_fte": into,
        "hours_per_fte": 100.0,
    }  # fmt: skip


def moved(plans: list[dict[str, Any]], leaks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    rows = records(rebalanced_accounts(
        spine(DAY), typed(CapacityPlan, plans), typed(CoverageLeakage, leaks), POLICY.staffing
    ))  # fmt: skip
    assert len({row["account_id"] for row in rows}) == len(rows)
    return {row["account_id"]: row for row in rows}


def test_hours_of_the_people_who_move_come_from_the_most_over_served_accounts():
    """0.1 people at 100 hours are 10 hours a month. Core's accounts got 72, 48 and 36 hours too many in a year:

    6, 4 and 3 a month. The first two give 6 + 4 = 10, the third nothing. 6 hours a month x 12 x 50 = 3,600 a year.
    """
    rows = moved(
        [plan("Core", out=0.1)], [leak("c", "Core", over=36.0), leak("a", "Core", over=72.0), leak("b", "Core", 48.0)]
    )
    assert {n: (r["place"], r["hours_per_month"], r["worth"]) for n, r in rows.items()} == {
        "a": (1, 6.0, 3_600.0), "b": (2, 4.0, 2_400.0),
    }  # fmt: skip
    assert {row["direction"] for row in rows.values()} == {"gives"}


def test_hours_go_to_the_most_under_served_arr_until_they_are_used_up():
    """0.1 people are 10 hours a month. s lacks 36 hours of 60 (3 a month; 120,000 x 36/60 = 72,000 ARR without care),
    t 96 of 120 (8 a month; 24,000 x 96/60 = 38,400), u 12 (1 a month; 4,800).

    s gets its 3, t the 7 that are left, u none. Worth: s 120,000 x 3 x 12 / 60 = 72,000; t 24,000 x 7 x 12 / 120 =
    16,800.
    """
    rows = moved(
        [plan("Strategic", into=0.1)],
        [
            leak("s", "Strategic", under=36.0, arr=120_000.0, under_served_arr=72_000.0),
            leak("t", "Strategic", under=96.0, entitled_hours=120.0),
            leak("u", "Strategic", under=12.0),
        ],
    )
    assert {n: (r["place"], r["hours_per_month"], r["worth"]) for n, r in rows.items()} == {
        "s": (1, 3.0, 72_000.0), "t": (2, 7.0, 16_800.0),
    }  # fmt: skip
    assert {row["direction"] for row in rows.values()} == {"gets"}


def test_nobody_gives_or_gets_less_than_the_least_hours():
    """The least is half an hour a month. b offers 5.9 / 12 = 0.49, so it is not asked; c 6 / 12 = 0.5.

    10 hours move: a gives 9.7 (116.4 / 12); what is left, 0.3, is less than half an hour, so c gives none of it.
    """
    leaks = [leak("a", "Core", over=116.4), leak("b", "Core", over=5.9), leak("c", "Core", over=6.0)]
    assert {n: r["hours_per_month"] for n, r in moved([plan("Core", out=0.1)], leaks).items()} == {"a": 9.7}
    more = moved([plan("Core", out=0.102)], leaks)
    assert {n: r["hours_per_month"] for n, r in more.items()} == {"a": 9.7, "c": pytest.approx(0.5)}


def test_who_is_served_alike_gives_in_the_order_of_the_id_and_tiers_do_not_mix():
    """Two Core accounts with 60 hours too many (5 a month) and 0.05 people: the first by id gives all 5 hours.

    Growth has 0.2 people to give, but its one account got 24 hours too many: 2 a month, of 20.
    """
    leaks = [leak("y", "Core", over=60.0), leak("x", "Core", over=60.0), leak("g", "Growth", over=24.0)]
    rows = moved([plan("Core", out=0.05), plan("Growth", out=0.2)], leaks)
    assert {n: r["hours_per_month"] for n, r in rows.items()} == {"x": 5.0, "g": 2.0}
    assert moved([plan("Core"), plan("Growth")], leaks) == {}
