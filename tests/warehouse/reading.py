"""A process that reads `bulk` over and over, with pandas and DuckDB, until its input closes: `python -m ... HOME`.

Any error, missing day, partial day or mix of two versions within a day ends it with a traceback. It writes how often
it read.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import duckdb
import pandas as pd

from tests.orchestration.reading import PAUSE
from tests.warehouse.toys import ROWS


def check(counts: pd.DataFrame, reader: str) -> None:
    """`counts` has a row per day: rows, versions."""
    assert len(counts) == 3, f"{reader}: {counts}"
    assert counts["rows"].tolist() == [ROWS] * 3, f"{reader}: {counts}"
    assert counts["versions"].tolist() == [1] * 3, f"{reader}: {counts}"


def with_pandas(folder: Path) -> None:
    frame = pd.read_parquet(folder, columns=["as_of", "row", "version"])
    counts = frame.groupby("as_of", observed=True).agg(rows=("row", "nunique"), versions=("version", "nunique"))
    check(counts, "pandas")


def with_duckdb(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    counts = connection.execute(
        "SELECT as_of, count(DISTINCT row) AS rows, count(DISTINCT version) AS versions "
        f"FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = true) GROUP BY as_of"
    ).df()
    check(counts, "duckdb")


def main(folder: Path) -> None:
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    reads = 0
    with duckdb.connect(":memory:") as kept_open:
        while not closed.wait(PAUSE):
            with_pandas(folder)
            with_duckdb(kept_open, folder)
            with duckdb.connect(":memory:") as fresh:
                with_duckdb(fresh, folder)
            reads += 1
    sys.stdout.write(f"{reads}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
