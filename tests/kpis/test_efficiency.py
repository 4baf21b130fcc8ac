from __future__ import annotations

import math
from datetime import date

import pytest

from tests.kpis.world import kpis, one, pays, stands

T1 = date(2025, 12, 31)


def spent(month: int, amount: float, year: int = 2025, **more):
    return {"month": date(year, month, 1), "motion": "field", "amount": amount, "currency": "USD"} | more


def test_magic_number_by_hand():
    """MRR 100 at the ends of July to September, 150 in October to December: (450 - 300) x 4 / spend of July to
    September (100 a month)."""
    row = kpis(
        ["sales_efficiency"],
        [T1],
        billing_subscriptions=[
            pays("a", 100, date(2025, 1, 1), date(2025, 10, 5)),
            pays("a", 150, date(2025, 10, 5)),
        ],
        gtm_spend=[spent(month, 100 if month < 10 else 999) for month in range(7, 13)],
    )["sales_efficiency"].iloc[0]
    assert (row.revenue_3m, row.revenue_prior_3m, row.spend_prior_3m) == (450, 300, 300)
    assert row.magic_number == 2.0


def test_magic_number_needs_spend_and_history():
    subscriptions = [pays("a", 100, date(2025, 8, 10))]
    whole = [spent(month, 100) for month in range(7, 13)]
    young = kpis(["sales_efficiency"], [T1], billing_subscriptions=subscriptions, gtm_spend=whole)
    assert math.isnan(young["sales_efficiency"].iloc[0].magic_number)  # nothing was billed in July
    old = [pays("a", 100, date(2025, 1, 1))]
    late = kpis(["sales_efficiency"], [T1], billing_subscriptions=old, gtm_spend=whole[1:])
    assert late["sales_efficiency"].iloc[0][["spend_prior_3m", "magic_number"]].isna().all()  # July is not known


def test_payback_of_company_and_segments():
    """Gross margin 80 %. Strategic: 600 of its own and, with 1,200 of 1,800 new and expansion ARR, two thirds of 300
    shared. Growth: 100 shared. New ARR: Strategic 1,200, Growth 0; expansion: Growth 600."""
    table = kpis(
        ["segment_kpis", "company_kpis"],
        [T1],
        billing_subscriptions=[
            pays("new", 100, date(2025, 12, 10)),
            pays("old", 100, date(2024, 1, 1), date(2025, 12, 10)),
            pays("old", 150, date(2025, 12, 10)),
        ],
        segments=[
            stands("new", T1, "Core", "Strategic"),
            stands("old", T1, "Core", "Growth"),
            stands("old", date(2025, 11, 30), "Core", "Growth"),
        ],
        account_costs=[
            {"as_of": T1, "account_id": "new", "gross_margin": 960.0, "cost_to_serve": 120.0},
            {"as_of": T1, "account_id": "old", "gross_margin": 1440.0, "cost_to_serve": 180.0},
        ],
        gtm_spend=[
            spent(12, 600, segment="Strategic"),
            spent(12, 200, motion="events"),
            spent(12, 100, motion="partner", segment="an unknown segment"),
        ],
    )
    strategic = one(table["segment_kpis"], segment="Strategic", window_months=1)
    assert strategic.gtm_spend == 800
    assert strategic.cac_payback_months == pytest.approx(800 / (1200 / 12 * 0.8))
    growth = one(table["segment_kpis"], segment="Growth", window_months=1)
    assert growth.gtm_spend == 100
    assert math.isnan(growth.cac_payback_months)  # nothing new
    assert growth.cac_payback_blended_months == pytest.approx(100 / (600 / 12 * 0.8))
    company = one(table["company_kpis"], window_months=1)
    assert company.gtm_spend == 900
    assert company.cac_payback_months == pytest.approx(900 / (1200 / 12 * 0.8))
    assert company.cac_payback_blended_months == pytest.approx(900 / (1800 / 12 * 0.8))
    assert company.cost_to_serve == 300
    assert company.cost_share_of_arr == pytest.approx(0.1)  # 300 of 3,000
    assert company.gross_margin_share == pytest.approx(0.8)
    # Only December's spend is known: none for the quarter.
    assert math.isnan(one(table["company_kpis"], window_months=3).gtm_spend)


def test_spend_counts_by_the_days_of_the_month_inside_and_at_the_rate_of_the_start():
    """15 November to 15 December: half of November's 300 (15 of 30 days) and 15 of 31 days of December's 310; euros
    at the 1.5 of 15 November."""
    table = kpis(
        ["company_kpis"],
        [date(2025, 12, 15)],
        billing_subscriptions=[pays("a", 10, date(2025, 1, 1))],
        gtm_spend=[spent(11, 300), spent(12, 310, currency="EUR")],
        fx_rates=[
            {"currency": "EUR", "valid_from": date(2025, 1, 1), "rate": 1.5},
            {"currency": "EUR", "valid_from": date(2025, 12, 1), "rate": 9.0},
        ],
    )["company_kpis"]
    assert one(table, window_months=1).gtm_spend == pytest.approx(150 + 150 * 1.5)
