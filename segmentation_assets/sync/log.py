"""The log of the sync: every attempt and its outcome, one row for each account and field.

Here: the contract of `crm_sync_log`, writing it so that a crash loses nothing, and the outcomes. Not here: which
attempts are made (`applying`), or what follows from the log (`changes`).

A run appends to a journal, a text file. What is about to be sent is on the disk before it is sent, and what the
vendor said is on the disk before anything else is sent. At its end the run publishes the journal as one file of the
table, and removes it. The next run publishes the journal of a run that crashed: what was sent without an answer on
record is `unconfirmed`. So it is not acknowledged, and the run looks in the CRM before it sends it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.policy.crm import SYSTEMS
from segmentation_assets.tables.contracts import Contract, Day, Integer, Moment, column, ibis_schema
from segmentation_assets.warehouse.store import Store

TABLE = "crm_sync_log"

ACKNOWLEDGED = "acknowledged"
CONFIRMED = "confirmed"
DRIFTED = "drifted"
KEPT = "kept"
LOCKED = "locked"
REJECTED = "rejected"
UNCONFIRMED = "unconfirmed"
UNKNOWN, DELETED, MERGED = "unknown", "deleted", "merged"
OUTCOMES = (ACKNOWLEDGED, CONFIRMED, DRIFTED, KEPT, LOCKED, REJECTED, UNCONFIRMED, UNKNOWN, DELETED, MERGED)
HELD = (ACKNOWLEDGED, CONFIRMED, DRIFTED)
"""After these, the log knows what the CRM holds, and that no person decided it."""
FAULTS = (REJECTED, UNCONFIRMED, UNKNOWN, DELETED, MERGED)
"""These end the command with an exit code that is not 0."""
SENDING, _DONE = "sending", "done"
"""What a line of the journal holds."""
_ROWS_AT_ONCE = 50_000


class CrmSyncLog(Contract):
    """What did the sync send to the CRM, and what did the CRM say? Key: system, number. Rows are never changed."""

    system: str = column("CRM.", isin=SYSTEMS)
    number: Integer = column("1 is the first attempt ever of this system.", ge=1)
    account_id: str = column("Account.")
    record_id: str = column("Id by which the CRM's record was addressed.")
    field: str = column("Field, by its name in the policy.")
    value: str = column("Value that was wanted, as text; null: none.", nullable=True)
    held: str = column(
        "Value that the CRM held after the attempt, by its own answer; null: none, or not known.", nullable=True
    )
    outcome: str = column(
        "acknowledged: the CRM said that it has the value. confirmed: it had the value before; nothing was sent. "
        "drifted: read back, it held another value, which no person set. kept: a person set the CRM's value, which "
        "stays. locked: the record is locked. rejected: the CRM refused. unconfirmed: no answer, so nobody knows. "
        "unknown, deleted, merged: the record is not there.",
        isin=OUTCOMES,
    )  # fmt: skip
    reason: str = column("What the CRM said, or why nothing was sent; null: nothing to say.", nullable=True)
    cause: str = column("Why the value changed, as in crm_changes; null: not known.", nullable=True)
    trace_id: str = column("Id of the attempt, also in the request; null: nothing was sent.", nullable=True)
    tries: Integer = column("Requests that the attempt took; 0: nothing was sent.", ge=0)
    attempted_at: Moment = column("When the attempt was made, UTC.")
    as_of: Day = column("Day that the value describes.")
    run_id: str = column("Run of the sync.")
    policy_hash: str = column("Hash of the policy sections behind the value.")

    class Config:
        unique = ["system", "number"]


@dataclass(frozen=True)
class Entry:
    """A row of the log, without its number."""

    account_id: str
    record_id: str
    field: str
    value: str | None
    held: str | None
    outcome: str
    reason: str | None
    cause: str | None
    trace_id: str | None
    tries: int
    attempted_at: datetime
    as_of: date
    policy_hash: str


class Journal:
    """The journal of one run. Nothing is lost that `sending` or `add` returned from."""

    def __init__(self, file: Path, run_id: str, first: int) -> None:
        self._opened: IO[str] = file.open("x", encoding="utf-8")
        self._write({"run_id": run_id, "first": first})

    def close(self) -> None:
        """Close the file. It stays until it is published."""
        self._opened.close()

    def sending(self, entries: Sequence[Entry]) -> None:
        """Say what is about to be sent."""
        self._write({SENDING: [_row(entry) for entry in entries]} if entries else {})

    def add(self, entries: Sequence[Entry]) -> None:
        """Record outcomes. Those of entries that were `sending` must have their trace ids."""
        self._write({_DONE: [_row(entry) for entry in entries]} if entries else {})

    def _write(self, line: Mapping[str, Any]) -> None:
        """One line for many entries, written in one go: it counts whole or, cut off by a crash, not at all."""
        if not line:
            return
        self._opened.write(json.dumps(line) + "\n")
        self._opened.flush()
        os.fsync(self._opened.fileno())


def _row(entry: Entry) -> list[Any]:
    """The values of an entry in the order of its fields, with times as texts."""
    facts = vars(entry) | {"attempted_at": entry.attempted_at.isoformat(), "as_of": entry.as_of.isoformat()}
    return list(facts.values())


def journal_file(store: Store, system: str) -> Path:
    """Where the journal of a run stands while it works."""
    return store.home / "sync" / f"{system}.jsonl"


def publish(store: Store, system: str) -> int:
    """Publish a journal, of this run or of one that crashed, and remove it. Returns the number of its rows.

    The file is named for the run, so publishing it twice changes nothing.
    """
    file = journal_file(store, system)
    if not file.exists():
        return 0
    lines = _lines(file)
    head = next(lines, None)
    rows = 0
    if head is not None:
        with store.stage() as folder:
            staged = folder / "log.parquet"
            rows = _as_parquet(staged, _entries(file), system, head["run_id"], int(head["first"]))
            if rows:
                store.publish(staged, store.published / TABLE / f"{system}-{head['run_id']}.parquet")
    file.unlink()
    return rows


def _lines(file: Path) -> Generator[dict[str, Any]]:
    """The whole lines of a journal. A crash may have cut the last one off."""
    with file.open(encoding="utf-8", errors="replace") as opened:
        for line in opened:
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except ValueError:
                return


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    """The outcomes in order, then what was sent without one, as unconfirmed."""
    open_entries: dict[tuple[str, str], dict[str, Any]] = {}
    names = list(Entry.__dataclass_fields__)
    with closing(_lines(file)) as lines:
        next(lines, None)
        for line in lines:
            for row in line.get(SENDING, ()):
                entry = dict(zip(names, row, strict=True))
                open_entries[str(entry["trace_id"]), entry["field"]] = entry
            for row in line.get(_DONE, ()):
                entry = dict(zip(names, row, strict=True))
                open_entries.pop((str(entry["trace_id"]), entry["field"]), None)
                yield entry
    for entry in open_entries.values():
        yield entry | {"reason": "the run ended before the answer was on record"}


def _as_parquet(file: Path, entries: Iterable[dict[str, Any]], system: str, run_id: str, first: int) -> int:
    schema = ibis_schema(CrmSyncLog).to_pyarrow()
    number, rows = first, []
    with pq.ParquetWriter(file, schema) as writer:
        for entry in entries:
            stamped = entry | {
                "system": system, "number": number, "run_id": run_id,
                "attempted_at": datetime.fromisoformat(entry["attempted_at"]),
                "as_of": date.fromisoformat(entry["as_of"]),
            }  # fmt: skip
            rows.append(stamped)
            number += 1
            if len(rows) >= _ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return number - first
