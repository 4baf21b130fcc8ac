from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import ibis
import pandas as pd
import pyarrow.parquet as pq
import pytest

from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Integer, Snapshot, column
from segmentation_assets.tables.registry import Registry, Table, TableSpec, _spec_of
from segmentation_assets.warehouse.results import ContractBroken
from segmentation_assets.warehouse.store import Store, footer
from tests.warehouse import toys
from tests.warehouse.rebuilding import DAYS
from tests.warehouse.toys import builder, land, policy, read

ROOT = Path(__file__).parents[2]
FRIDAY, SATURDAY, SUNDAY, MONDAY = (date(2026, 1, 2) + timedelta(days=i) for i in range(4))


def files(home: Path) -> dict[str, bytes]:
    """What readers see, and what is unfinished."""
    result = [p for folder in ("published", "staging") for p in sorted((home / folder).rglob("*")) if p.is_file()]
    return {str(path.relative_to(home)): path.read_bytes() for path in result}


def test_a_table_that_breaks_its_contract_leaves_what_was_published(tmp_path: Path):
    land(tmp_path, [1, 2])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [FRIDAY])
    before = files(tmp_path)
    land(tmp_path, [1, 70_000, 80_000, 90_000])
    landed = files(tmp_path)
    with builder(tmp_path, policy(window=20)) as build, pytest.raises(ContractBroken) as error:
        build.ensure(["totals"], [FRIDAY, MONDAY])
    # Over the limit of a million are three numbers on three weekdays of the two windows (Wednesday to Friday and
    # Saturday, Monday): fifteen of twenty rows.
    assert error.value.table == "scaled"
    assert error.value.verdict.rows == 20
    assert error.value.verdict.broken == {"scaled: less_than_or_equal_to 1000000": 15}
    assert len(error.value.verdict.sample) == 5
    assert {row["scaled"] for row in error.value.verdict.sample} <= {1_400_000, 1_600_000, 1_800_000}
    assert "scaled: less_than_or_equal_to 1000000: 15 of 20 rows; e.g. {" in str(error.value)
    extract = "published/numbers/part-0.parquet"
    assert files(tmp_path) == {**before, extract: landed[extract]}  # nothing staged is left, nothing new stands


def test_what_is_upstream_of_a_broken_table_stays_published(tmp_path: Path):
    land(tmp_path, [1])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [MONDAY])
        stood = read(tmp_path, "scaled")
    registry = Registry()
    for spec in toys.chain():
        registry.add(spec)
    registry.add(_spec_of(repeated, "toys", {}, "as_of"))
    with builder(tmp_path, policy(window=20), registry) as build, pytest.raises(ContractBroken) as error:
        build.ensure(["repeated"], [MONDAY])
    assert error.value.verdict.broken == {"key (as_of, number): unique": 1}
    assert read(tmp_path, "scaled")["scaled"].tolist() == [20] != stood["scaled"].tolist()
    assert not (tmp_path / "published" / "repeated").exists()


def repeated(scaled: Table[toys.Scaled]) -> Table[toys.Scaled]:
    """Each row twice."""
    return scaled.drop("policy_hash").union(scaled.drop("policy_hash"))


def test_a_day_without_rows_gets_a_file_without_rows(tmp_path: Path):
    land(tmp_path, [7])
    with builder(tmp_path) as build:
        [output] = build.ensure(["scaled"], [SATURDAY, SUNDAY])
        assert output.rows == {SATURDAY: 1, SUNDAY: 0}
        [again] = build.ensure(["scaled"], [SATURDAY, SUNDAY])
        assert (again.rows, again.fresh) == ({}, (SATURDAY, SUNDAY))
    assert Store(tmp_path).days("scaled", "as_of") == [SATURDAY, SUNDAY]
    sunday = pd.read_parquet(Store(tmp_path).file("scaled", "as_of", SUNDAY).parent)
    assert len(sunday) == 0
    assert read(tmp_path, "scaled")["as_of"].dt.date.tolist() == [SATURDAY]


def test_a_chain_over_an_extract_that_never_came(tmp_path: Path):
    with builder(tmp_path) as build:
        results = build.ensure(["labels"], [MONDAY])
    assert {r.table: dict(r.rows) for r in results} == {
        "scaled": {SATURDAY: 0, SUNDAY: 0, MONDAY: 0},
        "totals": {MONDAY: 0},
        "labels": {MONDAY: 0},
    }


def test_days_stand_in_the_path_only_and_plain_pandas_reads_them(tmp_path: Path):
    land(tmp_path, [7])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [SATURDAY])
    frame = pd.read_parquet(tmp_path / "published" / "scaled")
    assert sorted(frame.columns) == ["as_of", "number", "policy_hash", "scaled"]
    one = pd.read_parquet(Store(tmp_path).file("scaled", "as_of", SATURDAY), partitioning=None)
    assert sorted(one.columns) == ["number", "policy_hash", "scaled"]


def test_a_column_added_later_is_null_in_what_stands(tmp_path: Path):
    land(tmp_path, [7])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [SATURDAY])
        wide = build.engine.read(TableSpec("scaled", Wider, "toys", None))
        frame = build.engine.execute(wide)
    assert frame["scaled"].tolist() == [70]
    assert frame["added"].isna().all()


class Wider(toys.Scaled):
    """Scaled with one more column."""

    added: Integer = column("New.", nullable=True)


class Undated(Snapshot):
    """Rows, some of which say no day."""

    number: Integer = column("A number.")

    class Config:
        unique = ["as_of", "number"]


def undated(spine: Table[Spine]) -> Table[Undated]:
    """A row without a day."""
    day = spine.select("as_of", number=1)
    return day.union(day.mutate(as_of=ibis.null("date"), number=2))


def other_days(spine: Table[Spine]) -> Table[Undated]:
    """A row of the day after."""
    return spine.select(as_of=spine.as_of + ibis.interval(days=1), number=1)


def built(home: Path, function) -> None:
    registry = Registry()
    registry.add(_spec_of(function, "toys", {}, "as_of"))
    with builder(home, registry=registry) as build:
        build.ensure([function.__name__], [MONDAY])


def test_a_row_without_a_day_breaks_the_contract(tmp_path: Path):
    with pytest.raises(ContractBroken) as error:
        built(tmp_path, undated)
    assert error.value.verdict.broken == {"as_of: not null": 1}
    assert error.value.verdict.sample[0]["number"] == 2
    assert files(tmp_path) == {}


def test_rows_of_days_that_nobody_asked_for_are_an_error(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"other_days returned rows of days that were not requested: \['2026-01-06'\]"
    ):
        built(tmp_path, other_days)
    assert files(tmp_path) == {}


def test_a_function_that_misses_its_contract_is_told_before_it_runs(tmp_path: Path):
    def short(spine: Table[Spine]) -> Table[Undated]:
        """No number."""
        return spine.select("as_of", extra=1)

    with pytest.raises(TypeError, match=r"Undated: columns missing \['number'\], not in the contract \['extra'\]"):
        built(tmp_path, short)


class Due(Snapshot):
    """A day worked out from another."""

    due_on: Day = column("A week later.")

    class Config:
        unique = ["as_of"]


def due(spine: Table[Spine]) -> Table[Due]:
    """To DuckDB, a date plus an interval is a timestamp."""
    return spine.select("as_of", due_on=spine.as_of + ibis.interval(days=7))


def test_files_hold_the_types_of_the_contract(tmp_path: Path):
    built(tmp_path, due)
    schema = pq.read_schema(Store(tmp_path).file("due", "as_of", MONDAY))
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "due_on": "date32[day]",
        "policy_hash": "string",
    }


def test_a_footer_says_what_a_file_was_made_from(tmp_path: Path):
    land(tmp_path, [7])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [MONDAY])
        expected = build.expected(build.registry["scaled"], MONDAY)
    facts = footer(Store(tmp_path).file("scaled", "as_of", MONDAY))
    assert facts["fingerprints"]["2026-01-05"] == expected


def test_readers_see_whole_tables_while_builds_run_and_are_killed(tmp_path: Path):
    with builder(tmp_path, policy(window=1)) as build:
        build.ensure(["bulk"], DAYS)
    kills = 4
    reader = subprocess.Popen(
        [sys.executable, "-m", "tests.warehouse.reading", str(tmp_path / "published" / "bulk")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = subprocess.run(
        [sys.executable, "-m", "tests.warehouse.rebuilding", str(tmp_path), str(kills)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    reads, errors = reader.communicate()
    assert killer.returncode == 0, killer.stderr
    assert reader.returncode == 0, errors
    assert int(reads) > 3
    dead = set(killer.stdout.split())
    assert len(dead) == kills

    # The killed left staging only, named by whose it was; what is published is whole and of one day each.
    store = Store(tmp_path)
    assert {p.name for p in store.published.rglob("*") if p.is_file()} == {"part-0.parquet"}
    assert read(tmp_path, "bulk").groupby("as_of").size().tolist() == [toys.ROWS] * 3
    left = {p.name.partition("-")[0] for p in store.staging.iterdir()}
    assert left
    assert left <= dead
    with store.stage() as mine:
        assert store.sweep() >= len(left)
        assert list(store.staging.iterdir()) == [mine]  # what the living work on stays
    assert list(store.staging.iterdir()) == []
