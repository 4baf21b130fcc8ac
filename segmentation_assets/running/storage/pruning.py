"""Deleting records of old runs, so that a home's Dagster files stay small.

Here: what is deleted from the files of an instance, and when. Not here: ticks of schedules and sensors. Dagster
deletes those itself (`retention` in `dagster.yaml`), but has no such setting for runs.

Two things are deleted of a run that ended more than `keep_days` ago. First its own log, a file that only its page in
the UI reads. Second, in the index, the long metadata of its tables: previews, plots, lineage. The newest such text of
each table stays. Runs, published days, their row counts and versions, and the results of checks all stay. The files
are those of dagster 1.13; a test reads the rest with Dagster. Remove this when Dagster has a retention for runs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

KEEP_DAYS = 30
_LONG = 1_000
"""A metadata entry with at least this many characters is deleted."""
_BATCH = 200
_INDEX = "index.db"
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Pruned:
    """How many logs of runs were deleted, and how many texts in the index were shortened."""

    logs: int
    texts: int


def prune(folder: Path, keep_days: int = KEEP_DAYS, now: datetime | None = None) -> Pruned:
    """Prune the instance in `folder` (DAGSTER_HOME). Raises sqlite3.Error if a database is locked or damaged."""
    before = (now or datetime.now(UTC)) - timedelta(days=keep_days)
    runs, logs = folder / "history" / "runs.db", folder / "history" / "runs"
    if not runs.exists() or not (logs / _INDEX).exists():
        return Pruned(0, 0)
    with closing(sqlite3.connect(runs, timeout=_PATIENCE_SECONDS)) as connection:
        ended = connection.execute("SELECT run_id FROM runs WHERE end_time < ?", [before.timestamp()]).fetchall()
    removed = [file for (run,) in ended for file in _files_of(logs, run)]
    for file in removed:
        file.unlink(missing_ok=True)
    with closing(sqlite3.connect(logs / _INDEX, timeout=_PATIENCE_SECONDS)) as connection:
        texts = sum(_shorten(connection, before))
    return Pruned(sum(file.suffix == ".db" for file in removed), texts)


def _files_of(logs: Path, run: str) -> list[Path]:
    names = (f"{run}.db", f"{run}.db-wal", f"{run}.db-shm")
    return [logs / name for name in names if (logs / name).exists()]


def _shorten(connection: sqlite3.Connection, before: datetime) -> Iterator[int]:
    """Shorten the texts of old materializations, in small transactions so that no run waits long."""
    newest = "SELECT max(id) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' GROUP BY asset_key"
    old = (
        "SELECT id, event FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND timestamp < ? "
        f"AND length(event) > {2 * _LONG} AND id NOT IN ({newest}) AND id > ? ORDER BY id LIMIT {_BATCH}"
    )
    last = 0
    while rows := connection.execute(old, [before.replace(tzinfo=None).isoformat(" "), last]).fetchall():
        shorter = [(text, row) for row, event in rows if (text := _short(event)) is not None]
        with connection:
            connection.executemany("UPDATE event_logs SET event = ? WHERE id = ?", shorter)
        yield len(shorter)
        last = rows[-1][0]


def _short(event: str) -> str | None:
    """The text of a materialization without its long entries; None if it has none."""
    whole: dict[str, Any] = json.loads(event)
    materialization = whole["dagster_event"]["event_specific_data"]["materialization"]
    entries = materialization["metadata_entries"]
    kept = [entry for entry in entries if len(json.dumps(entry)) < _LONG]
    if len(kept) == len(entries):
        return None
    materialization["metadata_entries"] = kept
    return json.dumps(whole)
