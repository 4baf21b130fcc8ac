"""Dagster, and only Dagster: assets made from the catalogue, checks, partitions, jobs, resources, the event log.

Not here: what a table means or how it is computed. This room is the only one, with `definitions`, that imports
dagster, so that `show`, `explain` and notebooks stay light.
"""

import warnings

import dagster as dg

# Beta parts of Dagster that this room uses on purpose, with the version pinned: each would warn at every asset.
for _used in ("backfill_policy", "allow_nonexistent_upstream_partitions", "include_sources", "CodeReference"):
    warnings.filterwarnings("ignore", f"(Parameter|Class) `[^`]*{_used}", dg.BetaWarning)
