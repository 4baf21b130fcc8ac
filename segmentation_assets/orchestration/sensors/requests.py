"""Runs that a sensor requested: whether they succeeded, and when a failed one may be requested again.

Here: requests, their keys, the cursor with the open request, runs whose process is gone. Not here: what a sensor
requests, and why.

A run key launches only once, so each attempt has its own. Dagster stores the new cursor and the run's id before it
submits the run. So even if a process is killed in between, the run is launched once. It may still fail; so a sensor
keeps its open request in the cursor and checks its outcome.
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
    """The outcome of a request's run."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    """A step refused the data. The same run would fail again."""
    FAILED = "failed"
    """The run died, was cancelled or deleted, or failed in a way that another attempt may not."""


@dataclass(frozen=True)
class Request:
    """A request for a run: a text that identifies the occasion, and the number of the attempt."""

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
    """The state of a sensor between ticks, stored by Dagster. Each sensor adds its own fields.

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

    def result(self, *reasons: str) -> dg.SensorResult:
        """A tick without a request, with the reasons, one line each."""
        return dg.SensorResult(skip_reason=dg.SkipReason("\n".join(reasons)), cursor=str(self))


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request: fate, run, and when the run ended (seconds since 1970)."""

    fate: Fate
    run_id: str = ""
    ended: float = 0.0


def outcome_of(instance: dg.DagsterInstance, request: Request) -> Outcome:
    """The outcome of a request's run. A run that does not exist has failed."""
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
    """Seconds until a failed request may be repeated: twice as long after each attempt, up to the policy's limit.

    A run that ended in the future is repeated at once: the clock was set back, and waiting would take as long again.
    """
    wait = min(policy.retry_seconds * 2 ** min(request.attempt - 1, 30), policy.retry_most_seconds)
    passed = get_current_timestamp() - outcome.ended
    return wait - passed if passed >= 0 else 0.0


def report_lost(instance: dg.DagsterInstance, store: Store, policy: SensorPolicy) -> list[str]:
    """Mark runs as failed if their process is gone. Otherwise they would hold their place in the queue forever.

    This includes runs that were launched and never started; Dagster itself checks these only every few minutes. If
    such a run starts after all, it ends at once, because Dagster does not start a failed run.
    """
    lost = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY)):
        run, began = record.dagster_run, record.start_time or record.update_timestamp.timestamp()
        begins = run.status is dg.DagsterRunStatus.STARTING
        patience = policy.starting_seconds if begins else policy.lost_seconds
        waited = abs(get_current_timestamp() - began)  # the clock may have been set back since
        if waited > patience and not store.is_running(run.run_id):
            instance.report_run_failed(run, "the run's process is gone: it was killed, or the machine went down")
            lost.append(run.run_id)
    return lost


def tags_of(request: Request, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a request's run."""
    return {REQUEST_TAG: request.key, **(more or {})}
