"""`segmentation init`: from a folder of exports to a mapping that lands, without an edit by hand."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.cli.main import main
from segmentation_assets.extracts.checking import check_sources
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store
from tests.cli.calling import call

CASES = Path(__file__).parents[1] / "cases"


def mapped(folder: Path) -> dict[str, Any]:
    """What `init --yes` proposes for a folder; it lands without a problem."""
    result = call("init", folder, "--yes", home=folder / "home")
    assert result.exit_code == 0, result.stderr
    return yaml.safe_load((folder / "sources.yaml").read_text())["extracts"]


def case(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    shutil.copytree(CASES / name, folder)
    (folder / "sources.yaml").unlink(missing_ok=True)
    return folder


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def arr(folder: Path, day: date) -> dict[str, float]:
    """ARR by account, from the proposed mapping."""
    store, policy = Store(folder / "home"), load_policy()
    with open_connection(store) as connection:
        engine = Engine(connection, store)
        landed = land(read_sources(folder / "sources.yaml"), engine, policy.sections)
        assert [(each.extract, each.reason) for each in landed if each.failed or each.quarantined] == []
        Builder(engine, CATALOGUE, policy).ensure(["account_revenue"], [day])
        rows = engine.backend.to_pyarrow(engine.read(CATALOGUE["account_revenue"])).to_pylist()
    return {row["account_id"]: row["arr"] for row in rows}


def test_three_files_become_a_company(tmp_path: Path):
    """20 x 240 = 4,800 a year, and 300 x 35 x 12 = 126,000. Copperleaf is a lead."""
    folder = case(tmp_path, "two_files")
    extracts = mapped(folder)
    assert extracts["crm_accounts"]["columns"] == {
        "account_id": "Company ID", "account_name": "Name", "employees": "Employees",
    }  # fmt: skip
    billing = extracts["billing_subscriptions"]
    assert billing["ends"] == "last_day"  # 1 January to 31 December
    assert billing["tables"] == {"plans": {"path": "billing/plans.csv"}}
    assert arr(folder, date(2024, 6, 30)) == {"10": 4_800, "11": 126_000}


def test_reasons_and_what_absent_extracts_would_bring(tmp_path: Path):
    folder = case(tmp_path, "two_files")
    result = call("init", folder, "--yes", home=folder / "home")
    assert "product_usage: behavioral score and cohorts" in result.stderr
    assert "run --sources" in result.stderr
    text = (folder / "sources.yaml").read_text()
    assert "# unit_price × quantity, divided by the months of interval" in text
    assert "# ASSUMED: no column says it" in text
    assert "# 1 of 1 periods end the day before the next one would start" in text


def test_it_does_not_replace_a_mapping(tmp_path: Path):
    folder = case(tmp_path, "two_files")
    (folder / "sources.yaml").write_text("mine")
    assert call("init", folder, "--yes").exit_code == 2
    assert (folder / "sources.yaml").read_text() == "mine"
    assert call("init", folder, "--yes", "--force").exit_code == 0


def test_states_in_dated_files_without_a_list_of_accounts(tmp_path: Path):
    folder = case(tmp_path, "snapshots")
    extracts = mapped(folder)
    assert extracts["billing_subscriptions"]["drops"] == "snapshots"
    assert extracts["crm_accounts"]["distinct"] is True
    assert check_sources(read_sources(folder / "sources.yaml")) == []


def test_what_the_files_cannot_tell_is_asked(tmp_path: Path):
    write(
        tmp_path,
        customers="id,name\nC1,a\nC2,b\n",
        subs="id,customer,start,end,amount\nS1,C1,03/04/2024,,120\nS2,C2,05/04/2024,,240\n",
    )
    requests = CliRunner().invoke(main, ["init", str(tmp_path)], input="%m/%d/%Y\nyear\nEUR\n")
    assert requests.exit_code == 0, requests.output
    assert "can be read in two ways" in requests.output
    billing = yaml.safe_load((tmp_path / "sources.yaml").read_text())["extracts"]["billing_subscriptions"]["columns"]
    assert billing["start_date"] == {"column": "start", "format": "%m/%d/%Y"}
    assert billing["mrr"] == {"column": "amount", "divide_by": 12}
    assert billing["currency"] == {"constant": "EUR"}
    assert yaml.safe_load((tmp_path / "policy.yaml").read_text()) == {"company": {"reporting_currency": "EUR"}}


def test_other_notations_cents_and_words_for_nothing(tmp_path: Path):
    """1.200,60 a year is 100.05 a month; 12,000 cents are 120."""
    folder = tmp_path / "german"
    folder.mkdir()
    (folder / "kunden.csv").write_text("Konto;Firma;Mitarbeiter;Branche\nK1;A;51-200;N/A\nK2;B;10;Handel\n")
    (folder / "vertraege.csv").write_text(
        "id;konto;beginn;jahresbetrag\nS1;K1;01.02.2024;1.200,60\nS2;K2;15.02.2024;1.000,00\n"
    )
    extracts = mapped(folder)
    assert extracts["crm_accounts"]["nulls"] == ["N/A"]
    columns = extracts["billing_subscriptions"]["columns"]
    assert columns["mrr"] == {"column": "jahresbetrag", "decimal": ",", "thousands": ".", "divide_by": 12}
    assert columns["start_date"] == {"column": "beginn", "format": "%d.%m.%Y"}
    assert arr(folder, date(2024, 6, 30)) == {"K1": 1_200.6, "K2": 1_000}


def test_usage_by_users_finds_its_accounts_and_priorities_are_translated(tmp_path: Path):
    write(
        tmp_path,
        accounts="account_id\nA1\nA2\n",
        subscriptions="subscription_id,account_id,start_date,mrr_eur_cents\nS1,A1,2024-01-01,12000\n",
        users="user_id,account\nU1,A1\nU2,A2\n",
        events="timestamp,user,event\n2024-02-01 10:00:00,U1,login\n2024-02-01 11:00:00,U1,login\n"
        "2024-02-02 11:00:00,U2,export\n",
        tickets="ticket,organization,created_at,priority\n"
        "T1,A1,2024-02-01 10:00:00,Medium\nT2,,2024-02-01 10:00:00,P1\n",
    )
    extracts = mapped(tmp_path)
    assert extracts["product_usage"]["rows_are"] == "events"
    assert extracts["product_usage"]["columns"]["account_id"] == "users_account"
    assert extracts["support_tickets"]["values"] == {"priority": {"Medium": "normal", "P1": "urgent"}}
    columns = extracts["billing_subscriptions"]["columns"]
    assert (columns["mrr"], columns["currency"]) == (
        {"column": "mrr_eur_cents", "divide_by": 100}, {"constant": "EUR"},
    )  # fmt: skip


def test_a_folder_without_subscriptions_says_what_it_looked_for(tmp_path: Path):
    write(tmp_path, notes="a,b\n1,2\n")
    result = call("init", tmp_path, "--yes")
    assert result.exit_code == 1
    assert "no file looks like subscriptions" in result.stderr
    assert "notes.csv: a, b" in result.stderr


@pytest.mark.slow("a run with its report on a company of three files")
def test_from_a_folder_to_a_report(tmp_path: Path):
    folder = case(tmp_path, "two_files")
    mapped(folder)
    result = call("run", "--sources", folder / "sources.yaml", "--as-of", "2024-06-30", home=folder / "home")
    assert result.exit_code == 0, result.stderr
    assert "Northlight" in call("show", "segments", home=folder / "home").stdout
    assert (folder / "home" / "reports" / "latest.html").exists()
