"""Account profiles by hand for the score tests: one day, accounts by name, all live unless said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.policy.model import Policy
from segmentation_assets.profiles.profiles import AccountProfiles
from tests.companies import Company, typed

DAY = date(2024, 3, 4)


def profiles(accounts: Mapping[str, Mapping[str, Any]]) -> ir.Table:
    """Profiles of these accounts; what is not said is unknown."""
    return typed(AccountProfiles, rows(accounts))


def rows(accounts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of their profiles."""
    return [{"as_of": DAY, "is_live": True, **columns, "account_id": name} for name, columns in accounts.items()]


def scored(name: str, accounts: Mapping[str, Mapping[str, Any]], policy: Policy) -> ir.Table:
    """The score table `name` of these accounts, and of nothing but their profiles."""
    return Company(policy, account_profiles=rows(accounts)).table(name, DAY)


def stored(table: ir.Table) -> ir.Table:
    """The rows of the table, computed once, as contributions read them."""
    return ibis.memtable(table.to_pyarrow())


def by_account(table: ir.Table) -> pd.DataFrame:
    """The table of one day as a frame by account, with None for what is null."""
    frame = table.execute().drop(columns=["as_of", "policy_hash"], errors="ignore").set_index("account_id")
    return frame.astype(object).where(frame.notna(), None)


def assert_sums(scores: ir.Table, contributions: ir.Table, names: Mapping[str, str]) -> None:
    """The parts of every account sum to each score (name in contributions: column); a null score has none."""
    frame, long = scores.execute().set_index("account_id"), contributions.execute()
    assert set(long.score) <= set(names)
    assert not long.duplicated(["account_id", "score", "part"]).any()
    for name, column in names.items():
        sums = long[long.score == name].groupby("account_id").points.sum()
        facts = frame[column].dropna()
        assert sorted(sums.index) == sorted(facts.index)
        assert ((sums - facts).abs() < 1e-9).all()
