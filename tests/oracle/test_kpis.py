"""The KPI tables against plain pandas from the raw extracts, in every column."""

from __future__ import annotations

from tests.oracle import kpis
from tests.oracle.agreement import assert_agrees
from tests.oracle.raw import Company


def _kinds(unit: str) -> dict[str, str]:
    """Columns of kinds of movement, which hand-written SQL (`benchmarks/by_hand/kpis`) tells a second time."""
    names = ("expansion_volume", "expansion_product", "expansion_price", "paused", "resumed")
    return {f"{name}_{unit}": "told by the hand-written SQL" for name in names}


def test_revenue_movements(company: Company) -> None:
    expected = kpis.revenue_movements(company)
    assert_agrees("revenue_movements", expected, company, ["account_id"], _kinds("mrr"))


def test_account_periods(company: Company) -> None:
    expected = kpis.account_periods(company)
    assert_agrees("account_periods", expected, company, ["account_id", "window_months"], _kinds("arr"))
