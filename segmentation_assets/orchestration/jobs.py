"""Jobs: named selections of the chain. Not here: when they start."""

from __future__ import annotations

import dagster as dg

FULL_CHAIN = "full_chain"


def full_chain() -> dg.UnresolvedAssetJobDefinition:
    """Land all extracts and bring every table up to date for the run's days."""
    return dg.define_asset_job(
        FULL_CHAIN,
        selection=dg.AssetSelection.all(),
        description="Land all extracts and bring every table up to date for the run's days.",
    )
