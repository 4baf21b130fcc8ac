"""Calendar files (iCalendar, RFC 5545) of days on which something is due.

Here: events of whole days as text that calendars import. Not here: what is due (`tasks`), or where the file goes.

Text from data is escaped as section 3.3.11 says, control characters go, and lines are folded at 75 octets (3.1), so
that no text can begin a line of its own.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_LINE = 75
_PRODUCT = "-//segmentation-assets//plays//EN"


@dataclass(frozen=True)
class Event:
    """Something due on a day. A calendar that imports an event of the same `identity` again replaces it."""

    identity: str
    on: date
    summary: str
    description: str


def calendar(name: str, events: Iterable[Event], stamp: datetime) -> str:
    """A calendar file with one event of a whole day each. `stamp` is the moment it was made."""
    made_at = stamp.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{_PRODUCT}", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    lines.append(f"X-WR-CALNAME:{_text(name)}")
    for event in events:
        uid = hashlib.sha256(event.identity.encode()).hexdigest()[:32]
        lines += [
            "BEGIN:VEVENT",
            f"UID:{uid}@segmentation-assets",
            f"DTSTAMP:{made_at}",
            f"DTSTART;VALUE=DATE:{event.on:%Y%m%d}",
            f"DTEND;VALUE=DATE:{event.on + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_text(event.summary)}",
            f"DESCRIPTION:{_text(event.description)}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _text(value: str) -> str:
    """A text value: backslash, semicolon and comma escaped, a line end as `\\n`, no other control character."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(c for c in value if c in "\n\t" or unicodedata.category(c) != "Cc")
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        kept = kept.replace(plain, escaped)
    return kept


def _folded(line: str) -> Iterable[str]:
    """The line in pieces of at most 75 octets, each but the first after a space; no letter is cut in two."""
    piece, size = "", 0
    for letter in line:
        width = len(letter.encode())
        if size + width > _LINE:
            yield piece
            piece, size = " ", 1
        piece += letter
        size += width
    yield piece
