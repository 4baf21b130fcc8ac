"""DuckDB and Spark give the same rows: one hash per table, of a sample and of a hostile little company.

Planning a table on Spark takes seconds, however few its rows. So a run of all tests takes the tables that a home on
Spark computes there; CERTIFICATE=all (`make certificate`) takes every table of the chain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import load_policy
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.spark.engine import SparkTables
from segmentation_assets.warehouse.store import Store
from tests.certificate.companies import DAY, hostile
from tests.certificate.engines import ON_ENGINE, OnSpark
from tests.certificate.rows import differences, fingerprint
from tests.companies.company import DEFAULT, _rows_of
from tests.conftest import YEAR_DAY

BIG = (
    "subscription_steps",
    "account_states",
    "account_revenue",
    "usage_days",
    "usage_last_days",
    "account_usage",
    "account_support",
)
NAMES = ON_ENGINE if os.environ.get("CERTIFICATE") == "all" else BIG
_FROM_HOME = [name for name in NAMES if CATALOGUE[name].partition in {None, "as_of"}]


class _Home:
    """The tables of a finished home at one day, as DuckDB reads them."""

    def __init__(self, builder: Builder, day: date) -> None:
        self.builder = builder
        self.day = day

    def rows(self, name: str) -> pa.Table:
        """A table as it stands."""
        spec = CATALOGUE[name]
        return self._arrow(self.builder.engine.read(spec, [self.day] if spec.partition else None))

    def inputs(self, reader: str) -> dict[str, pa.Table]:
        """What a table reads, with all days of its look-backs."""
        spec = CATALOGUE[reader]
        return {n: self._arrow(t) for n, t in self.builder.inputs_of(spec, [self.day]).items() if n != "spine"}

    def _arrow(self, table: ibis.expr.types.Table) -> pa.Table:
        return self.builder.engine.backend.to_pyarrow(table)


@pytest.fixture(scope="module")
def home(year_home: Path) -> Iterator[_Home]:
    store = Store(year_home)
    with open_connection(store) as connection:
        yield _Home(Builder(Engine(connection, store), CATALOGUE, load_policy()), YEAR_DAY)


@pytest.mark.parametrize("name", _FROM_HOME)
def test_sample(name: str, home: _Home, spark_tables: SparkTables, tmp_path: Path):
    inputs = home.inputs(name)
    on_spark = OnSpark(spark_tables, tmp_path, DEFAULT, inputs.__getitem__).table(name, [home.day])
    _assert_same(name, home.rows(name), on_spark)


@pytest.fixture(scope="module")
def days_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[date]]:
    """The days that DuckDB computed of each table of the hostile company."""
    company = hostile()
    company.tables(NAMES, [DAY])
    return company._days_needed(NAMES, [DAY])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.mark.parametrize("name", NAMES)
def test_hostile_company(name: str, days_of: dict[str, set[date]], folder: Path, spark_tables: SparkTables):
    on_spark = OnSpark(spark_tables, folder, DEFAULT, _rows_of).table(name, days_of[name])
    _assert_same(name, _rows_of(name), on_spark)


def _assert_same(name: str, on_duckdb: pa.Table, on_spark: pa.Table) -> None:
    """One hash. `policy_hash` is no figure: a home has its own, a table computed here has none."""
    contract = CATALOGUE[name].contract
    one, other = (_stamped(rows) for rows in (on_duckdb, on_spark))
    if fingerprint(one, contract) != fingerprint(other, contract):
        pytest.fail(f"{name}: " + "\n  ".join(differences(one, other, contract)), pytrace=False)


def _stamped(rows: pa.Table) -> pa.Table:
    if "policy_hash" not in rows.column_names:
        return rows
    at = rows.column_names.index("policy_hash")
    return rows.set_column(at, "policy_hash", pa.array(["test"] * rows.num_rows))
