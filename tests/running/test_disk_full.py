"""A full disk, before a run and in it: a reason and no traceback, nothing half-published, and the run goes on later.

A limit on the size of files stands in for the disk: writing fails in the middle of a file, as it does there. The
processes that have the limit are real ones.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segmentation_assets.reading.access import load

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "data" / "examples" / "stripe" / "sources.yaml"
TABLE, DAY = "account_revenue", "2026-11-27"
_COMMAND = "import sys; from segmentation_assets.cli.main import main; main(sys.argv[1:])"


def segmentation(home: Path, *words: str, most_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which cannot write files larger than `most_bytes`."""

    def limit() -> None:
        if most_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.run(
        [sys.executable, "-c", _COMMAND, "--home", str(home), *words],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip


def run(home: Path, most_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    return segmentation(
        home, "run", "--sources", str(SOURCES), "--as-of", DAY, "--select", f"+{TABLE}", most_bytes=most_bytes
    )


@pytest.mark.daemon
@pytest.mark.parametrize("most_bytes", [0, 100_000, 400_000], ids=["before the run", "at its start", "in its middle"])
def test_a_full_disk_has_a_reason_and_the_run_goes_on_later(tmp_path: Path, most_bytes: int):
    home = tmp_path / "home"
    failed = run(home, most_bytes)
    assert failed.returncode == 1
    assert "failed: nothing more can be written to the disk" in failed.stderr
    assert "Free some space and give the same command again" in failed.stderr
    assert "Traceback" not in failed.stderr
    after = run(home)
    assert after.returncode == 0, after.stderr
    verified = segmentation(home, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    # si_1 and si_2 450 + 7.50 USD; si_3 198 EUR at 1.1; si_4 has ended; si_5 is a trial: a month, 12 of them a year.
    revenue = load(TABLE, DAY, home).set_index("account_id")["arr"]
    assert revenue.drop("cus_C").to_dict() == pytest.approx({"cus_A": 5_490.0, "cus_B": 2_613.6, "cus_D": 0.0})
    assert revenue.get("cus_C", 0.0) == 0.0
