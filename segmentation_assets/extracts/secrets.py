"""Removes secrets from the messages of a database driver.

Here: which parts of a connection string are secret, and removing them from a text. Not here: connecting (`reading`).

A driver quotes a connection string that it cannot parse. An unescaped `@`, `/` or `%` in the password makes the
driver take parts of it for a host, port or escape, and quote them. So every part of the string is secret, except a
host, port, user or database that clearly looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

HIDDEN = "***"
_SHORTEST = 2
"""Fewest characters of a part that is removed. A single one reveals nothing, and removing it would garble words."""
_SIGNS = re.compile(r"[^A-Za-z0-9]+")
_PUBLIC = {
    "host": re.compile(r"[\w.-]+|/[\w./-]+"), "hostaddr": re.compile(r"[\d.a-fA-F:]+"), "port": re.compile(r"\d+"),
    "user": re.compile(r"[\w.-]+"), "dbname": re.compile(r"[\w.-]+"), "sslmode": re.compile(r"[a-z-]+"),
}  # fmt: skip
"""The parts of a connection that may be shown, and the pattern that each must match."""


def without_secrets(text: str, connection: str) -> str:
    """A message of the Postgres driver, without the secrets of the connection string."""
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
    """The parameters in a connection string; empty if the driver cannot parse it: then all of it is secret."""
    from psycopg import ProgrammingError, conninfo  # noqa: PLC0415 - an optional extra

    try:
        return conninfo.conninfo_to_dict(connection)
    except (ProgrammingError, ValueError):
        return {}


def _pieces(texts: Iterable[str]) -> set[str]:
    pieces = {piece for text in texts for piece in (text.strip(), *_SIGNS.split(text))}
    return {piece for piece in pieces if len(piece) >= _SHORTEST}
