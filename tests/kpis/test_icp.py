"""Traits and outcomes, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import ibis
import pytest

from segmentation_assets.kpis.intervals import normal_quantile, wilson
from tests.kpis.alone import Row, alone, at

DAY, THEN = date(2026, 3, 31), date(2025, 3, 31)


def _company(outcomes: dict[str, list[str]]) -> dict[str, list[Row]]:
    """Accounts by industry, each with what happened to it."""
    periods, profiles = [], []
    for industry, movements in outcomes.items():
        for i, movement in enumerate(movements):
            account = f"{industry}{i}"
            periods.append(
                {
                    "as_of": DAY, "account_id": account, "window_months": 12, "starts_on": THEN, "start_arr": 1.0,
                    "movement": movement, "end_arr": 2.0 if movement == "expansion" else 1.0,
                    "expansion_volume_arr": float(movement == "expansion"), "expansion_product_arr": 0.0,
                }
            )  # fmt: skip
            profiles.append(
                {
                    "as_of": THEN,
                    "account_id": account,
                    "industry": industry,
                    "is_backcast": i == 0,
                    "legacy_tools": i % 2,
                }
            )
            profiles.append({"as_of": DAY, "account_id": account, "industry": "what it became"})
    return {"account_periods": periods, "account_profiles": profiles}


def _insights(company: dict[str, list[Row]], **more: Any) -> list[Row]:
    return alone(
        "icp_insights",
        DAY,
        account_periods=company["account_periods"],
        account_profiles=company["account_profiles"],
        **more,
    )


COMPANY = _company({"retail": ["expansion"] * 8 + ["churn"] * 2, "media": ["expansion"] * 2 + ["flat"] * 8})


def test_lift_of_a_trait_as_it_was_twelve_months_before() -> None:
    rows = _insights(COMPANY)
    assert {r["value"] for r in rows if r["trait"] == "industry"} == {"retail", "media"}
    row = at(rows, trait="industry", value="retail", outcome="expansion")
    assert (row["accounts"], row["accounts_with_outcome"], row["rate"], row["all_rate"]) == (10, 8, 0.8, 0.5)
    assert row["lift"] == pytest.approx(1.6)
    # Wilson: (8 + 1.9207) / 13.8415 -/+ 1.95996 x sqrt(8 x 2 / 10 + 0.9604) / 13.8415
    assert (row["rate_low"], row["rate_high"]) == (pytest.approx(0.49016, abs=1e-5), pytest.approx(0.94332, abs=1e-5))
    assert (row["lift_low"], row["direction"], row["low_n"]) == (
        pytest.approx(0.98032, abs=1e-5),
        "no_difference",
        False,
    )
    media = at(rows, trait="industry", value="media", outcome="expansion")
    assert (media["lift"], media["direction"]) == (pytest.approx(0.4), "no_difference")
    assert row["backcast_share"] == 0.1


def test_more_accounts_make_it_certain() -> None:
    company = _company({"retail": ["expansion"] * 16 + ["churn"] * 4, "media": ["expansion"] * 4 + ["flat"] * 16})
    rows = _insights(company)
    assert at(rows, trait="industry", value="retail", outcome="expansion")["direction"] == "more"
    assert at(rows, trait="industry", value="media", outcome="expansion")["direction"] == "less"
    churn = at(rows, trait="industry", value="media", outcome="churn")
    assert (churn["rate"], churn["lift"], churn["rate_low"]) == (0, 0, pytest.approx(0))


def test_an_outcome_that_nobody_had_has_no_lift() -> None:
    row = at(
        _insights(_company({"retail": ["flat"] * 3})),
        trait="industry",
        value="retail",
        outcome="churn",
    )
    assert (row["lift"], row["direction"], row["low_n"]) == (None, "unknown", True)


def test_technographic_traits_are_told_by_words() -> None:
    rows = _insights(COMPANY)
    row = at(rows, trait="legacy_tools", value="some", outcome="expansion")
    assert (row["kind"], row["accounts"]) == ("technographic", 10)
    states = [{"as_of": THEN, "account_id": "retail0", "sophistication": 0.5}]
    states.append({"as_of": THEN, "account_id": "retail1", "sophistication": 0.49})
    rows = _insights(COMPANY, technographic_scores=states)
    assert {r["value"] for r in rows if r["trait"] == "sophistication"} == {"sophisticated", "basic"}


def test_no_rows_without_history() -> None:
    assert alone("icp_insights", DAY, account_profiles=COMPANY["account_profiles"]) == []


def test_wilson_of_half() -> None:
    low, high = wilson(ibis.literal(5), ibis.literal(10), 0.95)
    assert (low.execute(), high.execute()) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert normal_quantile(0.95) == pytest.approx(1.959964)
