"""The report as the last asset of the chain: one HTML file per run that changed something.

Here: when it is written, and what Dagster shows of it. Not here: what is in it (`segmentation_assets.report`).
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
_DESCRIPTION = """What people look at: one self-contained HTML file in `reports/` of the home, and `latest.html`.

Executive page with decisions and their arithmetic, tiers against targets, movement, capacity, portfolios, every
account, data quality. A run of several days reports on the last one; a run that changed nothing keeps the report.
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
    """The report is of one day: without a mapping it would hang on every day that there ever was, each looked up."""
    return dg.AssetDep(
        source.name, partition_mapping=dg.LastPartitionMapping() if source.partition == "as_of" else None
    )


def write_report_of_run(warehouse: WarehouseResource, run_id: str, as_of: Any) -> dict[str, Any]:
    """Write the report unless there is one of the day that was made from the same; the facts that Dagster shows.

    Raises NotPublished without segments.
    """
    from segmentation_assets.report.publishing import (  # noqa: PLC0415 - templates and JSON: where it is used
        current_report,
        publish_report,
    )

    started = time.perf_counter()
    home, policy = Path(warehouse.home), load_policy(Path(warehouse.policy) if warehouse.policy else None)
    if kept := current_report(home, policy, as_of):
        return {"days made": 0, "days kept": 1, "rows": 0, "file": dg.MetadataValue.path(str(kept)),
                "seconds": round(time.perf_counter() - started, 3)}  # fmt: skip
    made = publish_report(home, policy, as_of, run_id)
    return {
        "days made": 1,
        "days kept": 0,
        "rows": made.accounts,
        "file": dg.MetadataValue.path(str(made.file)),
        "open": dg.MetadataValue.url(made.file.as_uri()),
        "size, MB": round(made.size_bytes / 1e6, 2),
        "without": list(made.missing),
        "seconds": round(time.perf_counter() - started, 3),
    }
