"""`segmentation sync` and `segmentation digest`, as people call them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.sync.hubspot import TOKEN as TOKEN_NAME
from segmentation_assets.sync.slack import WEBHOOK
from tests.cli.calling import call
from tests.sync.homes import FIELDS, account, define_properties, write_home
from tests.sync.hubspot_fake import TOKEN, HubSpotFake, served
from tests.sync.test_digest import SlackFake, alert, book


@pytest.fixture
def fake() -> Iterator[HubSpotFake]:
    with served(HubSpotFake()) as server:
        define_properties(server)
        for at in (1, 2):
            server.add(str(at))
        yield server


@pytest.fixture
def home(tmp_path: Path, fake: HubSpotFake, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(TOKEN_NAME, TOKEN)
    others = sorted(set(load_policy().crm.fields) - set(FIELDS))
    absent = "".join(f"    {name}: {{column: not_published.{name}}}\n" for name in others)
    (tmp_path / "policy.yaml").write_text(f"crm:\n  fields:\n{absent}  hubspot: {{address: '{fake.address}'}}\n")
    return write_home(tmp_path, [account("a1", "At-Risk", account_name="[bold]Acme"), account("a2", arr=5e5)])


def test_a_dry_run_counts_names_the_largest_moves_and_sends_nothing(home: Path, fake: HubSpotFake):
    result = call("sync", "hubspot", home=home)
    assert result.exit_code == 0
    assert "10 values of 2 accounts to send, of 2 accounts" in result.stdout
    assert "[bold]Acme: At-Risk, $12.0k ARR" in result.stdout  # a name is no markup
    assert "not sent, since their tables are not published: Behavioral cohort" in result.stdout.replace(
        "Usage cohort", "Behavioral cohort"
    )
    assert "nothing was sent" in result.stdout
    assert fake.requests == []


def test_apply_then_nothing_is_left_and_json_is_for_machines(home: Path, fake: HubSpotFake):
    result = call("sync", "hubspot", "--apply", "--format", "json", home=home)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["outcomes"] == {"acknowledged": 10}
    facts = json.loads(call("sync", "hubspot", "--format", "json", home=home).stdout)
    assert (facts["changes"], facts["share_moved"]) == (0, 0.0)
    assert "nothing to send" in call("sync", "hubspot", "--apply", home=home).stdout


def test_what_did_not_reach_the_crm_ends_with_1_and_says_where_to_look(home: Path, fake: HubSpotFake):
    fake.companies["2"].is_archived = True
    result = call("sync", "hubspot", "--apply", home=home)
    assert result.exit_code == 1
    assert "deleted: a2" in result.stdout
    assert "crm_sync_log" in result.stderr
    query = "outcome NOT IN ('acknowledged', 'confirmed')"  # as the message says
    shown = call("show", "crm_sync_log", "--where", query, "--format", "json", home=home)
    assert {row["account_id"] for row in json.loads(shown.stdout)} == {"a2"}


def test_a_missing_token_is_wrong_use_and_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(TOKEN_NAME)
    result = call("sync", "hubspot", "--apply", home=home)
    assert result.exit_code == 2
    assert TOKEN_NAME in result.stderr


def test_setup_shows_first(home: Path, fake: HubSpotFake):
    del fake.properties["value_tier"]
    shown = call("sync", "hubspot", "--setup", home=home)
    assert "make value_tier (picklist) with Bronze, Silver, Gold, Platinum" in shown.stdout
    assert "value_tier" not in fake.properties
    assert call("sync", "hubspot", "--setup", "--apply", home=home).exit_code == 0
    assert "value_tier" in fake.properties
    assert "the CRM has every field and value" in call("sync", "hubspot", "--setup", home=home).stderr


def test_the_digest_is_printed_and_posted_once(home: Path, monkeypatch: pytest.MonkeyPatch):
    book(home, alert(1, "into_risk", as_of=date(2026, 11, 23)))
    result = call("digest", home=home)
    assert result.exit_code == 0
    assert "Into At-Risk (1)" in result.stdout
    assert json.loads(call("digest", "--format", "slack", home=home).stdout)["blocks"]
    with served(SlackFake()) as slack:
        monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{slack.port}/services/T000/B000/secret-secret")
        assert "posted 1 event to Slack" in call("digest", "--apply", home=home).stderr
        assert "nothing new" in call("digest", "--apply", home=home).stderr
        assert len(slack.messages) == 1
