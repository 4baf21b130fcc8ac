"""What an asset's step does: bring one table up to date and tell Dagster what came of it.

Here: days, inputs, events, checks and metadata of a step. Not here: the assets themselves (`assets`), how a table is
built (`warehouse.building`), or how an extract comes in (`landing`).

A step makes every day that anything in its run needs of its table, look-backs included, so later steps find what they
read. What a step reads and its run does not select is made first, and recorded; an extract behind it of which nothing
has landed yet is landed.
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
    """One step: build the days that the run needs of a table, then tell Dagster what was made, and that it is sound.

    Raises dg.Failure, after the failed check, where the table or something it reads breaks its contract, and where an
    extract behind it has never landed and cannot be.
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
        _record(context, builder, spec, {day: rows for day, rows in built.made.items() if day not in own})
    for day in own if len(own) > 1 else ():
        context.add_asset_metadata({ROW_COUNT: _rows(builder, spec, built, day)}, spec.name, str(day))
    large = lineage_metadata(builder, spec) | plot_metadata(context, builder, spec, own[-1])
    if len(own) > 1:  # of a range, with its last day alone: Dagster would keep a copy with every day
        context.add_asset_metadata(large, spec.name, str(own[-1]))
        large = {}
    metadata = _metadata(session, spec, built, own) | large | {"seconds": round(time.perf_counter() - started, 3)}
    yield dg.MaterializeResult(
        asset_key=spec.name,
        metadata=metadata,
        data_version=dg.DataVersion(_version(builder, spec, built, own)),
    )
    # After the materialization: the check is of what has just been made.
    yield dg.AssetCheckResult(
        asset_key=spec.name,
        check_name=CHECK,
        passed=True,
        metadata={"rows": built.verdict.rows, "days made": len(built.made), "days kept": len(built.kept)},
    )
    yield from _warned(builder, spec, own[-1])


def _warned(builder: Builder, spec: TableSpec, day: date | None) -> Iterator[dg.AssetCheckResult]:
    """What the table's warnings say of the last day of the step; nothing for a table without any."""
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
    """Land the extracts behind a table, and those their rows refer to, that never have: a table of nothing is wrong.

    Raises dg.Failure where one of them cannot be landed, or there is no mapping.
    """
    builder = session.builder
    behind = [each for each in builder.registry.upstream([spec.name]) if each.is_extract]
    wanted = {each.name for each in behind}.union(*(parents_of(each) for each in behind))
    lacking = [each for each in EXTRACTS if each.name in wanted and not builder.store.has(each.name)]
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
    """The days that Dagster itself records for this step: the run's partitions, None for a table without any."""
    return list(partitions_of_run(context.run.tags)) if spec.partition == AS_OF else [None]


def _build_with_inputs(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> Built:
    """Build the days of `spec` that the run needs, after what they read, and record inputs of no step of this run."""
    days = _days_needed(context, session, spec)
    for name, needed in session.builder.plan([spec.name], days).items():
        source = session.builder.registry[name]
        done = session.done.setdefault(name, set())
        wanted: set[date | None] = set(needed) if source.partition else {None}
        if source.is_extract or name == spec.name or wanted <= done:
            continue
        made = session.builder.build(source, needed)
        done |= wanted
        if made.made:
            context.log.info(f"{name} lacked {len(made.made)} days that {spec.name} reads: made them")
            _record(context, session.builder, source, made.made)
    built = session.builder.build(spec, days)
    session.done.setdefault(spec.name, set()).update([*built.made, *built.kept])
    return built


def _days_needed(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> list[date]:
    if spec.partition not in {None, AS_OF}:  # rolled up once per day of its extract, for all days there are
        return list(session.builder.landed_days(spec))
    asked = tuple(days_of_run(context.run.tags))
    if spec.partition is None:
        return list(asked)
    selected = frozenset(key.to_user_string() for key in context.job_def.asset_layer.selected_asset_keys)
    names = frozenset(name for name in selected if name in session.builder.registry)
    return session.plan(names, asked)[spec.name]


def _record(
    context: dg.AssetExecutionContext, builder: Builder, spec: TableSpec, made: Mapping[date | None, int]
) -> None:
    """Record what was made besides the run's own partitions; days before the first partition have no place."""
    code_version = builder.code_version_of(spec)
    if spec.partition == AS_OF:
        first = builder.policy.orchestration.history_start
        rows: dict[date | None, int] = {d: n for d, n in made.items() if d is not None and d >= first}
        versions: dict[date | None, str] = {day: builder.expected(spec, day) for day in rows}
        record_days(context, spec.name, rows, versions, code_version)
    else:
        version = Session.digest([builder.expected(spec, day) for day in made])
        record_days(context, spec.name, {None: sum(made.values())}, {None: version}, code_version)


def _version(builder: Builder, spec: TableSpec, built: Built, own: Sequence[date | None]) -> str:
    """The fingerprint of what Dagster records here; of several days, one of all."""
    days = own if spec.partition == AS_OF else sorted([*built.made, *built.kept], key=str)
    return Session.digest([builder.expected(spec, day) for day in days])


def _metadata(session: Session, spec: TableSpec, built: Built, own: Sequence[date | None]) -> dict[str, Any]:
    days = own if spec.partition == AS_OF else [*built.made, *built.kept]
    last = max((day for day in days if day is not None), default=None)
    rows = sum(_rows(session.builder, spec, built, day) for day in days)
    return {
        ROW_COUNT: rows,  # of a range, each partition says its own instead
        "rows": rows,
        "days made": len(built.made),
        "days kept": len(built.kept),
        "preview": dg.MarkdownMetadataValue(preview(session.builder, spec, last)),
    }


def _rows(builder: Builder, spec: TableSpec, built: Built, day: date | None) -> int:
    if day in built.made:
        return built.made[day]
    if spec.partition != AS_OF and day is not None:  # too many to open each
        return builder.footers_of(spec)[day].rows
    return rows_in([builder.store.file(spec.name, spec.partition, day)])


def preview(builder: Builder, spec: TableSpec, day: date | None) -> str:
    """The first rows of a published table (of one day, where it has days) as markdown."""
    file = builder.store.file(spec.name, spec.partition if day else None, day)
    return markdown_table(*first_rows(file, _PREVIEW_ROWS)) if file.exists() else "nothing published"


def _reason(spec: TableSpec, broken: ContractBroken) -> str:
    rules = _broken_rules(spec, broken.verdict)
    return f"{spec.name} breaks its contract, nothing of it was published: {rules}"


def _broken_rules(spec: TableSpec, verdict: Verdict) -> str:
    """Which rules broke, and an example: its key and the columns that the rules are about, as an identity's terms."""
    told = "; ".join(f"{rule}: {count:,} of {verdict.rows:,} rows" for rule, count in verdict.broken.items())
    row = verdict.sample[0] if verdict.sample else {}
    about = dict.fromkeys([*spec.key, *verdict.columns])
    example = ", ".join(f"{name} {_shown(row[name])}" for name in about if name in row)
    return f"{told}; e.g. {example}" if example else told


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
