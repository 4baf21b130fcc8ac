"""The report as the last asset of the chain: one HTML file per run that changed something.

Here: when the report is written, and its metadata in Dagster. Not here: its content (`segmentation_assets.report`).
"""

# No postponed annotations here: Dagster reads the type of `context` from the function itself.

import time
from pathlib import Path
from typing import Any

import dagster as dg

from segmentation_assets.orchestration.partitions import days_of_run
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reading.access import NotPublished
from segmentation_assets.report.evidence import READ
from segmentation_assets.tables.registry import Registry, TableSpec

REPORT = "report"
_DESCRIPTION = """The report for people: one self-contained HTML file in the folder `reports/`, and `latest.html`.

It has an executive page with decisions and their arithmetic, tiers and targets, movement, capacity, portfolios,
every account, and data quality. A run of several days reports on the last one. A run that changed nothing keeps the
report.
"""


def report_asset(registry: Registry, policy: Policy, pool: str) -> dg.AssetsDefinition:
    """The asset that writes the report, after all the tables that it reads."""

    @dg.asset(
        name=REPORT,
        group_name=REPORT,
        description=_DESCRIPTION,
        deps=[_dep(registry[name]) for name in READ if name in registry],
        owners=list(policy.orchestration.owners.get(REPORT, ())),
        kinds={"html"},
        tags={"stage": REPORT},
        pool=pool,
    )
    def step(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[Any]:
        days = days_of_run(context.run.tags)
        try:
            facts = write_report_of_run(warehouse, context.run.run_id, max(days) if days else None)
        except NotPublished as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(metadata=facts)

    return step


def _dep(source: TableSpec) -> dg.AssetDep:
    """The report depends on one day. Without a mapping it would depend on every day, and Dagster would check each."""
    return dg.AssetDep(
        source.name, partition_mapping=dg.LastPartitionMapping() if source.partition == "as_of" else None
    )


def write_report_of_run(warehouse: WarehouseResource, run_id: str, as_of: Any) -> dict[str, Any]:
    """Write the report of the day unless it is up to date; the metadata for Dagster.

    Raises NotPublished without segments.
    """
    from segmentation_assets.report.publishing import (  # noqa: PLC0415 - slow to import, and only used here
        current_report,
        publish_report,
    )

    started = time.perf_counter()
    home, policy = Path(warehouse.home), load_policy(Path(warehouse.policy) if warehouse.policy else None)
    if current := current_report(home, policy, as_of):
        return {"days made": 0, "days kept": 1, "rows": 0, "file": dg.MetadataValue.path(str(current)),
                "seconds": round(time.perf_counter() - started, 3)}  # fmt: skip
    report = publish_report(home, policy, as_of, run_id)
    return {
        "days made": 1,
        "days kept": 0,
        "rows": report.accounts,
        "file": dg.MetadataValue.path(str(report.file)),
        "open": dg.MetadataValue.url(report.file.as_uri()),
        "size, MB": round(report.size_bytes / 1e6, 2),
        "without": list(report.missing),
        "seconds": round(time.perf_counter() - started, 3),
    }
