"""The product's side of the KPIs: the KPI tables of some days over what stands, in a process that has started up.

Start-up is what the first run of a process does once: hashing code, reading contracts, planning. So the tables of the
day that the job's plan calls `START_UP` are made first, untimed. Not here: making what the KPIs read (`kpis`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from datetime import date
from itertools import product

from benchmarks.measuring import Job, Measured, peak_memory, run_child
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import load_policy
from segmentation_assets.running.runs import Runner
from segmentation_assets.settings import find_settings
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

START_UP = "start_up"

Making = Callable[[Sequence[date]], dict[str, float]]
"""Makes the tables of some days; seconds by table."""


def run(job: Job) -> Measured:
    """Make the job's tables at its days and say what it took, with Dagster or (not orchestrated) without."""
    if job.orchestrated:
        return _timed(job, _with_dagster(job))
    store = Store(job.home)
    with open_connection(store, job.memory_limit) as connection:
        return _timed(job, _without(job, Engine(connection, store)))


def _timed(job: Job, make: Making) -> Measured:
    first = [date.fromisoformat(day) for day in job.plan[START_UP]]
    make(first)
    for name, day in product(job.tables, first):
        shutil.rmtree(job.home / "published" / name / f"as_of={day}")
    started, cpu = time.perf_counter(), time.process_time()
    seconds = make(job.days)
    return Measured(time.perf_counter() - started, time.process_time() - cpu, peak_memory(), seconds)


def _with_dagster(job: Job) -> Making:
    settings = find_settings(job.home, job.sources, "default")
    settings.remember()
    runner = Runner(settings)

    def make(days: Sequence[date]) -> dict[str, float]:
        outcome = runner.run(job.tables, days)
        if not outcome.succeeded:
            raise RuntimeError(str([f"{step.table}: {step.reason}" for step in outcome.failed]))
        return {step.table: step.seconds or 0.0 for step in outcome.steps}

    return make


def _without(job: Job, engine: Engine) -> Making:
    def make(days: Sequence[date]) -> dict[str, float]:
        builder = Builder(engine, CATALOGUE, load_policy())
        return {name: builder.build(CATALOGUE[name], days).seconds for name in job.tables}

    return make


if __name__ == "__main__":
    run_child(run)
