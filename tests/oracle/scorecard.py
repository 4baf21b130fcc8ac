"""KPIs against their targets and benchmarks, in plain pandas over the published KPI tables. Not here: the KPIs."""

from __future__ import annotations

import pandas as pd

from tests.oracle.raw import POLICY, Company
from tests.oracle.retention import NAN

_OF_START = ("nrr", "grr", "logo_retention", "expansion_rate", "expansion_share", "quick_ratio", "arr_growth")
_FEW = {
    **dict.fromkeys((*_OF_START, "cac_payback_months", "magic_number", "logo_churn"), "nrr_low_n"),
    "renewal_grr": "renewal_grr_low_n",
    "time_to_first_expansion_months": "time_to_first_expansion_low_n",
    "healthy_share": "health_low_n",
    "risk_share": "health_low_n",
    **dict.fromkeys(("cost_share_of_arr", "gross_margin_share", "self_service_ratio", "utilisation")),
}
_NOT_IN = {
    "company": (),
    "coverage_tier": ("cac_payback_months", "magic_number", "logo_churn"),
    "segment": ("magic_number", "logo_churn"),
}


def kpi_scorecard(company: Company) -> pd.DataFrame:
    """Every KPI of every group, one row each."""
    groups = {
        "company": company.published("company_kpis").assign(member="company"),
        "coverage_tier": company.published("tier_kpis").rename(columns={"coverage_tier": "member"}),
        "segment": company.published("segment_kpis").rename(columns={"segment": "member"}),
    }
    return pd.DataFrame(
        [
            _row(grouping, row, kpi, flag)
            for grouping, table in groups.items()
            for row in table.to_dict("records")
            for kpi, flag in _FEW.items()
            if kpi not in _NOT_IN[grouping]
        ]
    )


def _row(grouping: str, row: dict, kpi: str, flag: str | None) -> dict[str, object]:
    marks, months, value = POLICY["benchmarks"], row["window_months"], row[kpi]
    few = row["accounts"] < POLICY["retention"]["low_n"] if flag is None else row[flag]
    aims = POLICY["targets"].get(kpi, {}) if grouping == "coverage_tier" and months == 12 else {}
    aim = aims.get(row["member"], {})
    low, high = NAN, NAN
    if kpi in ("nrr", "arr_growth") and months == 12:
        low, high = marks[kpi]["low"], marks[kpi]["high"]
    elif kpi == "expansion_share":
        low, high = marks[kpi]["low"], marks["expansion_share_top"]["low"]
    elif kpi == "logo_churn" and months == 1:
        low, high = marks["monthly_logo_churn"]["low"], marks["monthly_logo_churn"]["high"]
    status, place = "no_target", None
    if "low" in aim:
        is_met = "met" if pd.notna(value) and round(value, 9) >= aim["low"] else "missed"
        status = "unknown" if pd.isna(value) else "too_few" if few else is_met
    if pd.notna(value) and pd.notna(low):
        settled = round(value, 9)
        place = "below" if settled < low else "above" if settled > high else "within"
    return {
        "grouping": grouping,
        "member": row["member"],
        "window_months": months,
        "kpi": kpi,
        "value": value,
        "target_low": aim.get("low", NAN),
        "target_high": aim.get("high", NAN),
        "status": status,
        "benchmark_low": low,
        "benchmark_high": high,
        "benchmark_position": place,
        "is_low_n": few,
    }
