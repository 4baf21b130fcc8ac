"""What failed and why: one row per failed run, for people and for `segmentation status`.

Here: the contract and writing a row of it into the home. Not here: noticing that a run failed (`sensors`).
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
    """Which runs failed, and why? One row and one file per failed run, so that telling it twice changes nothing."""

    run_id: str = column("The run.")
    job: str = column("Its job.")
    asked_by: str = column("Sensor or schedule that asked for it; null: a person did.", nullable=True)
    as_of: str = column("Days it was to compute; null: none.", nullable=True)
    failed_at: Moment = column("When it failed, UTC.")
    tables: str = column("Tables that failed, comma-separated; empty: the run failed before or beside them.")
    reason: str = column("Why, in words.")

    class Config:
        unique = ["run_id"]


def record_failure(store: Store, failure: Mapping[str, Any]) -> None:
    """Publish one row. Raises pandera's SchemaError for one that is none."""
    frame = schema_of(RunFailures).validate(pd.DataFrame([failure]))
    with store.stage() as folder:
        file = folder / "failure.parquet"
        arrow = pa.Table.from_pandas(frame, schema=ibis_schema(RunFailures).to_pyarrow(), preserve_index=False)
        pq.write_table(arrow, file)
        store.publish(file, store.published / TABLE / f"{failure['run_id']}.parquet")


def moment(timestamp: float) -> datetime:
    """Seconds since 1970 as a UTC time without zone."""
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)
