"""What is read of Dagster's files without Dagster, against what Dagster itself says; and a home's status from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.status import FAILED, FRESH, LATE, MISSING, STALE, Status, status_of
from segmentation_assets.running.automation import automations
from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.storage.run_records import RunRecords
from segmentation_assets.settings import Settings
from segmentation_assets.tables.registry import Registry
from tests.orchestration import fakes
from tests.orchestration.conftest import MakeRunner
from tests.orchestration.fakes import broken_seasons
from tests.running.test_runs import MARCH_31

TABLES = ["seeds", "seasons", "ranks", "totals"]


def status_in(
    settings: Settings, registry: Registry | None = None, policy: Path | None = None, now: datetime | None = None
) -> Status:
    records = RunRecords(settings.dagster_home)
    return status_of(settings, registry or fakes.registry(), load_policy(policy), records, now)


def states(settings: Settings, *args: Any, **more: Any) -> dict[str, tuple[str, tuple[str, ...]]]:
    status = status_in(settings, *args, **more)
    return {table.table: (table.state, table.causes) for table in status.tables}


def test_records_are_what_dagster_says(runner: MakeRunner, settings: Settings):
    good = runner().run(TABLES, [MARCH_31])
    bad = runner(seasons=broken_seasons).run(["seasons", "totals"], [MARCH_31 - timedelta(days=1)])
    records = RunRecords(settings.dagster_home)
    runs = records.runs()
    with open_instance(settings) as instance:
        assert [(r.run_id, r.status, r.job) for r in runs] == [
            (r.run_id, r.status.value, r.job_name) for r in instance.get_runs()
        ]
        stats = instance.get_run_stats(good.run_id)
        events = {name: instance.get_latest_materialization_event(dg.AssetKey(name)) for name in TABLES}
    assert [r.as_of for r in runs] == ["2026-03-30", "2026-03-31"]
    assert [r.is_unfinished for r in runs] == [False, False]
    ended = runs[1].ended_at
    assert ended is not None
    assert abs(ended.timestamp() - float(stats.end_time or 0)) < 1
    frame = records.publications()
    assert {name: one.run_id for name, one in frame.items()} == {n: e.run_id for n, e in events.items() if e}
    for name, event in events.items():
        assert event is not None
        assert abs(frame[name].at.timestamp() - event.timestamp) < 1
    [failure] = records.failures(runs)
    assert (failure.table, failure.run_id, failure.reason) == ("seasons", bad.run_id, bad.failed[0].reason)


def test_there_are_no_records_where_nothing_ran(tmp_path: Path):
    records = RunRecords(tmp_path / "dagster")
    assert (records.runs(), records.publications(), records.failures([]), records.switches()) == ([], {}, [], {})
    status = status_in(Settings(tmp_path, None, None))
    assert {table.state for table in status.tables} == {MISSING}
    assert (status.last_run, status.works, status.keeps_current) == (None, None, None)
    assert not (tmp_path / "dagster").exists()


def test_what_is_switched_off_is_told(settings: Settings):
    assert {a.name: a.is_on for a in automations(settings) if a.kind == "schedule"} == {
        "daily": True, "weekly": True, "quarterly": True
    }  # fmt: skip
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="segmentation_assets.definitions"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "weekly")
    with open_instance(settings) as instance:
        data = ScheduleInstigatorData("0 7 * * 1")
        off = InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, data)
        instance.add_instigator_state(off)
    assert {a.name: a.is_on for a in automations(settings) if a.kind == "schedule"} == {
        "daily": True, "weekly": False, "quarterly": True
    }  # fmt: skip
    assert RunRecords(settings.dagster_home).switches() == {"weekly": False}


def test_why_a_table_is_stale(runner: MakeRunner, settings: Settings, tmp_path: Path):
    assert states(settings) == dict.fromkeys(TABLES, (MISSING, (MISSING,)))
    runner().run(TABLES, [MARCH_31])
    assert states(settings) == dict.fromkeys(TABLES, (FRESH, ()))
    # Other seasons: they, and the totals made of them, have other code behind them.
    other = fakes.registry(seasons=broken_seasons)
    assert states(settings, other) == {
        "seeds": (FRESH, ()), "ranks": (FRESH, ()), "seasons": (STALE, ("code",)), "totals": (STALE, ("code",))
    }  # fmt: skip
    policy = tmp_path / "policy.yaml"
    policy.write_text("company: {renewal_grace_days: 3}\n")  # which seeds declare, and all rest on seeds
    assert states(settings, policy=policy) == dict.fromkeys(TABLES, (STALE, ("policy",)))
    assert states(settings, other, policy)["totals"] == (STALE, ("code", "policy"))
    policy.write_text("stability: {max_usage_lag_days: 9}\n")  # which none declares
    assert states(settings, policy=policy) == dict.fromkeys(TABLES, (FRESH, ()))


def test_a_failure_is_told_until_the_table_is_made_again(runner: MakeRunner, settings: Settings):
    runner().run(TABLES, [MARCH_31])
    bad = runner(seasons=broken_seasons).run(TABLES, [MARCH_31 + timedelta(days=1)])
    status = status_in(settings)
    result = {table.table: table for table in status.tables}
    assert (result["seasons"].state, result["seasons"].reason) == (FAILED, bad.failed[0].reason)
    assert result["seasons"].latest == MARCH_31  # what stood before stands
    assert not status.is_fine
    runner().run(TABLES, [MARCH_31 + timedelta(days=1)])
    assert {state for state, _ in states(settings).values()} == {FRESH}


def test_what_people_read_is_late_when_its_day_is_long_over(runner: MakeRunner, settings: Settings):
    runner().run(TABLES, [MARCH_31])
    registry = Registry()
    for spec in fakes.registry():
        registry.add(replace(spec, group="segments" if spec.name == "totals" else spec.group))
    limit = load_policy().orchestration.freshness.weekly_fail_hours
    end = datetime(2026, 4, 1, tzinfo=UTC)
    just, over = end + timedelta(hours=limit), end + timedelta(hours=limit, seconds=1)
    assert {state for state, _ in states(settings, registry, now=just).values()} == {FRESH}
    assert [n for n, (state, _) in states(settings, registry, now=over).items() if state == LATE] == ["totals"]
    assert status_in(settings, registry, now=just).is_fine
    assert not status_in(settings, registry, now=over).is_fine
