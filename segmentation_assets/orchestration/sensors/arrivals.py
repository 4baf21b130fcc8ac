"""The extract arrival sensor: when new files are complete, it requests one run that lands their extracts.

Here: when the landing of a changed extract is requested. Not here: signatures (`extracts.arrivals`), or landing.

A file that is still being written changes between two looks. So an extract is landed once it looks the same twice.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Self

import dagster as dg

from segmentation_assets.extracts.arrivals import Arrivals, look
from segmentation_assets.extracts.contracts import QUARANTINE
from segmentation_assets.extracts.delivery import FileHashes
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.orchestration.jobs import LANDING
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
from segmentation_assets.settings import Settings, find_settings
from segmentation_assets.warehouse.store import Store

NAME = "extract_arrival_sensor"


@dataclass(frozen=True)
class Cursor(requests.Cursor):
    """Signatures by extract: at the last look (`seen`), and when their landing was last requested (`requested`).

    `names` are the extracts of the open request, `serial` counts requests. `refused` are the extracts of the last
    request if some of its rows were refused.
    """

    seen: dict[str, str] = field(default_factory=dict)
    requested: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    serial: int = 0
    refused: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> Self:
        """The cursor that was written as `text`. Homes of November 2026 and before call `requested` `asked`."""
        values = json.loads(text)
        if "asked" in values:
            values["requested"] = values.pop("asked")
        return cls(**values)


def extract_arrivals(settings: Settings, policy: Policy) -> dg.SensorDefinition:
    """The sensor of one home."""
    store = Store(settings.home)

    @dg.sensor(
        name=NAME,
        job_name=LANDING,
        minimum_interval_seconds=policy.orchestration.sensors.arrival_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="When files of an extract are new and no longer grow, lands that extract.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        report_lost(context.instance, store, policy.orchestration.sensors)
        # The mapping may have been made since the location was loaded.
        mapping = settings.sources or find_settings(settings.home).sources
        if mapping is None:
            return dg.SensorResult(skip_reason=dg.SkipReason("no sources are mapped yet"))
        hashes = FileHashes(store.home / "landing" / "files.json")
        arrivals = look(read_sources(mapping), policy.company.today(), hashes)
        return _tick(context, arrivals, policy)

    return sensor


def _tick(context: dg.SensorEvaluationContext, arrivals: Arrivals, policy: Policy) -> dg.SensorResult:
    signatures, remarks = dict(arrivals.signatures), list(arrivals.remarks)
    if context.cursor is None:  # extracts that have landed unchanged are not new
        cursor = Cursor(requested={name: signatures[name] for name in sorted(arrivals.landed)})
    else:
        cursor = Cursor.read(context.cursor)
    new = {name for name, signature in signatures.items() if cursor.requested.get(name) != signature}
    settled = {name for name in new if cursor.seen.get(name) == signatures[name]}
    growing = new - settled
    remarks += [f"{name}: new files; waiting until they no longer change" for name in sorted(growing)]
    cursor, attempt = replace(cursor, seen=signatures), 1
    if request := cursor.request:
        outcome = outcome_of(context.instance, request)
        if outcome.fate is Fate.PENDING:
            return cursor.result(f"run {outcome.run_id} lands {', '.join(cursor.names)}", *remarks)
        left = wait_left(outcome, request, policy.orchestration.sensors)
        if outcome.fate is Fate.FAILED and left > 0 and not settled:
            return cursor.result(f"run {outcome.run_id} failed: trying again in {left:.0f} s", *remarks)
        if outcome.fate is Fate.FAILED:
            settled |= {name for name in cursor.names if name in signatures} - growing
            attempt = request.attempt + 1
        if outcome.fate is Fate.REFUSED:
            remarks.append(
                f"run {outcome.run_id} refused some of {', '.join(cursor.names)}: {NAME} waits for new files"
            )
            cursor = replace(cursor, refused=cursor.names)
        if outcome.fate is Fate.DONE:
            cursor = replace(cursor, refused=[])
        if outcome.fate is not Fate.FAILED or settled:
            cursor = replace(cursor, names=[], occasion="", attempt=0)
    if not settled:
        return cursor.result(*(remarks or ["no new files"]))
    # Rows may have been refused because of another extract that is good now.
    settled |= {name for name in cursor.refused if name in signatures} - growing
    return _ask(cursor, sorted(settled), attempt)


def _ask(cursor: Cursor, names: list[str], attempt: int) -> dg.SensorResult:
    requested = cursor.requested | {name: cursor.seen[name] for name in names}
    serial = cursor.serial + 1
    word = hashlib.sha256("\n".join(f"{name}={requested[name]}" for name in names).encode()).hexdigest()[:12]
    request = Request(f"{word}-{serial}", attempt)
    keys = [dg.AssetKey(name) for name in [*names, QUARANTINE.name]]
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=request.key, asset_selection=keys, tags=tags_of(request))],
        cursor=str(
            replace(
                cursor,
                requested=requested,
                names=names,
                occasion=request.occasion,
                attempt=attempt,
                serial=serial,
            )
        ),
    )
