"""The gap to the expansion goal, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tests.kpis.alone import Row, alone, changed

DAY = date(2026, 3, 31)


def _standing(account: str, arr: float, pipeline: float | None = None) -> Row:
    return {"as_of": DAY, "account_id": account, "arr": arr, "expansion_pipeline": pipeline}


def _period(account: str, months: int, expansion: float, tier: str = "Core") -> Row:
    return {
        "as_of": DAY, "account_id": account, "window_months": months, "start_arr": 100.0, "start_tier": tier,
        "expansion_arr": expansion,
    }  # fmt: skip


def _hours(account: str, hours: float | None) -> Row:
    return {"as_of": DAY, "account_id": account, "csm_hours_12m": hours}


PERIODS = [
    _period("a", 12, 6000.0, "Strategic"), _period("b", 12, 500.0, "Core"), _period("a", 3, 1500.0, "Strategic"),
]  # fmt: skip
POLICY = changed("goals", expansion_target=10_000.0, win_rate=0.5, max_moved_share=0.5)


def _gap(
    periods: list[Row] = PERIODS, hours: tuple[float | None, float | None] = (100.0, 50.0), **given: float
) -> Row:
    policy = changed("goals", **{"expansion_target": 10_000.0, "win_rate": 0.5, "max_moved_share": 0.5} | given)
    return alone(
        "goal_gap",
        DAY,
        policy=policy,
        account_standings=[_standing("a", 50_000.0, 8000.0), _standing("b", 10_000.0, 0.0)],
        account_periods=periods,
        account_costs=[_hours("a", hours[0]), _hours("b", hours[1])],
    )[0]


def test_gap_is_target_less_the_larger_of_run_rate_and_weighted_pipeline() -> None:
    row = _gap()
    assert (row["run_rate"], row["weighted_pipeline"]) == (6000, 4000)
    assert (row["expected_expansion"], row["gap"], row["status"]) == (6000, 4000, "missed")
    assert _gap(win_rate=1.0)["gap"] == 2000


def test_reallocation_is_bounded_by_the_hours_there_are() -> None:
    row = _gap()
    # Strategic 6000 / 100 h = 60 an hour, Core 500 / 50 h = 10: 4000 / 50 = 80 hours, of which 25 can move
    assert (row["from_tier"], row["to_tier"]) == ("Core", "Strategic")
    assert (row["hours_to_close"], row["hours_available"], row["hours_to_move"]) == (80, 25, 25)
    assert (row["gap_closed"], row["reallocation"]) == (1250, "closes_part")
    assert "4000.00 / 50.00 = 80 hours" in row["arithmetic"]
    assert "25 x 50.00 = 1250.00" in row["arithmetic"]


def test_a_small_gap_closes() -> None:
    row = _gap(expansion_target=6500.0)
    assert (row["hours_to_move"], row["gap_closed"], row["reallocation"]) == (10, 500, "closes_the_gap")


def test_the_target_may_be_a_share_of_arr() -> None:
    row = alone(
        "goal_gap",
        DAY,
        policy=changed("goals", expansion_target=None, expansion_target_share=0.2),
        account_standings=[_standing("a", 50_000.0, 0.0)],
    )[0]
    assert row["expansion_target"] == pytest.approx(10_000)


def test_goal_reached() -> None:
    row = _gap(expansion_target=6000.0)
    assert (row["gap"], row["status"], row["reallocation"], row["from_tier"]) == (0, "met", "not_needed", None)


def test_nothing_known_is_no_gap_of_zero() -> None:
    row = alone("goal_gap", DAY, account_standings=[_standing("a", 50_000.0)])[0]
    assert (row["gap"], row["status"], row["reallocation"]) == (None, "unknown", "unknown")
    assert "no gap" in row["arithmetic"]


def test_one_of_run_rate_and_pipeline_is_enough() -> None:
    only_run_rate = alone(
        "goal_gap", DAY, policy=POLICY, account_standings=[_standing("a", 1.0)], account_periods=PERIODS
    )[0]
    assert (only_run_rate["expected_expansion"], only_run_rate["pipeline"]) == (6000, None)
    only_pipeline = alone("goal_gap", DAY, policy=POLICY, account_standings=[_standing("a", 1.0, 8000.0)])[0]
    assert (only_pipeline["expected_expansion"], only_pipeline["run_rate"]) == (4000, None)


def test_without_hours_nothing_is_moved() -> None:
    assert _gap(hours=(None, None))["reallocation"] == "unknown"
    assert _gap(hours=(100.0, None))["reallocation"] == "none"
