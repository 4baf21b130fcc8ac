from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from segmentation_assets.warehouse.results import ContractBroken
from segmentation_assets.warehouse.store import footer
from tests.warehouse.toys import builder, land, policy, read

DAYS = [date(2026, 1, 1) + timedelta(days=i) for i in range(9)]
TABLES = ["labels", "bulk"]


def test_days_made_in_batches_are_the_days_made_at_once(tmp_path: Path):
    for name, size in (("once", None), ("batches", 1)):
        land(tmp_path / name, [1, 2, 3])
        with builder(tmp_path / name) as build:
            build.batch_bytes = size or build.batch_bytes
            build.ensure(TABLES, DAYS)
    for table in ("scaled", "totals", *TABLES):
        once, batches = (read(tmp_path / name, table) for name in ("once", "batches"))
        assert len(once)
        assert once.equals(batches)
        paths = sorted((tmp_path / "once" / "published" / table).rglob("*.parquet"))
        for path in paths:
            other = tmp_path / "batches" / path.relative_to(tmp_path / "once")
            assert footer(path)["fingerprints"] == footer(other)["fingerprints"]


def test_a_batch_reads_no_more_than_it_may_unless_a_day_alone_does(tmp_path: Path):
    land(tmp_path, [1, 2, 3])
    with builder(tmp_path) as build:
        build.ensure(["totals"], DAYS)
        scaled, totals, labels = (build.registry[n] for n in ("scaled", "totals", "labels"))
        assert list(build._batches(totals, DAYS)) == [DAYS]
        extract = build.store.file("numbers").stat().st_size
        build.batch_bytes = 2 * extract  # two days, each reading the extract
        assert list(build._batches(scaled, DAYS)) == [DAYS[0:2], DAYS[2:4], DAYS[4:6], DAYS[6:8], DAYS[8:]]
        # A total reads three days of scaled, the policy's window.
        read_days = [build.store.file("scaled", "as_of", DAYS[4] - timedelta(days=i)) for i in range(3)]
        assert build._bytes_read(totals, DAYS[4]) == sum(path.stat().st_size for path in read_days)
        build.batch_bytes = 1
        assert list(build._batches(totals, DAYS)) == [[day] for day in DAYS]
        assert list(build._batches(labels, DAYS)) == [DAYS]  # a table of frames walks through its days


def test_a_contract_broken_in_the_last_batch_publishes_nothing_of_the_first(tmp_path: Path):
    land(tmp_path, [1, 70_000])
    sunday = date(2026, 1, 4)  # without rows, so it breaks nothing
    with builder(tmp_path, policy(window=20)) as build:
        build.batch_bytes = 1
        with pytest.raises(ContractBroken):
            build.ensure(["scaled"], [sunday, sunday + timedelta(days=1)])
    assert not (tmp_path / "published" / "scaled").exists()
