"""What tests of the profiles say shortly: a table's rows by day and account. Not here: the figures; each test spells
out its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from segmentation_assets.policy.model import Policy
from tests.companies import DEFAULT, Company, NotToContract, Rows, policy_with

__all__ = ["DEFAULT", "NotToContract", "Rows", "changed", "computed", "frame_of"]

changed = policy_with


def frame_of(table: str, rows: Mapping[str, Rows], days: Sequence[date], policy: Policy = DEFAULT) -> pd.DataFrame:
    """The table at `days` as pandas, held to its contract. `rows` are extracts (or tables between) by name."""
    return Company(policy, **rows).frame(table, *days).drop(columns="policy_hash", errors="ignore")


def computed(
    table: str, rows: Mapping[str, Rows], *days: date, policy: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[tuple[date, str], dict[str, Any]]:
    """The table's rows by (as_of, account_id); nulls are None, days are dates."""
    return Company(policy_with(policy or {}), **rows).by_account(table, *days)
