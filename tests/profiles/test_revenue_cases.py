"""Small companies in `tests/cases`, from their files to what they pay: each stands for its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

CASES = Path(__file__).parents[1] / "cases"
Rows = list[dict[str, Any]]
Case = Callable[..., dict[str, Rows]]


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """Lands a case and makes its tables at some days: rows by table."""
    store, policy = Store(tmp_path / "home"), load_policy()
    with open_connection(store) as connection:

        def table(name: str, *tables_and_days: str | date) -> dict[str, Rows]:
            engine = Engine(connection, store)
            land(read_sources(CASES / name / "sources.yaml"), engine, policy.sections)
            tables = [each for each in tables_and_days if isinstance(each, str)]
            Builder(engine, CATALOGUE, policy).ensure(tables, [d for d in tables_and_days if isinstance(d, date)])
            return {t: engine.backend.to_pyarrow(engine.read(CATALOGUE[t])).to_pylist() for t in tables}

        yield table


def arr(rows: Rows, day: date) -> float:
    return sum(row["arr"] for row in rows if row["as_of"] == day)


def moves(rows: Rows, day: date) -> dict[str, tuple[str, float, float]]:
    """By account: movement, MRR before and after."""
    return {
        row["account_id"]: (row["movement"], row["start_mrr"], row["end_mrr"]) for row in rows if row["as_of"] == day
    }


JAN, FEB, MAR = date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)


def test_a_start_entered_late_is_new_in_the_month_in_which_it_became_known(case: Case) -> None:
    """700 from 1 February, known on 10 March. February closes at 12,000, and March opens there: 1,000 x 12."""
    result = case("backdated_start", "account_revenue", "revenue_movements", JAN, FEB, MAR)
    assert [arr(result["account_revenue"], day) for day in (JAN, FEB, MAR)] == [12_000, 12_000, 20_400]
    assert moves(result["revenue_movements"], FEB) == {"Z1": ("flat", 1000, 1000)}
    assert moves(result["revenue_movements"], MAR) == {"Z1": ("flat", 1000, 1000), "K1": ("new", 0, 700)}


def test_a_swap_of_a_day_is_one_expansion_and_a_day_between_is_seen(case: Case) -> None:
    """W1 goes from 300 to 450 on 15 March. W2 ends on 31 March and starts on 1 April: that evening it pays 0."""
    april = date(2025, 4, 30)
    rows = case("plan_swap", "revenue_movements", MAR, april)["revenue_movements"]
    assert moves(rows, MAR)["W1"] == ("expansion", 300, 450)
    assert moves(rows, MAR)["W2"] == ("churn", 300, 0)
    assert moves(rows, april)["W2"] == ("reactivation", 0, 300)


def test_a_price_changed_in_place_is_a_step_on_the_day_of_its_drop(case: Case) -> None:
    """500 to 700 between the drops of February and 20 March: NRR (1,000 + 700) / (1,000 + 500) = 1.1333."""
    result = case("upgrade_in_place", "account_revenue", "revenue_movements", FEB, MAR)
    revenue = [row for row in result["account_revenue"] if row["as_of"] == MAR]
    assert sum(row["arr_12m_ago"] for row in revenue) == 18_000
    assert sum(row["arr_at_rate_12m_ago"] for row in revenue) / 18_000 == pytest.approx(20_400 / 18_000)
    assert moves(result["revenue_movements"], MAR)["K1"] == ("expansion", 500, 700)
    assert {row["account_id"]: row["last_expansion_on"] for row in revenue} == {"K1": date(2025, 3, 20), "Z1": None}


def test_a_row_that_a_whole_drop_no_longer_has_is_an_end_on_its_day(case: Case) -> None:
    """V1 with 500 of 3,000 is gone from the drop of 31 July: NRR at the year's end 2,500 / 3,000 = 0.8333."""
    june, july, end = date(2025, 6, 30), date(2025, 7, 31), date(2025, 12, 31)
    result = case("vanished_row_full", "account_revenue", "revenue_movements", june, july, end)
    assert [arr(result["account_revenue"], day) for day in (june, july, end)] == [36_000, 30_000, 30_000]
    assert moves(result["revenue_movements"], july)["V1"] == ("churn", 500, 0)
    year = [row for row in result["account_revenue"] if row["as_of"] == end]
    assert sum(row["arr_at_rate_12m_ago"] for row in year) / sum(row["arr_12m_ago"] for row in year) == (
        pytest.approx(30_000 / 36_000)
    )


def test_a_negative_line_is_a_discount_within_its_account(case: Case) -> None:
    """1,000 less 300: 700 x 12 = 8,400."""
    rows = case("negative_line", "account_revenue", MAR)["account_revenue"]
    assert {row["account_id"]: row["arr"] for row in rows}["N1"] == 8_400


def test_an_end_that_is_known_is_the_day_of_the_renewal(case: Case) -> None:
    """C1 leaves on 15 September, known from 3 June: until then its renewal is the end of its term."""
    before, after, gone = date(2025, 6, 2), date(2025, 6, 10), date(2025, 9, 30)
    rows = case("cancel_known_forecast", "account_revenue", before, after, gone)["account_revenue"]
    result = {(row["as_of"], row["account_id"]): row for row in rows}
    seen = [
        (result[day, a]["arr"], result[day, a]["leaving_on"], result[day, a]["renewal_on"])
        for day, a in ((before, "C1"), (after, "C1"), (after, "C2"), (gone, "C1"))
    ]
    term, end = date(2025, 9, 14), date(2025, 9, 15)
    assert seen == [(10_800, None, term), (10_800, end, end), (10_800, None, term), (0, None, None)]
