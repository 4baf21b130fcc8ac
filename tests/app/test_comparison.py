"""Two days side by side, worked out by hand."""

from __future__ import annotations

import pandas as pd

from segmentation_assets.app.comparison import kpi_change, mix_change, who_moved

COLUMNS = ["account_id", "account_name", "segment", "coverage_tier", "arr"]
BEFORE = pd.DataFrame(
    [
        ("stays", "S", "Growth", "Core", 100.0),
        ("moves", "M", "Growth", "Core", 200.0),
        ("tier", "T", "Strategic", "Growth", 50.0),
        ("goes", "G", "Long-Tail", "Long-Tail", 10.0),
    ],
    columns=COLUMNS,
)
AFTER = pd.DataFrame(
    [
        ("stays", "S", "Growth", "Core", 130.0),
        ("moves", "M2", "At-Risk", "Core", 200.0),
        ("tier", "T", "Strategic", "Strategic", 60.0),
        ("comes", None, "Efficient", "Core", 500.0),
    ],
    columns=COLUMNS,
)
ORDER = ("Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail")


def test_the_mix_and_its_change():
    rows = mix_change(BEFORE, AFTER, "segment", ORDER).set_index("segment")
    assert rows.index.tolist() == [*ORDER, "all"]
    assert rows.loc["Growth"].tolist() == [2, 1, -1, 300.0, 130.0, -170.0]
    assert rows.loc["Efficient"].tolist() == [0, 1, 1, 0.0, 500.0, 500.0]
    assert rows.loc["all"].tolist() == [4, 4, 0, 360.0, 890.0, 530.0]


def test_who_moved_came_or_went():
    rows = who_moved(BEFORE, AFTER)
    assert rows[["account_id", "what"]].values.tolist() == [
        ["comes", "new"], ["moves", "moved"], ["tier", "moved"], ["goes", "gone"]
    ]  # fmt: skip
    moved = rows.set_index("account_id").loc["moves"]
    assert moved["account_name"] == "M2", "the later name"
    assert moved[["segment_before", "segment_after"]].tolist() == ["Growth", "At-Risk"]


def test_nobody_moved():
    assert who_moved(BEFORE, BEFORE).empty


def test_kpis_of_the_longest_window_of_both_days():
    before = pd.DataFrame({"window_months": [1, 12], "nrr": [0.9, 1.05], "grr": [0.8, None]})
    after = pd.DataFrame({"window_months": [1, 12], "nrr": [0.7, 1.1], "grr": [0.8, 0.9]})
    rows = kpi_change(before, after).set_index("kpi")
    assert rows.loc["nrr", ["before", "after"]].tolist() == [1.05, 1.1]
    assert abs(rows.loc["nrr", "change"] - 0.05) < 1e-12
    assert pd.isna(rows.loc["grr", "change"])
    assert kpi_change(before, after[after["window_months"] == 1]).set_index("kpi").loc["nrr", "after"] == 0.7
    assert kpi_change(before[:1], after[1:]).empty
