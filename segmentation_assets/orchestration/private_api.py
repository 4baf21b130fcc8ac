"""Everything that we use of Dagster's private API, except for its storages (`running.storage`).

Here: names from modules that Dagster does not promise to keep, and small functions over them. Not here: any decision
of ours. No other module may import `dagster._anything`; a test checks it.

All are used as of Dagster 1.13.27. `tests/orchestration/test_private_api.py` checks for each what it must do. When
each can go:
- tags and tag values: when `dagster` exports them (asked for in the open; the texts are stored in databases, so they
  do not change within a major release).
- `DagsterEvent`, `DagsterEventBatchMetadata`, `generate_event_batch_id`: when `context.log_event` takes several.
- `raise_interrupts_as`: when a resource may wait and be interrupted by itself.
- `InstanceRef`: when `DagsterInstance.from_config` takes overrides.
- `schedule_execution_time_iterator`: when a schedule definition tells its next ticks.
- `dagster_pages`: when `dagster-webserver` takes middleware from its command line or from `dagster.yaml`.
- the rest: when `dagster` exports them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._core.scheduler.instigation import InstigatorStatus, ScheduleInstigatorData
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    RUN_KEY_TAG,
    SCHEDULE_NAME_TAG,
    SCHEDULED_EXECUTION_TIME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._core.utils import make_new_run_id
from dagster._time import get_current_timestamp
from dagster._utils.interrupts import raise_interrupts_as
from dagster._utils.schedules import schedule_execution_time_iterator
from dagster_shared.error import SerializableErrorInfo

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "CODE_VERSION_TAG",
    "DATA_VERSION_TAG",
    "IN_PROGRESS_RUN_STATUSES",
    "NO_COMPUTE_LOGS",
    "PARTITION_NAME_TAG",
    "RUN_KEY_TAG",
    "SCHEDULED_EXECUTION_TIME_TAG",
    "SCHEDULE_NAME_TAG",
    "SENSOR_NAME_TAG",
    "DagsterEvent",
    "DagsterEventBatchMetadata",
    "EventLogEntry",
    "InstanceRef",
    "InstigatorType",
    "SerializableErrorInfo",
    "dagster_pages",
    "generate_event_batch_id",
    "get_current_timestamp",
    "make_new_run_id",
    "next_tick",
    "raise_interrupts_as",
    "schedule_on_since",
    "switches",
    "times_between",
]

NO_COMPUTE_LOGS: Mapping[str, Mapping[str, str]] = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}
"""An instance's configuration that keeps no copies of stdout and stderr."""


def next_tick(cron: str, zone: str, after: datetime) -> datetime:
    """The first tick after `after`, as Dagster's daemon computes it."""
    return next(_ticks(cron, zone, after))


def times_between(cron: str, zone: str, after: datetime, before: datetime) -> Iterator[datetime]:
    """The ticks of a schedule strictly between two moments, oldest first, as Dagster's daemon computes them."""
    return takewhile(lambda tick: tick < before, (tick for tick in _ticks(cron, zone, after) if tick > after))


def _ticks(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    return schedule_execution_time_iterator(after.timestamp(), cron, zone)


def switches(instance: dg.DagsterInstance) -> Mapping[tuple[InstigatorType, str], bool]:
    """The schedules and sensors that somebody has switched: whether they are on."""
    return {
        (state.instigator_type, state.instigator_name): state.status == InstigatorStatus.RUNNING
        for state in instance.all_instigator_state()
        if state.status != InstigatorStatus.DECLARED_IN_CODE
    }


def schedule_on_since(instance: dg.DagsterInstance, name: str) -> datetime | None:
    """Since when a schedule is on, as recorded by the daemon; None: it has never been on."""
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE):
        data = state.instigator_data
        if state.instigator_name == name and isinstance(data, ScheduleInstigatorData) and data.start_timestamp:
            return datetime.fromtimestamp(data.start_timestamp, UTC)
    return None


@contextmanager
def dagster_pages(workspace: Path) -> Iterator[Any]:
    """Dagster's web pages as an ASGI app, over the instance that the environment names.

    It is what the command `dagster-webserver` serves; that one lets nothing stand in front of it.
    """
    import asyncio  # noqa: PLC0415 - like the rest below, for the one process that serves pages

    from dagster._core.workspace.context import WorkspaceProcessContext  # noqa: PLC0415
    from dagster._core.workspace.load_target import WorkspaceFileTarget  # noqa: PLC0415
    from dagster_webserver.app import create_app_from_workspace_process_context  # noqa: PLC0415
    from dagster_webserver.version import __version__  # noqa: PLC0415

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        del app
        with suppress(asyncio.CancelledError):  # that is how the server ends
            yield

    with (
        dg.DagsterInstance.get() as instance,
        WorkspaceProcessContext(
            instance, version=__version__, workspace_load_target=WorkspaceFileTarget([str(workspace)])
        ) as context,
    ):
        yield create_app_from_workspace_process_context(context, lifespan=lifespan)
