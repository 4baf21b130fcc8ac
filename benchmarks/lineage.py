"""What the column lineage of all tables costs: cold, with nothing kept; after one table has changed; and kept.

Here: CPU seconds in fresh interpreters, beyond start-up and imports, and the imports beside them. Not here: whether
it is right (`tests/warehouse/test_tracing.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, Findings, Scale

_TARGET = 2.0
_MEASURED = """
import json, sys, time
start = time.process_time()
from pathlib import Path
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.policy.model import load_policy
from segmentation_assets.warehouse.compiled import Compiled
from segmentation_assets.lineage.tracing import lineage
policy, imported = load_policy(), time.process_time()
home = Path(sys.argv[1])
home.mkdir(exist_ok=True)
found = lineage(CATALOGUE, policy, Compiled(home / "compiled", ".json"))
columns = sum(len(one.columns) for one in found.tables.values())
print(json.dumps({"imports": imported - start, "lineage": time.process_time() - imported,
                  "tables": len(found.tables), "columns": columns}))
"""
_KEPT = """
import json, sys, time
start = time.process_time()
from segmentation_assets.reading.catalogue import read_catalogue
from segmentation_assets.policy.model import load_policy
policy, imported = load_policy(), time.process_time()
read_catalogue(policy, sys.argv[1]).lineage
print(json.dumps({"lineage": time.process_time() - imported}))
"""


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """The median of the rounds, each with a home of its own."""
    cold, again, kept = [], [], []
    for number in range(scale.rounds):
        tell(f"round {number + 1}")
        home = folder / str(number)
        cold.append(_run(_MEASURED, home))
        changed = next((home / "compiled").glob("lineage_account_profiles-*"))
        changed.unlink()  # as a change of its code would have it
        again.append(_run(_MEASURED, home))
        _run(_KEPT, home)  # the first call keeps the whole
        kept.append(_run(_KEPT, home))
    figures = [
        Figure("lineage of all tables, cold, CPU beyond imports", _of(cold, "lineage"), "s", at_most=_TARGET),
        Figure("the same after one table has changed", _of(again, "lineage"), "s", at_most=_TARGET / 2),
        Figure("the same, kept, with reading it", _of(kept, "lineage"), "s", at_most=_TARGET / 4),
        Figure("imports of the chain before it", _of(cold, "imports"), "s"),
    ]
    return Findings(figures, [f"{cold[0]['columns']:,} columns of {cold[0]['tables']} tables"])


def _of(runs: list[dict[str, float]], name: str) -> float:
    return median(run[name] for run in runs)


def _run(code: str, home: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"lineage could not be made: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
