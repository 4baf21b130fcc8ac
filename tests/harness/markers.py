"""Which tests need what, and what happens where it is missing. A pytest plugin; not here: the fixtures themselves.

A test is marked by the fixtures it uses, so nobody has to remember it. A test skipped says what is missing and how to
get it; under CI, where all of it is installed, a skipped test is a failed one.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from segmentation_assets.warehouse.spark.session import NoSpark, require
from tests.harness.browsers import CHROMIUM, HOW_TO_GET_CHROMIUM
from tests.harness.postgres import HOW_TO_GET_POSTGRES, programs

MARKERS = {
    "home": "reads a finished home of a sample company: making it takes half a minute of CPU, once per session",
    "daemon": "starts daemons, servers or commands as processes of their own, and waits for what they do",
    "browser": "opens pages in a headless Chromium",
    "postgres": "reads from a Postgres server that it starts itself",
    "spark": "computes tables on a local Spark: its start and each plan take seconds",
    "slow(reason)": "takes many seconds of CPU for the reason it gives",
}
BY_FIXTURE = {
    "ran_home": "home",
    "year_home": "home",
    "browser": "browser",
    "postgres_server": "postgres",
    "spark_tables": "spark",
}


def pytest_configure(config: pytest.Config) -> None:
    for name, reason in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {reason}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures, before pytest deselects by marker; those that wait most come first.

    What waits leaves the processor to the other worker; begun last, it would be waited for alone.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in BY_FIXTURE:
                item.add_marker(BY_FIXTURE[fixture])
    items.sort(key=lambda item: item.get_closest_marker("daemon") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for missing in _missing(item):
        pytest.skip(missing)


def _missing(item: pytest.Item) -> Iterator[str]:
    if item.get_closest_marker("browser") and not CHROMIUM:
        yield HOW_TO_GET_CHROMIUM
    if item.get_closest_marker("postgres") and not programs():
        yield HOW_TO_GET_POSTGRES
    if item.get_closest_marker("spark") and (missing := _missing_of_spark()):
        yield missing


def _missing_of_spark() -> str | None:
    try:
        require()
    except NoSpark as error:
        return str(error)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI a skipped test is a failed one: what it needs must be installed there."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"{report.nodeid}: skipped under CI, where nothing may be: {reason}"
    return report
