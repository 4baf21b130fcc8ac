from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.company_day import company_day, offsets

BACKEND = ibis.duckdb.connect()
ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Kiritimati", "UTC")


@cache
def company(zone: str):
    return load_policy().company.model_copy(update={"timezone": zone})


def days(moments: list[datetime], zone: str) -> list:
    table = ibis.memtable({"at": [m.replace(tzinfo=None) for m in moments]})
    return [value.date() for value in BACKEND.execute(company_day(table.at, company(zone)))]


@pytest.mark.parametrize("zone", ZONES)
def test_days_around_every_change_of_the_clocks(zone: str):
    around = [
        at + timedelta(minutes=minutes) for at, _ in offsets(zone)[1:] for minutes in (-1441, -1, 0, 1, 60, 1439)
    ]
    moments = around or [datetime(2026, 3, 31, 23, 59, tzinfo=UTC)]
    assert days(moments, zone) == [m.astimezone(ZoneInfo(zone)).date() for m in moments]


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(
        st.datetimes(datetime(2010, 1, 2), datetime(2049, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
        min_size=5,
        max_size=50,
    ),
)
def test_days_are_those_of_the_time_zone_database(zone: str, moments: list[datetime]):
    assert days(moments, zone) == [m.astimezone(ZoneInfo(zone)).date() for m in moments]


def test_a_null_moment_has_no_day():
    table = ibis.memtable({"at": [None]}, schema={"at": "timestamp"})
    assert BACKEND.execute(company_day(table.at, company("Europe/Berlin"))).isna().all()
