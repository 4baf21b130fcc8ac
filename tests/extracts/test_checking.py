"""Each mapping problem is told with file, column, expected type, an example and what to do."""

from __future__ import annotations

import pytest

from segmentation_assets.extracts.checking import Problem, check_sources
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
         "translate it under values: {business_model: {Enterprise: b2b}}"),
    ],
)  # fmt: skip
def test_values_that_the_column_cannot_take(home, header, value, column, expected, advice):
    home.write("crm_accounts.csv", f"account_id,{header}\nA1,{value}\nA2,{value}\n")
    (found,) = problems(home)
    assert (found.extract, found.file, found.column, found.expected) == (
        "crm_accounts",
        "crm_accounts.csv",
        column,
        expected,
    )
    assert found.example == value.strip('"')
    assert advice in found.advice
    assert f"crm_accounts.{column}: crm_accounts.csv: 2 of 2 values" in str(found)


def test_the_advice_works(home):
    home.write("crm_accounts.csv", "account_id;annual_revenue;created_on\nA1;1.200,50;31/12/2025\n")
    form = {"decimal": ",", "thousands": ".", "date_format": "%d/%m/%Y"}
    given = {"path": "crm_accounts.csv", "format": form}
    assert problems(home, crm_accounts=given) == []
    home.land(crm_accounts=given)
    assert home.rows("crm_accounts", "annual_revenue", "created_on") == [("1200.5", "2025-12-31")]


def test_columns_that_are_not_there(home):
    home.write("subscriptions.csv", "subscription_id,start,account_id,amount,currency\nS1,2025-01-01,A1,1,USD\n")
    given = {"path": "subscriptions.csv", "columns": {"mrr": "amout"}}
    found = {p.column: p for p in problems(home, billing_subscriptions=given)}
    assert set(found) == {"start_date", "mrr"}
    assert "did you mean amount?" in found["mrr"].problem
    assert "subscription_id, start, account_id, amount, currency" in found["start_date"].advice
    assert found["mrr"].place.endswith("sources.yaml:4")


def test_files_encodings_and_lines(home):
    home.write("leads.csv", "lead_id,company\nL1,Zoë\n".encode("latin-1"))
    home.write("late.csv", b"lead_id,company\n" + b"L0,x\n" * 9000 + "L1,Zoë\n".encode("latin-1") * 200)
    home.write("goals.csv", "account_id,goal\nA1,roi,now\nA1,time\n")
    found = problems(
        home, leads={"path": "leads.csv"}, success_goals={"path": "goals.csv"}, surveys={"path": "none.csv"}
    )
    assert [(p.extract, p.file) for p in found] == [
        ("surveys", "none.csv"), ("success_goals", "goals.csv"), ("leads", "leads.csv"),
    ]  # fmt: skip
    assert "encoding: latin-1" in found[2].advice
    assert "A1,roi,now" in str(found[1].example)
    (late,) = problems(home, leads={"path": "late.csv"})
    assert "encoding: latin-1" in late.advice


def test_required_columns_that_are_empty_and_extracts_without_rows(home):
    home.write("crm_accounts.csv", "account_id\n")
    home.write("subscriptions.csv", "subscription_id,start_date,account_id,mrr,currency\nS1,2025-01-01,A1,,USD\n")
    found = problems(home)
    assert [(p.extract, p.column, p.problem, p.is_warning) for p in found] == [
        ("crm_accounts", None, "there are no rows", True),
        ("billing_subscriptions", "mrr", "1 of 1 values are missing", False),
    ]


def test_a_header_alone_is_a_warning_for_every_extract_but_usage_where_it_says_that_nobody_used_anything(home):
    home.write("leads.csv", "lead_id\n")
    home.write("users.csv", "user_id,account_id\nU1,A1\n")
    home.write("usage.csv", "user_id,usage_date,feature,account_id,event_count\n")
    (found,) = problems(
        home, leads={"path": "leads.csv"}, product_users={"path": "users.csv"}, product_usage={"path": "usage.csv"}
    )
    assert (found.extract, found.is_warning) == ("leads", True)
    assert found.advice == "export it again, if there should be some"


def test_an_expression_that_the_engine_refuses(home):
    given = {"path": "crm_accounts.csv", "columns": {"industry": {"sql": "nothing + 1"}}}
    (found,) = problems(home, crm_accounts=given)
    assert (found.column, "nothing" in found.problem) == ("industry", True)


def test_a_few_bad_values_are_a_matter_of_rows(home):
    home.write("crm_accounts.csv", "account_id,employees\n" + "".join(f"A{i},1\n" for i in range(200)) + "A,x\n")
    assert problems(home) == []
