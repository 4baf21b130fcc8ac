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
    """A sample with a year of history; ORACLE_HOME=<home of the demo>[:<day>] holds that one on its newest day."""
    home, _, day = os.environ.get("ORACLE_HOME", "").partition(":")
    if not home:
        path = request.getfixturevalue("year_home")
        return Company(path / "sample", path, YEAR_DAY)
    path = Path(home)
    days = sorted(folder.name.removeprefix("as_of=") for folder in path.glob("published/company_kpis/as_of=*"))
    assert days, f"{path} has no published KPIs: run `segmentation --home {path} demo` first"
    return Company(path / "sample", path, date.fromisoformat(day or days[-1]))
