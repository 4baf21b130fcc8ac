"""Running any table of the profiles on hand-made extracts, with the tables between made on the way.

Not here: the figures; each test spells out its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import pandas as pd

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.warehouse.enforcement import enforce
from segmentation_assets.warehouse.registry import call
from tests.frames import given, spine

Rows = Sequence[Mapping[str, Any]]
DEFAULT = load_policy()
BACKEND = ibis.duckdb.connect()


class NotToContract(AssertionError):
    """The table made breaks its contract."""


def changed(values: Mapping[str, Mapping[str, Any]]) -> Policy:
    """The default policy but for `values`, as {"section": {"key": value}}."""
    return DEFAULT.model_copy(
        update={name: getattr(DEFAULT, name).model_copy(update=dict(v)) for name, v in values.items()}
    )


def frame_of(table: str, rows: Mapping[str, Rows], days: Sequence[date], policy: Policy = DEFAULT) -> pd.DataFrame:
    """The table at `days` as pandas, held to its contract. `rows` are extracts (or tables between) by name."""
    made: dict[str, Any] = {"spine": spine(*days)}
    _make(table, rows, made, policy)
    return BACKEND.execute(made[table]).drop(columns="policy_hash", errors="ignore")


def computed(
    table: str, rows: Mapping[str, Rows], *days: date, policy: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[tuple[date, str], dict[str, Any]]:
    """The table's rows by (as_of, account_id); nulls are None, days are dates."""
    frame = frame_of(table, rows, days, changed(policy or {}))
    for name in frame.select_dtypes("datetime"):
        frame[name] = frame[name].dt.date
    frame = frame.astype(object).where(frame.notna(), None)
    return {(row.pop("as_of"), row.pop("account_id")): row for row in frame.to_dict("records")}


def _make(table: str, rows: Mapping[str, Rows], made: dict[str, Any], policy: Policy) -> None:
    if table in made:
        return
    spec = CATALOGUE[table]
    if spec.is_extract or table in rows:
        made[table] = given(spec.contract, rows.get(table, ()))
        return
    for item in spec.inputs:
        _make(item.name, rows, made, policy)
    expr = call(spec, made, policy.sections, "test")
    made[table] = ibis.memtable(BACKEND.to_pyarrow(expr))
    verdict = enforce(spec.contract, made[table], BACKEND.execute)
    if not verdict.passed:
        raise NotToContract(f"{table}: {verdict.describe()}")
