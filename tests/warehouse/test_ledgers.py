"""Ledgers: what is booked stays, a posting repeated books nothing, and none is posted for a day long gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.access import load
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Contract, Day, Integer, Snapshot, column
from segmentation_assets.tables.ledgers import Posting, appended
from segmentation_assets.tables.registry import Frame, Registry, Table, _spec_of, ledger_spec
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.results import ContractBroken, EntriesLost
from segmentation_assets.warehouse.store import Store

MONDAY = date(2026, 3, 2)


class Weathers(Snapshot):
    """The day of the month, a day."""

    degrees: Integer = column("Day of the month.")

    class Config:
        unique = ["as_of"]


class Records(Contract):
    """The warmest days so far."""

    number: Integer = column("1 is the first record.", ge=1)
    degrees: Integer = column("Degrees.", le=30)
    as_of: Day = column("Day of the record.")
    run_id: str = column("Who wrote it down.")

    class Config:
        unique = ["number"]


class Counts(Contract):
    """How many records there are."""

    records: Integer = column("Records.")

    class Config:
        unique = ["records"]


def weathers(spine: Table[Spine]) -> Table[Weathers]:
    """The day of the month."""
    return spine.select("as_of", degrees=spine.as_of.day().cast("int64"))


def records(booked: Frame[Records], posting: Posting, weathers: Frame[Weathers]) -> Frame[Records]:
    """Days warmer than all before."""
    degrees = int(weathers["degrees"].iloc[0])
    is_record = not len(booked) or degrees > booked["degrees"].max()
    row = {"number": len(booked) + 1, "degrees": degrees, "as_of": posting.as_of, "run_id": posting.run_id}
    return appended(Records, booked, pd.DataFrame([row] if is_record else [], columns=list(row)))


def counts(records: Table[Records]) -> Table[Counts]:
    """How many records there are."""
    return records.aggregate(records=records.count())


def forgetful(booked: Frame[Records], posting: Posting, weathers: Frame[Weathers]) -> Frame[Records]:
    """Only the newest."""
    return records(booked, posting, weathers).tail(1)


forgetful.__name__ = "records"


@contextmanager
def builder(home: Path, run: str = "r1", function=records, late_days: int = 0) -> Iterator[Builder]:
    registry = Registry()
    registry.add(_spec_of(weathers, "toys", {}, "as_of"))
    registry.add(ledger_spec(function, "toys", late_days))
    registry.add(_spec_of(counts, "toys", {}, None))
    store = Store(home)
    with open_connection(store) as connection:
        yield Builder(Engine(connection, store), registry, load_policy(), run)


def post(home: Path, *days: date, run: str = "r1", **options) -> list[tuple[int, int, str]]:
    with builder(home, run, **options) as table:
        table.ensure(["counts"], days)
    frame = load("records", home=home)
    assert load("counts", home=home)["records"].tolist() == [len(frame)]
    return sorted(frame[["number", "degrees", "run_id"]].itertuples(index=False, name=None))


def test_a_ledger_grows_and_what_reads_it_follows(tmp_path: Path):
    assert post(tmp_path, MONDAY) == [(1, 2, "r1")]
    assert post(tmp_path, MONDAY + timedelta(days=3), run="r2") == [(1, 2, "r1"), (2, 5, "r2")]


def test_a_posting_repeated_books_nothing_and_publishes_nothing(tmp_path: Path):
    post(tmp_path, MONDAY)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("published/**/*.parquet")}
    assert post(tmp_path, MONDAY, run="r2") == [(1, 2, "r1")]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("published/**/*.parquet")} == files


def test_of_a_range_the_newest_day_is_posted(tmp_path: Path):
    assert post(tmp_path, MONDAY, MONDAY + timedelta(days=1)) == [(1, 3, "r1")]


def test_a_day_before_the_newest_is_not_posted_unless_it_may_be_late(tmp_path: Path):
    post(tmp_path, date(2026, 3, 1))
    assert post(tmp_path, date(2026, 2, 28)) == [(1, 1, "r1")]
    assert post(tmp_path, date(2026, 2, 22), late_days=6) == [(1, 1, "r1")]
    assert post(tmp_path, date(2026, 2, 28), late_days=6) == [(1, 1, "r1"), (2, 28, "r1")]
    with builder(tmp_path) as table:
        assert table.posted(table.registry["records"]) == date(2026, 3, 1)


def test_a_ledger_that_loses_entries_stays_as_it_was(tmp_path: Path):
    post(tmp_path, MONDAY)
    with builder(tmp_path, function=forgetful) as table, pytest.raises(EntriesLost, match="1 booked entries"):
        table.ensure(["records"], [MONDAY + timedelta(days=1)])
    assert len(load("records", home=tmp_path)) == 1


def test_a_ledger_that_breaks_its_contract_stays_as_it_was(tmp_path: Path):
    post(tmp_path, MONDAY)
    with builder(tmp_path) as table, pytest.raises(ContractBroken, match="degrees"):
        table.ensure(["records"], [date(2026, 3, 31)])
    assert len(load("records", home=tmp_path)) == 1


def test_a_ledger_is_fresh_once_it_stands(tmp_path: Path):
    with builder(tmp_path) as table:
        assert table.causes(table.registry["records"], None) == ("missing",)
    post(tmp_path, MONDAY)
    with builder(tmp_path) as table:
        assert table.is_fresh(table.registry["records"], None)


def test_a_function_without_a_posting_is_no_ledger():
    with pytest.raises(TypeError, match="posting"):
        ledger_spec(counts, "toys")
