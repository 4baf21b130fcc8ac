"""From a landed billing drop to segments republished: the sensor's decision and the rerun, beside the full chain.

Here: one company with its weekly history made, and a billing drop dated today that lifts some of its accounts over a
threshold. Not here: that each crossing is booked once (`tests/orchestration`), or what Dagster's daemon adds by
looking only so often (policy: `orchestration.sensors`).

The full chain is measured twice. "First": all extracts landed and every table for one day, with the days that it
looks back on, in an empty home. "One day more": the same selection for the next day in the same home, where the days
looked back on stand already, and every extract is landed from scratch.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.figures import AS_OF, Figure, Findings, Scale
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.orchestration.jobs import BILLING_RERUN
from segmentation_assets.orchestration.sensors.billing import pending_crossings
from segmentation_assets.policy.model import load_policy
from segmentation_assets.running.runs import Runner
from segmentation_assets.sample.generate import generate
from segmentation_assets.settings import find_settings
from segmentation_assets.warehouse.store import Store

MOST_SECONDS, MOST_SHARE = 2.0, 0.25
_LIFT = 1.15
"""On the price of every tenth account: some of them cross a threshold."""
_USERS, _DAYS = 2, 180
"""Users of an account and days of history, at most: usage is not touched by the rerun, so more of it would only make
the full chain slower beside it."""


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """Wall and CPU seconds of the decision (median) and of the rerun, and the rerun's share of the full chain."""
    tell(f"a sample company of {scale.accounts:,} accounts, and the whole chain on it")
    sample = generate(
        folder / "sample",
        accounts=scale.accounts,
        days=min(scale.days, _DAYS),
        users_per_account=min(scale.users_per_account, _USERS),
        seed=7,
        end=AS_OF,
    )
    drops = _dated(folder / "sample", sample.sources)
    settings = find_settings(folder / "home", sample.sources, "default")
    runner, store, policy = Runner(settings), Store(settings.home), load_policy()
    first = _run(runner, runner.select("*"), AS_OF - timedelta(days=1))
    tell("one day more, all extracts landed from scratch")
    for spec in CATALOGUE:
        if spec.is_extract:
            shutil.rmtree(store.published / spec.name, ignore_errors=True)
    another = _run(runner, runner.select("*"), AS_OF)
    tell("a drop of today that lifts every tenth account")
    _lift(drops)
    landing = _run(runner, ["billing_subscriptions"])
    decisions = []
    for _ in range(scale.rounds):
        started = time.perf_counter()
        crossings = pending_crossings(store, policy, AS_OF)
        decisions.append(time.perf_counter() - started)
    if crossings.empty:
        raise RuntimeError("nobody crossed a threshold: nothing to measure")
    job = runner.definitions.resolve_job_def(BILLING_RERUN)
    selected = {key.path[-1] for key in job.asset_layer.selected_asset_keys}
    rerun = _run(runner, [name for name in runner.select("*") if name in selected])
    left = pending_crossings(store, policy, AS_OF)
    if len(left):
        raise RuntimeError(f"{len(crossings)} crossings were seen, {len(left)} of them not booked")
    return Findings(
        [
            Figure("the sensor's decision", sorted(decisions)[len(decisions) // 2], "s", scale.at_full(MOST_SECONDS)),
            Figure("landing", landing[0], "s"),
            Figure("the rerun", rerun[0], "s"),
            Figure("the full chain, first", first[0], "s"),
            Figure("the full chain, one day more", another[0], "s"),
            Figure("rerun ÷ first full chain", rerun[0] / first[0], at_most=scale.at_full(MOST_SHARE)),
            Figure("rerun ÷ first full chain, CPU", rerun[1] / first[1]),
            Figure("rerun ÷ one day more", rerun[0] / another[0]),
            Figure("rerun ÷ one day more, CPU", rerun[1] / another[1]),
        ],
        [f"{len(crossings):,} crossings in one drop"],
    )


def _dated(sample: Path, sources: Path) -> Path:
    """Bring the billing file in as a drop of two days ago, so that another one leaves the past as it was known."""
    drops = sample / "billing_subscriptions"
    drops.mkdir()
    (sample / "billing_subscriptions.parquet").rename(drops / f"{AS_OF - timedelta(days=2)}.parquet")
    text = sources.read_text(encoding="utf-8")
    mapped = text.replace("path: billing_subscriptions.parquet", 'path: "billing_subscriptions/*.parquet"')
    if mapped == text:
        raise RuntimeError(f"{sources}: billing_subscriptions is not mapped as expected")
    sources.write_text(mapped, encoding="utf-8")
    return drops


def _lift(drops: Path) -> None:
    """A drop of today: subscriptions in force of every tenth account end yesterday and go on at another price."""
    (drop,) = drops.glob("*.parquet")
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE known AS SELECT *, end_date IS NULL AND hash(account_id) % 10 = 0 AS lifted "
            f"FROM read_parquet('{drop}')"
        )
        ended, lifted = f"lifted AND start_date < DATE '{AS_OF}'", f"mrr * {_LIFT} AS mrr"
        connection.execute(
            f"COPY (SELECT * EXCLUDE lifted REPLACE (CASE WHEN {ended} THEN DATE '{AS_OF - timedelta(days=1)}' "
            f"ELSE end_date END AS end_date) FROM known UNION ALL SELECT * EXCLUDE lifted REPLACE "
            f"(subscription_id || '-up' AS subscription_id, DATE '{AS_OF}' AS start_date, {lifted}) "
            f"FROM known WHERE {ended}) TO '{drops}/{AS_OF}.parquet' (FORMAT parquet)"
        )


def _run(runner: Runner, names: Sequence[str], day: date = AS_OF) -> tuple[float, float]:
    """Wall and CPU seconds of a run for a day."""
    started, cpu = time.perf_counter(), time.process_time()
    outcome = runner.run(names, [day])
    if not outcome.succeeded:
        raise RuntimeError(str([f"{step.table}: {step.reason}" for step in outcome.failed]))
    return time.perf_counter() - started, time.process_time() - cpu
