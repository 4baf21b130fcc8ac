"""The real daemon, killed with all that it started, where it hurts and at random: each crossing once, tables as if
nothing was, and readers who notice nothing.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from math import ceil
from os import environ
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from segmentation_assets.orchestration.jobs import BILLING_RERUN
from segmentation_assets.orchestration.sensors.billing import NAME
from segmentation_assets.reading.access import load
from segmentation_assets.reading.run_facts import Run
from segmentation_assets.running.instance import open_instance, prepare
from segmentation_assets.running.storage.run_records import RunRecords
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.store import Store
from tests.harness import waiting
from tests.harness.processes import ROOT, kill, started
from tests.orchestration.billing import START, Company, clock_of, opened

pytestmark = pytest.mark.daemon

BEGINS_WITHIN = 600
"""Seconds after which a run that has not begun is given up: longer than any machine takes to begin one."""
POLICY = """\
tier: {{growth_min_arr: 25000}}
orchestration:
  sensors:
    {{billing_seconds: 1, arrival_seconds: 3600, retry_seconds: 1, retry_most_seconds: 2, lost_seconds: 5,
      starting_seconds: {begins}}}
"""
DROP = {"a2": 11_000.0, "a3": 26_000.0, "a5": 12_000.0}
EXPECTED = [
    ("a2", "long_tail", 1, "up", 9000.0, 11_000.0),
    ("a3", "growth", 1, "up", 24_000.0, 26_000.0),
    ("a5", "long_tail", 1, "up", 8000.0, 12_000.0),
]
DAY = ({"a2": 11_000.0}, {"a3": 26_000.0}, {"a5": 12_000.0}, {"a6": 30_000.0}, {"a1": 10_500.0})
"""The drops of a day with many kills. Each is of accounts of its own, so a run that sees two at once books the same;
all stay below the largest account, whose ARR is the Strategic cut."""
OF_THE_DAY = [
    ("a1", "long_tail", 1, "up", 5000.0, 10_500.0),
    *EXPECTED,
    ("a6", "growth", 1, "up", 7000.0, 30_000.0),
    ("a6", "long_tail", 1, "up", 7000.0, 30_000.0),
]
TABLES = ("threshold_ledger", "billing_threshold_crossings", "arr_steps", "tier_cuts")
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


@pytest.fixture
def company(start: Path, tmp_path: Path) -> Iterator[Company]:
    """The company whose daemon is killed."""
    built = Company(tmp_path / "killed", start)
    built.settings.policy.write_text(POLICY.format(begins=BEGINS_WITHIN))  # type: ignore[union-attr]
    yield built
    built.close()


@contextmanager
def daemon(settings: Settings, log: Path) -> Iterator[Callable[[Callable[[], object]], None]]:
    """A daemon of its own with its code server; gives how to wait for what it does.

    At the end both, and the runs they launched, are killed at once.
    """
    environment = environ | settings.environment() | prepare(settings)
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "tests.orchestration.location", "-d", str(ROOT)]
    process = started(command, log, environment)
    try:
        yield lambda is_so: waiting.until(is_so, process, log=log)
        assert process.poll() is None, log.read_text()[-5000:]
    finally:
        kill(process)


def looks(settings: Settings) -> int:
    """How often the sensor has looked."""
    with closing(sqlite3.connect(settings.dagster_home / "schedules" / "schedules.db")) as connection:
        sql = "SELECT coalesce(max(id), 0) FROM job_ticks WHERE status != 'STARTED' AND tick_body LIKE ?"
        return connection.execute(sql, [f"%{NAME}%"]).fetchone()[0]


def plain(table: str, home: Path) -> pd.DataFrame:
    frame = load(table, home=home)
    frame = frame.drop(columns=[name for name in WRITTEN_BY_RUNS if name in frame])
    return frame.sort_values(list(frame.columns), ignore_index=True)


def calm(home: Path, template: Path, *drops: Mapping[str, float]) -> Company:
    """The same day with nothing killed."""
    company = Company(home, template)
    with clock_of(company):
        for each in drops:
            drop(company, each)
            assert company.settle() == 1
    company.close()
    return company


def drop(company: Company, arr: Mapping[str, float]) -> None:
    company.bill(**arr)
    assert company.land()


def asked_for(records: RunRecords) -> list[Run]:
    """The sensor's runs."""
    return [run for run in records.runs() if run.job == BILLING_RERUN]


def assert_same_tables(company: Company, undisturbed: Company) -> None:
    for table in TABLES:
        pd.testing.assert_frame_equal(plain(table, company.folder), plain(table, undisturbed.folder), obj=table)


def test_a_daemon_killed_before_during_and_after_the_run_changes_nothing(
    company: Company, start: Path, tmp_path: Path
):
    undisturbed = calm(tmp_path / "calm", start, DROP)
    drop(company, DROP)
    home, log = company.folder, tmp_path / "daemon.log"
    records = RunRecords(home / "dagster")
    steps = Store(home).file("arr_steps", "as_of", company.policy.company.today())
    built = steps.stat().st_mtime_ns
    begun = time.monotonic()
    with daemon(company.settings, log) as wait_until:  # asked for, and not begun
        wait_until(lambda: asked_for(records))
    [first] = asked_for(records)
    assert first.status != "SUCCESS"
    begins = ceil(2 * (time.monotonic() - begun))  # what a daemon takes to begin, now, is enough for a run
    company.settings.policy.write_text(POLICY.format(begins=begins))  # type: ignore[union-attr]
    with daemon(company.settings, log) as wait_until:  # in the midst of it
        wait_until(lambda: steps.stat().st_mtime_ns != built)
    assert "STARTED" in [run.status for run in asked_for(records)]
    with daemon(company.settings, log) as wait_until:  # done, and nobody has looked
        wait_until(lambda: any(run.status == "SUCCESS" for run in asked_for(records)))
    seen, runs = looks(company.settings), len(asked_for(records))
    with daemon(company.settings, log) as wait_until:
        wait_until(lambda: looks(company.settings) >= seen + 3)
        wait_until(lambda: not any(run.is_unfinished for run in asked_for(records)))
    assert len(asked_for(records)) == runs, log.read_text()[-5000:]
    assert company.crossings() == EXPECTED
    assert_same_tables(company, undisturbed)


def test_a_daemon_killed_at_every_moment_of_a_day_changes_nothing(company: Company, start: Path, tmp_path: Path):
    """A moment is what the daemon has come to, and a blink after it: so each is met however fast the machine is.

    Two kills for each drop; every kind of moment, in random order.
    """
    undisturbed = calm(tmp_path / "calm", start, *DAY)
    assert undisturbed.crossings() == OF_THE_DAY
    log, moments = tmp_path / "daemon.log", random.Random(20)
    records = RunRecords(company.folder / "dagster")
    first, *others = DAY
    drop(company, first)
    begun = time.monotonic()
    with daemon(company.settings, log) as wait_until:
        wait_until(lambda: [run.status for run in asked_for(records)] == ["SUCCESS"])
    # Long enough for a run to begin on this machine, now. Where it becomes slower, runs are asked for once more.
    begins = ceil(time.monotonic() - begun)
    company.settings.policy.write_text(POLICY.format(begins=begins))  # type: ignore[union-attr]
    with reading(company.folder) as reader:
        for number, kind in enumerate(moments.sample(MOMENTS, len(MOMENTS))):
            if number % 2 == 0:
                drop(company, others[number // 2])
            moment = kind(company, records)
            with daemon(company.settings, log) as wait_until:
                wait_until(moment)
                time.sleep(moments.uniform(0, 0.3))
        with daemon(company.settings, log) as wait_until:
            wait_until(lambda: len(company.crossings()) == len(OF_THE_DAY))
            wait_until(lambda: not any(run.is_unfinished for run in asked_for(records)))
    died = [run for run in asked_for(records) if run.status != "SUCCESS"]
    assert died, "no kill hit a run: this shows nothing"
    assert reader.reads > 1
    assert company.crossings() == OF_THE_DAY
    assert_same_tables(company, undisturbed)


Moment = Callable[[], bool]


def a_look(company: Company, records: RunRecords) -> Moment:
    """The sensor has looked."""
    before = looks(company.settings)
    return lambda: looks(company.settings) > before


def a_request(company: Company, records: RunRecords) -> Moment:
    """A run is asked for; or nothing is to be done any more."""
    before = len(asked_for(records))
    return lambda: len(asked_for(records)) > before or is_settled(company, records)


def a_beginning(company: Company, records: RunRecords) -> Moment:
    """A run has begun."""
    before = {run.run_id for run in asked_for(records) if run.status == "STARTED"}
    return lambda: (
        any(run.status == "STARTED" and run.run_id not in before for run in asked_for(records))
        or is_settled(company, records)
    )


def a_table(name: str) -> Callable[[Company, RunRecords], Moment]:
    """A table was published."""

    def moment(company: Company, records: RunRecords) -> Moment:
        before = newest(company, name)
        return lambda: newest(company, name) != before or is_settled(company, records)

    return moment


def newest(company: Company, table: str) -> int:
    """When a file of the table was last published, in nanoseconds."""
    return max(
        (f.stat().st_mtime_ns for f in Store(company.folder).published.glob(f"{table}/**/*.parquet")), default=0
    )


def is_settled(company: Company, records: RunRecords) -> bool:
    """Whether nothing runs and all of what was billed so far is booked."""
    if any(run.is_unfinished for run in asked_for(records)):
        return False
    due = {account for account, value in company.arr.items() if value != START[account]}
    return due <= {crossing[0] for crossing in company.crossings()}


MOMENTS = (a_look, a_request, a_beginning, a_beginning, *map(a_table, TABLES))


class Reader:
    """Somebody who reads whole tables over and over. No table has fewer rows than at the read before."""

    def __init__(self, home: Path) -> None:
        self.reads, self._home, self._ended = 0, home, Event()
        self._rows = dict.fromkeys(TABLES, 0)

    def read(self) -> None:
        while not self._ended.wait(0.05):
            for name, rows in self._rows.items():
                self._rows[name] = len(load(name, home=self._home))
                assert self._rows[name] >= rows, name
            self.reads += 1

    def end(self) -> None:
        self._ended.set()


@contextmanager
def reading(home: Path) -> Iterator[Reader]:
    """Reads until the end; what the reader saw that was wrong is raised then."""
    reader = Reader(home)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(reader.read)
        try:
            yield reader
        finally:
            reader.end()
        future.result()
