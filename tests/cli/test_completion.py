"""What the shell offers, asked as a shell asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from segmentation_assets import load
from segmentation_assets.cli.main import main
from tests.cli.calling import call
from tests.conftest import RAN_DAYS


def _offers(home: Path, *words: str) -> list[str]:
    *before, begun = words
    completer = ShellComplete(main, {}, "segmentation", "_SEGMENTATION_COMPLETE")
    return [item.value for item in completer.get_completions(["--home", str(home), *before], begun)]


def test_tables(ran_home: Path):
    assert _offers(ran_home, "show", "segment_mo") == ["segment_move_parts", "segment_moves"]
    assert "tier_kpis" in _offers(ran_home, "export", "segments", "tier")
    assert _offers(ran_home, "dictionary", "churn_r") == ["churn_risk"]


def test_columns(ran_home: Path):
    assert _offers(ran_home, "show", "segments", "--columns", "account_") == [
        "account_id", "account_name", "account_executive",
    ]  # fmt: skip
    assert _offers(ran_home, "show", "segments", "--columns", "arr,account_n") == ["arr,account_name"]
    assert _offers(ran_home, "lineage", "segments.arr") == ["segments.arr"]
    assert _offers(ran_home, "show", "no_such_table", "--columns", "a") == []


def test_accounts_by_id_or_name(ran_home: Path):
    row = load("segments", home=ran_home).iloc[0]
    assert row.account_id in _offers(ran_home, "explain", row.account_id[:3])
    assert row.account_id in _offers(ran_home, "explain", row.account_name[:4].lower())


def test_days_the_newest_first(ran_home: Path):
    days = _offers(ran_home, "show", "segment_mix", "--as-of", "20")
    assert days[0] == str(RAN_DAYS[-1])
    assert days == sorted(days, reverse=True)
    assert str(RAN_DAYS[-1]) in _offers(ran_home, "report", "--as-of", "")


@pytest.mark.parametrize("words", [("show", ""), ("show", "segments", "--columns", ""), ("explain", "A")])
def test_a_home_that_cannot_be_read_offers_nothing(tmp_path: Path, words: tuple[str, ...]):
    broken = tmp_path / "published/segments/part-0.parquet"
    assert _offers(tmp_path / "nowhere", *words) == []
    broken.parent.mkdir(parents=True)
    broken.write_text("no parquet")
    assert set(_offers(tmp_path, *words)) <= {"segments"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_this_program(shell: str):
    script = call("completion", shell).stdout
    assert f"_SEGMENTATION_COMPLETE={shell}_complete" in script


def test_a_shell_gets_commands(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", "from segmentation_assets.cli.main import main; main(prog_name='segmentation')"],
        env={"_SEGMENTATION_COMPLETE": "bash_complete", "COMP_WORDS": "segmentation sh", "COMP_CWORD": "1",
             "SEGMENTATION_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["plain,show"], done.stderr
