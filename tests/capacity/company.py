"""A made-up company for the tables on capacity. Not here: assertions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis.expr.types as ir

from segmentation_assets.capacity.staffing import AccountDemand, CsmSupply, CsmTierShares
from segmentation_assets.policy.model import load_policy
from tests.companies import typed

POLICY = load_policy()
DAY = date(2026, 5, 6)
HOURS = {"Strategic": 8.0, "Growth": 2.5, "Core": 0.6, "Long-Tail": 0.0}
RATIOS = {"Strategic": 10, "Growth": 30, "Core": 100, "Long-Tail": 500}

Row = Mapping[str, Any]


def demand(*rows: Row, as_of: date = DAY) -> list[dict[str, Any]]:
    """Rows of `account_demand`: Core accounts of 12,000 ARR unless said, which take the people of their ratio."""
    listed = []
    for i, row in enumerate(rows):
        tier = row.get("coverage_tier", "Core")
        share = row.get("portfolio_share", 1 / RATIOS[tier])
        listed.append(
            {
                "as_of": as_of, "account_id": f"a{i:02}", "coverage_tier": tier, "segment": "Growth", "arr": 12_000.0,
                "has_override": False, "is_automated": tier == "Long-Tail", "hours_per_month": HOURS[tier],
                "portfolio_share": share, "required_fte": share, **row,
            }
        )  # fmt: skip
    return listed


def supply(*rows: Row, as_of: date = DAY) -> list[dict[str, Any]]:
    """Rows of `csm_supply`: full-time, 110.5 customer hours a month, 100,000 a year unless said."""
    return [
        {
            "as_of": as_of, "csm_id": f"c{i}", "horizon_share": 1.0, "stays": True, "weekly_hours": 40.0,
            "is_hours_assumed": False, "hourly_cost": 50.0, "internal_share": 0.15,
            "is_internal_share_measured": False, "fte": 1.0, "available_hours": 110.5, "annual_cost": 100_000.0,
            **row,
        }
        for i, row in enumerate(rows)
    ]  # fmt: skip


def shares(*rows: tuple[str, str, float, float | None], as_of: date = DAY) -> list[dict[str, Any]]:
    """Rows of `csm_tier_shares` from (CSM, tier, share, logged hours)."""
    return [
        {
            "as_of": as_of, "csm_id": csm, "coverage_tier": tier, "accounts": 0, "logged_hours": logged,
            "share": share, "share_rule": "portfolio",
        }
        for csm, tier, share, logged in rows
    ]  # fmt: skip


def tables(
    demanded: Sequence[Row] = (), supplied: Sequence[Row] = (), shared: Sequence[Row] = ()
) -> dict[str, ir.Table]:
    """The inputs of the capacity tables by name."""
    return {
        "account_demand": typed(AccountDemand, demanded),
        "csm_supply": typed(CsmSupply, supplied),
        "csm_tier_shares": typed(CsmTierShares, shared),
    }
