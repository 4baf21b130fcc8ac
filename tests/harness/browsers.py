"""A headless Chromium for pages of the report, the explorer and Dagster. Not here: assertions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOW_TO_GET_CHROMIUM = "no Chromium on the path (Debian: apt-get install chromium)"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP evil.example 127.0.0.1",
)  # fmt: skip
"""The name evil.example is this machine's, as a site may make its own name ("DNS rebinding")."""
PATIENCE = 1_200_000
"""Milliseconds that a page may take for anything: a page that hangs ends, a busy machine does not break a test."""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A browser with these flags besides FLAGS."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, *flags], timeout=PATIENCE
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module."""
    with chromium() as started:
        yield started
