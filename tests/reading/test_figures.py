"""How figures are written."""

from __future__ import annotations

from datetime import date

import pytest

from segmentation_assets.reading import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (0.0, "0"), (0.4, "0"), (850.0, "850"), (999.4, "999"), (999.6, "1.00k"), (1234.0, "1.23k"),
        (62_105.0, "62.1k"), (999_960.0, "1.00M"), (20_000_002.54, "20.0M"), (1.5e9, "1.50B"), (-4170.0, "−4.17k"),
        (-0.3, "0"),
    ],
)  # fmt: skip
def test_money(value: float | None, shown: str):
    assert figures.money(value) == shown


def test_differences_have_their_sign():
    assert [figures.change(v) for v in (1500.0, -1500.0, 0.2, None)] == ["+1.50k", "−1.50k", "±0", "–"]
    assert [figures.points(v) for v in (0.0104, -0.0104, 0.0001, None)] == ["+1.0 pp", "−1.0 pp", "±0 pp", "–"]
    assert [figures.count_change(v) for v in (3, -3, 0)] == ["+3", "−3", "±0"]


def test_shares_days_and_names():
    assert [figures.share(v) for v in (1.0851, 0.0, -0.064, None)] == ["108.5%", "0.0%", "−6.4%", "–"]
    assert figures.day(date(2026, 3, 1)) == "1 Mar 2026"
    assert figures.label("cost_share_of_arr") == "Cost share of ARR"
    assert figures.label("north_america") == "North America"
