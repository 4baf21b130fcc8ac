"""The arrival sensor: what is new and whole is landed once, what grows waits, what is refused is left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segmentation_assets.orchestration.sensors import arrivals
from segmentation_assets.orchestration.sensors.arrivals import Cursor
from segmentation_assets.orchestration.sensors.requests import Fate, Outcome
from segmentation_assets.policy.model import load_policy
from segmentation_assets.settings import Settings

POLICY = load_policy()
HEAD = "subscription_id,start_date,account_id,mrr,currency\n"
_SOURCES = """version: 1
extracts:
  crm_accounts: {path: "crm/*.csv"}
  billing_subscriptions: {path: billing.csv}
"""


class Watched:
    """A folder of sources, and the sensor's cursor; what became of its requests is said, not run."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        self.cursor: str | None = None
        self.fate = Outcome(Fate.DONE, "r1")
        (folder / "sources.yaml").write_text(_SOURCES)
        self.write("crm/2026-01-01.csv", "account_id\na1\n")
        self.write("billing.csv", HEAD)
        settings = Settings(folder / "home", folder / "sources.yaml", None)
        self.sensor = arrivals.extract_arrivals(settings, POLICY)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def look(self) -> tuple[set[str], str]:
        """One tick: the extracts asked to be landed, and what it said."""
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            result: Any = self.sensor(context)
        self.cursor = result.cursor
        names = {key.path[-1] for request in result.run_requests or [] for key in request.asset_selection}
        return names - {"quarantine"}, str(result.skip_reason and result.skip_reason.skip_message)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        table = Watched(tmp_path, instance)
        monkeypatch.setattr(arrivals, "outcome_of", lambda instance, request: table.fate)
        yield table


def test_what_is_whole_is_landed_once(watched: Watched):
    assert watched.look()[0] == set()
    assert watched.look()[0] == {"crm_accounts", "billing_subscriptions"}
    assert watched.look() == (set(), "no new files")


def test_a_file_that_grows_waits(watched: Watched):
    watched.look(), watched.look()
    for rows in range(3):
        watched.write("billing.csv", HEAD + "s,2026-01-01,a1,5,USD\n" * (rows + 1))
        names, said = watched.look()
        assert names == set()
        assert "waiting until they no longer change" in said
    assert watched.look()[0] == {"billing_subscriptions"}


def test_only_what_changed_is_landed_while_another_grows(watched: Watched):
    watched.look(), watched.look(), watched.look()
    watched.write("billing.csv", HEAD + "s,2026-01-01,a1,5,USD\n")
    watched.look()
    watched.write("crm/2026-01-02.csv", "account_id\na1\na2\n")
    assert watched.look()[0] == {"billing_subscriptions"}
    assert watched.look()[0] == {"crm_accounts"}


def test_nothing_is_asked_while_a_run_is_on_its_way(watched: Watched):
    watched.look(), watched.look()
    watched.fate = Outcome(Fate.PENDING, "r7")
    watched.write("billing.csv", HEAD + "s,2026-01-01,a1,5,USD\n")
    assert "run r7" in watched.look()[1]
    assert watched.look()[0] == set()
    watched.fate = Outcome(Fate.DONE, "r7")
    assert watched.look()[0] == {"billing_subscriptions"}


def test_a_drop_of_tomorrow_is_left_alone_and_said(watched: Watched):
    watched.look(), watched.look(), watched.look()
    tomorrow = POLICY.company.today() + timedelta(days=1)
    watched.write(f"crm/{tomorrow}.csv", "account_id\na1\na9\n")
    assert watched.look() == (set(), f"crm_accounts: the drop dated {tomorrow} is not read before that day")
    assert watched.look()[0] == set()


def test_a_backdated_drop_is_new(watched: Watched):
    watched.look(), watched.look(), watched.look()
    watched.write("crm/2025-01-01.csv", "account_id\na1\n")
    watched.look()
    assert watched.look()[0] == {"crm_accounts"}


def test_what_is_refused_waits_for_new_files_and_comes_again_with_them(watched: Watched):
    watched.look(), watched.look()
    watched.fate = Outcome(Fate.REFUSED, "r2")
    names, said = watched.look()
    assert names == set()
    assert "refused" in said
    assert watched.look()[0] == set()
    watched.fate = Outcome(Fate.DONE, "r3")
    watched.write("crm/2026-01-02.csv", "account_id\na1\na2\n")
    watched.look()
    assert watched.look()[0] == {"crm_accounts", "billing_subscriptions"}


def test_a_landing_that_died_is_asked_for_again_after_a_while(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    watched.look(), watched.look()
    watched.fate = Outcome(Fate.FAILED, "r2")
    monkeypatch.setattr(arrivals, "wait_left", lambda *_: 30.0)
    assert "trying again in 30 s" in watched.look()[1]
    monkeypatch.setattr(arrivals, "wait_left", lambda *_: 0.0)
    assert watched.look()[0] == {"crm_accounts", "billing_subscriptions"}
    assert json.loads(str(watched.cursor))["attempt"] == 2


def test_a_missing_file_is_said(watched: Watched):
    (watched.folder / "billing.csv").unlink()
    assert "billing_subscriptions: billing.csv: no such file" in watched.look()[1]


def test_a_cursor_of_an_older_home_is_read():
    """Its field `asked` is called `requested` today; a running sensor keeps its cursor over an upgrade."""
    cursor = Cursor.read('{"occasion": "x-1", "attempt": 1, "seen": {"leads": "b"}, "asked": {"leads": "a"}}')
    assert (cursor.requested, cursor.seen, cursor.attempt) == ({"leads": "a"}, {"leads": "b"}, 1)
    assert Cursor.read(str(cursor)) == cursor
