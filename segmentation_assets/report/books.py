"""Closed quarters on the tier KPI page: the figures as reported, beside those published now.

Here: the view model. Not here: closing a quarter (`running.closing`), reading closings (`reading.books`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segmentation_assets.reading.books import Closing
from segmentation_assets.reading.figures import day, money, share
from segmentation_assets.report.evidence import Evidence, Row

_TABLE = "company_kpis"
_FIGURES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("arr", "ARR", money),
    ("nrr", "NRR", share),
    ("grr", "GRR", share),
    ("logo_retention", "Logo retention", share),
)


@dataclass(frozen=True)
class ClosedFigure:
    """A figure of the company as reported, and as published now; `now` is empty where both are the same."""

    name: str
    reported: str
    now: str


@dataclass(frozen=True)
class ClosedQuarter:
    """A closed quarter. `note` says how the figures published now differ."""

    quarter: str
    closed_on: str
    figures: tuple[ClosedFigure, ...]
    note: str


def closed_quarters(evidence: Evidence, months: int) -> tuple[ClosedQuarter, ...]:
    """The quarters that were closed by the report's day, the newest first. Figures are over `months`."""
    closed = [one for one in evidence.closings if one.as_of <= evidence.as_of]
    return tuple(_quarter(evidence, one, months) for one in reversed(closed))


def _quarter(evidence: Evidence, closing: Closing, months: int) -> ClosedQuarter:
    reported = next((row for row in closing.figures if row["table"] == _TABLE and row["window_months"] == months), {})
    now = _published_now(evidence, closing, months)
    figures = tuple(
        ClosedFigure(
            name,
            show(reported.get(column)),
            show(now[column]) if now is not None and now[column] != reported.get(column) else "",
        )
        for column, name, show in _FIGURES
    )
    return ClosedQuarter(closing.quarter, day(closing.closed_at.date()), figures, _note(closing, figures, now))


def _published_now(evidence: Evidence, closing: Closing, months: int) -> Row | None:
    if not evidence.has(_TABLE):
        return None
    rows = evidence.rows(f"SELECT * FROM {_TABLE} WHERE as_of = ? AND window_months = ?", closing.as_of, months)
    return next(iter(rows), None)


def _note(closing: Closing, figures: tuple[ClosedFigure, ...], now: Row | None) -> str:
    if now is None:
        return f"not known: {day(closing.as_of)} is not published any more"
    if any(figure.now for figure in figures):
        return f"segmentation close {closing.quarter} --bridge"
    return "the same"
