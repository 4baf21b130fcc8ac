"""Files as other people write them: what enters is what they meant, or the landing says where it is not clear."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date

import duckdb
import pyarrow as pa
import pytest

from tests.extracts.home import ACCOUNTS, Home

SUBSCRIPTIONS = "subscription_id,start_date,account_id,mrr,currency\n"
TICKETS = {"ticket_id": "id", "account_id": {"constant": "A1"}}


def mrr(home: Home) -> list[tuple[str, ...]]:
    return home.rows("billing_subscriptions", "subscription_id", "mrr")


# -- what is typed stays typed


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ({"column": "jahresbetrag", "divide_by": "12"}, ["100.05", "83.333333"]),
        ({"column": "jahresbetrag", "sql": "value / 12"}, ["100.05", "83.333333"]),
        ({"sql": "replace(replace(jahresbetrag, '.', ''), ',', '.')::DOUBLE / 12"}, ["100.05", "83.333333"]),
        ({"constant": "99.50"}, ["99.5", "99.5"]),
        ({"sql": "DATE '2024-03-01' - DATE '2024-02-01'"}, ["29.0", "29.0"]),
    ],
)
def test_the_format_is_about_text_of_the_file_alone(home, amount, said):
    """1.200,60 a year is 100.05 a month; 1.000,00 is 83.33. A constant and SQL are not read as German text."""
    home.write("subs.csv", "id;konto;beginn;jahresbetrag\nS1;A1;2024-01-01;1.200,60\nS2;A2;2024-01-01;1.000,00\n")
    home.land(
        billing_subscriptions={
            "path": "subs.csv",
            "format": {"decimal": ",", "thousands": "."},
            "columns": {
                "subscription_id": "id", "account_id": "konto", "start_date": "beginn", "mrr": amount,
                "currency": {"constant": "USD"},
            },
        }
    )  # fmt: skip
    assert [f"{float(value):.6f}".rstrip("0") for _, value in mrr(home)] == [
        f"{float(s):.6f}".rstrip("0") for s in said
    ]


def json_numbers(home: Home) -> dict:
    home.write("s.json", '[{"id": "S1", "mrr": 1234.5}, {"id": "S2", "mrr": "1.234,5"}]')
    return {"path": "s.json"}


def sqlite_numbers(home: Home) -> dict:
    import sqlite3  # noqa: PLC0415 - one way of several

    with sqlite3.connect(home.folder / "s.sqlite") as connection:
        connection.execute("CREATE TABLE s (id, mrr)")
        connection.executemany("INSERT INTO s VALUES (?, ?)", [("S1", 1234.5), ("S2", "1.234,5")])
    return {"sqlite": "s.sqlite", "table": "s"}


def parquet_numbers(home: Home) -> dict:
    duckdb.execute(f"COPY (SELECT 'S1' AS id, 1234.5 AS mrr) TO '{home.folder}/s1.parquet'")
    duckdb.execute(f"COPY (SELECT 'S2' AS id, 1234.5::DECIMAL(9, 2) AS mrr) TO '{home.folder}/s2.parquet'")
    return {"path": "s*.parquet"}


def excel_numbers(home: Home) -> dict:
    import xlsxwriter  # noqa: PLC0415

    with xlsxwriter.Workbook(home.folder / "s.xlsx") as book:
        sheet = book.add_worksheet()
        for row, values in enumerate([("id", "mrr"), ("S1", 1234.5), ("S2", "1.234,5")]):
            sheet.write_row(row, 0, values)
    return {"path": "s.xlsx"}


@pytest.mark.parametrize("place", [json_numbers, sqlite_numbers, parquet_numbers, excel_numbers])
def test_a_number_with_a_type_is_not_read_again_by_the_signs_of_texts(home, place):
    home.land(
        billing_subscriptions={
            **place(home),
            "format": {"decimal": ",", "thousands": "."},
            "columns": {
                "subscription_id": "id", "account_id": {"constant": "A1"}, "start_date": {"constant": "2024-01-01"},
                "currency": {"constant": "USD"},
            },
        }
    )  # fmt: skip
    assert mrr(home) == [("S1", "1234.5"), ("S2", "1234.5")]


def test_dates_with_a_type_are_not_read_by_the_format_of_texts(home):
    import xlsxwriter  # noqa: PLC0415

    with xlsxwriter.Workbook(home.folder / "s.xlsx") as book:
        sheet, day = book.add_worksheet("Subs"), book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.write_row(0, 0, ["Export of May"])
        sheet.write_row(1, 0, ["id", "since", "until"])
        sheet.write_row(2, 0, [17])
        sheet.write_datetime(2, 1, date(2024, 2, 3), day)
        sheet.write_string(2, 2, "31/12/2024")
        sheet.write_row(3, 0, ["Total"])
    home.land(
        billing_subscriptions={
            "path": "s.xlsx", "sheet": "Subs", "skip": 1, "skip_last": 1, "format": {"date_format": "%d/%m/%Y"},
            "columns": {
                "subscription_id": "id", "account_id": {"constant": "A1"}, "start_date": "since", "end_date": "until",
                "mrr": {"constant": "1"}, "currency": {"constant": "USD"},
            },
        }
    )  # fmt: skip
    outcome = home.rows("billing_subscriptions", "subscription_id", "start_date", "end_date")
    assert outcome == [("17", "2024-02-03", "2024-12-31")]


# -- formats of a column


def test_one_format_a_column_titles_totals_and_three_ways_of_writing_money(home):
    """cases/formats: Excel's `sep=` line, a title, a total, `-` for nothing."""
    home.write(
        "mixed.csv",
        "sep=;\nExport of 3 May 2024;;;\nid;opened;resolved;hours;amount\n"
        '1;03-05-2024;03-05-2024 14:05;"1,5";"$1,200.50"\n2;04-05-2024;;"0,25";"(50.00)"\n'
        '3;05-05-2024;05-05-2024 09:10;-;"1 200,50"\nTotal;;;1,75;\n',
    )
    tickets = {
        "path": "mixed.csv", "skip": 1, "skip_last": 1, "nulls": ["-"],
        "columns": {
            **TICKETS,
            "opened_at": {"column": "opened", "format": "%d-%m-%Y"},
            "resolved_at": {"column": "resolved", "format": "%d-%m-%Y %H:%M"},
            "handling_hours": {"column": "hours", "decimal": ","},
        },
    }  # fmt: skip
    costs = {"motion": "id", "month": {"constant": "2024-05-01"}, "currency": {"constant": "USD"}}
    spend = {
        "path": "mixed.csv",
        "skip": 1,
        "skip_last": 1,
        "columns": {**costs, "amount": {"column": "amount", "format": "money"}},
    }
    result = home.land(support_tickets=tickets, gtm_spend=spend)
    assert (result["support_tickets"].read, result["support_tickets"].quarantined) == (3, 0)
    assert home.rows("support_tickets", "ticket_id", "opened_at", "resolved_at", "handling_hours") == [
        ("1", "2024-05-03 00:00:00", "2024-05-03 14:05:00", "1.5"),
        ("2", "2024-05-04 00:00:00", None, "0.25"),
        ("3", "2024-05-05 00:00:00", "2024-05-05 09:10:00", None),
    ]
    with home.engine() as engine:
        amounts = home.typed_values(engine, "gtm_spend", "amount", spend)
    assert amounts == [1200.50, -50.00, 1200.50]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1200", 1200.0), ("$1,200.50", 1200.5), ("1.200,50 €", 1200.5), ("USD 1200.50", 1200.5),
        ("1'200.50", 1200.5),
        ("(50.00)", -50.0), ("50.00-", -50.0), ("-£50", -50.0), ("1 200", 1200.0), ("12,5", 12.5),
        ("about 12", None), ("12 or 13", None), ("", None),
    ],
)  # fmt: skip
def test_money_in_its_own_notation(home, text, read):
    home.write("s.csv", f'id,amount\n1,"{text}"\n')
    columns = {"motion": "id", "month": {"constant": "2024-05-01"}, "currency": {"constant": "USD"}}
    source = {"path": "s.csv", "columns": {**columns, "amount": {"column": "amount", "format": "money"}}}
    home.sources(gtm_spend=source)
    with home.engine() as engine:
        assert home.typed_values(engine, "gtm_spend", "amount", source) == [read]


@pytest.mark.parametrize(
    ("column", "form", "text"),
    [
        ("created", "epoch_ms", "1704067200000"), ("created", "epoch", "1704067200"), ("created", "excel", "45292"),
        ("created", "epoch_us", "1704067200000000"), ("created", "%d.%m.%Y", "01.01.2024"),
        ("created", None, "2024-01-01"),
    ],
)  # fmt: skip
def test_days_as_machines_count_them(home, column, form, text):
    home.write("a.csv", f"account_id,{column}\nA1,{text}\n")
    inputs = {"column": column, **({"format": form} if form else {})}
    home.land(crm_accounts={"path": "a.csv", "columns": {"created_on": inputs}})
    assert home.rows("crm_accounts", "created_on") == [("2024-01-01",)]


@pytest.mark.parametrize("text", ["epoch", "infinity", "now", "today"])
def test_words_that_an_engine_takes_for_days_are_none(home, text):
    home.write("a.csv", f"account_id,created_on\nA1,{text}\n")
    assert home.land(crm_accounts={"path": "a.csv"})["crm_accounts"].quarantined == 1


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2024-05-01T10:00:00-0500", "15"), ("2024-05-01T10:00:00-05:00", "15"), ("2024-05-01 10:00:00Z", "10")],
)
def test_offsets_of_both_kinds(home, text, hour):
    home.write("t.csv", f"id,opened_at\n1,{text}\n")
    home.land(support_tickets={"path": "t.csv", "columns": TICKETS})
    assert home.rows("support_tickets", "opened_at") == [(f"2024-05-01 {hour}:00:00",)]


@pytest.mark.parametrize(
    ("text", "people"),
    [("51-200", "125.5"), ("1001-5000", "3000.5"), ("10,001+", "10001.0"), ("17", "17.0"), ("", None)],
)
def test_employees_as_ranges_are_their_middle(home, text, people):
    home.write("a.csv", f'account_id,employees\nA1,"{text}"\n')
    home.land(crm_accounts={"path": "a.csv"})
    assert home.rows("crm_accounts", "employees") == [(people,)]


@pytest.mark.parametrize(("text", "flag"), [("on", "true"), ("Off", "false"), ("yes", "true"), ("0", "false")])
def test_flags_as_people_write_them(home, text, flag):
    home.write("a.csv", f"account_id,is_reference\nA1,{text}\n")
    home.land(crm_accounts={"path": "a.csv"})
    assert home.rows("crm_accounts", "is_reference") == [(flag,)]


# -- ids


@pytest.mark.parametrize("text", ["A1 ", " A1", "A1\u200b", "\ufeffA1", "A1\u00a0"])
def test_blanks_and_marks_without_width_around_an_id_do_not_count(home, text):
    home.write("subscriptions.csv", f'{SUBSCRIPTIONS}S1,2025-01-01,"{text}",10,USD\n')
    home.land()
    assert home.rows("billing_subscriptions", "account_id") == [("A1",)]


def test_an_id_is_the_same_composed_and_decomposed(home):
    home.write("crm_accounts.csv", "account_id\n\u00c5ngstr\u00f6m\n")
    home.write("subscriptions.csv", f"{SUBSCRIPTIONS}S1,2025-01-01,A\u030angstro\u0308m,10,USD\n")
    home.land()
    assert home.rows("billing_subscriptions", "account_id") == [("\u00c5ngstr\u00f6m",)]


# -- which rows


def test_a_row_filter_counts_what_it_leaves_out(home):
    """cases/trial_and_cancelled: with the filter ARR is 1,200, without it 3,600."""
    home.write(
        "subs.csv",
        "subscription_id,account_id,status,start_date,mrr,currency\nS1,A1,active,2024-01-01,100,USD\n"
        "S2,A2,trialing,2024-01-01,100,USD\nS3,A3,canceled,2024-01-01,100,USD\n",
    )
    landed = home.land(billing_subscriptions={"path": "subs.csv", "where": "status = 'active'"})[
        "billing_subscriptions"
    ]
    assert (landed.read, landed.left_out) == (1, 2)
    assert mrr(home) == [("S1", "100.0")]


def test_a_filter_that_names_no_column_says_so(home):
    reason = home.land(crm_accounts={"path": "crm_accounts.csv", "where": "stage = 1"})["crm_accounts"].reason or ""
    assert "where:" in reason
    assert "it names columns of the source" in reason


def test_of_a_history_table_the_newest_row_of_each_key_counts(home):
    home.write(
        "a.csv",
        "account_id,country,changed\nA1,US,2024-01-02\nA1,DE,2024-03-01\nA1,FR,2023-12-31\nA2,US,2024-01-01\n",
    )
    home.land(crm_accounts={"path": "a.csv", "newest_by": "changed"})
    assert home.rows("crm_accounts", "account_id", "country") == [("A1", "DE"), ("A2", "US")]


def test_a_query_over_several_files_lands_again_when_one_of_them_changes(home):
    source = {
        "path": "subs.csv",
        "tables": {"plans": {"path": "more/plans.csv"}},
        "query": "SELECT s.*, p.product FROM source s LEFT JOIN plans p USING (plan)",
    }
    home.write("subs.csv", "subscription_id,start_date,account_id,mrr,currency,plan\nS1,2025-01-01,A1,10,USD,team\n")
    home.write("more/plans.csv", "plan,product\nteam,core\n")
    home.land(billing_subscriptions=source)
    assert home.rows("billing_subscriptions", "product") == [("core",)]
    home.write("more/plans.csv", "plan,product\nteam,core plus\n")
    home.land(billing_subscriptions=source)
    assert home.rows("billing_subscriptions", "product") == [("core plus",)]


def test_inclusive_ends_are_moved_by_a_day(home):
    home.write(
        "subs.csv",
        "subscription_id,account_id,start_date,end_date,mrr,currency\nC1,A1,2023-01-01,2023-12-31,100,USD\n"
        "C2,A1,2024-01-01,,120,USD\nC3,A2,2024-05-05,2024-05-05,1,USD\n",
    )
    home.land(billing_subscriptions={"path": "subs.csv", "ends": "last_day"})
    assert home.rows("billing_subscriptions", "subscription_id", "end_date") == [
        ("C1", "2024-01-01"), ("C2", None), ("C3", "2024-05-06"),
    ]  # fmt: skip


def test_a_raw_event_log_is_summed_by_day_of_the_company(home):
    """cases/event_log: 23:30 two hours west of UTC is 01:30 of the next day."""
    home.write(
        "events.csv",
        "ts,user,account,event\n2024-05-01T09:00:00Z,u1,A1,export\n2024-05-01T09:00:00Z,u1,A1,export\n"
        "2024-05-01T23:30:00-02:00,u1,A1,login\n2024-05-02T08:00:00Z,u2,A1,export\n",
    )
    columns = {"user_id": "user", "account_id": "account", "usage_date": "ts", "feature": "event"}
    home.land(product_usage={"path": "events.csv", "rows_are": "events", "columns": columns})
    assert home.rows("product_usage", "user_id", "usage_date", "feature", "event_count") == [
        ("u1", "2024-05-01", "export", "2"),
        ("u1", "2024-05-02", "login", "1"),
        ("u2", "2024-05-02", "export", "1"),
    ]


# -- packed files


def packed_gz(text: bytes) -> tuple[str, bytes]:
    return "a.csv.gz", gzip.compress(text)


def packed_zip(text: bytes) -> tuple[str, bytes]:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", text)
    return "a.csv.zip", target.getvalue()


def packed_zst(text: bytes) -> tuple[str, bytes]:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    return "a.csv.zst", sink.getvalue().to_pybytes()


@pytest.mark.parametrize("pack", [packed_gz, packed_zip, packed_zst])
def test_packed_files_are_read_and_those_cut_off_are_refused(home, pack):
    rows = "".join(f"B{i},Account number {i * i}\n" for i in range(3000))
    name, content = pack(f"account_id,account_name\n{rows}".encode())
    home.write(name, content)
    assert home.land(["crm_accounts"], crm_accounts={"path": name})["crm_accounts"].good == 3000
    home.write(name, content[: len(content) // 2])
    landed = home.land(["crm_accounts"], crm_accounts={"path": name})["crm_accounts"]
    assert landed.failed
    assert "deliver it again" in (landed.reason or "").lower()
    assert len(home.rows("crm_accounts", "account_id")) == 3000


# -- rows that vanish


def many(count: int, broken: int | None = None, quote: str = '"') -> str:
    rows = (f"S{i},2024-01-01,{quote if i == broken else ''}A1,10,USD\n" for i in range(count))
    return SUBSCRIPTIONS + "".join(rows)


@pytest.mark.parametrize("broken", [0, 1234, 4999])
def test_an_unclosed_quote_swallows_no_rows(home, broken):
    """Line 1 names the columns, so row `broken`, counted from 0, stands on line broken + 2."""
    home.write("subscriptions.csv", many(5000, broken))
    landed = home.land()["billing_subscriptions"]
    assert landed.failed or landed.good + landed.quarantined == 5000
    if landed.failed:
        assert f"line {broken + 2}: a quote is open at the end of the line" in (landed.reason or "")
        assert "line_breaks: true" in (landed.reason or "")


def test_two_unclosed_quotes_are_no_text_with_line_breaks(home):
    rows = (
        many(100)
        .replace("S10,2024-01-01,A1", 'S10,2024-01-01,"A1')
        .replace("S20,2024-01-01,A1", 'S20,2024-01-01,A1"')
    )
    home.write("subscriptions.csv", rows)
    landed = home.land()["billing_subscriptions"]
    assert landed.failed
    assert "line 12" in (landed.reason or "")


def test_declared_line_breaks_are_counted(home):
    home.write("a.csv", 'account_id,account_name\nA1,"two\nlines"\nA2,x\nA3,"three\n\nlines"\n')
    assert "line 2: a quote is open" in (home.land(crm_accounts={"path": "a.csv"})["crm_accounts"].reason or "")
    landed = home.land(crm_accounts={"path": "a.csv", "line_breaks": True})["crm_accounts"]
    assert (landed.good, landed.failed) == (3, False)


@pytest.mark.parametrize("blank", ["\n", "\r\n"])
def test_blank_lines_above_the_header_are_no_header(home, blank):
    home.write("crm_accounts.csv", blank + ACCOUNTS.replace("\n", blank.lstrip("\n") or "\n"))
    home.land()
    assert home.rows("crm_accounts", "account_id") == [("A1",), ("A2",), ("A3",)]


def test_names_that_landing_needs_for_itself_are_refused(home):
    home.write("a.json", '[{"account_id": "A1", "_landing_file": "x"}, {"account_id": "A2", "_landing_file": "x"}]')
    reason = home.land(crm_accounts={"path": "a.json"})["crm_accounts"].reason or ""
    assert "a column is called _landing_file" in reason


def test_a_file_cut_off_in_its_last_line_is_refused_until_somebody_accepts_it(home):
    home.write("subscriptions.csv", many(50))
    home.land()
    home.write("subscriptions.csv", many(60)[:-9])  # the last line lacks its currency
    landed = home.land()["billing_subscriptions"]
    assert landed.failed
    assert "cut off on the way" in (landed.reason or "")
    assert "segmentation run --accept billing_subscriptions" in (landed.reason or "")
    assert len(mrr(home)) == 50
    home.accept("billing_subscriptions")
    assert not home.land()["billing_subscriptions"].failed


def test_a_file_without_a_last_line_end_is_fine_where_it_never_had_one(home):
    home.write("subscriptions.csv", many(5).rstrip("\n"))
    assert home.land()["billing_subscriptions"].good == 5
    home.write("subscriptions.csv", many(6).rstrip("\n"))
    assert home.land()["billing_subscriptions"].good == 6


# -- money that vanishes


def test_one_refused_row_with_most_of_the_money_fails_the_extract(home):
    """cases/money_refused: one key twice, 100 and 90,000. 1 of 301 rows, 90,000 of 120,000 a month: 75 %."""
    home.share = 0.01
    rows = "".join(f"S{i},2024-01-01,A1,100,USD\n" for i in range(300))
    home.write("subscriptions.csv", f"{SUBSCRIPTIONS}{rows}S0,2024-01-01,A1,90000,USD\n")
    landed = home.land()["billing_subscriptions"]
    assert landed.failed
    assert "1 of 301 rows (0.3%), 90,000.00 of 120,000.00 a month (75.0%) break the contract" in (landed.reason or "")


def test_an_extract_may_have_a_share_of_its_own(home):
    home.share = 0.01
    home.write("t.csv", "ticket_id,account_id,opened_at\n1,A1,2024-01-01\n2,A9,2024-01-01\n")
    assert home.land(support_tickets={"path": "t.csv"})["support_tickets"].failed
    landed = home.land(support_tickets={"path": "t.csv", "max_quarantine_share": 0.5})["support_tickets"]
    assert (landed.good, landed.quarantined) == (1, 1)


@pytest.mark.parametrize("smaller", [many(70), many(100).replace(",10,USD", ",7,USD")], ids=["rows", "money"])
def test_a_delivery_that_shrank_waits_for_a_yes(home, smaller):
    home.write("subscriptions.csv", many(100))
    home.land()
    home.write("subscriptions.csv", smaller)
    reason = home.land()["billing_subscriptions"].reason or ""
    assert "(-30%)" in reason
    assert "segmentation run --accept billing_subscriptions" in reason
    home.accept("billing_subscriptions")
    assert not home.land()["billing_subscriptions"].failed
    home.write("subscriptions.csv", many(20))  # another delivery: the yes was not for this one
    assert home.land()["billing_subscriptions"].failed


def test_snapshots_are_whole_drops(home):
    home.write("b/2024-01-31.csv", SUBSCRIPTIONS + "S1,2023-01-01,A1,100,USD\nS2,2023-01-01,A2,70,USD\n")
    home.write("b/2024-02-29.csv", SUBSCRIPTIONS + "S1,2023-01-01,A1,150,USD\n")
    home.land(billing_subscriptions={"path": "b/*.csv", "drops": "snapshots"})
    assert home.rows("billing_subscriptions", "subscription_id", "mrr", "known_from", "known_to") == [
        ("S1", "100.0", "0001-01-01", "2024-02-29"),
        ("S1", "150.0", "2024-02-29", "9999-12-31"),
        ("S2", "70.0", "0001-01-01", "2024-02-29"),
    ]


def test_many_words_are_translated_like_few(home: Home):
    """Above a hundred words the engine gets them as rows: absent words stay, words for nothing become null."""
    words = {f"w{n}": f"W{n}" for n in range(1, 150)} | {"none": None, "quo'te": "o'k"}
    rows = ["w1", "w149", "other", "none", "quo'te", ""]
    home.minimal()
    home.write("a.csv", "account_id,industry\n" + "".join(f"A{n},{word}\n" for n, word in enumerate(rows)))
    home.land(["crm_accounts"], crm_accounts={"path": "a.csv", "values": {"industry": words}})
    industries = [value for _, value in sorted(home.rows("crm_accounts", "account_id", "industry"))]
    assert [value if isinstance(value, str) else None for value in industries] == [
        "W1",
        "W149",
        "other",
        None,
        "o'k",
        None,
    ]
