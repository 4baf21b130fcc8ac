"""Dagster's UI in a headless browser, started by the command as people start it."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 180_000  # milliseconds: the machine may be busy

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"), reason="no chromium on this machine"
)


@pytest.fixture(scope="module")
def served(ran_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(ran_home, home)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The sample has moved with the home: its own sources.yaml, not the one remembered.
    command = [
        sys.executable, "-m", "segmentation_assets.cli.main", "--home", str(home), "ui", "--port", str(port),
        "--sources", str(home / "sample" / "sources.yaml"),
    ]  # fmt: skip
    with (home / "ui.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(home / "ui.log", f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}", home
        finally:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, alive
    assert process.returncode == 0


def _wait_for(log: Path, words: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE / 1000
    while words not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1700, "height": 1000})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


def test_the_graph_shows_every_stage(served: tuple[str, Path], page: Page):
    address, _ = served
    page.goto(f"{address}/asset-groups")
    for stage in ("extracts", "profiles", "scores", "segments", "kpis", "capacity"):
        page.get_by_text(stage, exact=True).first.wait_for()
    assert not page.get_by_text("Join the Dagster community").count()


def test_a_run_from_the_terminal_is_in_the_list(served: tuple[str, Path], page: Page):
    address, _ = served
    page.goto(f"{address}/runs")
    page.get_by_text("full_chain").first.wait_for()
    page.get_by_text("Success").first.wait_for()


def test_an_asset_tells_what_it_is(served: tuple[str, Path], page: Page):
    address, _ = served
    page.goto(f"{address}/assets/segments")
    page.get_by_text("Which segment and tier is each live account in").first.wait_for()
    page.get_by_text("Latest materialization").first.wait_for()
    page.get_by_text("revenue-operations").first.wait_for()
    page.get_by_text("in editor").first.wait_for()


def test_a_plot_is_drawn_on_the_page_of_its_table(served: tuple[str, Path], page: Page):
    address, _ = served
    page.goto(f"{address}/assets/segment_mix")
    page.get_by_role("row", name="plot").get_by_text("Show Markdown").click()
    image = page.get_by_role("img", name="segment_mix on ")  # the day that a run made or looked at last
    image.wait_for()
    page.wait_for_function("image => image.complete", arg=image.element_handle())
    width, height = image.evaluate("image => [image.naturalWidth, image.naturalHeight]")  # 0, where it is no picture
    assert width > 200
    assert height > 100
    assert "Segment mix" in base64.b64decode((image.get_attribute("src") or "").partition("base64,")[2]).decode()


def test_an_asset_can_be_materialized(served: tuple[str, Path], page: Page):
    address, home = served
    page.goto(f"{address}/assets/account_hierarchy")
    page.get_by_text("Latest materialization").first.wait_for()
    before = set(_days(home, "account_hierarchy"))
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Partition selection").wait_for()
    page.get_by_text("Latest", exact=True).click()
    page.get_by_role("button", name="Launch").last.click()
    until = time.monotonic() + PATIENCE / 1000
    while not (made := set(_days(home, "account_hierarchy")) - before):
        assert time.monotonic() < until, (home / "ui.log").read_text()
        time.sleep(1)
    assert len(made) == 1
    page.goto(f"{address}/runs")
    page.get_by_text("Manually launched").first.wait_for()
    page.get_by_text(made.pop().isoformat()).first.wait_for()


def _days(home: Path, table: str) -> list[date]:
    found = (home / "published" / table).glob("as_of=*/part-0.parquet")
    return [date.fromisoformat(path.parent.name.partition("=")[2]) for path in found]
