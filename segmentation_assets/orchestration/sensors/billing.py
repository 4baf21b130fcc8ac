"""The billing threshold sensor: it requests a run when new billing data or a new day moves ARR across a threshold.

Here: whether a run is needed, and requesting it. Not here: what a crossing is, or the ledger of crossings
(`activation.crossings`).

The sensor books nothing. It checks whether the ledger would book a crossing, and if so requests one run, in which the
ledger books it. So no crossing is booked twice or lost if the sensor is killed, called twice or switched off: the
next run books what is due, whoever started it.

It looks when billing data has landed, and once at the start of a day, because a price that was agreed earlier takes
effect without any file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.activation.crossings import detect_crossings, thresholds_at, to_compare
from segmentation_assets.orchestration.jobs import BILLING_RERUN
from segmentation_assets.orchestration.partitions import request_for
from segmentation_assets.orchestration.sensors import requests
from segmentation_assets.orchestration.sensors.requests import (
    Fate,
    Request,
    outcome_of,
    report_lost,
    tags_of,
    wait_left,
)
from segmentation_assets.policy.model import Policy
from segmentation_assets.profiles.arr_steps import arr_at_end_of_day, arr_steps
from segmentation_assets.profiles.known import account_hierarchy
from segmentation_assets.profiles.subscriptions import subscription_steps
from segmentation_assets.segments.cuts import tier_cuts
from segmentation_assets.settings import Settings
from segmentation_assets.tables.as_of import Spine, freeze_day, spine_frame
from segmentation_assets.tables.registry import Registry
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.planning import digest
from segmentation_assets.warehouse.store import Store, footer

NAME = "billing_threshold_sensor"
WATCHED = "billing_subscriptions"
CROSSINGS_TAG = "segmentation/crossings"
"""Run tag: the number of crossings when the run was requested."""


@dataclass(frozen=True)
class Cursor(requests.Cursor):
    """`landed`: storage id of the last landing it looked at, on `day`. `asked_for`: that of the open request."""

    landed: int = 0
    asked_for: int = 0
    day: str = ""


def billing_thresholds(settings: Settings, policy: Policy) -> dg.SensorDefinition:
    """The sensor of one home."""
    store = Store(settings.home)

    @dg.sensor(
        name=NAME,
        job_name=BILLING_RERUN,
        minimum_interval_seconds=policy.orchestration.sensors.billing_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="When billing data or a new day moves ARR across a threshold, makes what depends on ARR.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        report_lost(context.instance, store, policy.orchestration.sensors)
        return _tick(context, store, policy)

    return sensor


def _tick(context: dg.SensorEvaluationContext, store: Store, policy: Policy) -> dg.SensorResult:
    cursor = Cursor.read(context.cursor) if context.cursor else Cursor()
    newest = _newest_landing(context.instance)
    request = cursor.request
    outcome = outcome_of(context.instance, request) if request else None
    if outcome and outcome.fate is Fate.PENDING:
        return cursor.result(f"run {outcome.run_id} has not ended yet")
    day = policy.company.today()
    if request is None and newest == cursor.landed and cursor.day == str(day):
        return cursor.result("no new billing data")
    looked = Cursor(landed=newest, day=str(day))
    posted = footer(store.file("threshold_ledger")).get("posted")
    if posted is None:
        return looked.result("the ledger is empty: the first run books the side of every account")
    if posted > str(day):
        return cursor.result(f"the ledger was posted for {posted}, but today is {day} on this machine: waiting")
    crossings = pending_crossings(store, policy, day)
    is_newer = newest != cursor.asked_for or cursor.day != str(day)
    if len(crossings) and is_newer:
        return _ask(Request(f"{identity(crossings)}-{newest}-{day}"), newest, crossings, day)
    if request and outcome and outcome.fate is not Fate.DONE:
        # The run may have booked the crossings and failed later: other tables are still to be made.
        left = wait_left(outcome, request, policy.orchestration.sensors)
        if left > 0:
            return cursor.result(f"run {outcome.run_id or request.key} failed: trying again in {left:.0f} s")
        return _ask(request.again(), cursor.asked_for, crossings, day)
    why = (
        f"the run found nothing to book for {len(crossings)} crossings"
        if len(crossings)
        else "all crossings are booked"
    )
    return looked.result(why)


def _ask(request: Request, asked_for: int, crossings: pd.DataFrame, day: date) -> dg.SensorResult:
    partition, also = request_for(day, day)
    run = dg.RunRequest(
        run_key=request.key,
        partition_key=partition,
        tags=tags_of(request, {CROSSINGS_TAG: str(len(crossings)), **also}),
    )
    cursor = Cursor(request.occasion, request.attempt, asked_for, asked_for, str(day))
    return dg.SensorResult(run_requests=[run], cursor=str(cursor))


def _newest_landing(instance: dg.DagsterInstance) -> int:
    records = instance.fetch_materializations(dg.AssetKey(WATCHED), limit=1).records
    return records[0].storage_id if records else 0


def identity(crossings: pd.DataFrame) -> str:
    """A short hash that identifies these crossings."""
    keys = sorted(
        map("/".join, zip(crossings["account_id"], crossings["threshold"], crossings["direction"], strict=True))
    )
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]


def pending_crossings(store: Store, policy: Policy, day: date) -> pd.DataFrame:
    """The crossings that the ledger would book on `day`, as rows of `detect_crossings`, from landed extracts."""
    from segmentation_assets.chain import CATALOGUE  # noqa: PLC0415 - definitions are made without it in tests

    with open_connection(store) as connection:
        engine = Engine(connection, store)
        arr, merged, cut = _today(engine, policy, day, CATALOGUE)
        ledger = engine.read(CATALOGUE["threshold_ledger"])
        newest = ledger.filter(ledger.is_newest)
        sides = engine.execute(newest.select("account_id", "threshold", "is_above", "arr_seen", "threshold_seen"))
    crossings: Any = detect_crossings(
        sides, to_compare(sides, arr, merged), thresholds_at(policy.tier, cut), policy.tier.exit_band
    )
    return crossings[crossings["direction"].notna()]


def _today(
    engine: Engine, policy: Policy, day: date, catalogue: Registry
) -> tuple[dict[str, float], set[str], float | None]:
    """ARR by account, accounts merged into others, and the Strategic cut, by the functions of the chain itself."""
    spine = engine.frame(spine_frame([freeze_day(day), day]), Spine)
    arr_sql, merged_sql = _queries(engine, policy, spine, catalogue)
    frame = engine.connection.execute(arr_sql).df()
    held = ibis.memtable(frame.assign(is_live=frame["arr"] > 0), schema=_ARR)
    cuts = engine.execute(tier_cuts(spine.filter(spine.as_of == day), held, policy.tier))
    now = frame[pd.to_datetime(frame["as_of"]) == pd.Timestamp(day)]
    arr = dict(zip(now["account_id"], now["arr"].astype(float), strict=True))
    merged = {account for as_of, account in engine.connection.execute(merged_sql).fetchall() if as_of == day}
    return arr, merged, cuts["strategic_cut"].iloc[0] if len(cuts) else None


def _queries(engine: Engine, policy: Policy, spine: ir.Table, catalogue: Registry) -> list[str]:
    """SQL of ARR by day and account, and of the accounts merged into others; kept, as making it takes a second."""
    crm, billing, rates = (engine.read(catalogue[name], name=f"sensor_{name}") for name in _EXTRACTS)
    code = _queries, *(catalogue[name].contract for name in _EXTRACTS)
    key = digest(*map(code_version, code), policy.company.digest, ibis.__version__, duckdb.__version__)
    compiled = Compiled(engine.store.home / "compiled")
    texts = [compiled.get(name, key) for name in _TEXTS]
    if None in texts:
        hierarchy = account_hierarchy(spine, crm)
        steps = arr_steps(spine, subscription_steps(billing, policy.company), rates, hierarchy, policy.company)
        gone = hierarchy.filter(hierarchy.account_id != hierarchy.surviving_account_id)
        texts = [engine.sql(expr) for expr in (arr_at_end_of_day(steps), gone.select("as_of", "account_id"))]
        for name, text in zip(_TEXTS, texts, strict=True):
            compiled.keep(name, key, text)
    return [text for text in texts if text]


_EXTRACTS = "crm_accounts", WATCHED, "fx_rates"
_TEXTS = "sensor_arr", "sensor_merged"
_ARR = {"as_of": "date", "account_id": "string", "arr": "float64", "is_live": "boolean"}
