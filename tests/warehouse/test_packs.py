"""Packs: days that a run only looks back to stand in one file per table, and every reader finds them there."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.model import section_names
from segmentation_assets.reading.access import find_table, load
from segmentation_assets.tables.dictionary import dictionary
from segmentation_assets.warehouse.packing import pack_up
from segmentation_assets.warehouse.packs import packs_of, whole_sql
from segmentation_assets.warehouse.planning import DAMAGED, Planner
from segmentation_assets.warehouse.results import ContractBroken
from segmentation_assets.warehouse.store import Store
from segmentation_assets.warehouse.verifying import verify
from segmentation_assets.warehouse.views import refresh_views
from tests.warehouse.toys import builder, chain, land, policy, read

DAY = date(2026, 1, 7)  # a Wednesday; totals look back to Monday
LOOK_BACK = [DAY - timedelta(days=2), DAY - timedelta(days=1)]
TABLES = ("scaled", "totals", "labels")


def run(home: Path, *days: date, window: int = 10, recent: int = 3) -> dict[str, set[date | None]]:
    """What a run of some days makes, by table."""
    with builder(home, policy(window, recent)) as build:
        build.run_days = frozenset(days)
        return {built.table: set(built.rows) for built in build.ensure(["labels"], days) if built.rows}


def days_alone(home: Path, table: str) -> list[date]:
    return Store(home).days_alone(table, "as_of")


def packed_days(home: Path, table: str) -> list[set[date]]:
    return [set(pack.fingerprints) for pack in packs_of(home, table)]


def test_days_looked_back_to_stand_in_one_file(tmp_path: Path):
    land(tmp_path, [1, 2])
    run(tmp_path, DAY)
    assert days_alone(tmp_path, "scaled") == [DAY]
    assert packed_days(tmp_path, "scaled") == [set(LOOK_BACK)]
    assert packed_days(tmp_path, "totals") == []
    assert run(tmp_path, DAY) == {}, "all of it is up to date"


def test_rows_are_those_of_files_of_one_day(tmp_path: Path):
    packed, single = tmp_path / "packed", tmp_path / "single"
    for home in (packed, single):
        land(home, [1, 2, 5])
    run(packed, DAY)
    with builder(single) as build:
        build.ensure(["labels"], [DAY])
    assert packs_of(packed, "scaled")
    assert not packs_of(single, "scaled")
    for table in TABLES:
        pd.testing.assert_frame_equal(read(packed, table), read(single, table))
        pd.testing.assert_frame_equal(load(table, "all", packed), load(table, "all", single))
    assert find_table("scaled", packed).days == find_table("scaled", single).days
    for day in LOOK_BACK:
        pd.testing.assert_frame_equal(load("scaled", day, packed), load("scaled", day, single))
    chosen = f"{LOOK_BACK[0]}..{LOOK_BACK[1]}"
    pd.testing.assert_frame_equal(load("scaled", chosen, packed), load("scaled", chosen, single))


def test_a_day_without_rows_counts_as_made(tmp_path: Path):
    land(tmp_path, [1])
    sunday = date(2026, 1, 4)
    run(tmp_path, sunday + timedelta(days=1))
    assert sunday in packed_days(tmp_path, "scaled")[0]
    assert len(load("scaled", sunday, tmp_path)) == 0
    assert run(tmp_path, sunday + timedelta(days=1)) == {}


def test_a_day_asked_for_later_gets_its_own_file_and_counts_once(tmp_path: Path):
    land(tmp_path, [1, 2])
    run(tmp_path, DAY)
    yesterday = LOOK_BACK[1]
    assert run(tmp_path, yesterday)["scaled"] >= {yesterday}
    assert yesterday in days_alone(tmp_path, "scaled")
    assert all(yesterday not in days for days in packed_days(tmp_path, "scaled"))
    counts = read(tmp_path, "scaled").groupby("as_of").size()
    assert set(counts) == {2}
    assert run(tmp_path, DAY) == {}


def test_a_new_policy_replaces_the_pack(tmp_path: Path):
    land(tmp_path, [1, 2])
    run(tmp_path, DAY)
    run(tmp_path, DAY, window=20)
    assert packed_days(tmp_path, "scaled") == [set(LOOK_BACK)]
    assert set(read(tmp_path, "scaled")["scaled"]) == {20, 40}


def test_a_pack_of_which_a_run_needs_a_part_keeps_the_rest(tmp_path: Path):
    land(tmp_path, [1])
    run(tmp_path, DAY, recent=4)
    # The window of two days reads yesterday alone: only that day of the pack becomes stale.
    run(tmp_path, DAY, window=20, recent=2)
    assert sorted(map(sorted, packed_days(tmp_path, "scaled"))) == [
        [DAY - timedelta(days=3), DAY - timedelta(days=2)],
        [DAY - timedelta(days=1)],
    ]
    rows = read(tmp_path, "scaled")
    by_day = {day.date(): value for day, value in zip(pd.to_datetime(rows["as_of"]), rows["scaled"], strict=True)}
    assert by_day == {LOOK_BACK[0]: 10, LOOK_BACK[1]: 20, DAY: 20}  # the Sunday before has no rows


def test_a_failed_contract_leaves_the_pack(tmp_path: Path):
    land(tmp_path, [1, 2])
    run(tmp_path, DAY)
    before = packs_of(tmp_path, "scaled")[0].file.read_bytes()
    with pytest.raises(ContractBroken):
        run(tmp_path, DAY, window=1_000_000)
    assert packs_of(tmp_path, "scaled")[0].file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 5000])
def test_a_damaged_pack_is_named_and_made_again(tmp_path: Path, content: bytes):
    land(tmp_path, [1, 2])
    run(tmp_path, DAY)
    before = read(tmp_path, "scaled")
    file = packs_of(tmp_path, "scaled")[0].file
    file.write_bytes(content)
    planner = Planner(Store(tmp_path), chain(), policy())
    assert planner.causes(planner.registry["scaled"], LOOK_BACK[0]) == (DAMAGED,)
    assert [problem.file for problem in verify(Store(tmp_path), chain()).problems] == [file]
    assert run(tmp_path, DAY)["scaled"] == set(LOOK_BACK)
    pd.testing.assert_frame_equal(read(tmp_path, "scaled"), before)
    assert verify(Store(tmp_path), chain()).problems == ()


def test_the_views_show_every_day_once(tmp_path: Path):
    land(tmp_path, [1, 2])
    run(tmp_path, DAY)
    store = Store(tmp_path)
    target = refresh_views(store, [each for each in dictionary(chain(), section_names()) if each.name == "scaled"])
    [pack] = packs_of(tmp_path, "scaled")
    own = store.file("scaled", "as_of", LOOK_BACK[0])
    own.parent.mkdir()
    with duckdb.connect() as connection:
        # A crash between writing a day's own file and taking the day out of its pack.
        connection.execute(f"COPY (SELECT number, scaled, policy_hash FROM '{pack.file}' LIMIT 2) TO '{own}'")
    with duckdb.connect(str(target), read_only=True) as connection:
        counts = connection.execute("SELECT as_of, count(*) FROM scaled GROUP BY 1 ORDER BY 1").fetchall()
        latest = connection.execute("SELECT DISTINCT as_of FROM latest.scaled").fetchall()
    assert counts == [(day, 2) for day in [*LOOK_BACK, DAY]]
    assert latest == [(DAY,)]


def test_packing_up_keeps_rows_and_freshness(tmp_path: Path):
    land(tmp_path, [1, 2])
    days = [*LOOK_BACK, DAY]
    with builder(tmp_path) as build:
        build.ensure(["labels"], days)
        before = read(tmp_path, "scaled")
        spec = build.registry["scaled"]
        pack_up(build.engine, "scaled", {day: str(build.published(spec, day)) for day in LOOK_BACK})
    assert not set(LOOK_BACK) & set(days_alone(tmp_path, "scaled"))
    pd.testing.assert_frame_equal(read(tmp_path, "scaled"), before)
    assert run(tmp_path, DAY) == {}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([10, 20]), st.sampled_from([2, 3])), min_size=1, max_size=4
    )
)
def test_whatever_was_run_before_rows_are_those_of_a_calm_home(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]]
):
    home, calm = tmp_path_factory.mktemp("packs"), tmp_path_factory.mktemp("calm")
    for each in (home, calm):
        land(each, [1, 2])
    for offset, window, recent in steps:
        run(home, DAY + timedelta(days=offset), window=window, recent=recent)
    offset, window, recent = steps[-1]
    day = DAY + timedelta(days=offset)
    with builder(calm, policy(window, recent)) as build:
        build.ensure(["labels"], [day])
    for table in TABLES:
        days = find_table(table, calm).days
        pd.testing.assert_frame_equal(load(table, tuple(days), home), load(table, tuple(days), calm))
        with duckdb.connect() as connection:
            source = whole_sql(home, "scaled", "as_of")
            sql = f"SELECT count(*), count(DISTINCT number) FROM ({source}) GROUP BY as_of"
            assert all(rows == numbers for rows, numbers in connection.execute(sql).fetchall())
