"""Every table of the chain is the same to the last bit, whatever the order of rows and the number of threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.as_of import Spine, spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from segmentation_assets.tables.registry import SPINE, TableSpec, call
from segmentation_assets.warehouse.packs import whole_sql
from segmentation_assets.warehouse.store import Store
from tests.conftest import YEAR_DAY

POLICY = load_policy()
ORDERS = ((1, 11), (8, 12), (8, 13), (2, 14))
"""Threads, and the seed that shuffles the rows of every input."""
FRAMES = ("clv_parameters", "csm_assignment_runs")
"""Of the functions of frames these take seconds, and are held to one answer by tests of their own."""


class Company:
    """A company's published tables, whose every float has been moved off the whole cents and quarter hours."""

    def __init__(self, home: Path) -> None:
        self.home, self.backend = home, ibis.duckdb.connect()
        spine = pa.Table.from_pandas(spine_frame([YEAR_DAY]), schema=ibis_schema(Spine).to_pyarrow())
        self.backend.create_table(SPINE, spine)
        self._loaded: set[str] = set()

    def input(self, name: str) -> None:
        """The table `name` as it stands in the home; empty where the home has none."""
        if name in self._loaded:
            return
        self._loaded.add(name)
        columns, mapper = ibis_schema(CATALOGUE[name].contract), self.backend.compiler.type_mapper
        typed = ", ".join(f'CAST("{n}" AS {mapper.to_string(t)}) AS "{n}"' for n, t in columns.items())
        if Store(self.home).has(name):
            files = f"({whole_sql(self.home, name, CATALOGUE[name].partition)})"
        else:
            nothing = ", ".join(f'NULL AS "{n}"' for n in columns)
            files = f"(SELECT {nothing} WHERE false)"
        off = ", ".join(
            f'"{n}" * (1 + (hash("{n}") % 997) / 7e7) AS "{n}"' for n, t in columns.items() if t.is_floating()
        )
        replaced = f" REPLACE ({off})" if off else ""
        self._run(f'CREATE TABLE "whole_{name}" AS SELECT *{replaced} FROM (SELECT {typed} FROM {files})')
        self._run(f'CREATE VIEW "{name}" AS SELECT * FROM "whole_{name}"')

    def shuffle(self, spec: TableSpec, threads: int, seed: int) -> None:
        """The inputs of a table in another order, and so many threads."""
        self._run("SET threads = 1")
        for one in spec.inputs:
            self._run(
                f'CREATE OR REPLACE TABLE "shuffled_{one.name}" AS SELECT * FROM "whole_{one.name}" w '
                f"ORDER BY hash({seed}, w::VARCHAR)"
            )
            self._run(f'CREATE OR REPLACE VIEW "{one.name}" AS SELECT * FROM "shuffled_{one.name}"')
        self._run(f"SET threads = {threads}")

    def _run(self, sql: str) -> None:
        self.backend.con.execute(sql)


@pytest.fixture(scope="module")
def company(year_home: Path) -> Iterator[Company]:
    one = Company(year_home)
    yield one
    one.backend.disconnect()


def _rows(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Rows in a fixed order, each number with all its bits."""
    return sorted(
        tuple(value.hex() if isinstance(value, float) else repr(value) for value in row)
        for row in frame.itertuples(index=False)
    )


@pytest.mark.parametrize(
    "spec",
    [s for s in CATALOGUE if not s.is_extract and not s.is_ledger and s.name not in FRAMES],
    ids=lambda spec: spec.name,
)
def test_a_table_is_bit_equal_whatever_the_order_and_the_threads(company: Company, spec: TableSpec) -> None:
    for one in spec.inputs:
        company.input(one.name)
    names = (SPINE, *(one.name for one in spec.inputs))
    tables: Mapping[str, Any] = {name: company.backend.table(name) for name in names}
    sql = None if spec.is_frame else company.backend.compile(call(spec, tables, POLICY.sections, "test"))
    answers = []
    for threads, seed in ORDERS:
        company.shuffle(spec, threads, seed)
        if sql is None:
            frames = {name: company.backend.table(name).execute() for name in tables}
            answers.append(_rows(call(spec, frames, POLICY.sections, "test")))
        else:
            answers.append(_rows(company.backend.con.execute(sql).df()))
    assert all(answer == answers[0] for answer in answers[1:])
