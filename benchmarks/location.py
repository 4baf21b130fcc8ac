"""What loading the Dagster location takes beyond `import dagster`, and what it imports.

Here: loading it as Dagster does, in a fresh interpreter. Not here: what a run costs (`dagster_cost`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, Findings, Scale

HEAVY = ("altair", "lifelines", "matplotlib", "pyspark", "scipy", "sklearn", "streamlit", "vl_convert", "xlsxwriter")
_LOAD = """
import json, sys, time
t = time.perf_counter(); import dagster; dagster_s = time.perf_counter() - t
before = set(sys.modules)
t = time.perf_counter()
from segmentation_assets.orchestration.definitions import build_defs
build_defs().get_repository_def()
roots = sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
print(json.dumps({"dagster": dagster_s, "location": time.perf_counter() - t, "modules": len(sys.modules),
                  "roots": roots}))
"""


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """The median of the rounds, after one that warms the file cache."""
    del folder
    tell("loading the location")
    loads = [_load() for _ in range(scale.rounds + 1)][1:]
    heavy = [name for name in HEAVY if name in loads[0]["roots"]]
    figures = [
        Figure("import dagster", median(load["dagster"] for load in loads), "s"),
        Figure("the location, beyond that", median(load["location"] for load in loads), "s"),
        Figure("modules in memory", loads[0]["modules"]),
        Figure("heavy libraries loaded", len(heavy), at_most=0),
    ]
    roots = [name for name in loads[0]["roots"] if not name.startswith("_")]
    details = [f"imports beyond dagster: {', '.join(roots)}"]
    return Findings(figures, details + [f"too heavy for the location: {', '.join(heavy)}"] * bool(heavy))


def _load() -> dict:
    command = [sys.executable, "-c", _LOAD]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the location cannot be loaded: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
