"""Renewals of the next weeks, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tests.kpis.alone import Row, alone, at

DAY = date(2026, 11, 27)


def _account(name: str, arr: float, days: int, risk: float | None, **more: object) -> tuple[Row, Row]:
    key = {"as_of": DAY, "account_id": name}
    renewal = date.fromordinal(DAY.toordinal() + days)
    state = key | {"churn_risk": risk, "coverage_tier": "Core", "csm_id": "kim", "segment": "Growth"} | more
    leaves = state.pop("leaves", False)
    revenue = key | {
        "arr": arr, "is_live": True, "renewal_on": renewal, "days_to_renewal": days,
        "leaving_on": renewal if leaves else None,
    }  # fmt: skip
    return state, revenue


def _windows(*accounts: tuple[Row, Row]) -> list[Row]:
    return alone("renewal_windows", DAY, segments=[a for a, _ in accounts], account_revenue=[b for _, b in accounts])


FOUR = (
    _account("a", 1000.0, 30, 0.1),
    _account("b", 3000.0, 31, 0.3, segment="At-Risk", csm_id=None),
    _account("c", 500.0, 34, None, coverage_tier="Growth"),  # 31 December, the last day of the quarter
    _account("d", 800.0, 35, 0.05, leaves=True),
)


def test_a_window_ends_with_its_last_day_and_a_longer_one_holds_it():
    rows = _windows(*FOUR)
    assert at(rows, due_window="days_30", grouping="company")["accounts"] == 1
    assert at(rows, due_window="days_60", grouping="company")["accounts"] == 4
    assert at(rows, due_window="quarter", grouping="company")["accounts"] == 3
    assert {row["due_window"] for row in rows} == {"days_30", "days_60", "days_90", "quarter"}


def test_what_is_due_at_risk_and_likely_to_stay():
    row = at(_windows(*FOUR), due_window="days_60", grouping="company")
    assert (row["arr_due"], row["arr_leaving"], row["leaving_accounts"]) == (5300, 800, 1)
    assert (row["at_risk_accounts"], row["arr_in_at_risk"], row["accounts_without_risk"]) == (1, 3000, 1)
    assert row["arr_at_risk"] == 1000 * 0.1 + 3000 * 0.3 + 0 + 800  # 1,800
    assert row["expected_arr"] == 3500
    assert row["expected_grr"] == pytest.approx(3500 / 5300)
    # variance 1000^2 x 0.09 + 3000^2 x 0.21 = 1,980,000; its root 1,407.1247 x 1.2815516 = 1,803.30
    assert row["expected_arr_low"] == pytest.approx(3500 - 1803.30, abs=0.01)
    assert row["expected_arr_high"] == 4500  # all stay but the one that is known to leave
    assert row["low_n"]


def test_groups_add_up_to_the_company():
    rows = [row for row in _windows(*FOUR) if row["due_window"] == "days_60"]
    for grouping, members in (("tier", {"Core": 3, "Growth": 1}), ("csm", {"kim": 3, "unassigned": 1})):
        own = {row["member"]: row for row in rows if row["grouping"] == grouping}
        assert {name: row["accounts"] for name, row in own.items()} == members
        assert sum(row["arr_at_risk"] for row in own.values()) == 1800
