from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_assets.policy.service import SupportPolicy
from segmentation_assets.tables.as_of import (
    FromPolicy,
    anchor,
    days_read,
    freeze_day,
    last,
    last_monday,
    months_ago,
    months_before,
    quarter_start,
    spine_frame,
    weeks,
)

D = date.fromisoformat
DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-03-15", 1, "2026-02-15"),
        ("2026-03-31", 1, "2026-02-28"),  # month-ends stay month-ends,
        ("2026-02-28", 1, "2026-01-31"),  # in both directions
        ("2024-02-29", 12, "2023-02-28"),  # out of a leap year
        ("2025-02-28", 12, "2024-02-29"),  # into a leap year
        ("2024-02-28", 12, "2023-02-28"),  # not a month-end: the same day
        ("2024-02-28", 1, "2024-01-28"),
        ("2026-03-30", 1, "2026-02-28"),  # February has no 30th
        ("2024-03-30", 1, "2024-02-29"),
        ("2026-04-30", 1, "2026-03-31"),
        ("2026-04-30", 3, "2026-01-31"),
        ("2026-01-15", 3, "2025-10-15"),  # over the year's border
        ("2026-12-31", 12, "2025-12-31"),
        ("2026-01-31", 14, "2024-11-30"),
        ("2000-03-29", 1, "2000-02-29"),  # 2000 is a leap year,
        ("2100-03-29", 1, "2100-02-28"),  # 2100 is not
    ],
)
def test_months_before(day: str, months: int, expected: str):
    assert months_before(D(day), months) == D(expected)


@pytest.mark.parametrize(
    ("day", "start", "freeze", "first_monday"),
    [
        # October 1st 2025 is a Wednesday, January 1st 2026 a Thursday, July 1st 2024 a Monday.
        ("2026-01-01", "2026-01-01", "2025-12-31", "2025-10-06"),
        ("2026-03-31", "2026-01-01", "2025-12-31", "2025-10-06"),
        ("2026-04-01", "2026-04-01", "2026-03-31", "2026-01-05"),
        ("2026-06-30", "2026-04-01", "2026-03-31", "2026-01-05"),
        ("2024-12-31", "2024-10-01", "2024-09-30", "2024-07-01"),  # the quarter starts on the Monday itself
        ("2024-02-29", "2024-01-01", "2023-12-31", "2023-10-02"),
    ],
)
def test_quarters(day: str, start: str, freeze: str, first_monday: str):
    assert quarter_start(D(day)) == D(start)
    assert freeze_day(D(day)) == D(freeze)
    assert anchor(D(day)) == D(first_monday)


def test_weeks_are_the_same_day_of_each_week_up_to_a_day():
    assert weeks(D("2025-10-06"), D("2026-01-01"))[:2] == [D("2025-10-06"), D("2025-10-13")]
    assert weeks(D("2025-10-06"), D("2026-01-01"))[-1] == D("2025-12-29")
    assert len(weeks(D("2025-10-06"), D("2026-01-01"))) == 13
    assert weeks(D("2025-10-06"), D("2025-10-13"))[-1] == D("2025-10-13")
    assert weeks(D("2025-10-06"), D("2025-10-05")) == []


def test_last_days_and_months_ago():
    assert list(last(3)(D("2024-03-01"))) == [D("2024-02-28"), D("2024-02-29"), D("2024-03-01")]
    assert list(last(1)(D("2024-03-01"))) == [D("2024-03-01")]
    assert list(months_ago(1, 12)(D("2024-02-29"))) == [D("2024-01-31"), D("2023-02-28"), D("2024-02-29")]


def test_a_look_back_may_be_the_policys():
    reads = FromPolicy(SupportPolicy, lambda p: last(p.recent_days))
    sections = {SupportPolicy: SupportPolicy(recent_days=2, window_days=9)}
    assert list(days_read(reads, D("2026-01-01"), sections)) == [D("2025-12-31"), D("2026-01-01")]
    assert list(days_read(None, D("2026-01-01"), {})) == [D("2026-01-01")]


def test_the_spine_has_one_row_per_day_in_order():
    frame = spine_frame([D("2026-03-31"), D("2026-01-01"), D("2026-03-31")])
    assert frame.to_dict("records") == [
        {
            "as_of": D(as_of),
            "last_monday": D(monday),
            "anchor": D("2025-10-06"),
            "freeze_day": D("2025-12-31"),
            "quarter_start": D("2026-01-01"),
            "month_start": D(month),
            "day_1m_ago": D(one),
            "day_3m_ago": D(three),
            "day_12m_ago": D(twelve),
        }
        for as_of, monday, month, one, three, twelve in [
            ("2026-01-01", "2025-12-29", "2026-01-01", "2025-12-01", "2025-10-01", "2025-01-01"),
            ("2026-03-31", "2026-03-30", "2026-03-01", "2026-02-28", "2025-12-31", "2025-03-31"),
        ]
    ]


@given(DAYS)
def test_grids_are_mondays_that_days_of_a_quarter_share(day: date):
    grid = weeks(anchor(day), day)
    assert all(d.weekday() == 0 for d in grid)
    assert grid[0] == anchor(day)
    assert grid[-1] == last_monday(day) <= day < grid[-1] + timedelta(days=7)
    assert quarter_start(freeze_day(day)) <= grid[0] < quarter_start(freeze_day(day)) + timedelta(days=7)
    assert anchor(quarter_start(day)) == grid[0]


@given(DAYS, st.integers(0, 60))
def test_months_before_lands_in_the_month_and_keeps_order(day: date, months: int):
    back = months_before(day, months)
    assert (day.year * 12 + day.month) - (back.year * 12 + back.month) == months
    assert months_before(day + timedelta(days=1), months) >= back
