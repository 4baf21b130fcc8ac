"""Small homes with the tables that the sync reads, written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.sync.calling import Clock as RealClock
from segmentation_assets.sync.hubspot import TOKEN as TOKEN_NAME
from segmentation_assets.sync.hubspot import HubSpot
from segmentation_assets.sync.secrets import Secrets
from tests.sync.hubspot_fake import TOKEN, HubSpotFake

DAY = "2026-11-23"
FIELDS = ("segment", "value_tier", "composite_score", "health_score", "csm")
VALUES = {
    "segment": ["Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail"],
    "value_tier": ["Bronze", "Silver", "Gold", "Platinum"],
}


def account(account_id: str, segment: str = "Growth", **values: Any) -> dict[str, Any]:
    """A row of the tables, all in one."""
    return {
        "account_id": account_id, "account_name": f"Name of {account_id}", "segment": segment, "value_tier": "Gold",
        "composite_score": 61.25, "health_score": 70.0, "csm_id": "csm-1", "arr": 12_000.0,
        "record_id": account_id.removeprefix("a"), **values,
    }  # fmt: skip


def write_home(home: Path, accounts: Sequence[Mapping[str, Any]], day: str = DAY, policy_hash: str = "p1") -> Path:
    """Publish `segments`, `health_scores` and `crm_accounts` of a day."""
    rows = [dict(each) for each in accounts]
    names = ["account_id", "account_name", "segment", "value_tier", "composite_score", "csm_id", "arr"]
    segments = pd.DataFrame([{name: row[name] for name in names} for row in rows], columns=pd.Index(names))
    segments = segments.assign(policy_hash=policy_hash)
    health = pd.DataFrame(
        [{name: row[name] for name in ("account_id", "health_score")} for row in rows],
        columns=["account_id", "health_score"],
    ).assign(policy_hash=policy_hash)
    crm = pd.DataFrame(
        [{"account_id": row["account_id"], "crm_record_id": row["record_id"]} for row in rows],
        columns=["account_id", "crm_record_id"],
    )
    crm["known_from"], crm["known_to"] = pd.Timestamp("1900-01-01").date(), pd.Timestamp("2200-01-01").date()
    _publish(home / "published" / "segments" / f"as_of={day}", segments, {"arr": pa.float64()})
    _publish(home / "published" / "health_scores" / f"as_of={day}", health, {})
    _publish(home / "published" / "crm_accounts", crm, {})
    return home


def write_register(home: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Publish `segment_register`."""
    _publish(home / "published" / "segment_register", pd.DataFrame(list(rows)), {})


def _publish(folder: Path, frame: pd.DataFrame, types: Mapping[str, Any]) -> None:
    floats = {"composite_score", "health_score", "arr"}
    fields = []
    for name in frame.columns:
        kind = types.get(name) or (
            pa.float64() if name in floats else pa.date32() if name in {"known_from", "known_to"}
            else pa.timestamp("us") if name == "posted_at" else pa.int64() if name == "entry"
            else pa.bool_() if name == "is_newest" else pa.string()
        )  # fmt: skip
        fields.append(pa.field(str(name), kind))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.Table.from_pandas(frame, schema=pa.schema(fields), preserve_index=False), folder / "part-0.parquet"
    )


def policy_for(fake: HubSpotFake | None = None, **changes: Any) -> Policy:
    """The shipped policy with five fields, and the fake's address."""
    policy = load_policy()
    crm = policy.crm
    address = fake.address if fake else "http://127.0.0.1:9"
    lock = changes.pop("lock_property", None)
    hubspot = crm.hubspot.model_copy(update={"address": address, "lock_property": lock})
    update = {"fields": {name: crm.fields[name] for name in FIELDS}, "hubspot": hubspot, "read_back": 0, **changes}
    return policy.model_copy(update={"crm": crm.model_copy(update=update)})


def connected(fake: HubSpotFake, policy: Policy, secrets: Secrets | None = None) -> HubSpot:
    """A client of the fake, on the fake's clock."""
    clock = RealClock(fake.clock.now, fake.clock.now, fake.clock.sleep, lambda: 0.5)
    return HubSpot(policy.crm, secrets or Secrets({TOKEN_NAME: TOKEN}), clock)


def define_properties(fake: HubSpotFake) -> None:
    """The properties of the five fields."""
    fields = load_policy().crm.fields
    for name in FIELDS:
        kind = {"picklist": "enumeration", "number": "number", "text": "string"}[fields[name].kind]
        fake.define(fields[name].hubspot, kind, VALUES.get(name))
