"""`segmentation show`: what it prints, where."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from segmentation_assets.cli.printing.grid import print_in_full
from tests.cli.calling import ROOT, call, write_sources
from tests.conftest import RAN_DAYS


def test_names_with_commands_for_the_terminal_are_shown_not_obeyed(tmp_path: Path):
    write_sources(tmp_path, 'account_id,account_name\na1,"red \x1b[31m\nnext"\n', ", line_breaks: true")
    assert call("run", "--as-of", "2026-03-31", "--select", "+account_hierarchy", home=tmp_path).exit_code == 0
    shown = call("show", "crm_accounts", "--columns", "account_name", home=tmp_path).stdout
    assert "\x1b" not in shown
    assert "red \N{REPLACEMENT CHARACTER}[31m next" in shown


def test_show_prints_the_latest_day_as_a_table(ran_home: Path):
    result = call("show", "segment_mix", home=ran_home)
    assert result.exit_code == 0
    assert str(RAN_DAYS[-1]) in result.stdout
    assert "Strategic" in result.stdout
    assert "segment" in result.stdout.splitlines()[1]


def test_csv_and_json_say_the_same(ran_home: Path):
    as_csv = call("show", "segments", "--as-of", RAN_DAYS[0], "--format", "csv", home=ran_home)
    as_json = call("show", "segments", "--as-of", RAN_DAYS[0], "--format", "json", home=ran_home)
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    records = json.loads(as_json.stdout)
    assert len(rows) == len(records) > 10
    for row, record in zip(rows, records, strict=True):
        assert list(row) == list(record)
        assert float(row["arr"]) == record["arr"]  # to the last bit
        assert row["segment"] == record["segment"]
        assert row["coverage_override"] == (record["coverage_override"] or "")


def test_parquet_reads_back(ran_home: Path, tmp_path: Path):
    file = tmp_path / "segments.parquet"
    result = call(
        "show", "segments", "--format", "parquet", "--output", file, "--where", "arr > 20000", home=ran_home
    )
    assert result.exit_code == 0
    frame = pd.read_parquet(file)
    assert (frame["arr"] > 20000).all()
    piped = subprocess.run(
        [sys.executable, "-m", "segmentation_assets.cli.main", "--home", str(ran_home), "show", "segments",
         "--format", "parquet", "--where", "arr > 20000"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    assert len(pd.read_parquet(io.BytesIO(piped.stdout))) == len(frame)


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("segment in ('Strategic', 'Growth') and arr > 0", 0),
        ("arr > 0 -- a comment", 0),
        ("no_such_column > 1", 2),
        ("arr >", 2),
        ("1 = 1); DROP VIEW segments; --", 2),
        ("arr IN (SELECT 1 FROM read_csv('/etc/passwd'))", 2),
        ("account_id IN (SELECT content FROM read_text('/etc/hostname'))", 2),
        ("(SELECT count(*) FROM glob('/*')) > 0", 2),
        ("CAST(account_id AS INTEGER) > 0", 2),
        ("", 0),
    ],
)
def test_conditions(ran_home: Path, where: str, code: int):
    result = call("show", "segments", "--where", where, "--format", "json", home=ran_home)
    assert result.exit_code == code, result.output
    if code:
        assert result.stdout == ""
        assert "condition" in result.stderr


def test_limits_and_columns(ran_home: Path):
    result = call("show", "segments", "--limit", 2, "--columns", "account_id, arr", "--format", "csv", home=ran_home)
    assert result.stdout.splitlines()[0] == "account_id,arr"
    assert len(result.stdout.splitlines()) == 3
    wrong = call("show", "segments", "--columns", "acount_id", home=ran_home)
    assert wrong.exit_code == 2
    assert "no column acount_id" in wrong.stderr
    long = call("show", "score_contributions", home=ran_home)
    assert "the first 20 rows" in long.stderr


def test_every_day_can_be_shown(ran_home: Path):
    result = call("show", "company_kpis", "--as-of", "all", "--format", "json", home=ran_home)
    assert {record["as_of"] for record in json.loads(result.stdout)} >= {str(day) for day in RAN_DAYS}


def _printed(header: list[str], rows: list[tuple], width: int, is_terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)
    print_in_full(console, header, rows)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_columns_that_are_named_are_shown_in_full_however_narrow(is_terminal: bool):
    header = [f"column_{i}" for i in range(12)]
    long = "a reason that is longer than any cell of a table, told in full to its end."
    text = _printed(header, [(long, *range(11))], 60, is_terminal)
    assert all(name in text for name in header)
    assert long in text
    assert "…" not in text


def test_columns_that_fit_are_a_table():
    lines = _printed(["name", "arr"], [("a", 1200.0), ("b", None)], 60, True).splitlines()
    assert lines[1].split() == ["name", "arr"]
    assert [line.split() for line in lines[3:5]] == [["a", "1,200"], ["b", "–"]]
