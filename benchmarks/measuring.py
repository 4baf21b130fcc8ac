"""Measuring one side in a process of its own.

Here: what a side is told (`Job`), what it reports (`Measured`), starting it afresh, its peak memory. Not here: what a
side does, or holding the two against each other.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

_MARK = "measured: "


@dataclass(frozen=True)
class Job:
    """What both sides are told: the same sample, tables, days, policy and memory limit, each its own empty home."""

    home: Path
    sources: Path
    days: Sequence[date]
    tables: Sequence[str]
    plan: Mapping[str, Sequence[str]]
    policy: Mapping[str, Any]
    memory_limit: str
    orchestrated: bool = True


@dataclass(frozen=True)
class Measured:
    """What a side took beyond start-up: wall and CPU seconds; the process's peak resident memory in bytes."""

    wall: float
    cpu: float
    peak: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def peak_memory() -> int:
    """Peak resident memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(module: str, job: Job) -> Measured:
    """Run a side in a fresh process. Raises RuntimeError, with what it said, where it fails."""
    job_text = json.dumps(asdict(job), default=str)
    environment = {**os.environ, "SEGMENTATION_MEMORY_LIMIT": job.memory_limit}
    done = subprocess.run(
        [sys.executable, "-m", module], input=job_text, capture_output=True, text=True, env=environment, check=False
    )
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith(_MARK):
        raise RuntimeError(f"{module} failed:\n{done.stderr[-4000:] or done.stdout[-4000:]}")
    return Measured(**json.loads(last.removeprefix(_MARK)))


def run_child(side: Callable[[Job], Measured]) -> None:
    """What a side's process does: read the job from stdin, run it, print what it took."""
    facts = json.load(sys.stdin)
    paths = {name: Path(facts.pop(name)) for name in ("home", "sources")}
    days = [date.fromisoformat(day) for day in facts.pop("days")]
    print(_MARK + json.dumps(asdict(side(Job(days=days, **paths, **facts)))))
