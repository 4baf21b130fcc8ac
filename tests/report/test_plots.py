"""Plots draw what their tables say: numbers worked out by hand, empty tables, and every plot of a real run."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from segmentation_assets import load
from segmentation_assets.orchestration.plots import PLOTS
from segmentation_assets.report import plots, theme
from tests.conftest import RAN_DAYS

DAY = pd.Timestamp("2026-03-31")
MOST_BYTES = 60_000  # of an image in the event log, base64 included


def drawn(chart: Any) -> list[dict[str, Any]]:
    """All rows that the chart draws."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def words(chart: Any) -> str:
    return " ".join(ET.fromstring(theme.svg(chart)).itertext())  # noqa: S314 - made here


def test_the_bridge_stands_on_what_came_before():
    company = pd.DataFrame(
        {
            "as_of": DAY, "window_months": [1, 12], "starts_on": pd.Timestamp("2025-03-31"),
            "start_arr": [0.0, 1000.0], "new_arr": [0.0, 300.0], "expansion_arr": [0.0, 200.0],
            "reactivated_arr": [0.0, 0.0], "contraction_arr": [0.0, 50.0], "churned_arr": [0.0, 150.0],
            "fx_arr": [0.0, -10.0], "end_arr": [0.0, 1290.0],
        }
    )  # fmt: skip
    rows = {row["step"]: row for row in drawn(plots.arr_bridge(company))}
    assert {step: (row["low"], row["high"]) for step, row in rows.items()} == {
        "start": (0, 1000), "new": (1000, 1300), "expansion": (1300, 1500), "contraction": (1500, 1450),
        "churn": (1450, 1300), "exchange": (1300, 1290), "end": (0, 1290),
    }  # fmt: skip
    assert {rows["new"]["label"], rows["churn"]["label"], rows["end"]["label"]} == {"+300", "−150", "1.29k"}
    assert rows["churn"]["kind"] == "loss"


def test_retention_says_what_met_its_target():
    tiers = pd.DataFrame(
        {
            "as_of": DAY, "coverage_tier": ["Strategic", "Growth", "Long-Tail", "unassigned", "Strategic"],
            "window_months": [12, 12, 12, 12, 3], "starts_on": pd.Timestamp("2025-03-31"),
            "nrr": [1.31, 1.05, 0.9, 2.0, 5.0], "nrr_target": [1.3, 1.1, None, None, 1.3],
            "nrr_target_high": [None, 1.2, None, None, None],
            "nrr_status": ["met", "missed", "no_target", "no_target", "met"],
            "nrr_low_n": pd.array([False, True, False, False, False], "boolean"),
            "grr": [0.97, 0.9, None, 1.0, 1.0], "grr_target": [0.95, 0.95, None, None, 0.95],
            "grr_status": ["met", "missed", "unknown", "no_target", "met"],
            "grr_low_n": pd.array([False, True, False, False, False], "boolean"),
        }
    )  # fmt: skip
    rows = {(row["tier"], row["measure"]): row for row in drawn(plots.tier_retention(tiers))}
    assert len(rows) == 6, "the longest window, the tiers that staff"
    labels = {key: row["label"] for key, row in rows.items()}
    assert labels["Strategic", "NRR"] == "131% ✓"
    assert labels["Growth", "NRR"] == "105% (few)", "few accounts are no verdict"
    assert labels["Long-Tail", "NRR"] == "90%"
    assert labels["Long-Tail", "GRR"] == ""
    assert rows["Growth", "NRR"]["target_high"] == 1.2
    assert rows["Growth", "GRR"]["target_high"] == 0.95


def test_the_mix_of_several_days_shows_the_last_twelve():
    days = pd.date_range("2026-01-05", periods=14, freq="W-MON")
    mix = pd.concat(
        [
            pd.DataFrame(
                {
                    "as_of": day, "segment": ["Strategic", "At-Risk", "Growth"], "accounts": [1, 3, 0],
                    "account_share": [0.25, 0.75, 0], "arr": [60_000.0, 40_000.0, 0], "arr_share": [0.6, 0.4, 0.0],
                }
            )
            for day in days
        ]
    )  # fmt: skip
    rows = drawn(plots.segment_mix(mix))
    assert {row["day"] for row in rows if "day" in row} == {f"{day:%Y-%m-%d}" for day in days[-12:]}
    assert {row["segment"]: row["label"] for row in rows if "label" in row} == {
        "Strategic": "1 · 60%", "At-Risk": "3 · 40%"
    }  # fmt: skip
    assert "4 accounts, ARR 100.0k" in words(plots.segment_mix(mix))


def test_people_short_and_to_spare():
    plan = pd.DataFrame(
        {
            "as_of": DAY, "coverage_tier": ["Strategic", "Core", "Long-Tail"], "required_fte": [4.2, 2.0, 1.0],
            "available_fte": [2.6, 2.5, 1.0], "gap_fte": [-1.6, 0.5, 0.0],
        }
    )  # fmt: skip
    labels = {(row["coverage_tier"], row["what"]): row["label"] for row in drawn(plots.people_needed(plan))}
    assert labels["Strategic", "there"] == "2.60 · 1.60 short"
    assert labels["Core", "there"] == "2.50 · 0.50 to spare"
    assert labels["Long-Tail", "there"] == "1.00"
    assert labels["Strategic", "needed"] == "4.20"


def test_stale_and_missing_extracts_say_so():
    quality = pd.DataFrame(
        {
            "as_of": DAY, "extract": ["leads", "surveys", "fx_rates"], "quality_score": [98.0, 61.5, None],
            "is_stale": pd.array([False, True, None], "boolean"), "quarantined_rows": [1200, 0, 0],
        }
    )  # fmt: skip
    chart = plots.quality_scores(quality)
    assert [(row["extract"], row["label"]) for row in drawn(chart)] == [
        ("surveys", "61.5 · stale"), ("leads", "98.0 · 1,200 refused")
    ]  # fmt: skip
    assert "no rows: fx_rates" in words(chart)


def test_moves_count_accounts_and_their_arr():
    moves = pd.DataFrame(
        {
            "as_of": DAY, "account_id": ["a", "b", "a"], "kind": ["segment", "segment", "tier"],
            "direction": ["into_risk", "into_risk", "up"], "arr_after": [1000.0, 500.0, 1000.0],
        }
    )  # fmt: skip
    assert {row["way"]: (row["label"], row["worse"]) for row in drawn(plots.moves_by_direction(moves))} == {
        "segment: into risk": ("2 · 1.50k", "worse"), "tier: up": ("1 · 1.00k", "better")
    }  # fmt: skip


def test_renewals_and_health():
    forecast = pd.DataFrame(
        {
            "as_of": DAY, "quarter_start": pd.to_datetime(["2026-04-01", "2026-04-01", "2026-07-01"]),
            "arr_due": [300.0, 100.0, 0.0], "arr_at_risk": [60.0, 40.0, 0.0],
        }
    )  # fmt: skip
    rows = drawn(plots.renewals_ahead(forecast))
    assert {row["label"] for row in rows} == {"400 · 25% expected loss"}
    parts = {row["part"]: row["arr"] for row in rows if "part" in row}
    assert parts == {"likely to renew": 300, "expected loss": 100}
    health = pd.DataFrame({"as_of": DAY, "health_score": [0.0, 9.9, 10.0, 100.0, None]})
    chart = plots.health_spread(health)
    assert [row["accounts"] for row in drawn(chart)] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert "1 without a score" in words(chart)


@pytest.mark.parametrize("table", PLOTS)
def test_every_plot_of_a_real_run_is_a_small_image_without_outside_parts(table: str, ran_home: Path):
    rows = load(table, as_of="all" if PLOTS[table].days > 1 else RAN_DAYS[-1], home=ran_home)
    try:
        image = theme.svg(PLOTS[table].draw(rows))
    except plots.NothingToDraw:
        assert table in {"segment_moves", "company_kpis", "tier_kpis"}, "the sample has no year before"
        return
    ET.fromstring(image)  # noqa: S314 - made here
    assert len(image.encode()) * 4 / 3 < MOST_BYTES
    assert "href" not in image
    assert "<script" not in image


@pytest.mark.parametrize("table", PLOTS)
def test_an_empty_table_is_told_in_a_sentence(table: str, ran_home: Path):
    rows = load(table, as_of=RAN_DAYS[-1], home=ran_home).iloc[:0]
    with pytest.raises(plots.NothingToDraw, match=r"^[A-Z].* .*\.$"):
        PLOTS[table].draw(rows)
