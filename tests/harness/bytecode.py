"""Compiled modules at hand for all that tests start. A pytest plugin; not here: processes themselves (`processes`).

Machines for tests often forbid Python to write compiled modules, and `uv` installs none. Then each worker, command,
daemon and code server of the tests compiles its libraries anew: 6.5 seconds of CPU for Dagster and the chain instead
of 2.4. So what tests import is compiled once, into pytest's own folder, and the tree stays clean.
"""

from __future__ import annotations

import os
import sys

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Also workers and their processes go by this: they inherit the environment."""
    folder = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(config.rootpath / ".pytest_cache" / "bytecode"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.pycache_prefix, sys.dont_write_bytecode = folder, False
