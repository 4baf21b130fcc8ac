"""The parts of the benchmark, and measuring one in a process of its own.

Here: which parts there are, one line each. Not here: what a part measures (each in its module), options or printing
(`__main__`).
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Findings, Scale

# A part, one line: its name, and the module whose `measure` does it (`figures.Part`). Measured in this order.
PARTS: Mapping[str, str] = {
    "location": "benchmarks.location",
    "dagster": "benchmarks.dagster_cost",
    "half_year": "benchmarks.half_year",
    "demo": "benchmarks.demo",
    "assignments": "benchmarks.assignments",
    "lineage": "benchmarks.lineage",
    "report": "benchmarks.report",
    "billing": "benchmarks.billing",
    "usage_days": "benchmarks.usage_days",
    "chain": "benchmarks.against_sql",
    "kpis": "benchmarks.kpis",
    "seeds": "benchmarks.seeds",
}


def measured_apart(name: str, scale: Scale, folder: Path) -> Findings | str:
    """A part's findings, or why there are none: one that fails does not take the others' figures along.

    In a fresh process, so that no part measures what another has loaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(_measure, name, scale, folder).result()
        except Exception as error:
            return "".join(traceback.format_exception(error))


def _measure(name: str, scale: Scale, folder: Path) -> Findings:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    return import_module(PARTS[name]).measure(scale, folder, lambda text: console.print(f"{name}: {text} ..."))
