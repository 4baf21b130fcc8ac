"""What an extract's step does: land it and tell Dagster what came in.

Here: events, check and metadata of landing one extract. Not here: reading sources, history or quarantine
(`extracts.landing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from segmentation_assets.orchestration.resources import Session
from segmentation_assets.warehouse.registry import TableSpec


def land_extract(context: dg.AssetExecutionContext, session: Session, spec: TableSpec) -> Iterator[Any]:
    """One extract's step. Raises dg.Failure, after the failed check, where too many of its rows are bad."""
    raise NotImplementedError
