"""Dagster events: days that a step made besides its run's partitions, and the reason of a failed step.

Here: materialization events for look-back days, in one batch; the reason in a failure event. Not here: the events of
an asset's own partitions, which Dagster writes itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from segmentation_assets.orchestration.private_api import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    DagsterEvent,
    DagsterEventBatchMetadata,
    SerializableErrorInfo,
    generate_event_batch_id,
)

ROW_COUNT = "dagster/row_count"
_CLASS_NAME = re.compile(r"^(dagster|segmentation_assets)[\w.]*: ")


def record_days(
    context: dg.AssetExecutionContext,
    table: str,
    rows: Mapping[date | None, int],
    versions: Mapping[date | None, str],
    code_version: str,
) -> None:
    """Record that `table` was made for these days (None: it has no days). `rows` and `versions` are per day.

    One event per day as with `context.log_event`, but stored in one batch, which `log_event` cannot do.
    """
    step = context.get_step_execution_context()
    batch, last = generate_event_batch_id(), len(rows) - 1
    for i, (day, count) in enumerate(rows.items()):
        materialization = dg.AssetMaterialization(
            asset_key=table,
            partition=None if day is None else day.isoformat(),
            metadata={ROW_COUNT: count},
            tags={DATA_VERSION_TAG: versions[day], CODE_VERSION_TAG: code_version},
        )
        DagsterEvent.asset_materialization(step, materialization, DagsterEventBatchMetadata(batch, i == last))


def reason_of(event: DagsterEvent) -> str:
    """Why a step failed: its own description, else the innermost error."""
    data: Any = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return root_cause(data.error)


def root_cause(error: SerializableErrorInfo | None) -> str:
    """The message of the innermost error."""
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return "interrupted; published tables are kept, and the same command continues from there"
    return _CLASS_NAME.sub("", error.message.strip()) if error is not None else "failed"
