"""The DuckDB file of views: it opens read-only at any time, from anywhere, and follows the tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import main
from segmentation_assets.tables.dictionary import ColumnEntry, TableEntry
from segmentation_assets.warehouse.store import Store
from segmentation_assets.warehouse.views import FILE, refresh_views
from tests.conftest import RAN_DAYS
from tests.reading.test_access import publish


def entry(name: str, partition: str | None, **columns: str) -> TableEntry:
    table = tuple(ColumnEntry(c, t, "", False, True, "", "", (), "", f"It's {c}.") for c, t in columns.items())
    return TableEntry(name, "test", f"What is {name}?", (), partition, (), (), (), table)


KPIS = entry("kpis", "as_of", as_of="date", n="whole number", later="number")
ACCOUNTS = entry("accounts", None, account_id="text")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    publish(tmp_path, "kpis", "SELECT 1::BIGINT AS n, 'gone' AS dropped", "2026-03-30")
    publish(tmp_path, "kpis", "SELECT 2::BIGINT AS n", "2026-03-31")
    return tmp_path


def ask(home: Path, sql: str) -> list[tuple]:
    with duckdb.connect(home / FILE, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_all_days_the_last_one_and_what_they_mean(home: Path):
    refresh_views(Store(home), [KPIS, ACCOUNTS])
    assert ask(home, "SELECT as_of::TEXT, n, later FROM kpis ORDER BY 1") == [
        ("2026-03-30", 1, None), ("2026-03-31", 2, None),
    ]  # fmt: skip
    assert ask(home, "SELECT n FROM latest.kpis") == [(2,)]
    assert ask(home, "SELECT comment FROM duckdb_views() WHERE comment IS NOT NULL") == [("What is kpis?",)]
    assert ask(home, "SELECT comment FROM duckdb_columns() WHERE column_name = 'n' AND comment IS NOT NULL") == [
        ("It's n.",)
    ]


def test_it_follows_days_at_once_and_tables_when_refreshed(home: Path):
    refresh_views(Store(home), [KPIS, ACCOUNTS])
    table = (home / FILE).stat().st_ino
    publish(home, "kpis", "SELECT 3::BIGINT AS n, 0.5::DOUBLE AS later", "2026-04-01")
    assert ask(home, "SELECT n, later FROM latest.kpis") == [(3, 0.5)]
    refresh_views(Store(home), [KPIS, ACCOUNTS])
    assert (home / FILE).stat().st_ino == table
    publish(home, "accounts", "SELECT 'a1' AS account_id")
    refresh_views(Store(home), [KPIS, ACCOUNTS])
    assert ask(home, "SELECT * FROM accounts") == [("a1",)]
    assert ask(home, "SELECT count(*) FROM latest.kpis") == [(1,)]


def test_a_connection_that_is_given_is_found_as_it_was(home: Path):
    def databases(connection: duckdb.DuckDBPyConnection) -> set[str]:
        return {row[0] for row in connection.execute("SELECT database_name FROM duckdb_databases()").fetchall()}

    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS n")
        before = databases(connection)
        refresh_views(Store(home), [KPIS], connection)
        assert connection.execute("SELECT n FROM mine").fetchall() == [(1,)]
        (home / "published" / "accounts").mkdir()
        (home / "published" / "accounts" / "part-0.parquet").write_text("no Parquet")
        with pytest.raises(duckdb.Error):
            refresh_views(Store(home), [KPIS, ACCOUNTS], connection)
        assert databases(connection) == before
        assert connection.execute("SELECT n FROM mine").fetchall() == [(1,)]
    assert ask(home, "SELECT n FROM latest.kpis") == [(2,)]
    assert not list(home.glob(".analytics*"))


def test_who_has_it_open_keeps_nobody_from_making_it_anew(home: Path):
    refresh_views(Store(home), [KPIS])
    reader = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); input(); "
    )
    reader += "print(c.execute('SELECT sum(n) FROM kpis').fetchone()[0])"
    with subprocess.Popen(
        [sys.executable, "-c", reader, str(home / FILE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == "open\n"
        publish(home, "accounts", "SELECT 'a1' AS account_id")
        publish(home, "kpis", "SELECT 10::BIGINT AS n", "2026-03-31")
        refresh_views(Store(home), [KPIS, ACCOUNTS])
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "11\n"
    assert ask(home, "SELECT account_id FROM accounts") == [("a1",)]


def test_a_run_makes_it_and_the_command_says_where(ran_home: Path):
    assert ask(ran_home, "SELECT DISTINCT as_of FROM latest.segments") == [(RAN_DAYS[-1],)]
    tables = {row[0] for row in ask(ran_home, "SELECT view_name FROM duckdb_views() WHERE schema_name = 'latest'")}
    assert {*Store(ran_home).tables()} == tables
    result = CliRunner().invoke(main, ["--home", str(ran_home), "views"])
    assert result.stdout.strip() == str(ran_home / FILE)


def test_an_empty_home_says_what_to_do(tmp_path: Path):
    result = CliRunner().invoke(main, ["--home", str(tmp_path), "views"])
    assert (result.exit_code, "segmentation demo" in result.stderr) == (1, True)
