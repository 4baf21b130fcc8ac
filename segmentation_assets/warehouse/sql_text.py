"""Quoting of names and texts in SQL. Not here: any SQL."""

from __future__ import annotations

from collections.abc import Iterable


def identifier(name: str) -> str:
    """A name for SQL, in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def identifiers(names: Iterable[str]) -> str:
    """Names for SQL, separated by commas."""
    return ", ".join(map(identifier, names))


def literal(text: object) -> str:
    """A text for SQL, in single quotes. A path or another value is converted to text first."""
    return "'" + str(text).replace("'", "''") + "'"


def literals(texts: Iterable[object]) -> str:
    """Texts for SQL, separated by commas."""
    return ", ".join(map(literal, texts))
