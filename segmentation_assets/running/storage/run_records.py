"""Reads a home's runs from Dagster's own files. Importing Dagster would take two seconds.

Here: runs, their failures, when tables were last published, which schedules and sensors are on. Not here: judging
them (`reading.status`), or writing. The files are those of dagster 1.13; `tests/running/storage/test_run_records.py`
compares the results with Dagster's own.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segmentation_assets.reading.run_facts import Failure, Publication, Run

_NEWEST = 50
"""Number of runs to read. Older failures do not matter."""


class RunRecords:
    """The records of one Dagster instance folder; empty if there is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def runs(self, limit: int = _NEWEST) -> list[Run]:
        """The newest runs, newest first."""
        rows = _rows(
            self._folder / "history" / "runs.db",
            "SELECT run_id, pipeline_name, status, partition, create_timestamp, end_time FROM runs "
            "ORDER BY id DESC LIMIT ?",
            limit,
        )
        return [
            Run(run_id, job, status, as_of, _utc(created), datetime.fromtimestamp(ended, UTC) if ended else None)
            for run_id, job, status, as_of, created, ended in rows
        ]

    def publications(self) -> dict[str, Publication]:
        """When each table was last published."""
        rows = _rows(
            self._folder / "history" / "runs" / "index.db",
            "SELECT asset_key, last_materialization FROM asset_keys WHERE last_materialization IS NOT NULL",
        )
        # Not the column `last_run_id`: it is the last run that tried to build the table, even if that failed.
        events = {json.loads(key)[-1]: json.loads(record)["event_log_entry"] for key, record in rows}
        return {
            table: Publication(datetime.fromtimestamp(event["timestamp"], UTC), event["run_id"])
            for table, event in events.items()
        }

    def failures(self, runs: Sequence[Run]) -> list[Failure]:
        """The failures of these runs, in the order of the runs."""
        return [failure for run in runs if run.status == "FAILURE" for failure in self._failures(run)]

    def _failures(self, run: Run) -> list[Failure]:
        rows = _rows(
            self._folder / "history" / "runs" / f"{run.run_id}.db",
            "SELECT dagster_event_type, step_key, event FROM event_logs "
            "WHERE dagster_event_type IN ('STEP_FAILURE', 'PIPELINE_FAILURE') ORDER BY id",
        )
        at = run.ended_at or run.created_at
        steps = [
            Failure(step, at, run.run_id, _reason(event)) for kind, step, event in rows if kind == "STEP_FAILURE"
        ]
        whole = [Failure(None, at, run.run_id, _reason(event)) for kind, _, event in rows if kind != "STEP_FAILURE"]
        return steps or whole or [Failure(None, at, run.run_id, "failed")]

    def switches(self) -> dict[str, bool]:
        """Whether each schedule and sensor is on, as a daemon of this home recorded it."""
        rows = _rows(self._folder / "schedules" / "schedules.db", "SELECT status, instigator_body FROM instigators")
        return {json.loads(body)["origin"]["job_name"]: status != "STOPPED" for status, body in rows}


class RecordsDamaged(OSError):
    """A file of Dagster's records cannot be read. The message says what is lost, and what to do."""

    def __init__(self, file: Path, why: object) -> None:
        home = next((each.parent for each in file.parents if each.name == "dagster"), file.parent)
        super().__init__(
            f"{file} is damaged ({why}). It is the record of past runs; the published tables do not depend on it. "
            f"Restore a copy, or move {home / 'dagster'} away: the next command makes a new one without past runs"
        )


def _rows(file: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query; empty if the file or the table does not exist yet."""
    if not file.exists():
        return []
    try:
        with _opened(file) as connection:
            return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):  # the file exists, but is still empty
            return []
        raise OSError(f"{file} cannot be read: {error}") from None
    except sqlite3.DatabaseError as error:
        raise RecordsDamaged(file, error) from None


def damaged_records(folder: Path) -> RecordsDamaged | None:
    """The error of the first damaged database of an instance; None if all are sound."""
    files = (folder / "history" / "runs.db", folder / "history" / "runs" / "index.db")
    for file in (*files, folder / "schedules" / "schedules.db"):
        try:
            _rows(file, "PRAGMA quick_check(1)")
        except RecordsDamaged as damage:
            return damage
    return None


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open read-only. `immutable` if the folder is read-only: SQLite cannot lock there, and nobody can write."""
    mode = "mode=ro" if os.access(file.parent, os.W_OK) else "mode=ro&immutable=1"
    with closing(sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True)) as connection:
        yield connection


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _reason(event: str) -> str:
    """The description of a failure event; if it has none, its innermost error."""
    failure = json.loads(event)["dagster_event"]
    data = failure.get("event_specific_data") or {}  # None if another process marked the run as failed
    description = (data.get("user_failure_data") or {}).get("description")
    error = data.get("error") or {}
    while error.get("cause"):
        error = error["cause"]
    return description or str(error.get("message") or failure.get("message") or "failed").strip()
