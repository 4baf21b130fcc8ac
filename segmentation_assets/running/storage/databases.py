"""SQLite databases of the Dagster instance, kept open between uses.

Here: connections, and a quick check of the schema version. Not here: what is stored (`event_log`, `storages`).

Stock Dagster opens, configures and closes a connection for nearly every read and write. When the last one closes,
SQLite folds its write-ahead log into the file and waits for the disk several times. Stock Dagster also loads all its
migrations, 90 modules per file, when it opens an instance and when it starts a run's log. It does so to see whether a
database has its tables. The schema version in the database says the same.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster import Field, StringSource
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import MetaData, create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

_MOST_OPEN = 8
"""Most open databases of one storage: the index, the log of the current run, and a few that the UI reads."""


Write = Callable[[Connection], None]
"""Writes something within a transaction."""


class InDagsterHome:
    """A storage whose files are, by default, where stock Dagster keeps them."""

    stock_folder: ClassVar[tuple[str, ...]]
    """Path of the folder below DAGSTER_HOME."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """`base_dir`, which is optional."""
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def folder(cls, config_value: Mapping[str, Any]) -> str:
        """The folder of the files. Raises KeyError if neither the configuration nor DAGSTER_HOME sets it."""
        return config_value.get("base_dir") or str(Path(os.environ["DAGSTER_HOME"], *cls.stock_folder))


class Databases:
    """The databases of one storage by name. Each has one connection, used by one thread at a time."""

    def __init__(self, opened: Callable[[str], Engine]) -> None:
        """`opened` makes the engine of a database; see `open_engine`."""
        self.lock = threading.RLock()
        self._opened = opened
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._within: dict[str, Connection] = {}
        self._held: dict[str, list[Write]] = {}
        self._owner = os.getpid()

    @property
    def names(self) -> list[str]:
        """The open databases, the most recently used one last."""
        return list(self._engines)

    @contextmanager
    def transaction(self, name: str, *, waits: bool = True) -> Iterator[Connection]:
        """A transaction. A nested transaction on the same database is part of the outer one: one commit for both.

        With `waits=False`, the commit does not wait for the disk. A power failure may then lose it, until a later
        transaction waits. A killed process loses nothing.
        """
        with self.lock:
            if name in self._within:
                yield self._within[name]
                return
            with self._engine(name).connect() as connection:
                self._within[name] = connection
                held = tuple(self._held.get(name, ()))
                try:
                    with nullcontext() if waits else _unwaiting(connection), connection.begin():
                        for write in held:
                            write(connection)
                        yield connection
                finally:
                    del self._within[name]
                if held:  # after a failure they stay held
                    del self._held[name][: len(held)]

    def hold(self, name: str, write: Write) -> None:
        """Write at the start of the database's next transaction, or at the latest when the database is closed."""
        with self.lock:
            self._held.setdefault(name, []).append(write)

    def _engine(self, name: str) -> Engine:
        if self._owner != os.getpid():  # SQLite connections must not survive a fork
            self._engines, self._owner = OrderedDict(), os.getpid()
            self._held.clear()  # the parent writes them
        if name not in self._engines:
            self._engines[name] = self._opened(name)
        self._engines.move_to_end(name)
        while len(self._engines) > _MOST_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[name]

    def close(self) -> None:
        """Close all connections. The next use opens them again."""
        with self.lock:
            for name in [name for name, held in self._held.items() if held]:
                with self.transaction(name):
                    pass
            while self._engines:
                self._engines.popitem()[1].dispose()


@contextmanager
def _unwaiting(connection: Connection) -> Iterator[None]:
    raw = connection.connection.dbapi_connection
    if raw is None:
        raise RuntimeError("the connection is closed")
    cursor = raw.cursor()
    level = cursor.execute("PRAGMA synchronous").fetchone()[0]
    cursor.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        cursor.execute(f"PRAGMA synchronous = {level}")


def open_engine(place: str, synchronous: str) -> Engine:
    """One connection that any thread may use, one at a time; `synchronous` is SQLite's pragma."""
    engine = create_engine(
        place,
        poolclass=StaticPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", lambda raw, _: raw.execute(f"PRAGMA synchronous = {synchronous}"))
    return engine


def is_made(engine: Engine) -> bool:
    """Whether Dagster's tables exist in a database. Dagster writes the schema version last, so that shows it."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() is not None


def is_made_at(place: str, file: Path) -> bool:
    """`is_made` for a file that may not exist; False if it does not."""
    if not file.exists():
        return False
    engine = open_engine(place, "FULL")
    try:
        return is_made(engine)
    finally:
        engine.dispose()


def make(engine: Engine, tables: MetaData, package: str) -> None:
    """Create `tables` in an empty database as Dagster does, in one transaction, with the newest schema version.

    `package` is the file of the storage that owns the migrations. Raises OperationalError if the tables exist
    already.
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver starts no transaction for CREATE TABLE
        tables.create_all(connection, checkfirst=False)
        MigrationContext.configure(connection).stamp(_migrations(package), "head")
        connection.commit()


@cache
def _migrations(package: str) -> ScriptDirectory:
    return ScriptDirectory.from_config(get_alembic_config(package))
