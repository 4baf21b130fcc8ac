"""The harness itself: what fails must fail, and what waits must end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.harness import waiting
from tests.harness.processes import ROOT

SKIPPED = 'import pytest\n\ndef test_it():\n    pytest.skip("no such thing here")\n'


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_a_skipped_test_is_a_failed_one_under_ci(tmp_path: Path, ci: str, code: int):
    (tmp_path / "test_it.py").write_text(SKIPPED)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "-p", "tests.harness.markers", "-rs", str(tmp_path)]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    assert "no such thing here" in done.stdout


def test_a_wait_ends_with_the_process_it_waits_for(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("what it said last")
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        with pytest.raises(AssertionError, match="ended with 3 before it was so\nwhat it said last"):
            waiting.until(lambda: False, process, log=log)
        waiting.until(lambda: process.poll() is not None, process)  # what happened before the end has happened


def test_busy_processes_end_with_their_command(tmp_path: Path):
    children = "import os, psutil; print(*[c.pid for c in psutil.Process(os.getppid()).children()])"
    command = [
        sys.executable,
        "-m",
        "tests.harness.busy",
        "2",
        sys.executable,
        "-c",
        f"{children}; raise SystemExit(3)",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 3  # the command and two busy ones
    assert not any(map(psutil.pid_exists, pids))
