"""`segmentation ui` and `app`: what they need before they start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.calling import call


def test_a_port_that_is_taken_is_a_reason(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = call("ui", "--port", taken.getsockname()[1], home=tmp_path)
    assert result.exit_code == 1
    assert "is in use" in result.stderr


def test_the_explorer_needs_something_published(tmp_path: Path):
    result = call("app", home=tmp_path)
    assert result.exit_code == 1
    assert "nothing is published" in result.stderr


def test_the_explorer_and_a_port_that_is_taken(ran_home: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = call("app", "--port", taken.getsockname()[1], home=ran_home)
    assert result.exit_code == 1
    assert "is in use: choose another one with --port" in result.stderr


def test_the_explorer_without_its_extra(ran_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = call("app", home=ran_home)
    assert result.exit_code == 2
    assert "pip install 'segmentation-assets[app]'" in result.stderr
