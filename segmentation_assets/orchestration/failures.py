"""The table of failed runs.

Here: the contract, and writing one row into the home. Not here: noticing that a run failed (`sensors.failures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.tables.contracts import Contract, Moment, column, ibis_schema, schema_of
from segmentation_assets.warehouse.store import Store

TABLE = "run_failures"


class RunFailures(Contract):
    """Which runs failed, and why? One row and one file per failed run, so recording it twice changes nothing."""

    run_id: str = column("The run.")
    job: str = column("The job of the run.")
    asked_by: str = column("Sensor or schedule that requested the run; null: a person started it.", nullable=True)
    as_of: str = column("Days of the run, comma-separated; null: none.", nullable=True)
    failed_at: Moment = column("When the run failed, UTC.")
    tables: str = column("Tables that failed, comma-separated; empty: the run failed as a whole.")
    reason: str = column("Reason, as text.")

    class Config:
        unique = ["run_id"]


def record_failure(store: Store, failure: Mapping[str, Any]) -> None:
    """Publish one row. Raises pandera's SchemaError if it breaks the contract."""
    frame = schema_of(RunFailures).validate(pd.DataFrame([failure]))
    with store.stage() as folder:
        file = folder / "failure.parquet"
        arrow = pa.Table.from_pandas(frame, schema=ibis_schema(RunFailures).to_pyarrow(), preserve_index=False)
        pq.write_table(arrow, file)
        store.publish(file, store.published / TABLE / f"{failure['run_id']}.parquet")


def moment(timestamp: float) -> datetime:
    """Seconds since 1970 as a UTC time without zone."""
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)
