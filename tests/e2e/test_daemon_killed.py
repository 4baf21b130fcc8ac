"""The real daemon, killed with all that it started, where it hurts: each crossing once, tables as if nothing was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil
import pytest

from segmentation_assets.access import load
from segmentation_assets.orchestration.instance import open_instance, prepare
from segmentation_assets.settings import Settings
from segmentation_assets.state.run_records import Run, RunRecords
from segmentation_assets.warehouse.store import Store
from tests.orchestration.billing import Company, clock_of, opened

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0  # seconds: the machine may be busy
POLICY = """\
tier: {growth_min_arr: 25000}
orchestration:
  sensors: {billing_seconds: 1, arrival_seconds: 3600, retry_seconds: 1, retry_most_seconds: 2, lost_seconds: 5}
"""
DROP = {"a2": 11_000.0, "a3": 26_000.0, "a5": 12_000.0}
EXPECTED = [
    ("a2", "long_tail", 1, "up", 9000.0, 11_000.0),
    ("a3", "growth", 1, "up", 24_000.0, 26_000.0),
    ("a5", "long_tail", 1, "up", 8000.0, 12_000.0),
]
WRITTEN_BY_RUNS = ["run_id", "posted_at", "detected_at"]
"""What differs between two runs that do the same."""


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """The company as it starts, its sides booked."""
    settings = Settings(tmp_path / "empty", None, None)
    with open_instance(settings) as instance:
        instance.get_runs(limit=1)
    shutil.copytree(settings.dagster_home, tmp_path / "bare")
    return opened(tmp_path / "start", tmp_path / "bare")


@contextmanager
def daemon(settings: Settings, log: Path) -> Iterator[None]:
    """A daemon of its own with its code server; at the end both, and the runs they launched, are killed at once."""
    environment = os.environ | settings.environment() | prepare(settings)
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "tests.orchestration.location", "-d", str(ROOT)]
    with log.open("a") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield
        assert process.poll() is None, log.read_text()[-5000:]
    finally:
        doomed = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for each in doomed:
            each.kill()
        process.wait()
        psutil.wait_procs(doomed, timeout=30)


def wait_until(is_so: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until, log.read_text()[-5000:]
        time.sleep(0.02)


def plain(table: str, home: Path) -> pd.DataFrame:
    frame = load(table, home=home)
    frame = frame.drop(columns=[name for name in WRITTEN_BY_RUNS if name in frame])
    return frame.sort_values(list(frame.columns), ignore_index=True)


def test_a_daemon_killed_before_during_and_after_the_run_changes_nothing(start: Path, tmp_path: Path):
    calm = Company(tmp_path / "calm", start)
    with clock_of(calm):
        calm.bill(**DROP)
        assert calm.land()
        assert calm.settle() == 1
    calm.close()

    company = Company(tmp_path / "killed", start)
    company.settings.policy.write_text(POLICY)  # type: ignore[union-attr]
    company.bill(**DROP)
    assert company.land()
    company.close()
    home, log = company.folder, tmp_path / "daemon.log"
    records = RunRecords(home / "dagster")
    steps = Store(home).file("arr_steps", "as_of", company.policy.company.today())
    before, made = {run.run_id for run in records.runs()}, steps.stat().st_mtime_ns

    def asked() -> list[Run]:
        return [run for run in records.runs() if run.run_id not in before]

    with daemon(company.settings, log):  # asked for, and not begun
        wait_until(lambda: bool(asked()), log)
    [first] = asked()
    assert first.status != "SUCCESS"
    with daemon(company.settings, log):  # in the midst of it
        wait_until(lambda: steps.stat().st_mtime_ns != made, log)
    assert [run.status for run in asked()] == ["STARTED"]
    with daemon(company.settings, log):  # done, and nobody has looked
        wait_until(lambda: any(run.status == "SUCCESS" for run in asked()), log)
    with daemon(company.settings, log):
        time.sleep(8)
        wait_until(lambda: all(run.status in ("SUCCESS", "FAILURE") for run in asked()), log)
    assert sorted(run.status for run in asked()) == ["FAILURE", "SUCCESS"], log.read_text()[-5000:]
    assert company.crossings() == EXPECTED
    for table in ("threshold_ledger", "billing_threshold_crossings", "arr_steps", "tier_cuts"):
        pd.testing.assert_frame_equal(plain(table, home), plain(table, calm.folder), obj=table)
