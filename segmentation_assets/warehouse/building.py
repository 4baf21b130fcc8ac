"""Bringing tables up to date: compute, audit, publish.

Here: write-audit-publish of one table, or of all tables that a request needs. Not here: which days are needed and
which of them are stale (`planning`), posting a ledger (`posting`), how Dagster shows it (`orchestration`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.enforcement import Verdict, enforce, summary
from segmentation_assets.tables.registry import AS_OF, SPINE, Registry, TableSpec, call
from segmentation_assets.warehouse import posting
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.engine import Engine
from segmentation_assets.warehouse.packing import take_out
from segmentation_assets.warehouse.packs import next_file
from segmentation_assets.warehouse.planning import Planner, digest, facts_of_days
from segmentation_assets.warehouse.results import Built, ContractBroken, Staged
from segmentation_assets.warehouse.store import rows_in, stamp

if TYPE_CHECKING:
    from segmentation_assets.warehouse.spark.big_tables import BigTables

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
        self.run_days: frozenset[date] | None = None
        """The days of the run. Each gets a file of its own; the days that it only looks back to go into packs.

        None: each day gets a file of its own.
        """
        self.big_tables: BigTables | None = None
        """Computes what reads much on another engine. None: this one computes everything."""
        self.batch_bytes = BATCH_BYTES
        self.compiled = Compiled(self.store.home / "compiled")
        self.expressions: dict[str, ir.Table] = {}
        """The tables compiled in this run, by name. Lineage reads them, which is cheaper than building them again."""
        self._sizes: dict[str, Mapping[date, int]] = {}

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
        stale = [d for d in all_days if not self._stands(spec, d)]
        fresh = tuple(d for d in all_days if d not in set(stale))
        if not stale:
            return Built(spec.name, {}, fresh, Verdict(0), time.perf_counter() - started)
        with self.store.stage() as folder:
            staged = self._write(spec, stale, folder)
            verdict = self.audit(spec, staged)
            if not verdict.passed:
                raise ContractBroken(spec.name, verdict)
            rows = self.publish(spec, staged)
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

    def _write(self, spec: TableSpec, days: Sequence[date | None], folder: Path) -> Staged:
        apart = self._to_pack(spec, days)
        staged = Staged()
        is_elsewhere = self.big_tables is not None and self.big_tables.takes(self, spec, days)
        for number, batch in enumerate([days] if is_elsewhere else self._batches(spec, days)):
            part = folder / str(number)
            part.mkdir()
            self._write_batch(spec, batch, apart, part, staged)
        unasked = {*staged.files, *staged.rows} - {*days, None}  # the contract refuses rows without a day
        if unasked:
            raise ValueError(
                f"{spec.name} returned rows of days that were not requested: {sorted(map(str, unasked))[:5]}"
            )
        stand_in = self._stand_in(spec, days[0])
        for day in days:
            if day in apart:
                continue
            facts = facts_of_days({day: self.expected(spec, day)})
            if day in staged.files:
                stamp(staged.files[day], stand_in, facts)
            else:
                staged.files[day] = self._empty(spec, folder / f"empty-{day}.parquet", facts)
        return staged

    def _write_batch(
        self, spec: TableSpec, batch: Sequence[date | None], apart: Set[date], folder: Path, staged: Staged
    ) -> None:
        """Add the files of some days to `staged`."""
        with self._rows(spec, batch, folder) as sql:
            self._write_rows(sql, spec, batch, apart, folder, staged)

    @contextmanager
    def _rows(self, spec: TableSpec, days: Sequence[date | None], folder: Path) -> Iterator[str]:
        """The query that gives a table's rows: its own, or one that reads what another engine computed."""
        if self.big_tables is not None and self.big_tables.takes(self, spec, days):
            with self.big_tables.rows(self, spec, days, folder) as sql:
                yield sql
        else:
            yield self._sql(spec, days)

    def _write_rows(
        self,
        sql: str,
        spec: TableSpec,
        batch: Sequence[date | None],
        apart: Set[date],
        folder: Path,
        staged: Staged,
    ) -> None:
        stand_in = self._stand_in(spec, batch[0])
        packed = [day for day in batch if day in apart and day is not None]
        if not packed:
            staged.files.update(self.engine.write(sql, folder, spec.partition, stand_in))
            return
        split = self.engine.split(sql, str(spec.partition), packed)
        try:
            pack = folder / "pack.parquet"
            self.engine.write_pack(split.apart, pack, facts_of_days({d: self.expected(spec, d) for d in packed}))
            staged.packs[pack] = packed
            staged.rows.update({day: split.rows.get(day, 0) for day in packed})
            if split.rows.keys() - packed:
                staged.files.update(self.engine.write(split.rest, folder, spec.partition, stand_in))
        finally:
            self.engine.forget_split()

    def _stands(self, spec: TableSpec, day: date | None) -> bool:
        """Whether a day is up to date and, if the run asks for it, has a file of its own."""
        lacks_file = spec.partition == AS_OF and day in (self.run_days or ()) and day not in self._alone(spec)
        return not lacks_file and self.is_fresh(spec, day)

    def _to_pack(self, spec: TableSpec, days: Sequence[date | None]) -> Set[date]:
        """The days that go into a pack. A day that has a file of its own keeps it."""
        if self.run_days is None or spec.partition != AS_OF:
            return frozenset()
        return {day for day in days if day is not None} - self.run_days - self._alone(spec)

    def _stand_in(self, spec: TableSpec, day: date | None) -> dict[str, dict[str, str]]:
        return facts_of_days({_SOME_DAY if spec.partition else None: "0" * len(self.expected(spec, day))})

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
            if source.partition:
                sizes = self._sizes_of(source)
                total += sum(sizes.get(d, 0) for d in self._existing(source, self.days_read(item, day)))
            else:
                file = self.store.file(source.name)
                total += file.stat().st_size if file.exists() else 0
        return total

    def _sizes_of(self, spec: TableSpec) -> Mapping[date, int]:
        """Bytes of each day: the size of its file, or an equal part of its pack."""
        if spec.name not in self._sizes:
            files = self.store.files(spec.name, str(spec.partition))
            sharing = Counter(files.values())
            sizes = {path: path.stat().st_size for path in sharing}
            self._sizes[spec.name] = {day: sizes[path] // sharing[path] for day, path in files.items()}
        return self._sizes[spec.name]

    def _empty(self, spec: TableSpec, target: Path, facts: Mapping[str, Any]) -> Path:
        schema = ibis.schema({n: t for n, t in ibis_schema(spec.contract).items() if n != spec.partition})
        self.engine.write_empty(schema, target, facts)
        return target

    def audit(self, spec: TableSpec, written: Staged) -> Verdict:
        """Check staged files against the contract: by one cached query, and rule by rule only if that fails."""
        staged = self.engine.read_staged(spec, written.files, written.packs)
        name, key = f"audit_{spec.name}", digest(code_version(spec.contract), code_version(summary), *_VERSIONS)
        sql = self.compiled.get(name, key)
        if sql is None:
            sql = self.engine.sql(summary(spec.contract, staged))
            self.compiled.keep(name, key, sql)
        rows, broken, keys = self.engine.connection.execute(sql).fetchall()[0]
        if not broken and keys in {None, rows}:
            return Verdict(rows)
        return enforce(spec.contract, staged, self.engine.execute)

    def publish(self, spec: TableSpec, staged: Staged) -> dict[date | None, int]:
        """Move audited files into place. Returns the number of rows by day.

        First, the days leave the packs that they stand in. So no reader counts a day twice, and a day that a crash
        loses in between is built again.
        """
        rows = {day: rows_in([path]) for day, path in staged.files.items()} | staged.rows
        targets = {
            staged.files[day]: self.store.file(spec.name, spec.partition, day)
            for day in sorted(staged.files, key=str)
        }
        take_out(self.engine, spec.name, {day for day in rows if day is not None})
        first = next_file(self.store.home, spec.name) if staged.packs else Path()
        for number, pack in enumerate(staged.packs):
            targets[pack] = first.with_name(f"{int(first.stem) + number:06d}{first.suffix}")
        self.store.publish_all(targets)
        for target in targets.values():
            self._footers.pop(target, None)
        self._sizes.pop(spec.name, None)
        self.forget_published(spec)
        return rows
