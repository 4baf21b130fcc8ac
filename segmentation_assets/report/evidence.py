"""The published tables of a report: which tables, of which days, and which are missing and why.

Here: one locked connection over all the tables of a report. Not here: the pages (one module each).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from segmentation_assets.policy.model import Policy
from segmentation_assets.reading.access import ALL, Days, NotPublished, find_table, newest_whole_day, open_tables
from segmentation_assets.reading.books import Closing, closings
from segmentation_assets.reading.explanations.gathering import day_before
from segmentation_assets.reading.timeline import EXTRACTS
from segmentation_assets.report.sets import AccountSets

Row = Mapping[str, Any]
T = TypeVar("T")
_LOG = logging.getLogger(__name__)

OF_THE_DAY = (
    "account_data_quality", "account_demand", "account_periods", "account_profiles", "arr_reconciliation",
    "arr_steps",
    "behavioral_scores", "capacity_plan", "churn_model", "churn_model_quality", "concentration", "coverage_leakage",
    "csm_assignment_constraints", "csm_assignment_runs", "csm_assignments", "csm_loads", "csm_performance",
    "csm_supply", "data_quality", "data_quality_columns", "expansion_scores", "goal_gap", "kpi_scorecard",
    "lead_routes", "play_adherence", "play_effect", "plays_due", "rebalanced_accounts", "renewal_windows",
    "risk_backtest",
    "score_backtest", "segment_backtest", "segment_inputs", "segment_kpis", "segment_states", "tier_migration",
    "tier_migration_summary", "value_scores",
)  # fmt: skip
"""Read on as_of alone."""

OVER_TIME = (
    "account_revenue", "account_usage", "company_kpis", "health_scores", "score_contributions", "segment_mix",
    "segment_move_parts", "segment_moves", "segments", "tier_kpis",
)  # fmt: skip
"""Read on as_of and on the days before it."""

READ = (*OF_THE_DAY, *OVER_TIME)
"""All tables of a report that have days. Only `segments` is required."""


@dataclass(frozen=True)
class Evidence:
    """The published tables of one day, as views of a connection, and which of them are missing."""

    as_of: date
    connection: duckdb.DuckDBPyConnection
    policy: Policy
    missing: Mapping[str, str]
    """Tables that are missing on the day, each with the reason."""
    previous: date | None
    """The last day before as_of for which the chain was run; None: as_of is the first."""
    newer: date | None = None
    """A later day with segments but without all tables of a report; None: there is none."""
    landed: frozenset[str] = frozenset()
    """Extracts that have a view: those of the timeline that have landed. All of them are optional."""
    closings: tuple[Closing, ...] = ()
    """The closed quarters, the oldest first."""
    faults: list[str] = field(default_factory=list)
    """Pages and parts that failed, each with the error: bugs of this program. The report lists them."""
    sets: AccountSets = field(default_factory=AccountSets)
    """The accounts behind the numbers of the pages."""

    def attempt(self, part: str, make: Callable[[], T], otherwise: T) -> T:
        """The result of `make`. If it raises, `otherwise`: only this part is lost, and `faults` lists the error."""
        try:
            return make()
        except Exception as error:
            _LOG.exception("report: %s", part)
            self.faults.append(f"{part} could not be made: {type(error).__name__}: {error}")
            return otherwise

    def has(self, *tables: str) -> bool:
        """Whether all these tables are published for the day."""
        return not any(table in self.missing for table in tables)

    def gaps(self, *tables: str) -> tuple[str, ...]:
        """The reasons for those of the tables that are missing."""
        return tuple(self.missing[table] for table in tables if table in self.missing)

    def rows(self, sql: str, *parameters: Any) -> list[Row]:
        """The rows of a query over the views, by column name."""
        result = self.connection.execute(sql, list(parameters))
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def of_day(self, table: str, order: str = "ALL", where: str = "true") -> list[Row]:
        """The table's rows of as_of; none if it is missing. `order` and `where` are SQL."""
        if table in self.missing:
            return []
        return self.rows(f'SELECT * FROM "{table}" WHERE as_of = ? AND ({where}) ORDER BY {order}', self.as_of)

    def first_of_day(self, table: str, where: str = "true") -> Row | None:
        """The first row of `of_day`, for tables with one row per day; None if it is missing."""
        return next(iter(self.of_day(table, where=where)), None)


@contextmanager
def open_evidence(home: Path, as_of: date | str | None, policy: Policy) -> Iterator[Evidence]:
    """The evidence of one day, by default the newest that has all tables. Raises NotPublished without segments."""
    day = day_of(home, as_of)
    newest = find_table("segments", home).days[-1]
    missing = {name: why for name in READ if (why := _why_missing(name, day, home))}
    tables: dict[str, Days] = {name: day for name in OF_THE_DAY if name not in missing}
    tables |= {name: ALL for name in OVER_TIME if name not in missing}
    landed = frozenset(name for name in EXTRACTS if not _why_missing(name, None, home))
    tables |= dict.fromkeys(landed)
    with open_tables(tables, home) as connection:
        newer = newest if as_of is None and newest > day else None
        books = tuple(closings(home))
        yield Evidence(day, connection, policy, missing, day_before(day, home), newer, landed, closings=books)


def day_of(home: Path, as_of: date | str | None) -> date:
    """The day of a report: `as_of`, else the newest day with all the tables that it reads."""
    return newest_whole_day("segments", READ, home) if as_of is None else find_table("segments", home).day_of(as_of)


def _why_missing(table: str, day: date | None, home: Path) -> str | None:
    try:
        find_table(table, home).of(day)
    except NotPublished as error:
        return str(error) if "has not been made" in str(error) else f"{table} has not been made yet"
    return None
