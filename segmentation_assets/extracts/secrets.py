"""Cutting what is secret out of what a database's driver says.

Here: which parts of a connection string are secret, and a text without them. Not here: connecting (`reading`).

A driver quotes the connection string where it cannot read it: with an unescaped `@`, `/` or `%` in it, parts of the
password are taken for host, port or an escape, and stand in the message. So everything in the string is secret but
what is certain to be something else: a host, port, user or database that looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

HIDDEN = "***"
_SHORTEST = 2
"""Characters of a piece that is cut out. A single one says nothing, and would make words unreadable."""
_SIGNS = re.compile(r"[^A-Za-z0-9]+")
_PUBLIC = {
    "host": re.compile(r"[\w.-]+|/[\w./-]+"), "hostaddr": re.compile(r"[\d.a-fA-F:]+"), "port": re.compile(r"\d+"),
    "user": re.compile(r"[\w.-]+"), "dbname": re.compile(r"[\w.-]+"), "sslmode": re.compile(r"[a-z-]+"),
}  # fmt: skip
"""What may be shown of a connection, and how it looks when it is no part of something else."""


def without_secrets(text: str, connection: str) -> str:
    """A text of Postgres' driver without what is secret in a connection string."""
    parameters = _parameters(connection)
    shown = {"postgresql", "postgres", *_PUBLIC, *parameters}
    for key, value in parameters.items():
        if key in _PUBLIC and _PUBLIC[key].fullmatch(str(value)):
            shown |= {str(value), *_SIGNS.split(str(value))}
    pieces = _pieces([connection, unquote(connection), *map(str, parameters.values())]) - shown
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, HIDDEN)
    return text


def _parameters(connection: str) -> Mapping[str, object]:
    """What the driver reads from a connection string; nothing where it cannot read it: then all of it is secret."""
    from psycopg import ProgrammingError, conninfo  # noqa: PLC0415 - an optional extra

    try:
        return conninfo.conninfo_to_dict(connection)
    except (ProgrammingError, ValueError):
        return {}


def _pieces(texts: Iterable[str]) -> set[str]:
    pieces = {piece for text in texts for piece in (text.strip(), *_SIGNS.split(text))}
    return {piece for piece in pieces if len(piece) >= _SHORTEST}
