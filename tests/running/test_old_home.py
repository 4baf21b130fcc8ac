"""A home that an earlier release made opens, shows and runs; so does `dagster` with that home, after one command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import main
from tests.conftest import RAN_DAYS

# The file as release 0.1 of November 2026 copied it into every home: its storages stood in `orchestration`.
OLD_YAML = """\
run_storage:
  module: segmentation_assets.orchestration.storages
  class: KeptOpenRunStorage

schedule_storage:
  module: segmentation_assets.orchestration.storages
  class: QuickScheduleStorage

event_log_storage:
  module: segmentation_assets.orchestration.event_log
  class: KeptOpenEventLogStorage

telemetry:
  enabled: false
"""
TABLE = "account_hierarchy"


@pytest.fixture
def old_home(ran_home: Path, tmp_path: Path) -> Path:
    """As such a release left it: its configuration, and published files without seals and of other code."""
    home = tmp_path / "home"
    shutil.copytree(ran_home, home)
    (home / "dagster" / "dagster.yaml").write_text(OLD_YAML)
    for file in (home / "published").rglob("*.parquet"):
        table = pq.read_table(file, partitioning=None)
        facts = json.loads((table.schema.metadata or {}).get(b"segmentation", b"{}"))
        facts.pop("seal", None)
        for day, fingerprint in facts.get("fingerprints", {}).items():
            facts["fingerprints"][day] = ".".join(["0" * 16, *fingerprint.split(".")[1:]])
        pq.write_table(table.replace_schema_metadata({b"segmentation": json.dumps(facts).encode()}), file)
    return home


def test_an_old_home_shows_runs_and_is_dagsters_again(old_home: Path, monkeypatch: pytest.MonkeyPatch):
    def command(*words: str) -> str:
        result = CliRunner().invoke(main, ["--home", str(old_home), *words])
        assert result.exit_code == 0, result.output
        return result.output

    before = command("show", TABLE, "--format", "csv")
    status = json.loads(command("status", "--format", "json"))
    assert {t["state"] for t in status["tables"] if t["table"] == TABLE} == {"stale"}
    ran = command("run", "--as-of", str(RAN_DAYS[-1]), "--select", TABLE)
    assert ": 1 made, " in ran
    assert command("show", TABLE, "--format", "csv") == before
    monkeypatch.setenv("DAGSTER_HOME", str(old_home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert len(runs) >= 2
        assert all(run.is_success for run in runs)
