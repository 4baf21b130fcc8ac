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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (1234.567, "1,235"),
        (12.5, "12.5"),
        (2.0, "2"),
        (1.00417, "1.0042"),
        (0.12345, "0.1235"),
        (-0.00001, "0"),
        (-1234, "−1,234"),
        (-0.5, "−0.5"),
        (0.0, "0"),
        (date(2026, 3, 31), "2026-03-31"),
        ("text", "text"),
    ],
)
def test_values_as_people_read_them(value, text: str):
    assert figures.shown(value) == text


def test_amounts_carry_the_currency_of_the_company():
    with figures.in_currency("USD"):
        assert [figures.money(v) for v in (62_105.0, -4170.0, 0.0, None)] == ["$62.1k", "−$4.17k", "$0", "–"]
        assert (figures.exact(20_000_003.2), figures.change(1500.0)) == ("$20,000,003", "+$1.50k")
        with figures.in_currency("SEK"):
            assert figures.money(850.0) == "SEK\N{NO-BREAK SPACE}850"
        assert figures.money(1.0) == "$1"
    assert figures.money(1.0) == "1"


@pytest.mark.parametrize(("count", "text"), [(0, "0 accounts"), (1, "1 account"), (1200, "1,200 accounts")])
def test_a_count_agrees_with_its_noun(count: int, text: str):
    assert figures.counted(count, "account") == text


def test_a_noun_may_have_a_plural_of_its_own():
    assert [figures.counted(n, "category", "categories") for n in (1, 2)] == ["1 category", "2 categories"]


def test_four_things_called_at_risk_have_four_names():
    names = [figures.label(name) for name in ("At-Risk", "At Risk", "at_risk", "arr_at_risk", "risk_share")]
    assert len(set(names)) == len(names)
    assert [name for name in names if "risk" in name.lower()] == ["At-Risk"]


def test_a_spreadsheet_writes_as_many_digits_as_people_read():
    units = ("share", "ratio", "probability", "times", "score", "currency", "days", "")
    formats = {unit: figures.sheet_format(unit) for unit in units}
    assert formats == {
        "share": "0.0%", "ratio": "0.0%", "probability": "0.0%", "times": "#,##0.####", "score": "#,##0.0",
        "currency": "#,##0.00", "days": "#,##0.####", "": "#,##0.####",
    }  # fmt: skip
    assert figures.share(0.12345) == "12.3%"
