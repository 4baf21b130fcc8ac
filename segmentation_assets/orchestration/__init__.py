"""What Dagster loads: assets made from the catalogue, checks, partitions, jobs, resources, schedules, sensors.

Not here: what a table means or how it is computed. This room and `running` alone import dagster, so that `show`,
`explain` and notebooks stay light.
"""

import warnings

import dagster as dg

# Beta parts of Dagster that this room uses on purpose, with the version pinned: each would warn at every asset.
for _used in ("backfill_policy", "allow_nonexistent_upstream_partitions", "include_sources", "CodeReference"):
    warnings.filterwarnings("ignore", f"(Parameter|Class) `[^`]*{_used}", dg.BetaWarning)
warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning)
