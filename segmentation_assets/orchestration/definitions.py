"""What Dagster loads. Not here: any asset, job, sensor or resource itself (`orchestration`)."""

from __future__ import annotations

from typing import Any

import dagster as dg

from segmentation_assets.orchestration.assets import POOL, Catalogue
from segmentation_assets.orchestration.crm_assets import crm_assets
from segmentation_assets.orchestration.jobs import jobs
from segmentation_assets.orchestration.partitions import as_of_partitions
from segmentation_assets.orchestration.report_asset import report_asset
from segmentation_assets.orchestration.resources import WarehouseResource
from segmentation_assets.orchestration.schedules import schedules, with_freshness
from segmentation_assets.orchestration.sensors import sensors
from segmentation_assets.policy.model import load_policy
from segmentation_assets.settings import Settings, find_settings
from segmentation_assets.tables.registry import Registry


def build_defs(
    *, settings: Settings | None = None, registry: Registry | None = None, **overrides: Any
) -> dg.Definitions:
    """New definitions of one home, by default that of the environment, with the whole chain.

    `overrides` replace arguments of `dg.Definitions`, `resources` key by key. Raises PolicyError.
    """
    home_settings = settings or find_settings()
    policy = load_policy(home_settings.policy)
    days = as_of_partitions(policy)
    tables = registry or _chain()
    catalogue = Catalogue(tables, policy, days)
    arguments: dict[str, Any] = {
        "assets": with_freshness([*catalogue.assets(), *_report(catalogue), *_crm(catalogue)], policy),
        "jobs": jobs(tables, [key.path[-1] for each in _crm(catalogue) for key in each.keys]),
        "schedules": schedules(tables, policy),
        "sensors": sensors(home_settings, policy, tables),
        "executor": dg.in_process_executor,
        **overrides,
        "resources": {"warehouse": WarehouseResource.of(home_settings), **overrides.get("resources", {})},
    }
    return dg.Definitions(**arguments)


def _report(catalogue: Catalogue) -> list[dg.AssetsDefinition]:
    """The report, if the catalogue has segments."""
    has_segments = "segments" in catalogue.registry
    return [report_asset(catalogue.registry, catalogue.policy, POOL)] if has_segments else []


def _crm(catalogue: Catalogue) -> list[dg.AssetsDefinition]:
    """The sync, if the policy names a CRM and the catalogue has segments."""
    has_crm = bool(catalogue.policy.crm.systems) and "segments" in catalogue.registry
    return crm_assets(catalogue.registry, catalogue.policy, POOL) if has_crm else []


def _chain() -> Registry:
    from segmentation_assets.chain import CATALOGUE  # noqa: PLC0415 - tests bring registries of their own

    return CATALOGUE


@dg.definitions
def defs() -> dg.Definitions:
    """The Dagster location."""
    return build_defs()
