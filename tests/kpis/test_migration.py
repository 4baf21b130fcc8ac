from __future__ import annotations

from datetime import date

import pytest

from segmentation_assets.kpis.migration import TierMigration
from tests.companies import made_last
from tests.kpis.world import broken_rules, kpis, one, pays, stands

T0, T1 = date(2025, 9, 30), date(2025, 12, 31)


@pytest.fixture(scope="module")
def table():
    """up: Long-Tail -> Core, growing 100 -> 150. stays: Long-Tail. lost: Long-Tail, churned. down: Growth -> Core.
    new: Core. stray: no tier at the start, then Core."""
    return kpis(
        ["tier_migration", "tier_migration_summary"],
        [T1],
        billing_subscriptions=[
            pays("up", 100, date(2024, 1, 1), date(2025, 11, 1)),
            pays("up", 150, date(2025, 11, 1)),
            pays("stays", 10, date(2024, 1, 1)),
            pays("lost", 20, date(2024, 1, 1), date(2025, 11, 1)),
            pays("down", 300, date(2024, 1, 1)),
            pays("new", 50, date(2025, 11, 1)),
            pays("stray", 5, date(2024, 1, 1)),
        ],
        segments=[
            stands("up", T0, "Long-Tail"),
            stands("up", T1, "Core"),
            *(stands("stays", day, "Long-Tail") for day in (T0, T1)),
            stands("lost", T0, "Long-Tail"),
            stands("down", T0, "Growth"),
            stands("down", T1, "Core"),
            stands("new", T1, "Core"),
            stands("stray", T1, "Core"),
        ],
    )


def test_matrix_by_hand(table):
    matrix = table["tier_migration"]
    assert len(matrix) == 35  # always all pairs
    ways = {(r.from_tier, r.to_tier): (r.direction, r.accounts) for r in matrix.itertuples() if r.accounts}
    assert ways == {
        ("Long-Tail", "Core"): ("up", 1),
        ("Long-Tail", "Long-Tail"): ("same", 1),
        ("Long-Tail", "not_live"): ("lost", 1),
        ("Growth", "Core"): ("down", 1),
        ("not_live", "Core"): ("gained", 1),
        ("unassigned", "Core"): ("other", 1),
    }
    up = one(matrix, from_tier="Long-Tail", to_tier="Core")
    assert (up.start_arr, up.end_arr, up.share_of_from) == (1200, 1800, pytest.approx(1 / 3))
    assert (up.row_accounts, up.from_accounts, up.row_start_arr, up.from_arr) == (3, 3, 1560, 1560)
    assert (up.column_accounts, up.to_accounts) == (4, 4)


def test_summary_by_hand(table):
    row = table["tier_migration_summary"].iloc[0]
    assert (row.up_accounts, row.up_arr, row.down_accounts, row.down_arr) == (1, 1800, 1, 3600)
    assert (row.long_tail_accounts, row.graduated_accounts) == (3, 1)
    assert row.graduation_rate == pytest.approx(1 / 3)  # the lost one counts
    assert row.graduation_rate_low_n
    assert (row.downgrade_to_churn_benchmark_low, row.downgrade_to_churn_benchmark_high) == (6, 9)


def test_a_matrix_that_does_not_add_up_is_refused(table):
    row = next(r for r in made_last("tier_migration") if (r["from_tier"], r["to_tier"]) == ("Long-Tail", "Core"))
    changed = [row | {name: row[name] + 1} for name in ("row_accounts", "row_start_arr", "column_accounts")]
    assert broken_rules(TierMigration, [row, *changed]) == [
        set(),
        {"rows_add_up"},
        {"rows_add_up"},
        {"columns_add_up"},
    ]


def test_without_accounts_rates_are_null():
    empty = kpis(["tier_migration_summary"], [T1])["tier_migration_summary"].iloc[0]
    assert (empty.long_tail_accounts, empty.downgraded_accounts) == (0, 0)
    assert empty[["graduation_rate", "downgrade_to_churn_months"]].isna().all()
