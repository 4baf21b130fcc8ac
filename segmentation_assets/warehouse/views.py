"""One DuckDB file with a view per published table, for any SQL client: `<home>/analytics.duckdb`.

Here: writing that file, and again when tables are added or contracts change. Not here: the tables, which stay
Parquet.

The file holds views and no rows. It is never changed in place: a new one is moved over it. So a client can open it
read-only at any time, even while a run writes, and blocks no run. But DuckDB opens each Parquet file twice in a
query: what it says while a run replaces that file cannot be trusted. Views of a snapshot (`snapshots`) have no such
moment. Each view has all days of its table; `latest.<table>` has the last day. Comments explain tables and columns.
In a home that was copied or moved, the views fail until the file is written for that home: `segmentation views` does
that, and so does every run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from segmentation_assets.tables.dictionary import TableEntry
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.packs import whole_sql
from segmentation_assets.warehouse.sql_text import identifier, identifiers, literal, literals
from segmentation_assets.warehouse.store import Store

FILE = "analytics.duckdb"
LATEST = "latest"
_STORAGE = "v1.0.0"
"""Version of DuckDB's file format: old enough for every client that analysts may have."""
_TYPES = {
    "text": "VARCHAR", "whole number": "BIGINT", "number": "DOUBLE", "true/false": "BOOLEAN", "date": "DATE",
    "time (UTC)": "TIMESTAMP",
}  # fmt: skip


def refresh_views(
    store: Store, entries: Iterable[TableEntry], connection: duckdb.DuckDBPyConnection | None = None
) -> Path:
    """Write the file again if a table was added or a contract changed. `entries` are those of the catalogue.

    A caller may pass an open connection, and gets it back unchanged. Returns the path of the file. Raises
    duckdb.Error if a published file cannot be read.
    """
    published = set(store.tables())
    shown = [one for one in entries if one.name in published]
    statements = [statement for one in shown for statement in _statements(store, one)]
    text = ";\n".join([_STORAGE, *statements])
    kept, key = Compiled(store.home / "compiled"), hashlib.sha256(text.encode()).hexdigest()[:16]
    target = store.home / FILE
    if not target.exists() or kept.get("analytics", key) is None:
        with connection.cursor() if connection else duckdb.connect(":memory:") as session:
            _make(session, target, statements)
        kept.keep("analytics", key, text)
    return target


def _make(session: duckdb.DuckDBPyConnection, target: Path, statements: Iterable[str]) -> None:
    unfinished = target.with_name(f".{FILE}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        session.execute(f"ATTACH {literal(unfinished)} AS made (STORAGE_VERSION '{_STORAGE}')")
        try:
            # One transaction, so that there is one write to disk.
            session.execute(f"USE made; BEGIN; CREATE SCHEMA {LATEST}")
            for statement in statements:
                session.execute(statement)
            session.execute("COMMIT")
        except duckdb.Error:
            session.execute("ROLLBACK")
            raise
        finally:
            session.execute("USE memory; DETACH made")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _statements(store: Store, entry: TableEntry) -> Iterator[str]:
    """Both views of a table, with its contract's columns: missing ones are null, extra ones are left out."""
    partition = entry.partition
    nulls = ", ".join(f"CAST(NULL AS {_TYPES[c.type]}) AS {identifier(c.name)}" for c in entry.columns)
    source, condition = whole_sql(store.home, entry.name, partition), ""
    if partition:
        column = identifier(partition)
        condition = (
            f" AND {column} = (SELECT max({column}) FROM ({whole_sql(store.home, entry.name, partition, [column])}))"
        )
    columns = identifiers(c.name for c in entry.columns)
    whole = f"SELECT {columns} FROM (SELECT {nulls} WHERE false UNION ALL BY NAME {source}) WHERE {_is_here(store)}"
    name = identifier(entry.name)
    yield f"CREATE VIEW {LATEST}.{name} AS {whole}{condition}"
    yield f"CREATE VIEW main.{name} AS {whole}"
    said = [f"COMMENT ON VIEW main.{name} IS {literal(entry.description)}"]
    for one in entry.columns:
        words = f"{one.description} ({one.unit})" if one.unit else one.description
        said.append(f"COMMENT ON COLUMN main.{name}.{identifier(one.name)} IS {literal(words)}")
    yield "; ".join(said)


def _is_here(store: Store) -> str:
    """A condition that is true in the home the file was written for. In another home it fails and says what to do.

    The views contain paths of the home's files. In a copied home they would show the rows of the original.
    """
    made_for = store.home / FILE
    places = literals(dict.fromkeys((made_for, made_for.resolve())))
    advice = f"this file was made for {made_for}: run `segmentation --home FOLDER views` for the home it is in now"
    opened = f"EXISTS (SELECT 1 FROM duckdb_databases() WHERE path IN ({places}))"
    return f"CASE WHEN {opened} THEN true ELSE error({literal(advice)}) END"
