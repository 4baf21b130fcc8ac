"""A small company computed in memory: given extracts and states in, KPI tables out, each held to its contract.

Not here: any expected number, or the oracle (`oracle`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.policy.section import Section
from segmentation_assets.warehouse.as_of import days_read
from segmentation_assets.warehouse.contracts import Contract, ibis_schema
from segmentation_assets.warehouse.enforcement import enforce
from segmentation_assets.warehouse.registry import SPINE, TableSpec, call
from tests.frames import given, spine

POLICY = load_policy()
GIVEN = ("segments", "health_scores", "account_costs", "billing_invoices")
"""States that KPIs read, but that a test states itself instead of computing them."""

Rows = Sequence[Mapping[str, Any]]


def kpis(
    names: Iterable[str], days: Sequence[date], policy: Policy = POLICY, **rows: Rows
) -> dict[str, pd.DataFrame]:
    """The tables `names` of a company that has `rows` and nothing else, by name.

    Raises AssertionError for a table that breaks its contract.
    """
    made: dict[str, Any] = {}
    needs = _plan(list(names), days, policy.sections)
    for name, needed in needs.items():
        spec = CATALOGUE[name]
        if spec.is_extract or name in GIVEN:
            made[name] = given(spec.contract, rows.get(name, ()))
        else:
            made[name] = _made(spec, made | {SPINE: spine(*needed)}, policy.sections)
    return {name: made[name].execute() for name in names}


def _plan(names: list[str], days: Sequence[date], sections: Mapping[type[Section], Section]) -> dict[str, set[date]]:
    """Tables to make with the days needed of each, upstream first, without what only given tables read."""
    order: list[str] = []

    def visit(name: str) -> None:
        for item in () if name in GIVEN else CATALOGUE[name].inputs:
            visit(item.name)
        if name not in order:
            order.append(name)

    for name in names:
        visit(name)
    needs = {name: set(days) if name in names else set() for name in order}
    for name in reversed(order):
        for item in () if name in GIVEN else CATALOGUE[name].inputs:
            for day in needs[name]:
                needs[item.name] |= set(days_read(item.reads, day, sections))
    return needs


def _made(spec: TableSpec, tables: Mapping[str, Any], sections: Mapping[type[Section], Section]) -> ir.Table:
    inputs = {SPINE: tables[SPINE]} | {
        i.name: tables[i.name].execute() if i.is_frame else tables[i.name] for i in spec.inputs
    }
    result = call(spec, inputs, sections, "test")
    schema = ibis_schema(spec.contract).to_pyarrow()
    arrow = pa.Table.from_pandas(result[schema.names], schema=schema) if spec.is_frame else result.to_pyarrow()
    table = ibis.memtable(arrow)
    verdict = enforce(spec.contract, table, lambda expr: expr.execute())
    assert verdict.passed, f"{spec.name}: {verdict.describe()}"
    return table


def broken_rules(contract: type[Contract], rows: Rows) -> set[str]:
    """Names of the contract's rules that the rows break."""
    return set(enforce(contract, given(contract, rows), lambda expr: expr.execute()).broken)


def pays(
    account: str,
    mrr: float,
    start: date,
    end: date | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A subscription in US dollars."""
    row = {"account_id": account, "mrr": float(mrr), "start_date": start, "end_date": end, "currency": "USD"}
    row["subscription_id"] = f"{account}-{start}-{more.get('product', '')}-{mrr}"
    return row | more


def stands(account: str, day: date, tier: str, segment: str = "Growth", **more: Any) -> dict[str, Any]:
    """An account's tier and segment on a day."""
    row = {"account_id": account, "as_of": day, "coverage_tier": tier, "segment": segment, "tier_since": day}
    return row | more


def one(frame: pd.DataFrame, **where: Any) -> pd.Series:
    """The one row of a frame with these values.

    Raises AssertionError where there is not exactly one.
    """
    for name, value in where.items():
        same = frame[name].astype(str) == str(value) if isinstance(value, date) else frame[name] == value
        frame = frame[same]
    assert len(frame) == 1, f"{len(frame)} rows with {where}"
    return frame.iloc[0]
