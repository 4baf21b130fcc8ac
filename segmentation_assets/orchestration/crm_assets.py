"""The CRM sync as assets: what the CRM lacks, and, if the policy says so, sending it.

Here: when the sync runs in Dagster, and its metadata there. Not here: the sync itself (`segmentation_assets.sync`).
Secrets are read from the environment of the run. They are in no configuration, metadata or log.
"""

# No postponed annotations here: Dagster reads the type of `context` from the function itself.

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from segmentation_assets.orchestration.descriptions import column_schema
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reasons import Refusal
from segmentation_assets.tables.registry import AS_OF, Registry

CHANGES, LOG = "crm_changes", "crm_sync_log"
_GROUP = "activation"
_CHANGES_TEXT = """Which fields of which accounts does the CRM not have as they are?

The newest published values against what the CRM acknowledged last, one row per account and field, with the cause. The
CRM itself is not asked. `segmentation sync hubspot` prints the same.
"""
_LOG_TEXT = """What did the sync send to the CRM, and what did the CRM say? One row per attempt, account and field.

A run sends only if the policy says so (crm.applies). Else `segmentation sync hubspot --apply` does.
"""


def crm_assets(registry: Registry, policy: Policy, pool: str) -> list[dg.AssetsDefinition]:
    """`crm_changes`, after the tables that its fields come from, and `crm_sync_log` after it."""
    read = {"segments", "crm_accounts", "segment_register"}
    read |= {field.column.partition(".")[0] for field in policy.crm.fields.values()}
    owners = list(policy.orchestration.owners.get(_GROUP, ()))

    @dg.asset(
        name=CHANGES,
        group_name=_GROUP,
        description=_CHANGES_TEXT,
        deps=[_dep(registry, name) for name in sorted(read) if name in registry],
        owners=owners,
        kinds={"parquet"},
        tags={"stage": _GROUP},
        metadata={"dagster/column_schema": column_schema(_changes_contract())},
        pool=pool,
    )
    def changes(warehouse: WarehouseResource) -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(metadata=find_changes_of_run(warehouse))

    @dg.asset(
        name=LOG,
        group_name=_GROUP,
        description=_LOG_TEXT,
        deps=[CHANGES],
        owners=owners,
        kinds={"parquet"},
        tags={"stage": _GROUP},
        metadata={"dagster/column_schema": column_schema(_log_contract())},
        output_required=False,
        pool=pool,
    )
    def log(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
        if not _policy_of(warehouse).crm.applies:
            context.log.info("nothing is sent: crm.applies is false. `segmentation sync SYSTEM --apply` sends")
            return
        yield dg.MaterializeResult(asset_key=LOG, metadata=send_changes_of_run(warehouse, context.run.run_id))

    return [changes, log]


def _dep(registry: Registry, name: str) -> dg.AssetDep:
    """The sync reads the newest day."""
    is_dated = registry[name].partition == AS_OF
    return dg.AssetDep(name, partition_mapping=dg.LastPartitionMapping() if is_dated else None)


def find_changes_of_run(warehouse: WarehouseResource) -> dict[str, Any]:
    """Publish `crm_changes` of every CRM of the policy; the metadata for Dagster.

    Raises dg.Failure with the reason.
    """
    from segmentation_assets.sync.connecting import run_of  # noqa: PLC0415 - only a run that syncs needs it

    started, policy, rows = time.perf_counter(), _policy_of(warehouse), 0
    facts: dict[str, Any] = {}
    for system in policy.crm.systems:
        try:
            facts_of_system = run_of(Path(warehouse.home), policy, system).preview()
        except Refusal as error:
            raise dg.Failure(f"{system}: {error}", allow_retries=False) from None
        rows += facts_of_system.changes
        facts[f"{system}, accounts to change"] = facts_of_system.changed_accounts
        facts[f"{system}, accounts that change segment"] = facts_of_system.moved_in_all
    seconds = round(time.perf_counter() - started, 3)
    return {"days made": 1, "days kept": 0, "rows": rows, **facts, "seconds": seconds}


def send_changes_of_run(warehouse: WarehouseResource, run_id: str) -> dict[str, Any]:
    """Send the changes to every CRM of the policy; the metadata for Dagster.

    Raises dg.Failure with the reason if a guard does not hold, or if values did not reach a CRM; what was
    acknowledged stays so.
    """
    from segmentation_assets.sync.connecting import run_of  # noqa: PLC0415 - only a run that syncs needs it

    started, policy, rows = time.perf_counter(), _policy_of(warehouse), 0
    facts: dict[str, Any] = {}
    problems = []
    for system in policy.crm.systems:
        try:
            result = run_of(Path(warehouse.home), policy, system).apply(run_id=f"{run_id}-{system}")
        except Refusal as error:
            problems.append(f"{system}: {error}")
            continue
        rows += sum(result.outcomes.values())
        facts |= {f"{system}, {outcome}": count for outcome, count in sorted(result.outcomes.items())}
        if result.faults:
            problems.append(f"{system}: {result.faults} values or accounts did not reach the CRM; see {LOG}")
    if problems:
        raise dg.Failure("; ".join(problems), metadata=facts, allow_retries=False)
    seconds = round(time.perf_counter() - started, 3)
    return {"days made": 1, "days kept": 0, "rows": rows, **facts, "seconds": seconds}


def _policy_of(warehouse: WarehouseResource) -> Policy:
    return load_policy(Path(warehouse.policy) if warehouse.policy else None)


def _changes_contract() -> Any:
    from segmentation_assets.sync.changes import CrmChanges  # noqa: PLC0415 - only where a CRM is named

    return CrmChanges


def _log_contract() -> Any:
    from segmentation_assets.sync.log import CrmSyncLog  # noqa: PLC0415 - only where a CRM is named

    return CrmSyncLog
