"""Ledgers: tables that remember what was booked, and only grow.

Here: what a posting knows of itself, and putting new entries behind old ones. Not here: registering a ledger
(`registry`), or posting it (`warehouse.posting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from segmentation_assets.tables.contracts import Contract, ibis_schema


@dataclass(frozen=True)
class Posting:
    """What a ledger is told of one posting: the day it is of, when (UTC) and by which run it is made."""

    as_of: date
    posted_at: datetime
    run_id: str
    policy_hash: str


def appended(contract: type[Contract], booked: pd.DataFrame, new: pd.DataFrame) -> Any:
    """`booked`, then `new`, with the contract's columns as plain values: days are dates, what is missing is None."""
    columns = {}
    for name, kind in ibis_schema(contract).items():
        values = pd.Series([*booked[name], *new[name]], dtype=object)
        missing = values.isna()
        if kind.is_date():
            values = pd.Series(
                [v if m else pd.Timestamp(v).date() for v, m in zip(values, missing, strict=True)], dtype=object
            )
        columns[name] = values.where(~missing, None)
    return pd.DataFrame(columns)
