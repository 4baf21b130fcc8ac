"""What one more day of product usage costs after a month of history and after two years: landed and rolled up.

Here: both homes, and the CPU seconds of one day more in each, alternately, in one process. Prints a JSON. Not here: the
rest of the chain.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from segmentation_assets.definitions import build_defs
from segmentation_assets.orchestration.runs import Runner
from segmentation_assets.settings import Settings

SHORT, LONG, TARGET_RATIO = 30, 700, 1.2
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
        (self.folder / "usage").mkdir(parents=True)
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


def measure_usage_days(days: tuple[int, ...] = (SHORT, LONG), times: int = _TIMES) -> dict[str, Any]:
    """CPU seconds of one more day at each length of history (medians), beyond start-up, and their ratio."""
    seconds: dict[int, list[float]] = {length: [] for length in days}
    with tempfile.TemporaryDirectory() as folder:
        companies = {length: Company(Path(folder, str(length))) for length in days}
        runners = {length: company.prepare() for length, company in companies.items()}
        for length, company in companies.items():
            for _ in range(length):
                company.add_day()
            _run(runners[length])
        for _ in range(times):
            for length, company in companies.items():
                company.add_day()
                seconds[length].append(_run(runners[length], made=1))
    middle = {length: median(found) for length, found in seconds.items()}
    first, last = days[0], days[-1]
    return {
        "rows_per_day": _USERS * _FEATURES,
        "seconds": {str(length): value for length, value in middle.items()},
        "ratio": middle[last] / middle[first],
    }


def _run(runner: Runner, made: int | None = None) -> float:
    started = time.process_time()
    outcome = runner.run(TABLES, [])
    seconds = time.process_time() - started
    steps = {step.table: step for step in outcome.steps}
    if not outcome.succeeded or made not in (None, steps["usage_days"].days_made):
        raise RuntimeError(str(outcome))
    return seconds


if __name__ == "__main__":
    json.dump(measure_usage_days(), sys.stdout)
