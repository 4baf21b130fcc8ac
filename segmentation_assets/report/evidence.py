"""What is published for a report: the tables it reads, of which days, and what is missing and why.

Here: one locked connection over all the tables of a report. Not here: what a page makes of them (its own module).
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
from segmentation_assets.reading.explanations.gathering import day_before

Row = Mapping[str, Any]
T = TypeVar("T")
_LOG = logging.getLogger(__name__)

OF_THE_DAY = (
    "account_demand", "account_profiles", "arr_reconciliation", "behavioral_scores", "capacity_plan", "concentration",
    "coverage_leakage", "csm_assignment_constraints", "csm_assignment_runs", "csm_assignments", "csm_loads",
    "csm_performance", "csm_supply", "data_quality", "expansion_scores", "goal_gap", "rebalanced_accounts",
    "renewal_forecast", "segment_inputs", "segment_states", "tier_migration",
    "tier_migration_summary", "value_scores",
)  # fmt: skip
"""Read for as_of alone."""

OVER_TIME = (
    "account_revenue", "account_usage", "company_kpis", "health_scores", "score_contributions", "segment_mix",
    "segment_moves", "segments", "tier_kpis",
)  # fmt: skip
"""Read for as_of and for the days before it."""

READ = (*OF_THE_DAY, *OVER_TIME)
"""Every table that a report reads where it is there; only `segments` must be."""


@dataclass(frozen=True)
class Evidence:
    """The published tables of one day, as views of a connection, and what of them is not there."""

    as_of: date
    connection: duckdb.DuckDBPyConnection
    policy: Policy
    missing: Mapping[str, str]
    """Tables that cannot be read for the day, each with the reason."""
    previous: date | None
    """The last day before as_of that the chain was run for; None: this is the first."""
    newer: date | None = None
    """A day after as_of that has segments, but not all the tables of a report; None: there is none."""
    faults: list[str] = field(default_factory=list)
    """Pages and parts that could not be made, each with the error: faults of this program, said in the report."""

    def attempt(self, part: str, make: Callable[[], T], otherwise: T) -> T:
        """What `make` makes. A fault in it costs this part of the report and no other, and is named in `faults`."""
        try:
            return make()
        except Exception as error:
            _LOG.exception("report: %s", part)
            self.faults.append(f"{part} could not be made: {type(error).__name__}: {error}")
            return otherwise

    def has(self, *tables: str) -> bool:
        """Whether all these tables are there."""
        return not any(table in self.missing for table in tables)

    def gaps(self, *tables: str) -> tuple[str, ...]:
        """Why those of the tables that are not there are not."""
        return tuple(self.missing[table] for table in tables if table in self.missing)

    def rows(self, sql: str, *parameters: Any) -> list[Row]:
        """The rows of a query over the views, by column name."""
        result = self.connection.execute(sql, list(parameters))
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def of_day(self, table: str, order: str = "ALL", where: str = "true") -> list[Row]:
        """The table's rows of as_of; none where it is missing. `order` and `where` are SQL."""
        if table in self.missing:
            return []
        return self.rows(f'SELECT * FROM "{table}" WHERE as_of = ? AND ({where}) ORDER BY {order}', self.as_of)

    def first_of_day(self, table: str, where: str = "true") -> Row | None:
        """The first of `of_day`: the only row of tables that have one a day."""
        return next(iter(self.of_day(table, where=where)), None)


@contextmanager
def open_evidence(home: Path, as_of: date | str | None, policy: Policy) -> Iterator[Evidence]:
    """The evidence of one day, by default the newest that has all tables. Raises NotPublished without segments."""
    day = day_of(home, as_of)
    newest = find_table("segments", home).days[-1]
    missing = {name: why for name in READ if (why := _why_missing(name, day, home))}
    tables: dict[str, Days] = {name: day for name in OF_THE_DAY if name not in missing}
    tables |= {name: ALL for name in OVER_TIME if name not in missing}
    with open_tables(tables, home) as connection:
        newer = newest if as_of is None and newest > day else None
        yield Evidence(day, connection, policy, missing, day_before(day, home), newer)


def day_of(home: Path, as_of: date | str | None) -> date:
    """The day that a report is of: the one that is named, else the newest with all the tables that it reads."""
    return newest_whole_day("segments", READ, home) if as_of is None else find_table("segments", home).day_of(as_of)


def _why_missing(table: str, day: date, home: Path) -> str | None:
    try:
        find_table(table, home).of(day)
    except NotPublished as error:
        return str(error) if "has not been made" in str(error) else f"{table} has not been made yet"
    return None
