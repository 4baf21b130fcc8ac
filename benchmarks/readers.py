"""Readers while a table's files are replaced every 10 ms: how many reads fail, or mix two versions.

Here: the writer, the ways to read, the counts. Not here: the results file (`reliability`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from click.testing import CliRunner

from benchmarks.reliability import when_and_where
from segmentation_assets.cli.main import main as segmentation
from segmentation_assets.reading.access import load
from segmentation_assets.tables.dictionary import ColumnEntry, TableEntry
from segmentation_assets.warehouse.snapshots import take_snapshot
from segmentation_assets.warehouse.store import Store
from segmentation_assets.warehouse.views import FILE, refresh_views

TABLE = "kpis"
DAYS = (date(2026, 3, 30), date(2026, 3, 31))
ROWS = (3000, 3700, 4400, 5100)
_EVERY_SECONDS = 0.01
_TYPES = {"n": "whole number", "x": "number", "t": "text", "as_of": "date"}
_RAW = "DuckDB, files of the home"
_VIEWS = "DuckDB, views of the home"
UNPROMISED = (_RAW, _VIEWS)
"""DuckDB opens a file twice: what it says of one that is replaced in between cannot be trusted (docs/analysts.md)."""


@dataclass(frozen=True)
class Reads:
    """The reads of one kind: how many, how many failed, how many mixed versions, and the most frequent error."""

    way: str
    reads: int
    failed: int
    mixed: int
    error: str


def entry() -> TableEntry:
    """The table's contract."""
    columns = tuple(ColumnEntry(n, t, "", False, True, "", "", (), "", n) for n, t in _TYPES.items())
    return TableEntry(TABLE, "test", "Rows that say how many there are.", (), "as_of", (), (), (), columns)


def prepared(folder: Path) -> Path:
    """A home with two days of a table, versions to put in their place, and a snapshot."""
    (folder / "versions").mkdir(parents=True)
    for rows in ROWS:
        duckdb.sql(
            f"COPY (SELECT {rows}::BIGINT AS n, random() AS x, md5(i::TEXT) AS t FROM range({rows}) r(i)) "
            f"TO '{folder / 'versions' / f'{rows}.parquet'}' (FORMAT parquet)"
        )
    store = Store(folder / "home", is_durable=False)
    for number, day in enumerate(DAYS):
        _publish(store, folder, day, number)
    refresh_views(store, [entry()])
    refresh_views(take_snapshot(store, folder / "snapshot"), [entry()])
    return store.home


def _publish(store: Store, folder: Path, day: date, number: int) -> None:
    copy = folder / f"copy-{number % 2}.parquet"
    shutil.copyfile(folder / "versions" / f"{ROWS[number % len(ROWS)]}.parquet", copy)
    store.publish(copy, store.file(TABLE, "as_of", day))


def write(folder: Path) -> None:
    """Replace files until the process ends."""
    store, number = Store(folder / "home", is_durable=False), 0
    while True:
        _publish(store, folder, DAYS[number % len(DAYS)], number)
        number += 1
        time.sleep(_EVERY_SECONDS)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Files are replaced by another process."""
    code = "import sys; from pathlib import Path; from benchmarks.readers import write; write(Path(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=Path(__file__).parents[1]) as writer:
        try:
            yield
        finally:
            writer.kill()


Counted = Iterable[tuple[Any, int]]
"""Number of rows that a read saw, each beside what a row of it says."""


def ways(folder: Path) -> Mapping[str, Callable[[], Counted]]:
    """The ways to read, each giving what rows say beside how many there are."""
    home, one = folder / "home", folder / "home" / "published" / TABLE / f"as_of={DAYS[-1]}" / "part-0.parquet"
    per_day = "SELECT min(n), count(*), max(n), sum(x) FROM {} GROUP BY as_of"

    def by_duckdb(source: str, database: Path | None = None) -> Counted:
        with duckdb.connect(str(database or ":memory:"), read_only=database is not None) as connection:
            rows = connection.execute(per_day.format(source)).fetchall()
        return [(low if low == high else None, count) for low, count, high, _ in rows]

    def shown() -> Counted:
        words = ["--home", str(home), "show", TABLE, "--as-of", str(DAYS[-1]), "--format", "csv", "--columns", "n"]
        result = CliRunner().invoke(segmentation, [*words, "--limit", "100000"])
        if result.exit_code:
            raise RuntimeError(result.output[-200:])
        lines = result.stdout.split()[1:]
        return [(int(lines[0]) if len(set(lines)) == 1 else None, len(lines))]

    snapshot = folder / "snapshot"
    return {
        "`load`": lambda: _of(load(TABLE, "all", home)),
        "`segmentation show`": shown,
        "pandas, the folder": lambda: _of(pd.read_parquet(home / "published" / TABLE)),
        "pandas, a file": lambda: _of(pd.read_parquet(one).assign(as_of=0)),
        "DuckDB, files of a snapshot": lambda: by_duckdb(f"'{snapshot}/published/{TABLE}/**/*.parquet'"),
        "DuckDB, views of a snapshot": lambda: by_duckdb(TABLE, snapshot / FILE),
        _RAW: lambda: by_duckdb(f"'{home}/published/{TABLE}/**/*.parquet'"),
        _VIEWS: lambda: by_duckdb(TABLE, home / FILE),
    }


def _of(frame: pd.DataFrame) -> Counted:
    groups = [group for _, group in frame.groupby("as_of", observed=True)]
    return [(int(g["n"].iloc[0]) if g["n"].nunique() == 1 else None, len(g)) for g in groups]


def read(folder: Path, reads: int) -> list[Reads]:
    """Read in each way while files are replaced."""
    prepared(folder)
    results = []
    with writing(folder):
        for name, way in ways(folder).items():
            errors, mixed = Counter[str](), 0
            for _ in range(reads):
                try:
                    mixed += any(said != there for said, there in way())
                except Exception as error:  # a failure of any kind is what is counted
                    errors[f"{type(error).__name__}: {str(error).splitlines()[0][:60]}"] += 1
            most = errors.most_common(1)
            results.append(Reads(name, reads, errors.total(), mixed, most[0][0] if most else ""))
    return results


def section(folder: Path, reads: int) -> tuple[str, bool]:
    """The section of the results file, and whether no read failed of the kinds that must not."""
    results = read(folder, reads)
    promised = [each for each in results if each.way not in UNPROMISED]
    return _written(results, promised), not any(each.failed or each.mixed for each in promised)


def _written(results: Sequence[Reads], promised: Sequence[Reads]) -> str:
    reads, bad = sum(each.reads for each in promised), sum(each.failed + each.mixed for each in promised)
    rows = [f"| {r.way} | {r.reads:,} | {r.failed:,} | {r.mixed:,} | {r.error} |" for r in results]
    return "\n".join(
        [
            "## Readers: `python -m benchmarks.reliability readers`",
            "",
            f"{when_and_where()}. One of two files of a table was replaced every 10 ms: **{reads:,} reads of the "
            f"kinds that must not fail, {bad} errors or mixtures.** DuckDB opens each file twice. While files are "
            "replaced, it fails at times, or takes rows of one version for those of another: so it reads a snapshot "
            "(docs/analysts.md).",
            "",
            "| reader | reads | errors | mixed versions | most frequent error |",
            "|---|---:|---:|---:|---|",
            *rows,
            "",
        ]
    )
