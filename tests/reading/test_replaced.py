"""Readers while files are replaced: every read is of one whole file, the old one or the new one."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import duckdb

from segmentation_assets.reading.access import load
from segmentation_assets.warehouse.store import Store

READS = 300
DAYS = ("2026-03-30", "2026-03-31")


def versions(folder: Path) -> list[Path]:
    """Files of different lengths; in each, all rows say how many there are."""
    table = [folder / f"{rows}.parquet" for rows in (3000, 3700, 4400, 5100)]
    for file in table:
        duckdb.sql(
            f"COPY (SELECT {file.stem}::BIGINT AS n, random() AS x, md5(i::TEXT) AS t FROM range({file.stem}) r(i)) "
            f"TO '{file}' (FORMAT parquet)"
        )
    return table


def test_no_read_fails_or_mixes_while_a_file_is_replaced(tmp_path: Path):
    (tmp_path / "versions").mkdir()
    table, store, done = versions(tmp_path / "versions"), Store(tmp_path / "home"), threading.Event()
    targets = [store.file("kpis", "as_of", day) for day in DAYS]  # type: ignore[arg-type]

    def publish(number: int) -> None:
        for target in targets:
            copy = tmp_path / "copy.parquet"
            shutil.copyfile(table[number % len(table)], copy)
            Store.move(copy, target)

    def replace() -> None:
        number = 0
        while not done.is_set():
            publish(number)
            number += 1

    publish(0)
    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(READS):
            frame = load("kpis", "all", home=store.home)
            for _, of_day in frame.groupby("as_of"):
                assert set(of_day["n"]) == {len(of_day)}
    finally:
        done.set()
        writer.join()
    assert not list((store.home / "staging").iterdir())
