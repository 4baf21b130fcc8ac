"""A whole run that would make nothing ends without Dagster; whatever has changed, it does run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from segmentation_assets.running.keeping import kept
from segmentation_assets.settings import Settings, find_settings
from segmentation_assets.warehouse.packs import packs_of
from segmentation_assets.warehouse.store import Store
from tests.cli.calling import call
from tests.conftest import RAN_DAYS


@pytest.fixture(scope="module")
def whole_home(ran_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that tests change and put back."""
    home = tmp_path_factory.mktemp("kept") / "home"
    shutil.copytree(ran_home, home)
    return home


def settings(home: Path, policy: Path | None = None) -> Settings:
    """The copy's own sample: the home remembers that of the original."""
    return find_settings(home, home / "sample" / "sources.yaml", policy)


def is_kept(home: Path) -> bool:
    return kept(settings(home), RAN_DAYS) is not None


def test_a_second_run_starts_none_and_says_so(whole_home: Path):
    def runs() -> int:
        return len(list((whole_home / "dagster").rglob("*")))

    before = runs()
    days = ("--from", str(RAN_DAYS[0]), "--to", str(RAN_DAYS[-1]))
    shown = call("run", *days, home=whole_home)
    assert shown.exit_code == 0, shown.stderr
    assert "no run was started" in shown.stderr
    [outcome] = json.loads(call("run", *days, "--format", "json", home=whole_home).stdout)
    assert outcome["succeeded"]
    assert {(step["state"], step["days_made"]) for step in outcome["steps"]} == {("done", 0)}
    assert runs() == before


def _removed(find: Callable[[Path], Path]) -> Callable[[Path], Callable[[], None]]:
    """A change that removes a file. It returns what puts the file back."""

    def change(home: Path) -> Callable[[], None]:
        file = find(home)
        aside = file.with_name(f"{file.name}.aside")
        file.rename(aside)
        return lambda: (aside.rename(file), None)[1]

    return change


def _one_more_row(home: Path) -> Callable[[], None]:
    file = next(iter(sorted((home / "sample" / "crm_accounts").glob("*"))))
    before = file.read_bytes()
    file.write_bytes(before + b"\n")
    return lambda: (file.write_bytes(before), None)[1]


CHANGES = {
    "a day's own file": _removed(lambda home: Store(home).file("segments", "as_of", RAN_DAYS[1])),
    "a pack": _removed(lambda home: packs_of(home, "account_usage")[0].file),
    "a table without days": _removed(lambda home: Store(home).file("crm_accounts")),
    "a landed day of usage": _removed(lambda home: Store(home).file("product_usage", "usage_date", RAN_DAYS[0])),
    "the report": _removed(lambda home: next((home / "reports").glob(f"{RAN_DAYS[-1]}-*.html"))),
    "a delivery": _one_more_row,
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changed_is_seen(name: str, whole_home: Path):
    put_back = CHANGES[name](whole_home)
    try:
        seen = not is_kept(whole_home)
    finally:
        put_back()
    assert seen
    assert is_kept(whole_home)


def test_another_policy_another_day_or_a_home_in_use_is_work(whole_home: Path, tmp_path: Path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("signals: {window_days: 45}\n")
    assert kept(settings(whole_home, policy), RAN_DAYS) is None
    assert kept(settings(whole_home), [RAN_DAYS[-1] + timedelta(days=1)]) is None
    with Store(whole_home).alone():
        assert not is_kept(whole_home)
    assert is_kept(whole_home)


def test_an_empty_home_is_work(tmp_path: Path):
    assert kept(find_settings(tmp_path), RAN_DAYS) is None
