"""A day that failed stays failed whatever other days were made, until it is made itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from segmentation_assets.reading.run_facts import Failure, Publication, Run
from segmentation_assets.reading.status import FAILED, status_of
from segmentation_assets.settings import Settings
from tests.warehouse.toys import builder, chain, land, policy

FAILED_DAY, NEXT = date(2026, 1, 5), date(2026, 1, 6)
FAILED_AT = datetime.now(UTC) - timedelta(hours=2)
RUNS = [
    Run("second", "full_chain", "SUCCESS", str(NEXT), FAILED_AT, FAILED_AT + timedelta(minutes=9)),
    Run("first", "full_chain", "FAILURE", str(FAILED_DAY), FAILED_AT, FAILED_AT),
]


class Records:
    """What two runs left: one of a day that failed, one of the next day that passed."""

    def runs(self) -> Sequence[Run]:
        return RUNS

    def publications(self) -> dict[str, Publication]:
        return {"scaled": Publication(FAILED_AT + timedelta(minutes=8), "second")}

    def failures(self, runs: Sequence[Run]) -> Sequence[Failure]:
        return [Failure("scaled", FAILED_AT, "first", "it broke its contract")]

    def switches(self) -> dict[str, bool]:
        return {}


def state(home: Path) -> tuple[str, str | None]:
    status = status_of(Settings(home, None, None), chain(), policy(), Records())
    return next((table.state, table.reason) for table in status.tables if table.table == "scaled")


def test_a_day_that_failed_stays_failed_until_it_is_made(tmp_path: Path):
    land(tmp_path, [1, 2])
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [NEXT])
    assert state(tmp_path) == (FAILED, "it broke its contract")
    with builder(tmp_path) as build:
        build.ensure(["scaled"], [FAILED_DAY])
    assert state(tmp_path)[0] != FAILED
