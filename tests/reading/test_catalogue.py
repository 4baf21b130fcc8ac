"""Lineage and dictionary as the terminal shows them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.cli.main import main
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.catalogue import CatalogueFacts, UnknownColumn, read_catalogue
from segmentation_assets.tables.contracts import ibis_schema, key_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where nothing has run: lineage and dictionary need no data."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sources.yaml").write_text(
        "version: 1\nextracts:\n  crm_accounts:\n    path: crm.csv\n    columns: {employees: {sql: staff * 2}}\n"
        "  billing_subscriptions:\n    duckdb: erp.duckdb\n    table: subs\n"
        "    columns: {mrr: amount, currency: {constant: EUR}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def facts(home: Path) -> CatalogueFacts:
    return read_catalogue(load_policy(), home)


def run(home: Path, *arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["--home", str(home), *arguments])


def test_a_column_back_to_where_it_is_read_from(home: Path):
    said = run(home, "lineage", "account_revenue.arr", "--up").stdout
    assert "billing_subscriptions.mrr  copied ← erp.duckdb (table subs): amount" in said
    assert "billing_subscriptions.currency  copied ← erp.duckdb (table subs): constant 'EUR'" in said
    rows = said.partition("Its rows are decided by")[2].partition("Raw fields")[0]
    assert "account_hierarchy: " in rows
    assert "Used by" not in said
    assert "of account_revenue: company" in said


def test_what_is_made_from_a_raw_field(home: Path):
    said = run(home, "lineage", "crm_accounts.employees", "--down", "--depth", "2").stdout
    assert "account_profiles.employees  copied" in said
    assert "firmographic_scores.size_class" in said


def test_a_whole_table(home: Path):
    said = run(home, "lineage", "segment_states").stdout
    assert "segment_states (a Python function of frames)" in said
    assert "reads: segment_grid, segment_inputs" in said
    assert "policy: segment_rules, behavioral, tier, stability" in said


def test_json_for_programs(home: Path):
    words = json.loads(run(home, "lineage", "account_profiles.employees", "--up", "--format", "json").stdout)
    first = {
        "source": "crm_accounts.employees",
        "target": "account_profiles.employees",
        "kind": "value",
        "roles": ["copied"],
    }
    assert first in words["up"]["steps"]
    end = next(e for e in words["up"]["ends"] if e["column"] == "employees")
    assert end == {
        "table": "crm_accounts", "column": "employees", "kind": "value", "source": "crm.csv",
        "source_column": "SQL staff * 2",
    }  # fmt: skip


def test_mermaid_tells_value_from_influence_and_stays_within_its_limits(home: Path):
    drawn = run(home, "lineage", "account_profiles.arr", "--up", "--format", "mermaid").stdout
    assert drawn.startswith("flowchart LR\n")
    assert "account_revenue__arr --> account_profiles__arr" in drawn
    assert "account_revenue__is_live -.-> account_profiles__arr" in drawn
    many = run(home, "lineage", "billing_subscriptions.mrr", "--down", "--format", "mermaid").stdout
    assert sum("--" in line or "==" in line for line in many.splitlines()) <= 500
    assert "  account_revenue --> account_profiles" in run(home, "lineage", "segments", "--format", "mermaid").stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("segmens.arr", "did you mean segments"),
        ("segments.ar", "segments has no column 'ar'; did you mean arr"),
        ("composite_score", "did you mean composite_scores.composite_score"),
        ("zzz", "there is no table 'zzz'"),
    ],
)
def test_names_that_are_unknown(name: str, says: str, home: Path):
    result = run(home, "lineage", name)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_a_table_and_a_column_by_name(facts: CatalogueFacts):
    assert facts.find("segments") == ("segments", None)
    assert facts.find("segments.arr") == ("segments", "arr")
    with pytest.raises(UnknownColumn):
        facts.find("nowhere.arr")


def test_what_is_kept_is_read_without_the_chain(home: Path):
    script = (
        "import sys; from segmentation_assets.cli.main import main; main(sys.argv[1:], standalone_mode=False); "
        "print([m for m in ('dagster', 'ibis', 'pandas', 'pandera') if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, "--home", str(home), "lineage", "segments.arr"]
    subprocess.run(command, capture_output=True, check=True)  # whoever asks first makes it, and keeps it in the home
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path):
    assert run(tmp_path / "none", "dictionary", "segments").exit_code == 0
    assert not (tmp_path / "none").exists()


def test_the_dictionary_has_every_column_of_every_contract(home: Path, facts: CatalogueFacts):
    assert set(facts.entries) == {spec.name for spec in CATALOGUE}
    rows = list(csv.DictReader(io.StringIO(run(home, "dictionary", "--format", "csv").stdout)))
    # Whole tables, the columns of each in the order of its contract.
    columns = {name: [row["column"] for row in rows if row["table"] == name] for name in facts.entries}
    assert columns == {spec.name: list(ibis_schema(spec.contract)) for spec in CATALOGUE}
    assert len(rows) == sum(map(len, columns.values()))
    assert all(row["description"] for row in rows)
    keys = {(row["table"], row["column"]) for row in rows if row["is_key"] == "true"}
    assert keys == {(spec.name, name) for spec in CATALOGUE for name in key_of(spec.contract)}


def test_a_column_entry_by_hand(facts: CatalogueFacts):
    by_name = {column.name: column for column in facts.entries["segment_mix"].columns}
    assert by_name["segment"].allowed == ("Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail")
    share = by_name["arr_share"]
    assert (share.type, share.unit, share.low, share.high, share.may_be_empty) == (
        "number",
        "share",
        "≥ 0",
        "≤ 1",
        True,
    )
    currency = next(c for c in facts.entries["billing_subscriptions"].columns if c.name == "currency")
    assert currency.rule == "three capital letters"


def test_the_dictionary_in_other_forms(home: Path):
    assert "`segment_mix` (segments)" in run(home, "dictionary", "segment_mix", "--format", "markdown").stdout
    (words,) = json.loads(run(home, "dictionary", "segment_mix", "--format", "json").stdout)
    assert words["key"] == ["as_of", "segment"]
    assert "How do accounts and ARR divide into segments" in run(home, "dictionary", "segment_mix").stdout
    assert run(home, "dictionary", "nope").exit_code == 2
