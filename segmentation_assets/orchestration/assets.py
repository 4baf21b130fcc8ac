"""Assets made from the catalogue, one per table.

Here: the asset definition of a table, with its checks. Not here: what its step does (`steps`, `extract_steps`), or
any table's name.
"""

# No postponed annotations here: Dagster reads the type of `context` from the function itself.

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import duckdb

from segmentation_assets.orchestration.descriptions import code_references, column_schema, description
from segmentation_assets.orchestration.extract_steps import extract_deps, land_extract
from segmentation_assets.orchestration.partitions import look_back_mapping
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.orchestration.steps import CHECK, WARNINGS, bring_up_to_date
from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.contracts import schema_of
from segmentation_assets.tables.registry import AS_OF, Input, Registry, TableSpec
from segmentation_assets.warehouse.planning import code_version_under

POOL = "warehouse"
_RETRIES = 2
RETRY_SECONDS = 2
_TRANSIENT = (OSError, duckdb.IOException)


@dataclass(frozen=True)
class Catalogue:
    """The registry, policy and days that all assets are made from."""

    registry: Registry
    policy: Policy
    days: dg.DailyPartitionsDefinition

    def assets(self) -> list[dg.AssetsDefinition]:
        """All tables as assets, inputs first."""
        return [self._asset(spec) for spec in self.registry]

    def _asset(self, spec: TableSpec) -> dg.AssetsDefinition:
        partitioned = spec.partition == AS_OF

        @dg.asset(
            name=spec.name,
            group_name=spec.group,
            description=description(spec, self.registry, self.policy),
            deps=self._deps(spec),
            owners=list(self.policy.orchestration.owners.get(spec.group, ())),
            kinds=_kinds(spec),
            tags={"stage": spec.group, "grain": ".".join(spec.key)[:63] or "none"},
            metadata={
                "dagster/column_schema": column_schema(spec.contract),
                "dagster/code_references": code_references(spec),
                "dagster/table_name": spec.name,
            },
            code_version=code_version_under(spec, self.policy),
            partitions_def=self.days if partitioned else None,
            backfill_policy=dg.BackfillPolicy.single_run() if partitioned else None,
            check_specs=self._checks(spec),
            output_required=True,
            pool=POOL,
        )
        def step(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
            session = warehouse.session(self.registry)
            try:
                if spec.is_extract:
                    yield from land_extract(context, session, spec)
                else:
                    yield from bring_up_to_date(context, session, spec)
            except _TRANSIENT as error:
                raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=RETRY_SECONDS) from error

        return step

    def _checks(self, spec: TableSpec) -> list[dg.AssetCheckSpec]:
        """The contract's check, and a second check for rules that only warn, if the contract has any."""
        rules = {str(c.name): c.description for c in schema_of(spec.contract).checks or [] if c.raise_warning}
        descriptions = {CHECK: "Every row keeps to the table's contract."}
        if rules:
            descriptions[WARNINGS] = " ".join(text or name for name, text in rules.items())
        return [
            dg.AssetCheckSpec(
                name,
                asset=spec.name,
                blocking=name == CHECK,
                description=text,
                partitions_def=self.days if spec.partition == AS_OF else None,  # a day that failed stays red
            )
            for name, text in descriptions.items()
        ]

    def _deps(self, spec: TableSpec) -> list[dg.AssetDep]:
        if spec.is_extract:
            return [dg.AssetDep(name) for name in extract_deps(spec)]
        return [self._dep(spec, item) for item in spec.inputs]

    def _dep(self, spec: TableSpec, item: Input) -> dg.AssetDep:
        source = self.registry[item.name]
        if spec.partition != AS_OF and source.partition == AS_OF:
            return dg.AssetDep(item.name, partition_mapping=dg.LastPartitionMapping())
        if item.reads is None or spec.partition != AS_OF or source.partition != AS_OF:
            return dg.AssetDep(item.name)
        return dg.AssetDep(item.name, partition_mapping=look_back_mapping(item.reads, self.policy))


def _kinds(spec: TableSpec) -> set[str]:
    reads_frames = spec.is_frame or any(item.is_frame for item in spec.inputs)
    return {"duckdb", "parquet"} | (set() if spec.is_extract else {"pandas" if reads_frames else "ibis"})
