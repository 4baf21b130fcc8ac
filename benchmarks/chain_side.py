"""The product's side: the chain as `segmentation run` runs it, or (`orchestrated` false) without Dagster."""

from __future__ import annotations

import time

import scipy.optimize  # noqa: F401 - loading it is start-up, on both sides

from benchmarks.measuring import Job, Measured, peak_memory, run_child
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.running.runs import Runner
from segmentation_assets.settings import find_settings
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store


def run(job: Job) -> Measured:
    """Land the extracts and bring the job's tables up to date in an empty home."""
    return _with_dagster(job) if job.orchestrated else _without(job)


def _with_dagster(job: Job) -> Measured:
    settings = find_settings(job.home, job.sources, "default")
    settings.remember()
    runner = Runner(settings)
    wanted = set(job.tables)
    names = [name for name in runner.select("*") if name in wanted]
    started, cpu = time.perf_counter(), time.process_time()
    outcome = runner.run(names, job.days)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    if not outcome.succeeded:
        raise RuntimeError(str([f"{step.table}: {step.reason}" for step in outcome.failed]))
    seconds = {step.table: step.seconds or 0.0 for step in outcome.steps}
    return Measured(wall, cpu, peak_memory(), seconds)


def _without(job: Job) -> Measured:
    store = Store(job.home)
    sources, policy = read_sources(job.sources), load_policy()
    seconds: dict[str, float] = {}
    with open_connection(store, job.memory_limit) as connection:
        started, cpu = time.perf_counter(), time.process_time()
        engine = Engine(connection, store)
        for landed in land(sources, engine, policy.sections, [t for t in job.tables if CATALOGUE[t].is_extract]):
            if landed.failed:
                raise RuntimeError(landed.reason)
            seconds[landed.extract] = landed.seconds
        builder = Builder(engine, CATALOGUE, policy)
        plan = builder.plan(job.tables, job.days)
        for name in plan:
            spec = CATALOGUE[name]
            if not spec.is_extract:
                is_daily = spec.partition == "usage_date"
                days = store.days("product_usage", "usage_date") if is_daily else plan[name]
                seconds[name] = builder.build(spec, days).seconds
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Measured(wall, cpu, peak_memory(), seconds)


if __name__ == "__main__":
    run_child(run)
