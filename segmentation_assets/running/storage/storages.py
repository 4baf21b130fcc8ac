"""Storages for Dagster's runs, and for its schedules and sensors, in SQLite.

Here: a run storage that keeps its connection open, and opening both without loading Dagster's migrations. Not here:
the event log (`event_log`), or any other storage. The files are those of stock Dagster 1.13, which can read and write
them too. Stock Dagster creates a database that does not exist yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

from segmentation_assets.running.storage.databases import Databases, InDagsterHome, is_made_at, open_engine

_RUNS, _SCHEDULES = "runs", "schedules"


class KeptOpenRunStorage(InDagsterHome, SqliteRunStorage):
    """Runs in SQLite, with one connection kept open. Commits wait for the disk, as in stock Dagster."""

    stock_folder = ("history",)

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._databases = Databases(lambda place: open_engine(place, "FULL"))
        super().__init__(conn_string, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> KeptOpenRunStorage:
        """Raises KeyError if neither the configuration nor DAGSTER_HOME says where the file is."""
        base_dir = cls.folder(config_value)
        place = _existing(base_dir, _RUNS)
        return cls(place, inst_data) if place else cls.from_local(base_dir, inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction."""
        with self._databases.transaction(self._conn_string) as connection:
            yield connection

    def dispose(self) -> None:
        """Dagster calls this when it is done with the storage."""
        self._databases.close()


class QuickScheduleStorage(InDagsterHome, SqliteScheduleStorage):
    """Schedules and sensors in SQLite, opened without loading migrations."""

    stock_folder = ("schedules",)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> SqliteScheduleStorage:
        """Raises KeyError if neither the configuration nor DAGSTER_HOME says where the file is."""
        base_dir = cls.folder(config_value)
        place = _existing(base_dir, _SCHEDULES)
        return cls(place, inst_data) if place else cls.from_local(base_dir, inst_data)


def _existing(folder: str, name: str) -> str | None:
    """SQLAlchemy's URL of a database; None if Dagster has not created it yet."""
    place = create_db_conn_string(folder, name)
    return place if is_made_at(place, Path(folder, f"{name}.db")) else None
