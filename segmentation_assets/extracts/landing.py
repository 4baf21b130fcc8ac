"""Landing: from mapped sources to published extracts and the quarantine.

Here: the order of extracts, and how extracts that fail or are not mapped are handled. Not here: landing one extract
(`history`, and by day `usage_days`), reading a source (`reading`), judging a row (`judging`).

An extract is landed again only if one of these has changed: its files, its mapping, its contract, the share of bad
rows that the policy allows, or the ids that its rows refer to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from segmentation_assets.extracts import usage_days
from segmentation_assets.extracts.contracts import EXTRACTS, QUARANTINE
from segmentation_assets.extracts.delivery import (
    FileHashes,
    Landed,
    Landing,
    Refused,
    WouldLand,
    digest,
    quarantine_file,
    read_accepted,
)
from segmentation_assets.extracts.history import land_history
from segmentation_assets.extracts.judging import parents_of
from segmentation_assets.extracts.reading import Reader, SourceError, first_line
from segmentation_assets.extracts.sources import Sources
from segmentation_assets.policy.company import CompanyPolicy, ExtractsPolicy
from segmentation_assets.policy.section import Section
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import TableSpec
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.engine import Engine
from segmentation_assets.warehouse.store import footer

__all__ = ["Landed", "is_landed", "land"]
_NOT_MAPPED = "not mapped"


def land(
    sources: Sources,
    engine: Engine,
    policy_sections: Mapping[type[Section], Section],
    names: Iterable[str] | None = None,
    progress: Callable[[Landed], None] | None = None,
) -> list[Landed]:
    """Bring the published extracts (all, or `names`) up to date with their sources, in landing order.

    If an extract fails, its result says so (`failed`, `reason`). It stays as it was published, and so do the extracts
    that refer to it. Extracts that are not mapped are published without rows.
    """
    wanted = set(names) if names is not None else {spec.name for spec in EXTRACTS}
    results: list[Landed] = []
    with engine.store.stage() as folder:
        landing = _landing(sources, engine, policy_sections, folder)
        for spec in EXTRACTS:
            if spec.name in wanted:
                failed = {r.extract for r in results if r.failed}
                results.append(_land(landing, spec, [p for p in parents_of(spec) if p in failed]))
                if progress:
                    progress(results[-1])
        landing.hashes.save()
        _mark_quarantine(landing)
    return results


def is_landed(sources: Sources, engine: Engine, policy_sections: Mapping[type[Section], Section]) -> bool:
    """Whether landing all extracts would change nothing. It writes nothing itself."""
    with engine.store.stage() as folder:
        landing = replace(_landing(sources, engine, policy_sections, folder), only_looks=True)
        try:
            return not any(_land(landing, spec, ()).failed for spec in EXTRACTS)
        except WouldLand:
            return False


def _landing(
    sources: Sources, engine: Engine, policy_sections: Mapping[type[Section], Section], folder: Path
) -> Landing:
    company, policy = policy_sections[CompanyPolicy], policy_sections[ExtractsPolicy]
    return Landing(
        sources,
        engine,
        company,  # type: ignore[arg-type]
        policy,  # type: ignore[arg-type]
        Reader(engine.connection, sources, folder),
        FileHashes(engine.store.home / "landing" / "files.json"),
        _code(),
        company.today(),  # type: ignore[attr-defined]
        accepted=read_accepted(engine.store.home),
    )


def _land(landing: Landing, spec: TableSpec, failed_parents: Sequence[str]) -> Landed:
    started = time.perf_counter()
    if failed_parents:
        why = f"its rows refer to {' and '.join(failed_parents)}, which failed"
        return Landed(spec.name, failed=True, reason=why)
    try:
        if spec.name not in landing.sources.extracts:
            landed = _publish_nothing(landing, spec)
        elif spec.partition:
            landed = usage_days.land_usage(landing, spec)
        else:
            landed = land_history(landing, spec)
    except Refused as error:
        landed = Landed(
            spec.name, error.read, error.read - error.quarantined, error.quarantined, failed=True, reason=str(error)
        )
    except (SourceError, duckdb.Error, OSError) as error:
        why = str(error) if isinstance(error, SourceError) else f"{spec.name}: {first_line(error)}"
        landed = Landed(spec.name, failed=True, reason=why)
    ahead = landing.ahead.get(spec.name, ())
    return replace(landed, seconds=time.perf_counter() - started, ahead=ahead)


def _publish_nothing(landing: Landing, spec: TableSpec) -> Landed:
    """Publish an extract that is not mapped: without rows, and without traces of earlier landings."""
    store = landing.engine.store
    if spec.partition:
        usage_days.forget(landing, spec)
    elif landing.facts(spec.name).get("inputs") != _NOT_MAPPED:
        landing.begin()
        with store.stage() as folder:
            facts = {"drops": {}, "inputs": _NOT_MAPPED}
            landing.engine.write_empty(ibis_schema(spec.contract), folder / "x", facts)
            store.publish(folder / "x", store.file(spec.name))
    if quarantine_file(landing, spec.name).exists():
        landing.begin()
        quarantine_file(landing, spec.name).unlink()
    return Landed(spec.name, skipped=True)


def _mark_quarantine(landing: Landing) -> None:
    """Write the quarantine's extra file: no rows, only a hash of the quarantine files of all extracts."""
    store = landing.engine.store
    target = store.file(QUARANTINE.name)
    files = [f for f in sorted(target.parent.glob("*.parquet")) if f != target]
    facts = {"drops": {"": digest(*((f.name, footer(f).get("drops")) for f in files))}}
    if footer(target) != facts:
        with store.stage() as folder:
            landing.engine.write_empty(ibis_schema(QUARANTINE.contract), folder / "x", facts)
            store.publish(folder / "x", target)


def _code() -> str:
    """Hash of the code that reads and judges rows."""
    return digest(code_version(land_history), code_version(usage_days.land_usage))
