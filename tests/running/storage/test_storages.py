"""Runs and schedules in files that stock Dagster reads and writes too, opened without its migrations."""

from __future__ import annotations

import threading

import dagster as dg
import pytest
from alembic.script import ScriptDirectory

from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.storage.storages import KeptOpenRunStorage, QuickScheduleStorage
from segmentation_assets.settings import Settings, find_settings
from tests.orchestration.conftest import MakeRunner
from tests.running.storage.test_event_log import DAYS, stock_instance


def test_the_shipped_instance_uses_them(settings: Settings):
    with open_instance(settings) as instance:
        assert isinstance(instance.run_storage, KeptOpenRunStorage)
        assert isinstance(instance.schedule_storage, QuickScheduleStorage)


def test_an_instance_that_is_made_opens_without_migrations_and_a_run_loads_them_once(
    settings: Settings, runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
):
    loaded: list[object] = []
    load = ScriptDirectory.from_config
    monkeypatch.setattr(ScriptDirectory, "from_config", lambda config: loaded.append(config) or load(config))
    with open_instance(settings) as instance:
        assert instance.get_runs() == []
    assert loaded == []
    assert runner().run(["seeds"], DAYS[:1]).succeeded
    assert len(loaded) <= 1


def test_a_home_without_an_instance_gets_one_as_stock_dagster_makes_it(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SEGMENTATION_HOME", raising=False)
    fresh = find_settings(tmp_path_factory.mktemp("fresh"))
    with open_instance(fresh) as instance:
        for storage in (instance.run_storage, instance.schedule_storage):
            assert storage is not None
            versions = storage.alembic_version()
            assert versions is not None
            assert versions[0] == versions[1] is not None
        assert instance.get_runs() == []


def test_stock_dagster_and_it_see_each_others_runs(settings: Settings, runner: MakeRunner):
    @dg.job
    def stock_job() -> None:
        pass

    run_id = runner().run(["seeds"], DAYS[:1]).run_id
    with open_instance(settings) as instance, stock_instance(settings) as stock:
        assert [run.run_id for run in stock.get_runs()] == [run_id]
        other = stock.create_run_for_job(stock_job)
        assert {run.run_id for run in instance.get_runs()} == {run_id, other.run_id}
        instance.delete_run(run_id)
        assert [run.run_id for run in stock.get_runs()] == [other.run_id]
        stock.add_run_tags(other.run_id, {"seen": "yes"})
        [result] = instance.get_runs()
        assert result.tags["seen"] == "yes"


def test_threads_share_the_runs(settings: Settings):
    @dg.job
    def small() -> None:
        pass

    with open_instance(settings) as instance:
        threads = [
            threading.Thread(target=lambda: [instance.create_run_for_job(small) for _ in range(3)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert instance.get_runs_count() == 12
