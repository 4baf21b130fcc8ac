"""An answer: its day, its sources, its data, and where the next part begins.

Here: the form of every answer, choosing its day, naming files, and cursors. Not here: what is asked (`questions`), or
marking texts (`marking`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from segmentation_assets.assistants.marking import NOTICE, marked
from segmentation_assets.reading.access import NotPublished, find_table, newest_whole_day
from segmentation_assets.reasons import WrongUse

MOST = 100
"""Rows of one answer, at most."""
_SEPARATOR = "."


class WrongCursor(WrongUse):
    """The cursor is not one that an answer to the same question had."""


@dataclass(frozen=True)
class Page:
    """Which part of a long answer: rows from `start` on, at most `limit`."""

    as_of: date
    start: int
    limit: int
    question: str
    """A hash of the question: a cursor continues the question that it came from, on the same day."""

    def next_cursor(self, total: int) -> str | None:
        """Where the next part begins; None: this is the last."""
        following = self.start + self.limit
        return None if following >= total else _SEPARATOR.join((str(self.as_of), str(following), self.question))


def page_of(question: Mapping[str, Any], as_of: date, limit: int, cursor: str | None) -> Page:
    """The part of an answer. With a cursor, `as_of` is the day of the first part. Raises WrongCursor."""
    text = repr(sorted((name, value) for name, value in question.items()))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    if cursor is None:
        return Page(as_of, 0, limit, digest)
    day, start, digest_of_cursor = (*cursor.split(_SEPARATOR), "", "")[:3]
    if digest_of_cursor != digest or not (start.isascii() and start.isdigit()):
        raise WrongCursor("this cursor belongs to another question: repeat the question that gave it, unchanged")
    return Page(date.fromisoformat(day), int(start), limit, digest)


def day_of_cursor(cursor: str | None) -> str | None:
    """The day of a cursor, so that later parts are of the same day as the first. Raises WrongCursor."""
    if cursor is None:
        return None
    day = cursor.partition(_SEPARATOR)[0]
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise WrongCursor("this is no cursor of an answer") from None


def day_of(home: Path, table: str, beside: Sequence[str], as_of: str | None) -> date:
    """The day of an answer: `as_of`, else the newest day that all these tables have. Raises NotPublished."""
    return newest_whole_day(table, beside, home) if as_of is None else find_table(table, home).day_of(as_of)


def sources(home: Path, tables: Iterable[str], as_of: date) -> list[dict[str, Any]]:
    """Table, day and file of what an answer was read from. Files are named from the home on."""
    listed = []
    for table in tables:
        published = find_table(table, home)
        day = as_of if published.partition is not None else None
        listed += [{"table": table, "day": day, "file": str(path.relative_to(home))} for path in published.of(day)]
    return listed


def is_published(home: Path, table: str, as_of: date) -> bool:
    """Whether the table has rows of this day, or has no days."""
    try:
        published = find_table(table, home)
        return bool(published.of(None if published.partition is None else as_of))
    except NotPublished:
        return False


def answer(
    as_of: date | None, read_from: Sequence[Mapping[str, Any]], data: Any, next_cursor: str | None = None
) -> dict[str, Any]:
    """An answer as plain values, its texts marked."""
    facts = {"as_of": as_of, "sources": read_from, "notice": NOTICE, "data": data}
    return marked(facts | ({"next_cursor": next_cursor} if next_cursor else {}))
