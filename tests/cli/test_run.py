"""`segmentation run`: what lands, what is made, for which day, and what is said."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from segmentation_assets.reading.access import last_day_covered
from segmentation_assets.settings import find_settings
from segmentation_assets.warehouse.store import Store
from tests.cli.calling import call, write_sources
from tests.conftest import RAN_DAYS


@pytest.mark.parametrize("days", [["--as-of", "2026-03-31"], []])
def test_what_a_table_is_made_from_is_landed_first_in_a_new_home(days: list[str], tmp_path: Path):
    sources = write_sources(tmp_path, "account_id\na1\na2\n")
    result = call("run", "--sources", sources, *days, "--select", "account_hierarchy", home=tmp_path)
    assert result.exit_code == 0, result.stderr
    shown = call("show", "account_hierarchy", "--columns", "account_id", "--format", "csv", home=tmp_path)
    assert shown.stdout.split() == ["account_id", "a1", "a2"]
    again = call("run", *days, "--select", "account_hierarchy", "--format", "json", home=tmp_path)
    assert [step["table"] for step in json.loads(again.stdout)[0]["steps"]] == ["account_hierarchy"]


def test_too_many_bad_rows_fail_the_run(tmp_path: Path):
    rows = "".join(f"a{i},{'soon' if i < 5 else '2025-01-01'}\n" for i in range(10))
    sources = write_sources(tmp_path, f"account_id,created_on\n{rows}")
    result = call(
        "run", "--sources", sources, "--as-of", "2026-03-31", "--select", "+account_hierarchy", home=tmp_path
    )
    assert result.exit_code == 1
    assert "crm_accounts: 5 of 10 rows (50.0%) break the contract" in result.stderr
    assert "not run, as they read it: account_hierarchy" in result.stderr
    assert call("show", "crm_accounts", home=tmp_path).exit_code == 1


def test_all_ties_stay_together_and_usage_of_an_unknown_user_is_refused(tmp_path: Path):
    """Ten equal accounts share every rank: the middle one, 50 of 100, which is Silver. One row of 151 is nobody's."""
    accounts = [f"A{i}" for i in range(10)]
    days = [f"2026-03-{day:02}" for day in range(1, 16)]
    usage = [f"U{a},{day},f,{a},3" for a in accounts for day in days] + ["nobody,2026-03-15,f,A0,3"]
    files = {
        "crm_accounts": ("account_id,employees", [f"{a},100" for a in accounts]),
        "billing_subscriptions": (
            "subscription_id,start_date,account_id,seats,mrr,currency",
            [f"S{a},2024-01-01,{a},5,1000,USD" for a in accounts],
        ),
        "product_users": ("user_id,account_id", [f"U{a},{a}" for a in accounts]),
        "product_usage": ("user_id,usage_date,feature,account_id,event_count", usage),
    }
    for name, (header, rows) in files.items():
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    mapped = "".join(f"  {name}: {{path: {name}.csv}}\n" for name in files)
    (tmp_path / "sources.yaml").write_text(f"version: 1\nextracts:\n{mapped}")
    result = call("run", "--as-of", "2026-03-15", "--select", "segments", home=tmp_path)
    assert result.exit_code == 0, result.stderr
    segments = json.loads(call("show", "segments", "--format", "json", home=tmp_path).stdout)
    assert [row["account_id"] for row in segments] == accounts
    same = ("segment", "coverage_tier", "value_tier", "behavioral_cohort", "composite_score", "micro_segment")
    assert len({tuple(row[name] for name in same) for row in segments}) == 1
    assert segments[0]["value_tier"] == "Silver"
    (refused,) = json.loads(call("show", "quarantine", "--format", "json", home=tmp_path).stdout)
    assert (refused["extract"], refused["rule"], refused["value"]) == ("product_usage", "unknown user_id", "nobody")
    assert (refused["source"], refused["source_row"]) == ("product_usage.csv", 151)


def test_a_source_that_is_not_there_fails_the_run(tmp_path: Path):
    sources = write_sources(tmp_path, "account_id\na1\n")
    (tmp_path / "accounts.csv").unlink()
    result = call("run", "--sources", sources, "--as-of", "2026-03-31", "--select", "crm_accounts", home=tmp_path)
    assert result.exit_code == 1
    assert "accounts.csv" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mapping_that_cannot_be_read_fails_the_run(tmp_path: Path):
    sources = write_sources(tmp_path, "account_id\na1\n", ", colums: {}")
    for command in (["run", "--as-of", "2026-03-31"], ["check-sources"]):
        result = call(*command, "--sources", sources, home=tmp_path)
        assert result.exit_code == 1
        assert f"{sources}:3" in result.stderr


def test_a_header_alone_where_rows_stand_is_refused(tmp_path: Path):
    """An export that was cut off would tell that every customer has left."""
    write_sources(tmp_path, "account_id\na1\n")
    days = ["--as-of", "2026-03-31", "--select", "+arr_steps"]
    assert call("run", *days, home=tmp_path).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.glob("published/**/*.parquet")}
    subscriptions = tmp_path / "subscriptions.csv"
    whole = subscriptions.read_text()
    subscriptions.write_text(whole.partition("\n")[0] + "\n")
    cut = call("run", *days, home=tmp_path)
    assert cut.exit_code == 1
    assert "billing_subscriptions: subscriptions.csv: there are no rows, but the published table has 1" in cut.stderr
    assert {path: path.read_bytes() for path in tmp_path.glob("published/**/*.parquet")} == before
    subscriptions.write_text(whole)
    assert call("run", *days, home=tmp_path).exit_code == 0


def test_a_delivery_that_shrank_is_landed_once_somebody_accepts_it(tmp_path: Path):
    accounts = ["account_id\n", *(f"a{i}\n" for i in range(1, 41))]
    sources = write_sources(tmp_path, "".join(accounts))
    only = ["--as-of", "2026-03-31", "--select", "crm_accounts"]
    assert call("run", "--sources", sources, *only, home=tmp_path).exit_code == 0
    (tmp_path / "accounts.csv").write_text("".join(accounts[:21]))
    held = call("run", *only, home=tmp_path)
    assert held.exit_code == 1
    assert "20 rows, and 40 in the delivery before (-50%)" in held.stderr
    assert "segmentation run --accept crm_accounts" in held.stderr
    wrong = call("run", *only, "--accept", "crm_account", home=tmp_path)
    assert wrong.exit_code == 1
    assert "did you mean crm_accounts?" in wrong.stderr
    assert call("run", *only, "--accept", "crm_accounts", home=tmp_path).exit_code == 0


def test_rows_that_are_not_used_stand_in_the_summary_in_rows_and_money(tmp_path: Path):
    """1 of 201 rows is refused, 4 of 20,004 a month."""
    sources = write_sources(tmp_path, "account_id\na1\n")
    rows = "".join(f"s{i},2025-01-01,a1,100,USD,live\n" for i in range(200))
    (tmp_path / "subscriptions.csv").write_text(
        f"subscription_id,start_date,account_id,mrr,currency,state\n{rows}x,2025-01-01,a9,4,USD,live\ny,,,0,,trial\n"
    )
    sources.write_text(
        sources.read_text().replace("subscriptions.csv}", "subscriptions.csv, where: \"state = 'live'\"}")
    )
    result = call("run", "--sources", sources, "--select", "billing_subscriptions", home=tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "1 of 201 rows refused, with 4.00 of 20,004.00 recurring a month" in result.stderr
    assert "1 row left out by the mapping's `where`" in result.stderr


def test_what_cannot_run_is_not_remembered(tmp_path: Path):
    sources = write_sources(tmp_path, "account_id\na1\n")
    ahead = call("run", "--sources", sources, "--as-of", "2035-01-01", home=tmp_path)
    assert ahead.exit_code == 2
    sources.write_text("version: 1\nextracts: {crm_acounts: {path: accounts.csv}}\n")
    broken = call("run", "--sources", sources, home=tmp_path)
    assert (broken.exit_code, broken.stderr.count("crm_acounts")) == (1, 1), broken.stderr
    assert not (tmp_path / "last_run.json").exists()
    assert not list(tmp_path.glob("dagster/history/runs/*"))


def test_a_second_run_keeps_everything(ran_home: Path):
    before = {path: path.stat().st_mtime_ns for path in ran_home.glob("published/**/*.parquet")}
    result = call("run", "--as-of", RAN_DAYS[1], "--format", "json", home=ran_home)
    assert result.exit_code == 0, result.stderr
    [outcome] = json.loads(result.stdout)
    assert outcome["succeeded"]
    table = {step["table"]: step["days_made"] for step in outcome["steps"]}
    assert len(table) > 50
    assert table.pop("report") == 1  # of this day there was none yet
    assert not any(table.values())
    assert {path: path.stat().st_mtime_ns for path in ran_home.glob("published/**/*.parquet")} == before


def test_without_a_day_the_last_one_that_the_extracts_cover_is_run(tmp_path: Path):
    call(
        "generate",
        tmp_path / "sample",
        "--accounts",
        3,
        "--days",
        40,
        "--users-per-account",
        2,
        "--end",
        "2026-02-15",
    )
    result = call("run", "--select", "group:extracts or key:account_hierarchy", home=tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "as_of 2026-02-15: the last day that the extracts cover" in result.stderr
    assert (tmp_path / "published/account_hierarchy/as_of=2026-02-15/part-0.parquet").exists()


def test_sources_and_policy_of_the_last_run_are_remembered(tmp_path: Path):
    sources = write_sources(tmp_path, "account_id\na1\n")
    policy = tmp_path / "mine.yaml"
    policy.write_text("company: {timezone: Europe/Berlin}\n")
    home = tmp_path / "home"
    options = ["--as-of", "2026-03-31", "--select", "crm_accounts"]
    assert call("run", "--sources", sources, "--policy", policy, *options, home=home).exit_code == 0
    assert find_settings(home).sources == sources
    assert find_settings(home).policy == policy
    assert call("run", *options, home=home).exit_code == 0
    assert call("run", "--policy", "default", *options, home=home).exit_code == 0
    assert find_settings(home).policy is None


def test_the_last_day_covered_is_not_in_the_future(tmp_path: Path):
    for day in ("2026-01-01", "2026-01-02", "2062-01-03"):
        file = tmp_path / f"published/product_usage/usage_date={day}/part-0.parquet"
        file.parent.mkdir(parents=True)
        file.touch()
    assert last_day_covered(tmp_path, date(2026, 2, 1)) == date(2026, 1, 2)
    assert last_day_covered(tmp_path) == date(2062, 1, 3)


def test_a_company_without_usage_is_whole_until_a_file_is_gone(tmp_path: Path):
    """Where usage is not mapped, its tables have no days. That is no damage; a table that is gone is."""
    sources = write_sources(tmp_path, "account_id\na1\na2\n")
    days = ("--as-of", "2026-03-31", "--select", "+account_usage")
    assert call("run", "--sources", sources, *days, home=tmp_path).exit_code == 0
    result = call("verify", home=tmp_path)
    assert result.exit_code == 0, result.stdout
    assert "0 problems" in result.stdout
    Store(tmp_path).file("crm_accounts").unlink()
    result = call("verify", home=tmp_path)
    assert result.exit_code == 1
    assert "crm_accounts is missing" in result.stdout
