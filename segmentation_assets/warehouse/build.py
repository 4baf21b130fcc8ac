"""Bringing tables up to date: plan, compute, audit, publish.

Here: which days a request needs, which of them are stale, and write-audit-publish for one table. Not here: how
extracts come in (`extracts.landing`), how Dagster shows it (`orchestration`).

A published file carries the fingerprint of all it was made from, in three parts, joined by dots: the code and
contracts of its function and of all tables behind it, the policy sections that those declare, and the rows of the
extracts that they read. Equal fingerprint: nothing to do; the parts that differ say why there is something. So a
table at a day depends on extracts and policy alone, whatever else was ever run.

A ledger is the exception: it remembers. It is posted for the newest day of a request, never for a day (long) before
the newest it was posted for, and to what reads it, it is what an extract is: given, by a hash of its content.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.policy.model import Policy
from segmentation_assets.tables.as_of import LookBack, Spine, days_read, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.enforcement import Verdict, enforce, summary
from segmentation_assets.tables.ledgers import Posting
from segmentation_assets.tables.registry import BOOKED, POSTING, SPINE, Input, Registry, TableSpec, call
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.engine import STAGED, Engine
from segmentation_assets.warehouse.footers import Footer, read_footers
from segmentation_assets.warehouse.store import Store, footer, rows_in, stamp

ABSENT = "absent"
BATCH_BYTES = 128 * 2**20
"""Of published files that one query reads at most, where it can be several; in memory they are several times that."""
_VERSIONS = (ibis.__version__, duckdb.__version__)
_NOTHING = Footer({}, 0)
_SOME_DAY = date(1, 1, 1)
"""Stands for a day, as long in text as any."""


class Fingerprint(NamedTuple):
    """What a table's rows follow from, each part a hash over the table and all that is behind it."""

    code: str
    policy: str
    data: str

    def __str__(self) -> str:
        return ".".join(self)


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


class EntriesLost(Exception):
    """A ledger's function left out what was booked: nothing was published."""


class Fingerprints:
    """What stands published in one home, and what would be made now; it only reads, each file once."""

    def __init__(self, store: Store, registry: Registry, policy: Policy, *, remember: bool = False) -> None:
        self.store = store
        self.registry = registry
        self.policy = policy
        self.sections = policy.sections
        self._remember = remember
        self._expected: dict[tuple[str, date | None], Fingerprint | str] = {}
        self._read: dict[tuple[LookBack | None, date], Sequence[date]] = {}
        self._footers: dict[Path, Mapping[str, Any]] = {}
        self._by_day: dict[str, dict[date, Footer]] = {}

    def plan(self, names: Iterable[str], days: Iterable[date]) -> dict[str, list[date]]:
        """Per table, upstream first, the days that `names` at `days` need, look-backs included."""
        wanted = list(names)
        needs: dict[str, set[date]] = defaultdict(set)
        for name in wanted:
            needs[name] |= set(days)
        order = self.registry.upstream(wanted)
        for spec in reversed(order):
            if spec.is_ledger:
                needs[spec.name] = set(sorted(needs[spec.name])[-1:])
            for given in spec.inputs:
                for day in needs[spec.name]:
                    needs[given.name].update(self.days_read(given, day))
        return {spec.name: self._existing(spec, needs[spec.name]) for spec in order}

    def days_read(self, given: Input, day: date) -> Sequence[date]:
        """The days of an input that one `as_of` reads; worked out once, as every table above asks again."""
        asked = given.reads, day
        if asked not in self._read:
            self._read[asked] = tuple(days_read(given.reads, day, self.sections))
        return self._read[asked]

    def _existing(self, spec: TableSpec, days: Iterable[date]) -> list[date]:
        if spec.partition != "usage_date":
            return sorted(days)
        landed = self.usage_footers("product_usage")
        return sorted(day for day in set(days) if day in landed)

    def usage_footers(self, table: str) -> Mapping[date, Footer]:
        """The footers of a table by day of use, all days that are published, ascending."""
        if table not in self._by_day:
            self._by_day[table] = read_footers(self.store, table, "usage_date", remember=self._remember)
        return self._by_day[table]

    def forget_landed(self) -> None:
        """Call after landing: fingerprints of extracts may have changed."""
        self._expected.clear()
        self._footers.clear()
        self._by_day.clear()

    def expected(self, spec: TableSpec, day: date | None) -> str:
        """The fingerprint that `spec` at `day` has if it is up to date."""
        return str(self._fingerprint(spec, day))

    def _fingerprint(self, spec: TableSpec, day: date | None) -> Fingerprint | str:
        """Of an extract, or a ledger, only what its rows are: a text."""
        known = (spec.name, day)
        if known not in self._expected:
            is_given = spec.is_extract or spec.is_ledger
            self._expected[known] = self._extract_fingerprint(spec, day) if is_given else self._made_from(spec, day)
        return self._expected[known]

    def _made_from(self, spec: TableSpec, day: date | None) -> Fingerprint:
        code, data = {self.code_of(spec)}, [str(day)]
        policies = {f"{s.__name__}={self.sections[s].digest}" for s in spec.sections.values()}
        for given in spec.inputs:
            source = self.registry[given.name]
            for read in [day] if day is None else self._existing(source, self.days_read(given, day)):
                found = self._fingerprint(source, read)
                if isinstance(found, str):
                    data.append(f"{given.name}@{read}={found}")
                else:
                    code.add(found.code)
                    policies.add(found.policy)
                    data.append(f"{given.name}@{read}={found.data}")
        return Fingerprint(_digest(*sorted(code)), _digest(*sorted(policies)), _digest(*data))

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
        drops: Mapping[str, str] = self._facts(spec, day).get("drops", {})
        known = {d: digest for d, digest in drops.items() if day is None or d in ("", min(drops)) or d <= str(day)}
        return _digest(*(f"{d}={digest}" for d, digest in sorted(known.items()))) if known else ABSENT

    def published(self, spec: TableSpec, day: date | None) -> str | None:
        """The fingerprint of what stands published, None where nothing does. A ledger's is of its content."""
        if spec.is_ledger:
            known = self.expected(spec, None)
            return None if known == ABSENT else known
        return self._facts(spec, day).get("fingerprints", {}).get(str(day))

    def _facts(self, spec: TableSpec, day: date | None) -> Mapping[str, Any]:
        if spec.partition == "usage_date" and day is not None:
            return self.usage_footers(spec.name).get(day, _NOTHING).facts
        path = self.store.file(spec.name, spec.partition, day if spec.partition else None)
        if path not in self._footers:
            self._footers[path] = footer(path)
        return self._footers[path]

    def is_fresh(self, spec: TableSpec, day: date | None) -> bool:
        """Whether what stands published is what would be made now."""
        return self.published(spec, day) == self.expected(spec, day)

    def causes(self, spec: TableSpec, day: date | None) -> tuple[str, ...]:
        """Why what stands published is not what would be made now: of code, policy and data what has changed.

        Empty where it is fresh; "missing" where nothing stands.
        """
        stands = self.published(spec, day)
        if stands is None:
            return ("missing",)
        before, now = stands.split("."), self.expected(spec, day).split(".")
        if len(now) == 1:  # a ledger, whose rows do not follow from its code
            return () if before == now else ("data",)
        if len(before) != len(now):  # from before fingerprints had parts
            return ("code",)
        return tuple(name for name, b, n in zip(Fingerprint._fields, before, now, strict=True) if b != n)


class Builder(Fingerprints):
    """Brings tables of one home up to date under one policy; one per run, as it remembers fingerprints.

    `run_id` is what ledgers write down as the run that posted.
    """

    def __init__(self, engine: Engine, registry: Registry, policy: Policy, run_id: str = "") -> None:
        super().__init__(engine.store, registry, policy, remember=True)
        self.engine = engine
        self.run_id = run_id
        self.batch_bytes = BATCH_BYTES
        self.compiled = Compiled(self.store.home / "compiled")
        self.expressions: dict[str, ir.Table] = {}
        """Of tables compiled in this run: lineage is read from them, and building one again costs more than that."""
        self._sizes: dict[Path, int] = {}

    def forget_landed(self) -> None:
        """Call after landing: fingerprints and files of extracts may have changed."""
        super().forget_landed()
        self._sizes.clear()

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
        if spec.is_ledger:
            return self._post(spec, max(days, default=None))
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

    # -- ledgers

    def posted(self, spec: TableSpec) -> date | None:
        """The newest day that a ledger was posted for; None: never."""
        text = self._facts(spec, None).get("posted")
        return date.fromisoformat(text) if text else None

    def _post(self, spec: TableSpec, day: date | None) -> Built:
        """Post a ledger for `day`: the whole of it is written, audited and replaced at once.

        Nothing is done without a day, or for one that is too late. Raises ContractBroken, EntriesLost.
        """
        started = time.perf_counter()
        last = self.posted(spec)
        if day is None or (last and day < last - timedelta(days=spec.late_days)):
            return Built(spec.name, {}, (None,), Verdict(0), time.perf_counter() - started)
        booked = self.engine.read(spec)
        posting = Posting(day, datetime.now(UTC).replace(tzinfo=None), self.run_id, self.policy_hash_of(spec))
        given = self._given(spec, [day]) | {BOOKED: self.engine.execute(booked), POSTING: posting}
        made = self.engine.frame(call(spec, given, self.sections, posting.policy_hash), spec.contract)
        with self.store.stage() as folder:
            sql = self.engine.sql(made)
            facts = {"drops": {"": self._content(sql)}, "posted": str(max(day, last or day))}
            files = self.engine.write(sql, folder, None, facts)
            verdict = self._audit(spec, files)
            if not verdict.passed:
                raise ContractBroken(spec.name, verdict)
            self._check_grown(spec, booked)
            if facts == self._facts(spec, None):
                return Built(spec.name, {}, (None,), verdict, time.perf_counter() - started)
            published = self._publish(spec, files)
        # What reads it, and was looked at before, is now made of something else.
        self._expected.clear()
        return Built(spec.name, published, (), verdict, time.perf_counter() - started)

    def _content(self, sql: str) -> str:
        """Hash of a query's rows, whatever their order."""
        found = self.engine.connection.execute(f"SELECT count(*), sum(hash(r)::HUGEINT) FROM ({sql}) r").fetchall()
        return _digest(*map(str, found[0]))

    def _check_grown(self, spec: TableSpec, booked: ir.Table) -> None:
        staged = ibis.table(ibis_schema(spec.contract), name=STAGED)
        lost = booked.anti_join(staged, list(spec.key))
        if count := int(self.engine.execute(lost.count())):
            raise EntriesLost(f"{spec.name}: {count} entries that were booked are gone; nothing was published")

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
            wanted = {read for day in dated for read in self.days_read(item, day)}
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
        stand_in = _facts_of(_SOME_DAY if spec.partition else None, "0" * len(self.expected(spec, days[0])))
        files: dict[date | None, Path] = {}
        for number, batch in enumerate(self._batches(spec, days)):
            made = folder / str(number)
            made.mkdir()
            files |= self.engine.write(self._sql(spec, batch), made, spec.partition, stand_in)
        unasked = set(files) - {*days, None}  # a row without a day is for the contract to refuse
        if unasked:
            raise ValueError(f"{spec.name} made rows of days nobody asked for: {sorted(map(str, unasked))[:5]}")
        for day in days:
            facts = _facts_of(day, self.expected(spec, day))
            if day in files:
                stamp(files[day], stand_in, facts)
            else:
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
        self._by_day.pop(spec.name, None)
        return made


def code_version_under(spec: TableSpec, policy: Policy) -> str:
    """`Builder.code_version_of` where nothing is to be built: hash of code, contract and declared policy sections."""
    return _digest(_code_of(spec), *(policy.sections[s].digest for s in spec.sections.values()))


def _code_of(spec: TableSpec) -> str:
    return _digest(code_version(spec.function or spec.contract), code_version(spec.contract))


def _facts_of(day: date | None, fingerprint: str) -> dict[str, dict[str, str]]:
    return {"fingerprints": {str(day): fingerprint}}


@lru_cache(100_000)  # the days of a table have the same code and policy behind them
def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
