"""The company that tables are recomputed for. Not here: assertions."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import YEAR_DAY
from tests.oracle.raw import Company


@pytest.fixture(scope="session")
def company(request: pytest.FixtureRequest) -> Company:
    """A sample with a year of history; ORACLE_HOME=<home of the demo>[:<day>] holds that one instead."""
    home, _, day = os.environ.get("ORACLE_HOME", "").partition(":")
    path = Path(home) if home else request.getfixturevalue("year_home")
    return Company(path / "sample", path, date.fromisoformat(day) if day else YEAR_DAY)
