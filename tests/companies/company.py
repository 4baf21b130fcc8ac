"""A company of a few rows, with any table of the chain computed from them in memory and held to its contract.

    company = Company(crm_accounts=[{"account_id": "a"}], billing_subscriptions=[...])
    company.rows("account_revenue", date(2026, 3, 31))  # a list of dicts

Tables between are made on the way, at the days that what reads them asks for. A table whose rows are stated is taken
as stated and nothing before it is made; an extract without rows is empty, as for a company that has none of it.
Not here: any figure or default row (a room's tests have their own); homes and runs (`homes`).

Compiling a table takes longer than running it on a few rows. So each is compiled once per policy that matters to it,
over named tables that every company fills anew, and the SQL is kept with that of the tests' homes (`harness.shared`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.backends.sql.datatypes import DuckDBType
from ibis.expr import operations as ops

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.tables.as_of import Spine, days_read
from segmentation_assets.tables.contracts import Contract, ibis_schema
from segmentation_assets.tables.enforcement import enforce, summary
from segmentation_assets.tables.registry import SPINE, TableSpec, call
from segmentation_assets.warehouse.code_hashes import code_version
from segmentation_assets.warehouse.planning import code_version_under
from tests.companies.rows import Rows, arrow, arrow_spine
from tests.harness import shared

DEFAULT = load_policy()


class NotToContract(AssertionError):
    """A table made breaks its contract."""


def policy_with(values: Mapping[str, Mapping[str, Any]], base: Policy = DEFAULT) -> Policy:
    """`base` but for `values`, as {"section": {"key": value}}. Raises ValidationError for what the policy refuses."""
    data = base.model_dump()
    for section, changed in values.items():
        unknown = set(changed) - set(data[section])
        if unknown:
            raise KeyError(f"the policy's section {section} has no {sorted(unknown)}")
        data[section] = data[section] | dict(changed)
    return Policy.model_validate(data)


@dataclass(frozen=True, init=False)
class Company:
    """What a company has: rows by table. Immutable; each call computes anew from them."""

    stated: Mapping[str, Rows]
    policy: Policy

    def __init__(self, policy: Policy = DEFAULT, **stated: Rows) -> None:
        unknown = [name for name in stated if name not in CATALOGUE]
        if unknown:
            raise KeyError(f"no such tables: {unknown}")
        object.__setattr__(self, "stated", stated)
        object.__setattr__(self, "policy", policy)

    def tables(self, names: Iterable[str], days: Sequence[date], *, strict: bool = False) -> dict[str, pd.DataFrame]:
        """The tables as pandas, by name. Raises NotToContract.

        `strict`: KeyError where a table is stated that none of them is made from, which is a mistake of the test.
        """
        wanted = list(names)
        self._make(wanted, days, strict=strict)
        return {name: _engine().backend.table(name).execute() for name in wanted}

    def _make(self, wanted: Sequence[str], days: Sequence[date], *, strict: bool) -> None:
        needed = self._days_needed(wanted, days)
        unread = set(self.stated) - set(needed)
        if strict and unread:
            raise KeyError(f"{', '.join(wanted)} read nothing of {sorted(unread)}")
        engine = _engine()
        for name, at in needed.items():
            spec = CATALOGUE[name]
            if self._is_given(name):
                engine.put(name, arrow(spec.contract, self.stated.get(name, ())))
            else:
                engine.put(SPINE, arrow_spine(*sorted(at)))
                engine.make(spec, self.policy)

    def frame(self, name: str, *days: date) -> pd.DataFrame:
        """One table at `days` as pandas."""
        return self.tables([name], days, strict=True)[name]

    def rows(self, name: str, *days: date) -> list[dict[str, Any]]:
        """One table at `days` as rows of Python's own types; null is None."""
        self._make([name], days, strict=True)
        return made_last(name)

    def by_account(self, name: str, *days: date) -> dict[tuple[date, str], dict[str, Any]]:
        """The same by day and account, without those two and without the policy's hash."""
        rows = self.rows(name, *days)
        for row in rows:
            row.pop("policy_hash", None)
        return {(row.pop("as_of"), row.pop("account_id")): row for row in rows}

    def table(self, name: str, *days: date) -> ir.Table:
        """One table at `days` as an Ibis table with its rows: for functions that are tried on it."""
        self._make([name], days, strict=True)
        return ibis.memtable(_rows_of(name))

    def _is_given(self, name: str) -> bool:
        return CATALOGUE[name].is_extract or name in self.stated

    def _days_needed(self, names: Iterable[str], days: Sequence[date]) -> dict[str, set[date]]:
        """The tables behind `names`, upstream first, with the days that each must be made for."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            for item in self._inputs(name):
                visit(item.name)
            order.setdefault(name)

        for name in names:
            visit(name)
        needed = {name: set(days) if name in names else set() for name in order}
        for name in reversed(order):
            for item in self._inputs(name):
                for day in needed[name]:
                    needed[item.name] |= set(days_read(item.reads, day, self.policy.sections))
        return needed

    def _inputs(self, name: str) -> Sequence[Any]:
        return () if self._is_given(name) else CATALOGUE[name].inputs


def made_last(name: str) -> list[dict[str, Any]]:
    """A table's rows as the last company that needed it left them."""
    return _rows_of(name).to_pylist()


def _rows_of(name: str) -> pa.Table:
    return _engine().backend.con.sql(f'SELECT * FROM "{name}"').to_arrow_table()


@cache
def _engine() -> _Engine:
    return _Engine()


@cache
def _typed_columns(contract: type[Contract]) -> Sequence[str]:
    """A table's columns with the contract's types, as published files have them."""
    types = ibis_schema(contract).items()
    return [f'CAST("{name}" AS {DuckDBType.to_string(of)}) AS "{name}"' for name, of in types]


class _Engine:
    """One database in memory for all companies of a process."""

    def __init__(self) -> None:
        self.backend = ibis.duckdb.connect()
        self._texts: dict[tuple[str, str], str] = {}
        self._empty: frozenset[str] = frozenset()
        """Tables that stand without rows: most extracts of most companies, company after company."""

    def put(self, name: str, rows: pa.Table) -> None:
        """Replace the content of a table."""
        if not rows.num_rows and name in self._empty:
            return
        self._empty = self._empty | {name} if not rows.num_rows else self._empty - {name}
        self.backend.con.register("incoming", rows)
        self.backend.con.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM incoming')
        self.backend.con.unregister("incoming")

    def make(self, spec: TableSpec, policy: Policy) -> None:
        """Compute a table from the tables that stand, and hold it to its contract. Raises NotToContract."""
        if spec.is_frame or any(item.is_frame for item in spec.inputs):
            self.put(spec.name, self._framed(spec, policy))
        else:
            contracts = (code_version(item.contract) for item in spec.inputs)
            key = "-".join((code_version_under(spec, policy), *contracts))
            sql = self._text(spec.name, key, lambda: call(spec, self._named(spec), policy.sections, "test"))
            typed = ", ".join(_typed_columns(spec.contract))
            self.backend.con.execute(f'CREATE OR REPLACE TABLE "{spec.name}" AS SELECT {typed} FROM ({sql})')
            self._empty -= {spec.name}
        self._audit(spec)

    def _audit(self, spec: TableSpec) -> None:
        table = ibis.table(ibis_schema(spec.contract), name=spec.name)
        key = f"{code_version(spec.contract)}-{code_version(summary)}"
        sql = self._text(f"audit_{spec.name}", key, lambda: summary(spec.contract, table))
        rows, broken, keys = self.backend.con.execute(sql).fetchall()[0]
        if broken or keys not in {None, rows}:
            raise NotToContract(f"{spec.name}: {enforce(spec.contract, table, self.backend.execute).describe()}")

    @staticmethod
    def _named(spec: TableSpec) -> dict[str, ir.Table]:
        inputs = {item.name: ibis.table(ibis_schema(item.contract), name=item.name) for item in spec.inputs}
        return {SPINE: ibis.table(ibis_schema(Spine), name=SPINE), **inputs}

    def _framed(self, spec: TableSpec, policy: Policy) -> pa.Table:
        """A table that works on frames, or reads them."""
        tables: dict[str, Any] = {SPINE: self.backend.table(SPINE)}
        if spec.spine_is_frame:
            tables[SPINE] = tables[SPINE].execute()
        for item in spec.inputs:
            read = self.backend.table(item.name).select(*ibis_schema(item.contract))
            tables[item.name] = read.execute() if item.is_frame else read
        result = call(spec, tables, policy.sections, "test")
        schema = ibis_schema(spec.contract).to_pyarrow()
        if not isinstance(result, pd.DataFrame):
            return self.backend.to_pyarrow(result).cast(pa.schema(schema))
        return pa.Table.from_pandas(result[schema.names], schema=schema, preserve_index=False)

    def _text(self, name: str, key: str, expression: Callable[[], ir.Table]) -> str:
        """The expression's SQL: of this process, of an earlier one, or compiled now."""
        if (name, key) not in self._texts:
            self._texts[name, key] = self._kept_or_compiled(name, key, expression)
        return self._texts[name, key]

    def _kept_or_compiled(self, name: str, key: str, expression: Callable[[], ir.Table]) -> str:
        if (text := shared.text_of(name, key)) is not None:
            return text
        expr = expression()
        self.backend._register_in_memory_tables(expr)
        text = self.backend.compile(expr)
        if not expr.op().find(ops.InMemoryTable):  # its data are in no text
            shared.keep_text(name, key, text)
        return text
