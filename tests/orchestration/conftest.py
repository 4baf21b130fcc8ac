"""Homes and definitions of the fake chain. Not here: assertions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.runs import Runner
from segmentation_assets.settings import Settings, find_settings
from tests.orchestration import fakes

MakeRunner = Callable[..., Runner]


@pytest.fixture(scope="session")
def instance_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster instance that nothing was run on: making its databases takes longer than most tests."""
    settings = Settings(tmp_path_factory.mktemp("template"), None, None)
    with open_instance(settings) as instance:
        instance.get_runs(limit=1)
    return settings.dagster_home


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance_template: Path) -> Settings:
    for name in ("SEGMENTATION_HOME", "SEGMENTATION_SOURCES", "SEGMENTATION_POLICY"):
        monkeypatch.delenv(name, raising=False)
    result = find_settings(tmp_path / "home")
    shutil.copytree(instance_template, result.dagster_home)
    return result


@pytest.fixture
def runner(settings: Settings) -> MakeRunner:
    """A runner of the fake chain; keywords put another function under a table's name."""

    def make(wait_seconds: float | None = None, **replaced: Any) -> Runner:
        registry, resource = fakes.registry(**replaced), WarehouseResource.of(settings, wait_seconds)
        return Runner(settings, build_defs(settings=settings, registry=registry, resources={"warehouse": resource}))

    return make
