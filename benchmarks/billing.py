"""From a landed billing file to segments republished: the sensor's decision and the rerun, beside the full chain.

Here: one company whose billing file lifts some accounts over a threshold. Not here: that each crossing is booked once
(`tests/orchestration`), or what Dagster's daemon adds by looking only so often (policy: `orchestration.sensors`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from benchmarks.figures import AS_OF, Figure, Findings, Scale
from segmentation_assets.orchestration.jobs import BILLING_RERUN
from segmentation_assets.orchestration.runs import Runner
from segmentation_assets.orchestration.sensors.billing import pending_crossings
from segmentation_assets.policy.model import load_policy
from segmentation_assets.sample.generate import generate
from segmentation_assets.settings import find_settings
from segmentation_assets.warehouse.store import Store

MOST_SECONDS, MOST_SHARE = 2.0, 0.25
_LIFT = 1.15
"""On the price of every tenth account: some of them cross a threshold."""


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """Wall and CPU seconds of the decision (median) and of the rerun, and the rerun's share of the full chain."""
    tell(f"a sample company of {scale.accounts:,} accounts, and the whole chain on it")
    made = generate(
        folder / "sample",
        accounts=scale.accounts,
        days=scale.days,
        users_per_account=scale.users_per_account,
        seed=7,
        end=AS_OF,
    )
    settings = find_settings(folder / "home", made.sources, "default")
    runner, store, policy = Runner(settings), Store(settings.home), load_policy()
    chain = _run(runner, runner.select("*"))
    tell("a billing file that lifts every tenth account")
    _lift(folder / "sample" / "billing_subscriptions.parquet")
    landing = _run(runner, ["billing_subscriptions"])
    decisions = []
    for _ in range(scale.rounds):
        started = time.perf_counter()
        found = pending_crossings(store, policy, AS_OF)
        decisions.append(time.perf_counter() - started)
    if found.empty:
        raise RuntimeError("nobody crossed a threshold: nothing to measure")
    job = runner.definitions.resolve_job_def(BILLING_RERUN)
    selected = {key.path[-1] for key in job.asset_layer.selected_asset_keys}
    rerun = _run(runner, [name for name in runner.select("*") if name in selected])
    booked = len(found) - len(pending_crossings(store, policy, AS_OF))
    if booked != len(found):
        raise RuntimeError(f"{len(found)} crossings were seen, {booked} booked")
    return Findings(
        [
            Figure("the sensor's decision", sorted(decisions)[len(decisions) // 2], "s", scale.at_full(MOST_SECONDS)),
            Figure("landing", landing[0], "s"),
            Figure("the rerun", rerun[0], "s"),
            Figure("the full chain", chain[0], "s"),
            Figure("rerun ÷ full chain", rerun[0] / chain[0], at_most=scale.at_full(MOST_SHARE)),
            Figure("rerun ÷ full chain, CPU", rerun[1] / chain[1]),
        ],
        [f"{len(found):,} crossings in one file"],
    )


def _lift(file: Path) -> None:
    lifted = file.with_suffix(".lifted")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (CASE WHEN end_date IS NULL AND hash(account_id) % 10 = 0 THEN mrr * {_LIFT} "
            f"ELSE mrr END AS mrr) FROM read_parquet('{file}')) TO '{lifted}' (FORMAT parquet)"
        )
    lifted.replace(file)


def _run(runner: Runner, names: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a run for AS_OF."""
    started, cpu = time.perf_counter(), time.process_time()
    outcome = runner.run(names, [AS_OF])
    if not outcome.succeeded:
        raise RuntimeError(str([f"{step.table}: {step.reason}" for step in outcome.failed]))
    return time.perf_counter() - started, time.process_time() - cpu
