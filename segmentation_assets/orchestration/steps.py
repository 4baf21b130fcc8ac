"""The step of an asset: build one table's days and report the result to Dagster.

Here: days, inputs, events, checks and metadata of a step. Not here: the assets themselves (`assets`), how a table is
built (`warehouse.building`), or how an extract lands (`extract_steps`).

A step builds all days of its table that its run needs, including look-backs, so that later steps can read them.
Inputs that the run does not select are built first and recorded. Extracts that have never landed are landed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg
import pandas as pd

from segmentation_assets.extracts.contracts import EXTRACTS
from segmentation_assets.extracts.judging import parents_of
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import SourcesError
from segmentation_assets.orchestration.descriptions import markdown_table
from segmentation_assets.orchestration.events import ROW_COUNT, record_days
from segmentation_assets.orchestration.lineage_metadata import lineage_metadata
from segmentation_assets.orchestration.partitions import days_of_run, partitions_of_run
from segmentation_assets.orchestration.plots import plot_metadata
from segmentation_assets.orchestration.resources import Session
from segmentation_assets.tables.enforcement import Verdict, warn, warnings
from segmentation_assets.tables.registry import AS_OF, TableSpec
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.results import Built, ContractBroken
from segmentation_assets.warehouse.store import first_rows, rows_in

CHECK, WARNINGS = "contract", "warnings"
_PREVIEW_ROWS = 5
_LONGEST = 200
"""Characters of a value in a message."""


def bring_up_to_date(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> Iterator[Any]:
    """One step: build the days of a table that the run needs, then yield the materialization and the checks.

    Raises dg.Failure, after the failed check, if the table or one of its inputs breaks its contract, or if an extract
    that it needs cannot be landed.
    """
    started = time.perf_counter()
    _land_what_lacks(context, session, spec)
    builder = session.builder
    try:
        built = _build_with_inputs(context, session, spec)
    except ContractBroken as broken:
        reason = _reason(session.builder.registry[broken.table], broken)
        yield _failed_check(spec, broken, reason)
        raise dg.Failure(reason, allow_retries=False) from broken
    own = _own_days(context, spec)
    if spec.partition == AS_OF:
        _record(context, builder, spec, {day: rows for day, rows in built.rows.items() if day not in own})
    for day in own if len(own) > 1 else ():
        context.add_asset_metadata({ROW_COUNT: _rows(builder, spec, built, day)}, spec.name, str(day))
    large = lineage_metadata(builder, spec) | plot_metadata(context, builder, spec, own[-1])
    if len(own) > 1:  # only on the last day of a range, because Dagster stores a copy with every day
        context.add_asset_metadata(large, spec.name, str(own[-1]))
        large = {}
    metadata = _metadata(session, spec, built, own) | large | {"seconds": round(time.perf_counter() - started, 3)}
    yield dg.MaterializeResult(
        asset_key=spec.name,
        metadata=metadata,
        data_version=dg.DataVersion(_version(builder, spec, built, own)),
    )
    # After the materialization that the check belongs to.
    yield dg.AssetCheckResult(
        asset_key=spec.name,
        check_name=CHECK,
        passed=True,
        metadata={"rows": built.verdict.rows, "days made": len(built.rows), "days kept": len(built.fresh)},
    )
    yield from _warned(builder, spec, own[-1])


def _warned(builder: Builder, spec: TableSpec, day: date | None) -> Iterator[dg.AssetCheckResult]:
    """The check `warnings` on the step's last day; nothing for a table without such rules."""
    table = builder.engine.read(spec, None if day is None else [day])
    if not warnings(spec.contract, table):
        return
    verdict = warn(spec.contract, table, builder.engine.execute)
    yield dg.AssetCheckResult(
        asset_key=spec.name,
        check_name=WARNINGS,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if verdict.passed else f"{spec.name}: {_broken_rules(spec, verdict)}",
        metadata={"rows": verdict.rows},
    )


def _land_what_lacks(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> None:
    """Land the extracts that a table needs, and those that their rows refer to, if they have never landed.

    Raises dg.Failure if one of them cannot be landed, or if there is no mapping.
    """
    builder = session.builder
    behind = [each for each in builder.registry.upstream([spec.name]) if each.is_extract]
    needed = {each.name for each in behind}.union(*(parents_of(each) for each in behind))
    lacking = [each for each in EXTRACTS if each.name in needed and not builder.store.has(each.name)]
    if not lacking:
        return
    try:
        results = land(session.read_sources(), builder.engine, builder.sections, [each.name for each in lacking])
    except SourcesError as error:
        names = ", ".join(each.name for each in lacking)
        raise dg.Failure(f"nothing has landed yet of {names}: {error}", allow_retries=False) from error
    session.forget()
    failed = [f"{landed.extract}: {landed.reason}" for landed in results if landed.failed]
    if failed:
        raise dg.Failure(
            f"{spec.name} reads extracts that cannot be landed: {'; '.join(failed)}", allow_retries=False
        )
    for each, landed in zip(lacking, results, strict=True):
        context.log.info(f"{each.name} had never landed: {landed.good} rows")
        days = builder.store.days(each.name, each.partition) if each.partition else [None]
        version = session.digest([builder.expected(each, day) for day in days])
        record_days(context, each.name, {None: landed.good}, {None: version}, builder.code_version_of(each))


def _own_days(context: dg.AssetExecutionContext, spec: TableSpec) -> list[date | None]:
    """The days that Dagster itself records for this step: the run's partitions, or None for a table without days."""
    return list(partitions_of_run(context.run.tags)) if spec.partition == AS_OF else [None]


def _build_with_inputs(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> Built:
    """Build the days of `spec` that the run needs. First build, and record, inputs that no step of the run builds."""
    days = _days_needed(context, session, spec)
    for name, needed in session.builder.plan([spec.name], days).items():
        source = session.builder.registry[name]
        done = session.done.setdefault(name, set())
        needed_days: set[date | None] = set(needed) if source.partition else {None}
        if source.is_extract or name == spec.name or needed_days <= done:
            continue
        result = session.builder.build(source, needed)
        done |= needed_days
        if result.rows:
            context.log.info(f"made {len(result.rows)} days of {name} that {spec.name} reads")
            _record(context, session.builder, source, result.rows)
    built = session.builder.build(spec, days)
    session.done.setdefault(spec.name, set()).update([*built.rows, *built.fresh])
    return built


def _days_needed(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> list[date]:
    if spec.partition not in {None, AS_OF}:  # one day per day of its extract, whatever the run's days
        return list(session.builder.landed_days(spec))
    run_days = tuple(days_of_run(context.run.tags))
    if spec.partition is None:
        return list(run_days)
    selected = frozenset(key.to_user_string() for key in context.job_def.asset_layer.selected_asset_keys)
    names = frozenset(name for name in selected if name in session.builder.registry)
    return session.plan(names, run_days)[spec.name]


def _record(
    context: dg.AssetExecutionContext, builder: Builder, spec: TableSpec, rows_made: Mapping[date | None, int]
) -> None:
    """Record the days made besides the run's own partitions. Days before the first partition cannot be recorded."""
    code_version = builder.code_version_of(spec)
    if spec.partition == AS_OF:
        first = builder.policy.orchestration.history_start
        rows: dict[date | None, int] = {d: n for d, n in rows_made.items() if d is not None and d >= first}
        versions: dict[date | None, str] = {day: builder.expected(spec, day) for day in rows}
        record_days(context, spec.name, rows, versions, code_version)
    else:
        version = Session.digest([builder.expected(spec, day) for day in rows_made])
        record_days(context, spec.name, {None: sum(rows_made.values())}, {None: version}, code_version)


def _version(builder: Builder, spec: TableSpec, built: Built, own: Sequence[date | None]) -> str:
    """The fingerprint over the days that Dagster records here."""
    days = own if spec.partition == AS_OF else sorted([*built.rows, *built.fresh], key=str)
    return Session.digest([builder.expected(spec, day) for day in days])


def _metadata(session: Session, spec: TableSpec, built: Built, own: Sequence[date | None]) -> dict[str, Any]:
    days = own if spec.partition == AS_OF else [*built.rows, *built.fresh]
    last = max((day for day in days if day is not None), default=None)
    rows = sum(_rows(session.builder, spec, built, day) for day in days)
    return {
        ROW_COUNT: rows,  # for a range, each partition has its own instead
        "rows": rows,
        "days made": len(built.rows),
        "days kept": len(built.fresh),
        "preview": dg.MarkdownMetadataValue(preview(session.builder, spec, last)),
    }


def _rows(builder: Builder, spec: TableSpec, built: Built, day: date | None) -> int:
    if day in built.rows:
        return built.rows[day]
    if spec.partition != AS_OF and day is not None:  # too many to open each
        return builder.footers_of(spec)[day].rows
    file = builder.store.file(spec.name, spec.partition, day)
    return rows_in([file]) if file.exists() else builder.engine.count(spec, day)


def preview(builder: Builder, spec: TableSpec, day: date | None) -> str:
    """The first rows of a published table (of one day, if it has days) as Markdown."""
    file = builder.store.file(spec.name, spec.partition if day else None, day)
    if not file.exists():
        return "nothing published"
    return markdown_table(*first_rows(file, _PREVIEW_ROWS))


def _reason(spec: TableSpec, broken: ContractBroken) -> str:
    rules = _broken_rules(spec, broken.verdict)
    return f"{spec.name} breaks its contract, so nothing was published: {rules}"


def _broken_rules(spec: TableSpec, verdict: Verdict) -> str:
    """The broken rules with their counts, and an example row: its key and the columns of the rules."""
    rules = "; ".join(f"{rule}: {count:,} of {verdict.rows:,} rows" for rule, count in verdict.broken.items())
    row = verdict.sample[0] if verdict.sample else {}
    columns = dict.fromkeys([*spec.key, *verdict.columns])
    example = ", ".join(f"{name} {_shown(row[name])}" for name in columns if name in row)
    return f"{rules}; e.g. {example}" if example else rules


def _shown(value: Any) -> str:
    if pd.isna(value):
        return "null"
    if isinstance(value, float):
        return f"{value:.12g}"  # to the last digit that is not the noise of binary sums
    text = str(value.date() if isinstance(value, datetime) else value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _failed_check(spec: TableSpec, broken: ContractBroken, reason: str) -> dg.AssetCheckResult:
    verdict = broken.verdict
    sample = [list(row.values()) for row in verdict.sample]
    header = list(verdict.sample[0]) if verdict.sample else []
    return dg.AssetCheckResult(
        asset_key=spec.name,
        check_name=CHECK,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=reason,
        metadata={
            "table": broken.table,
            "rows": verdict.rows,
            "broken": dg.MarkdownMetadataValue(markdown_table(("rule", "rows"), list(verdict.broken.items()))),
            "sample": dg.MarkdownMetadataValue(markdown_table(header, sample) if sample else "no rows"),
        },
    )
