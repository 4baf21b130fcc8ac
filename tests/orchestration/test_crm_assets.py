"""The CRM sync in Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.orchestration.crm_assets import (
    CHANGES,
    LOG,
    crm_assets,
    find_changes_of_run,
    send_changes_of_run,
)
from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.policy.model import load_policy
from segmentation_assets.settings import Settings
from segmentation_assets.sync.hubspot import TOKEN as TOKEN_NAME
from tests.sync.homes import FIELDS, account, define_properties, write_home
from tests.sync.hubspot_fake import TOKEN, HubSpotFake, served


@pytest.fixture
def fake() -> Iterator[HubSpotFake]:
    with served(HubSpotFake()) as server:
        define_properties(server)
        server.add("1")
        yield server


def warehouse(tmp_path: Path, fake: HubSpotFake) -> WarehouseResource:
    fields = sorted(set(load_policy().crm.fields) - set(FIELDS))
    absent = "".join(f"    {name}: {{column: not_published.{name}}}\n" for name in fields)
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        f"crm:\n  systems: [hubspot]\n  read_back: 0\n  fields:\n{absent}  hubspot: {{address: '{fake.address}'}}\n"
    )
    return WarehouseResource(home=str(tmp_path), policy=str(policy))


def test_assets_are_there_only_where_the_policy_names_a_crm(tmp_path: Path):
    def names(text: str) -> set[str]:
        policy = tmp_path / "policy.yaml"
        policy.write_text(text)
        defs = build_defs(settings=Settings(tmp_path, None, policy))
        daily: Any = defs.resolve_job_def("usage_and_health").asset_layer
        return {key.path[-1] for key in daily.executable_asset_keys}

    assert not {CHANGES, LOG} & names("{}")
    assert {CHANGES, LOG} <= names("crm: {systems: [hubspot]}")  # the daily run ends with them


def test_a_run_finds_changes_and_sends_them(tmp_path: Path, fake: HubSpotFake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(TOKEN_NAME, TOKEN)
    write_home(tmp_path, [account("a1")])
    home = warehouse(tmp_path, fake)
    assert find_changes_of_run(home)["rows"] == 5
    assert fake.requests == []
    facts = send_changes_of_run(home, "r1")
    assert facts["hubspot, acknowledged"] == 5
    assert send_changes_of_run(home, "r2")["rows"] == 0


def test_what_did_not_reach_the_crm_fails_the_step_without_a_secret(
    tmp_path: Path, fake: HubSpotFake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(TOKEN_NAME, "wrong-token-wrong-token")
    write_home(tmp_path, [account("a1")])
    home = warehouse(tmp_path, fake)
    with pytest.raises(dg.Failure) as failure:
        send_changes_of_run(home, "r1")
    assert "the token is not valid" in str(failure.value.description)
    assert "wrong-token" not in str(failure.value.description)
    monkeypatch.setenv(TOKEN_NAME, TOKEN)
    write_home(tmp_path, [account("a1"), account("a2", record_id="7")])
    with pytest.raises(dg.Failure, match="5 values or accounts did not reach the CRM"):
        send_changes_of_run(home, "r2")


def test_the_sync_comes_after_the_tables_it_reads():
    changes, log = crm_assets(CATALOGUE, load_policy(), "warehouse")
    assert {key.path[-1] for key in changes.dependency_keys} == {
        "segments", "crm_accounts", "segment_register", "health_scores",
    }  # fmt: skip
    assert {key.path[-1] for key in log.dependency_keys} == {CHANGES}
