"""A small company computed in memory: given extracts and states in, KPI tables out, each held to its contract.

Not here: any expected number, or the oracle (`oracle`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pandas as pd

from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.contracts import Contract
from segmentation_assets.tables.enforcement import rules
from tests.companies import DEFAULT, Company, Rows, typed

POLICY = DEFAULT
GIVEN = ("segments", "health_scores", "account_costs", "billing_invoices")
"""States that KPIs read, but that a test states itself instead of computing them."""
ON_REQUEST = ("account_workloads", "median_durations", "sales_efficiency")
"""Tables that a test computes by naming them; else they are empty, which is a company without those extracts."""


def kpis(
    names: Iterable[str], days: Sequence[date], policy: Policy = POLICY, **rows: Rows
) -> dict[str, pd.DataFrame]:
    """The tables `names` of a company that has `rows` and nothing else, by name; see GIVEN and ON_REQUEST.

    Raises AssertionError for a table that breaks its contract.
    """
    wanted = list(names)
    nothing: dict[str, Rows] = dict.fromkeys({*GIVEN, *ON_REQUEST} - set(wanted), ())
    return Company(policy, **{**nothing, **rows}).tables(wanted, days)


def broken_rules(contract: type[Contract], listed: Rows) -> list[set[str]]:
    """Per row, the names of the contract's rules that it breaks, as the database finds them."""
    table = typed(contract, listed)
    result = list(rules(contract, table))
    held = table.select(**{f"r{i}": rule.holds for i, rule in enumerate(result)}).to_pyarrow().to_pylist()
    return [{rule.name for i, rule in enumerate(result) if not row[f"r{i}"]} for row in held]


def pays(
    account: str,
    mrr: float,
    start: date,
    end: date | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A subscription in US dollars."""
    row = {"account_id": account, "mrr": float(mrr), "start_date": start, "end_date": end, "currency": "USD"}
    row["subscription_id"] = f"{account}-{start}-{more.get('product', '')}-{mrr}"
    return row | more


def stands(account: str, day: date, tier: str, segment: str = "Growth", **more: Any) -> dict[str, Any]:
    """An account's tier and segment on a day."""
    row = {"account_id": account, "as_of": day, "coverage_tier": tier, "segment": segment, "tier_since": day}
    return row | more


def one(frame: pd.DataFrame, **where: Any) -> pd.Series:
    """The one row of a frame with these values.

    Raises AssertionError where there is not exactly one.
    """
    for name, value in where.items():
        same = frame[name].astype(str) == str(value) if isinstance(value, date) else frame[name] == value
        frame = frame.loc[same]
    assert len(frame) == 1, f"{len(frame)} rows with {where}"
    return frame.iloc[0]
