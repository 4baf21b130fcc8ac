"""The hand-written SQL of the KPIs as an oracle: over the same published tables it gives the chain's KPI tables."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from benchmarks import kpi_hand_side
from benchmarks.comparing import Comparison
from benchmarks.kpis import compared, job_for, left_out, prepare
from benchmarks.measuring import measure
from segmentation_assets.sample import generate
from tests.harness.shared import once

DAYS = [date(2026, 2, 28), date(2026, 5, 15)]
"""A month-end whose look-backs end longer months, and a day inside a month."""


pytestmark = pytest.mark.home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sides of a small company, computed."""
    return once("kpis_by_hand", _compute, tmp_path_factory)


def _compute(root: Path) -> None:
    frame = generate(root / "sample", accounts=60, days=760, users_per_account=2, seed=5, end=date(2026, 5, 31))
    prepare(root / "home", frame.sources, [date(2026, 1, 31), *DAYS], "1GB")
    measure("benchmarks.kpi_chain_side", job_for(root / "home", frame.sources, DAYS, "1GB"))
    measure("benchmarks.kpi_hand_side", job_for(root / "hand", root / "home" / "published", DAYS, "1GB"))


@pytest.fixture(scope="module")
def comparisons(folder: Path) -> list[Comparison]:
    return compared(folder / "home", folder / "hand")


def test_the_kpis_are_what_hand_written_sql_gives(comparisons: list[Comparison]) -> None:
    assert [str(each) for each in comparisons if not each.is_equal] == []
    assert {each.table for each in comparisons} >= {
        "account_periods", "revenue_movements", "company_kpis", "tier_kpis", "segment_kpis", "tier_migration",
        "cohort_retention", "concentration", "feature_adoption", "renewal_forecast",
    }  # fmt: skip
    assert [each.table for each in comparisons if not each.rows] == []  # equal because empty would prove nothing


def test_what_is_compared_has_something_in_it(folder: Path) -> None:
    """Retention of a year, accounts that moved between tiers, medians that are reached: no table of nulls."""
    with duckdb.connect() as connection:
        for table, is_there in (
            ("tier_kpis", "nrr > 0 AND nrr <> 1 AND window_months = 12 AND nrr_status <> 'unknown'"),
            ("tier_migration", "direction IN ('up', 'down') AND accounts > 0"),
            ("median_durations", "median_months > 0"),
            ("company_kpis", "magic_number IS NOT NULL AND cac_payback_months > 0 AND fx_arr <> 0"),
            ("cohort_retention", "usage_accounts > 0"),
        ):
            result = connection.execute(
                f"SELECT count(*) FROM read_parquet('{folder}/hand/published/{table}/*/*.parquet') WHERE {is_there}"
            ).fetchone()
            assert result is not None, table
            assert result[0] > 0, table


def test_every_kpi_table_is_written_by_hand_or_named_as_left_out() -> None:
    assert not set(left_out()) & set(kpi_hand_side.tables())
    assert set(left_out()) == {
        "icp_insights", "data_quality", "data_quality_columns", "account_data_quality", "kpi_scorecard",
        "arr_reconciliation", "renewal_windows", "backtest_accounts", "segment_backtest", "score_backtest",
        "risk_backtest",
    }  # fmt: skip
