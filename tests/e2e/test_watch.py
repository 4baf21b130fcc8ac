"""`segmentation watch` as a server runs it: a schedule that is due, a daemon that is there once, a clean end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from segmentation_assets.orchestration.jobs import DAILY
from segmentation_assets.policy.model import load_policy
from segmentation_assets.running.storage.run_records import Run, RunRecords
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.store import holder_of
from tests.harness import processes, waiting
from tests.harness.processes import ROOT, serving, started

pytestmark = pytest.mark.daemon


def command(home: Path, *arguments: str) -> list[str]:
    named = ("--sources", str(home / "sample" / "sources.yaml"), "--policy", str(home / "policy.yaml"))
    return processes.command(home, *arguments, *named)


@pytest.fixture
def home(ran_home: Path, tmp_path: Path) -> Path:
    """A home whose daily run is due every minute."""
    copied = tmp_path / "home"
    shutil.copytree(ran_home, copied)
    (copied / "policy.yaml").write_text('orchestration: {schedules: {daily: "* * * * *"}}\n')
    return copied


@contextmanager
def watching(home: Path, end: signal.Signals) -> Iterator[subprocess.Popen[bytes]]:
    """The command, ended by a signal; everything that it started ends with it."""
    with serving(command(home, "watch"), home / "watch.log", f"watching {home}", end) as process:
        yield process
    assert holder_of(Settings(home, None, None).daemon_lock) is None


def test_a_schedule_that_is_due_runs_and_all_ends_at_a_signal(home: Path):
    log, records = home / "watch.log", RunRecords(home / "dagster")
    before = {run.run_id for run in records.runs()}

    def due() -> list[Run]:
        """The schedule's runs, oldest first. The copied extracts are new files: their landing may come before."""
        return [r for r in reversed(records.runs()) if r.run_id not in before and r.job == DAILY]

    with watching(home, signal.SIGTERM) as process:
        words = log.read_text()
        assert "daily                            schedule  on   next " in words
        assert "weekly                           schedule  on   next Mon " in words
        listening = [
            c for p in (process.pid, *(c.pid for c in psutil.Process(process.pid).children(recursive=True)))
            for c in psutil.Process(p).net_connections() if c.status == psutil.CONN_LISTEN and c.laddr
        ]  # fmt: skip
        assert all(c.laddr.ip in ("127.0.0.1", "::1") for c in listening), listening
        second = subprocess.run(command(home, "watch"), cwd=ROOT, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"already kept current by another process: process {process.pid} (" in second.stderr
        waiting.until(lambda: any(not r.is_unfinished for r in due()), process, log=log)
        status = json.loads(
            subprocess.run(
                command(home, "status", "--format", "json"), cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        )
        assert status["keeps_current"]["pid"] == process.pid
        assert status["automation"]["daily"] is True
    run = due()[0]
    today = load_policy().company.today()
    yesterday = {str(today - timedelta(days=n)) for n in (1, 2)}
    assert run.status == "SUCCESS"
    assert run.as_of in yesterday  # midnight may have passed
    assert (home / f"published/health_scores/as_of={run.as_of}/part-0.parquet").exists()


def test_the_children_of_a_killed_watch_end_and_another_one_begins(home: Path):
    log, later = home / "watch.log", home / "later.log"
    process = started(command(home, "watch"), log)
    waiting.until(lambda: f"watching {home}" in log.read_text(), process, log=log)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    waiting.until_gone(children)
    assert holder_of(Settings(home, None, None).daemon_lock) is None
    another = started(command(home, "watch"), later)
    try:
        waiting.until(lambda: f"watching {home}" in later.read_text(), another, log=later)
    finally:
        another.send_signal(signal.SIGTERM)
        another.wait()
