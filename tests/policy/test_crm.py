"""The policy section `crm`."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import PolicyError, load_policy
from segmentation_assets.tables.contracts import ibis_schema


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crm:\n  hubspot:\n    address: http://api.hubapi.com\n", "an address is https:// and a host name"),
        ("crm:\n  hubspot:\n    address: https://user:word@api.hubapi.com\n", "an address is https://"),
        ("crm:\n  hubspot:\n    address: https://api.hubapi.com/path\n", "an address is https://"),
        ("crm:\n  salesforce:\n    address: ftp://acme.my.salesforce.com\n", "an address is https://"),
        ("crm:\n  hubspot:\n    api_version: v3\n", "String should match pattern"),
        ("crm:\n  fields:\n    segment: {hubspot: value_tier}\n", "value_tier stands for two fields of hubspot"),
        ("crm:\n  hubspot:\n    lock_property: segment_tier\n", "segment_tier: the lock cannot be a field"),
        ("crm:\n  fields:\n    segment: {column: segment}\n", "String should match pattern"),
        ("crm:\n  fields:\n    health_score: {values: {a: b}}\n", "values are for a picklist or a text"),
        ("crm:\n  max_changed_share: 1.2\n", "less than or equal to 1"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=message):
        load_policy(path)


def test_loopback_needs_no_encryption(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("crm:\n  hubspot:\n    address: http://127.0.0.1:8080/\n")
    assert load_policy(path).crm.hubspot.address == "http://127.0.0.1:8080"


def test_every_field_of_the_shipped_policy_is_a_column_of_a_table_with_one_row_per_account():
    for name, field in load_policy().crm.fields.items():
        table, _, column = field.column.partition(".")
        assert column in ibis_schema(CATALOGUE[table].contract), name
        assert CATALOGUE[table].key == ("as_of", "account_id"), name
