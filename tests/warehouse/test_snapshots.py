"""A snapshot has every table of one moment, whatever a run does afterwards; and its files take no space."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from segmentation_assets.reading.access import load
from segmentation_assets.reasons import WrongUse
from segmentation_assets.warehouse.packs import PACKED_BY
from segmentation_assets.warehouse.snapshots import take_snapshot
from segmentation_assets.warehouse.store import Store
from segmentation_assets.warehouse.views import FILE, refresh_views
from tests.reading.test_access import publish
from tests.warehouse.test_views import ACCOUNTS, KPIS


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    publish(home, "kpis", "SELECT 1::BIGINT AS n", "2026-03-30")
    publish(home, "kpis", "SELECT 2::BIGINT AS n", "2026-03-31")
    publish(home, "accounts", "SELECT 'a1' AS account_id")
    return home


def pack(home: Path, day: str, n: int) -> None:
    """A pack of one day, as a run writes it."""
    target = Store(home).packed / "kpis" / "000001.parquet"
    target.parent.mkdir(parents=True)
    footer = '{"fingerprints": {"' + day + '": "x.y.z"}}'
    duckdb.sql(
        f"COPY (SELECT DATE '{day}' AS {PACKED_BY}, {n}::BIGINT AS n) TO '{target}' "
        f"(FORMAT parquet, KV_METADATA {{segmentation: '{footer}'}})"
    )


def test_later_runs_change_nothing_in_it(home: Path, tmp_path: Path):
    pack(home, "2026-03-29", 7)
    store = take_snapshot(Store(home), tmp_path / "then")
    refresh_views(store, [KPIS, ACCOUNTS])
    publish(home, "kpis", "SELECT 20::BIGINT AS n", "2026-03-31")
    publish(home, "kpis", "SELECT 3::BIGINT AS n", "2026-04-01")
    for file in (home / "packed").rglob("*.parquet"):
        file.unlink()
    assert load("kpis", "all", store.home)["n"].tolist() == [7, 1, 2]
    with duckdb.connect(store.home / FILE, read_only=True) as connection:
        assert connection.execute("SELECT n FROM kpis ORDER BY as_of").fetchall() == [(7,), (1,), (2,)]
        assert connection.execute("SELECT n FROM latest.kpis").fetchall() == [(2,)]
        assert connection.execute("SELECT * FROM accounts").fetchall() == [("a1",)]


def test_it_takes_no_space_and_leaves_the_home_alone(home: Path, tmp_path: Path):
    store = take_snapshot(Store(home), tmp_path / "then")
    files = [path.relative_to(home) for path in (home / "published").rglob("*.parquet")]
    assert len(files) == 3
    assert all((store.home / each).samefile(home / each) for each in files)
    assert not list(home.parent.glob(".then*"))


def test_a_folder_that_exists_is_left_as_it_is(home: Path, tmp_path: Path):
    (tmp_path / "then").mkdir()
    with pytest.raises(WrongUse, match="exists already"):
        take_snapshot(Store(home), tmp_path / "then")
    assert not list((tmp_path / "then").iterdir())


def test_a_full_disk_leaves_nothing_of_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    monkeypatch.setattr("shutil.copy2", full)
    with pytest.raises(OSError, match="No space left"):
        take_snapshot(Store(home), tmp_path / "then")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
