"""Doors: requests to the pages without their key, host or origin, and SQL that wants more than its rows.

Here: what is tried at each door, and how many it opened. Not here: the results file (`reliability`), or the same with
a real browser (tests/e2e/test_ui).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.reliability import when_and_where
from segmentation_assets.extracts.sql_rules import NotAllowed, check_expression, check_query
from segmentation_assets.reading.access import WrongFilter, fetched, open_table, query
from segmentation_assets.running.doors import Doors
from segmentation_assets.warehouse.sql_text import literal
from segmentation_assets.warehouse.store import Store

_PORT, _KEY = 3000, "the-right-key"
_HOSTS = (
    f"127.0.0.1:{_PORT}",
    f"localhost:{_PORT}",
    "evil.example:3000",
    "127.0.0.1.evil.example:3000",
    "127.0.0.1",
    "",
    f"[::1]:{_PORT}",
    f"0.0.0.0:{_PORT}",
    f"127.0.0.1:{_PORT}@evil.example",
    f"LOCALHOST:{_PORT}.",
    None,
)
_ORIGINS = (
    None,
    f"http://127.0.0.1:{_PORT}",
    "http://evil.example",
    "null",
    f"https://127.0.0.1:{_PORT}",
    "",
    f"http://127.0.0.1:{_PORT}.evil.example",
    "file://",
)
_KEYS = (
    None,
    ("cookie", f"segmentation_{_PORT}={_KEY}"),
    ("cookie", f"segmentation_{_PORT}="),
    ("cookie", f"x={_KEY}"),
    ("cookie", f"segmentation_{_PORT}={_KEY}x"),
    ("authorization", f"Bearer {_KEY}"),
    ("authorization", "Bearer "),
    ("authorization", f"Basic {_KEY}"),
    ("x-key", _KEY),
)
_ASKS = (
    ("http", "GET", "/", b"", ""),
    ("http", "GET", "/graphql", b"query=mutation%7Bx%7D", ""),
    ("http", "POST", "/graphql", b"", "application/json"),
    ("http", "POST", "/graphql", b"", "text/plain"),
    ("http", "POST", "/a/graphql/", b"", "multipart/form-data"),
    ("http", "HEAD", "/graphql", b"query=x", ""),
    ("http", "PUT", "/", b"", ""),
    ("http", "OPTIONS", "/graphql", b"", ""),
    ("websocket", "GET", "/graphql", b"", ""),
    ("websocket", "GET", "/_stcore/stream", b"", ""),
)
_RIGHT_HOSTS, _RIGHT_ORIGINS, _RIGHT_KEYS = _HOSTS[:2], (None, _ORIGINS[1]), (_KEYS[1], _KEYS[5])


def _is_right(host: Any, origin: Any, key: Any, ask: tuple[str, str, str, bytes, str]) -> bool:
    kind, method, path, question, sent = ask
    if host not in _RIGHT_HOSTS or origin not in (*_RIGHT_ORIGINS, f"http://{host}") or key not in _RIGHT_KEYS:
        return False
    if kind == "websocket" or not path.rstrip("/").endswith("/graphql"):
        return True
    return not question if method in {"GET", "HEAD"} else sent == "application/json"


def _is_let_in(host: Any, origin: Any, key: Any, ask: tuple[str, str, str, bytes, str]) -> bool:
    kind, method, path, question, sent = ask
    headers = [("host", host), ("origin", origin), *([key] if key else []), ("content-type", sent or None)]
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": question,
        "headers": [(name.encode(), value.encode()) for name, value in headers if value is not None],
    }
    was_asked = []

    async def pages(*_: Any) -> None:
        was_asked.append(True)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request", "body": b""}

    async def send(_: Any) -> None:
        return None

    asyncio.run(Doors(pages, port=_PORT, token=_KEY)(scope, receive, send))
    return bool(was_asked)


def requests() -> tuple[int, int, int]:
    """Requests without every right, those of them that came through, and requests with every right that did not."""
    tried = opened = shut = 0
    for each in itertools.product(_HOSTS, _ORIGINS, _KEYS, _ASKS):
        if _is_right(*each):
            shut += not _is_let_in(*each)
        else:
            tried, opened = tried + 1, opened + _is_let_in(*each)
    return tried, opened, shut


def attacks(file: Path) -> Iterator[str]:
    """Expressions and queries that want a file, a setting, another table or a change."""
    path = literal(file)
    for function in (
        "read_csv",
        "read_csv_auto",
        "read_text",
        "read_blob",
        "read_json",
        "read_json_objects",
        "read_parquet",
        "parquet_scan",
        "parquet_metadata",
        "parquet_schema",
        "glob",
        "sniff_csv",
    ):
        yield f"SELECT * FROM {function}({path})"
        yield f"WITH a AS (WITH b AS (SELECT * FROM {function}({path})) SELECT * FROM b) SELECT * FROM a"
        yield f"SELECT * FROM source, LATERAL (SELECT * FROM {function}({path}))"
        yield f"(SELECT max(t) FROM {function}({path}) x(t))"
        yield f"SELECT * FROM source WHERE n IN (SELECT 1 FROM {function}({path}))"
        yield f"SELECT n, (SELECT count(*) FROM {function}({path})) FROM source"
        yield f"PIVOT (SELECT * FROM {function}({path})) ON 1"
        yield f"SELECT * FROM (SUMMARIZE SELECT * FROM {function}({path}))"
        yield f"SELECT * FROM source UNION ALL BY NAME SELECT * FROM {function}({path})"
        yield f"FROM {function}({path})"
    yield from (
        f"SELECT * FROM {path}",
        f"FROM {path}",
        f'SELECT * FROM "{file}"',
        f"TABLE {path}",
        f"COPY source TO {path}",
        f"COPY (SELECT 1) TO {path}",
        f"EXPORT DATABASE {path}",
        f"ATTACH {path} AS a",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "SELECT getenv('HOME')",
        "getenv('HOME')",
        "SELECT current_setting('temp_directory')",
        "current_setting('threads')",
        "getvariable('x')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_secrets()",
        "SHOW ALL TABLES",
        "SELECT * FROM pragma_database_list()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM sqlite_master",
        f"SELECT * FROM query('SELECT * FROM read_text({literal(path)[1:-1]})')",
        "SELECT * FROM query_table('other')",
        "DESCRIBE SELECT 1",
        "SELECT * FROM other",
        "1); DROP TABLE source; --",
        "SELECT 1; SELECT 2",
        "CREATE TABLE x AS SELECT 1",
        "DELETE FROM source",
        "UPDATE source SET n = 1",
        "VACUUM source",
        "random()",
        "nextval('s')",
        "now()",
        "uuid()",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT * FROM source, system.information_schema.columns",
        "SELECT * FROM main.other",
        "FROM duckdb_functions()",
        "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT * FROM other) SELECT * FROM a",
        "1 UNION SELECT 2",
        "n FROM source",
        "EXISTS (FROM other)",
        "n IN (FROM other)",
        "PIVOT other ON n USING sum(n)",
        "SELECT COLUMNS(*) FROM other",
        "SELECT * FROM (VALUES (1)) v, other",
        "SELECT * FROM histogram('other', 'n')",
    )


def statements(folder: Path) -> tuple[int, int, list[str]]:
    """SQL tried in a mapping and as a filter, how many came through, and which."""
    secret = folder / "secret.csv"
    secret.write_text("t\nsecret\n")
    store = Store(folder / "home", is_durable=False)
    staged = folder / "staged.parquet"
    duckdb.sql(f"COPY (SELECT 1 AS n) TO {literal(staged)} (FORMAT parquet)")
    store.publish(staged, store.file("source"))
    tried, opened = 0, []
    with duckdb.connect(":memory:") as connection:
        rules: Mapping[str, Callable[[str], object]] = {
            "expression": lambda text: check_expression(connection, text),
            "query": lambda text: check_query(connection, text, {"source"}),
        }
        for (name, rule), text in itertools.product(rules.items(), attacks(secret)):
            tried += 1
            try:
                rule(text)
            except NotAllowed:
                continue
            opened.append(f"{name}: {text}")
    harmless = ("now()", "random()", "uuid()")
    for text in attacks(secret):
        if text in harmless or "current_setting" in text:
            continue  # a filter is the reader's own, and reads nothing else by these
        tried += 1
        with open_table("source", home=store.home) as connection:
            try:
                _, rows = fetched(connection, query(connection, "source", f"({text}) IS NOT NULL"))
            except WrongFilter:
                continue
        if rows:
            opened.append(f"filter: {text}")
    return tried, len(opened), opened


def section(folder: Path) -> tuple[str, bool]:
    """The section of the results file, and whether every door stayed shut."""
    (tried, opened, shut), (texts, through, which) = requests(), statements(folder)
    lines = [
        "## Doors: `python -m benchmarks.reliability doors`",
        "",
        f"{when_and_where()}: **{tried + texts:,} doors tried, {opened + through} opened.**",
        "",
        "| door | tried | opened |",
        "|---|---:|---:|",
        f"| pages: another host, origin, method or content type, or no key | {tried:,} | {opened} |",
        f"| SQL of a mapping, and filters: files, settings, other tables, changes | {texts:,} | {through} |",
        "",
        f"Requests with every right that were refused: {shut}.",
        *(f"\n- `{each}`" for each in which),
        "",
    ]
    return "\n".join(lines), not opened and not through and not shut
