"""A clock that was set back is noticed, and nothing else is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from segmentation_assets.reading.clock import clock_warning
from segmentation_assets.reading.run_facts import Run
from tests.cli.calling import call

NOW = datetime(2026, 3, 31, 9, 0, tzinfo=UTC)


def run(began: datetime) -> Run:
    return Run("r", "job", "SUCCESS", None, began, None)


def test_runs_of_the_past_and_clocks_that_differ_by_seconds_say_nothing():
    assert clock_warning([], NOW) is None
    assert clock_warning([run(NOW - timedelta(days=9)), run(NOW + timedelta(seconds=20))], NOW) is None


@pytest.mark.parametrize(
    ("back", "moment"), [(timedelta(hours=1), "2026-03-31 10:00"), (timedelta(days=1), "2026-04-01 09:00")]
)
def test_a_run_of_the_future_is_named(back: timedelta, moment: str):
    words = clock_warning([run(NOW + back), run(NOW - back)], NOW)
    assert words
    assert f"a run of this home began at {moment} UTC" in words
    assert "2026-03-31 09:00 UTC" in words


def test_status_says_it_and_the_home_is_as_fine_as_before(ran_home: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(ran_home, home)
    before = json.loads(call("status", "--format", "json", home=home).stdout)
    assert before["clock"] is None
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as records:
        records.execute("UPDATE runs SET create_timestamp = '2099-01-01 00:00:00'")
        records.commit()
    after = json.loads(call("status", "--format", "json", home=home).stdout)
    assert "began at 2099-01-01 00:00 UTC" in after["clock"]
    assert after["is_fine"] == before["is_fine"]
    assert "Was the clock set back?" in call("status", home=home).stdout
