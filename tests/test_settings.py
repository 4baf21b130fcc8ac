"""Which home, sources and policy are used, by what was said where."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmentation_assets.settings import DEFAULT, Settings, find_home, find_settings


def test_the_home_is_the_one_given_then_the_environments_then_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert find_home() == tmp_path / "data"
    monkeypatch.setenv("SEGMENTATION_HOME", str(tmp_path / "env"))
    assert find_home() == tmp_path / "env"
    assert find_home("given") == tmp_path / "given"


def test_sources_in_the_order_of_nearness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert find_settings(tmp_path).sources is None
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "sources.yaml").touch()
    assert find_settings(tmp_path).sources == tmp_path / "sample" / "sources.yaml"
    (tmp_path / "sources.yaml").touch()
    assert find_settings(tmp_path).sources == tmp_path / "sources.yaml"
    Settings(tmp_path, tmp_path / "last.yaml", None).remember()
    assert find_settings(tmp_path).sources == tmp_path / "last.yaml"
    monkeypatch.setenv("SEGMENTATION_SOURCES", str(tmp_path / "env.yaml"))
    assert find_settings(tmp_path).sources == tmp_path / "env.yaml"
    assert find_settings(tmp_path, tmp_path / "given.yaml").sources == tmp_path / "given.yaml"


def test_policies_in_the_order_of_nearness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert find_settings(tmp_path).policy is None
    (tmp_path / "policy.yaml").touch()
    assert find_settings(tmp_path).policy == tmp_path / "policy.yaml"
    Settings(tmp_path, None, None).remember()  # the last run used the shipped one
    assert find_settings(tmp_path).policy is None
    Settings(tmp_path, None, tmp_path / "last.yaml").remember()
    assert find_settings(tmp_path).policy == tmp_path / "last.yaml"
    assert find_settings(tmp_path, policy=DEFAULT).policy is None
    monkeypatch.setenv("SEGMENTATION_POLICY", str(tmp_path / "env.yaml"))
    assert find_settings(tmp_path).policy == tmp_path / "env.yaml"


def test_another_process_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for settings in (
        Settings(tmp_path, tmp_path / "s.yaml", tmp_path / "p.yaml"),
        Settings(tmp_path, tmp_path / "s.yaml", None),
    ):
        Settings(tmp_path, tmp_path / "other.yaml", tmp_path / "other.yaml").remember()
        for name, value in settings.environment().items():
            monkeypatch.setenv(name, value)
        assert find_settings() == settings
