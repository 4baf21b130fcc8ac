"""Running any table of the profiles on hand-made extracts, with the tables between made on the way.

Not here: the figures; each test spells out its own. Planning a table takes longer than running it on a few rows, so
the SQL of each table is compiled once per policy, over named tables that each run fills anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import ibis
import pandas as pd

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Contract, ibis_schema, key_of
from segmentation_assets.tables.enforcement import enforce, rules
from segmentation_assets.tables.registry import call
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
    wanted = _needed(table, frozenset(rows))
    unread = set(rows) - set(wanted)
    if unread:
        raise KeyError(f"{table} reads nothing of {sorted(unread)}")
    BACKEND.create_table("spine", spine(*days).to_pyarrow(), overwrite=True)
    for name in wanted:
        contract = CATALOGUE[name].contract
        if CATALOGUE[name].is_extract or name in rows:
            BACKEND.create_table(name, given(contract, rows.get(name, ())).to_pyarrow(), overwrite=True)
        else:
            BACKEND.create_table(name, schema=ibis_schema(contract), overwrite=True)
            BACKEND.raw_sql(f'INSERT INTO "{name}" BY NAME {_sql(name, policy.model_dump_json())}')
            _hold_to_contract(name, contract)
    return BACKEND.table(table).execute().drop(columns="policy_hash", errors="ignore")


def computed(
    table: str, rows: Mapping[str, Rows], *days: date, policy: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[tuple[date, str], dict[str, Any]]:
    """The table's rows by (as_of, account_id); nulls are None, days are dates."""
    frame = frame_of(table, rows, days, changed(policy or {}))
    for name in frame.select_dtypes("datetime"):
        frame[name] = frame[name].dt.date
    frame = frame.astype(object).where(frame.notna(), None)
    return {(row.pop("as_of"), row.pop("account_id")): row for row in frame.to_dict("records")}


@cache
def _needed(table: str, ready: frozenset[str]) -> tuple[str, ...]:
    """`table` and what it is made from, inputs first; nothing behind tables that are `ready`."""
    spec = CATALOGUE[table]
    if spec.is_extract or table in ready:
        return (table,)
    above = [name for item in spec.inputs for name in _needed(item.name, ready)]
    return (*dict.fromkeys(above), table)


@cache
def _sql(table: str, policy: str) -> str:
    spec = CATALOGUE[table]
    tables: dict[str, Any] = {i.name: _named(i.contract, i.name) for i in spec.inputs}
    sections = Policy.model_validate_json(policy).sections
    return BACKEND.compile(call(spec, {**tables, "spine": _named(Spine, "spine")}, sections, "test"))


def _named(contract: type[Contract], name: str) -> ibis.Table:
    return ibis.table(ibis_schema(contract), name=name)


@cache
def _broken_rows(name: str, contract: type[Contract]) -> str:
    made = _named(contract, name)
    keys = made.group_by(*key_of(contract)).aggregate(rows=made.count())
    repeated = keys.filter(keys.rows > 1).select("rows")
    broken = made.filter(ibis.or_(*(~rule.holds for rule in rules(contract, made))))
    return BACKEND.compile(repeated.union(broken.select(rows=ibis.literal(1, "int64"))).count())


def _hold_to_contract(name: str, contract: type[Contract]) -> None:
    if BACKEND.raw_sql(_broken_rows(name, contract)).fetchall() != [(0,)]:
        raise NotToContract(f"{name}: {enforce(contract, BACKEND.table(name), BACKEND.execute).describe()}")
