from pathlib import Path

import pytest

from tests.extracts.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    table = Home(tmp_path)
    table.minimal()
    return table
