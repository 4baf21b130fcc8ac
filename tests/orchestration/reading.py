"""A process that reads a published table over and over until its input closes: `python -m ... FOLDER`.

Any error, a day that is gone, or a day that is a mix of two runs ends it with a traceback. It writes how often it
read.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import duckdb

PAUSE = 0.02
"""Seconds between two reads: without any, the reader takes a processor from those whose work it watches."""


def main(folder: Path) -> None:
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    days, reads = set(), 0
    while not closed.wait(PAUSE):
        with duckdb.connect(":memory:") as connection:
            result = connection.execute(
                "SELECT as_of, count(*) AS n, count(DISTINCT account_id) AS accounts, count(DISTINCT policy_hash) "
                f"FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = true) GROUP BY as_of"
            ).fetchall()
        for day, rows, accounts, policies in result:
            assert rows == accounts > 0, (day, rows, accounts)
            assert policies == 1, (day, policies)
        there = {day for day, *_ in result}
        assert there >= days, days - there
        days, reads = there, reads + 1
    sys.stdout.write(f"{reads}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
