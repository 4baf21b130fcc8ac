"""Damaged records of runs, and a home that cannot be written: clear words, and what is published stays readable."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import main
from segmentation_assets.running.instance import NotWritable, open_instance, prepare
from segmentation_assets.running.storage.run_records import RecordsDamaged, RunRecords, damaged_records
from segmentation_assets.settings import Settings
from tests.reading.test_access import publish

FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the records of an instance on which nothing ran."""
    home = tmp_path_factory.mktemp("made")
    with open_instance(Settings(home, None, None)) as instance:
        assert not instance.get_runs()
        assert not instance.all_asset_keys()
        assert not instance.all_instigator_state()
    publish(home, "kpis", "SELECT 1::BIGINT AS n", "2026-03-30")
    return home


@pytest.fixture
def home(table: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(table, tmp_path / "home"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["no database", "cut off"])
def test_a_damaged_database_is_named_with_what_is_lost(home: Path, name: str, kind: str):
    file = home / "dagster" / name
    for beside in ("-wal", "-shm"):
        file.with_name(file.name + beside).unlink(missing_ok=True)
    data = file.read_bytes()
    file.write_bytes(b"no database " * 1000 if kind == "no database" else data[:5000])
    damage = damaged_records(home / "dagster")
    assert damage is not None
    assert str(file) in str(damage)
    assert str(home / "dagster") + " away" in str(damage)
    with pytest.raises(RecordsDamaged):
        _ask_for_everything(home)
    shown = CliRunner().invoke(main, ["--home", str(home), "show", "kpis", "--format", "csv"])
    assert shown.exit_code == 0, shown.output


def _ask_for_everything(home: Path) -> None:
    with open_instance(Settings(home, None, None)) as instance:
        instance.get_runs()
        instance.all_asset_keys()
        instance.all_instigator_state()


def test_status_says_in_words_that_records_are_damaged(home: Path):
    (home / "dagster" / FILES[0]).write_bytes(b"no database " * 1000)
    result = CliRunner().invoke(main, ["--home", str(home), "status"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)  # no traceback
    assert "is damaged" in result.output


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="run as root: only root reads as somebody else")
def test_records_are_read_where_nothing_can_be_written(home: Path):
    for folder, _, names in os.walk(home):
        Path(folder).chmod(0o755)
        for name in names:
            Path(folder, name).chmod(0o644)
    for above in home.parents:
        if above.stat().st_uid == 0 and above != Path("/") and "pytest" in str(above):
            above.chmod(0o755)
    records = RunRecords(home / "dagster")
    child = os.fork()
    if not child:  # somebody else, who may read and not write
        try:
            os.setresuid(65534, 65534, 65534)
            os._exit(0 if (records.runs(), records.publications(), records.switches()) == ([], {}, {}) else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_home_that_cannot_be_written_says_what_still_works(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(NotWritable, match="only read"):
        prepare(Settings(home, None, None))
    assert RunRecords(home / "dagster").runs() == []
