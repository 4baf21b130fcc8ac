"""Runs that a sensor asked for: what became of them, and when one that failed may be asked for again.

Here: requests, their keys, the cursor that remembers the open one, runs whose process is gone. Not here: what any
sensor asks for, and why.

A run key launches once ever, so each attempt has its own. Dagster stores the new cursor and the run's id before it
submits the run: whatever is killed then, the run is launched, once. It does not promise that the run succeeds; a
sensor therefore remembers its open request in the cursor and looks what became of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Self

import dagster as dg

from segmentation_assets.orchestration.private_api import IN_PROGRESS_RUN_STATUSES, get_current_timestamp
from segmentation_assets.policy.orchestration import SensorPolicy
from segmentation_assets.warehouse.store import Store

REQUEST_TAG = "segmentation/request"
"""Run tag: the request that a run answers."""
_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
_PENDING = (*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)


class Fate(Enum):
    """What became of a request."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    """A step failed on purpose: the data is bad, and the same run would fail again."""
    FAILED = "failed"
    """It died, was cancelled or deleted, or something failed that may not fail again."""


@dataclass(frozen=True)
class Request:
    """What a sensor asked for: a word for the occasion, and how often it has asked."""

    occasion: str
    attempt: int = 1

    @property
    def key(self) -> str:
        """The run key, also the value of REQUEST_TAG."""
        return f"{self.occasion}-{self.attempt}"

    def again(self) -> Request:
        """The next attempt."""
        return replace(self, attempt=self.attempt + 1)


@dataclass(frozen=True)
class Cursor:
    """What a sensor remembers between ticks, as Dagster keeps it; sensors add what they look at.

    `occasion` and `attempt` are those of the open request.
    """

    occasion: str = ""
    attempt: int = 0

    @property
    def request(self) -> Request | None:
        """The open request."""
        return Request(self.occasion, self.attempt) if self.occasion else None

    @classmethod
    def read(cls, text: str) -> Self:
        """The cursor that was written as `text`."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def result(self, *told: str) -> dg.SensorResult:
        """Nothing is asked for, and why: a line each."""
        return dg.SensorResult(skip_reason=dg.SkipReason("\n".join(told)), cursor=str(self))


@dataclass(frozen=True)
class Outcome:
    """What became of a request, by which run, and when that ended (seconds since 1970)."""

    fate: Fate
    run_id: str = ""
    ended: float = 0.0


def outcome_of(instance: dg.DagsterInstance, request: Request) -> Outcome:
    """What became of a request's run; a run that is nowhere has failed."""
    records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: request.key}), limit=1)
    if not records:
        return Outcome(Fate.FAILED)
    run, ended = records[0].dagster_run, records[0].end_time or records[0].update_timestamp.timestamp()
    if run.status in _PENDING:
        return Outcome(Fate.PENDING, run.run_id)
    if run.is_success:
        return Outcome(Fate.DONE, run.run_id, ended)
    return Outcome(Fate.REFUSED if _is_deliberate(instance, run.run_id) else Fate.FAILED, run.run_id, ended)


def _is_deliberate(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether every failed step failed by `dg.Failure(allow_retries=False)`."""
    failures = [
        entry.dagster_event.step_failure_data
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        if entry.dagster_event
    ]
    return bool(failures) and all(data.user_failure_data is not None for data in failures)


def wait_left(outcome: Outcome, request: Request, policy: SensorPolicy) -> float:
    """Seconds until a failed request may be made again: twice as long after each attempt, up to a bound."""
    wait = min(policy.retry_seconds * 2 ** min(request.attempt - 1, 30), policy.retry_most_seconds)
    return outcome.ended + wait - get_current_timestamp()


def report_lost(instance: dg.DagsterInstance, store: Store, policy: SensorPolicy) -> list[str]:
    """Mark runs as failed whose process is gone without a word; they would hold their place in the queue for good.

    Also those that were launched and never began: Dagster itself looks after them every few minutes. One that begins
    after all ends at once, as Dagster lets no run begin that has failed.
    """
    lost = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run, began = record.dagster_run, record.start_time or record.update_timestamp.timestamp()
        begins = run.status is dg.DagsterRunStatus.STARTING
        patience = policy.starting_seconds if begins else policy.lost_seconds
        if get_current_timestamp() - began > patience and not store.is_running(run.run_id):
            instance.report_run_failed(run, "the run's process is gone: it was killed, or the machine went down")
            lost.append(run.run_id)
    return lost


def tags_of(request: Request, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a request's run."""
    return {REQUEST_TAG: request.key, **(more or {})}
