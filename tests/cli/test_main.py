"""The command as a whole: help, version, what it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calling import ROOT


@pytest.mark.parametrize("command", [["show", "segments"], ["explain", "A00001"], ["--help"]])
def test_looking_loads_neither_dagster_nor_the_chain(ran_home: Path, command: list[str]):
    code = (
        "import sys\n"
        "from segmentation_assets.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = [m for m in ('dagster', 'ibis', 'pandas', 'pandera', 'scipy', 'segmentation_assets.chain') "
        "if m in sys.modules]\n"
        "print('\\n', heavy, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--home", str(ran_home), *command],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr.strip().splitlines()[-1].strip() == "[]"


def test_importing_the_package_loads_nothing():
    code = "import sys; import segmentation_assets; print([m for m in sys.modules if m.startswith('segmentation_')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['segmentation_assets']"
