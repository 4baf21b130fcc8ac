"""Each mapping problem is told with file, column, expected type, an example and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from segmentation_assets.extracts.checking import Problem, check_sources, examine
from segmentation_assets.extracts.sources import read_sources
from tests.extracts.home import Home


def problems(home: Home, **extracts) -> list[Problem]:
    return check_sources(read_sources(home.sources(**extracts)))


def test_good_sources_have_none(home):
    assert problems(home) == []


@pytest.mark.parametrize(
    ("header", "value", "column", "expected", "advice"),
    [
        ("employees", "ten", "employees", "a number", "under values"),
        ("employees", "1.200", "employees", "a number", 'set format: {thousands: ".", decimal: ","}'),
        ("employees", '"1,200"', "employees", "a number", 'set format: {thousands: ","}'),
        ("annual_revenue", '"1.200,50"', "annual_revenue", "a number", 'set format: {decimal: ",", thousands: "."}'),
        ("created_on", "31/12/2025", "created_on", "a date (YYYY-MM-DD)", 'set format: {date_format: "%d/%m/%Y"}'),
        ("created_on", "12/31/2025", "created_on", "a date (YYYY-MM-DD)", 'set format: {date_format: "%m/%d/%Y"}'),
        ("created_on", "31.12.2025", "created_on", "a date (YYYY-MM-DD)", 'set format: {date_format: "%d.%m.%Y"}'),
        ("is_reference", "maybe", "is_reference", "true or false", "{is_reference: {maybe: true}}"),
        ("business_model", "Enterprise", "business_model", "one of b2b, b2c, b2b2c, marketplace, linear",
         "translate it under values: {business_model: {Enterprise: ...}}, each to one of ours"),
    ],
)  # fmt: skip
def test_values_that_the_column_cannot_take(home, header, value, column, expected, advice):
    home.write("crm_accounts.csv", f"account_id,{header}\nA1,{value}\nA2,{value}\n")
    (result,) = problems(home)
    assert (result.extract, result.file, result.column, result.expected) == (
        "crm_accounts",
        "crm_accounts.csv",
        column,
        expected,
    )
    assert result.example == value.strip('"')
    assert advice in result.advice
    assert f"crm_accounts.{column}: crm_accounts.csv: 2 of 2 values" in str(result)


def test_the_advice_works(home):
    home.write("crm_accounts.csv", "account_id;annual_revenue;created_on\nA1;1.200,50;31/12/2025\n")
    form = {"decimal": ",", "thousands": ".", "date_format": "%d/%m/%Y"}
    inputs = {"path": "crm_accounts.csv", "format": form}
    assert problems(home, crm_accounts=inputs) == []
    home.land(crm_accounts=inputs)
    assert home.rows("crm_accounts", "annual_revenue", "created_on") == [("1200.5", "2025-12-31")]


def test_columns_that_are_not_there(home):
    home.write("subscriptions.csv", "subscription_id,start,account_id,amount,currency\nS1,2025-01-01,A1,1,USD\n")
    inputs = {"path": "subscriptions.csv", "columns": {"mrr": "amout"}}
    result = {p.column: p for p in problems(home, billing_subscriptions=inputs)}
    assert set(result) == {"start_date", "mrr"}
    assert "did you mean amount?" in result["mrr"].problem
    assert "subscription_id, start, account_id, amount, currency" in result["start_date"].advice
    assert result["mrr"].place.endswith("sources.yaml:4")


def test_files_encodings_and_lines(home):
    home.write("leads.csv", "lead_id,company\nL1,Zoë\n".encode("latin-1"))
    home.write(
        "late.csv",
        b"lead_id,company\n" + b"".join(b"L%d,x\n" % n for n in range(9000)) + "L,Zoë\n".encode("latin-1") * 200,
    )
    home.write("goals.csv", "account_id,goal\nA1,roi,now\nA1,time\n")
    result = problems(
        home, leads={"path": "leads.csv"}, success_goals={"path": "goals.csv"}, surveys={"path": "none.csv"}
    )
    assert [(p.extract, p.file) for p in result] == [
        ("surveys", "none.csv"), ("success_goals", "goals.csv"), ("leads", "leads.csv"),
    ]  # fmt: skip
    assert "encoding: latin-1" in result[2].advice
    assert "A1,roi,now" in str(result[1].example)
    (late,) = problems(home, leads={"path": "late.csv"})
    assert "encoding: latin-1" in late.advice


def test_required_columns_that_are_empty_and_extracts_without_rows(home):
    home.write("crm_accounts.csv", "account_id\n")
    home.write("subscriptions.csv", "subscription_id,start_date,account_id,mrr,currency\nS1,2025-01-01,A1,,USD\n")
    result = problems(home)
    assert [(p.extract, p.column, p.problem, p.is_warning) for p in result] == [
        ("crm_accounts", None, "there are no rows", True),
        ("billing_subscriptions", "mrr", "1 of 1 values are missing", False),
        (
            "billing_subscriptions",
            "account_id",
            "1 of 1 rows have an account_id that crm_accounts does not have",
            False,
        ),
    ]


def test_a_header_alone_is_a_warning_for_every_extract_but_usage_where_it_says_that_nobody_used_anything(home):
    home.write("leads.csv", "lead_id\n")
    home.write("users.csv", "user_id,account_id\nU1,A1\n")
    home.write("usage.csv", "user_id,usage_date,feature,account_id,event_count\n")
    (result,) = problems(
        home, leads={"path": "leads.csv"}, product_users={"path": "users.csv"}, product_usage={"path": "usage.csv"}
    )
    assert (result.extract, result.is_warning) == ("leads", True)
    assert result.advice == "if there should be rows, export it again"


def test_an_expression_that_the_engine_refuses(home):
    inputs = {"path": "crm_accounts.csv", "columns": {"industry": {"sql": "nothing + 1"}}}
    (result,) = problems(home, crm_accounts=inputs)
    assert (result.column, "nothing" in result.problem) == ("industry", True)


def test_a_few_bad_values_are_a_matter_of_rows(home):
    home.write("crm_accounts.csv", "account_id,employees\n" + "".join(f"A{i},1\n" for i in range(200)) + "A,x\n")
    (few,) = problems(home)
    assert few.is_warning
    assert few.problem == "1 of 201 rows would be refused (employees: must be a number 1, e.g. 'x' in row 201)"


BILLING = "subscription_id,start_date,end_date,account_id,mrr,currency,seats,updated\n"


def written(problem: Problem) -> dict[str, Any]:
    """What the advice says to write into the mapping, as YAML."""
    keys = "columns|values|nulls|format|ends|where|distinct|newest_by|rows_are"
    lines = re.findall(rf"(?:write|set|under) ((?:{keys})[^;]*?)(?=$|;|, or |, each)", problem.advice)
    return {key: value for line in lines for key, value in yaml.safe_load(line).items()}


@pytest.mark.parametrize(
    ("rows", "column", "problem", "line"),
    [
        ("S1,2025-01-01,,A1,5,usd,,", "currency", "1 of 1 values are not currency codes",
         {"columns": {"currency": {"sql": "upper(currency)"}}}),
        ("S1,2025-01-01,,A1,5,$,,", "currency", "1 of 1 values are not currency codes",
         {"values": {"currency": {"$": "USD"}}}),
        ("S1,2025-01-01,2025-01-01,A1,5,USD,,", None, "1 of 1 rows end on the day they start: they bill nothing",
         {"ends": "last_day", "where": "end_date IS NULL OR end_date > start_date"}),
        ("S1,2025-01-01,,A1,5,USD,,2\nS1,2025-01-01,,A1,7,USD,,1", None,
         "1 of 2 rows repeat the key of another (subscription_id, start_date) with other values",
         {"newest_by": "updated"}),
        ("S1,2025-01-01,,A1,5,USD,,\nS1,2025-01-01,,A1,5,USD,,", None,
         "1 of 2 rows are repeated (subscription_id, start_date)", {"distinct": True}),
        ("S1,2025-01-01,,A1,5,USD,-3,", "seats", "1 of 1 values are out of bounds",
         {"columns": {"seats": {"column": "seats", "sql": "-value"}}}),
        ("S1,2025-01-01,N/A,A1,5,USD,-,", "seats", "1 of 1 values cannot be read", {"nulls": ["-"]}),
    ],
)  # fmt: skip
def test_each_rule_that_would_refuse_comes_with_the_line_that_mends_it(home, rows, column, problem, line):
    home.write("subscriptions.csv", BILLING + rows + "\n")
    result = [p for p in problems(home) if p.column == column and not p.is_warning]
    assert [p.problem for p in result] == [problem]
    assert written(result[0]) == line


@pytest.mark.parametrize(
    ("name", "texts", "line"),
    [
        ("created_on", ["1735689600", "1735776000"],
         {"columns": {"created_on": {"column": "created_on", "format": "epoch"}}}),
        ("created_on", ["1735689600000"],
         {"columns": {"created_on": {"column": "created_on", "format": "epoch_ms"}}}),
        ("created_on", ["20250131", "20250201"], {"format": {"date_format": "%Y%m%d"}}),
        ("created_on", ["45658"], {"columns": {"created_on": {"column": "created_on", "format": "excel"}}}),
        ("created_on", ["N/A", "2025-01-31"], {"nulls": ["N/A"]}),
        ("created_on", ["01/02/2025", "01/13/2025"], {"format": {"date_format": "%m/%d/%Y"}}),
        ("created_on", ["3 Feb 2025"], {"format": {"date_format": "%d %b %Y"}}),
        ("annual_revenue", ["$1,200.50", "300 EUR", "1 200,50"],
         {"columns": {"annual_revenue": {"column": "annual_revenue", "format": "money"}}}),
        ("annual_revenue", ["1 200", "12 000"], {"format": {"thousands": " "}}),
    ],
)  # fmt: skip
def test_the_advice_comes_from_all_values_and_works(home, name, texts, line):
    rows = "".join(f'A{n},"{text}"\n' for n, text in enumerate(texts, 1))
    home.write("crm_accounts.csv", f"account_id,{name}\n{rows}")
    (bad,) = [p for p in problems(home) if not p.is_warning and p.extract == "crm_accounts"]
    assert written(bad) == line
    assert [p for p in problems(home, crm_accounts={"path": "crm_accounts.csv", **line}) if p.column == name] == []


def test_a_format_that_is_set_and_does_not_fit_is_not_advised_again(home):
    home.write("crm_accounts.csv", "account_id,created_on\nA1,31.12.2025\n")
    inputs = {"path": "crm_accounts.csv", "format": {"date_format": "%d-%m-%Y"}}
    (bad,) = problems(home, crm_accounts=inputs)
    assert written(bad) == {"columns": {"created_on": {"column": "created_on", "format": "%d.%m.%Y"}}}
    home.write("crm_accounts.csv", "account_id,created_on\nA1,31-31-2025\n")
    (bad,) = problems(home, crm_accounts=inputs)
    assert "date_format is %d-%m-%Y, which does not read '31-31-2025'" in bad.advice


def test_words_of_other_systems_are_translated_by_what_they_mean(home):
    rows = "".join(f"T{n},A1,2025-01-01,{word}\n" for n, word in enumerate(["Medium", "P1", "low", "whatever"]))
    home.write("tickets.csv", "ticket_id,account_id,opened_at,priority\n" + rows)
    (bad,) = problems(home, support_tickets={"path": "tickets.csv"})
    assert bad.problem == "3 of 4 values are not known"
    assert written(bad) == {"values": {"priority": {"Medium": "normal", "P1": "urgent", "whatever": "..."}}}


def test_references_that_nobody_knows(home):
    home.write("crm_accounts.csv", "account_id,merged_into_account_id\nA1,\nA2,A9\n")
    home.write("subscriptions.csv", BILLING + "S1,2025-01-01,,A7,5,EUR,,\n")
    merged, account, currency = problems(home)
    assert (merged.is_warning, merged.problem) == (
        True, "1 of 2 rows name an account that crm_accounts does not have",
    )  # fmt: skip
    assert (account.is_warning, account.problem, account.example) == (
        False, "1 of 1 rows have an account_id that crm_accounts does not have", "A7",
    )  # fmt: skip
    assert "reporting_currency: EUR" in currency.advice


def test_a_quote_that_nothing_closes_on_the_last_line_is_named(home):
    home.write("leads.csv", 'lead_id,company\nL1,a\nL2,"b\n')
    (bad,) = problems(home, leads={"path": "leads.csv"})
    assert "line 3 of leads.csv opens a quote that is never closed" in bad.problem
    assert "close the quote" in bad.advice
    assert "delimiter" not in bad.advice


def test_utf_16_is_advised_where_it_is_utf_16(home):
    home.write("leads.csv", "lead_id,company\nL1,Zoë\n".encode("utf-16"))
    (bad,) = problems(home, leads={"path": "leads.csv"})
    assert "encoding: utf-16}" in bad.advice
    assert problems(home, leads={"path": "leads.csv", "format": {"encoding": "utf-16"}}) == []


def test_the_mapping_as_it_is_understood(home):
    home.write("crm_accounts.csv", "Id,industry,Notes,a,b\nA1,x,y,1,2\n")
    columns = {"account_id": "Id", "employees": {"sql": "TRY_CAST(a AS DOUBLE)"}, "country": {"constant": "US"}}
    accounts, _ = examine(
        read_sources(home.sources(crm_accounts={"path": "crm_accounts.csv", "columns": columns}))
    ).mappings
    assert (accounts.extract, accounts.file, accounts.rows) == ("crm_accounts", "crm_accounts.csv", 1)
    assert accounts.columns == {
        "account_id": "Id", "employees": "SQL TRY_CAST(a AS DOUBLE)", "industry": "industry",
        "country": "constant 'US'",
    }  # fmt: skip
    assert accounts.unused == ("Notes", "b")
    assert "domain" in accounts.empty
