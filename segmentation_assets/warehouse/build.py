"""Bringing tables up to date: plan, compute, audit, publish.

Here: which days a request needs, which of them are stale, and write-audit-publish for one table. Not here: how
extracts come in (`extracts.landing`), how Dagster shows it (`orchestration`).

A published file carries the fingerprint of all it was made from: its function's code, its contract, the policy
sections it declares, and the fingerprints of the days it read. Equal fingerprint: nothing to do. So a table at a day
depends on extracts and policy alone, whatever else was ever run.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.policy.model import Policy
from segmentation_assets.warehouse.as_of import Spine, days_read, spine_frame
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.contracts import ibis_schema
from segmentation_assets.warehouse.enforcement import Verdict, enforce, summary
from segmentation_assets.warehouse.engine import Engine
from segmentation_assets.warehouse.fingerprints import code_version
from segmentation_assets.warehouse.registry import SPINE, Registry, TableSpec, call
from segmentation_assets.warehouse.store import footer, rows_in

ABSENT = "absent"
BATCH_BYTES = 128 * 2**20
"""Of published files that one query reads at most, where it can be several; in memory they are several times that."""
_VERSIONS = (ibis.__version__, duckdb.__version__)


class ContractBroken(Exception):
    """A table broke its contract: nothing of it was published. `verdict` has the counts and a sample."""

    def __init__(self, table: str, verdict: Verdict) -> None:
        super().__init__(f"{table} breaks its contract, nothing of it was published: {verdict.describe()}")
        self.table = table
        self.verdict = verdict


@dataclass(frozen=True)
class Built:
    """What bringing one table up to date did. `made` and `kept` are days (None: the table has no days)."""

    table: str
    made: Mapping[date | None, int]
    kept: tuple[date | None, ...]
    verdict: Verdict
    seconds: float


class Builder:
    """Brings tables of one home up to date under one policy; one per run, as it remembers fingerprints."""

    def __init__(self, engine: Engine, registry: Registry, policy: Policy) -> None:
        self.engine = engine
        self.store = engine.store
        self.registry = registry
        self.policy = policy
        self.sections = policy.sections
        self.batch_bytes = BATCH_BYTES
        self.compiled = Compiled(self.store.home / "compiled")
        self.expressions: dict[str, ir.Table] = {}
        """Of tables compiled in this run: lineage is read from them, and building one again costs more than that."""
        self._expected: dict[tuple[str, date | None], str] = {}
        self._footers: dict[Path, Mapping[str, Any]] = {}
        self._sizes: dict[Path, int] = {}
        self._landed_days: list[date] | None = None

    # -- planning

    def plan(self, names: Iterable[str], days: Iterable[date]) -> dict[str, list[date]]:
        """Per table, upstream first, the days that `names` at `days` need, look-backs included."""
        wanted = list(names)
        needs: dict[str, set[date]] = defaultdict(set)
        for name in wanted:
            needs[name] |= set(days)
        order = self.registry.upstream(wanted)
        for spec in reversed(order):
            for given in spec.inputs:
                for day in needs[spec.name]:
                    needs[given.name] |= set(days_read(given.reads, day, self.sections))
        return {spec.name: self._existing(spec, needs[spec.name]) for spec in order}

    def _existing(self, spec: TableSpec, days: Iterable[date]) -> list[date]:
        if spec.partition != "usage_date":
            return sorted(days)
        if self._landed_days is None:
            self._landed_days = self.store.days("product_usage", "usage_date")
        return sorted(set(days).intersection(self._landed_days))

    def forget_landed(self) -> None:
        """Call after landing: fingerprints of extracts may have changed."""
        self._expected.clear()
        self._footers.clear()
        self._sizes.clear()
        self._landed_days = None

    # -- fingerprints

    def expected(self, spec: TableSpec, day: date | None) -> str:
        """The fingerprint that `spec` at `day` has if it is up to date."""
        known = (spec.name, day)
        if known not in self._expected:
            self._expected[known] = self._fingerprint(spec, day)
        return self._expected[known]

    def _fingerprint(self, spec: TableSpec, day: date | None) -> str:
        if spec.is_extract:
            return self._extract_fingerprint(spec, day)
        parts = [self.code_of(spec), str(day)]
        parts += [self.sections[s].digest for s in spec.sections.values()]
        for given in spec.inputs:
            source = self.registry[given.name]
            for read in [day] if day is None else self._existing(source, days_read(given.reads, day, self.sections)):
                parts.append(f"{given.name}@{read}={self.expected(source, read)}")
        return _digest(*parts)

    def code_of(self, spec: TableSpec) -> str:
        """Hash of the table's code and contract."""
        return _code_of(spec)

    def code_version_of(self, spec: TableSpec) -> str:
        """What Dagster compares: code, contract and the policy sections that the table declares."""
        return code_version_under(spec, self.policy)

    def policy_hash_of(self, spec: TableSpec) -> str:
        """Hash of all policy sections that the table and what it is made from declare: its `policy_hash` column."""
        used = {s for up in self.registry.upstream([spec.name]) for s in up.sections.values()}
        return _digest(*sorted(f"{s.__name__}={self.sections[s].digest}" for s in used))

    def _extract_fingerprint(self, spec: TableSpec, day: date | None) -> str:
        """Of the drops known on `day` (the first one stands for all days before it)."""
        facts = self._footer(self.store.file(spec.name, spec.partition, day if spec.partition else None))
        drops: Mapping[str, str] = facts.get("drops", {})
        known = {d: digest for d, digest in drops.items() if day is None or d in ("", min(drops)) or d <= str(day)}
        return _digest(*(f"{d}={digest}" for d, digest in sorted(known.items()))) if known else ABSENT

    def published(self, spec: TableSpec, day: date | None) -> str | None:
        """The fingerprint of what stands published, None where nothing does."""
        return self._footer(self.store.file(spec.name, spec.partition, day)).get("fingerprints", {}).get(str(day))

    def _footer(self, path: Path) -> Mapping[str, Any]:
        if path not in self._footers:
            self._footers[path] = footer(path)
        return self._footers[path]

    def is_fresh(self, spec: TableSpec, day: date | None) -> bool:
        """Whether what stands published is what would be made now."""
        return self.published(spec, day) == self.expected(spec, day)

    # -- doing

    def ensure(
        self, names: Iterable[str], days: Iterable[date], progress: Callable[[Built], None] | None = None
    ) -> list[Built]:
        """Bring `names` at `days` up to date with all they read. Returns what was done, upstream first.

        Raises ContractBroken; tables before the broken one stay published, the broken one stays as it was.
        """
        results = []
        for name, needed in self.plan(names, days).items():
            spec = self.registry[name]
            if spec.is_extract:
                continue
            results.append(self.build(spec, needed))
            if progress:
                progress(results[-1])
        return results

    def build(self, spec: TableSpec, days: Sequence[date]) -> Built:
        """Bring one table up to date at `days`; what it reads must already be.

        Raises ContractBroken with nothing published.
        """
        started = time.perf_counter()
        wanted: list[date | None] = list(days) if spec.partition else [None]
        stale = [d for d in wanted if not self.is_fresh(spec, d)]
        kept = tuple(d for d in wanted if d not in set(stale))
        if not stale:
            return Built(spec.name, {}, kept, Verdict(0), time.perf_counter() - started)
        with self.store.stage() as folder:
            files = self._write(spec, stale, folder)
            verdict = self._audit(spec, files)
            if not verdict.passed:
                raise ContractBroken(spec.name, verdict)
            made = self._publish(spec, files)
        return Built(spec.name, made, kept, verdict, time.perf_counter() - started)

    def expression(self, spec: TableSpec, days: Sequence[date | None]) -> ir.Table:
        """The table's expression over published inputs, with `policy_hash` where the contract has one."""
        result = call(spec, self._given(spec, days), self.sections, self.policy_hash_of(spec))
        return self.engine.frame(result, spec.contract) if isinstance(result, pd.DataFrame) else result

    def _given(self, spec: TableSpec, days: Sequence[date | None]) -> dict[str, Any]:
        """The function's inputs over published files: views, or frames where it asks for them."""
        dated = [d for d in days if d is not None]
        days_frame = spine_frame(dated)
        given: dict[str, Any] = {SPINE: days_frame if spec.spine_is_frame else self.engine.frame(days_frame, Spine)}
        for item in spec.inputs:
            source = self.registry[item.name]
            wanted = {r for d in dated for r in days_read(item.reads, d, self.sections)}
            existing = self._existing(source, wanted) if dated else None
            # What is read here is up to date, so all of its files are of today's contract.
            read = self.engine.read(
                source, existing, name=f"input_{source.name}", uniform=source.partition is not None
            )
            # A frame's contract may name fewer columns than the table has: only those come into memory.
            given[item.name] = (
                self.engine.execute(read.select(*ibis_schema(item.contract))) if item.is_frame else read
            )
        return given

    def _sql(self, spec: TableSpec, days: Sequence[date | None]) -> str:
        """The table's query over its inputs' views; kept, unless data or lists of its own are part of it."""
        if spec.is_frame or spec.spine_is_frame or any(i.is_frame for i in spec.inputs):
            return self.engine.sql(self.expression(spec, days))
        given = self._given(spec, days)
        contracts = [code_version(i.contract) for i in spec.inputs]
        key = _digest(self.code_version_of(spec), self.policy_hash_of(spec), *contracts, *_VERSIONS)
        kept = self.compiled.get(spec.name, key)
        if kept is not None:
            return kept
        expr = self.expressions[spec.name] = call(spec, given, self.sections, self.policy_hash_of(spec))
        sql = self.engine.sql(expr)
        if not expr.op().find(ops.InMemoryTable):
            self.compiled.keep(spec.name, key, sql)
        return sql

    def _write(self, spec: TableSpec, days: Sequence[date | None], folder: Path) -> dict[date | None, Path]:
        facts = {"fingerprints": {str(d): self.expected(spec, d) for d in days}}
        files: dict[date | None, Path] = {}
        for number, batch in enumerate(self._batches(spec, days)):
            made = folder / str(number)
            made.mkdir()
            files |= self.engine.write(self._sql(spec, batch), made, spec.partition, facts)
        unasked = set(files) - {*days, None}  # a row without a day is for the contract to refuse
        if unasked:
            raise ValueError(f"{spec.name} made rows of days nobody asked for: {sorted(map(str, unasked))[:5]}")
        for day in set(days) - set(files):
            files[day] = self._empty(spec, folder / f"empty-{day}.parquet", facts)
        return files

    def _batches(self, spec: TableSpec, days: Sequence[date | None]) -> Iterator[list[date | None]]:
        """The days in runs that read no more than `batch_bytes` together, so that memory does not grow with days.

        A table that works on frames gets all days at once: it walks through them.
        """
        batch: list[date | None] = []
        weight = 0
        is_walk = spec.is_frame or spec.spine_is_frame or any(i.is_frame for i in spec.inputs)
        for day in days:
            read = 0 if is_walk or day is None else self._bytes_read(spec, day)
            if batch and weight + read > self.batch_bytes:
                yield batch
                batch, weight = [], 0
            batch.append(day)
            weight += read
        yield batch

    def _bytes_read(self, spec: TableSpec, day: date) -> int:
        """Size of the published files behind one day of a table."""
        total = 0
        for item in spec.inputs:
            source = self.registry[item.name]
            dated = self._existing(source, days_read(item.reads, day, self.sections)) if source.partition else [None]
            total += sum(self._size(self.store.file(source.name, source.partition, d)) for d in dated)
        return total

    def _size(self, path: Path) -> int:
        if path not in self._sizes:
            self._sizes[path] = path.stat().st_size if path.exists() else 0
        return self._sizes[path]

    def _empty(self, spec: TableSpec, target: Path, facts: Mapping[str, Any]) -> Path:
        schema = ibis.schema({n: t for n, t in ibis_schema(spec.contract).items() if n != spec.partition})
        self.engine.write_empty(schema, target, facts)
        return target

    def _audit(self, spec: TableSpec, files: Mapping[date | None, Path]) -> Verdict:
        """The verdict on staged files: the kept summary first, rule by rule only where it found something."""
        staged = self.engine.read_staged(spec, files)
        name, key = f"audit_{spec.name}", _digest(code_version(spec.contract), code_version(summary), *_VERSIONS)
        sql = self.compiled.get(name, key)
        if sql is None:
            sql = self.engine.sql(summary(spec.contract, staged))
            self.compiled.keep(name, key, sql)
        rows, broken, keys = self.engine.connection.execute(sql).fetchall()[0]
        if not broken and keys in {None, rows}:
            return Verdict(rows)
        return enforce(spec.contract, staged, self.engine.execute)

    def _publish(self, spec: TableSpec, files: Mapping[date | None, Path]) -> dict[date | None, int]:
        made = {day: rows_in([path]) for day, path in files.items()}
        for day, path in sorted(files.items(), key=lambda item: str(item[0])):
            target = self.store.file(spec.name, spec.partition, day)
            self.store.publish(path, target)
            self._footers.pop(target, None)
            self._sizes.pop(target, None)
        return made


def code_version_under(spec: TableSpec, policy: Policy) -> str:
    """`Builder.code_version_of` where nothing is to be built: hash of code, contract and declared policy sections."""
    return _digest(_code_of(spec), *(policy.sections[s].digest for s in spec.sections.values()))


def _code_of(spec: TableSpec) -> str:
    return _digest(code_version(spec.function or spec.contract), code_version(spec.contract))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
