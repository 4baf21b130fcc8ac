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


def _tier(prefix: str, tier: str, base: float, per_hour: float) -> tuple[list[Row], list[Row]]:
    """Ten accounts of 100 ARR with 1, 2, ... 10 hours, and expansion of base + per_hour x hours."""
    periods = [_period(f"{prefix}{i}", 12, base + per_hour * i, tier) for i in range(1, 11)]
    return periods, [_hours(f"{prefix}{i}", float(i)) for i in range(1, 11)]


def _plan(tier: str, required: float, available: float | None, out: float = 0.0) -> Row:
    facts = available is not None
    return {
        "as_of": DAY, "coverage_tier": tier, "required_fte": required, "available_fte": available,
        "gap_fte": available - required if available is not None else None,
        "rebalanced_out_fte": out if facts else None, "hours_per_fte": 100.0, "is_roster_known": facts,
    }  # fmt: skip


STRATEGIC, CORE = _tier("s", "Strategic", 0.0, 60.0), _tier("c", "Core", 90.0, 10.0)
RECENT = [_period("s1", 3, 1500.0, "Strategic")]
PERIODS = [*STRATEGIC[0], *CORE[0], *RECENT]
COSTS = [*STRATEGIC[1], *CORE[1]]
SPARE = [_plan("Strategic", 1.0, 1.0), _plan("Core", 0.5, 0.51)]
POLICY = changed("goals", expansion_target=10_000.0, win_rate=0.5, max_moved_share=0.5)


def _gap(plan: list[Row] = SPARE, periods: list[Row] = PERIODS, costs: list[Row] = COSTS, **inputs: float) -> Row:
    policy = changed("goals", **{"expansion_target": 10_000.0, "win_rate": 0.5, "max_moved_share": 0.5} | inputs)
    return alone(
        "goal_gap",
        DAY,
        policy=policy,
        account_standings=[_standing("s1", 50_000.0, 8000.0), _standing("c1", 10_000.0, 0.0)],
        account_periods=periods,
        account_costs=costs,
        capacity_plan=plan,
    )[0]


def test_gap_is_target_less_the_larger_of_run_rate_and_weighted_pipeline() -> None:
    row = _gap()
    assert (row["run_rate"], row["weighted_pipeline"]) == (6000, 4000)
    assert (row["expected_expansion"], row["gap"], row["status"]) == (6000, 4000, "missed")
    assert _gap(win_rate=1.0)["gap"] == 2000


def test_hours_move_by_what_one_more_brings_and_only_those_that_nobody_needs() -> None:
    """Core's ten accounts expanded by 90 + 10 x hours: (900 + 10 x 55) / 55 h = 26.36 an hour on average, but one
    more hour brings 10. In Strategic one more brings 60. So moving one adds 50, and
    4000 / 50 = 80 hours would close the
    gap. Core has 0.01 people beyond the 0.5 it needs: 0.01 x 100 h x 12 = 12 hours. 12 x 50 = 600."""
    row = _gap()
    assert (row["from_tier"], row["to_tier"]) == ("Core", "Strategic")
    assert (row["from_expansion_per_hour"], row["to_expansion_per_hour"], row["to_average_per_hour"]) == (10, 60, 60)
    assert (row["to_expansion_per_hour_low"], row["to_expansion_per_hour_high"]) == (60, 60)
    assert (row["hours_to_close"], row["hours_available"], row["hours_to_move"]) == (80, 12, 12)
    assert (row["gap_closed"], row["reallocation"]) == (600, "closes_part")


def test_a_small_gap_closes() -> None:
    row = _gap(expansion_target=6500.0)
    assert (row["hours_to_move"], row["gap_closed"], row["reallocation"]) == (10, 500, "closes_the_gap")


def test_at_most_the_policys_share_of_a_tiers_hours_moves() -> None:
    # Core got 55 hours; with 10 people to spare, a tenth of them can go: 5.
    assert _gap([SPARE[0], _plan("Core", 0.5, 10.5)], max_moved_share=0.1)["hours_available"] == 5


def test_people_too_few_are_those_of_the_plan_and_then_nothing_moves() -> None:
    row = _gap([_plan("Strategic", 3.0, 1.0), _plan("Core", 1.0, 1.5, out=0.5)])
    assert (row["required_fte"], row["available_fte"], row["short_fte"]) == (4.0, 2.5, 1.5)
    assert (row["reallocation"], row["hours_to_move"]) == ("nothing_to_spare", None)
    assert (row["to_tier"], row["to_expansion_per_hour"]) == ("Strategic", 60)


def test_the_interval_decides_whether_an_hour_brings_more() -> None:
    """Expansion of Strategic that has nothing to do with hours: 0 and 600 by turns. The slope's interval holds 0."""
    noise = [_period(f"s{i}", 12, 600.0 * (i % 2), "Strategic") for i in range(1, 11)]
    row = _gap(periods=[*noise, *CORE[0], *RECENT], costs=COSTS)
    assert row["reallocation"] == "not_proven"


def test_too_few_accounts_say_nothing() -> None:
    row = _gap(periods=[*STRATEGIC[0][:9], *CORE[0][:9], *RECENT])
    assert (row["reallocation"], row["to_tier"]) == ("unknown", None)


def test_the_target_may_be_a_share_of_arr() -> None:
    row = alone(
        "goal_gap",
        DAY,
        policy=changed("goals", expansion_target=None, expansion_target_share=0.2),
        account_standings=[_standing("a", 50_000.0, 0.0)],
        capacity_plan=SPARE,
    )[0]
    assert row["expansion_target"] == pytest.approx(10_000)


def test_goal_reached() -> None:
    row = _gap(expansion_target=6000.0)
    assert (row["gap"], row["status"], row["reallocation"], row["from_tier"]) == (0, "met", "not_needed", None)


def test_nothing_known_is_no_gap_of_zero() -> None:
    row = alone("goal_gap", DAY, account_standings=[_standing("a", 50_000.0)], capacity_plan=SPARE)[0]
    assert (row["gap"], row["status"], row["reallocation"]) == (None, "unknown", "unknown")


def test_one_of_run_rate_and_pipeline_is_enough() -> None:
    only_run_rate = alone(
        "goal_gap", DAY, policy=POLICY, account_standings=[_standing("a", 1.0)], account_periods=PERIODS,
        capacity_plan=SPARE,
    )[0]  # fmt: skip
    assert (only_run_rate["expected_expansion"], only_run_rate["pipeline"]) == (6000, None)
    only_pipeline = alone(
        "goal_gap", DAY, policy=POLICY, account_standings=[_standing("a", 1.0, 8000.0)], capacity_plan=SPARE
    )[0]
    assert (only_pipeline["expected_expansion"], only_pipeline["run_rate"]) == (4000, None)


def test_without_hours_or_a_roster_nothing_is_moved() -> None:
    assert _gap(costs=[])["reallocation"] == "unknown"
    row = _gap([_plan("Strategic", 1.0, None), _plan("Core", 0.5, None)])
    assert (row["reallocation"], row["available_fte"], row["short_fte"]) == ("unknown", None, None)
    assert row["required_fte"] == 1.5
