"""Which other tools an account uses, and how their number changes.

Here: `account_technology`, from technology installs. Not here: technographic points (`scores`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import TechnologyInstalls
from segmentation_assets.policy.service import TechnologyPolicy
from segmentation_assets.profiles.facts import (
    accounts_of,
    facts,
    first_fact,
    with_figures,
    within,
    zero_if_present,
)
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Flag, Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table

CONSOLIDATIONS = ("consolidating", "expanding", "steady")


class AccountTechnology(Snapshot):
    """Tools in place and their change in a year. Key: as_of, account_id; one row per known account.

    Null = no installs at all are on record by as_of (unknown); 0 = this account is known to have none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    tools: Integer = column("Different tools in place at as_of.", nullable=True, ge=0)
    complementary_tools: Integer = column("Tools in place at as_of that complement the product.", nullable=True, ge=0)
    competitor_tools: Integer = column("Tools in place at as_of that compete with the product.", nullable=True, ge=0)
    legacy_tools: Integer = column("Tools in place at as_of that the product can replace.", nullable=True, ge=0)
    net_tools_change_12m: Integer = column(
        "Tools in place at as_of minus tools in place twelve months before; null: no records that old.",
        nullable=True,
    )
    consolidation: str = column(
        "consolidating, expanding or steady, by net_tools_change_12m and the policy's cuts.",
        nullable=True,
        isin=CONSOLIDATIONS,
    )
    sophistication: float = column(
        "Weighted sum of tools / the policy's full number (at most 1) and the share of complementary tools; 0 to 1.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    competitor_displaced_90d: Flag = column(
        "A competitor's tool went out of use in the last `technology.displaced_days` (90) days.",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_technology(
    spine: Table[Spine],
    account_hierarchy: Table[AccountHierarchy],
    technology_installs: Table[TechnologyInstalls],
    policy: TechnologyPolicy,
) -> Table[AccountTechnology]:
    """Which other tools does an account use, does their number grow, and did it just drop a competitor's?

    One row per as_of and known account. A tool is in place from the day it was first seen to the day before it was
    last seen. A tool seen several times, or at several merged accounts, counts once. Sophistication =
    `tools_weight` x min(tools ÷ `full_tools`, 1) + `complementary_weight` x complementary tools ÷ tools.
    """
    merged = survivors(account_hierarchy)
    rows = with_figures(accounts_of(merged), _counts(_by_tool(technology_installs, merged, spine, policy)))
    present = first_fact(technology_installs, "first_seen")
    rows = zero_if_present(
        rows,
        present,
        ("tools", "complementary_tools", "competitor_tools", "legacy_tools", "competitor_displaced_90d"),
    )
    rows = rows.mutate(net_tools_change_12m=rows.tools - rows.tools_12m_ago.fill_null(0))
    rows = rows.join(spine.select("as_of", "day_12m_ago"), "as_of")
    rows = zero_if_present(rows, present, ("net_tools_change_12m",), by="day_12m_ago")
    complementary = (rows.complementary_tools / rows.tools.nullif(0)).fill_null(0)
    saturation = _at_most_one(rows.tools / policy.full_tools)
    return rows.mutate(
        consolidation=_consolidation(rows.net_tools_change_12m, policy),
        sophistication=policy.tools_weight * saturation + policy.complementary_weight * complementary,
    ).drop("tools_12m_ago", "day_12m_ago")


def _by_tool(installs: ir.Table, merged: ir.Table, spine: ir.Table, policy: TechnologyPolicy) -> ir.Table:
    """Per account and tool: whether it is in place at as_of, was so a year before, and just went out of use."""
    rows = facts(installs, "first_seen", merged, spine, "day_12m_ago")
    in_place = rows.last_seen.isnull() | (rows.last_seen > rows.as_of)
    was_in_place = (rows.first_seen <= rows.day_12m_ago) & (
        rows.last_seen.isnull() | (rows.last_seen > rows.day_12m_ago)
    )
    relation = rows.relation.fill_null("")
    went = ~in_place & (relation == "competitor") & within(rows, "last_seen", policy.displaced_days)
    return rows.group_by("as_of", "account_id", "tool").aggregate(
        in_place=in_place.any(),
        was_in_place=was_in_place.any(),
        is_complementary=(in_place & (relation == "complementary")).any(),
        is_competitor=(in_place & (relation == "competitor")).any(),
        is_legacy=(in_place & (relation == "legacy")).any(),
        went=went.any(),
    )


def _counts(tools: ir.Table) -> ir.Table:
    return tools.group_by("as_of", "account_id").aggregate(
        tools=tools.count(where=tools.in_place),
        tools_12m_ago=tools.count(where=tools.was_in_place),
        complementary_tools=tools.count(where=tools.is_complementary),
        competitor_tools=tools.count(where=tools.is_competitor),
        legacy_tools=tools.count(where=tools.is_legacy),
        competitor_displaced_90d=(tools.went & ~tools.in_place).any(),
    )


def _at_most_one(value: ir.FloatingValue) -> ir.FloatingValue:
    """The value, at most 1; null stays null (on some engines, `least` alone gives 1)."""
    return ibis.ifelse(value.notnull(), ibis.least(value, 1.0), ibis.null("float64"))


def _consolidation(change: ir.IntegerValue, policy: TechnologyPolicy) -> ir.StringValue:
    return ibis.cases(
        (change.isnull(), ibis.null("string")),
        (change <= policy.consolidating_at, "consolidating"),
        (change >= policy.expanding_at, "expanding"),
        else_="steady",
    )
