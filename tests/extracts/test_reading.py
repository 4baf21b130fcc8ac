"""The same rows from every kind of source, and the examples that ship."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest

from segmentation_assets.extracts.checking import check_sources
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.readme import refreshed
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.extracts.home import Home

DATA = Path(__file__).parents[2] / "data"
TICKETS = (
    "SELECT 'T1' AS ticket_id, 'A1' AS account_id, TIMESTAMPTZ '2025-01-01 12:00:00+02:00' AS opened_at, 1.5 AS hours"
)
GIVEN = {"columns": {"handling_hours": "hours"}}


def from_parquet(home: Home) -> dict:
    duckdb.connect().execute(f"SET TimeZone = 'Asia/Tokyo'; COPY ({TICKETS}) TO '{home.folder}/t.parquet'")
    return {"path": "t.parquet"}


def from_duckdb(home: Home) -> dict:
    with duckdb.connect(str(home.folder / "t.duckdb")) as other:
        other.execute(f"CREATE TABLE t AS {TICKETS}")
    return {"duckdb": "t.duckdb", "table": "main.t"}


def from_sqlite(home: Home) -> dict:
    with sqlite3.connect(home.folder / "t.sqlite") as other:
        other.execute("CREATE TABLE t (ticket_id, account_id, opened_at, hours)")
        other.execute("INSERT INTO t VALUES ('T1', 'A1', '2025-01-01T12:00:00+02:00', 1.5)")
    return {"sqlite": "t.sqlite", "query": "select * from t"}


def from_json(home: Home) -> dict:
    home.write(
        "t.json", '[{"ticket_id": "T1", "account_id": "A1", "opened_at": "2025-01-01T10:00:00Z", "hours": 1.5}]'
    )
    return {"path": "t.json"}


def from_lines(home: Home) -> dict:
    line = (
        '{"ticket_id": "T1", "account_id": "A1", "opened_at": "2025-01-01 10:00:00", "hours": "1.5", "x": {"y": 1}}\n'
    )
    home.write("t.jsonl", line)
    return {"path": "t.jsonl"}


def from_query_over_files(home: Home) -> dict:
    home.write("t.csv", "ticket_id,account_id,opened,hours\nT1,A1,2025-01-01T10:00:00Z,1.5\nT2,A1,,0\n")
    return {"path": "t.csv", "query": "SELECT * RENAME (opened AS opened_at) FROM source WHERE ticket_id = 'T1'"}


@pytest.mark.parametrize(
    "table", [from_parquet, from_duckdb, from_sqlite, from_json, from_lines, from_query_over_files]
)
def test_every_kind_of_source_gives_the_same_row(home, table):
    source = {**table(home), **GIVEN}
    result = home.land(support_tickets=source)["support_tickets"]
    assert not result.failed, result.reason
    assert home.rows("support_tickets", "ticket_id", "account_id", "opened_at", "handling_hours") == [
        ("T1", "A1", "2025-01-01 10:00:00", "1.5")
    ]
    assert home.land(support_tickets=source)["support_tickets"].skipped


def test_days_of_moments_are_days_of_the_company(home):
    home.write("leads.csv", "lead_id,created_on\nL1,2025-01-01T23:30:00-01:00\nL2,2025-01-01 23:30:00\n")
    home.land(leads={"path": "leads.csv"})
    assert home.rows("leads", "lead_id", "created_on") == [("L1", "2025-01-02"), ("L2", "2025-01-01")]


def test_a_database_without_its_table_or_its_variable(home, monkeypatch):
    monkeypatch.delenv("NO_SUCH_DATABASE", raising=False)
    from_sqlite(home)
    results = home.land(
        leads={"sqlite": "t.sqlite", "table": "nothing"}, surveys={"postgres": "NO_SUCH_DATABASE", "table": "t"}
    )
    assert "no such table: nothing" in str(results["leads"].reason)
    assert "the environment variable NO_SUCH_DATABASE is not set" in str(results["surveys"].reason)


def test_a_database_that_is_not_there_says_no_secret(home, monkeypatch):
    monkeypatch.setenv("SOME_DATABASE", "postgresql://me:secret@127.0.0.1:1/nothing")
    reason = str(home.land(surveys={"postgres": "SOME_DATABASE", "table": "t"})["surveys"].reason)
    assert "SOME_DATABASE:t" in reason
    assert "secret" not in reason


def landed(sources: Path, home: Path) -> tuple[dict, list]:
    read = read_sources(sources)
    store = Store(home)
    with open_connection(store) as connection:
        results = land(read, Engine(connection, store), load_policy().sections)
        rows = connection.execute(
            f"SELECT subscription_id, account_id, mrr, currency, start_date::VARCHAR, plan "
            f"FROM '{store.file('billing_subscriptions')}' ORDER BY ALL"
        ).fetchall()
    assert not [r for r in results if r.failed]
    assert check_sources(read) == []
    return {r.extract: r.good for r in results if r.drops}, rows


def test_the_minimal_example_lands(tmp_path):
    counts, rows = landed(DATA / "examples/minimal/sources.yaml", tmp_path)
    assert counts == {"crm_accounts": 4, "billing_subscriptions": 5}
    assert rows[0] == ("Acme-2024-03-01", "Acme", 1200.0, "USD", "2024-03-01", None)


def test_the_sqlite_example_lands(tmp_path):
    counts, rows = landed(DATA / "examples/sqlite/sources.yaml", tmp_path)
    assert counts == {"crm_accounts": 3, "fx_rates": 2, "billing_subscriptions": 3}
    assert rows[0] == ("S-1", "C-1", 5000.0, "EUR", "2024-02-01", "enterprise")


def test_the_postgres_example_is_a_valid_mapping():
    assert set(read_sources(DATA / "examples/postgres/sources.yaml").extracts) >= {"crm_accounts", "product_usage"}


def test_the_contracts_in_the_readme_are_current():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    assert refreshed(text) == text, "run: python -m segmentation_assets.extracts.readme"
