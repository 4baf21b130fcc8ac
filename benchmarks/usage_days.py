"""What one more day of product usage costs after a month of history and after two years: landed and rolled up.

Here: both homes, and the CPU seconds of one day more in each, alternately, in one process. Not here: the rest of the
chain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.figures import Figure, Findings, Scale
from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.running.runs import Runner
from segmentation_assets.settings import Settings

SHORT, LONG, MOST_RATIO = 30, 700, 1.2
TABLES = ("crm_accounts", "billing_subscriptions", "product_users", "product_usage", "usage_days")
_FIRST = date(2024, 1, 1)
_ACCOUNTS, _USERS, _FEATURES, _TIMES = 400, 3_000, 5, 7
_SOURCES = """\
version: 1
extracts:
  crm_accounts: {path: crm_accounts.csv}
  billing_subscriptions: {path: subscriptions.csv}
  product_users: {path: users.parquet}
  product_usage: {path: usage/*.parquet}
"""


@dataclass
class Company:
    """A company with `days` days of usage below `folder`; each is a drop of its own."""

    folder: Path
    days: int = 0

    def prepare(self) -> Runner:
        """Write what is not usage; the runner of its home."""
        (self.folder / "usage").mkdir(parents=True, exist_ok=True)
        (self.folder / "sources.yaml").write_text(_SOURCES)
        (self.folder / "subscriptions.csv").write_text(
            "subscription_id,start_date,account_id,mrr,currency\nS1,2024-01-01,A1,100,USD\n"
        )
        accounts = "".join(f"A{number}\n" for number in range(_ACCOUNTS))
        (self.folder / "crm_accounts.csv").write_text(f"account_id\n{accounts}")
        settings = Settings(self.folder / "home", self.folder / "sources.yaml", None)
        return Runner(settings, build_defs(settings=settings))

    def add_day(self) -> None:
        """One more day of usage, and one more user, as every day brings."""
        day, self.days = _FIRST + timedelta(days=self.days), self.days + 1
        users = _USERS + self.days
        of_user = f"'U' || u AS user_id, 'A' || (u % {_ACCOUNTS}) AS account_id"
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT {of_user} FROM range({users}) r(u)) TO '{self.folder}/users.parquet' (FORMAT parquet)"
            )
            connection.execute(
                f"COPY (SELECT {of_user}, DATE '{day}' AS usage_date, 'F' || f AS feature, "
                f"(u + {self.days}) % 7 + 1 AS event_count, 1 AS session_count FROM range({users}) r(u), "
                f"range({_FEATURES}) s(f)) TO '{self.folder}/usage/{day}.parquet' (FORMAT parquet)"
            )


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """CPU seconds of one more day beyond start-up after SHORT and after LONG days, medians, and their ratio."""
    lengths = (SHORT, SHORT * 2 if scale.quick else LONG)
    tell(f"homes with {lengths[0]} and {lengths[1]} days of {_USERS * _FEATURES:,} rows of usage")
    companies = {length: Company(folder / str(length)) for length in lengths}
    runners = {length: company.prepare() for length, company in companies.items()}
    for length, company in companies.items():
        for _ in range(length):
            company.add_day()
        _run(runners[length])
    tell(f"{_TIMES} more days in each, alternately")
    seconds: dict[int, list[float]] = {length: [] for length in lengths}
    for _ in range(_TIMES):
        for length, company in companies.items():
            company.add_day()
            seconds[length].append(_run(runners[length], days_made=1))
    first, last = (median(seconds[length]) for length in lengths)
    return Findings(
        [
            Figure(f"one day more after {lengths[0]} days", first, "s CPU"),
            Figure(f"one day more after {lengths[1]} days", last, "s CPU"),
            Figure("ratio", last / first, at_most=scale.at_full(MOST_RATIO)),
        ]
    )


def _run(runner: Runner, days_made: int | None = None) -> float:
    started = time.process_time()
    outcome = runner.run(TABLES, [])
    seconds = time.process_time() - started
    steps = {step.table: step for step in outcome.steps}
    if not outcome.succeeded or days_made not in (None, steps["usage_days"].days_made):
        raise RuntimeError(str(outcome))
    return seconds
