"""Dagster's UI in a headless browser, started by the command as people start it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.harness import waiting
from tests.harness.browsers import PATIENCE
from tests.harness.processes import command, free_port, serving

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def served(ran_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(ran_home, home)
    port = free_port()
    # The sample has moved with the home: its own sources.yaml, not the one remembered.
    ui = command(home, "ui", "--port", port, "--sources", home / "sample" / "sources.yaml")
    with serving(ui, home / "ui.log", f"http://127.0.0.1:{port}"):
        yield f"http://127.0.0.1:{port}", home


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
    waiting.until(lambda: set(_days(home, "account_hierarchy")) - before, log=home / "ui.log")
    made = set(_days(home, "account_hierarchy")) - before
    assert len(made) == 1
    page.goto(f"{address}/runs")
    page.get_by_text("Manually launched").first.wait_for()
    page.get_by_text(made.pop().isoformat()).first.wait_for()


def _days(home: Path, table: str) -> list[date]:
    found = (home / "published" / table).glob("as_of=*/part-0.parquet")
    return [date.fromisoformat(path.parent.name.partition("=")[2]) for path in found]
