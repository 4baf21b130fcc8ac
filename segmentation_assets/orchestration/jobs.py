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


def jobs(registry: Registry) -> list[dg.UnresolvedAssetJobDefinition]:
    """The whole chain, and the parts of it that run by themselves, as far as `registry` has their tables."""
    made = [full_chain()]
    daily = names_behind(registry, DAILY_TABLES)
    if daily:
        made.append(_job(DAILY, daily, "Land the extracts, then usage, behaviour and health for the run's days."))
    quarterly = names_behind(registry, (*REVIEW_TABLES, *CUT_TABLES))
    if quarterly:
        made.append(_job(QUARTERLY, quarterly, "The migration review, and the cut-offs frozen for a quarter."))
    if any(spec.is_extract for spec in registry):
        extracts = [spec.name for spec in registry if spec.is_extract]
        made.append(_job(LANDING, extracts, "Land extracts; the sensor asks for those that have arrived."))
    if "threshold_ledger" in registry:
        behind_arr = [spec.name for spec in registry.downstream(["account_revenue", "arr_steps"])]
        made.append(_job(BILLING_RERUN, behind_arr, "What follows from ARR, for one day. Usage is not touched."))
    return made


def full_chain() -> dg.UnresolvedAssetJobDefinition:
    """Land all extracts and bring every table up to date for the run's days."""
    return dg.define_asset_job(
        FULL_CHAIN,
        selection=dg.AssetSelection.all(),
        description="Land all extracts and bring every table up to date for the run's days.",
    )


def names_behind(registry: Registry, tables: Sequence[str]) -> list[str]:
    """`tables`, as far as there are such, with all that they are made from, extracts included."""
    return [spec.name for spec in registry.upstream([name for name in tables if name in registry])]


def _job(name: str, tables: Sequence[str], description: str) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*tables), description=description)
