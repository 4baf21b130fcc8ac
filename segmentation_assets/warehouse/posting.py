"""Posting a ledger: new entries are added after the booked ones. The file is written, audited and replaced as a
whole.

Here: when a ledger is posted, and the check that no booked entry is lost. Not here: what a ledger is
(`tables.ledgers`), or tables that are computed again each time (`building`).
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir

from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.enforcement import Verdict
from segmentation_assets.tables.ledgers import Posting
from segmentation_assets.tables.registry import BOOKED, POSTING, TableSpec, call
from segmentation_assets.warehouse.engine import STAGED, Engine
from segmentation_assets.warehouse.planning import digest
from segmentation_assets.warehouse.results import Built, ContractBroken, EntriesLost, LedgerDamaged, Staged
from segmentation_assets.warehouse.store import is_damaged

if TYPE_CHECKING:
    from segmentation_assets.warehouse.building import Builder


def post(builder: Builder, spec: TableSpec, day: date | None) -> Built:
    """Post a ledger for `day`. Does nothing without a day, or if the day is too long before the newest one posted.

    Raises ContractBroken, EntriesLost, LedgerDamaged; nothing is published then.
    """
    started = time.perf_counter()
    _check_readable(builder, spec)
    last = builder.posted(spec)
    if day is None or (last and day < last - timedelta(days=spec.late_days)):
        return Built(spec.name, {}, (None,), Verdict(0), time.perf_counter() - started)
    engine = builder.engine
    booked = engine.read(spec)
    posting = Posting(day, datetime.now(UTC).replace(tzinfo=None), builder.run_id, builder.policy_hash_of(spec))
    inputs = builder.inputs_of(spec, [day]) | {BOOKED: engine.execute(booked), POSTING: posting}
    entries = engine.frame(call(spec, inputs, builder.sections, posting.policy_hash), spec.contract)
    with builder.store.stage() as folder:
        sql = engine.sql(entries)
        facts = {"drops": {"": _content(engine, sql)}, "posted": str(max(day, last or day))}
        staged = Staged(engine.write(sql, folder, None, facts))
        verdict = builder.audit(spec, staged)
        if not verdict.passed:
            raise ContractBroken(spec.name, verdict)
        _check_grown(engine, spec, booked)
        if facts == builder.facts_of(spec, None):
            return Built(spec.name, {}, (None,), verdict, time.perf_counter() - started)
        rows = builder.publish(spec, staged)
    builder.forget_expected()  # the fingerprints of its readers have changed
    return Built(spec.name, rows, (), verdict, time.perf_counter() - started)


def _check_readable(builder: Builder, spec: TableSpec) -> None:
    file = builder.store.file(spec.name)
    if is_damaged(file):
        raise LedgerDamaged(
            f"{file} is damaged. {spec.name} remembers what was booked and cannot be made again from extracts: put a "
            "copy of the file back, or delete it to begin a new ledger without its entries"
        )


def _content(engine: Engine, sql: str) -> str:
    """Hash of a query's rows, in any order."""
    rows = engine.connection.execute(f"SELECT count(*), sum(hash(r)::HUGEINT) FROM ({sql}) r").fetchall()
    return digest(*map(str, rows[0]))


def _check_grown(engine: Engine, spec: TableSpec, booked: ir.Table) -> None:
    staged = ibis.table(ibis_schema(spec.contract), name=STAGED)
    lost = booked.anti_join(staged, list(spec.key))
    if count := int(engine.execute(lost.count())):
        raise EntriesLost(f"{spec.name}: {count} booked entries are missing; nothing was published")
