"""SQL in a mapping computes from its own rows. Whatever else it tries is refused, and leaves nothing behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest

from tests.extracts.home import Home

ACCOUNTS = {"path": "crm_accounts.csv"}
ESCAPES = (
    "(SELECT max(content) FROM read_text('{secret}'))",
    "(SELECT 1 FROM read_csv('{secret}'))",
    "account_id); COPY (SELECT 1) TO '{target}'; SELECT (1",
    "account_id) FROM source); ATTACH '{target}' AS x; SELECT (1",
    "1), (2",
    "current_setting('home_directory')",
    "getvariable('x')",
    "uuid()",
    "random()",
    "account_id -- \n) UNION (SELECT 1",
    "(FROM duckdb_secrets())",
    "x IN (SELECT content FROM '{secret}')",
)
QUERIES = (
    "SELECT * FROM source UNION ALL SELECT content FROM read_text('{secret}')",
    "SELECT * FROM source, '{secret}'",
    "SELECT * FROM source; COPY source TO '{target}'",
    "COPY (SELECT 1) TO '{target}'",
    "ATTACH '{target}' AS x",
    "INSTALL httpfs",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM (SHOW TABLES)",
    "SELECT * FROM read_1",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM main.source",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made_home = Home(tmp_path)
    made_home.minimal()
    made_home.write("secret.csv", "content\nthe secret\n")
    return made_home


def reason(home: Home, **accounts: object) -> str:
    before = files(home)
    mapping = {key: value for key, value in {**ACCOUNTS, **accounts}.items() if value is not None}
    landed = home.land(["crm_accounts"], crm_accounts=mapping)["crm_accounts"]
    assert landed.failed
    assert files(home) == before
    assert "the secret" not in (landed.reason or "")
    return landed.reason or ""


def files(home: Home) -> set[Path]:
    """Whatever is there, but for what the home itself keeps."""
    return {path for path in home.folder.iterdir() if path.name not in {"home", "sources.yaml"}}


def text(home: Home, sql: str) -> str:
    return sql.format(secret=home.folder / "secret.csv", target=home.folder / "target")


@pytest.mark.parametrize("sql", ["now()", "current_date", "today() - 3", "get_current_timestamp()"])
def test_an_expression_that_goes_by_the_clock_is_refused(home: Home, sql: str):
    """The same file would land as other rows tomorrow."""
    said = reason(home, columns={"account_name": {"sql": f"({sql})::VARCHAR"}})
    assert "which is not computed from the row alone" in said


@pytest.mark.parametrize("sql", ESCAPES)
def test_an_expression_reaches_nothing_but_its_row(home: Home, sql: str):
    said = reason(home, columns={"account_name": {"sql": text(home, sql)}})
    assert "crm_accounts.account_name.sql: " in said
    assert "it reads and changes nothing else" in said


@pytest.mark.parametrize("sql", ESCAPES)
def test_a_condition_and_an_expression_over_a_value_reach_nothing_either(home: Home, sql: str):
    assert "crm_accounts.where: " in reason(home, where=text(home, sql))
    over_value = {"column": "account_id", "sql": text(home, sql)}
    assert "crm_accounts.account_name.sql: " in reason(home, columns={"account_name": over_value})


@pytest.mark.parametrize("sql", QUERIES)
def test_a_query_reads_the_tables_that_the_mapping_names(home: Home, sql: str):
    said = reason(home, query=text(home, sql))
    assert "crm_accounts.query: " in said
    assert "it reads and changes nothing else" in said


@pytest.mark.parametrize("sql", [*QUERIES[:9], "SELECT * FROM accounts, '{secret}'", "SELECT * FROM 'x.parquet'"])
def test_a_query_within_a_duckdb_file_stays_there(home: Home, sql: str):
    with duckdb.connect(str(home.folder / "crm.duckdb")) as other:
        other.execute("CREATE TABLE accounts AS SELECT 'A1' AS account_id")
    sql = text(home, sql).replace("source", "accounts")
    place = {"path": None, "duckdb": "crm.duckdb", "query": sql}
    assert reason(home, **place)


@pytest.mark.parametrize(
    "sql", ["ATTACH DATABASE '{target}' AS x", "PRAGMA writable_schema = 1", "SELECT * FROM pragma_database_list",
            "SELECT load_extension('x')", "CREATE TABLE x (a)", "SELECT 1; SELECT 2"],
)  # fmt: skip
def test_a_query_within_sqlite_stays_there(home: Home, sql: str):
    with sqlite3.connect(home.folder / "crm.db") as other:
        other.execute("CREATE TABLE accounts (account_id)")
        other.execute("INSERT INTO accounts VALUES ('A1')")
    assert reason(home, path=None, sqlite="crm.db", query=text(home, sql))


def test_what_mappings_really_need_is_allowed(home: Home):
    home.write("more.csv", "account_id,industry\nA1,Retail\n")
    query = """
        WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY account_id) AS n FROM source)
        SELECT r.account_id, m.industry, (SELECT count(*) FROM more) AS n_more, tag
        FROM ranked r LEFT JOIN more m USING (account_id), unnest(['x']) t(tag) WHERE n = 1
    """
    landed = home.land(
        ["crm_accounts"],
        crm_accounts={
            **ACCOUNTS, "query": query, "tables": {"more": {"path": "more.csv"}},
            "where": "account_id <> 'A3' OR regexp_matches(account_id, '^A')",
            "columns": {
                "account_name": {"sql": "concat('Company ', upper(account_id)) -- as the CRM has it"},
                "industry": {"sql": "CASE WHEN industry ILIKE 'r%' THEN lower(industry) END"},
                "employees": {"sql": "list_sum(list_transform([1, 2], lambda x: x + 1))"},
            },
        },
    )["crm_accounts"]  # fmt: skip
    assert not landed.failed, landed.reason
    assert home.rows("crm_accounts", "account_id", "account_name", "industry") == [
        ("A1", "Company A1", "retail"), ("A2", "Company A2", None), ("A3", "Company A3", None),
    ]  # fmt: skip
