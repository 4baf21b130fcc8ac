"""One table made of stated inputs, held to its contract. Not here: any expected number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.profiles.states import account_states
from segmentation_assets.profiles.subscriptions import subscription_steps
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.enforcement import enforce
from segmentation_assets.tables.registry import SPINE, call
from tests.frames import given, spine

POLICY = load_policy()
Row = dict[str, Any]


def alone(name: str, *days: date, policy: Policy = POLICY, **inputs: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of the table `name` at `days`, made of `inputs` (rows by table; those not stated are empty).

    Raises KeyError for an input that the table does not read, AssertionError for a broken contract.
    """
    spec = CATALOGUE[name]
    read = {item.name for item in spec.inputs}
    made = _made_of_subscriptions(read, inputs, policy)
    unread = set(inputs) - read - ({"billing_subscriptions"} if made else set())
    if unread:
        raise KeyError(f"{name} does not read {sorted(unread)}")
    tables = {item.name: made.get(item.name, given(item.contract, inputs.get(item.name, ()))) for item in spec.inputs}
    result = call(spec, {SPINE: spine(*days)} | tables, policy.sections, "test")
    schema = ibis_schema(spec.contract).to_pyarrow()
    arrow = result.to_pyarrow().cast(pa.schema(schema))
    verdict = enforce(spec.contract, ibis.memtable(arrow), lambda expr: expr.execute())
    assert verdict.passed, verdict.describe()
    return arrow.to_pylist()


def _made_of_subscriptions(read: set[str], inputs: Mapping[str, Any], policy: Policy) -> dict[str, ir.Table]:
    """What tables read instead of the extract of subscriptions, where a test states that extract."""
    if "billing_subscriptions" in read or "billing_subscriptions" not in inputs:
        return {}
    rows = given(CATALOGUE["billing_subscriptions"].contract, inputs["billing_subscriptions"])
    steps = subscription_steps(rows, policy.company)
    rates = given(CATALOGUE["fx_rates"].contract, inputs.get("fx_rates", ()))
    states = account_states(steps, rates, policy.company)
    return {n: t for n, t in (("subscription_steps", steps), ("account_states", states)) if n in read}


def changed(section: str, **values: Any) -> Policy:
    """The default policy with other values in one section."""
    data = POLICY.model_dump()
    return Policy.model_validate(data | {section: data[section] | values})


def at(rows: Sequence[Row], **key: Any) -> Row:
    """The one row with these values."""
    found = [row for row in rows if all(row[n] == value for n, value in key.items())]
    assert len(found) == 1, f"{len(found)} rows with {key}"
    return found[0]


def own_hierarchy(day: date, *accounts: str) -> list[Row]:
    """Accounts that are nobody's child and merged into nothing."""
    return [{"as_of": day, "account_id": a, "surviving_account_id": a, "top_account_id": a} for a in accounts]
