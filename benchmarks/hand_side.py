"""The hand-written side: runs `by_hand/*.sql` on a plain DuckDB connection, without contracts or orchestration.

The SQL is written for the default policy's form (no renewal grace, days in UTC); its numbers come from the policy as
variables. A section begins with `-- table: <name>` and is timed under that name; what stands before the first section
of a file is part of it all. `-- table: <name> in batches of <n> days` runs once per n days of the table's plan.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import scipy.optimize  # noqa: F401 - loading it is start-up, on both sides

from benchmarks.measuring import Job, Measured, peak_memory, run_child
from segmentation_assets.policy.model import load_policy
from segmentation_assets.scores import churn_bases, churn_model, lifetime

FOLDER = Path(__file__).parent / "by_hand"
_SECTION, _BATCHES = "-- table: ", " in batches of "


@dataclass(frozen=True)
class Section:
    """SQL of one table (empty: a preparation), to be run at once or so many days at a time."""

    table: str
    sql: str
    batch_days: int | None = None


def sections(folder: Path = FOLDER) -> list[Section]:
    """All of a folder, in order."""
    parts = []
    for file in sorted(folder.glob("*.sql")):
        parts.extend(_split(file.read_text(encoding="utf-8")))
    return parts


def _split(text: str) -> Iterator[Section]:
    first, *rest = text.split(_SECTION)
    yield Section("", first)
    for part in rest:
        title, _, sql = part.partition("\n")
        name, _, days = title.partition(_BATCHES)
        yield Section(name.strip(), sql, int(days.split()[0]) if days else None)


def tables(folder: Path = FOLDER) -> list[str]:
    """The tables written by hand, in the order of computing."""
    return [section.table for section in sections(folder) if section.table]


def run(job: Job) -> Measured:
    """Compute the job's tables in an empty home and say what it took."""
    (job.home / "published").mkdir(parents=True)
    (job.home / "sample").symlink_to(job.sources.parent.absolute())
    os.chdir(job.home)
    with duckdb.connect(":memory:") as connection:
        configure(connection, job)
        started, cpu = time.perf_counter(), time.process_time()
        seconds = compute(connection, set(job.tables))
        return Measured(time.perf_counter() - started, time.process_time() - cpu, peak_memory(), seconds)


def configure(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    """Settings as the chain's engine has them, the policy's numbers, the days of each table."""
    for statement in (
        "SET preserve_insertion_order = false",
        "SET partitioned_write_max_open_files = 100000",
        "SET TimeZone = 'UTC'",
        f"SET memory_limit = '{job.memory_limit}'",
        "SET temp_directory = 'spill'",
    ):
        connection.execute(statement)
    _declare(connection, job)


def compute(
    connection: duckdb.DuckDBPyConnection, wanted: Collection[str], folder: Path = FOLDER
) -> dict[str, float]:
    """Run the sections of the wanted tables: seconds by table. Raises RuntimeError, naming it, for broken SQL."""
    seconds: dict[str, float] = {}
    for section in sections(folder):
        if section.table and section.table not in wanted:
            continue
        started = time.perf_counter()
        try:
            _run(connection, section)
        except duckdb.Error as error:
            raise RuntimeError(f"{section.table or 'preparation'}: {error}") from error
        if section.table:
            seconds[section.table] = time.perf_counter() - started
    return seconds


def _run(connection: duckdb.DuckDBPyConnection, section: Section) -> None:
    if section.table in _IN_PYTHON:
        _IN_PYTHON[section.table](connection)
    if section.batch_days is None:
        connection.execute(section.sql)
        return
    query = "SELECT as_of FROM plan WHERE table_name = ? ORDER BY as_of"
    days = [day for (day,) in connection.execute(query, [section.table]).fetchall()]
    for start in range(0, len(days), section.batch_days):
        batch = days[start : start + section.batch_days]
        connection.execute("CREATE OR REPLACE TABLE batch AS SELECT unnest(?::DATE[]) AS as_of", [batch])
        connection.execute(section.sql)


def _fit_lifetimes(connection: duckdb.DuckDBPyConnection) -> None:
    """Retention curves, by the product's own functions: the fit is numerics, not SQL."""
    policy = load_policy().lifetime
    renewals = connection.execute("FROM cohort_renewals").df()
    parameters = lifetime.clv_parameters(renewals, policy)
    _keep(connection, "fitted_parameters", parameters)
    _keep(connection, "fitted_lifetimes", lifetime.clv_lifetimes(parameters, renewals, policy))


def _fit_bases(connection: duckdb.DuckDBPyConnection) -> None:
    """The base of the churn rule, by the product's own function."""
    days = connection.execute("FROM days_of('churn_bases')").df()
    outcomes = connection.execute("FROM churn_outcomes").df()
    _keep(connection, "fitted_bases", churn_bases.churn_bases(days, outcomes, load_policy().churn))


def _fit_model(connection: duckdb.DuckDBPyConnection) -> None:
    """The coefficients of the churn risk, by the product's own function."""
    days = connection.execute("FROM days_of('churn_model')").df()
    training = connection.execute("FROM churn_training").df()
    bases = connection.execute("FROM fitted_bases").df()
    _keep(connection, "fitted_model", churn_model.churn_model(days, training, bases, load_policy().churn))


def _keep(connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    connection.register("frame", frame)
    connection.execute(f"CREATE TABLE {table} AS SELECT * REPLACE (as_of::DATE AS as_of) FROM frame")
    connection.unregister("frame")


_IN_PYTHON: Mapping[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "clv_parameters": _fit_lifetimes,
    "churn_bases": _fit_bases,
    "churn_model": _fit_model,
}


def _declare(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    """The policy's numbers as variables, and the days wanted of each table."""
    connection.execute("CREATE MACRO policy(name) AS getvariable(name)")
    for name, value in job.policy.items():
        connection.execute(f'SET VARIABLE "{name}" = {literal(value)}')
    connection.execute("CREATE TABLE plan (table_name VARCHAR, as_of DATE)")
    rows = [(name, day) for name, days in job.plan.items() for day in days]
    if rows:
        connection.executemany("INSERT INTO plan VALUES (?, ?)", rows)


def literal(value: Any) -> str:
    """A policy value as SQL: numbers as INTEGER or DOUBLE, lists, and mappings as MAP."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value!r}::DOUBLE"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, Mapping):
        keys, values = literal(list(value)), literal(list(value.values()))
        return f"MAP({keys}, {values})"
    return "'" + str(value).replace("'", "''") + "'"


if __name__ == "__main__":
    run_child(run)
