"""How fast people get answers: a first run (`demo`), then what the daily commands cost on what it published.

Here: timing the command as a user runs it. Not here: the chain against hand-written SQL (`against_sql`).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, Findings, Scale

MOST_DEMO_SECONDS, MOST_ANSWER_SECONDS = 60.0, 1.0
MOST_DEMO_CPU, MOST_IDLE_CPU, MOST_DAY_CPU = 22.0, 3.0, 6.0
MOST_FILES = 3_000
_DAYS_BACK = 3
"""So many days before the demo's lies the other day that is run: it has no files of its own yet."""
COMMAND = str(Path(sys.executable).with_name("segmentation"))
_ANSWERS = 3


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """One demo in an empty home (its own size, also in a quick check); the median of three for each answer."""
    del scale
    tell("a first run")
    home = folder / "home"
    demo, cpu = _cost(home, "demo")
    files = sum(1 for place in ("published", "packed") for _ in (home / place).rglob("*.parquet"))
    tell("how fast it answers")
    account = _first_account(home)
    show = median(_seconds(home, "show", "account_profiles") for _ in range(_ANSWERS))
    explain = median(_seconds(home, "explain", account) for _ in range(_ANSWERS))
    figures = [
        Figure("demo after installation", demo, "s", at_most=MOST_DEMO_SECONDS),
        Figure("CPU of it", cpu, "s", at_most=MOST_DEMO_CPU),
        Figure("files that it publishes", files, at_most=MOST_FILES),
        Figure("show", show, "s", at_most=MOST_ANSWER_SECONDS),
        Figure("explain", explain, "s", at_most=MOST_ANSWER_SECONDS),
        *_daily(home, tell),
    ]
    load = os.getloadavg()[0]
    return Findings(figures, [f"load of the machine in the last minute: {load:.1f} on {os.cpu_count()} cores"])


def _daily(home: Path, tell: Callable[[str], None]) -> list[Figure]:
    """What the commands of every day cost in processor time."""
    tell("a run with nothing to make, and one of another day")
    idle = median(_cost(home, "run")[1] for _ in range(_ANSWERS))
    status = median(_cost(home, "status")[1] for _ in range(_ANSWERS))
    day = date.fromisoformat(command_output(
        home, "show", "segments", "--columns", "as_of", "--limit", "1", "--format", "csv"
    ).split()[-1])  # fmt: skip
    another = _cost(home, "run", "--as-of", str(day - timedelta(days=_DAYS_BACK)))[1]
    return [
        Figure("CPU of a run with nothing to make", idle, "s", at_most=MOST_IDLE_CPU),
        Figure("CPU of status", status, "s", at_most=MOST_ANSWER_SECONDS),
        Figure("CPU of a run of another day", another, "s", at_most=MOST_DAY_CPU),
    ]


def _first_account(home: Path) -> str:
    return command_output(
        home, "show", "segments", "--columns", "account_id", "--limit", "1", "--format", "csv"
    ).split()[-1]


def _cost(home: Path, *arguments: str) -> tuple[float, float]:
    """Seconds of wall time and of processor time of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = _seconds(home, *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _seconds(home: Path, *arguments: str) -> float:
    started = time.perf_counter()
    command_output(home, *arguments)
    return time.perf_counter() - started


def command_output(home: Path, *arguments: str) -> str:
    """What the `segmentation` command prints. Raises RuntimeError with its last words if it fails."""
    command = [COMMAND, "--home", str(home), *arguments]
    # As on a machine of users, where Python keeps compiled modules.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return done.stdout
