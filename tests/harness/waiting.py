"""Waiting for what processes do, never for the clock. Not here: starting them (`processes`).

A wait ends when the thing has happened, or when the process that should do it has ended without. Nothing is said of
how fast that must be: a busy machine is slow, not wrong. HANGS_AFTER only ends what will never end by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil

HANGS_AFTER = 1800.0
"""Seconds after which a wait is taken for a hang."""
_BETWEEN_LOOKS = 0.1


def until(is_so: Callable[[], object], *processes: Popen[Any], log: Path | None = None) -> None:
    """Look until it is so. Raises AssertionError, with the end of the log, if a process ends first or all hangs."""
    hangs_at = time.monotonic() + HANGS_AFTER
    while not is_so():
        ended = [process for process in processes if process.poll() is not None]
        if ended and not is_so():  # it may have done it and ended between two looks
            raise AssertionError(f"ended with {ended[0].returncode} before it was so\n{_end_of(log)}")
        if time.monotonic() > hangs_at:
            raise AssertionError(f"not so after {HANGS_AFTER:.0f} seconds\n{_end_of(log)}")
        time.sleep(_BETWEEN_LOOKS)


def until_gone(processes: Iterable[psutil.Process]) -> None:
    """Wait for the end of processes that were told to end. Raises AssertionError where one hangs."""
    _, alive = psutil.wait_procs(list(processes), timeout=HANGS_AFTER)
    assert not alive, alive


def _end_of(log: Path | None) -> str:
    return log.read_text(errors="replace")[-5000:] if log and log.exists() else ""
