"""The KPI tables against plain pandas from the raw extracts, in every column."""

from __future__ import annotations

from tests.oracle import kpis
from tests.oracle.agreement import assert_agrees
from tests.oracle.raw import Company


def test_revenue_movements(company: Company) -> None:
    assert_agrees("revenue_movements", kpis.revenue_movements(company), company, ["account_id"])


def test_account_periods(company: Company) -> None:
    assert_agrees("account_periods", kpis.account_periods(company), company, ["account_id", "window_months"])
