"""What stops a sync before anything is written, and what `--setup` adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.sync.applying import Run
from segmentation_assets.sync.guards import picklist_values
from segmentation_assets.sync.records import SyncRefused
from tests.sync.homes import VALUES, account, connected, define_properties, policy_for, write_home, write_register
from tests.sync.hubspot_fake import HubSpotFake, served


@pytest.fixture
def fake() -> Iterator[HubSpotFake]:
    with served(HubSpotFake()) as server:
        for at in range(1, 21):
            server.add(str(at))
        yield server


def run(home: Path, fake: HubSpotFake, **changes: Any) -> Run:
    policy = policy_for(fake, **changes)
    return Run(home, policy, "hubspot", lambda: connected(fake, policy))


def accounts(number: int = 20, **segments: str) -> list[dict[str, Any]]:
    return [account(f"a{at}", segments.get(f"a{at}", "Growth")) for at in range(1, number + 1)]


def values(fake: HubSpotFake) -> list[dict[str, str]]:
    return [dict(company.values) for company in fake.companies.values()]


def test_a_picklist_without_a_value_stops_before_anything_is_written(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    fake.define("segment_tier", "enumeration", ["Strategic", "Growth"])
    home = write_home(tmp_path, accounts(a7="At-Risk"))
    before = values(fake)
    with pytest.raises(SyncRefused, match=r"picklist segment_tier has no value 'At-Risk'.*--setup") as error:
        run(home, fake).apply()
    assert str(error.value).startswith("nothing is written")
    assert values(fake) == before
    assert fake.writes() == []


def test_a_property_that_lacks_or_has_another_type_stops(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    del fake.properties["value_tier"]
    fake.define("account_health_score", "string")
    home = write_home(tmp_path, accounts())
    with pytest.raises(SyncRefused) as error:
        run(home, fake).apply()
    assert "there is no field value_tier (picklist, segments.value_tier)" in str(error.value)
    assert "account_health_score is of the type text; health_scores.health_score is sent as a number" in str(
        error.value
    )
    assert fake.writes() == []


def test_setup_shows_then_makes_what_lacks_and_drops_nothing(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    del fake.properties["value_tier"]
    fake.define("segment_tier", "enumeration", ["Growth", "Added by a person", "Strategic"])
    home = write_home(tmp_path, accounts(a7="At-Risk"))
    steps = run(home, fake).setup_steps()
    assert [str(step) for step in steps] == [
        "add to segment_tier: Efficient, At-Risk, Long-Tail",
        "make value_tier (picklist) with Bronze, Silver, Gold, Platinum",
    ]
    assert "value_tier" not in fake.properties
    run(home, fake).set_up()
    options = fake.properties["segment_tier"]["options"]
    assert [each["value"] for each in options] == [
        "Growth", "Added by a person", "Strategic", "Efficient", "At-Risk", "Long-Tail",
    ]  # fmt: skip
    assert [each["value"] for each in fake.properties["value_tier"]["options"]] == VALUES["value_tier"]
    assert run(home, fake).set_up() == []
    assert run(home, fake).apply().outcomes == {"acknowledged": 100}


def test_setup_refuses_a_property_of_another_type(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    fake.define("segment_tier", "string")
    with pytest.raises(SyncRefused, match=r"segment_tier is of the type text.*sent as a picklist"):
        run(write_home(tmp_path, accounts()), fake).set_up()


def test_an_empty_source_writes_nothing(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    home = write_home(tmp_path, accounts())
    run(home, fake).apply()
    write_home(home, [], "2026-11-24")
    with pytest.raises(SyncRefused, match="segments of 2026-11-24 has no accounts"):
        run(home, fake).apply(is_confirmed=True)


def test_a_shrunken_source_waits_for_a_word(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    home = write_home(tmp_path, accounts(20))
    run(home, fake).apply()
    rows = [each | {"health_score": 10.0} for each in accounts(15)]  # a quarter fewer; the policy says a fifth
    write_home(home, rows, "2026-11-24")
    fake.requests.clear()
    with pytest.raises(SyncRefused, match=r"2026-11-24 has 15 accounts; 2026-11-23, the day sent last, has 20"):
        run(home, fake).apply()
    assert fake.requests == []
    assert run(home, fake).apply(is_confirmed=True).outcomes == {"acknowledged": 15}
    write_home(home, [each | {"health_score": 20.0} for each in accounts(14)], "2026-11-25")
    assert run(home, fake).apply().outcomes == {"acknowledged": 14}  # against the day that was sent last


def test_many_moves_wait_for_a_word_and_say_what_lies_behind(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    home = write_home(tmp_path, accounts())
    run(home, fake).apply()
    moved = {f"a{at}": "Efficient" for at in range(1, 6)}  # 5 of 20: 25 %
    write_home(home, accounts(**moved), "2026-11-24", policy_hash="p2")
    later = pd.Timestamp("2036-01-01")
    causes = ["policy"] * 3 + ["behaviour"] * 2
    write_register(home, [
        {"account_id": f"a{at}", "kind": "segment", "entry": 1, "is_newest": True, "posted_at": later,
         "cause_kind": cause}
        for at, cause in enumerate(causes, 1)
    ])  # fmt: skip
    with pytest.raises(SyncRefused, match=r"5 of 20 accounts change segment \(25.0%; 2 by behaviour, 3 by policy\)"):
        run(home, fake).apply()
    result = run(home, fake).apply(is_confirmed=True)
    assert result.outcomes == {"acknowledged": 5}
    assert result.facts.moved == {"behaviour": 2, "policy": 3}


def test_up_to_the_share_no_word_is_needed(tmp_path: Path, fake: HubSpotFake):
    define_properties(fake)
    home = write_home(tmp_path, accounts())
    run(home, fake).apply()
    write_home(home, accounts(**{f"a{at}": "Efficient" for at in range(1, 5)}), "2026-11-24")  # 4 of 20: 20 %
    assert run(home, fake).apply().outcomes == {"acknowledged": 4}


def test_a_column_that_does_not_exist_or_has_several_rows_is_refused(tmp_path: Path, fake: HubSpotFake):
    home = write_home(tmp_path, accounts(2))
    fields = load_policy().crm.fields
    wrong = fields["segment"].model_copy(update={"column": "segments.segmnt"})
    with pytest.raises(SyncRefused, match=r"crm.fields.segment: segments has no column segmnt"):
        run(home, fake, fields={"segment": wrong}).preview()
    twice = write_home(tmp_path / "twice", [*accounts(2), account("a2")])
    with pytest.raises(SyncRefused, match=r"crm.fields.segment: segments.segment has several rows for account a2"):
        run(twice, fake, fields={"segment": fields["segment"]}).preview()


def test_a_field_whose_table_is_not_published_is_left_out_and_named(tmp_path: Path, fake: HubSpotFake):
    home = write_home(tmp_path, accounts(2))
    (home / "published" / "health_scores" / "as_of=2026-11-23" / "part-0.parquet").unlink()
    facts = run(home, fake).preview()
    assert facts.absent == ("health_score",)
    assert "health_score" not in facts.by_field


def test_picklists_get_every_value_that_a_table_can_have():
    policy = load_policy()
    fields = policy.crm.fields
    assert picklist_values(fields["behavioral_cohort"], policy, set()) == (
        "Dormant", "At Risk", "Power User", "Steady State",
    )  # fmt: skip
    assert picklist_values(fields["primary_use_case"], policy, {"b", "a"}) == ("a", "b")
    assert picklist_values(fields["segment"], policy, {"Growth"})[0] == "Strategic"
    assert picklist_values(fields["churn_risk"], policy, {"0.1"}) == ()
