"""How fast people get answers: a first run (`demo`), `show`, `explain`, and Dagster's location.

Here: timing the command as a user runs it. Not here: the chain against hand-written SQL (`sides`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

TARGETS = {
    "demo_s": 60.0,
    "show_s": 1.0,
    "explain_s": 1.0,
    "dagster_per_asset_s": 0.020,
    "dagster_per_partition_s": 0.006,
}
HEAVY = ("scipy", "sklearn", "lifelines", "altair", "pyspark", "streamlit", "matplotlib")
COMMAND = str(Path(sys.executable).with_name("segmentation"))
_TIMES = 3
_LOAD = """
import json, sys, time
t = time.perf_counter(); import dagster; dagster_s = time.perf_counter() - t
t = time.perf_counter()
from segmentation_assets.definitions import build_defs
build_defs().get_repository_def()
roots = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"import_dagster_s": dagster_s, "location_s": time.perf_counter() - t,
                  "modules": len(sys.modules), "roots": roots}))
"""


def measure_answers(folder: Path) -> dict[str, Any]:
    """Seconds of each answer (the median of three, but for the demo), and what the location imports."""
    home = folder / "demo"
    demo = _seconds("--home", str(home), "demo")
    account = _first_account(home)
    location = json.loads(_output([sys.executable, "-c", _LOAD]))
    dagster = json.loads(_output([sys.executable, "-m", "benchmarks.dagster_cost"]))
    return {
        "demo_s": demo,
        "show_s": median(_seconds("--home", str(home), "show", "account_profiles") for _ in range(_TIMES)),
        "explain_s": median(_seconds("--home", str(home), "explain", account) for _ in range(_TIMES)),
        "import_dagster_s": location["import_dagster_s"],
        "location_s": location["location_s"],
        "location_heavy_imports": [name for name in HEAVY if name in location["roots"]],
        "dagster_per_asset_s": dagster["per_asset"],
        "dagster_per_partition_s": dagster["per_partition"],
    }


def describe(answers: dict[str, Any]) -> list[str]:
    """One line per answer, with its target."""
    lines = []
    for name, value in answers.items():
        if isinstance(value, list):
            lines.append(f"{name}: {', '.join(value) or 'none'}")
        else:
            unit, shown = ("ms", value * 1000) if "per_" in name else ("s", value)
            target = TARGETS.get(name)
            goal = f" (target {target * 1000 if unit == 'ms' else target:g} {unit})" if target else ""
            lines.append(f"{name.removesuffix('_s')}: {shown:.2f} {unit}{goal}")
    return lines


def _first_account(home: Path) -> str:
    show = ("show", "segments", "--columns", "account_id", "--limit", "1", "--format", "csv")
    return _output([COMMAND, "--home", str(home), *show]).split()[-1]


def _seconds(*arguments: str) -> float:
    started = time.perf_counter()
    _output([COMMAND, *arguments])
    return time.perf_counter() - started


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} failed: {done.stderr[-2000:]}")
    return done.stdout
