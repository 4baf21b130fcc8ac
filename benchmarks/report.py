"""The report: how long it takes to make, how large it is, how fast it opens and answers in a real browser.

Here: reports of a demo's 400 accounts, and of that home grown by copies of its accounts. Not here: the chain, which
has its own part (`against_sql`): a report reads what is published, whoever made it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.demo import command_output
from benchmarks.figures import Figure, Findings, Scale
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.access import NotPublished, find_table
from segmentation_assets.reading.explanations.gathering import TABLES
from segmentation_assets.report.evidence import READ

SMALL = 400
MOST_SECONDS, MOST_SECONDS_LARGE = 5.0, 30.0
MOST_MB, MOST_MB_LARGE = 5.0, 25.0
MOST_PAINT, MOST_SEARCH = 1.5, 0.1
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_COPIED = ("account_id", "account_name", "parent_account_id")

_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
_SEARCH = """async (text) => {
  location.hash = '#/accounts';
  while (!document.querySelector('#accounts-table tbody tr')) await new Promise((done) => setTimeout(done, 20));
  const field = document.querySelector('#accounts-search'), begun = performance.now();
  field.value = text;
  field.dispatchEvent(new Event('input'));
  document.querySelector('#accounts-table').getBoundingClientRect();
  return performance.now() - begun;
}"""


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """Both sizes (in a quick check the small one alone); `rounds` of each, the median counts."""
    home = folder / "home"
    tell("a demo to report on")
    command_output(home, "demo", "--accounts", str(SMALL))
    figures = _of_size(home, SMALL, scale.rounds, MOST_SECONDS, MOST_MB, tell)
    if not scale.quick:
        large = folder / "large"
        times = max(scale.accounts // SMALL, 1)
        tell(f"{times * SMALL:,} accounts")
        grow(home, large, times)
        figures += _of_size(large, times * SMALL, scale.rounds, MOST_SECONDS_LARGE, MOST_MB_LARGE, tell)
    load = os.getloadavg()[0]
    return Findings(figures, [f"load of the machine in the last minute: {load:.1f} on {os.cpu_count()} cores"])


def _of_size(
    home: Path, accounts: int, rounds: int, most_seconds: float, most_mb: float, tell: Callable[[str], None]
) -> list[Figure]:
    from segmentation_assets.report.publishing import write_report  # noqa: PLC0415 - loaded once the clock may run

    tell(f"reports of {accounts:,} accounts")
    file, policy = home / "report.html", load_policy()
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        report = write_report(home, policy, None, file)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    paint, search = _in_a_browser(file, rounds)
    what = f"{report.accounts:,} accounts"
    return [
        Figure(f"report, {what}", median(walls), "s", at_most=most_seconds),
        Figure(f"CPU of it, {what}", median(cpus), "s"),
        Figure(f"size, {what}", report.size_bytes / 1e6, "MB", at_most=most_mb),
        Figure(f"first paint, {what}", paint, "s", at_most=MOST_PAINT),
        Figure(f"account search, {what}", search, "s", at_most=MOST_SEARCH),
    ]


def _in_a_browser(file: Path, rounds: int) -> tuple[float, float]:
    """Medians of first paint and of one search, in seconds."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a development extra

    paints, searches = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=_FLAGS)
        for _ in range(rounds):
            page = browser.new_page()
            page.goto(file.absolute().as_uri())
            page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
            paints.append(page.evaluate(_PAINT) / 1000)
            searches.append(page.evaluate(_SEARCH, "ar") / 1000)
            page.close()
        browser.close()
    return median(paints), median(searches)


def grow(home: Path, large: Path, times: int) -> None:
    """A home whose tables of accounts have every account `times` times, under ids and names of its own."""
    shutil.copytree(home / "compiled", large / "compiled")
    with duckdb.connect() as connection:
        for name in dict.fromkeys((*READ, *TABLES)):
            try:
                files = [path for of_day in find_table(name, home).files.values() for path in of_day]
            except NotPublished:
                continue
            for file in files:
                target = large / file.relative_to(home)
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(connection, file, target, times)


def _copy(connection: duckdb.DuckDBPyConnection, file: Path, target: Path, times: int) -> None:
    source = f"read_parquet('{file}', hive_partitioning = false)"
    columns = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    if "account_id" not in columns:
        shutil.copyfile(file, target)
        return
    changed = [f"{name} || '-' || copy AS {name}" for name in _COPIED if name in columns]
    # Other digits in every copy, so that they pack no better than accounts of their own would.
    changed += [
        f"{name} * (1 + (hash(account_id, copy) % 997) / 1e5) AS {name}"
        for name, kind in columns.items()
        if kind == "DOUBLE"
    ]
    connection.execute(
        f"COPY (SELECT r.* REPLACE ({', '.join(changed)}) FROM {source} r, "
        f"(SELECT unnest(range({times})) AS copy) c) TO '{target}' (FORMAT parquet)"
    )
