"""From published tables to Salesforce, against a Salesforce that enforces its limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from segmentation_assets.policy.model import Policy
from segmentation_assets.sync import salesforce
from segmentation_assets.sync.applying import Result, Run
from segmentation_assets.sync.calling import Clock
from segmentation_assets.sync.records import SyncRefused
from segmentation_assets.sync.salesforce import Salesforce
from segmentation_assets.sync.secrets import NoSecret, Secrets
from tests.sync.homes import FIELDS, VALUES, account, policy_for, write_home
from tests.sync.hubspot_fake import served
from tests.sync.salesforce_fake import CLIENT, DATA, WORD, SalesforceFake

ENVIRONMENT = {salesforce.CLIENT_ID: CLIENT, salesforce.CLIENT_SECRET: WORD}
ALL = {
    "Segment_Tier__c": "Growth", "Value_Tier__c": "Gold", "Composite_Segment_Score__c": 61.0,
    "Account_Health_Score__c": 70.0, "Segmentation_CSM__c": "csm-1",
}  # fmt: skip


@pytest.fixture
def fake() -> Iterator[SalesforceFake]:
    with served(SalesforceFake()) as server:
        fields = policy_for().crm.fields
        for name in FIELDS:
            kind = {"picklist": "picklist", "number": "double", "text": "string"}[fields[name].kind]
            server.define(fields[name].salesforce, kind, VALUES.get(name))
        yield server


def policy(fake: SalesforceFake, bulk_from: int = 2000, **changes: Any) -> Policy:
    own = policy_for(**changes)
    update = {"address": fake.address, "bulk_from": bulk_from}
    crm = own.crm.model_copy(update={"salesforce": own.crm.salesforce.model_copy(update=update)})
    return own.model_copy(update={"crm": crm})


def client(fake: SalesforceFake, own: Policy, environment: dict[str, str] | None = None) -> Salesforce:
    clock = Clock(fake.clock.now, fake.clock.now, fake.clock.sleep, lambda: 0.5)
    return Salesforce(own.crm, Secrets(environment or ENVIRONMENT), clock)


def run(home: Path, fake: SalesforceFake, **changes: Any) -> Run:
    own = policy(fake, **changes)
    return Run(home, own, "salesforce", lambda: client(fake, own))


def apply(home: Path, fake: SalesforceFake, **changes: Any) -> Result:
    return run(home, fake, **changes).apply(is_confirmed=True)


def company(home: Path, fake: SalesforceFake, number: int) -> Path:
    rows = [account(f"a{at}", record_id=None) for at in range(1, number + 1)]
    for row in rows:
        fake.add(row["account_id"])
    return write_home(home, rows)


def paths(fake: SalesforceFake) -> list[str]:
    return [path.removeprefix(DATA) for _, path, _ in fake.requests]


def held(fake: SalesforceFake, external: str) -> dict[str, Any]:
    return {name: value for name, value in fake.of(external).items() if name in ALL}


def test_collections_bring_it_up_to_date_and_a_second_run_sends_nothing(tmp_path: Path, fake: SalesforceFake):
    home = company(tmp_path, fake, 250)
    assert apply(home, fake).outcomes == {"acknowledged": 1250}
    assert all(held(fake, f"a{at}") == ALL for at in range(1, 251))
    sizes = [len(body["records"]) for _, path, body in fake.requests if path.endswith("/composite/sobjects")]
    assert sizes == [200, 50]
    fake.requests.clear()
    assert apply(home, fake).outcomes == {}
    assert "/composite/sobjects" not in paths(fake)


def test_many_accounts_go_by_a_bulk_job(tmp_path: Path, fake: SalesforceFake):
    home = company(tmp_path, fake, 40)
    fake.accounts[next(iter(fake.accounts))].is_deleted = True
    result = apply(home, fake, bulk_from=30)
    assert result.outcomes == {"acknowledged": 195, "deleted": 5}
    assert held(fake, "a40") == ALL
    assert len(fake.jobs) == 1
    assert "/composite/sobjects" not in paths(fake)
    assert apply(home, fake, bulk_from=30).outcomes == {"deleted": 5}


def test_a_bulk_row_that_is_refused_costs_no_other(tmp_path: Path, fake: SalesforceFake):
    home = company(tmp_path, fake, 30)
    problem = fake._problem
    fake._problem = lambda name, value: (  # type: ignore[method-assign]
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "not this CSM") if value == "csm-7" else problem(name, value)
    )
    write_home(home, [account(f"a{at}", csm_id=f"csm-{at}") for at in range(1, 31)])
    result = apply(home, fake, bulk_from=30)
    assert result.outcomes == {"acknowledged": 145, "rejected": 5}
    assert "not this CSM" in str(result.examples[0].reason)


def test_a_bulk_upload_whose_answer_is_lost_is_not_acknowledged(tmp_path: Path, fake: SalesforceFake):
    home = company(tmp_path, fake, 30)
    fake.faults = [None, None, None, "cut_after"]  # describe, look up, make the job, upload
    assert apply(home, fake, bulk_from=30).outcomes == {"unconfirmed": 150}
    assert apply(home, fake, bulk_from=30).outcomes == {"acknowledged": 150}
    assert held(fake, "a1") == ALL


@pytest.mark.parametrize("fault", ["500", "503", "cut_before", "cut_after", "expired"])
def test_a_passing_fault_or_an_expired_token_costs_nothing(tmp_path: Path, fake: SalesforceFake, fault: str):
    home = company(tmp_path, fake, 3)
    fake.faults = [None, None, fault]
    assert apply(home, fake).outcomes == {"acknowledged": 15}
    assert held(fake, "a1") == ALL
    assert len(fake.logins) == (2 if fault == "expired" else 1)


def test_accounts_that_are_not_there_are_listed_and_never_made(tmp_path: Path, fake: SalesforceFake):
    rows = [account(f"a{at}") for at in range(1, 6)]
    home = write_home(tmp_path, rows)
    for at in (1, 2, 3):
        fake.add(f"a{at}")
    fake.add("a5")
    fake.add("a5")
    [deleted, merged] = [a for a in fake.accounts.values() if a.values["Name"] in {"a2", "a3"}]
    deleted.is_deleted = merged.is_deleted = True
    merged.master = "001000000000999AAA"
    count = len(fake.accounts)
    result = apply(home, fake)
    assert result.outcomes == {"acknowledged": 5, "deleted": 5, "merged": 5, "unknown": 10}
    assert len(fake.accounts) == count
    assert result.faults == 20


def test_a_change_by_somebody_is_kept_and_our_own_lost_answer_is_not_taken_for_one(
    tmp_path: Path, fake: SalesforceFake
):
    home = company(tmp_path, fake, 2)
    apply(home, fake)
    fake.of("a1")["Segment_Tier__c"] = "Strategic"
    write_home(home, [account("a1", "Efficient"), account("a2", "Efficient")], "2026-11-24")
    fake.faults = [None, None, *["cut_after"] * 6]
    assert apply(home, fake).outcomes == {"kept": 1, "unconfirmed": 1}
    assert fake.of("a2")["Segment_Tier__c"] == "Efficient"  # written, and the answer lost
    write_home(home, [account("a1", "Efficient"), account("a2", "Long-Tail")], "2026-11-25")
    assert apply(home, fake).outcomes == {"kept": 1, "acknowledged": 1}
    assert [fake.of(each)["Segment_Tier__c"] for each in ("a1", "a2")] == ["Strategic", "Long-Tail"]


def test_no_value_empties_a_field_only_if_the_policy_says_so(tmp_path: Path, fake: SalesforceFake):
    for bulk_from in (2000, 1):
        home = company(tmp_path / str(bulk_from), fake, 1)
        fake.accounts = {next(reversed(fake.accounts)): [*fake.accounts.values()][-1]}
        apply(home, fake, bulk_from=bulk_from)
        write_home(home, [account("a1", value_tier=None, health_score=None)], "2026-11-24")
        assert apply(home, fake, bulk_from=bulk_from).outcomes == {}
        assert apply(home, fake, bulk_from=bulk_from, null_overwrites=True).outcomes == {"acknowledged": 2}
        assert held(fake, "a1") == ALL | {"Value_Tier__c": None, "Account_Health_Score__c": None}


def test_ids_of_any_sign_and_answers_of_several_pages(tmp_path: Path, fake: SalesforceFake):
    ids = ["O'Brien", "back\\slash", "') OR Name != ('", "ünï", "a,b"]
    for each in ids:
        fake.add(each)
    fake.page = 2
    home = write_home(tmp_path, [account(each) for each in ids])
    fake.rest.clear()
    assert apply(home, fake).outcomes["acknowledged"] >= 5 * 4
    assert all(held(fake, each) == ALL for each in ids[:4])


def test_setup_adds_and_drops_nothing(tmp_path: Path, fake: SalesforceFake):
    home = company(tmp_path, fake, 1)
    del fake.fields["Value_Tier__c"], fake.fields["Account_Health_Score__c"]
    fake.define("Segment_Tier__c", "picklist", ["Added by a person", "Growth"])
    with pytest.raises(SyncRefused, match=r"there is no field Value_Tier__c .*--setup"):
        apply(home, fake)
    run(home, fake).set_up()
    values = [each["value"] for each in fake.fields["Segment_Tier__c"]["picklistValues"]]
    assert values == ["Added by a person", "Growth", "Strategic", "Efficient", "At-Risk", "Long-Tail"]
    assert fake.fields["Account_Health_Score__c"]["type"] == "double"
    assert run(home, fake).setup_steps() == []
    assert apply(home, fake).outcomes == {"acknowledged": 5}


def test_an_org_without_the_external_id_is_refused(tmp_path: Path, fake: SalesforceFake):
    home = company(tmp_path, fake, 1)
    del fake.fields["Segmentation_Account_Id__c"]
    with pytest.raises(SyncRefused, match="Account has no field Segmentation_Account_Id__c"):
        apply(home, fake)


def test_the_daily_limit_ends_the_run_with_its_reason(tmp_path: Path, fake: SalesforceFake):
    home = company(tmp_path, fake, 1)
    fake.faults = [None, "limit"]
    with pytest.raises(SyncRefused, match="daily limit"):
        apply(home, fake)


def test_passwords_are_refused_with_the_reason(fake: SalesforceFake):
    environment = ENVIRONMENT | {salesforce.PASSWORD: "hunter2hunter2"}
    with pytest.raises(SyncRefused, match=r"ends them in 2027.*External Client App") as error:
        client(fake, policy(fake), environment)
    assert "hunter2" not in str(error.value)
    assert fake.requests == []


def test_a_wrong_secret_is_not_quoted(fake: SalesforceFake):
    environment = ENVIRONMENT | {salesforce.CLIENT_SECRET: "wrong-secret-987"}
    with pytest.raises(SyncRefused, match="does not let us in") as error:
        client(fake, policy(fake), environment)
    assert "wrong-secret-987" not in str(error.value)
    assert CLIENT not in str(error.value)


def test_a_signed_assertion_logs_in(tmp_path: Path, fake: SalesforceFake):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    environment = {
        salesforce.CLIENT_ID: CLIENT,
        salesforce.USERNAME: "sync@acme.example",
        salesforce.PRIVATE_KEY: pem,
    }
    own = policy(fake)
    home = company(tmp_path, fake, 1)
    assert Run(home, own, "salesforce", lambda: client(fake, own, environment)).apply().outcomes == {
        "acknowledged": 5
    }
    [login] = fake.logins
    claims = jwt.decode(
        login["assertion"][0], key.public_key(), algorithms=["RS256"], audience="https://login.salesforce.com"
    )
    assert (claims["iss"], claims["sub"]) == (CLIENT, "sync@acme.example")


def test_a_key_that_is_none_is_refused_and_not_quoted(fake: SalesforceFake):
    environment = {salesforce.CLIENT_ID: CLIENT, salesforce.USERNAME: "u@x", salesforce.PRIVATE_KEY: "no key at all"}
    with pytest.raises(SyncRefused, match="SALESFORCE_PRIVATE_KEY is no private key") as error:
        client(fake, policy(fake), environment)
    assert "no key at all" not in str(error.value)


@pytest.mark.parametrize("lacking", [salesforce.CLIENT_ID, salesforce.CLIENT_SECRET])
def test_a_missing_secret_is_named(fake: SalesforceFake, lacking: str):
    environment = {name: value for name, value in ENVIRONMENT.items() if name != lacking}
    with pytest.raises(NoSecret, match=lacking):
        client(fake, policy(fake), environment)


def test_without_an_address_the_policy_key_is_named():
    with pytest.raises(SyncRefused, match=r"crm\.salesforce\.address"):
        Salesforce(policy_for().crm, Secrets(ENVIRONMENT))
