"""The KPI tables against plain pandas from the raw extracts, in every column."""

from __future__ import annotations

from tests.oracle import kpis
from tests.oracle.agreement import assert_agrees
from tests.oracle.raw import Company


def test_revenue_movements(company: Company) -> None:
    assert_agrees("revenue_movements", kpis.revenue_movements(company), company, ["account_id"])


def test_account_periods(company: Company) -> None:
    assert_agrees("account_periods", kpis.account_periods(company), company, ["account_id", "window_months"])


def test_renewal_forecast(company: Company) -> None:
    key = ["quarter_start", "coverage_tier", "csm_id"]
    assert_agrees("renewal_forecast", kpis.renewal_forecast(company), company, key)


def test_arr_reconciliation(company: Company) -> None:
    expected = kpis.arr_reconciliation(company)
    published = company.published("arr_reconciliation")["account_id"]
    others = expected[~expected["account_id"].isin(published)]
    is_nothing = (others[["arr", "arr_12m_ago", "subscribed_12m", "invoiced_12m", "won_12m"]] == 0).all(axis=1)
    assert is_nothing.all(), "an account with something to compare has no row"
    assert_agrees("arr_reconciliation", expected[expected["account_id"].isin(published)], company, ["account_id"])
