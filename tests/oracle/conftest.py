"""The company that tables are recomputed for. Not here: assertions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import YEAR_DAY
from tests.oracle.raw import Company


@pytest.fixture(scope="session")
def company(year_home: Path) -> Company:
    return Company(year_home / "sample", year_home, YEAR_DAY)
