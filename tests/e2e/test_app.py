"""The explorer in a headless browser, started by the command as people start it, without any other network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PageTimeout

from segmentation_assets import load
from tests.conftest import RAN_DAYS
from tests.harness.browsers import PATIENCE, chromium
from tests.harness.processes import address_in, command, free_port, serving
from tests.harness.sites import blank_site

pytestmark = [pytest.mark.daemon, pytest.mark.browser]


@pytest.fixture(scope="module")
def address(ran_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = free_port(), tmp_path_factory.mktemp("app") / "log"
    with serving(command(ran_home, "app", "--port", port), log, "Ctrl-C ends it") as process:
        children = psutil.Process(process.pid).children(recursive=True)
        listening = [
            each.laddr.ip for child in children for each in child.net_connections() if each.status == "LISTEN"
        ]
        assert listening == ["127.0.0.1"]
        yield address_in(log)
    assert "Traceback" not in log.read_text()


@pytest.fixture(params=[(1440, 1000), (390, 844)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that notes where it sends requests and what it complains of; nothing of it resolves but loopback."""
    width, height = request.param
    with chromium("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1") as browser:
        opened = browser.new_page(viewport={"width": width, "height": height})
        opened.set_default_timeout(PATIENCE)
        requests: list[str] = []
        complaints: list[str] = []
        opened.on("request", lambda sent: requests.append(sent.url))
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
    assert requests
    assert {urlsplit(url).hostname for url in requests if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert not complaints


def test_filter_open_compare(address: str, page: Page, ran_home: Path):
    expect.set_options(timeout=PATIENCE)
    segments = load("segments", as_of=RAN_DAYS[-1], home=ran_home)
    account, name = segments.sort_values("account_id")[["account_id", "account_name"]].iloc[0]
    page.goto(address)
    tile = page.get_by_test_id("stMetric").filter(has_text="of " + str(len(segments)))
    expect(tile.get_by_test_id("stMetricValue")).to_have_text(str(len(segments)))
    expect(page.get_by_text("log-odds, not to itself")).to_have_count(0)  # words of the code are none of the page
    if page.viewport_size and page.viewport_size["width"] < 500:
        page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("textbox", name="Search").fill(account)
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(tile.get_by_test_id("stMetricValue")).to_have_text("1")
    if page.viewport_size and page.viewport_size["width"] < 500:
        page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    _choose_first(page, "Open an account")
    expect(page.locator("h2", has_text=name)).to_be_visible()
    page.get_by_text("Why this segment").wait_for()
    page.get_by_text(f"In {segments.set_index('account_id').loc[account, 'segment']} since").first.wait_for()
    page.get_by_text("Compare two days").click()
    page.get_by_text("Who moved").wait_for()
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(str(len(segments)))
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def _choose_first(page: Page, name: str) -> None:
    """Open a list and take its first entry; a page that is just being drawn anew closes it once more."""
    for patience in (10_000, 30_000, PATIENCE):
        page.get_by_role("combobox", name=name).click()
        try:
            page.get_by_role("option").first.click(timeout=patience)
        except PageTimeout:
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"the list {name} does not stay open")


def test_another_site_and_another_name_see_nothing(address: str):
    port = urlsplit(address).port
    with chromium() as browser, blank_site() as other:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.goto(f"http://evil.example:{other}/")
        opens = """url => new Promise(end => {
            const socket = new WebSocket(url);
            socket.onopen = () => end(true); socket.onclose = () => end(false); })"""
        assert page.evaluate(opens, f"ws://127.0.0.1:{port}/_stcore/stream") is False
        rebound = page.goto(f"http://evil.example:{port}/")
        assert rebound is not None
        assert rebound.status == 421
        stranger = browser.new_context().new_page().goto(f"http://127.0.0.1:{port}/")
        assert stranger is not None
        assert stranger.status == 401
