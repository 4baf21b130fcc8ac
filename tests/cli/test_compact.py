"""`segmentation compact`: fewer files, the same rows for every reader."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb

from segmentation_assets.warehouse.store import Store
from tests.cli.calling import call
from tests.conftest import RAN_DAYS

TABLE = "segments"


def shown(home: Path, *options: str) -> str:
    result = call("show", TABLE, *options, "--format", "csv", home=home)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def views(home: Path) -> list[tuple[object, ...]]:
    assert call("views", home=home).exit_code == 0
    with duckdb.connect(str(home / "analytics.duckdb"), read_only=True) as connection:
        return connection.execute(f"SELECT * EXCLUDE (policy_hash) FROM {TABLE} ORDER BY ALL").fetchall()


def test_old_days_move_into_one_file_and_every_reader_sees_the_same_rows(ran_home: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(ran_home, home)
    before = [shown(home), shown(home, "--as-of", str(RAN_DAYS[0])), views(home)]
    files = len(list(home.glob("published/*/as_of=*/*.parquet")))
    result = call("compact", "--older-than", "0", "--format", "json", home=home)
    assert result.exit_code == 0, result.stderr
    packed = json.loads(result.stdout)["days_packed"]
    assert packed[TABLE] >= len(RAN_DAYS)
    assert sum(packed.values()) == files - len(list(home.glob("published/*/as_of=*/*.parquet")))
    assert not Store(home).days_alone(TABLE, "as_of")
    assert [shown(home), shown(home, "--as-of", str(RAN_DAYS[0])), views(home)] == before
    assert call("verify", home=home).exit_code == 0
    again = json.loads(call("compact", "--older-than", "0", "--format", "json", home=home).stdout)
    assert again["days_packed"] == {}


def test_days_that_are_not_old_stay(ran_home: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(ran_home, home)
    result = call("compact", "--older-than", "36500", home=home)
    assert result.exit_code == 0, result.stderr
    assert "nothing to pack" in result.stdout
    assert Store(home).days_alone(TABLE, "as_of")
