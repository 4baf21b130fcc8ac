"""A company of a few accounts whose billing file changes, on a real Dagster instance. Not here: assertions.

Its tables are those of the chain that billing thresholds need, and nothing else. What the daemon does with a sensor's
result is done here by hand: the cursor and the request are kept together, and the run is launched later, or dies.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.utils import make_new_run_id

from segmentation_assets.chain import CATALOGUE
from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.jobs import BILLING_RERUN, FULL_CHAIN, LANDING
from segmentation_assets.orchestration.partitions import tags_of_run
from segmentation_assets.orchestration.sensors import requests
from segmentation_assets.orchestration.sensors.billing import NAME
from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.reading.access import NotPublished, load
from segmentation_assets.running.instance import open_instance
from segmentation_assets.settings import Settings
from segmentation_assets.tables.registry import Registry
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.store import Store

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
TABLES = ("billing_threshold_crossings", "arr_steps", "quarantine")
EXTRACTS = ("crm_accounts", "billing_subscriptions", "billing_invoices", "fx_rates")
ACCOUNTS = tuple(f"a{i}" for i in range(1, 7))
START: Mapping[str, float] = {"a1": 5000, "a2": 9000, "a3": 24_000, "a4": 50_000, "a5": 8000, "a6": 7000}
_SOURCES = """version: 1
extracts:
  crm_accounts: {path: crm_accounts.csv}
  billing_subscriptions: {path: billing.csv}
"""
_SENSORS = "sensors: {retry_seconds: 60, retry_most_seconds: 600, lost_seconds: 60}"


def registry() -> Registry:
    """The chain as far as billing thresholds need it."""
    table = Registry()
    for spec in CATALOGUE.upstream([*TABLES, *EXTRACTS]):
        table.add(spec)
    return table


class Company:
    """One home: accounts, their ARR in the billing file, the instance, the sensor's cursor and open requests."""

    def __init__(self, home: Path, template: Path) -> None:
        """`template` is another company's home, closed: its instance, files and tables are carried on with."""
        self.folder, self.settings = home, Settings(home, home / "sources.yaml", home / "policy.yaml")
        shutil.copytree(template, home)
        (home / "sources.yaml").write_text(_SOURCES)
        (home / "crm_accounts.csv").write_text("account_id\n" + "\n".join(ACCOUNTS) + "\n")
        self.arr: dict[str, float] = dict(START)
        self.thresholds(25_000)
        self._open = ExitStack()
        self.instance = self._open.enter_context(open_instance(self.settings))
        self.cursor: str | None = None
        self.asked: list[dg.RunRequest] = []
        self.late = 0.0

    def close(self) -> None:
        self._open.close()

    # -- what happens outside

    def bill(self, **arr: float) -> None:
        """Replace the billing file: ARR by account."""
        self.arr |= arr
        rows = [f"s-{a},2024-01-10,{a},{value / 12},USD" for a, value in self.arr.items() if value]
        lines = ["subscription_id,start_date,account_id,mrr,currency", *rows]
        (self.folder / "billing.csv").write_text("\n".join(lines) + "\n")

    def thresholds(self, growth: float) -> None:
        """Change the policy; the location is loaded anew."""
        self.settings.policy.write_text(  # type: ignore[union-attr]
            f"tier: {{growth_min_arr: {growth}}}\norchestration: {{{_SENSORS}}}\n"
        )
        self.definitions = build_defs(settings=self.settings, registry=registry())

    @property
    def policy(self) -> Policy:
        return load_policy(self.settings.policy)

    # -- runs

    def run(self, job: str, tables: list[str] | None, tags: Mapping[str, str], fails_in: str = "") -> bool:
        """Execute a job in this process; whether it succeeded."""
        build = Builder.build

        def broken(builder: Builder, spec: Any, days: Any) -> Any:
            if spec.name == fails_in:
                raise RuntimeError("a mistake")
            return build(builder, spec, days)

        Builder.build = broken  # type: ignore[method-assign]
        try:
            result = self.definitions.resolve_job_def(job).execute_in_process(
                run_config=QUIET,
                instance=self.instance,
                asset_selection=[dg.AssetKey(t) for t in tables] if tables else None,
                tags=dict(tags),
                run_id=make_new_run_id(),
                raise_on_error=False,
            )
        finally:
            Builder.build = build  # type: ignore[method-assign]
        return result.success

    def land(self, *names: str) -> bool:
        return self.run(LANDING, list(names or ("billing_subscriptions",)), {})

    def daily(self) -> bool:
        """Somebody else's run of everything, for today."""
        return self.run(FULL_CHAIN, None, tags_of_run([self.policy.company.today()]))

    # -- the sensor

    def tick(self) -> dg.SensorResult:
        """Evaluate the sensor; nothing of the result is kept."""
        [sensor] = [s for s in self.definitions.sensors or () if s.name == NAME]
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, sensor_name=NAME, definitions=self.definitions
        ) as context:
            return sensor(context)  # type: ignore[operator]

    def keep(self, result: dg.SensorResult) -> None:
        """What Dagster does at the end of a tick: cursor and run requests together, or neither."""
        self.cursor = result.cursor
        self.asked += [r for r in result.run_requests or [] if not self._was_launched(str(r.run_key))]

    def _was_launched(self, key: str) -> bool:
        return any(self.instance.get_run_records(dg.RunsFilter(tags={"dagster/run_key": key}), limit=1))

    def answer(self, fails_in: str = "") -> bool:
        """Launch the oldest request; whether its run succeeded. It fails in the step of a table, if one is named."""
        request = self.asked.pop(0)
        return self.run(BILLING_RERUN, None, self._tags(request), fails_in)

    def answer_and_die(self, published: int) -> bool:
        """Launch the oldest request in a process that dies after so many published files; whether it came to that."""
        request = self.asked.pop(0)
        child = os.fork()
        if not child:
            left, move = [published], Store.move

            def until(staged: Path, target: Path) -> None:
                if not left[0]:
                    os._exit(9)
                left[0] -= 1
                move(staged, target)

            Store.move = until  # type: ignore[method-assign,assignment]
            try:
                self.run(BILLING_RERUN, None, self._tags(request))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status) == 9

    def _tags(self, request: dg.RunRequest) -> dict[str, str]:
        return {
            **request.tags,
            "dagster/run_key": str(request.run_key),
            "dagster/partition": str(request.partition_key),
        }

    def wait(self, seconds: float) -> None:
        """Let time pass for the sensor."""
        self.late += seconds

    def settle(self, most: int = 12) -> int:
        """Tick and launch, with time passing, until nothing is asked for; how many runs that took."""
        runs = 0
        for _ in range(most):
            self.wait(10_000)
            while self.asked:
                self.answer()
                runs += 1
            self.keep(self.tick())
            if not self.asked and '"occasion": ""' in str(self.cursor):
                return runs
        raise AssertionError(f"still asking after {most} ticks: {self.cursor}")

    # -- what came of it

    def crossings(self) -> list[tuple[str, str, int, str, float, float]]:
        """(account, threshold, crossing, direction, ARR before and after), in order."""
        try:
            frame = load("billing_threshold_crossings", home=self.folder)
        except NotPublished:
            return []
        return _rows(frame, "crossing")

    def ledger(self) -> list[tuple[str, str, int, str, float, float]]:
        """The same, of the ledger itself."""
        try:
            frame = load("threshold_ledger", home=self.folder)
        except NotPublished:
            return []
        return _rows(frame[frame["direction"].notna()], "entry")

    def sides(self) -> dict[tuple[str, str], bool]:
        """Whether each account stands above each threshold, as the ledger remembers."""
        frame = load("threshold_ledger", home=self.folder)
        frame = frame[frame["is_newest"].astype(bool)]
        return {(r.account_id, r.threshold): bool(r.is_above) for r in frame.itertuples()}


def _rows(frame: Any, number: str) -> list[tuple[str, str, int, str, float, float]]:
    names = ["account_id", "threshold", number, "direction", "arr_before", "arr_after"]
    return sorted((a, t, int(n), d, float(b), float(f)) for a, t, n, d, b, f in frame[names].itertuples(index=False))


@contextmanager
def clock_of(company: Company) -> Iterator[None]:
    """The sensor's clock runs ahead by what the company waited."""
    now = requests.get_current_timestamp
    requests.get_current_timestamp = lambda: now() + company.late
    try:
        yield
    finally:
        requests.get_current_timestamp = now


def opened(home: Path, instance: Path) -> Path:
    """A home with the company as it starts, its sides on the ledger: a template for others."""
    shutil.copytree(instance, home / "dagster")
    company = Company(home / "company", home)
    company.bill()
    assert company.land(*EXTRACTS)
    assert company.daily()
    company.close()
    return company.folder
