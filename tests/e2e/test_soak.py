"""Kills of a sync at twelve moments, by the soak itself: nothing is lost, and what is lost would be seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.soak import Kill, Soak, Sync, written

pytestmark = pytest.mark.daemon
KILLS = 12


def test_a_sync_killed_at_any_moment_loses_nothing(tmp_path: Path):
    soak, work = Soak(tmp_path, seed=1), Sync()
    kills = [soak.kill(work, "crm", (number + 0.5) / KILLS, 0) for number in range(KILLS)]
    assert [each.losses for each in kills] == [[]] * KILLS
    assert sum(each.was_hit for each in kills) > KILLS // 2
    calm, _ = soak.calm(work, "crm")
    values = json.loads((calm / "crm.json").read_text())
    values["1"]["segment"] = "At-Risk"  # a value that was lost in the CRM would be seen
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "crm.json").write_text(json.dumps(values, sort_keys=True))
    (tmp_path / "other" / "published").symlink_to(calm / "published")
    assert work.differences(tmp_path / "other", calm) == ["the CRM has other values"]


def test_what_was_tried_is_counted_also_of_a_soak_that_was_stopped(tmp_path: Path):
    soak = Soak(tmp_path, seed=1)
    tried = [Kill("run", True, 1.0, []), Kill("run", False, 9.0, []), Kill("sync", True, 0.1, ["a", "b"])]
    soak.tried.write_text("".join(json.dumps(vars(each)) + "\n" for each in tried))
    words = written(Soak(tmp_path, seed=1).kills(), 1)
    assert "**2 processes killed with SIGKILL, 2 things lost.**" in words
    assert "| run | 1 | 1 | 0 |" in words
    assert "| sync | 1 | 0 | 2 |" in words
