"""Extracts from a real Postgres server: what its types become, chunks, a reader's rights, and what goes wrong."""

from __future__ import annotations

import psycopg
import pytest

from segmentation_assets.extracts import reading
from segmentation_assets.extracts.checking import check_sources
from segmentation_assets.extracts.sources import read_sources
from tests.extracts.home import Home

COMPANY = """
CREATE ROLE reader LOGIN PASSWORD 'hidden';
CREATE SCHEMA billing;
CREATE TABLE accounts (id text, name varchar(40), staff integer, turnover numeric(14, 2), reference boolean,
  since date);
INSERT INTO accounts VALUES
  ('A1', 'Zoë & Sons', 120, 1234567.89, true, '2024-02-29'), ('A2', NULL, NULL, NULL, NULL, NULL),
  ('A3', 'many', -5, 1, false, NULL);
CREATE TABLE billing.subscriptions (id bigint, account_id text, starts_on date, ends_on date, amount_cents bigint,
  currency char(3), is_test boolean);
INSERT INTO billing.subscriptions VALUES
  (1, 'A1', '2025-01-01', NULL, 125050, 'usd', false), (2, 'A2', '2025-02-01', '2025-06-01', 9900, 'usd', false),
  (3, 'A9', '2025-02-01', NULL, 100, 'usd', false), (4, 'A1', '2025-02-01', NULL, 100, 'usd', true);
CREATE TABLE tickets (id uuid, account_id text, opened timestamptz);
INSERT INTO tickets VALUES ('00000000-0000-0000-0000-000000000001', 'A1', '2025-03-01 23:30:00-05');
GRANT USAGE ON SCHEMA billing TO reader;
GRANT SELECT ON accounts, billing.subscriptions, tickets TO reader;
"""
ACCOUNTS = {
    "postgres": "COMPANY_DATABASE",
    "table": "public.accounts",
    "columns": {
        "account_id": "id", "account_name": "name", "employees": "staff", "annual_revenue": "turnover",
        "is_reference": "reference", "created_on": "since",
    },
}  # fmt: skip
SUBSCRIPTIONS = {
    "postgres": "COMPANY_DATABASE",
    "query": "select id, account_id, starts_on, ends_on, amount_cents / 100.0 as mrr, upper(currency) as currency "
    "from billing.subscriptions where not is_test",
    "columns": {"subscription_id": "id", "start_date": "starts_on", "end_date": "ends_on"},
}
TICKETS = {
    "postgres": "COMPANY_DATABASE", "table": "tickets", "columns": {"ticket_id": "id", "opened_at": "opened"},
}  # fmt: skip


@pytest.fixture(scope="module")
def company(postgres_server: str) -> str:
    """The connection string of the owner of a database with three tables."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(COMPANY)  # type: ignore[arg-type]  # several statements at once
    return postgres_server


@pytest.fixture
def reader(company: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection string of somebody who may only read, in the environment as a mapping names it."""
    address = company.replace("owner@", "reader:hidden@")
    monkeypatch.setenv("COMPANY_DATABASE", address)
    return address


@pytest.mark.usefixtures("reader")
def test_a_table_and_a_query_land_with_their_types_and_bad_rows_are_refused(home: Home):
    results = home.land(crm_accounts=ACCOUNTS, billing_subscriptions=SUBSCRIPTIONS, support_tickets=TICKETS)
    assert {name: (r.read, r.good, r.reason) for name, r in results.items()} == {
        "crm_accounts": (3, 2, None), "billing_subscriptions": (3, 2, None), "support_tickets": (1, 1, None),
    }  # fmt: skip
    columns = ("account_id", "account_name", "employees", "annual_revenue", "is_reference", "created_on")
    assert home.rows("crm_accounts", *columns) == [
        ("A1", "Zoë & Sons", "120.0", "1234567.89", "true", "2024-02-29"),
        ("A2", None, None, None, None, None),
    ]
    assert home.rows("billing_subscriptions", "subscription_id", "account_id", "mrr", "end_date") == [
        ("1", "A1", "1250.5", None), ("2", "A2", "99.0", "2025-06-01"),
    ]  # fmt: skip
    assert home.rows("support_tickets", "opened_at") == [("2025-03-02 04:30:00",)]  # UTC
    assert home.rows("quarantine", "extract", "key", "source", "source_row", "rule", "value") == [
        ("billing_subscriptions", "3 | 2025-02-01", "COMPANY_DATABASE:query", None, "unknown account_id", "A9"),
        (
            "crm_accounts", "A3", "COMPANY_DATABASE:public.accounts", None,
            "employees: greater_than_or_equal_to 0", "-5",
        ),
    ]  # fmt: skip


def test_it_is_asked_anew_every_time_and_read_in_chunks(
    home: Home, company: str, reader: str, monkeypatch: pytest.MonkeyPatch
):
    assert reader
    monkeypatch.setattr(reading, "_CHUNK", 2)
    assert home.land(["crm_accounts"], crm_accounts=ACCOUNTS)["crm_accounts"].read == 3
    with psycopg.connect(company, autocommit=True) as connection:
        connection.execute("INSERT INTO accounts SELECT 'B' || i FROM generate_series(1, 4) i")
        try:
            assert home.land(["crm_accounts"], crm_accounts=ACCOUNTS)["crm_accounts"].read == 7
        finally:
            connection.execute("DELETE FROM accounts WHERE id LIKE 'B%'")
    assert ("B4",) in home.rows("crm_accounts", "account_id")


def test_what_goes_wrong_is_told_without_the_password_and_leaves_what_stands(
    home: Home, company: str, reader: str, monkeypatch: pytest.MonkeyPatch
):
    home.land(crm_accounts=ACCOUNTS, billing_subscriptions=SUBSCRIPTIONS)
    before = home.files()
    with psycopg.connect(company, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS secrets (id text)")
    for inputs, said in [
        ({**ACCOUNTS, "table": "no_such_table"}, 'relation "no_such_table" does not exist'),
        ({**ACCOUNTS, "table": "secrets"}, "permission denied for table secrets"),
        ({**ACCOUNTS, "columns": {"account_id": "key"}}, "no column key for crm_accounts.account_id"),
    ]:
        result = home.land(["crm_accounts"], crm_accounts=inputs)["crm_accounts"]
        assert result.failed
        assert said in str(result.reason)
    (problem,) = check_sources(read_sources(home.sources(crm_accounts={**ACCOUNTS, "table": "no_such_table"})))
    assert 'relation "no_such_table" does not exist' in str(problem)
    monkeypatch.setenv("COMPANY_DATABASE", reader.replace("/postgres?", "/nowhere?"))
    lost = str(home.land(["crm_accounts"], crm_accounts=ACCOUNTS)["crm_accounts"].reason)
    assert 'database "nowhere" does not exist' in lost
    assert "hidden" not in lost
    assert home.files() == before
