"""A process that rebuilds `bulk` over and over in children that it kills in mid-work: `python -m ... HOME KILLS`.

It writes one line per kill. Forked before anything of DuckDB has started, so each child is a clean process.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from datetime import date
from pathlib import Path

from tests.warehouse.toys import builder, policy

DAYS = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]


def rebuild(home: Path, versions: range) -> None:
    """Build all days under one policy after the other; equal ones are never in a row, so each build publishes."""
    for version in itertools.cycle(versions):
        with builder(home, policy(window=version)) as build:
            build.ensure(["bulk"], DAYS)


def published(home: Path) -> dict[Path, int]:
    """When each file of `bulk` was published."""
    return {file: file.stat().st_mtime_ns for file in sorted(home.glob("published/bulk/*/*.parquet"))}


def main(home: Path, kills: int) -> None:
    for number in range(kills):
        child = os.fork()
        if child == 0:
            rebuild(home, range(10 * number + 10, 10 * number + 20))
        before = published(home)
        while published(home) == before:  # it is at work, and begins again at once
            time.sleep(0.01)
        time.sleep(random.Random(number).uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        sys.stdout.write(f"{child}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
