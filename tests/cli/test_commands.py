"""The command as people use it: what it prints, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from segmentation_assets.cli.main import DAY, _month_ends, _policy_option, main
from segmentation_assets.reading.access import last_day_covered
from segmentation_assets.settings import find_settings
from tests.conftest import RAN_DAYS

ROOT = Path(__file__).parents[2]


def call(*arguments: object, home: Path | None = None) -> Result:
    option = ["--home", str(home)] if home else []
    result = CliRunner().invoke(main, [*option, *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception  # a traceback, which people must not see
    return result


# -- wrong use: exit code 2, one reason, no traceback


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "--as-of", "2026-13-01"], "no day such as"),
        (["run", "--as-of", "2026-03-31", "--from", "2026-03-01", "--to", "2026-03-31"], "either --as-of or"),
        (["run", "--from", "2026-03-01"], "both --from and --to"),
        (["run", "--from", "2026-03-02", "--to", "2026-03-01"], "is before"),
        (["run"], "no sources"),
        (["run", "--sources", "nowhere.yaml"], "--sources: there is no file"),
        (["run", "--policy", "nowhere.yaml"], "--policy: there is no file"),
        (["check-sources"], "no sources"),
        (["generate", "x", "--accounts", "0"], "--accounts"),
        (["explain"], "Missing argument"),
        (["show", "segments", "--limit", "-1"], "--limit"),
        (["shwo", "segments"], "No such command"),
        (["ui", "--port", "0"], "--port"),
    ],
)
def test_wrong_use(arguments: list[str], reason: str, tmp_path: Path):
    result = call(*arguments, home=tmp_path / "home")
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (["--as-of", "2019-12-31"], "outside the days that can be asked for, 2020-01-01 to"),
        (["--select", "no_such_table"], "names no table"),
        (["--select", "key:("], "cannot read the selection"),
    ],
)
def test_wrong_use_that_needs_the_chain(option: list[str], reason: str, ran_home: Path):
    result = call("run", *(option if "--as-of" in option else [*option, "--as-of", "2026-03-31"]), home=ran_home)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_policy_that_cannot_be_used(ran_home: Path, tmp_path: Path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("tier:\n  growth_min_arr: -5\n")
    result = call("run", "--policy", policy, "--as-of", RAN_DAYS[0], home=ran_home)
    assert result.exit_code == 2
    assert f"{policy}:2: tier.growth_min_arr" in result.stderr


# -- the data or the run failed: exit code 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "segments"], "nothing is published"),
        (["explain", "A1"], "nothing is published"),
    ],
)
def test_nothing_published_yet(arguments: list[str], reason: str, tmp_path: Path):
    result = call(*arguments, home=tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("failed: ")
    assert reason in result.stderr


def test_broken_files_of_a_home_are_named(tmp_path: Path):
    broken = tmp_path / "published/segments/part-0.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_text("no parquet")
    result = call("show", "segments", home=tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("failed: ")
    assert str(broken) in result.stderr
    memory = tmp_path / "last_run.json"
    memory.write_text('{"sources": ')
    for command in (["check-sources"], ["run", "--as-of", "2026-03-31"]):
        result = call(*command, home=tmp_path)
        assert result.exit_code == 1
        assert f"failed: {memory}: not readable as JSON" in result.stderr


def write_sources(folder: Path, accounts: str, mapping: str = "") -> Path:
    (folder / "accounts.csv").write_text(accounts)
    (folder / "subscriptions.csv").write_text(
        "subscription_id,start_date,account_id,product,plan,region,seats,mrr,currency\n"
        "s1,2025-01-01,a1,core,pro,emea,5,100,USD\n"
    )
    file = folder / "sources.yaml"
    file.write_text(
        "version: 1\nextracts:\n"
        f"  crm_accounts: {{path: accounts.csv{mapping}}}\n"
        "  billing_subscriptions: {path: subscriptions.csv}\n"
    )
    return file


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


def test_check_sources_says_what_is_wrong(tmp_path: Path):
    sources = write_sources(tmp_path, "account_id,created_on\na1,31.12.2025\n")
    result = call("check-sources", "--sources", sources, home=tmp_path)
    assert result.exit_code == 1
    assert "crm_accounts.created_on" in result.stderr
    assert "31.12.2025" in result.stderr
    good = call("check-sources", "--sources", write_sources(tmp_path, "account_id\na1\n"), home=tmp_path)
    assert good.exit_code == 0
    assert "2 extracts, no problems" in good.stderr


# -- running


def test_a_header_alone_is_a_warning_before_the_run_and_in_it(tmp_path: Path):
    (tmp_path / "accounts.csv").write_text("account_id\nA1\n")
    (tmp_path / "subscriptions.csv").write_text("subscription_id,start_date,account_id,mrr,currency\n")
    (tmp_path / "sources.yaml").write_text(
        "version: 1\nextracts: {crm_accounts: {path: accounts.csv}, billing_subscriptions: {path: subscriptions.csv}}"
    )
    checked = call("check-sources", home=tmp_path)
    assert checked.exit_code == 0, checked.stderr
    assert "warning:" in checked.stderr
    assert "subscriptions.csv: there are no rows" in checked.stderr
    ran = call("run", "--select", "billing_subscriptions", home=tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert "billing_subscriptions: there are no rows in its source" in ran.stderr


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
    assert "billing_subscriptions: subscriptions.csv: there are no rows, and 1 stand" in cut.stderr
    assert {path: path.read_bytes() for path in tmp_path.glob("published/**/*.parquet")} == before
    subscriptions.write_text(whole)
    assert call("run", *days, home=tmp_path).exit_code == 0


def test_what_cannot_run_is_not_remembered(tmp_path: Path):
    sources = write_sources(tmp_path, "account_id\na1\n")
    ahead = call("run", "--sources", sources, "--as-of", "2035-01-01", home=tmp_path)
    assert ahead.exit_code == 2
    sources.write_text("version: 1\nextracts: {crm_acounts: {path: accounts.csv}}\n")
    broken = call("run", "--sources", sources, home=tmp_path)
    assert (broken.exit_code, broken.stderr.count("crm_acounts")) == (1, 1), broken.stderr
    assert not (tmp_path / "last_run.json").exists()
    assert not list(tmp_path.glob("dagster/history/runs/*"))


def test_names_with_commands_for_the_terminal_are_shown_not_obeyed(tmp_path: Path):
    write_sources(tmp_path, 'account_id,account_name\na1,"red \x1b[31m\nnext"\n')
    assert call("run", "--as-of", "2026-03-31", "--select", "+account_hierarchy", home=tmp_path).exit_code == 0
    shown = call("show", "crm_accounts", "--columns", "account_name", home=tmp_path).stdout
    assert "\x1b" not in shown
    assert "red \N{REPLACEMENT CHARACTER}[31m next" in shown


def test_no_failure_so_far_is_no_wrong_name(ran_home: Path):
    result = call("show", "run_failures", home=ran_home)
    assert result.exit_code == 1
    assert "no run has failed" in result.stderr


def test_a_second_run_keeps_everything(ran_home: Path):
    before = {path: path.stat().st_mtime_ns for path in ran_home.glob("published/**/*.parquet")}
    result = call("run", "--as-of", RAN_DAYS[1], "--format", "json", home=ran_home)
    assert result.exit_code == 0, result.stderr
    [outcome] = json.loads(result.stdout)
    assert outcome["succeeded"]
    made = {step["table"]: step["days_made"] for step in outcome["steps"]}
    assert len(made) > 50
    assert made.pop("report") == 1  # of this day there was none yet
    assert not any(made.values())
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


def test_month_ends_of_a_demonstration():
    assert _month_ends(date(2026, 3, 31), 3) == [date(2026, 2, 28), date(2026, 1, 31), date(2025, 12, 31)]
    assert _month_ends(date(2024, 3, 1), 1) == [date(2024, 2, 29)]
    assert _month_ends(date(2026, 3, 31), 0) == []


def test_words_for_days():
    with pytest.raises(click.BadParameter):
        DAY.convert("tomorrow", None, None)


def test_today_is_the_companys_wherever_the_machine_is(tmp_path: Path):
    """Fourteen hours before UTC and eleven behind: whatever the machine's clock says, these are different days."""

    @click.command()
    @click.option("--as-of", type=DAY, default="today")
    @_policy_option
    def probe(as_of: date, policy: Path) -> None:
        click.echo(f"{as_of} {DAY.convert('yesterday', None, click.get_current_context())}")

    def told(*arguments: str) -> list[date]:
        result = CliRunner().invoke(probe, arguments, obj=tmp_path / "home")
        assert result.exit_code == 0, result.output
        return [date.fromisoformat(day) for day in result.output.split()]

    zones = {"east": "Pacific/Kiritimati", "west": "Pacific/Pago_Pago"}
    for name, zone in zones.items():
        (tmp_path / f"{name}.yaml").write_text(f"company: {{timezone: {zone}}}\n")
    east = told("--as-of", "today", "--policy", f"{tmp_path}/east.yaml")  # the option after the word that needs it
    west = told("--policy", f"{tmp_path}/west.yaml")
    assert east[0] - east[1] == west[0] - west[1] == timedelta(days=1)
    assert east[0] - west[0] in (timedelta(days=1), timedelta(days=2))
    find_settings(tmp_path / "home", policy=tmp_path / "east.yaml").remember()
    assert told() == east  # what the home used last


def test_the_last_day_covered_is_not_in_the_future(tmp_path: Path):
    for day in ("2026-01-01", "2026-01-02", "2062-01-03"):
        file = tmp_path / f"published/product_usage/usage_date={day}/part-0.parquet"
        file.parent.mkdir(parents=True)
        file.touch()
    assert last_day_covered(tmp_path, date(2026, 2, 1)) == date(2026, 1, 2)
    assert last_day_covered(tmp_path) == date(2062, 1, 3)


# -- showing


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


@pytest.mark.parametrize("table", ["../../etc", "no_such_table", "segments/as_of=2026-03-31", "SEGMENTS;"])
def test_tables_that_are_not_there(ran_home: Path, table: str):
    result = call("show", table, home=ran_home)
    assert result.exit_code == 1
    assert f"no table {table!r}" in result.stderr


@pytest.mark.parametrize("command", [["show", "segments"], ["explain", "A00001"]])
def test_what_is_no_day_is_wrong_use(ran_home: Path, command: list[str]):
    result = call(*command, "--as-of", "nonsense", home=ran_home)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'nonsense' is no date like 2026-03-31" in result.stderr


def test_a_day_that_was_not_made(ran_home: Path):
    result = call("show", "segments", "--as-of", "2020-02-02", home=ran_home)
    assert result.exit_code == 1
    assert "has not been made for 2020-02-02" in result.stderr


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


# -- explaining


def test_explain_tells_segment_tier_and_scores(ran_home: Path):
    record = json.loads(call("show", "segments", "--limit", 1, "--format", "json", home=ran_home).stdout)[0]
    result = call("explain", record["account_id"], home=ran_home)
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert f"{record['account_name']} ({record['account_id']}): {record['segment']}" in told
    assert f"by rule {record['rule_id']}" in told
    assert f"by rule {record['tier_rule_id']}" in told
    assert "composite_score" in told
    by_name = call("explain", record["account_name"].upper(), "--format", "json", home=ran_home)
    assert json.loads(by_name.stdout)["account_id"] == record["account_id"]


def test_an_unknown_account_gets_what_comes_close(ran_home: Path):
    record = json.loads(call("show", "segments", "--limit", 1, "--format", "json", home=ran_home).stdout)[0]
    result = call("explain", record["account_name"][:-2], home=ran_home)
    assert result.exit_code == 1
    assert f"{record['account_id']} ({record['account_name']})" in result.stderr
    far = call("explain", "zzzzzzzz", home=ran_home)
    assert far.exit_code == 1
    assert "close to it" not in far.stderr


@pytest.mark.parametrize("command", [["show", "segments"], ["explain", "A00001"], ["--help"]])
def test_looking_loads_neither_dagster_nor_the_chain_and_is_quick(ran_home: Path, command: list[str]):
    code = (
        "import sys, time; begun = time.process_time()\n"
        "from segmentation_assets.cli.main import _policy_option, main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = [m for m in ('dagster', 'ibis', 'pandas', 'pandera', 'scipy', 'segmentation_assets.chain') "
        "if m in sys.modules]\n"
        "print('\\n', heavy, time.process_time() - begun, file=sys.stderr)"
    )
    # With compiled modules at hand, as an installed command has them.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(ran_home.parent / "pycache")
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, "--home", str(ran_home), *command],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    heavy, _, seconds = runs[-1].stderr.strip().splitlines()[-1].strip().rpartition(" ")
    assert heavy == "[]"
    assert float(seconds) < 1.0  # of the processor: other tests run beside this one


def test_importing_the_package_loads_nothing():
    code = "import sys; import segmentation_assets; print([m for m in sys.modules if m.startswith('segmentation_')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['segmentation_assets']"


# -- the screens


def test_a_port_that_is_taken_is_a_reason(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = call("ui", "--port", taken.getsockname()[1], home=tmp_path)
    assert result.exit_code == 1
    assert "is taken" in result.stderr


def test_the_explorer_needs_something_published(tmp_path: Path):
    result = call("app", home=tmp_path)
    assert result.exit_code == 1
    assert "nothing is published" in result.stderr


def test_the_explorer_and_a_port_that_is_taken(ran_home: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = call("app", "--port", taken.getsockname()[1], home=ran_home)
    assert result.exit_code == 1
    assert "is taken: say --port with another one" in result.stderr


def test_the_explorer_without_its_extra(ran_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = call("app", home=ran_home)
    assert result.exit_code == 2
    assert "pip install 'segmentation-assets[app]'" in result.stderr


def test_the_whole_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("segmentation_assets.cli.main._DEMO_DAYS", 60)
    result = call("demo", "--accounts", 6, "--end", "2026-03-31", "--months", 0, home=tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "2026-03-31: accounts · ARR in thousands" in result.stdout
    assert "explain A0" in result.stdout


# -- what is fresh


def test_status_checks_what_people_read(ran_home: Path, tmp_path: Path):
    home = tmp_path / "home"  # a copy: other tests use the other one meanwhile
    shutil.copytree(ran_home, home)
    before = _files(home)
    late = call("status", "--check", "--format", "json", home=home)
    told = json.loads(late.stdout)
    assert late.exit_code == 1
    assert (told["is_fine"], told["keeps_current"], told["last_run"]["status"]) == (False, None, "SUCCESS")
    tables = {table["table"]: table for table in told["tables"]}
    assert (tables["segments"]["state"], tables["segments"]["latest"]) == ("late", str(RAN_DAYS[-1]))
    assert (tables["churn_risk"]["state"], tables["billing_subscriptions"]["state"]) == ("fresh", "fresh")
    refused = tables["billing_invoices"]
    assert refused["rows_read"] > refused["rows_quarantined"] > 0
    patient = tmp_path / "policy.yaml"
    patient.write_text(
        "orchestration: {freshness: {daily_fail_hours: 1000000, weekly_fail_hours: 1000000}}\n", encoding="utf-8"
    )
    fine = call("status", "--check", "--policy", patient, home=home)
    assert fine.exit_code == 0, fine.output
    assert "segments" in fine.stdout
    assert call("status", home=home).exit_code == 0  # only told
    assert _files(home) == before


def _files(home: Path) -> dict[Path, int]:
    """When each file changed last, but for those that SQLite keeps while somebody reads."""
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".db-wal", ".db-shm")]
    return {path: path.stat().st_mtime_ns for path in files}
