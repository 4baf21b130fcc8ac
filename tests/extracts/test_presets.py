"""Presets: what an invented export of each format must land as, worked out by hand."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segmentation_assets.extracts.checking import check_sources
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.presets import described, presets
from segmentation_assets.extracts.sources import SourcesError, own_columns, read_sources
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.extracts.home import policy

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "data" / "examples"


def landed(mapping: Path, home: Path, extract: str, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of an extract after landing, in the order of their first column. Nothing may be refused."""
    store = Store(home)
    with open_connection(store) as connection:
        results = land(read_sources(mapping), Engine(connection, store), policy().sections)
        assert [(r.extract, r.reason, r.quarantined) for r in results if r.failed or r.quarantined] == []
        files = store.published / extract / "**" / "*.parquet"
        chosen = ", ".join(columns)
        return connection.execute(f"SELECT {chosen} FROM read_parquet('{files}') ORDER BY 1, 2").fetchall()


def mapped(folder: Path, **extracts: Any) -> Path:
    """A mapping in `folder`, with accounts and subscriptions of plain files where it names none."""
    (folder / "accounts.csv").write_text("account_id\nA\nB\n")
    (folder / "subscriptions.csv").write_text(
        "subscription_id,account_id,start_date,mrr,currency\nS,A,2025-01-01,1,USD\n"
    )
    plain = {"crm_accounts": {"path": "accounts.csv"}, "billing_subscriptions": {"path": "subscriptions.csv"}}
    file = folder / "sources.yaml"
    file.write_text(json.dumps({"version": "1", "extracts": plain | extracts}))
    return file


@pytest.mark.parametrize(
    "name", sorted(p.name for p in EXAMPLES.iterdir() if "preset:" in (p / "sources.yaml").read_text())
)
def test_an_example_has_no_problem(name: str):
    problems = check_sources(read_sources(EXAMPLES / name / "sources.yaml"))
    assert [each for each in problems if not each.is_warning] == []


def test_subscriptions_of_stripe(tmp_path: Path):
    columns = ("subscription_id", "account_id", "mrr", "currency", "seats", "start_date", "end_date", "end_known_on")
    rows = landed(EXAMPLES / "stripe" / "sources.yaml", tmp_path, "billing_subscriptions", *columns)
    assert rows == [
        # 120,000 cents a year x 5, less 10 % for ever: 1,200 x 5 x 0.9 / 12; paid from the end of the trial
        ("si_1", "cus_A", 450.0, "USD", 5, date(2024, 2, 9), None, None),
        # 2,500 cents each 3 months, less 10 %: 25 x 0.9 / 3
        ("si_2", "cus_A", 7.5, "USD", 1, date(2024, 2, 9), None, None),
        # 9,900 cents x 2; it ends with its period, which was said on 2 October
        ("si_3", "cus_B", 198.0, "EUR", 2, date(2025, 3, 1), date(2026, 12, 1), date(2026, 10, 2)),
        # the yen has no cents: 5,000 x 3
        ("si_4", "cus_C", 15_000.0, "JPY", 3, date(2025, 2, 1), date(2026, 2, 1), date(2026, 1, 15)),
        # a trial counts 0; the subscription that was never paid (si_6) is left out
        ("si_5", "cus_D", 0.0, "USD", 1, date(2026, 11, 20), None, None),
    ]


def test_customers_and_invoices_of_stripe(tmp_path: Path):
    mapping = EXAMPLES / "stripe" / "sources.yaml"
    assert landed(mapping, tmp_path, "crm_accounts", "account_id", "account_name", "country") == [
        ("cus_A", "Alder Ltd", "GB"), ("cus_B", "b@birch.example", None), ("cus_C", "Cedar KK", "JP"),
        ("cus_D", "Dogwood", None),
    ]  # fmt: skip
    columns = ("invoice_id", "amount", "currency", "issued_on", "due_on", "paid_on", "period_start", "period_end")
    assert landed(mapping, tmp_path, "billing_invoices", *columns) == [
        ("in_1", 5_400.0, "USD", date(2024, 2, 9), date(2024, 3, 10), date(2024, 3, 1), date(2024, 2, 9),
         date(2025, 2, 9)),
        ("in_2", 15_000.0, "JPY", date(2025, 3, 1), None, None, date(2025, 3, 1), date(2025, 4, 1)),
    ]  # fmt: skip


def test_hubspot_and_chargebee(tmp_path: Path):
    mapping = EXAMPLES / "hubspot" / "sources.yaml"
    columns = ("account_id", "account_name", "employees", "annual_revenue", "created_on", "account_executive")
    assert landed(mapping, tmp_path, "crm_accounts", *columns) == [
        ("9001", "Elm GmbH", 120.0, 1_200_000.0, date(2024, 2, 3), "Ida Berg"),
        ("9002", "Fir Inc", 125.5, None, date(2025, 6, 30), None),  # the middle of 51-200
    ]
    columns = ("opportunity_id", "account_id", "kind", "stage", "amount_arr", "closed_on", "loss_reason")
    assert landed(mapping, tmp_path, "opportunities", *columns) == [
        ("501", "9001", "expansion", "won", 12_000.0, date(2026, 2, 1), None),
        ("502", "9002", "new", "lost", 8_000.0, date(2025, 9, 15), "Price"),
        ("503", "9001", "expansion", "open", 5_000.0, None, None),  # the deal without a company is left out
    ]
    columns = ("subscription_id", "account_id", "mrr", "currency", "seats", "start_date", "end_date", "end_known_on")
    assert landed(mapping, tmp_path, "billing_subscriptions", *columns) == [
        ("cb1", "9001", 1_500.5, "EUR", 25, date(2024, 2, 17), None, None),
        ("cb2", "9002", 400.0, "USD", 4, date(2025, 7, 1), date(2026, 12, 31), date(2026, 11, 3)),
    ]


def test_salesforce_zendesk_and_segment(tmp_path: Path):
    mapping = EXAMPLES / "salesforce" / "sources.yaml"
    columns = ("account_id", "account_name", "parent_account_id", "employees", "created_on")
    assert landed(mapping, tmp_path, "crm_accounts", *columns) == [
        ("001A", "Gum plc", None, 5_000.0, date(2023, 5, 4)),
        ("001B", 'Hazel, "the"\nnut', "001A", None, date(2024, 1, 31)),  # the deleted record is left out
    ]
    assert landed(mapping, tmp_path, "opportunities", "opportunity_id", "kind", "stage", "closed_on") == [
        ("006A", "expansion", "won", date(2026, 3, 31)), ("006B", "renewal", "open", None),
        ("006C", "new", "lost", date(2026, 5, 5)),
    ]  # fmt: skip
    columns = (
        "ticket_id",
        "account_id",
        "priority",
        "csat",
        "first_response_at - opened_at",
        "CAST(resolved_at AS DATE)",
    )
    (first, second) = landed(mapping, tmp_path, "support_tickets", *columns)
    assert (*first[:4], first[4].total_seconds(), first[5]) == ("1", "001A", "high", 5.0, 90 * 60, date(2026, 11, 3))
    assert second == ("2", "001B", None, None, None, None)
    assert landed(mapping, tmp_path, "product_usage", "user_id", "account_id", "feature", "event_count") == [
        ("u1", "001A", "Report opened", 2), ("u2", "001B", "Export made", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "events"),
    [
        ("posthog", [
            {"event": "opened", "distinct_id": "u", "timestamp": "2026-11-02T08:00:00Z",
             "properties": {"$groups": {"company": "A"}}},
            {"event": "opened", "distinct_id": "u", "timestamp": "2026-11-02T09:00:00Z",
             "properties": json.dumps({"$groups": {"company": "A"}})},
            {"event": "$pageview", "distinct_id": "u", "timestamp": "2026-11-02T08:00:00Z",
             "properties": {"$groups": {"company": "A"}}},
            {"event": "opened", "distinct_id": "v", "timestamp": "2026-11-02T08:00:00Z", "properties": {}},
        ]),
        ("mixpanel", [
            {"event": "opened", "properties": {"time": 1793606400, "distinct_id": "u", "company_id": "A"}},
            {"event": "opened", "properties": {"time": 1793610000, "$user_id": "u", "distinct_id": "x",
                                               "company_id": ["A"]}},
            {"event": "opened", "properties": {"time": 1793606400, "distinct_id": "v"}},
        ]),
    ],
)  # fmt: skip
def test_event_logs(tmp_path: Path, preset: str, events: list[dict[str, Any]]):
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    mapping = mapped(tmp_path, product_usage={"preset": preset, "path": "events.jsonl"})
    columns = ("user_id", "account_id", "feature", "event_count")
    assert landed(mapping, tmp_path / "home", "product_usage", *columns) == [("u", "A", "opened", 2)]


WAREHOUSE = (Path(__file__).parent / "fivetran.sql").read_text()


def test_a_warehouse_maps_in_a_few_lines(tmp_path: Path):
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(WAREHOUSE)
    place = {"duckdb": "warehouse.duckdb"}
    mapping = mapped(
        tmp_path,
        crm_accounts=place | {"preset": "fivetran_salesforce", "schema": "crm"},
        opportunities=place | {"preset": "fivetran_salesforce", "schema": "crm"},
        billing_subscriptions=place | {"preset": "fivetran_stripe"},
        billing_invoices=place | {"preset": "fivetran_stripe"},
        support_tickets=place | {"preset": "fivetran_zendesk"},
    )
    home = tmp_path / "home"
    assert landed(mapping, home, "crm_accounts", "account_id", "account_name", "employees") == [("A", "Ash", 10.0)]
    assert landed(mapping, home, "opportunities", "opportunity_id", "kind", "stage", "closed_on") == [
        ("O", "renewal", "won", date(2026, 2, 1))
    ]
    columns = ("subscription_id", "mrr", "seats", "end_date", "end_known_on")
    assert landed(mapping, home, "billing_subscriptions", *columns) == [
        ("i", 100.0, 4, date(2027, 1, 1), date(2026, 5, 5))  # 300 a year x 4 / 12; the older version does not count
    ]
    assert landed(mapping, home, "billing_invoices", "invoice_id", "amount", "paid_on") == [
        ("n", 1_200.0, date(2025, 1, 9))
    ]
    assert landed(mapping, home, "support_tickets", "ticket_id", "CAST(resolved_at AS DATE)") == [
        ("7", date(2026, 11, 2))
    ]


def test_hubspot_in_a_warehouse(tmp_path: Path):
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(WAREHOUSE)
    (tmp_path / "paid.csv").write_text("subscription_id,account_id,start_date,mrr,currency\nS,5,2025-01-01,1,USD\n")
    place = {"duckdb": "warehouse.duckdb", "preset": "fivetran_hubspot"}
    mapping = mapped(tmp_path, crm_accounts=place, opportunities=place, billing_subscriptions={"path": "paid.csv"})
    home = tmp_path / "home"
    assert landed(mapping, home, "crm_accounts", "account_id", "domain") == [("5", "ash.example")]
    assert landed(mapping, home, "opportunities", "account_id", "kind", "stage", "closed_on") == [
        ("5", "new", "lost", date(2026, 3, 1))
    ]


def test_what_the_mapping_says_itself_counts(tmp_path: Path):
    (tmp_path / "companies.csv").write_text("Record ID,Company name,Sector\nA,Ash,Retail\nB,,Banking\n")
    own = {"preset": "hubspot", "path": "companies.csv", "columns": {"industry": "Sector", "account_name": None}}
    rows = landed(
        mapped(tmp_path, crm_accounts=own),
        tmp_path / "home",
        "crm_accounts",
        "account_id",
        "industry",
        "account_name",
    )
    assert rows == [("A", "Retail", None), ("B", "Banking", None)]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"preset": "strype", "path": "x.json"}, "there is no preset strype; did you mean stripe?"),
        ({"preset": "zendesk", "path": "x.json"}, "the preset zendesk has no crm_accounts; it has support_tickets"),
        ({"preset": "fivetran_stripe", "path": "x"}, "reads the tables of a database: give postgres or"),
        ({"preset": "stripe"}, "the preset stripe reads files: give their path"),
        ({"preset": "stripe", "path": "x", "schema": "s"}, "reads files, which have no schema"),
    ],
)  # fmt: skip
def test_a_preset_that_cannot_be_used_names_its_line(tmp_path: Path, mapping: dict[str, str], message: str):
    with pytest.raises(SourcesError) as error:
        read_sources(mapped(tmp_path, crm_accounts=mapping))
    assert message in str(error.value)
    assert "sources.yaml:1" in str(error.value)


def test_a_schema_is_a_name_and_nothing_else(tmp_path: Path):
    injected = 'x".account; DROP TABLE a; --'
    sources = read_sources(
        mapped(tmp_path, crm_accounts={"preset": "fivetran_salesforce", "duckdb": "w.duckdb", "schema": injected})
    )
    assert '"x"""."account; DROP TABLE a; --".account' in (sources.extracts["crm_accounts"].query or "")


def test_presets_name_columns_that_exist_and_are_described():
    for name, preset in presets().items():
        for extract, mapping in preset["extracts"].items():
            assert set(mapping.get("columns", {})) <= set(own_columns(extract)), (name, extract)
    assert all(about.endswith(".") for _, _, about in described())


def test_an_uglier_export_of_stripe_loses_nothing_in_silence(tmp_path: Path):
    """Old plans, dinars in thousandths, a price in tiers, a start that is no epoch: read, or refused by name."""

    def one(n: int, price: dict[str, Any], start: Any = 1704067200) -> dict[str, Any]:
        items = {"data": [{"id": f"si_{n}", "quantity": None} | price]}
        return {
            "id": f"s{n}",
            "customer": "A",
            "status": "active",
            "currency": "usd",
            "created": start,
            "items": items,
        }

    monthly = {"interval": "month", "interval_count": 1}
    rows = [
        one(1, {"plan": {"amount": 5000, "product": "p"} | monthly}),
        one(2, {"price": {"unit_amount_decimal": "1500.5", "currency": "usd", "recurring": monthly}}),
        one(3, {"price": {"unit_amount": None, "currency": "usd", "recurring": monthly}}),
        one(4, {"price": {"unit_amount": 100, "currency": "usd", "recurring": monthly}}, start="2024-01-01"),
        one(5, {"price": {"unit_amount": 10_000, "currency": "kwd", "recurring": monthly}}),
    ]
    (tmp_path / "s.json").write_text(json.dumps({"data": rows}))
    (tmp_path / "fx.csv").write_text("currency,valid_from,rate\nKWD,2020-01-01,3.2\n")
    mapping = mapped(
        tmp_path,
        billing_subscriptions={"preset": "stripe", "path": "s.json", "max_quarantine_share": "1"},
        fx_rates={"path": "fx.csv"},
    )
    store = Store(tmp_path / "home")
    with open_connection(store) as connection:
        results = land(read_sources(mapping), Engine(connection, store), policy().sections)
        billing = next(each for each in results if each.extract == "billing_subscriptions")
        assert (billing.read, billing.good, billing.quarantined) == (5, 3, 2)
        file = store.file("billing_subscriptions")
        amounts = connection.execute(f"SELECT subscription_id, mrr FROM '{file}' ORDER BY 1").fetchall()
    assert amounts == [("si_1", 50.0), ("si_2", 15.005), ("si_5", 10.0)]


def test_an_export_of_salesforce_without_deleted_records_has_no_column_for_them(tmp_path: Path):
    (tmp_path / "Account.csv").write_text("Id;Name\n A ;=cmd|' /c calc'!A1\nB;Größe\n", encoding="utf-16")
    own = {"preset": "salesforce", "path": "Account.csv", "format": {"encoding": "utf-16"}}
    rows = landed(mapped(tmp_path, crm_accounts=own), tmp_path / "home", "crm_accounts", "account_id", "account_name")
    assert rows == [("A", "=cmd|' /c calc'!A1"), ("B", "Größe")]
