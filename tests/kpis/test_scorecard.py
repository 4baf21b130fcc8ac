"""KPIs beside targets and benchmarks, with figures worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.kpis.alone import POLICY, Row, alone, at, changed

DAY = date(2026, 3, 31)
NOTHING_FEW = dict.fromkeys(
    ("nrr_low_n", "grr_low_n", "renewal_grr_low_n", "logo_retention_low_n", "expansion_rate_low_n",
     "time_to_first_expansion_low_n", "health_low_n"), False,
)  # fmt: skip


def _kpis(**values: Any) -> Row:
    return {
        "as_of": DAY,
        "window_months": 12,
        "accounts": 40,
        "start_accounts": 40,
        "arr": 1.0,
        **NOTHING_FEW,
        **values,
    }


def _card(policy=POLICY, **tables: Any) -> list[Row]:
    return alone("kpi_scorecard", DAY, policy=policy, **tables)


def test_every_kpi_of_a_group_has_a_row() -> None:
    rows = _card(
        company_kpis=[_kpis()], tier_kpis=[_kpis(coverage_tier="Core")], segment_kpis=[_kpis(segment="Growth")]
    )
    counts = {g: sum(row["grouping"] == g for row in rows) for g in ("company", "coverage_tier", "segment")}
    assert counts == {"company": 18, "coverage_tier": 15, "segment": 16}
    assert {row["status"] for row in rows} == {"no_target"}


def test_a_tier_keeps_the_targets_of_its_own_table() -> None:
    tier = _kpis(coverage_tier="Growth", nrr=1.15, nrr_target=1.10, nrr_target_high=1.20, grr=0.94, grr_target=0.95)
    rows = _card(tier_kpis=[tier])
    nrr, grr = at(rows, kpi="nrr"), at(rows, kpi="grr")
    assert (nrr["value"], nrr["target_low"], nrr["target_high"], nrr["status"]) == (1.15, 1.10, 1.20, "met")
    assert (grr["target_low"], grr["target_high"], grr["status"]) == (0.95, None, "missed")
    above = at(_card(tier_kpis=[tier | {"nrr": 1.30}]), kpi="nrr")
    assert above["status"] == "met", "the upper end of the range is no limit"


@pytest.mark.parametrize(
    ("value", "is_few", "window", "status"),
    [
        (0.10, False, 12, "met"),
        (0.15, False, 12, "met"),
        (0.16, False, 12, "missed"),
        (0.04, False, 12, "missed"),
        (None, False, 12, "unknown"),
        (0.10, True, 12, "too_few"),
        (0.10, False, 3, "no_target"),
    ],
)
def test_other_targets_are_of_the_policy(value: float | None, is_few: bool, window: int, status: str) -> None:
    """Cost to serve of Core between 5 % and 15 % of ARR, of a year; nine accounts are too few to judge."""
    goal = {"coverage_tier": {"Core": {"cost_share_of_arr": {"at_least": 0.05, "at_most": 0.15}}}}
    tiers = [
        _kpis(coverage_tier=tier, cost_share_of_arr=value, window_months=window, accounts=9 if is_few else 10)
        for tier in ("Core", "Growth")
    ]
    rows = _card(changed("targets", others=goal), tier_kpis=tiers)
    core = at(rows, member="Core", kpi="cost_share_of_arr")
    assert core["status"] == status
    assert (core["target_low"], core["target_high"]) == ((0.05, 0.15) if window == 12 else (None, None))
    assert at(rows, member="Growth", kpi="cost_share_of_arr")["status"] == "no_target"


def test_benchmarks_are_of_the_periods_that_they_are_published_for() -> None:
    """NRR 101 to 104 % and growth 25 % of a year, expansion 40 to 50 % of new ARR, logo churn of a month 3.5 %."""
    year = _kpis(nrr=1.02, arr_growth=0.25, expansion_share=0.39, logo_churn=0.2)
    month = _kpis(window_months=1, nrr=1.02, arr_growth=0.02, expansion_share=0.51, logo_churn=0.036)
    rows = _card(company_kpis=[year, month])

    def place(kpi: str, months: int) -> str | None:
        return at(rows, kpi=kpi, window_months=months)["benchmark_position"]

    assert [place(kpi, 12) for kpi in ("nrr", "arr_growth", "expansion_share", "logo_churn")] == [
        "within", "within", "below", None,
    ]  # fmt: skip
    assert [place(kpi, 1) for kpi in ("nrr", "arr_growth", "expansion_share", "logo_churn")] == [
        None, None, "above", "above",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"coverage_tier": {"Gold": {"utilisation": {"at_least": 0.7}}}}, "Gold is none of"),
        ({"coverage_tier": {"Core": {"nrr": {"at_least": 1.0}}}}, "stand in targets.nrr"),
        ({"company": {"company": {"nrr": {}}}}, "needs at_least"),
        ({"company": {"company": {"nrr": {"at_least": 2, "at_most": 1}}}}, "is below"),
    ],
)
def test_a_target_of_nothing_is_refused(others: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        type(POLICY.targets).model_validate(POLICY.targets.model_dump() | {"others": others})
