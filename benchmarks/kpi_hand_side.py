"""The hand-written side of the KPIs: runs `by_hand/kpis/*.sql` on plain DuckDB over a home's published tables.

The SQL finds the published tables as views of their names and the days wanted in `asked` (as_of). Not here: the SQL
of what the KPIs are made from (`hand_side`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from benchmarks import hand_side
from benchmarks.kpi_chain_side import START_UP
from benchmarks.measuring import Job, Measured, peak_memory, run_child
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.warehouse.packs import whole_sql
from segmentation_assets.warehouse.store import Store

FOLDER = hand_side.FOLDER / "kpis"
_GIVEN = "given"


def tables() -> list[str]:
    """The KPI tables written by hand, upstream first."""
    written = set(hand_side.tables(FOLDER))
    return [spec.name for spec in CATALOGUE if spec.name in written]


def run(job: Job) -> Measured:
    """Compute the job's tables into its home from the published tables in `sources`, and say what it took.

    As on the chain's side, the tables of another day are made first, untimed: their files are then read before too.
    """
    published = job.sources.absolute()
    _compute(job, published, [date.fromisoformat(day) for day in job.plan[START_UP]])
    started, cpu = time.perf_counter(), time.process_time()
    seconds = _compute(job, published, job.days)
    return Measured(time.perf_counter() - started, time.process_time() - cpu, peak_memory(), seconds)


def _compute(job: Job, published: Path, days: Sequence[date]) -> dict[str, float]:
    shutil.rmtree(job.home, ignore_errors=True)
    (job.home / "published").mkdir(parents=True)
    os.chdir(job.home)
    with duckdb.connect(":memory:") as connection:
        hand_side.configure(connection, job)
        _declare(connection, published, days)
        return hand_side.compute(connection, set(job.tables), FOLDER)


def _declare(connection: duckdb.DuckDBPyConnection, published: Path, days: Sequence[date]) -> None:
    """The days asked for, and a view of every table that is given; what the SQL makes itself is found first."""
    connection.execute("CREATE TABLE asked AS SELECT unnest(?::DATE[]) AS as_of", [[str(day) for day in days]])
    connection.execute(f"CREATE SCHEMA {_GIVEN}")
    for spec in CATALOGUE:
        if spec.name not in tables() and Store(published.parent).has(spec.name):
            files = whole_sql(published.parent, spec.name, spec.partition)
            connection.execute(f'CREATE VIEW {_GIVEN}."{spec.name}" AS {files}')
    connection.execute(f"SET search_path = 'main,{_GIVEN}'")


if __name__ == "__main__":
    run_child(run)
