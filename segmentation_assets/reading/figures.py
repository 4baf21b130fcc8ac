"""Figures as people read them, rounded.

Here: numbers, money, shares, days, counts, and the names that people read for columns and values. Every face uses
these, and the report's script gets them with its page (`formats`). Not here: files for machines (`rows`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from typing import Any

from segmentation_assets.reading.escaping import on_one_line

NONE = "–"
_MINUS = "\N{MINUS SIGN}"
_LARGE = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_ROUNDS_UP_FROM = 0.9995
_EXACT_DIGITS = 6  # digits within which a binary fraction counts as the decimal that was meant
_UPPER = "arr nrr grr csm clv nps csat fte ae cac fx dau wau mau emea apac latam p75 smb"
_ACRONYMS = {word: word.upper() for word in _UPPER.split()} | {
    "america": "America", "28d": "28 d", "90d": "90 d", "180d": "180 d", "12m": "12 m",
}  # fmt: skip
PERCENTS = ("share", "probability", "ratio")
"""Units that people read as percentages. What they read as a multiple has the unit `times`."""
_DIGITS: Mapping[str, int] = {**dict.fromkeys(PERCENTS, 1), "score": 1, "currency": 2, "currency per year": 2}
"""By unit: digits behind the point, of a share in percent. Large amounts are rounded further (`money`, `exact`)."""
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CHF": "CHF\u00a0"}

NAMES: Mapping[str, str] = {
    "At Risk": "Declining usage",
    "at_risk": "Needs attention",
    "arr_at_risk": "Expected loss",
    "risk_share": "Poor health, share",
    "behavioral_cohort": "Usage cohort",
    "behavioral cohort": "usage cohort",
    "into_risk": "into At-Risk",
    "out_of_risk": "out of At-Risk",
    "csm_id": "CSM",
}
"""Names for people of values and columns whose own name would mislead. Only the segment is called At-Risk. The usage
cohort `At Risk`, the micro-segment `at_risk` and `arr_at_risk` (ARR × probability) have other names."""

_NAMES_IN_TEXT = re.compile(
    r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+|\b(?:emea|apac|latam)\b|\bAt Risk\b|\bbehavioral cohort\b"
)

_sign: ContextVar[str] = ContextVar("currency_sign", default="")


@contextmanager
def in_currency(code: str) -> Iterator[None]:
    """Within this block, amounts have the sign of this currency (ISO 4217)."""
    token = _sign.set(sign_of(code))
    try:
        yield
    finally:
        _sign.reset(token)


def sign_of(code: str) -> str:
    """The sign before an amount: $, €, or the code and a space."""
    return _SIGNS.get(code, f"{code}\u00a0")


def formats(code: str) -> dict[str, Any]:
    """Signs, scales, acronyms and names, with which a script writes figures as this module does."""
    return {
        "none": NONE, "minus": _MINUS, "sign": sign_of(code), "scales": _LARGE, "rounds_up_from": _ROUNDS_UP_FROM,
        "acronyms": _ACRONYMS, "names": dict(NAMES),
        "months": [f"{date(2000, month, 1):%b}" for month in range(1, 13)],
    }  # fmt: skip


def money(value: float | None) -> str:
    """An amount to three significant digits or so: $20.0M, $62.1k, $850. Its sign is that of `in_currency`."""
    if value is None:
        return NONE
    for unit, letter in _LARGE:
        scaled = abs(value) / unit
        if scaled >= _ROUNDS_UP_FROM:
            digits = 2 if scaled < 10 else 1 if scaled < 1000 else 0
            return _signed(f"{_sign.get()}{scaled:,.{digits}f}{letter}", value < 0)
    return _signed(f"{_sign.get()}{abs(value):,.0f}", round(value) < 0)


def exact(value: float | None) -> str:
    """An amount to the unit: $20,000,003. Its sign is that of `in_currency`."""
    return NONE if value is None else _signed(f"{_sign.get()}{abs(value):,.0f}", round(value) < 0)


def hourly(value: float | None) -> str:
    """A rate to the cent: $58.57."""
    digits = _DIGITS["currency"]
    return NONE if value is None else _signed(f"{_sign.get()}{abs(value):,.{digits}f}", round(value, digits) < 0)


def change(value: float | None) -> str:
    """A difference of amounts, always with its sign."""
    if value is None:
        return NONE
    return money(value) if round(value) < 0 else f"+{money(value)}" if round(value) > 0 else "±0"


def share(value: float | None, digits: int = _DIGITS["share"]) -> str:
    """A ratio as a percentage: 108.5%."""
    return NONE if value is None else _signed(f"{abs(value):.{digits}%}", round(value, digits + 2) < 0)


def points(value: float | None, digits: int = _DIGITS["share"]) -> str:
    """A difference of ratios in percentage points, always with its sign."""
    if value is None:
        return NONE
    rounded = round(value * 100, digits)
    if rounded == 0:
        return "±0 pp"
    return f"{'+' if rounded > 0 else _MINUS}{abs(rounded):.{digits}f} pp"


def number(value: float | None, digits: int = 0) -> str:
    """A number with `digits` decimals."""
    return NONE if value is None else _signed(f"{abs(value):,.{digits}f}", round(value, digits) < 0)


def apportioned(values: Sequence[float], total: float, digits: int) -> list[float]:
    """Parts rounded to `digits` so that they add up to the rounded total (largest remainders, Hamilton's method).

    No part is off by a unit of the last digit or more, and a part with no more digits than these stays as it is.
    Raises ValueError if the parts do not sum to about the total.
    """
    scale = 10**digits
    exact_units = [round(value * scale, _EXACT_DIGITS) for value in values]
    units = [math.floor(value) for value in exact_units]
    missing = round(total * scale) - sum(units)
    if not 0 <= missing <= len(units):
        raise ValueError(f"parts that sum to {sum(values)} cannot be rounded to add up to {total}")
    by_remainder = sorted(range(len(units)), key=lambda i: (units[i] - exact_units[i], i))
    for i in by_remainder[:missing]:
        units[i] += 1
    return [round(unit / scale, digits) for unit in units]


def sheet_format(unit: str) -> str:
    """The format by which a spreadsheet writes a number of this unit with the digits used here; "" is any unit."""
    if unit not in _DIGITS:
        return "#,##0.####"
    digits = "0" * _DIGITS[unit]
    return f"0.{digits}%" if unit in PERCENTS else f"#,##0.{digits}"


def counted(number_of: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 account, 2 accounts; `plural` for nouns whose plural is not an added s."""
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
    """The name of a column or value for people: `cost_share_of_arr` is Cost share of ARR."""
    if str(name) in NAMES:
        return NAMES[str(name)]
    words = [_ACRONYMS.get(word, word) for word in str(name).split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def words(text: str) -> str:
    """A sentence from a table, with names such as north_america or At Risk as `label` writes them."""
    return _NAMES_IN_TEXT.sub(lambda name: label(name[0]), text)


def shown(value: Any) -> str:
    """Any value of a table as people read it: thousands separated, few decimals, a dash for null."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _signed(f"{abs(value):,}", value < 0)
    if isinstance(value, float):
        digits = 0 if abs(value) >= 1000 else 2 if abs(value) >= 10 else 4  # a ratio of 1.0042 is not 1
        text = f"{abs(value):,.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return _signed(text, value < 0 and text.strip("0.,") != "")
    return value.isoformat(sep=" ") if isinstance(value, datetime) else on_one_line(str(value))


def _signed(text: str, is_negative: bool) -> str:
    return f"{_MINUS}{text}" if is_negative else text
