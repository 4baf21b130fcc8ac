"""Small sample companies with the whole chain run on them, once for all tests and workers. Not here: assertions."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import main

pytest.register_assert_rewrite("tests.harness")
from tests.harness.shared import once  # noqa: E402 - after the line above, or its asserts say nothing

pytest_plugins = (
    "tests.harness.bytecode",
    "tests.harness.markers",
    "tests.harness.processor",
    "tests.harness.shared",
    "tests.harness.browsers",
    "tests.harness.postgres",
)

RAN_DAYS = (date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1))
"""A Monday, the last day of a quarter and the first of the next: the days that the home below was run for."""
YEAR_DAY = date(2026, 11, 27)
SMALL_HOMES = {
    "ran_home": (
        f"--accounts 20 --days 120 --users-per-account 6 --end {RAN_DAYS[-1]}",
        f"--from {RAN_DAYS[0]} --to {RAN_DAYS[-1]}",
    ),
    "year_home": (f"--accounts 40 --days 500 --users-per-account 3 --end {YEAR_DAY}", f"--as-of {YEAR_DAY}"),
}
"""Per small company: how its sample is generated, and the days run."""


@pytest.fixture(scope="session")
def ran_home(tmp_path_factory: pytest.TempPathFactory, compiled_texts: Path) -> Path:
    """A home with a sample of 20 accounts, run for RAN_DAYS. Read only: copy it to change it."""
    return once("ran_home", lambda home: make_home(home, *SMALL_HOMES["ran_home"]), tmp_path_factory)


@pytest.fixture(scope="session")
def year_home(tmp_path_factory: pytest.TempPathFactory, compiled_texts: Path) -> Path:
    """A home with a year of history: 40 accounts over 500 days, run for YEAR_DAY. Read only: copy it to change it."""
    return once("year_home", lambda home: make_home(home, *SMALL_HOMES["year_home"]), tmp_path_factory)


def make_home(home: Path, sample: str, days: str) -> None:
    """Generate a sample company in `home` and run the chain on it."""
    for arguments in (f"generate {home}/sample {sample}".split(), ["--home", str(home), "run", *days.split()]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEGMENTATION_HOME", "SEGMENTATION_SOURCES", "SEGMENTATION_POLICY", "SEGMENTATION_WAREHOUSE"):
        monkeypatch.delenv(name, raising=False)
