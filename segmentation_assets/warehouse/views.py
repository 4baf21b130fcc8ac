"""One DuckDB file with a view per published table, for whatever speaks SQL: `<home>/analytics.duckdb`.

Here: making that file, and making it anew when tables come or contracts change. Not here: the tables, which stay
Parquet.

The file holds no rows, only views, and is never written in place: a new one is moved over it. So it opens read-only
at any time, also while a run writes, and whoever has it open keeps no run from publishing. In it a table has all its
days; `latest.<table>` has the last one. Comments say what tables and columns mean. In a copy of the home, or one that
was moved, the views fail until the file is made for that home: `segmentation views`, and every run, does that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from segmentation_assets.tables.dictionary import TableEntry
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.sql_text import identifier, identifiers, literal, literals
from segmentation_assets.warehouse.store import Store

FILE = "analytics.duckdb"
LATEST = "latest"
_STORAGE = "v1.0.0"
"""Of DuckDB's file format: old enough for every client that analysts may have."""
_TYPES = {
    "text": "VARCHAR", "whole number": "BIGINT", "number": "DOUBLE", "true/false": "BOOLEAN", "date": "DATE",
    "time (UTC)": "TIMESTAMP",
}  # fmt: skip


def refresh_views(
    store: Store, entries: Iterable[TableEntry], connection: duckdb.DuckDBPyConnection | None = None
) -> Path:
    """Make the file anew if a table has come or a contract has changed; `entries` are those of the catalogue.

    Whoever has a connection anyway gives it, and finds it as it was. Returns where the file is. Raises duckdb.Error
    for a published file that cannot be read.
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
            # One transaction: each by itself would be a write to disk.
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
    """Both views of a table with its contract's columns: what a file lacks is null, what it has more is out."""
    folder, partition = store.published / entry.name, entry.partition
    hive, files, condition = "hive_partitioning = false", folder / "*.parquet", ""
    if partition:
        hive = f"hive_partitioning = true, hive_types = {{'{partition}': DATE}}"
        files = folder / f"{partition}=*" / "*.parquet"
        last = f"max({identifier(partition)})"
        condition = f" AND {identifier(partition)} = (SELECT {last} FROM read_parquet({literal(files)}, {hive}))"
    nulls = ", ".join(f"CAST(NULL AS {_TYPES[c.type]}) AS {identifier(c.name)}" for c in entry.columns)
    source = f"SELECT * FROM read_parquet({literal(files)}, union_by_name = true, {hive})"
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
    """A condition that holds where the file is opened in the home it was made for, and else fails with what to do.

    The views name the home's files: in a copy of it they would show the rows of the original.
    """
    made_for = store.home / FILE
    places = literals(dict.fromkeys((made_for, made_for.resolve())))
    advice = f"this file was made for {made_for}: run `segmentation --home FOLDER views` for the home it is in now"
    opened = f"EXISTS (SELECT 1 FROM duckdb_databases() WHERE path IN ({places}))"
    return f"CASE WHEN {opened} THEN true ELSE error({literal(advice)}) END"
