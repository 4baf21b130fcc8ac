"""Closed books: the figures that were reported for a quarter, as they were locked.

Here: reading closings. Not here: closing a quarter, or the bridge to today's figures (`running.closing`).

A closing is one file, `<home>/closings/<quarter>.json`. It is written once and never replaced, whatever is recomputed
later. It holds the figures as published for the quarter's last day, each account's ARR in cents, and the fingerprints
of code, policy and data that made them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from segmentation_assets.reasons import Refusal, WrongUse

FOLDER = "closings"
_MONTHS_PER_QUARTER = 3


class WrongQuarter(WrongUse, ValueError):
    """The text is not a quarter such as 2026-Q3, or that quarter cannot be closed or compared."""


class NotClosed(Refusal, LookupError):
    """The quarter has not been closed."""


@dataclass(frozen=True)
class Closing:
    """A closed quarter. `arr_cents` is ARR by account on the last day; `figures` are rows of the KPI tables."""

    quarter: str
    as_of: date
    closed_at: datetime
    made_from: Mapping[str, str]
    figures: tuple[Mapping[str, Any], ...]
    arr_cents: Mapping[str, int]

    @property
    def arr(self) -> float:
        """Reported ARR on the last day."""
        return sum(self.arr_cents.values()) / 100


def closings(home: Path) -> list[Closing]:
    """All closed quarters, the oldest first."""
    return [read_closing(file) for file in sorted((home / FOLDER).glob("*.json"))]


def closing_of(quarter: str, home: Path) -> Closing:
    """The closing of a quarter. Raises WrongQuarter and NotClosed."""
    last_day(quarter)
    file = closing_file(quarter, home)
    if not file.exists():
        closed = ", ".join(one.quarter for one in closings(home)) or "none"
        raise NotClosed(f"{quarter} is not closed (closed: {closed}). Close it with: segmentation close {quarter}")
    return read_closing(file)


def last_day(quarter: str) -> date:
    """The last day of 2026-Q3: 2026-09-30. Raises WrongQuarter."""
    match = re.fullmatch(r"(\d{4})-Q([1-4])", quarter)
    if match is None:
        raise WrongQuarter(f"{quarter!r} is not a quarter such as 2026-Q3")
    year, month = int(match[1]), _MONTHS_PER_QUARTER * int(match[2])
    following = date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)
    return following - timedelta(days=1)


def closing_file(quarter: str, home: Path) -> Path:
    """Where the closing of a quarter stands. It need not exist."""
    return home / FOLDER / f"{quarter}.json"


def read_closing(file: Path) -> Closing:
    """One closing. Raises Refusal for a file that is no closing."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return Closing(
            facts["quarter"],
            date.fromisoformat(facts["as_of"]),
            datetime.fromisoformat(facts["closed_at"]),
            facts["made_from"],
            tuple(facts["figures"]),
            facts["arr_cents"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{file} is no closing any more ({type(error).__name__}); restore it from a backup") from None
