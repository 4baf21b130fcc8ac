"""A small company computed in memory: given extracts and states in, KPI tables out, each held to its contract.

Not here: any expected number, or the oracle (`oracle`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.policy.section import Section
from segmentation_assets.tables.as_of import Spine, days_read, spine_frame
from segmentation_assets.tables.contracts import Contract, ibis_schema
from segmentation_assets.tables.enforcement import enforce, rules
from segmentation_assets.tables.registry import SPINE, TableSpec, call
from tests.frames import given

POLICY = load_policy()
GIVEN = ("segments", "health_scores", "account_costs", "billing_invoices")
"""States that KPIs read, but that a test states itself instead of computing them."""
ON_REQUEST = ("account_workloads", "median_durations", "sales_efficiency")
"""Tables that a test computes by naming them; else they are empty, which is a company without those extracts."""

Rows = Sequence[Mapping[str, Any]]


def kpis(
    names: Iterable[str], days: Sequence[date], policy: Policy = POLICY, **rows: Rows
) -> dict[str, pd.DataFrame]:
    """The tables `names` of a company that has `rows` and nothing else, by name; see GIVEN and ON_REQUEST.

    Raises AssertionError for a table that breaks its contract.
    """
    wanted = list(names)
    given_ones = {*GIVEN, *ON_REQUEST} - set(wanted)
    for name, needed in _plan(wanted, given_ones, days, policy.sections).items():
        spec = CATALOGUE[name]
        if spec.is_extract or name in given_ones:
            _WORLD.put(name, arrow_of(spec.contract, rows.get(name, ())))
        else:
            _WORLD.put(SPINE, arrow_of(Spine, spine_frame(sorted(needed)).to_dict("records")))
            _WORLD.make(spec, policy)
    return {name: _WORLD.backend.table(name).execute() for name in wanted}


def rows_of(name: str) -> list[dict[str, Any]]:
    """The rows of a table as the last `kpis` left it, nulls as None."""
    return _WORLD.backend.table(name).to_pyarrow().to_pylist()


class _World:
    """One database for all tests: turning expressions into SQL takes seconds, so each table's is kept."""

    def __init__(self) -> None:
        self.backend = ibis.duckdb.connect()
        self._sql: dict[tuple[str, str, str], str] = {}

    def put(self, name: str, rows: pa.Table) -> None:
        """Replace the content of a table."""
        self.backend.con.register("incoming", rows)
        self.backend.con.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM incoming')
        self.backend.con.unregister("incoming")

    def make(self, spec: TableSpec, policy: Policy) -> None:
        """Compute a table from what stands, and hold it to its contract."""
        if spec.is_frame:
            self.put(spec.name, self._framed(spec, policy))
        else:
            sql = self._compiled(spec, policy, "rows", lambda: self._called(spec, policy))
            self.backend.con.execute(f'CREATE OR REPLACE TABLE "{spec.name}" AS {self._typed(spec, sql)}')
        table = self.backend.table(spec.name)
        verdict = enforce(spec.contract, table, lambda expr: self._execute(spec, policy, expr))
        assert verdict.passed, f"{spec.name}: {verdict.describe()}"

    def _typed(self, spec: TableSpec, sql: str) -> str:
        """The query with the contract's types, as published files have them."""
        mapper = self.backend.compiler.type_mapper
        columns = (f'CAST("{n}" AS {mapper.to_string(t)}) AS "{n}"' for n, t in ibis_schema(spec.contract).items())
        return f"SELECT {', '.join(columns)} FROM ({sql})"

    def _called(self, spec: TableSpec, policy: Policy) -> ir.Table:
        tables = {name: self.backend.table(name) for name in (SPINE, *(i.name for i in spec.inputs))}
        return call(spec, tables, policy.sections, "test")

    def _framed(self, spec: TableSpec, policy: Policy) -> pa.Table:
        frames = {i.name: self.backend.table(i.name).execute() for i in spec.inputs}
        result = call(spec, frames, policy.sections, "test")
        schema = ibis_schema(spec.contract).to_pyarrow()
        return pa.Table.from_pandas(result[schema.names], schema=schema, preserve_index=False)

    def _execute(self, spec: TableSpec, policy: Policy, expr: ir.Expr) -> pd.DataFrame:
        """The contract's counts by their kept SQL; the sample of what broke, if any, afresh."""
        is_counts = "rows" in expr.schema()
        if not is_counts:
            return self.backend.execute(expr)
        return self.backend.con.execute(self._compiled(spec, policy, "counts", lambda: expr)).df()

    def _compiled(self, spec: TableSpec, policy: Policy, what: str, made: Callable[[], ir.Expr]) -> str:
        key = (spec.name, policy.hash, what)
        if key not in self._sql:
            expr = made()
            self.backend._register_in_memory_tables(expr)
            self._sql[key] = self.backend.compile(expr)
        return self._sql[key]


_WORLD = _World()


def arrow_of(contract: type[Contract], rows: Rows) -> pa.Table:
    """Rows with the contract's columns and types; what a row leaves out is null (or known from ever to ever)."""
    return given(contract, rows).to_pyarrow()


def _plan(
    names: list[str], given_ones: set[str], days: Sequence[date], sections: Mapping[type[Section], Section]
) -> dict[str, set[date]]:
    """Tables to make with the days needed of each, upstream first, without what only given tables read."""
    order: list[str] = []

    def visit(name: str) -> None:
        for item in () if name in given_ones else CATALOGUE[name].inputs:
            visit(item.name)
        if name not in order:
            order.append(name)

    for name in names:
        visit(name)
    needs = {name: set(days) if name in names else set() for name in order}
    for name in reversed(order):
        for item in () if name in given_ones else CATALOGUE[name].inputs:
            for day in needs[name]:
                needs[item.name] |= set(days_read(item.reads, day, sections))
    return needs


def broken_rules(contract: type[Contract], listed: Rows) -> list[set[str]]:
    """Per row, the names of the contract's rules that it breaks, as the database finds them."""
    table = given(contract, listed)
    found = list(rules(contract, table))
    held = table.select(**{f"r{i}": rule.holds for i, rule in enumerate(found)}).to_pyarrow().to_pylist()
    return [{rule.name for i, rule in enumerate(found) if not row[f"r{i}"]} for row in held]


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
        frame = frame.loc[same]
    assert len(frame) == 1, f"{len(frame)} rows with {where}"
    return frame.iloc[0]
