"""Jobs: named selections of the chain. Not here: when they start (`schedules`)."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from segmentation_assets.reading.cadence import CUT_TABLES, DAILY_TABLES, REVIEW_TABLES
from segmentation_assets.tables.registry import Registry

FULL_CHAIN = "full_chain"
LANDING = "landing"
BILLING_RERUN = "billing_rerun"
DAILY = "usage_and_health"
QUARTERLY = "quarterly_review"


def jobs(registry: Registry, crm: Sequence[str] = ()) -> list[dg.UnresolvedAssetJobDefinition]:
    """The whole chain, and its parts with a schedule or sensor, if `registry` has their tables.

    `crm`: the assets of the CRM sync, which the daily run ends with.
    """
    result = [full_chain()]
    daily = names_behind(registry, DAILY_TABLES)
    if daily:
        result.append(
            _job(DAILY, [*daily, *crm], "Land the extracts, then make usage, behavior and health for the run's days.")
        )
    quarterly = names_behind(registry, (*REVIEW_TABLES, *CUT_TABLES))
    if quarterly:
        result.append(_job(QUARTERLY, quarterly, "Make the migration review, and the cut-offs frozen for a quarter."))
    if any(spec.is_extract for spec in registry):
        extracts = [spec.name for spec in registry if spec.is_extract]
        result.append(_job(LANDING, extracts, "Land extracts. The sensor selects those with new files."))
    if "threshold_ledger" in registry:
        readers_of_arr = [spec.name for spec in registry.downstream(["account_revenue", "arr_steps"])]
        result.append(
            _job(BILLING_RERUN, readers_of_arr, "Make the tables that depend on ARR, for one day, without usage.")
        )
    return result


def full_chain() -> dg.UnresolvedAssetJobDefinition:
    """Land all extracts and bring every table up to date for the run's days."""
    return dg.define_asset_job(
        FULL_CHAIN,
        selection=dg.AssetSelection.all(),
        description="Land all extracts and bring every table up to date for the run's days.",
    )


def names_behind(registry: Registry, tables: Sequence[str]) -> list[str]:
    """Those of `tables` that exist, and everything that they are made from, including extracts."""
    return [spec.name for spec in registry.upstream([name for name in tables if name in registry])]


def _job(name: str, tables: Sequence[str], description: str) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*tables), description=description)
