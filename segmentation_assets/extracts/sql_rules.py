"""Rules for the SQL in a `sources.yaml`: it may compute values from the rows of its own sources, and nothing else.

Here: parsing each text with DuckDB's own parser, and refusing everything but plain expressions and queries. Not here:
running them (`reading`, `casting`), or rules for other databases, which are set on the connection (`reading`).

A mapping may come from colleagues, templates or vendors, so it is not trusted. An expression has no subquery. A query
reads only tables that the mapping names. Functions that read a file, change a setting or return a different value
each time are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from typing import Any

import duckdb

from segmentation_assets.extracts.sources import Expression, ExtractSource, FromColumn

_TABLE_FUNCTIONS = {"unnest", "range", "generate_series", "json_each", "json_tree"}
_SETTINGS = {"current_setting", "getvariable", "getenv", "current_schemas", "current_database", "current_user"}
"""Functions that return settings of the process, such as secrets of other sources. They are not volatile."""
_CLOCK = {
    "now", "today", "current_date", "current_timestamp", "current_localtime", "current_localtimestamp",
    "current_time", "localtime", "localtimestamp", "get_current_time", "get_current_timestamp",
    "transaction_timestamp", "txid_current",
}  # fmt: skip
"""Functions that go by the clock: the same file would land as other rows tomorrow."""
_VOLATILE = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"


ADVICE = (
    "SQL in a mapping is an expression over the columns of the row, or one SELECT over its own tables: it reads and "
    "changes nothing else"
)


class NotAllowed(ValueError):
    """A text does something that is not allowed. The message is one clause."""


def check_sql(connection: duckdb.DuckDBPyConnection, name: str, source: ExtractSource) -> None:
    """Check all SQL of one extract's mapping. Raises NotAllowed, which names the key."""
    for key, text, tables in _texts(source):
        try:
            if tables is None:
                check_expression(connection, text)
            else:
                check_query(connection, text, tables)
        except NotAllowed as error:
            raise NotAllowed(f"{name}.{key}: {error}") from None


def _texts(source: ExtractSource) -> Iterator[tuple[str, str, Set[str] | None]]:
    """Key, SQL, and the tables that a query may read. In a DuckDB file these are the file's own tables."""
    for column, read_as in source.columns.items():
        if isinstance(read_as, Expression | FromColumn) and read_as.sql:
            yield f"{column}.sql", read_as.sql, None
    if source.where:
        yield "where", source.where, None
    if source.query and source.path:
        yield "query", source.query, {"source", *source.tables}
    for key, place in (("query", source), *((f"tables.{n}.query", p) for n, p in source.tables.items())):
        if place.query and place.duckdb:
            yield key, place.query, frozenset()


def check_expression(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Raises NotAllowed unless the text is one expression over the columns of a row."""
    (select,) = _parsed(connection, f"SELECT (\n{text}\n)")
    if len(select.get("select_list", ())) != 1 or select.get("from_table", {}).get("type") != "EMPTY":
        raise NotAllowed("more than one expression")
    for node in _nodes(select):
        if node.get("class") == "SUBQUERY":
            raise NotAllowed("a subquery")
    _check_functions(connection, select)


def check_query(connection: duckdb.DuckDBPyConnection, text: str, tables: Set[str]) -> None:
    """Raises NotAllowed unless the text is one SELECT over `tables`; if empty, over the tables of the database."""
    (select,) = _parsed(connection, text)
    own = {table.lower() for table in tables} | {name.lower() for name in _common_tables(select)}
    for node in _nodes(select):
        if node.get("type") == "SHOW_REF":
            raise NotAllowed("a listing of the engine's own tables")
        if node.get("type") == "BASE_TABLE" and tables:
            table = str(node.get("table_name"))
            if table.lower() not in own or node.get("schema_name") or node.get("catalog_name"):
                raise NotAllowed(f"the table {table[:80]!r}, which the mapping does not name")
    _check_functions(connection, select)


def _check_functions(connection: duckdb.DuckDBPyConnection, select: Any) -> None:
    refused = {name for (name,) in connection.execute(_VOLATILE).fetchall()} | _SETTINGS | _CLOCK
    for node in _nodes(select):
        if node.get("type") == "TABLE_FUNCTION":
            name = str(node.get("function", {}).get("function_name"))
            if name.lower() not in _TABLE_FUNCTIONS:
                raise NotAllowed(f"the function {name[:80]}, which reads from outside the source")
        elif node.get("class") == "FUNCTION" and str(node.get("function_name")).lower() in refused:
            raise NotAllowed(f"the function {node['function_name']}, which is not computed from the row alone")
        elif node.get("class") == "COLUMN_REF" and str((node.get("column_names") or [""])[-1]).lower() in _CLOCK:
            name = node["column_names"][-1]  # without brackets, it is parsed as a column
            raise NotAllowed(f"the function {name}, which is not computed from the row alone")


def _parsed(connection: duckdb.DuckDBPyConnection, text: str) -> list[Any]:
    row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        if tree.get("error_type") == "parser":
            raise NotAllowed(f"it cannot be read: {str(tree.get('error_message')).splitlines()[0]}")
        raise NotAllowed("a statement that is not a plain SELECT")
    nodes = [statement["node"] for statement in tree.get("statements", ())]
    if len(nodes) != 1:
        raise NotAllowed("more than one statement")
    return nodes


def _common_tables(select: Any) -> Iterator[str]:
    """Names defined in WITH clauses."""
    for node in _nodes(select):
        entries = (node.get("cte_map") or {}).get("map") or ()
        yield from (str(entry["key"]) for entry in entries if isinstance(entry, dict) and "key" in entry)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a parsed statement, at any depth."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
