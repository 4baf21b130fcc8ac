"""What becomes of a sensor's requests: runs whose process is gone are told from runs that are slow to begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from segmentation_assets.orchestration.sensors import requests
from segmentation_assets.orchestration.sensors.requests import Fate, Outcome, Request, report_lost, wait_left
from segmentation_assets.policy.model import load_policy
from segmentation_assets.running.storage.run_records import RunRecords
from segmentation_assets.warehouse.store import Store

SENSORS = load_policy().orchestration.sensors
STARTING, STARTED, FAILURE = (dg.DagsterRunStatus[name] for name in ("STARTING", "STARTED", "FAILURE"))
WAITING, SUCCESS = (dg.DagsterRunStatus[name] for name in ("NOT_STARTED", "SUCCESS"))


@dg.job
def nothing() -> None:
    """No steps."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as frame:
        yield frame


def report_after(
    seconds: float, instance: dg.DagsterInstance, store: Store, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    now = requests.get_current_timestamp()
    monkeypatch.setattr(requests, "get_current_timestamp", lambda: now + seconds)
    return report_lost(instance, store, SENSORS)


@pytest.mark.parametrize(
    ("status", "patience"), [(STARTING, SENSORS.starting_seconds), (STARTED, SENSORS.lost_seconds)]
)
def test_a_run_that_no_process_works_on_is_lost(
    status: dg.DagsterRunStatus,
    patience: int,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    run, store = instance.create_run_for_job(nothing, status=status), Store(tmp_path)
    assert report_after(patience - 5, instance, store, monkeypatch) == []
    with store.running(run.run_id):
        assert report_after(patience + 5, instance, store, monkeypatch) == []
    assert report_after(patience + 5, instance, store, monkeypatch) == [run.run_id]
    [record] = instance.get_run_records()
    assert record.dagster_run.status is FAILURE


@pytest.mark.parametrize("status", [WAITING, SUCCESS])
def test_a_run_that_waits_or_has_ended_is_not_lost(
    status: dg.DagsterRunStatus, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    instance.create_run_for_job(nothing, status=status)
    assert report_after(10 * SENSORS.starting_seconds, instance, Store(tmp_path), monkeypatch) == []


def test_a_run_that_begins_after_it_was_given_up_does_nothing(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):

    run = instance.create_run_for_job(nothing, status=STARTING)
    assert report_after(SENSORS.starting_seconds + 5, instance, Store(tmp_path), monkeypatch) == [run.run_id]
    given_up = instance.get_run_by_id(run.run_id)
    assert given_up is not None
    events = list(execute_run_iterator(InMemoryJob(nothing), given_up, instance))
    assert ["already finished" in str(event.message) for event in events] == [True]
    [record] = instance.get_run_records()
    assert record.dagster_run.status is FAILURE


def test_a_lost_run_is_told_with_its_reason(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lost = instance.create_run_for_job(nothing, status=STARTED)
    report_after(SENSORS.lost_seconds + 5, instance, Store(tmp_path), monkeypatch)
    cancelled = instance.create_run_for_job(nothing, status=STARTED)
    instance.report_run_canceled(cancelled)
    records = RunRecords(tmp_path)
    [failure] = [f for f in records.failures(records.runs()) if f.run_id == lost.run_id]
    assert failure.table is None
    assert "the run's process is gone" in failure.reason


@pytest.mark.parametrize("back", [3600.0, 86_400.0], ids=["an hour", "a day"])
def test_a_clock_that_is_set_back_makes_nobody_wait_for_it(
    back: float, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A run whose process is gone is lost although it began in the future, and one that failed then is due now."""
    run, store = instance.create_run_for_job(nothing, status=STARTED), Store(tmp_path)
    ended = requests.get_current_timestamp()
    with store.running(run.run_id):
        assert report_after(-back, instance, store, monkeypatch) == []
    assert report_after(0, instance, store, monkeypatch) == [run.run_id]
    assert wait_left(Outcome(Fate.FAILED, run.run_id, ended), Request("occasion", 9), SENSORS) == 0
