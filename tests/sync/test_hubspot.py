"""From published tables to HubSpot and back into the log, against a HubSpot that enforces its limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segmentation_assets.reading.access import load
from segmentation_assets.sync.applying import Result, Run
from segmentation_assets.sync.records import SyncRefused
from tests.sync.homes import account, connected, define_properties, policy_for, write_home
from tests.sync.hubspot_fake import HubSpotFake, Refused, served


@pytest.fixture
def fake() -> Iterator[HubSpotFake]:
    with served(HubSpotFake()) as server:
        define_properties(server)
        yield server


def run(home: Path, fake: HubSpotFake, **changes: Any) -> Run:
    policy = policy_for(fake, **changes)
    return Run(home, policy, "hubspot", lambda: connected(fake, policy))


def apply(home: Path, fake: HubSpotFake, **changes: Any) -> Result:
    options = {name: changes.pop(name) for name in ("limit", "is_confirmed") if name in changes}
    return run(home, fake, **changes).apply(**options)


def company(home: Path, fake: HubSpotFake, number: int, segment: str = "Growth", **values: Any) -> Path:
    """A home of so many accounts, each with a company in HubSpot."""
    rows = [account(f"a{at}", segment, arr=1000.0 * at, **values) for at in range(1, number + 1)]
    for row in rows:
        if row["record_id"] not in fake.companies:
            fake.add(row["record_id"], name=row["account_name"])
    return write_home(home, rows)


def held(fake: HubSpotFake, record: str = "1") -> dict[str, str]:
    return {name: value for name, value in fake.companies[record].values.items() if name != "name"}


ALL = {
    "segment_tier": "Growth", "value_tier": "Gold", "composite_segment_score": "61", "account_health_score": "70",
    "segmentation_csm": "csm-1",
}  # fmt: skip


def test_a_dry_run_asks_nobody_and_counts(tmp_path: Path, fake: HubSpotFake):
    facts = run(company(tmp_path, fake, 3), fake).preview()
    assert fake.requests == []
    assert (facts.changes, facts.changed_accounts, facts.accounts) == (15, 3, 3)  # 3 accounts x 5 fields
    assert facts.by_field["segment"] == {"first": 3}
    table = load("crm_changes", home=tmp_path)
    assert table.loc[(table["account_id"] == "a1") & (table["field"] == "composite_score"), "wanted"].item() == "61"


def test_the_crm_gets_what_is_published_and_a_second_run_sends_nothing(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 250)
    result = apply(home, fake)
    assert result.outcomes == {"acknowledged": 1250}
    assert result.faults == 0
    assert all(held(fake, str(at)) == ALL for at in range(1, 251))
    assert [len(body["inputs"]) for body in fake.writes()] == [100, 100, 50]
    log = load("crm_sync_log", home=home)
    assert len(log) == 1250
    assert sorted(log["number"]) == list(range(1, 1251))
    fake.requests.clear()
    assert apply(home, fake).outcomes == {}
    assert fake.writes() == []


def test_the_crm_gets_its_own_word_for_a_value(tmp_path: Path, fake: HubSpotFake):
    write_home(tmp_path, [account("a1"), account("a2", csm_id="o'neil"), account("a3", csm_id="csm-3")])
    policy = policy_for(fake)
    words = {"csm-1": "51234567", "o'neil": "Ann O'Neil"}
    fields = policy.crm.fields | {"csm": policy.crm.fields["csm"].model_copy(update={"values": words})}
    policy = policy.model_copy(update={"crm": policy.crm.model_copy(update={"fields": fields})})
    Run(tmp_path, policy, "hubspot", lambda: connected(fake, policy)).preview()
    table = load("crm_changes", home=tmp_path, where="field = 'csm'")
    assert dict(zip(table.account_id, table.wanted, strict=True)) == {
        "a1": "51234567", "a2": "Ann O'Neil", "a3": "csm-3",
    }  # fmt: skip


def test_only_fields_that_changed_are_sent(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 2)
    apply(home, fake)
    fake.requests.clear()
    write_home(home, [account("a1", "Growth", health_score=50.0), account("a2")], "2026-11-24")
    apply(home, fake)
    assert [each["properties"] for body in fake.writes() for each in body["inputs"]] == [
        {"account_health_score": "50"}
    ]


def test_the_most_urgent_go_first_and_a_limit_holds(tmp_path: Path, fake: HubSpotFake):
    for at in (1, 2, 3):
        fake.add(str(at))
    rows = [account("a1", "Growth", arr=9e6), account("a2", "At-Risk", arr=1.0), account("a3", "Growth", arr=5.0)]
    home = write_home(tmp_path, rows)
    apply(home, fake, limit=1)
    assert [held(fake, each).get("segment_tier") for each in ("1", "2", "3")] == [None, "At-Risk", None]
    apply(home, fake, limit=1)
    assert held(fake, "1")["segment_tier"] == "Growth"


@pytest.mark.parametrize("fault", ["429:3", "429", "500", "503", "cut_before", "cut_after"])
def test_a_passing_fault_is_tried_again(tmp_path: Path, fake: HubSpotFake, fault: str):
    home = company(tmp_path, fake, 3)
    fake.faults = [None, None, fault, fault]  # properties, read, then the write
    result = apply(home, fake)
    assert result.outcomes == {"acknowledged": 15}
    assert held(fake) == ALL
    assert set(load("crm_sync_log", home=home)["tries"]) == {3}
    if fault == "429:3":
        assert sum(fake.clock.slept) >= 6


def test_what_got_no_answer_is_not_acknowledged_and_the_next_run_looks(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 2)
    fake.faults = [None, None, *["cut_after"] * 6]
    result = apply(home, fake)
    assert result.outcomes == {"unconfirmed": 10}
    assert result.faults == 10
    fake.requests.clear()
    again = apply(home, fake)
    assert again.outcomes == {"confirmed": 10}  # they were written, and the answer lost
    assert fake.writes() == []
    assert apply(home, fake).outcomes == {}


def test_an_answer_that_names_no_record_acknowledges_none(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 2)
    fake.faults = [None, None, "garbage"]
    assert apply(home, fake).outcomes == {"unconfirmed": 10}
    assert apply(home, fake).outcomes == {"acknowledged": 10}


@pytest.mark.parametrize("names_missing", [True, False])
def test_a_record_deleted_between_look_and_write(tmp_path: Path, fake: HubSpotFake, names_missing: bool):
    home = company(tmp_path, fake, 2)
    fake.names_missing = names_missing
    answer = fake._update

    def deleting(body: Any) -> Any:
        fake.companies["2"].is_archived = True
        return answer(body)

    fake._update = deleting  # type: ignore[method-assign]
    result = apply(home, fake)
    assert result.outcomes == {"acknowledged": 5, "rejected" if names_missing else "unconfirmed": 5}
    assert apply(home, fake).outcomes == {"deleted": 5}


def test_records_that_are_not_there_are_listed_and_never_made(tmp_path: Path, fake: HubSpotFake):
    rows = [account("a1"), account("a2"), account("a3"), account("a4"), account("a5", record_id=None)]
    home = write_home(tmp_path, rows)
    for at in (1, 2, 3, 9):
        fake.add(str(at))
    fake.companies["2"].is_archived = True
    fake.merge("3", into="9")
    result = apply(home, fake)
    assert result.outcomes == {"acknowledged": 5, "deleted": 5, "merged": 5, "unknown": 5}
    assert result.facts.without_record == ("a5",)
    assert result.faults == 16
    assert sorted(fake.companies) == ["1", "2", "3", "9"]
    assert held(fake, "9") == {"hs_merged_object_ids": "3"}  # nobody writes to the record that it was merged into
    log = load("crm_sync_log", home=home)
    assert "merged into 9" in log.loc[log["account_id"] == "a3", "reason"].iloc[0]


def test_an_id_that_hubspot_cannot_read_costs_no_other_account(tmp_path: Path, fake: HubSpotFake):
    fake.add("1")
    home = write_home(tmp_path, [account("a1"), account("a2", record_id="not a number")])
    assert apply(home, fake).outcomes == {"acknowledged": 5, "unknown": 5}


def test_two_accounts_of_one_record_stop_the_sync(tmp_path: Path, fake: HubSpotFake):
    fake.add("1")
    home = write_home(tmp_path, [account("a1"), account("a2", record_id="1")])
    with pytest.raises(SyncRefused, match=r"1 record of the CRM .*1: a1, a2"):
        apply(home, fake)
    assert fake.requests == []


def test_a_company_that_hubspot_refuses_costs_no_other_account(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 20)
    answer = fake._update

    def update(body: Any) -> Any:
        if any(each["properties"].get("segmentation_csm") == "csm-7" for each in body["inputs"]):
            raise Refused(400, "a rule of this portal refuses csm-7")
        return answer(body)

    fake._update = update  # type: ignore[method-assign]
    write_home(home, [account(f"a{at}", csm_id=f"csm-{at}") for at in range(1, 21)])
    result = apply(home, fake)
    assert result.outcomes == {"acknowledged": 95, "rejected": 5}
    log = load("crm_sync_log", home=home)
    refused = log[log["outcome"] == "rejected"]
    assert set(refused["account_id"]) == {"a7"}
    assert "a rule of this portal" in refused["reason"].iloc[0]


def test_requests_keep_within_the_limit(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 300)
    fake.most_in_10_seconds = 100
    apply(home, fake, limit=300)
    assert len(fake.times) <= 100
    assert not [seconds for seconds in fake.clock.slept if seconds > 1]  # no 429 was met


def test_a_person_s_change_is_kept_and_another_program_s_is_not(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 2)
    apply(home, fake)
    fake.set("1", "segment_tier", "Strategic", "CRM_UI")
    fake.set("2", "segment_tier", "Strategic", "INTEGRATION")
    write_home(home, [account("a1", "Efficient"), account("a2", "Efficient")], "2026-11-24")
    result = apply(home, fake, is_confirmed=True)
    assert result.outcomes == {"kept": 1, "acknowledged": 1}
    assert held(fake, "1")["segment_tier"] == "Strategic"
    assert held(fake, "2")["segment_tier"] == "Efficient"
    assert result.faults == 0
    assert run(home, fake).preview().waiting == {"kept": 1}
    fake.set("1", "segment_tier", "", "CRM_UI")  # the person gives the field back
    assert apply(home, fake, is_confirmed=True).outcomes == {"acknowledged": 1}


def test_a_locked_company_is_left_alone(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 2)
    fake.define("segmentation_lock", "string")
    fake.set("1", "segmentation_lock", "true")
    result = apply(home, fake, lock_property="segmentation_lock")
    assert result.outcomes == {"locked": 5, "acknowledged": 5}
    assert "segment_tier" not in held(fake, "1")


def test_what_drifted_is_reported_and_sent_again(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 2)
    apply(home, fake)
    fake.set("1", "value_tier", "Bronze", "INTEGRATION")
    fake.set("2", "value_tier", "Bronze", "CRM_UI")
    assert apply(home, fake, read_back=10).outcomes == {"drifted": 1, "kept": 1}
    assert apply(home, fake).outcomes == {"acknowledged": 1}
    assert held(fake, "1")["value_tier"] == "Gold"
    assert held(fake, "2")["value_tier"] == "Bronze"


def test_no_value_leaves_the_crm_s(tmp_path: Path, fake: HubSpotFake):
    home = company(tmp_path, fake, 1)
    apply(home, fake)
    write_home(home, [account("a1", value_tier=None, health_score=None)], "2026-11-24")
    assert apply(home, fake).outcomes == {}
    assert held(fake) == ALL
    assert apply(home, fake, null_overwrites=True).outcomes == {"acknowledged": 2}
    assert (held(fake)["value_tier"], held(fake)["account_health_score"]) == ("", "")
    assert apply(home, fake, null_overwrites=True).outcomes == {}
