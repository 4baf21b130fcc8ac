"""Ledgers: tables that remember what was booked, and only grow.

Here: the facts about one posting, and appending new entries. Not here: registering a ledger (`registry`), or posting
it (`warehouse.posting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from segmentation_assets.tables.contracts import Contract, ibis_schema


@dataclass(frozen=True)
class Posting:
    """The facts about one posting: the day it describes, when (UTC) and by which run it is posted."""

    as_of: date
    posted_at: datetime
    run_id: str
    policy_hash: str


def appended(contract: type[Contract], booked: pd.DataFrame, new: pd.DataFrame) -> Any:
    """`booked`, then `new`, with the contract's columns. Days are dates, missing values are None."""
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
