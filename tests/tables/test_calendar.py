from __future__ import annotations

from datetime import date, timedelta

import pytest

from segmentation_assets.tables import as_of
from segmentation_assets.tables.calendar import windows
from segmentation_assets.tables.days import months_before
from tests.companies import spine

DAYS = [date(2023, 12, 1) + timedelta(days=i) for i in range(460)]
"""Over a leap year."""


@pytest.mark.parametrize("months", [0, 1, 2, 3, 6, 11, 12])
def test_months_before_is_the_arithmetic_of_the_days_made(months: int):
    days = spine(*DAYS).select("as_of")
    result = days.mutate(then=months_before(days.as_of, months)).order_by("as_of").to_pyarrow()["then"].to_pylist()
    assert result == [as_of.months_before(day, months) for day in DAYS]


def test_windows_start_at_the_spines_days():
    result = windows(spine(date(2025, 2, 28)), [12, 3, 1]).to_pyarrow().to_pylist()
    assert {row["window_months"]: row["starts_on"] for row in result} == {
        12: date(2024, 2, 29),
        3: date(2024, 11, 30),
        1: date(2025, 1, 31),
    }
