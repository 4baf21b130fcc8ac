"""Predicted against observed churn of past days, by hand."""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import pandas as pd
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.calibration import (
    RiskCalibration,
    RiskCalibrationSummary,
    risk_calibration,
    risk_calibration_summary,
)
from segmentation_assets.scores.churn import ChurnRisk
from segmentation_assets.tables.contracts import conform
from segmentation_assets.tables.enforcement import enforce, warn
from tests.companies import spine, typed

POLICY = load_policy().churn
AS_OF = date(2026, 11, 27)
PAST, END = date(2026, 8, 24), date(2026, 11, 23)


def calibrated(risks, left, merged=()):
    """The table for accounts with these risks on one past day; ARR of account i is 100 x (i + 1)."""
    risk = [{"as_of": PAST, "account_id": a, "churn_risk": p} for a, p in risks.items()]
    revenue = [{"as_of": PAST, "account_id": a, "arr": 100.0 * (i + 1), "is_live": True} for i, a in enumerate(risks)]
    revenue += [
        {"as_of": END, "account_id": a, "arr": 0.0, "is_live": a not in left, "churned_on": left.get(a)}
        for a in risks
        if a not in merged
    ]
    return risk_calibration(spine(AS_OF), typed(ChurnRisk, risk), typed(AccountRevenue, revenue), POLICY)


def summarised(**sums):
    row = {
        "as_of": AS_OF, "past_day": PAST, "decile": 10, "accounts": 100, "predicted_leavers": 10.0, "leavers": 10,
        "arr": 1e6, "predicted_arr_lost": 1e5, "arr_lost": 1e5, "arr_lost_deviation": 10_000.0,
    }  # fmt: skip
    table = risk_calibration_summary(spine(AS_OF), typed(RiskCalibration, [row | sums]), POLICY)
    return conform(RiskCalibrationSummary, table.mutate(policy_hash=ibis.literal("x")))


def test_by_decile_predicted_stands_beside_what_came():
    risks = {f"a{i}": i / 100 for i in range(10)} | {"unknown": None, "merged": 0.05}
    left = {"a9": PAST + timedelta(days=90), "a1": PAST + timedelta(days=1), "a5": PAST + timedelta(days=91)}
    frame = calibrated(risks, left, merged=("merged",)).execute().sort_values("decile")
    # Eleven have a risk; mid-ranks (i + 0.5) / 11, a5 and `merged` share one. Then `merged` is left out.
    assert frame.accounts.sum() == 10
    assert frame.predicted_leavers.sum() == pytest.approx(0.45)
    assert frame.leavers.tolist() == [0, 1, *[0] * (len(frame) - 3), 1]
    top = frame.iloc[-1]
    # a9: mid-rank 10.5 / 11, ARR 1,000, risk 0.09.
    assert (top.decile, top.predicted_leavers, top.leavers) == (10, 0.09, 1)
    assert (top.ratio, top.arr, top.predicted_arr_lost, top.arr_lost, top.arr_ratio) == (0.09, 1000, 90, 1000, 0.09)
    # 1,000 x the root of 0.09 x 0.91 = 0.0819: 286.18.
    assert top.arr_lost_deviation == 286.18
    assert pd.isna(frame.ratio.iloc[0])
    stamped = calibrated(risks, left).mutate(policy_hash=ibis.literal("x"))
    assert enforce(RiskCalibration, conform(RiskCalibration, stamped), lambda e: e.execute()).passed


@pytest.mark.parametrize(
    ("sums", "is_off", "reason"),
    [
        ({}, False, None),
        ({"predicted_leavers": 15.0}, False, None),
        ({"predicted_leavers": 15.01}, True, None),
        ({"predicted_leavers": 6.7}, False, None),
        ({"predicted_leavers": 6.69}, True, None),
        ({"predicted_arr_lost": 150_001.0}, True, None),  # the accounts agree, the money does not
        # Out of bounds, but 80,000 are two standard deviations of 40,000: chance explains it; 80,001 it does not.
        ({"predicted_arr_lost": 180_000.0, "arr_lost_deviation": 40_000.0}, False, None),
        ({"predicted_arr_lost": 180_001.0, "arr_lost_deviation": 40_000.0}, True, None),
        ({"predicted_leavers": 15.01, "predicted_arr_lost": 180_000.0, "arr_lost_deviation": 40_000.0}, True, None),
        ({"leavers": 0, "arr_lost": 0.0}, True, None),  # ten predicted, nobody left
        ({"leavers": 9, "predicted_leavers": 9.9}, None, "few_leavers"),
        ({"leavers": 2, "predicted_leavers": 10.0}, True, None),
    ],
)
def test_a_ratio_outside_the_policy_is_a_warning_and_never_holds_the_table_back(sums, is_off, reason):
    table = summarised(**sums)
    row = table.execute().iloc[0]
    assert (None if pd.isna(row.is_off) else bool(row.is_off)) is is_off
    assert (None if pd.isna(row.reason) else row.reason) == reason
    assert enforce(RiskCalibrationSummary, table, lambda e: e.execute()).passed
    verdict = warn(RiskCalibrationSummary, table, lambda e: e.execute())
    assert verdict.passed is not is_off or is_off is None
    assert set(verdict.broken) == ({"predicted_and_observed_churn_agree"} if is_off else set())


def test_deviations_of_deciles_add_up_as_squares():
    """Two accounts: 3,000 ARR at 0.5 deviates by 1,500, 4,000 at 0.5 by 2,000; together by the root of 6,250,000."""
    rows = [
        {"as_of": AS_OF, "past_day": PAST, "decile": n, "accounts": 1, "predicted_leavers": 0.5, "leavers": 0,
         "arr": arr, "predicted_arr_lost": arr / 2, "arr_lost": 0.0, "arr_lost_deviation": arr / 2}
        for n, arr in ((9, 3_000.0), (10, 4_000.0))
    ]  # fmt: skip
    row = risk_calibration_summary(spine(AS_OF), typed(RiskCalibration, rows), POLICY).execute().iloc[0]
    assert row.arr_lost_deviation == 2_500


def test_without_a_past_there_is_a_row_that_says_so():
    none = typed(RiskCalibration, [])
    row = risk_calibration_summary(spine(AS_OF), none, POLICY).execute().iloc[0]
    assert (row.past_days, row.accounts, row.reason) == (0, 0, "no_past_day")
    assert pd.isna(row.is_off)
    assert pd.isna(row.ratio)
