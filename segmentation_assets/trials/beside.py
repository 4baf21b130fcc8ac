"""Tables under another policy, computed in memory beside the published ones.

Here: which tables a change of policy touches, and computing these, and only these, from published inputs. Not here:
which tables a trial compares (`what_if`), or bringing published tables up to date (`warehouse.building`).

The functions and look-backs are those of a run. So under production's own policy the results equal the published
tables. No file of the home is written.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.section import Section
from segmentation_assets.reasons import Refusal
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import AS_OF, TableSpec
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, configure
from segmentation_assets.warehouse.sql_text import identifier, identifiers, literal
from segmentation_assets.warehouse.store import Store

Needs = Mapping[str, Collection[date]]
"""The days of each table that a trial asks for."""


class TooFarBack(Refusal, LookupError):
    """The other policy needs days that this home never made."""


def touched(sections: Collection[type[Section]]) -> frozenset[str]:
    """The tables that declare one of the sections, and all tables downstream of these."""
    names: set[str] = set()
    for spec in CATALOGUE:
        if set(spec.sections.values()) & set(sections) or any(item.name in names for item in spec.inputs):
            names.add(spec.name)
    return frozenset(names)


class _Engine(Engine):
    """Reads a table from memory where it was computed there, else as published."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: Store) -> None:
        super().__init__(connection, store)
        self.computed: set[str] = set()

    def read(
        self, spec: TableSpec, days: Sequence[date] | None = None, *, name: str | None = None, uniform: bool = False
    ) -> ir.Table:
        """See `Engine.read`."""
        if spec.name not in self.computed:
            return super().read(spec, days, name=name, uniform=uniform)
        schema, view = ibis_schema(spec.contract), name or f"read_{spec.name}"
        where = ""
        if spec.partition is not None and days is not None:
            listed = ", ".join(f"DATE {literal(day)}" for day in days) or "NULL"
            where = f" WHERE {identifier(spec.partition)} IN ({listed})"
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {identifier(view)} AS "
            f"SELECT {identifiers(list(schema))} FROM {_table(spec.name)}{where}"
        )
        return ibis.table(schema, name=view)

    def keep(self, spec: TableSpec, expr: ir.Table) -> None:
        """Compute a table into memory."""
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {_table(spec.name)} AS {self.sql(expr)}").fetchall()
        self.computed.add(spec.name)


class _Calculator(Builder):
    """A builder that publishes nothing. It also leaves the home's caches alone."""

    def __init__(self, engine: _Engine, policy: Policy) -> None:
        super().__init__(engine, CATALOGUE, policy)
        self._remember = False


class Beside:
    """The tables of one home, as published and as another policy would make them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, home: Path) -> None:
        self.connection = connection
        self.store = Store(home)

    def published(self, table: str, days: Sequence[date], columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Rows of a published table. A day that is not published has none."""
        return self._frame(Engine(self.connection, self.store), table, days, columns)

    def computed(
        self,
        policy: Policy,
        tables: Collection[str],
        needs: Needs,
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, pd.DataFrame]:
        """The needed tables at their days under `policy`. Of the tables upstream only `tables` are computed.

        Raises TooFarBack where an input that is not computed lacks days.
        """
        engine = _Engine(self.connection, self.store)
        calculator = _Calculator(engine, policy)
        for name, days in self._days(calculator, needs).items():
            spec = CATALOGUE[name]
            if name in tables and not spec.is_extract and not spec.is_ledger:
                self._check_inputs(calculator, spec, days, tables)
                engine.keep(spec, calculator.expression(spec, days if spec.partition else [None]))
        return {
            name: self._frame(engine, name, sorted(days), (columns or {}).get(name)) for name, days in needs.items()
        }

    @staticmethod
    def _days(calculator: Builder, needs: Needs) -> dict[str, list[date]]:
        by_days: dict[tuple[date, ...], list[str]] = defaultdict(list)
        for name, days in needs.items():
            by_days[tuple(sorted(days))].append(name)
        merged: dict[str, set[date]] = defaultdict(set)
        for days, names in by_days.items():
            for name, needed in calculator.plan(names, days).items():
                merged[name].update(needed)
        return {spec.name: sorted(merged[spec.name]) for spec in CATALOGUE if spec.name in merged}

    def _check_inputs(
        self, calculator: Builder, spec: TableSpec, days: Iterable[date], tables: Collection[str]
    ) -> None:
        """Raises TooFarBack: a day that was never made would silently count as a day without accounts."""
        for item in spec.inputs:
            source = CATALOGUE[item.name]
            if source.partition != AS_OF or item.name in tables:
                continue
            needed = {read for day in days for read in calculator.days_read(item, day)}
            lacking = sorted(needed - set(self.store.days(item.name, AS_OF)))
            if lacking:
                raise TooFarBack(
                    f"{spec.name} needs {item.name} of {len(lacking)} days that this home never made, the first is "
                    f"{lacking[0]}: the policy looks further back, or the day was not run in full. Run it once in a "
                    "copy of the home with this policy"
                )

    @staticmethod
    def _frame(engine: Engine, table: str, days: Sequence[date], columns: Sequence[str] | None) -> pd.DataFrame:
        rows = engine.read(CATALOGUE[table], days, name=f"shown_{table}")
        return engine.execute(rows.select(*columns) if columns else rows)


@contextmanager
def beside(home: Path) -> Iterator[Beside]:
    """A calculator for one home, in memory. What does not fit into memory goes to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="segmentation-") as spill, duckdb.connect(":memory:") as connection:
        configure(connection, Path(spill))
        yield Beside(connection, home)


def _table(name: str) -> str:
    return identifier(f"beside_{name}")
