"""Runs of a fake chain on a real instance: what is made, recorded, refused."""

from __future__ import annotations

import os
import threading
from datetime import date, timedelta
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.reading.access import NotPublished, load
from segmentation_assets.reading.escaping import in_markdown
from segmentation_assets.running.instance import open_instance
from segmentation_assets.running.runs import Runner, SelectionError
from segmentation_assets.settings import Settings
from segmentation_assets.tables.registry import Table
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.store import Store
from tests.orchestration import fakes
from tests.orchestration.conftest import MakeRunner
from tests.orchestration.fakes import broken_seasons, interrupted_seasons

MARCH_31 = date(2026, 3, 31)  # a Tuesday; the quarter before it begins 2025-10-01, its first Monday is 2025-10-06


def recorded(settings: Settings, table: str) -> dict[str, dg.AssetMaterialization]:
    """The last materialization per partition."""
    with open_instance(settings) as instance:
        records = instance.fetch_materializations(dg.AssetKey(table), limit=1000, ascending=True).records
    return {str(r.partition_key): r.asset_materialization for r in records if r.asset_materialization}


def rows_of(table: str, settings: Settings, as_of: Any = None) -> list[tuple[Any, ...]]:
    frame = load(table, as_of, settings.home)
    return sorted(frame.drop(columns="policy_hash").itertuples(index=False, name=None))


def test_a_run_makes_every_day_that_its_tables_read(runner: MakeRunner, settings: Settings):
    outcome = runner().run(["seeds", "seasons", "ranks", "totals"], [MARCH_31])
    assert outcome.succeeded
    built = {step.table: (step.rows, step.days_made, step.days_kept) for step in outcome.steps}
    # Mondays 2025-10-06 to 2026-03-30 are 26, and the day itself.
    assert built == {"seeds": (2, 27, 0), "ranks": (2, 1, 0), "seasons": (2, 1, 0), "totals": (1, 1, 0)}
    mondays = [date(2025, 10, 6) + timedelta(weeks=i) for i in range(26)]
    seats = sum(day.day for day in [*mondays, MARCH_31])
    assert load("seasons", home=settings.home)["seats"].tolist() == [seats, seats + 10 * 27]
    assert load("totals", home=settings.home)["seats"].tolist() == [2 * seats + 270]


def test_look_back_days_are_recorded_with_their_rows_and_fingerprints(runner: MakeRunner, settings: Settings):
    runner().run(["seeds", "seasons"], [MARCH_31])
    events = recorded(settings, "seeds")
    assert len(events) == 27
    assert events["2025-10-06"].metadata["dagster/row_count"].value == 2
    versions = {event.tags["dagster/data_version"] for event in events.values() if event.tags}
    assert len(versions) == 27  # one per day
    assert set(recorded(settings, "seasons")) == {"2026-03-31"}


def test_inputs_that_the_run_does_not_select_are_made_first_and_recorded(runner: MakeRunner, settings: Settings):
    outcome = runner().run(["totals"], [MARCH_31])
    assert outcome.succeeded
    assert [step.table for step in outcome.steps] == ["totals"]
    assert len(recorded(settings, "seeds")) == 27
    assert set(recorded(settings, "ranks")) == {"2026-03-31"}


def test_a_second_run_keeps_everything(runner: MakeRunner, settings: Settings):
    tables = ["seeds", "seasons", "ranks", "totals"]
    runner().run(tables, [MARCH_31])
    before = {path: path.stat().st_mtime_ns for path in settings.home.glob("published/**/*.parquet")}
    outcome = runner().run(tables, [MARCH_31])
    assert [(step.days_made, step.days_kept) for step in outcome.steps] == [(0, 27), (0, 1), (0, 1), (0, 1)]
    assert {step.rows for step in outcome.steps} == {1, 2}
    assert {path: path.stat().st_mtime_ns for path in settings.home.glob("published/**/*.parquet")} == before


def test_a_range_is_its_days_row_for_row(runner: MakeRunner, settings: Settings, tmp_path):
    days = [date(2026, 3, 28) + timedelta(days=i) for i in range(6)]
    tables = ["seeds", "seasons", "ranks", "totals"]
    runner().run(tables, days)
    whole = {(table, day): rows_of(table, settings, day) for table in tables for day in days}
    for path in settings.home.glob("published"):
        path.rename(tmp_path / "whole")
    for day in days:
        runner().run(tables, [day])
    assert {(table, day): rows_of(table, settings, day) for table in tables for day in days} == whole


def test_every_partition_of_a_range_has_its_own_row_count(runner: MakeRunner, settings: Settings):
    days = [date(2026, 3, 28) + timedelta(days=i) for i in range(6)]
    outcome = runner().run(["seeds"], days)
    assert outcome.steps[0].rows == 12  # all its days
    events = recorded(settings, "seeds")
    assert {day: event.metadata["dagster/row_count"].value for day, event in events.items()} == {
        day.isoformat(): 2 for day in days
    }


def test_days_that_are_no_range_are_one_run(runner: MakeRunner, settings: Settings):
    days = [date(2026, 1, 31), date(2026, 2, 28), MARCH_31]
    outcome = runner().run(["seeds", "ranks"], days)
    assert [step.days_made for step in outcome.steps] == [3, 3]
    assert set(recorded(settings, "ranks")) == {day.isoformat() for day in days}


def test_a_broken_contract_publishes_nothing_and_stops_what_reads_it(runner: MakeRunner, settings: Settings):
    outcome = runner(seasons=broken_seasons).run(["seeds", "seasons", "ranks", "totals"], [MARCH_31])
    assert not outcome.succeeded
    assert {step.table: step.state for step in outcome.steps} == {
        "seeds": "done", "ranks": "done", "seasons": "failed", "totals": "skipped"
    }  # fmt: skip
    [failed] = outcome.failed
    assert failed.reason is not None
    words, _, example = failed.reason.partition("; e.g. as_of 2026-03-31, account_id ")
    assert words == (
        "seasons breaks its contract, so nothing was published: seats: greater_than_or_equal_to 0: 2 of 2 rows"
    )
    assert example in ("a, seats -31", "b, seats -41")
    for table in ("seasons", "totals"):
        with pytest.raises(NotPublished):
            load(table, home=settings.home)
    with open_instance(settings) as instance:
        # Dagster 1.13 plans a check of a partitioned asset per partition, and leaves that record planned.
        [check] = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("seasons"), "contract"),
            limit=5,
            status={AssetCheckExecutionRecordStatus.FAILED},
        )
        assert check.event is not None
        evaluation = check.event.get_dagster_event().asset_check_evaluation_data
        assert not evaluation.passed
        assert in_markdown("seats: greater_than_or_equal_to 0") in evaluation.metadata["broken"].value
        assert "-31" in evaluation.metadata["sample"].value
        assert not instance.get_latest_materialization_event(dg.AssetKey("seasons"))


def test_yesterdays_table_stands_when_todays_breaks(runner: MakeRunner, settings: Settings):
    assert runner().run(["seasons"], [date(2026, 3, 30)]).succeeded
    before = rows_of("seasons", settings)
    assert not runner(seasons=broken_seasons).run(["seasons"], [MARCH_31]).succeeded
    assert rows_of("seasons", settings) == before


def test_a_broken_input_outside_the_selection_fails_the_step_that_reads_it(runner: MakeRunner, settings: Settings):
    outcome = runner(seasons=broken_seasons).run(["totals"], [MARCH_31])
    [failed] = outcome.failed
    assert failed.table == "totals"
    assert failed.reason is not None
    assert failed.reason.startswith("seasons breaks its contract")


def test_the_connection_is_closed_after_a_failure(runner: MakeRunner, settings: Settings, monkeypatch):
    opened: list[duckdb.DuckDBPyConnection] = []
    connect = duckdb.connect

    def remember(*args: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr("segmentation_assets.orchestration.resources.duckdb.connect", remember)
    runner(seasons=broken_seasons).run(["seasons"], [MARCH_31])
    assert opened
    for connection in opened:  # the run's, and the one that writes views for people
        with pytest.raises(duckdb.ConnectionException):
            connection.execute("SELECT 1")


def test_runs_of_one_home_go_one_after_the_other(runner: MakeRunner, settings: Settings):
    built, taken, over, notes = runner(), threading.Event(), threading.Event(), []

    def hold() -> None:
        with Store(settings.home).alone():
            taken.set()
            over.wait(60)

    def note(text: str) -> None:
        notes.append(text)
        assert not (settings.home / "published").exists()
        over.set()

    other = threading.Thread(target=hold)
    other.start()
    taken.wait(60)
    outcome = built.run(["seeds"], [MARCH_31], note=note)
    other.join()
    assert outcome.succeeded
    assert [note.partition("(")[0] for note in notes] == [
        f"waiting for another run in this home: process {os.getpid()} "
    ]
    assert built.run(["seeds"], [MARCH_31], note=note).succeeded
    assert len(notes) == 1


def test_a_passing_trouble_is_tried_again(runner: MakeRunner, monkeypatch):
    tries: list[str] = []
    build = Builder.build

    def fail_once(self: Builder, spec: Any, days: Any) -> Any:
        tries.append(spec.name)
        if len(tries) == 1:
            raise OSError("disk busy")
        return build(self, spec, days)

    monkeypatch.setattr(Builder, "build", fail_once)
    monkeypatch.setattr("segmentation_assets.orchestration.assets.RETRY_SECONDS", 0)
    assert runner().run(["seeds"], [MARCH_31]).succeeded
    assert tries == ["seeds", "seeds"]


def test_a_mistake_in_a_table_is_not_tried_again(runner: MakeRunner):
    tries: list[int] = []

    def ranks(seeds: Any) -> Any:
        tries.append(1)
        raise RuntimeError("a mistake")

    ranks.__annotations__ = {"seeds": Table[fakes.Seeds], "return": Table[fakes.Ranks]}
    outcome = runner(ranks=ranks).run(["seeds", "ranks"], [MARCH_31])
    assert "a mistake" in (outcome.failed[0].reason or "")
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("selection", "tables"),
    [
        ("*", ["seeds", "ranks", "seasons", "totals"]),
        ("+seasons", ["seeds", "seasons"]),
        ("key:ranks or key:totals", ["ranks", "totals"]),
        ("group:fakes and not key:seeds", ["ranks", "seasons", "totals"]),
    ],
)
def test_selections_are_dagsters(runner: MakeRunner, selection: str, tables: list[str]):
    assert sorted(runner().select(selection)) == sorted(tables)


def test_an_interrupted_run_says_so_and_goes_on_afterwards(runner: MakeRunner, settings: Settings):
    tables = ["seeds", "seasons", "ranks", "totals"]
    outcome = runner(seasons=interrupted_seasons).run(tables, [MARCH_31])
    assert [step.reason for step in outcome.failed] == [
        "interrupted; published tables are kept, and the same command continues from there"
    ]
    again = runner().run(tables, [MARCH_31])
    assert again.succeeded
    assert {step.table: step.days_made for step in again.steps}["seeds"] == 0


def test_a_bare_name_selects_as_its_key_does(runner: MakeRunner):
    chain = runner()
    for bare in ("+totals", "seeds+", "1+totals", "totals or +ranks", "not totals"):
        keyed = bare.replace("totals", "key:totals").replace("seeds", "key:seeds").replace("ranks", "key:ranks")
        assert chain.select(bare) == chain.select(keyed), bare
    assert set(chain.select("+totals")) > set(chain.select("1+totals"))  # every layer, not the next one


@pytest.mark.parametrize("selection", ["seads", "key:(", ""])
def test_a_selection_of_nothing_is_an_error(runner: MakeRunner, selection: str):
    with pytest.raises(SelectionError):
        runner().select(selection)


@pytest.mark.parametrize("day", [date(2019, 12, 31), date(2200, 1, 1)])
def test_days_without_a_partition_are_refused(runner: MakeRunner, day: date):
    with pytest.raises(SelectionError, match="2020-01-01"):
        runner().run(["seeds"], [day])


def test_the_policy_of_a_run_is_in_its_tables(runner: MakeRunner, settings: Settings, tmp_path):
    runner().run(["seeds"], [MARCH_31])
    other = tmp_path / "other.yaml"
    other.write_text("company: {renewal_grace_days: 5}\n")
    changed = Settings(settings.home, None, other)
    before = load("seeds", home=settings.home)["policy_hash"].iloc[0]
    again = Runner(changed, build_defs(settings=changed, registry=fakes.registry()))
    [step] = again.run(["seeds"], [MARCH_31]).steps
    assert step.days_made == 1
    assert load("seeds", home=settings.home)["policy_hash"].iloc[0] != before


def test_frames_and_tables_are_told_apart(runner: MakeRunner):
    graph = runner().graph
    kinds = {key.path[-1]: graph.get(key).kinds for key in graph.get_all_asset_keys()}
    assert kinds["ranks"] == {"duckdb", "pandas", "parquet"}
    assert kinds["seasons"] == {"duckdb", "ibis", "parquet"}
