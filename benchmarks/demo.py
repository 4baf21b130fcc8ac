"""How fast people get answers: a first run (`demo`), then `show` and `explain` on what it published.

Here: timing the command as a user runs it. Not here: the chain against hand-written SQL (`against_sql`).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, Findings, Scale

MOST_DEMO_SECONDS, MOST_ANSWER_SECONDS = 60.0, 1.0
COMMAND = str(Path(sys.executable).with_name("segmentation"))
_ANSWERS = 3


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """One demo in an empty home (its own size, also in a quick check); the median of three for each answer."""
    del scale
    tell("a first run")
    home, before = folder / "home", resource.getrusage(resource.RUSAGE_CHILDREN)
    demo = _seconds(home, "demo")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    tell("how fast it answers")
    account = _first_account(home)
    show = median(_seconds(home, "show", "account_profiles") for _ in range(_ANSWERS))
    explain = median(_seconds(home, "explain", account) for _ in range(_ANSWERS))
    figures = [
        Figure("demo after installation", demo, "s", at_most=MOST_DEMO_SECONDS),
        Figure("CPU of it", sum((after.ru_utime, after.ru_stime, -before.ru_utime, -before.ru_stime)), "s"),
        Figure("show", show, "s", at_most=MOST_ANSWER_SECONDS),
        Figure("explain", explain, "s", at_most=MOST_ANSWER_SECONDS),
    ]
    load = os.getloadavg()[0]
    return Findings(figures, [f"load of the machine in the last minute: {load:.1f} on {os.cpu_count()} cores"])


def _first_account(home: Path) -> str:
    return command_output(
        home, "show", "segments", "--columns", "account_id", "--limit", "1", "--format", "csv"
    ).split()[-1]


def _seconds(home: Path, *arguments: str) -> float:
    started = time.perf_counter()
    command_output(home, *arguments)
    return time.perf_counter() - started


def command_output(home: Path, *arguments: str) -> str:
    """What the `segmentation` command prints. Raises RuntimeError with its last words if it fails."""
    command = [COMMAND, "--home", str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return done.stdout
