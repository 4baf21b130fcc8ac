"""Dagster's event log on SQLite, with its databases kept open between events.

Here: how events reach Dagster's own files. Not here: which events there are, connections (`databases`), or any other
storage (`storages`).

Stock Dagster builds a SQLAlchemy engine, a connection and a schema check for every event that it stores. The files
and their tables are the same here, so each class reads what the other wrote. This class overrides private methods of
dagster 1.13; `tests/orchestration/test_event_log.py` compares both classes.

Durability: sensors and asset pages read the index and use its ids as cursors. So the index waits for the disk at
every commit (`synchronous = FULL`), as in stock Dagster. Runs, cursors and ticks do too; they are in other files. A
run's own log, which people read, does not wait (`NORMAL`). Nor does the index for the result of a check: it comes
after its table, and no sensor uses it as a cursor. A killed process loses nothing, because SQLite has a write-ahead
log. A power failure may lose the run's last lines and the last check, but never a whole file. The Parquet files
themselves record what was published.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import AssetKey, AssetRecordsFilter, EventLogRecord, EventRecordsResult, Field
from dagster._core.event_api import EventLogCursor
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    DagsterEventType,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetKeyTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from segmentation_assets.running.storage.databases import Databases, InDagsterHome, is_made, make, open_engine
from segmentation_assets.running.storage.pruning import KEEP_DAYS, prune

_INSERT = SqlEventLogStorageTable.insert()
_MIRRORED = frozenset({*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS})
"""Events that are stored in the index as well as in the run's own log."""
_RUN_ENDS = frozenset({DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED})
_PRUNE_EVERY_SECONDS = 6 * 3600.0
_FOLLOWED = frozenset({DagsterEventType.STEP_OUTPUT, DagsterEventType.STEP_SUCCESS})
"""Events that Dagster stores right before the next event, without work in between. Both become one commit."""


class KeptOpenEventLogStorage(InDagsterHome, SqliteEventLogStorage):
    """SQLite event log that keeps its connections open and stores a batch of events in one transaction per file."""

    stock_folder = ("history", "runs")

    def __init__(
        self, base_dir: str, inst_data: ConfigurableClassData | None = None, keep_days: int = KEEP_DAYS
    ) -> None:
        """Logs of runs that ended more than `keep_days` ago are deleted, see `pruning`."""
        self._keep_days, self._prune_at = keep_days, 0.0
        self._databases = Databases(self._opened)
        self._tables: set[str] = set()
        self._has_index_columns = False
        self._can_read_status = False
        self._records: dict[AssetKey, tuple[str, EventLogRecord]] = {}
        """An asset's last materialization: the text in the index, and the record parsed from it."""
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> KeptOpenEventLogStorage:
        """Raises KeyError if neither the configuration nor DAGSTER_HOME says where the files are."""
        return cls(cls.folder(config_value), inst_data, config_value.get("keep_days", KEEP_DAYS))

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """`base_dir` and `keep_days`; both are optional."""
        return {**super().config_type(), "keep_days": Field(int, is_required=False)}

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._databases.transaction(shard) as connection:
            yield connection

    def _opened(self, shard: str) -> Engine:
        level = "FULL" if shard == INDEX_SHARD_NAME else "NORMAL"
        engine = open_engine(self.conn_string_for_shard(shard), level)
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        """Create the tables of a new run's log in one transaction. Stock Dagster creates the index, once per home."""
        if for_index_shard:
            super()._initdb(engine, for_index_shard)
        elif not is_made(engine):
            try:
                make(engine, SqlEventLogStorageMetadata, sqlite_event_log.__file__)
            except OperationalError:  # another process is creating it: stock Dagster waits and looks again
                super()._initdb(engine)

    def close(self) -> None:
        """Close all connections. The next event opens them again."""
        self._databases.close()

    def dispose(self) -> None:
        """Dagster calls this when it is done with the storage."""
        self.close()
        super().dispose()

    def wipe(self) -> None:
        """Delete all events. Dagster deletes the files too, so close them first."""
        self.close()
        super().wipe()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has this table. Cached once it is true, because tables are never dropped."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_index_cols_on_connection(self, conn: Connection) -> bool:
        if not self._has_index_columns:
            self._has_index_columns = super()._has_asset_key_index_cols_on_connection(conn)
        return self._has_index_columns

    def can_read_asset_status_cache(self) -> bool:
        """Whether the index has the column. Cached once it is true, because columns are never dropped."""
        self._can_read_status = self._can_read_status or super().can_read_asset_status_cache()
        return self._can_read_status

    def _get_latest_materialization_records(
        self, raw_asset_rows: Sequence[Mapping[str, Any]]
    ) -> Mapping[AssetKey, EventLogRecord | None]:
        """As in stock Dagster, but each text is parsed once. Every step needs the records of all its inputs."""
        records: dict[AssetKey, EventLogRecord | None] = {}
        others = []
        for row in raw_asset_rows:
            key, text = AssetKey.from_db_string(row["asset_key"]), row["last_materialization"]
            if key and key in self._records and self._records[key][0] == text and not row["asset_details"]:
                records[key] = self._records[key][1]
            else:
                others.append(row)
        if not others:
            return records
        others_found = super()._get_latest_materialization_records(others)
        texts = {AssetKey.from_db_string(row["asset_key"]): row["last_materialization"] for row in others}
        self._records |= {key: (texts[key], record) for key, record in others_found.items() if record and texts[key]}
        return {**records, **others_found}

    def fetch_materializations(
        self,
        records_filter: AssetKey | AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        """As in stock Dagster, but a check that needs the newest event, just stored here, gets it from memory."""
        record = self._just_stored(records_filter) if limit == 1 and not cursor and not ascending else None
        if record is None:
            return super().fetch_materializations(records_filter, limit, cursor, ascending)
        return EventRecordsResult([record], EventLogCursor.from_storage_id(record.storage_id).to_string(), True)

    def _just_stored(self, records_filter: AssetKey | AssetRecordsFilter) -> EventLogRecord | None:
        if not isinstance(records_filter, AssetRecordsFilter) or records_filter.asset_key not in self._records:
            return None
        record = self._records[records_filter.asset_key][1]
        if records_filter != AssetRecordsFilter(
            records_filter.asset_key, [record.partition_key] if record.partition_key else None
        ):
            return None
        columns = SqlEventLogStorageTable.c
        newest = db.select(db.func.max(columns.id)).where(
            columns.asset_key == records_filter.asset_key.to_string(),
            columns.partition == record.partition_key,
            columns.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value,
        )
        with self.index_connection() as connection:
            return record if connection.scalar(newest) == record.storage_id else None

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event as stock Dagster does, but with one commit per database."""
        self._store(event)
        if event.dagster_event_type in _RUN_ENDS and time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + _PRUNE_EVERY_SECONDS
            self._prune()

    def _prune(self) -> None:
        """Delete records of old runs. If a database is locked, the next run that ends tries again."""
        try:
            prune(Path(self._base_dir).parents[1], self._keep_days)
        except sqlite3.OperationalError as error:
            logging.getLogger(__name__).warning("records of old runs stay for now: %s", error)

    def _store(self, event: EventLogEntry) -> None:
        if event.dagster_event_type in _FOLLOWED:
            self._databases.hold(event.run_id, partial(self._insert, [self._event_to_row(event)]))
        else:
            self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store a batch of events of one run. The result is the same as `store_event` for each."""
        if len({event.run_id for event in events}) != 1:
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            self._insert(rows, connection)
        mirrored = [(e, row) for e, row in zip(events, rows, strict=True) if e.dagster_event_type in _MIRRORED]
        if not mirrored:
            return
        waits = any(event.dagster_event_type not in ASSET_CHECK_EVENTS for event, _ in mirrored)
        with self._databases.transaction(INDEX_SHARD_NAME, waits=waits) as connection:
            keys = [connection.execute(_INSERT, row).inserted_primary_key for _, row in mirrored]
            ids = [key[0] for key in keys if key is not None]
            stored = [(event, i) for (event, _), i in zip(mirrored, ids, strict=True)]
            self._store_asset_events(connection, [s for s in stored if s[0].dagster_event_type in ASSET_EVENTS])
            for event, event_id in stored:
                if event.dagster_event_type in ASSET_CHECK_EVENTS:
                    self.store_asset_check_event(event, event_id)

    @staticmethod
    def _insert(rows: Sequence[Mapping[str, Any]], connection: Connection) -> None:
        connection.execute(_INSERT, rows)

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        """As in stock Dagster, but in one statement instead of an insert, an error and an update."""
        values = self._get_asset_entry_values(event, event_id, self._has_asset_key_index_cols_on_connection(conn))
        key = event.get_dagster_event().asset_key
        if values and key:
            row = insert(AssetKeyTable).values(asset_key=key.to_string(), **values)
            conn.execute(row.on_conflict_do_update(index_elements=[AssetKeyTable.c.asset_key], set_=values))
            if "last_materialization" in values:
                self._records[key] = values["last_materialization"], EventLogRecord(event_id, event)

    def _store_asset_events(self, connection: Connection, stored: Sequence[tuple[EventLogEntry, int]]) -> None:
        self._store_asset_event_tags(connection, [event for event, _ in stored], [i for _, i in stored])
        # An asset's row holds its last event of each kind. Earlier ones of the batch would be overwritten.
        last = {
            (str(event.get_dagster_event().asset_key), event.dagster_event_type): (event, i) for event, i in stored
        }
        for event, event_id in last.values():
            self._store_asset_event(connection, event, event_id)
