"""The step of an extract: land it and report the result to Dagster.

Here: events, check and metadata of landing one extract, and of the quarantine. Not here: reading sources, history or
quarantine themselves (`extracts.landing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from segmentation_assets.extracts.contracts import EXTRACTS, QUARANTINE
from segmentation_assets.extracts.judging import parents_of
from segmentation_assets.extracts.landing import Landed, land
from segmentation_assets.extracts.sources import SourcesError
from segmentation_assets.orchestration.descriptions import markdown_table
from segmentation_assets.orchestration.events import ROW_COUNT
from segmentation_assets.orchestration.lineage_metadata import mapping_metadata
from segmentation_assets.orchestration.resources import Session
from segmentation_assets.orchestration.steps import CHECK, preview
from segmentation_assets.tables.registry import TableSpec

_SHOWN = 5


def extract_deps(spec: TableSpec) -> list[str]:
    """The extracts that must land before this one: those that its rows refer to; for the quarantine, all."""
    return [each.name for each in EXTRACTS] if spec.name == QUARANTINE.name else parents_of(spec)


def land_extract(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> Iterator[Any]:
    """The step of one extract. Raises dg.Failure, after the failed check, if too many of its rows are bad."""
    if spec.name == QUARANTINE.name:
        yield from _show_quarantine(session, spec)
        return
    landed = _land(session, spec)
    if landed.ahead:
        context.log.warning(
            f"{spec.name}: drops dated after today wait for their day: {', '.join(landed.ahead[:_SHOWN])}"
            + (f" and {len(landed.ahead) - _SHOWN} more" if len(landed.ahead) > _SHOWN else "")
        )
    if not landed.skipped:
        session.forget()
    facts = _facts(landed)
    check = dg.AssetCheckResult(
        asset_key=spec.name,
        check_name=CHECK,
        passed=not landed.failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=landed.reason,
        metadata=facts,
    )
    if landed.failed:
        yield check
        raise dg.Failure(landed.reason or f"{spec.name} cannot be landed", allow_retries=False)
    if landed.drops and not landed.read and not spec.partition:
        context.log.warning(f"{spec.name}: its source has no rows")
    if not landed.drops:
        context.log.info(f"{spec.name} is not mapped: published without rows")
    last = session.builder.store.days(spec.name, spec.partition)[-1:] if spec.partition else []
    yield dg.MaterializeResult(
        asset_key=spec.name,
        metadata=facts
        | mapping_metadata(spec, session.read_sources().extracts)
        | {
            ROW_COUNT: landed.good,
            "rows": landed.good,
            "seconds": round(landed.seconds, 3),
            "days made": 0 if landed.skipped else 1,
            "days kept": 1 if landed.skipped else 0,
            "preview": dg.MarkdownMetadataValue(preview(session.builder, spec, last[0] if last else None)),
        },
        data_version=_data_version(session, spec),
    )
    yield check  # after the materialization that it belongs to


def _land(session: Session, spec: TableSpec) -> Landed:
    try:
        sources = session.read_sources()
    except SourcesError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return land(sources, session.builder.engine, session.builder.sections, [spec.name])[0]


def _facts(landed: Landed) -> dict[str, Any]:
    share = landed.quarantined / landed.read if landed.read else 0.0
    return {
        "read": landed.read,
        "good": landed.good,
        "quarantined": landed.quarantined,
        "quarantined share": share,
        "drops": landed.drops,
        "left out": landed.left_out,
        "unchanged": landed.skipped,
    } | ({} if landed.money is None else {"money": landed.money, "refused money": landed.refused_money})


def _data_version(session: Session, spec: TableSpec) -> dg.DataVersion:
    """A hash over all published rows. An extract by day has one fingerprint per day."""
    builder = session.builder
    days = builder.footers_of(spec) if spec.partition else [None]
    return dg.DataVersion(session.digest([builder.expected(spec, day) for day in days]))


def _show_quarantine(session: Session, spec: TableSpec) -> Iterator[Any]:
    engine = session.builder.engine
    table = engine.read(spec)
    counts = engine.execute(
        table.group_by("extract", "rule").aggregate(rows=table.count()).order_by(["extract", "rule"])
    )
    yield dg.AssetCheckResult(asset_key=spec.name, check_name=CHECK, passed=True)
    yield dg.MaterializeResult(
        asset_key=spec.name,
        metadata={
            ROW_COUNT: int(counts["rows"].sum()),
            "rows": int(counts["rows"].sum()),
            "seconds": 0.0,
            "days made": 0,
            "days kept": 1,
            "by rule": dg.MarkdownMetadataValue(markdown_table(list(counts.columns), counts.values.tolist())),
        },
        data_version=_data_version(session, spec),
    )
