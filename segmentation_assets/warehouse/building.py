"""Bringing tables up to date: compute, audit, publish.

Here: write-audit-publish of one table, or of all tables that a request needs. Not here: which days are needed and
which of them are stale (`planning`), posting a ledger (`posting`), how Dagster shows it (`orchestration`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.enforcement import Verdict, enforce, summary
from segmentation_assets.tables.registry import SPINE, Registry, TableSpec, call
from segmentation_assets.warehouse import posting
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.engine import Engine
from segmentation_assets.warehouse.planning import Planner, digest
from segmentation_assets.warehouse.results import Built, ContractBroken
from segmentation_assets.warehouse.store import rows_in, stamp

BATCH_BYTES = 128 * 2**20
"""A query over several days is split if it would read more. In memory the data is several times as large."""
_VERSIONS = (ibis.__version__, duckdb.__version__)
_SOME_DAY = date(1, 1, 1)
"""Stands in for a day. As text, every day has the same length."""


class Builder(Planner):
    """Brings tables of one home up to date under one policy. Make a new one for each run: it caches fingerprints.

    Ledgers record `run_id` as the run that posted.
    """

    def __init__(self, engine: Engine, registry: Registry, policy: Policy, run_id: str = "") -> None:
        super().__init__(engine.store, registry, policy, remember=True)
        self.engine = engine
        self.run_id = run_id
        self.batch_bytes = BATCH_BYTES
        self.compiled = Compiled(self.store.home / "compiled")
        self.expressions: dict[str, ir.Table] = {}
        """The tables compiled in this run, by name. Lineage reads them, which is cheaper than building them again."""
        self._sizes: dict[Path, int] = {}

    def forget_landed(self) -> None:
        """Call this after landing: fingerprints and files of extracts may have changed."""
        super().forget_landed()
        self._sizes.clear()

    # -- doing

    def ensure(
        self, names: Iterable[str], days: Iterable[date], progress: Callable[[Built], None] | None = None
    ) -> list[Built]:
        """Bring `names` at `days` up to date, and all tables that they read. Returns the results, upstream first.

        Raises ContractBroken. Tables built before the broken one stay published. The broken one stays as it was.
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
        """Bring one table up to date at `days`. Its inputs must be up to date already.

        Raises ContractBroken; nothing is published then.
        """
        if spec.is_ledger:
            return posting.post(self, spec, max(days, default=None))
        started = time.perf_counter()
        all_days: list[date | None] = list(days) if spec.partition else [None]
        stale = [d for d in all_days if not self.is_fresh(spec, d)]
        fresh = tuple(d for d in all_days if d not in set(stale))
        if not stale:
            return Built(spec.name, {}, fresh, Verdict(0), time.perf_counter() - started)
        with self.store.stage() as folder:
            files = self._write(spec, stale, folder)
            verdict = self.audit(spec, files)
            if not verdict.passed:
                raise ContractBroken(spec.name, verdict)
            rows = self.publish(spec, files)
        return Built(spec.name, rows, fresh, verdict, time.perf_counter() - started)

    def expression(self, spec: TableSpec, days: Sequence[date | None]) -> ir.Table:
        """The table's expression over published inputs, with `policy_hash` if the contract has that column."""
        result = call(spec, self.inputs_of(spec, days), self.sections, self.policy_hash_of(spec))
        return self.engine.frame(result, spec.contract) if isinstance(result, pd.DataFrame) else result

    def inputs_of(self, spec: TableSpec, days: Sequence[date | None]) -> dict[str, Any]:
        """The function's inputs, read from published files: views, or frames if the function declares frames."""
        dated = [d for d in days if d is not None]
        days_frame = spine_frame(dated)
        inputs: dict[str, Any] = {SPINE: days_frame if spec.spine_is_frame else self.engine.frame(days_frame, Spine)}
        for item in spec.inputs:
            source = self.registry[item.name]
            wanted = {read for day in dated for read in self.days_read(item, day)}
            existing = self._existing(source, wanted) if dated else None
            # The inputs are up to date, so all their files have today's contract.
            read = self.engine.read(
                source, existing, name=f"input_{source.name}", uniform=source.partition is not None
            )
            # A frame's contract may name fewer columns than the table has. Only those are loaded.
            inputs[item.name] = (
                self.engine.execute(read.select(*ibis_schema(item.contract))) if item.is_frame else read
            )
        return inputs

    def _sql(self, spec: TableSpec, days: Sequence[date | None]) -> str:
        """The table's query over its inputs' views. Cached, unless it contains data such as a list of its own."""
        if spec.is_frame or spec.spine_is_frame or any(i.is_frame for i in spec.inputs):
            return self.engine.sql(self.expression(spec, days))
        inputs = self.inputs_of(spec, days)
        contracts = [code_version(i.contract) for i in spec.inputs]
        key = digest(self.code_version_of(spec), self.policy_hash_of(spec), *contracts, *_VERSIONS)
        sql_before = self.compiled.get(spec.name, key)
        if sql_before is not None:
            return sql_before
        expr = self.expressions[spec.name] = call(spec, inputs, self.sections, self.policy_hash_of(spec))
        sql = self.engine.sql(expr)
        if not expr.op().find(ops.InMemoryTable):
            self.compiled.keep(spec.name, key, sql)
        return sql

    def _write(self, spec: TableSpec, days: Sequence[date | None], folder: Path) -> dict[date | None, Path]:
        stand_in = _facts_of(_SOME_DAY if spec.partition else None, "0" * len(self.expected(spec, days[0])))
        files: dict[date | None, Path] = {}
        for number, batch in enumerate(self._batches(spec, days)):
            part = folder / str(number)
            part.mkdir()
            files |= self.engine.write(self._sql(spec, batch), part, spec.partition, stand_in)
        unasked = set(files) - {*days, None}  # the contract refuses rows without a day
        if unasked:
            raise ValueError(
                f"{spec.name} returned rows of days that were not requested: {sorted(map(str, unasked))[:5]}"
            )
        for day in days:
            facts = _facts_of(day, self.expected(spec, day))
            if day in files:
                stamp(files[day], stand_in, facts)
            else:
                files[day] = self._empty(spec, folder / f"empty-{day}.parquet", facts)
        return files

    def _batches(self, spec: TableSpec, days: Sequence[date | None]) -> Iterator[list[date | None]]:
        """Split the days into batches that read at most `batch_bytes` each, so that memory does not grow with the
        days.

        A function of frames gets all days at once: it walks through them.
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
        """Size of the published files that one day of a table reads."""
        total = 0
        for item in spec.inputs:
            source = self.registry[item.name]
            dated = self._existing(source, self.days_read(item, day)) if source.partition else [None]
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

    def audit(self, spec: TableSpec, files: Mapping[date | None, Path]) -> Verdict:
        """Check staged files against the contract: by one cached query, and rule by rule only if that fails."""
        staged = self.engine.read_staged(spec, files)
        name, key = f"audit_{spec.name}", digest(code_version(spec.contract), code_version(summary), *_VERSIONS)
        sql = self.compiled.get(name, key)
        if sql is None:
            sql = self.engine.sql(summary(spec.contract, staged))
            self.compiled.keep(name, key, sql)
        rows, broken, keys = self.engine.connection.execute(sql).fetchall()[0]
        if not broken and keys in {None, rows}:
            return Verdict(rows)
        return enforce(spec.contract, staged, self.engine.execute)

    def publish(self, spec: TableSpec, files: Mapping[date | None, Path]) -> dict[date | None, int]:
        """Move audited files into place. Returns the number of rows by day."""
        rows = {day: rows_in([path]) for day, path in files.items()}
        days = sorted(files, key=str)
        targets = {files[day]: self.store.file(spec.name, spec.partition, day) for day in days}
        self.store.publish_all(targets)
        for target in targets.values():
            self._footers.pop(target, None)
            self._sizes.pop(target, None)
        self._by_day.pop(spec.name, None)
        self._landed.pop(spec.name, None)
        return rows


def _facts_of(day: date | None, fingerprint: str) -> dict[str, dict[str, str]]:
    return {"fingerprints": {str(day): fingerprint}}
