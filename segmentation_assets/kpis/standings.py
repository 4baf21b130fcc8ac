"""The state of every live account at as_of. KPIs at a point in time are sums of these rows.

Here: `account_standings`. Not here: what changed over a period (`periods`), work done in it (`workloads`), or sums
over groups (`retention`).
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import Opportunities
from segmentation_assets.kpis.periods import UNASSIGNED
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.facts import accounts_of, facts, first_fact, with_figures, zero_if_present
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.health import HealthScores
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import money
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY


class AccountStandings(Snapshot):
    """ARR, tier, segment, health, cost and pipeline of each live account. Key: as_of, account_id."""

    account_id: str = column("The paying account.")
    coverage_tier: str = column(
        "Coverage tier at as_of; unassigned: the account has none.", isin=[*TIERS, UNASSIGNED]
    )
    segment: str = column("Segment at as_of; unassigned: the account has none.", isin=[*SEGMENTS, UNASSIGNED])
    arr: float = column("ARR at as_of, at the exchange rates of as_of.", unit="currency per year", gt=0)
    health_score: float = column(
        "Overall health score at as_of; null: not known.", unit="score", nullable=True, ge=0, le=100
    )
    cost_to_serve: float = column("Cost to serve, per year.", unit="currency", nullable=True, ge=0)
    gross_margin: float = column("Gross margin, per year.", unit="currency", nullable=True)
    expansion_pipeline: float = column(
        "Amount of the expansion opportunities open at as_of; null: no opportunity extract.",
        unit="currency per year",
        nullable=True,
        ge=0,
    )

    class Config:
        unique = list(_KEY)


@table(group="kpis")
def account_standings(
    spine: Table[Spine],
    account_revenue: Table[AccountRevenue],
    segments: Table[Segments],
    health_scores: Table[HealthScores],
    account_costs: Table[AccountCosts],
    opportunities: Table[Opportunities],
    account_hierarchy: Table[AccountHierarchy],
) -> Table[AccountStandings]:
    """What are each live account's ARR, tier, segment, health, cost and pipeline?

    One row per as_of and account with ARR, also those without a tier. An expansion opportunity is in the pipeline
    from its creation until it is won or lost. An opportunity closed after as_of was still open at as_of.
    """
    revenue = account_revenue.join(spine.select("as_of"), "as_of")
    rows = with_figures(
        revenue.filter(revenue.arr > 0).select(*_KEY, "arr"),  # a paused account pays nothing: no KPI counts it
        segments.select(*_KEY, "coverage_tier", "segment"),
        health_scores.select(*_KEY, "health_score"),
        account_costs.select(*_KEY, "cost_to_serve", "gross_margin"),
        _pipeline(spine, opportunities, survivors(account_hierarchy)),
    )
    return rows.mutate(
        coverage_tier=rows.coverage_tier.fill_null(UNASSIGNED), segment=rows.segment.fill_null(UNASSIGNED)
    )


def _pipeline(spine: ir.Table, opportunities: ir.Table, merged: ir.Table) -> ir.Table:
    """Open expansion opportunities of every account: 0 for none, null where the extract has no row by as_of."""
    rows = facts(opportunities, "created_on", merged, spine)
    is_open = (rows.stage == "open") | (rows.closed_on > rows.as_of).fill_null(False)
    rows = rows.filter((rows.kind == "expansion") & is_open)
    amounts = rows.group_by(*_KEY).aggregate(expansion_pipeline=money(rows.amount_arr))
    joined = with_figures(accounts_of(merged), amounts)
    return zero_if_present(joined, first_fact(opportunities, "created_on"), ("expansion_pipeline",))
