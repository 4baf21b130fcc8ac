"""Jobs: named selections of the chain. Not here: when they start."""

from __future__ import annotations

import dagster as dg

from segmentation_assets.warehouse.registry import Registry

FULL_CHAIN = "full_chain"
LANDING = "landing"
BILLING_RERUN = "billing_rerun"


def full_chain() -> dg.UnresolvedAssetJobDefinition:
    """Land all extracts and bring every table up to date for the run's days."""
    return dg.define_asset_job(
        FULL_CHAIN,
        selection=dg.AssetSelection.all(),
        description="Land all extracts and bring every table up to date for the run's days.",
    )


def sensor_jobs(registry: Registry) -> list[dg.UnresolvedAssetJobDefinition]:
    """The jobs that sensors ask for, of the tables there are."""
    jobs = []
    if any(spec.is_extract for spec in registry):
        jobs.append(
            dg.define_asset_job(
                LANDING,
                selection=dg.AssetSelection.groups("extracts"),
                description="Land extracts, and nothing else; the sensor asks for those that have arrived.",
            )
        )
    if "threshold_ledger" in registry:
        jobs.append(
            dg.define_asset_job(
                BILLING_RERUN,
                selection=dg.AssetSelection.assets("account_revenue", "arr_steps").downstream(),
                description="What follows from ARR, for one day. Usage is not touched.",
            )
        )
    return jobs
