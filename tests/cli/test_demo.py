"""`segmentation demo`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from segmentation_assets.cli.demo import month_ends
from tests.cli.calling import call


def test_month_ends_of_a_demonstration():
    assert month_ends(date(2026, 3, 31), 3) == [date(2026, 2, 28), date(2026, 1, 31), date(2025, 12, 31)]
    assert month_ends(date(2024, 3, 1), 1) == [date(2024, 2, 29)]
    assert month_ends(date(2026, 3, 31), 0) == []


def test_the_whole_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("segmentation_assets.cli.demo.DAYS", 60)
    result = call("demo", "--accounts", 6, "--end", "2026-03-31", "--months", 0, home=tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "2026-03-31: accounts · ARR" in result.stdout
    assert "explain A0" in result.stdout
    assert "This week of " in result.stdout
    assert "hubspot, as of 31 Mar 2026: " in result.stdout
    assert "nothing was sent" in result.stdout
