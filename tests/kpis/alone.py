"""One table made of stated inputs, held to its contract. Not here: any expected number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy
from tests.companies import DEFAULT, Company, policy_with

POLICY = DEFAULT
Row = dict[str, Any]


def alone(name: str, *days: date, policy: Policy = POLICY, **inputs: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of the table `name` at `days`, made of `inputs` (rows by table; those not stated are empty).

    Raises KeyError for an input that the table does not read, AssertionError for a broken contract.
    """
    table = {"subscription_steps", "account_states"} if "billing_subscriptions" in inputs else set()
    nothing: dict[str, Sequence[Mapping[str, Any]]] = {
        i.name: () for i in CATALOGUE[name].inputs if i.name not in table
    }
    return Company(policy, **{**nothing, **inputs}).rows(name, *days)


def changed(section: str, **values: Any) -> Policy:
    """The default policy with other values in one section."""
    return policy_with({section: values})


def at(rows: Sequence[Row], **key: Any) -> Row:
    """The one row with these values."""
    result = [row for row in rows if all(row[n] == value for n, value in key.items())]
    assert len(result) == 1, f"{len(result)} rows with {key}"
    return result[0]


def own_hierarchy(day: date, *accounts: str) -> list[Row]:
    """Accounts that are nobody's child and merged into nothing."""
    return [{"as_of": day, "account_id": a, "surviving_account_id": a, "top_account_id": a} for a in accounts]
