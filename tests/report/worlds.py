"""Evidence for report tests: tables written by hand into a database in memory. Not here: assertions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.report.evidence import READ, Evidence

DAY, BEFORE = date(2026, 3, 31), date(2026, 2, 28)

SEGMENT: Mapping[str, Any] = {
    "as_of": DAY, "account_id": "a1", "account_name": "Acme", "segment": "Growth", "coverage_tier": "Core",
    "arr": 1000.0, "churn_risk": 0.1, "health_score": 80.0, "behavioral_score": 60.0, "expansion_score": 40.0,
    "composite_score": 50.0, "weakest_dimension": "product", "coverage_override": None, "micro_segment": "stable",
    "micro_segment_reason": "", "size_class": "smb", "behavioral_cohort": "Steady State", "value_tier": "Silver",
    "needs_profile": "Basic need", "rule_id": "growth_expanding", "tier_rule_id": "core",
    "candidate_segment": "Growth", "candidate_tier": "Core", "segment_since": DAY, "tier_since": DAY,
    "csm_id": "C1", "account_executive": "Ann",
}  # fmt: skip
"""A row of `segments`: what a test does not say."""


def segment(**values: Any) -> dict[str, Any]:
    """A row of `segments`."""
    return {**SEGMENT, **values}


def evidence(
    tables: Mapping[str, Sequence[Mapping[str, Any]]], previous: date | None = None, policy: Policy | None = None
) -> Evidence:
    """Evidence of DAY with these tables alone; a row without `as_of` is of DAY."""
    connection = duckdb.connect(":memory:")
    for name, rows in tables.items():
        filled = pa.Table.from_pylist([{"as_of": DAY, **row} for row in rows])
        connection.register("given", filled)
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')
        connection.unregister("given")
    missing = {name: f"{name} has not been made yet" for name in READ if name not in tables}
    return Evidence(DAY, connection, policy or load_policy(), missing, previous)
