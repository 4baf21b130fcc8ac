from pathlib import Path

import pytest

from tests.extracts.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.minimal()
    return made
