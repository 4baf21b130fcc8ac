"""Dagster's UI in a headless browser, started by the command as people start it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.harness import waiting
from tests.harness.browsers import PATIENCE
from tests.harness.processes import address_in, command, free_port, serving, site
from tests.harness.sites import blank_site

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def started(ran_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(ran_home, home)
    port = free_port()
    # The sample has moved with the home: its own sources.yaml, not the one remembered.
    ui = command(home, "ui", "--port", port, "--sources", home / "sample" / "sources.yaml")
    with serving(ui, home / "ui.log", "Ctrl-C ends it"):
        yield address_in(home / "ui.log"), home


@pytest.fixture
def served(started: tuple[str, Path]) -> tuple[str, Path]:
    """Where the pages are, for a browser that has been let in."""
    return site(started[0]), started[1]


@pytest.fixture
def page(browser: Browser, started: tuple[str, Path]) -> Iterator[Page]:
    """A page of a browser that has opened the address shown."""
    context = browser.new_context(viewport={"width": 1700, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(started[0])
    yield opened
    context.close()


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
    frame = set(_days(home, "account_hierarchy")) - before
    assert len(frame) == 1
    page.goto(f"{address}/runs")
    page.get_by_text("Manually launched").first.wait_for()
    page.get_by_text(frame.pop().isoformat()).first.wait_for()


MUTATION = """mutation { launchRun(executionParams: {mode: "default", runConfigData: "{}", selector: {
  repositoryLocationName: "segmentation", repositoryName: "__repository__",
  jobName: "full_chain"}}) { __typename } }"""
ATTACK = """async ([target, mutation]) => {
  const query = target + '/graphql?query=' + encodeURIComponent(mutation);
  const body = JSON.stringify({query: mutation});
  const asked = [
    fetch(query, {credentials: 'include', mode: 'no-cors'}),
    fetch(target + '/graphql', {method: 'POST', credentials: 'include', mode: 'no-cors', body}),
    fetch(target + '/graphql', {
      method: 'POST', credentials: 'include', body, headers: {'content-type': 'application/json'}}),
    fetch(target + '/report_asset_materialization/segments', {
      method: 'POST', mode: 'no-cors', credentials: 'include'}),
    new Promise(done => { const image = new Image(); image.onload = image.onerror = done; image.src = query; }),
    new Promise((opened, closed) => {
      const socket = new WebSocket(target.replace('http', 'ws') + '/graphql', 'graphql-ws');
      socket.onopen = () => opened('websocket open'); socket.onclose = () => closed('websocket closed'); }),
  ];
  const ends = await Promise.allSettled(asked);
  return ends.map(end => end.value?.status || end.value?.type || String(end.reason ?? end.value));
}"""


def test_a_page_of_another_origin_starts_nothing(served: tuple[str, Path], page: Page):
    """A web site that is open in the browser of somebody who was let in; its name also resolves to this machine."""
    address, _ = served
    port = address.rpartition(":")[2]
    refused: list[str] = []
    with blank_site() as other:
        before = _runs(page)
        tab = page.context.new_page()  # of the same browser, with the same cookies
        tab.goto(f"http://evil.example:{other}/")
        tab.on("requestfailed", lambda request: refused.append(request.url))
        ends = tab.evaluate(ATTACK, [address, MUTATION])
    assert "websocket open" not in ends
    assert 200 not in ends
    assert len(refused) == 5  # each but the websocket, which is no request
    rebound = tab.goto(f"http://evil.example:{port}/")
    assert rebound is not None
    assert rebound.status == 421
    assert _runs(page) == before


def test_a_run_cannot_choose_its_home(served: tuple[str, Path], page: Page):
    """Somebody who was let in does not thereby choose which folders of this machine are read and written."""
    config = "{resources: {warehouse: {config: {home: '/tmp/elsewhere', sources: '/etc/passwd'}}}}"
    mutation = MUTATION.replace('"{}"', f'"{config}"')
    assert _requests(page, mutation)["data"]["launchRun"]["__typename"] == "RunConfigValidationInvalid"


def _requests(page: Page, query: str) -> Any:
    return page.evaluate(
        """query => fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'},
           body: JSON.stringify({query})}).then(answer => answer.json())""",
        query,
    )


def _runs(page: Page) -> int:
    return len(
        _requests(page, "{ runsOrError { ... on Runs { results { runId } } } }")["data"]["runsOrError"]["results"]
    )


def _days(home: Path, table: str) -> list[date]:
    result = (home / "published" / table).glob("as_of=*/part-0.parquet")
    return [date.fromisoformat(path.parent.name.partition("=")[2]) for path in result]
