"""KPIs by name: figures, definition, target and benchmark, and where they come from. An unknown name is refused.

Here: which KPIs there are (the columns of the KPI tables that are figures), and the answer to one. Not here: their
formulas (`kpis`) or meanings (their contracts). An assistant that is not told a figure makes one up; so each answer
has the definition beside the figure, and a figure that is not known says why.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from segmentation_assets.assistants.answers import answer, day_of, is_published, sources
from segmentation_assets.reading.access import open_tables
from segmentation_assets.reading.catalogue import CatalogueFacts
from segmentation_assets.reasons import WrongUse
from segmentation_assets.tables.dictionary import ColumnEntry

TABLES: Mapping[str, str] = {"company_kpis": "company", "tier_kpis": "coverage_tier", "segment_kpis": "segment"}
"""The tables of KPIs, and what their rows are of."""
_SCORECARD = "kpi_scorecard"
_FIGURES = ("number", "whole number")
_NO_KPI = ("window_months",)
_SUFFIXES = ("_target", "_target_high", "_benchmark", "_benchmark_low", "_benchmark_high")
_CHECKS = ("tiers_", "segments_")
"""Columns that repeat sums of other tables, so that the contract can compare them."""
_MOST_FIELDS = 40


class UnknownMetric(WrongUse, LookupError):
    """There is no such KPI. The message lists similar ones and says how to list all."""


@dataclass(frozen=True)
class Metric:
    """A KPI: the tables that have it, and what its column says."""

    column: ColumnEntry
    tables: tuple[str, ...]

    def mentions(self, text: str) -> bool:
        """Whether name or meaning have this text."""
        wanted = text.casefold().replace(" ", "_")
        return wanted in self.column.name.casefold() or text.casefold() in self.column.description.casefold()

    def as_plain(self) -> dict[str, Any]:
        """Name, unit, meaning, and the groupings that it is computed for."""
        return {
            "metric": self.column.name,
            "unit": self.column.unit or self.column.type,
            "definition": " ".join(self.column.description.split()),
            "grouping": [TABLES[table] for table in self.tables],
        }


def listed(facts: CatalogueFacts, home: Path, search: str | None) -> dict[str, Any]:
    """The answer with every KPI, or with those that mention a text."""
    day = day_of(home, next(iter(TABLES)), (), None)
    tables = [table for table in TABLES if is_published(home, table, day)]
    chosen = [one for one in metrics_of(facts).values() if search is None or one.mentions(search)]
    return answer(day, sources(home, tables, day), {"metrics": [one.as_plain() for one in chosen]})


def metrics_of(facts: CatalogueFacts) -> dict[str, Metric]:
    """Every KPI of a catalogue by name."""
    columns: dict[str, ColumnEntry] = {}
    tables: dict[str, tuple[str, ...]] = {}
    for table in TABLES:
        for column in facts.entries[table].columns:
            if _is_kpi(column):
                columns.setdefault(column.name, column)
                tables[column.name] = (*tables.get(column.name, ()), table)
    return {name: Metric(column, tables[name]) for name, column in columns.items()}


def _is_kpi(column: ColumnEntry) -> bool:
    return (
        column.type in _FIGURES
        and column.name not in _NO_KPI
        and not column.name.endswith(_SUFFIXES)
        and not column.name.startswith(_CHECKS)
    )


def kpi(
    facts: CatalogueFacts, home: Path, currency: str, name: str, grouping: str, window_months: int, as_of: str | None
) -> dict[str, Any]:
    """The answer for one KPI. Raises UnknownMetric, NotPublished."""
    by_name = metrics_of(facts)
    if name not in by_name:
        near = difflib.get_close_matches(name, by_name, n=5)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise UnknownMetric(f"this is no KPI of this company{hint}. The KPIs are: {', '.join(by_name)}")
    metric = by_name[name]
    table = next((each for each in metric.tables if TABLES[each] == grouping), None)
    if table is None:
        of = ", ".join(TABLES[each] for each in metric.tables)
        raise UnknownMetric(f"{name} is computed for {of}, not for {grouping}")
    day = day_of(home, table, (), as_of)
    tables = [table, *([_SCORECARD] if is_published(home, _SCORECARD, day) else [])]
    rows = _figures(home, tables, day, name, grouping, window_months)
    trace = facts.lineage.up(table, name)
    raw = [str(place) for kind in ("value", "computed") for place in trace.of_kind(kind) if _is_raw(facts, place)]
    data = {
        **metric.as_plain(),
        "grouping": grouping,
        "window_months": window_months,
        "currency": currency,
        "figures": rows,
        "raw_fields": raw[:_MOST_FIELDS],
        "not_shown": max(0, len(raw) - _MOST_FIELDS),
        "policy_sections": list(facts.lineage.policy_of(table).get(table, ())),
    }
    return answer(day, sources(home, tables, day), data)


def _is_raw(facts: CatalogueFacts, place: Any) -> bool:
    lineage = facts.lineage.tables.get(place.table)
    return lineage is not None and lineage.how == "landed"


def _figures(
    home: Path, tables: list[str], day: date, name: str, grouping: str, window_months: int
) -> list[dict[str, Any]]:
    table = tables[0]
    member = "'company'" if grouping == "company" else f'"{grouping}"'
    judged = "target_low, target_high, status, benchmark_low, benchmark_high, benchmark_position, is_low_n"
    with open_tables(dict.fromkeys(tables, day), home) as connection:
        scored = "LEFT JOIN kpi_scorecard c ON c.as_of = k.as_of AND c.window_months = k.window_months AND "
        joined = f"{scored} c.grouping = ? AND c.member = {member} AND c.kpi = ?" if len(tables) > 1 else ""
        more = ", ".join(f"c.{each}" for each in judged.split(", ")) if joined else "NULL AS status"
        result = connection.execute(
            f'SELECT {member} AS member, k."{name}" AS value, k.starts_on, k.accounts AS accounts_now, '
            f"k.start_accounts AS accounts_at_start, k.reason AS reason_unknown, {more} FROM {table} k {joined} "
            "WHERE k.window_months = ? ORDER BY k.arr DESC, 1",
            [*([grouping, name] if joined else []), window_months],
        )
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, values, strict=True)) for values in result.fetchall()]
