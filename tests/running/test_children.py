"""Child processes end with their parent, also where it is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import waiting

_PARENT = """
import os, sys
from segmentation_assets.running.children import Children
with Children(os.environ) as children:
    children.start(sys.executable, "-c", "import time; time.sleep(3600)")
    print(children._children[0].pid, flush=True)
    children.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has ended")
def test_a_child_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert _lives(child)
    parent.kill()
    parent.wait()
    waiting.until(lambda: not _lives(child))


def _lives(pid: int) -> bool:
    """Whether it still works; one that has ended may stay in the list of processes until somebody looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
