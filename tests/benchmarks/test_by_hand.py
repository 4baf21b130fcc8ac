"""The hand-written SQL of the benchmark as an oracle: written from the specification, it gives the chain's tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from benchmarks.comparing import Comparison, compare
from benchmarks.sides import compared, run_round, tables_to_compute
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.sample import generate
from tests.harness.shared import once

DAYS = [date(2025, 12, 31), date(2026, 2, 28), date(2026, 6, 30)]


pytestmark = pytest.mark.home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sides of a small company, computed."""
    return once("by_hand", _compute, tmp_path_factory)


def _compute(root: Path) -> None:
    frame = generate(root / "sample", accounts=60, days=250, users_per_account=4, seed=11, end=DAYS[-1])
    run_round(root, frame.sources, DAYS, "1GB", orchestrated=False)


@pytest.fixture(scope="module")
def comparisons(folder: Path) -> list[Comparison]:
    return compared(folder)


def test_the_chain_gives_what_hand_written_sql_gives(comparisons: list[Comparison]) -> None:
    assert [str(each) for each in comparisons if not each.is_equal] == []
    assert [each.table for each in comparisons] == tables_to_compute()
    assert "account_usage" in tables_to_compute()
    assert [each.table for each in comparisons if not each.rows] == []  # equal because empty would prove nothing


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("arr * 1.0000001 AS arr", {"arr"}),
        ("if(arr > 0, NULL, seats) AS seats", {"seats"}),
        ("NOT is_live AS is_live", {"is_live"}),
    ],
)
def test_a_changed_value_is_told(folder: Path, tmp_path: Path, change: str, expected: set[str]) -> None:
    result = _compared_with(folder, tmp_path, f"SELECT * REPLACE ({change}) FROM {{files}}")
    assert not result.is_equal
    assert set(result.differing) == expected
    assert (result.only_chain, result.only_hand) == (0, 0)


def test_rows_that_one_side_lacks_are_told(folder: Path, comparisons: list[Comparison], tmp_path: Path) -> None:
    result = _compared_with(folder, tmp_path, "SELECT * FROM {files} WHERE account_id <> 'A00001'")
    whole = next(each for each in comparisons if each.table == "account_revenue")
    assert result.only_chain > 0
    assert result.only_hand == 0
    assert replace(result, only_chain=0, example="") == whole


def _compared_with(folder: Path, changed_home: Path, query: str) -> Comparison:
    """account_revenue of the chain against a changed copy of the one by hand."""
    files = f"read_parquet('{folder}/hand/published/account_revenue/*/*.parquet', hive_partitioning = true)"
    target = changed_home / "published" / "account_revenue"
    target.parent.mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query.format(files=files)}) TO '{target}' (FORMAT parquet, PARTITION_BY (as_of))")
    return compare(CATALOGUE["account_revenue"], folder / "chain", changed_home)
