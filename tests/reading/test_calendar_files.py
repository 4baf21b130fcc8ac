"""Calendar files as RFC 5545 has them: escaped, folded, and no text begins a line of its own."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from segmentation_assets.reading.calendar_files import Event, calendar

STAMP = datetime(2026, 11, 28, 7, 0, tzinfo=timezone(timedelta(hours=1)))
FRIDAY = date(2026, 11, 27)


def event(summary: str, description: str = "why", identity: str = "a|play|1") -> Event:
    return Event(identity, FRIDAY, summary, description)


def lines_of(text: str) -> list[str]:
    """Lines as a calendar reads them: unfolded."""
    assert text.endswith("\r\n")
    return re.sub("\r\n[ \t]", "", text).split("\r\n")[:-1]


def value(lines: list[str], name: str) -> str:
    """The text of the only property of this name, unescaped."""
    (line,) = [line for line in lines if line.startswith(name + ":")]
    return re.sub(r"\\(.)", lambda escaped: {"n": "\n", "N": "\n"}.get(escaped[1], escaped[1]), line[len(name) + 1 :])


def test_an_event_is_of_a_whole_day_and_keeps_its_id():
    lines = lines_of(calendar("Due: Farah", [event("Acme: call")], STAMP))
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-1] == "END:VCALENDAR"
    for line in (
        "VERSION:2.0",
        "DTSTAMP:20261128T060000Z",
        "DTSTART;VALUE=DATE:20261127",
        "DTEND;VALUE=DATE:20261128",
    ):
        assert line in lines
    again = lines_of(calendar("other", [event("moved")], STAMP))
    assert value(lines, "UID") == value(again, "UID")
    other = lines_of(calendar("other", [event("moved", identity="b|play|1")], STAMP))
    assert value(lines, "UID") != value(other, "UID")


def test_separators_and_line_ends_are_escaped():
    text = calendar("x", [event("a;b,c\\d\ne\r\nf")], STAMP)
    assert "SUMMARY:a\\;b\\,c\\\\d\\ne\\nf\r\n" in text


def test_a_name_cannot_add_a_property():
    lines = lines_of(calendar("x", [event("Acme\r\nATTACH:http://evil.example\r\nBEGIN:VALARM")], STAMP))
    assert not [line for line in lines if line.startswith(("ATTACH", "BEGIN:VALARM"))]


@given(st.text(max_size=200), st.text(alphabet="é🚀x;,\\\n", max_size=200))
def test_every_text_comes_back_and_no_line_is_too_long(summary: str, description: str):
    text = calendar("Due", [event(summary, description)], STAMP)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    lines = lines_of(text)
    plain = summary.replace("\r\n", "\n").replace("\r", "\n")
    expected = "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) != "Cc")
    assert value(lines, "SUMMARY") == expected
    assert value(lines, "DESCRIPTION") == description
    assert [line for line in lines if line.startswith("BEGIN")] == ["BEGIN:VCALENDAR", "BEGIN:VEVENT"]
