"""What goes wrong, as people see it: one reason, an exit code, no traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.calling import call
from tests.conftest import RAN_DAYS


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
        (["--as-of", "2019-12-31"], "outside the days that can be run, 2020-01-01"),
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


@pytest.mark.parametrize("table", ["../../etc", "no_such_table", "segments/as_of=2026-03-31", "SEGMENTS;"])
def test_tables_that_are_not_there(ran_home: Path, table: str):
    result = call("show", table, home=ran_home)
    assert result.exit_code == 1
    assert f"no table {table!r}" in result.stderr


@pytest.mark.parametrize("command", [["show", "segments"], ["explain", "A00001"]])
def test_what_is_no_day_is_wrong_use(ran_home: Path, command: list[str]):
    result = call(*command, "--as-of", "nonsense", home=ran_home)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'nonsense' is not a date such as 2026-03-31" in result.stderr


def test_a_day_that_was_not_made(ran_home: Path):
    result = call("show", "segments", "--as-of", "2020-02-02", home=ran_home)
    assert result.exit_code == 1
    assert "has not been made for 2020-02-02" in result.stderr


def test_no_failure_so_far_is_no_wrong_name(ran_home: Path):
    result = call("show", "run_failures", home=ran_home)
    assert result.exit_code == 1
    assert re.search("no run of .* has failed", result.stderr)
