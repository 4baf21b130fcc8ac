"""How figures are written: rounded so that they can be read, with the exact one at hand.

Here: numbers, money, shares, days and names of columns as words. Not here: where they stand on a page.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

NONE = "–"
_MINUS = "\N{MINUS SIGN}"
_LARGE = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_UPPER = "arr nrr grr csm clv nps csat fte ae cac fx dau wau mau emea apac latam p75"
_ACRONYMS = {word: word.upper() for word in _UPPER.split()} | {
    "america": "America", "28d": "28 d", "90d": "90 d", "180d": "180 d", "12m": "12 m",
}  # fmt: skip


def money(value: float | None) -> str:
    """An amount to three significant digits or so: 20.0M, 62.1k, 850."""
    if value is None:
        return NONE
    for unit, letter in _LARGE:
        scaled = abs(value) / unit
        if scaled >= 0.9995:
            digits = 2 if scaled < 10 else 1 if scaled < 1000 else 0
            return _signed(f"{scaled:,.{digits}f}{letter}", value < 0)
    return _signed(f"{abs(value):,.0f}", round(value) < 0)


def exact(value: float | None) -> str:
    """An amount to the unit: 20,000,003."""
    return NONE if value is None else _signed(f"{abs(value):,.0f}", round(value) < 0)


def change(value: float | None) -> str:
    """A difference of amounts, always with its sign."""
    if value is None:
        return NONE
    return money(value) if round(value) < 0 else f"+{money(value)}" if round(value) > 0 else "±0"


def share(value: float | None, digits: int = 1) -> str:
    """A ratio as a percentage: 108.5%."""
    return NONE if value is None else _signed(f"{abs(value):.{digits}%}", round(value, digits + 2) < 0)


def points(value: float | None, digits: int = 1) -> str:
    """A difference of ratios in percentage points, always with its sign."""
    if value is None:
        return NONE
    rounded = round(value * 100, digits)
    if rounded == 0:
        return "±0 pp"
    return f"{'+' if rounded > 0 else _MINUS}{abs(rounded):.{digits}f} pp"


def number(value: float | None, digits: int = 0) -> str:
    """A number with so many digits behind the point."""
    return NONE if value is None else _signed(f"{abs(value):,.{digits}f}", round(value, digits) < 0)


def counted(number_of: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 account, 2 accounts, 3 matrices (where `plural` is not the noun and an s)."""
    return f"{number_of:,} {noun if number_of == 1 else plural or noun + 's'}"


def count_change(value: float | None) -> str:
    """A difference of counts, always with its sign."""
    if value is None:
        return NONE
    return f"+{value:,.0f}" if value > 0 else _signed(f"{abs(value):,.0f}", value < 0) if value else "±0"


def day(value: date | None) -> str:
    """A day as people write it: 25 Nov 2026."""
    return NONE if value is None else f"{value.day} {value:%b %Y}"


def label(name: Any) -> str:
    """A column's or a word's name for people: `cost_share_of_arr` is Cost share of ARR."""
    words = [_ACRONYMS.get(word, word) for word in str(name).split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def words(text: str) -> str:
    """A sentence of a table for people: names in it, such as north_america or emea, as `label` writes them."""
    return re.sub(r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+|\b(?:emea|apac|latam)\b", lambda name: label(name[0]), text)


def _signed(text: str, is_negative: bool) -> str:
    return f"{_MINUS}{text}" if is_negative else text
