"""Every kind of bad input ends as a clear message or as a quarantined row with its reason; nothing else is lost."""

from __future__ import annotations

import pytest

from segmentation_assets.extracts.checking import check_sources
from segmentation_assets.extracts.sources import read_sources
from tests.extracts.home import ACCOUNTS, Home

HEADER = "subscription_id,start_date,account_id,mrr,currency,end_date,seats\n"
GOOD = "S0,2025-01-01,A1,100,USD,,5\n"


def refused(home: Home, extract: str = "billing_subscriptions") -> list[tuple[str, ...]]:
    rows = home.rows("quarantine", "extract", "key", "rule", "column_name", "value")
    return [row[1:] for row in rows if row[0] == extract]


@pytest.mark.parametrize(
    ("row", "key", "rule", "column", "value"),
    [
        ("S1,2025-01-01,A1,lots,USD,,5", "S1 | 2025-01-01", "mrr: must be a number", "mrr", "lots"),
        ("S1,31/12/2025,A1,1,USD,,5", "S1 | 31/12/2025", "start_date: must be a date (YYYY-MM-DD)", "start_date",
         "31/12/2025"),
        ("S1,2025-01-01,A1,1,USD,,-5", "S1 | 2025-01-01", "seats: greater_than_or_equal_to 0", "seats", "-5"),
        ("S1,2025-01-01,A1,nan,USD,,5", "S1 | 2025-01-01", "mrr: finite", "mrr", "nan"),
        ("S1,2025-01-01,A1,inf,USD,,5", "S1 | 2025-01-01", "mrr: finite", "mrr", "inf"),
        ("S1,2025-01-01,A1,1,XXX,,5", "S1 | 2025-01-01", "unknown currency", "currency", "XXX"),
        ("S1,2025-01-01,A1,1,usd,,5", "S1 | 2025-01-01", "currency: str_matches [A-Z]{3}$", "currency", "usd"),
        ("S1,2025-02-01,A1,1,USD,2025-01-01,5", "S1 | 2025-02-01", "end_after_start", None,
         "start_date=2025-02-01, end_date=2025-01-01"),
        ("S1,2025-02-01,A1,1,USD,2025-02-01,5", "S1 | 2025-02-01", "end_after_start", None,
         "start_date=2025-02-01, end_date=2025-02-01"),
        ("S1,2025-01-01,,1,USD,,5", "S1 | 2025-01-01", "account_id: not null", "account_id", None),
        ("S1,2025-01-01,A9,1,USD,,5", "S1 | 2025-01-01", "unknown account_id", "account_id", "A9"),
        (",2025-01-01,A1,1,USD,,5", "? | 2025-01-01", "subscription_id: not null", "subscription_id", None),
        ("S1,2025-01-01,A1,1,USD,,5.5", "S1 | 2025-01-01", "seats: must be a whole number", "seats", "5.5"),
        ("S1,2025-01-01,A1,1,USD,,1.000", "S1 | 2025-01-01", "seats: must be a whole number", "seats", "1.000"),
        ("S1,2025-01-01,A1,1,USD,infinity,5", "S1 | 2025-01-01", "end_date: must be a date (YYYY-MM-DD)", "end_date",
         "infinity"),
    ],
)  # fmt: skip
def test_a_bad_row_is_quarantined_with_its_reason(home, row, key, rule, column, value):
    home.write("subscriptions.csv", HEADER + GOOD + row + "\n")
    result = home.land()["billing_subscriptions"]
    assert (result.read, result.good, result.quarantined, result.failed) == (2, 1, 1, False)
    assert refused(home) == [(key, rule, column, value)]
    assert home.rows("billing_subscriptions", "subscription_id") == [("S0",)]


def test_above_the_allowed_share_nothing_is_published(home):
    home.share = 0.1
    home.write("subscriptions.csv", HEADER + GOOD)
    home.land()
    before = home.files()
    bad = "".join(f"B{i},2025-01-01,A1,{i + 1},USD,,-{i + 1}\n" for i in range(2))
    home.write("subscriptions.csv", HEADER + GOOD + bad)
    result = home.land()["billing_subscriptions"]
    assert result.failed
    assert "2 of 3 rows (66.7%), 3.00 of 103.00 a month (2.9%) break the contract; at most 10.0% may" in (
        result.reason or ""
    )
    assert "seats: greater_than_or_equal_to 0: 2 rows, e.g. -1 (B0 | 2025-01-01) in subscriptions.csv, row 2" in (
        result.reason or ""
    )
    assert home.files() == before
    assert (home.folder / "home/landing/refused/billing_subscriptions.parquet").exists()


def test_a_rule_over_the_row_names_its_key_alone(home):
    home.share = 0.1
    home.write("subscriptions.csv", HEADER + GOOD + GOOD)
    reason = home.land()["billing_subscriptions"].reason or ""
    assert "duplicate key: 1 row, e.g. S0 | 2025-01-01 in subscriptions.csv, row 2. Nothing" in reason


def test_exactly_the_allowed_share_passes(home):
    home.share = 0.5
    home.write("subscriptions.csv", HEADER + GOOD + "S1,2025-01-01,A1,-1,USD,,5\n")
    assert not home.land()["billing_subscriptions"].failed


def test_what_refers_to_a_failed_extract_is_left_as_it_was(home):
    home.share = 0.1
    home.land()
    before = home.files()
    home.write("crm_accounts.csv", "account_id,employees\nA1,-5\n")
    home.write("subscriptions.csv", HEADER + GOOD)
    results = home.land()
    assert results["crm_accounts"].failed
    assert results["billing_subscriptions"].reason == "its rows refer to crm_accounts, which failed"
    assert home.files() == before


def test_equal_duplicates_keep_one_and_different_ones_say_so(home):
    rows = [GOOD, GOOD, "S1,2025-01-01,A1,20,USD,,5\n", "S1,2025-01-01,A1,10,USD,,5\n"]
    home.write("subscriptions.csv", HEADER + "".join(rows))
    result = home.land()["billing_subscriptions"]
    assert (result.read, result.quarantined) == (4, 2)
    assert home.rows("billing_subscriptions", "subscription_id", "mrr") == [("S0", "100.0"), ("S1", "10.0")]
    assert [r[:2] for r in refused(home)] == [
        ("S0 | 2025-01-01", "duplicate key"),
        ("S1 | 2025-01-01", "duplicate key, other values"),
    ]
    assert "mrr=20.0" in refused(home)[1][3]


def test_lines_that_are_no_rows_are_counted_and_kept(home):
    home.write("subscriptions.csv", HEADER + GOOD + "S1,2025-01-01\nS2,2025-01-01,A1,1,USD,,5,too,many\n")
    result = home.land()["billing_subscriptions"]
    assert (result.read, result.good, result.quarantined) == (3, 1, 2)
    assert [r[1] for r in refused(home)] == ["unreadable line"] * 2
    assert "S1,2025-01-01" in refused(home)[0][3]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("﻿account_id,account_name\r\nA1,Zoë\r\n".encode(), {}),
        ("account_id;account_name\nA1;Zoë\n".encode("latin-1"), {"encoding": "latin-1"}),
        ("account_id\taccount_name\nA1\tZoë\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("account_id|account_name\nA1|Zoë\n".encode("cp1252"), {"encoding": "cp1252", "delimiter": "|"}),
        (b'"account_id","account_name"\n"A1","Zo\xc3\xab"', {}),
    ],
)
def test_marks_line_ends_delimiters_and_encodings(home, content, form):
    home.write("crm_accounts.csv", content)
    home.land(crm_accounts={"path": "crm_accounts.csv", "format": form})
    assert home.rows("crm_accounts", "account_id", "account_name") == [("A1", "Zoë")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("account_id,account_name\nA1,Zoë\n".encode("latin-1"), "set format: {encoding: latin-1}"),
        (b"", "the file is empty"),
        (b"id\nA1\n", "no column account_id for crm_accounts.account_id"),
        (b"acount_id\nA1\n", "did you mean acount_id?"),
        (b"account_id,account_id\nA1,A2\n", "two columns are called account_id"),
        (b"account_id,account_name\nA1,x\nA2,y\rz\n", "save it with one kind of line end"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_what_to_do(home, content, said):
    home.land()
    before = home.files()
    home.write("crm_accounts.csv", content)
    result = home.land()["crm_accounts"]
    assert result.failed
    assert said in (result.reason or "")
    assert "crm_accounts.csv" in (result.reason or "")
    assert home.files() == before


def test_a_missing_file_a_folder_and_a_broken_parquet_fail_with_what_to_do(home):
    home.write("broken.parquet", b"not parquet")
    (home.folder / "drops").mkdir()
    results = home.land(leads={"path": "no.csv"}, surveys={"path": "broken.parquet"}, gtm_spend={"path": "drops"})
    assert "no.csv: no such file; paths are relative to the folder of sources.yaml" in str(results["leads"].reason)
    assert "broken.parquet" in str(results["surveys"].reason)
    assert "name the files in it, e.g. drops/*.parquet" in str(results["gtm_spend"].reason)
    assert not results["billing_subscriptions"].failed


def test_a_header_alone_is_an_extract_without_rows(home):
    home.write("leads.csv", "lead_id,company\n")
    results = home.land(whole=True, leads={"path": "leads.csv"})
    assert (results["leads"].read, results["leads"].failed) == (0, False)
    assert home.rows("leads", "lead_id") == []
    assert home.rows("surveys", "response_id") == []  # not mapped: published without rows all the same


def places(home: Home, extract: str) -> list[tuple[str, ...]]:
    rows = home.rows("quarantine", "extract", "key", "source", "source_row")
    return [row[1:] for row in rows if row[0] == extract]


def test_a_refused_row_has_its_number_in_its_file(home):
    """Of two CSV files, one with a line break in quotes. The header is not counted, a line that is no row is."""
    first = 'account_id,account_name,employees\nA1,x,1\nA2,"two\nlines",some\nA3,x,y,z\nA4,x,many\n'
    home.write("accounts-1.csv", first)
    home.write("accounts-2.csv", "account_id,account_name,employees\nA5,x,few\n")
    home.write("leads.jsonl", '{"lead_id": "L1"}\n{"lead_id": "L2", "employees": "-1"}\n')
    home.land(crm_accounts={"path": "accounts-*.csv", "line_breaks": True}, leads={"path": "leads.jsonl"})
    assert places(home, "crm_accounts") == [
        ("A2", "accounts-1.csv", "2"),
        ("A4", "accounts-1.csv", "4"),
        ("A5", "accounts-2.csv", "1"),
        (None, "accounts-1.csv", "3"),
    ]
    assert places(home, "leads") == [("L2", "leads.jsonl", "2")]


def test_numbers_of_rows_hold_in_files_that_many_threads_read(home):
    count, bad = 400_000, {0, 123_456, 399_999}
    for name in ("a", "b"):
        lines = (f"{name}{i},{'none' if i in bad else i}\n" for i in range(count))
        home.write(f"big-{name}.csv", "account_id,employees\n" + "".join(lines))
    home.land(["crm_accounts"], crm_accounts={"path": "big-*.csv"})
    assert sorted(places(home, "crm_accounts")) == [
        (f"{name}{i}", f"big-{name}.csv", str(i + 1)) for name in ("a", "b") for i in sorted(bad)
    ]


def test_rows_of_parquet_are_numbered_and_those_of_a_query_are_not(home):
    import duckdb  # noqa: PLC0415 - one test writes a file with it

    rows = "SELECT 'A' || i AS account_id, CASE WHEN i = 7 THEN -1 ELSE i END AS employees FROM range(10) t(i)"
    duckdb.sql(f"COPY ({rows}) TO '{home.folder / 'accounts.parquet'}' (FORMAT parquet)")
    home.land(crm_accounts={"path": "accounts.parquet"})
    assert places(home, "crm_accounts") == [("A7", "accounts.parquet", "8")]
    home.land(crm_accounts={"path": "accounts.parquet", "query": "SELECT account_id, employees FROM source"})
    assert places(home, "crm_accounts") == [("A7", "accounts.parquet", None)]


def test_one_account_and_nothing_else(home):
    home.write("crm_accounts.csv", "account_id\nA1\n")
    results = home.land()
    assert (results["crm_accounts"].good, results["billing_subscriptions"].good) == (1, 1)


def test_signs_of_sql_in_names_and_values_are_only_text(home):
    nasty = "A'); DROP TABLE x; --"
    home.write('it\'s "here".csv', f'"acc""ount\'s",name\n"{nasty}","{nasty}"\n')
    home.land(
        crm_accounts={
            "path": 'it\'s "here".csv',
            "columns": {"account_id": "acc\"ount's", "account_name": "name", "industry": {"constant": "o'clock"}},
            "values": {"account_name": {nasty: 'it\'s "fine"'}},
        }
    )
    assert home.rows("crm_accounts", "account_id", "account_name", "industry") == [(nasty, 'it\'s "fine"', "o'clock")]


def test_a_merge_into_nobody_is_none_and_into_oneself_is_refused(home):
    home.write("crm_accounts.csv", "account_id,merged_into_account_id\nA1,\nA2,A1\nA3,A9\nA4,A4\n")
    home.land()
    assert [r[:2] for r in refused(home, "crm_accounts")] == [("A4", "not_merged_into_itself")]
    merged = home.rows("crm_accounts", "account_id", "merged_into_account_id")
    assert merged == [("A1", None), ("A2", "A1"), ("A3", None)]


def test_currencies_with_a_rate_are_known(home):
    home.write("fx.csv", "currency,valid_from,rate\nEUR,2025-01-01,1.1\n")
    home.write("subscriptions.csv", HEADER + "S1,2025-01-01,A1,1,EUR,,5\nS2,2025-01-01,A1,1,GBP,,5\n")
    home.land(fx_rates={"path": "fx.csv"})
    assert home.rows("billing_subscriptions", "subscription_id") == [("S1",)]


def test_time_without_an_account_is_internal(home):
    rows = "E1,C1,,2025-01-01,2\nE2,C1,A9,2025-01-01,2\nE3,C1,A1,2025-01-01,2\n"  # A9 is no account
    home.write("time.csv", "entry_id,csm_id,account_id,worked_on,hours\n" + rows)
    assert home.land(csm_time_entries={"path": "time.csv"})["csm_time_entries"].good == 3
    assert home.rows("csm_time_entries", "entry_id", "account_id") == [("E1", None), ("E2", None), ("E3", "A1")]


@pytest.mark.parametrize(("lost", "is_refused"), [("", False), ("A9", True)])
def test_a_ticket_that_nobody_assigned_is_no_fault_of_the_extract(home, lost, is_refused):
    """3 of 4 tickets have no account, or one that is not known."""
    lines = [f"T{n},{account},2025-01-0{n} 10:00:00" for n, account in enumerate([lost, lost, lost, "A1"], 1)]
    home.write("tickets.csv", "\n".join(["ticket_id,account_id,opened_at", *lines, ""]))
    home.share = 0.01
    landed = home.land(support_tickets={"path": "tickets.csv"})["support_tickets"]
    assert (landed.failed, landed.read, landed.quarantined) == (is_refused, 4, 3)
    if not is_refused:
        assert home.rows("support_tickets", "ticket_id") == [("T4",)]
        assert {r[1] for r in refused(home, "support_tickets")} == {"account_id: not null"}
    (problem,) = check_sources(read_sources(home.folder / "sources.yaml")) if not is_refused else [None]
    assert problem is None or (problem.is_warning and "these rows are left out" in problem.advice)


def test_accounts_text_is_kept_as_it_is(home):
    assert home.land()["crm_accounts"].good == len(ACCOUNTS.split()) - 1
