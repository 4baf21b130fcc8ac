"""How much CPU each test took, its processes included. A pytest plugin: `--cpu 30` lists the thirty largest.

Time on the wall says how busy the machine was; CPU says what a test costs. Not here: any limit on either.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

_PROPERTY = "cpu seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", type=int, default=0, metavar="N", help="List the N tests that took the most CPU.")


def _used() -> float:
    """Seconds of this process and of those of its children that have ended."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    started = _used()
    yield
    item.user_properties.append((_PROPERTY, _used() - started))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    started = _used()
    yield
    item.user_properties.append((_PROPERTY, _used() - started))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    started = _used()
    yield
    item.user_properties.append((_PROPERTY, _used() - started))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    most = terminalreporter.config.getoption("--cpu")
    if not most:
        return
    by_test, by_file = Counter[str](), Counter[str]()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                seconds = sum(v for name, v in report.user_properties if name == _PROPERTY)
                by_test[report.nodeid] += seconds
                by_file[report.nodeid.partition("::")[0]] += seconds
    terminalreporter.section(f"CPU: {by_file.total():.0f} s in tests and their processes")
    for title, counts in (("files", by_file), ("tests", by_test)):
        terminalreporter.write_line(title)
        for name, seconds in counts.most_common(most):
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")
    folders = Counter[str]()
    for name, seconds in by_file.items():
        folders[str(Path(name).parent)] += seconds
    terminalreporter.write_line("rooms")
    for name, seconds in folders.most_common():
        terminalreporter.write_line(f"{seconds:8.1f} s  {name}")
