"""HubSpot's own client, as a judge: it sends the same bodies as ours, and reads the fake's answers as HubSpot's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hubspot_sdk import HubSpot as Vendor

from segmentation_assets.policy.model import load_policy
from segmentation_assets.sync.records import Setup, Update
from tests.sync.homes import connected, define_properties, policy_for
from tests.sync.hubspot_fake import TOKEN, HubSpotFake, served


@pytest.fixture
def fake() -> Iterator[HubSpotFake]:
    with served(HubSpotFake()) as server:
        define_properties(server)
        server.add("1", segment_tier="Growth")
        server.add("2")
        yield server


@pytest.fixture
def vendor(fake: HubSpotFake) -> Vendor:
    return Vendor(access_token=TOKEN, base_url=fake.address, max_retries=0, http_client=httpx.Client())


def last(fake: HubSpotFake) -> tuple[str, str, Any]:
    method, path, body = fake.requests[-1]
    return method, path, body


def test_updates(fake: HubSpotFake, vendor: Vendor):
    own = connected(fake, policy_for(fake))
    own.write([Update("t1", "1", "1", {"segment_tier": "At-Risk", "segmentation_csm": None})], 1)
    ours = last(fake)
    answer = vendor.crm.objects.companies.batch.update(
        inputs=[{"id": "1", "object_write_trace_id": "t1",
                 "properties": {"segment_tier": "At-Risk", "segmentation_csm": ""}}]
    )  # fmt: skip
    assert last(fake) == ours
    assert answer.status == "COMPLETE"
    assert (answer.results[0].id, answer.results[0].object_write_trace_id) == ("1", "t1")
    assert answer.results[0].properties["segment_tier"] == "At-Risk"


def test_reads_with_and_without_history(fake: HubSpotFake, vendor: Vendor):
    own = connected(fake, policy_for(fake))
    own.read(["1", "2"], ["segment_tier"])
    ours = last(fake)
    vendor.crm.objects.companies.batch.get(
        inputs=[{"id": "1"}, {"id": "2"}],
        properties=["segment_tier", "hs_merged_object_ids"],
        properties_with_history=[],
    )
    assert last(fake) == ours
    own.changed_by_people([("1", "segment_tier")])
    ours = last(fake)
    answer = vendor.crm.objects.companies.batch.get(
        inputs=[{"id": "1"}], properties=[], properties_with_history=["segment_tier"]
    )
    assert last(fake) == ours
    history = answer.results[0].properties_with_history
    assert history is not None
    assert history["segment_tier"][0].source_type == "INTEGRATION"


def test_properties(fake: HubSpotFake, vendor: Vendor):
    own = connected(fake, policy_for(fake))
    field = load_policy().crm.fields["value_tier"].model_copy(update={"hubspot": "other_tier"})
    own.set_up(Setup("other_tier", field, ("Gold", "Silver"), is_new=True))
    ours = last(fake)
    del fake.properties["other_tier"]
    vendor.crm.properties.create(
        "companies", name="other_tier", label="Value Tier", type="enumeration", field_type="select",
        group_name="companyinformation", description="Computed by account segmentation (segments.value_tier).",
        options=[{"label": each, "value": each, "display_order": at, "hidden": False}
                 for at, each in enumerate(["Gold", "Silver"])],
    )  # fmt: skip
    assert last(fake) == ours
