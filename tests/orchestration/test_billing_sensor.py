"""The billing threshold sensor on a real instance: each crossing once, whatever dies, fails, repeats or comes late.

The model below is all that is expected of the ledger: nothing in it knows how the product does it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from segmentation_assets.activation.crossings import detect_crossings
from segmentation_assets.orchestration.definitions import build_defs
from segmentation_assets.orchestration.jobs import BILLING_RERUN
from segmentation_assets.orchestration.partitions import ALSO_TAG
from segmentation_assets.orchestration.sensors import requests
from segmentation_assets.orchestration.sensors.billing import identity, pending_crossings
from segmentation_assets.orchestration.sensors.requests import REQUEST_TAG, Fate, Outcome, Request, wait_left
from segmentation_assets.policy import company as company_policy
from segmentation_assets.policy.model import load_policy
from segmentation_assets.reading.access import load
from segmentation_assets.settings import Settings
from segmentation_assets.warehouse.store import Store
from tests.conftest import RAN_DAYS
from tests.orchestration.billing import ACCOUNTS, START, Company, clock_of, opened, registry

pytestmark = pytest.mark.slow(reason="each test runs part of the chain under Dagster")

LEVELS = (0.0, 8000.0, 9500.0, 10_000.0, 23_000.0, 24_000.0, 25_000.0, 30_000.0, 60_000.0)
Crossing = tuple[str, str, int, str, float, float]


class Model:
    """Sides and crossings of a few accounts, the plainest way."""

    def __init__(self) -> None:
        self.growth = self.seen_growth = 25_000.0
        self.above: dict[tuple[str, str], bool] = {}
        self.arr: dict[str, float] = {}
        self.crossings: list[Crossing] = []
        self.number: dict[tuple[str, str], int] = {}

    def post(self, arr: dict[str, float], *, opening: bool = False) -> None:
        cut = self.cut(arr)
        for account in ACCOUNTS:
            if account not in self.arr and not arr[account]:
                continue  # never paid
            for threshold, bound in (("long_tail", 10_000.0), ("growth", self.growth), ("strategic", cut)):
                key, before, now = (account, threshold), self.arr.get(account, 0.0), arr[account]
                was = self.above.get(key, False)
                if threshold == "growth" and self.growth != self.seen_growth:
                    was = False
                was = before >= bound or (was and before >= 0.9 * bound)
                is_above = now >= bound or (was and now >= 0.9 * bound)
                if is_above != was and not opening:
                    number = self.number[key] = self.number.get(key, 0) + 1
                    self.crossings.append((*key, number, "up" if is_above else "down", before, now))
                self.above[key] = is_above
        self.arr |= {a: v for a, v in arr.items() if v or a in self.arr}
        self.seen_growth = self.growth

    @staticmethod
    def cut(arr: dict[str, float]) -> float:
        """The smallest ARR whose mid-rank is in the top tenth; nobody's, where there is none."""
        paid = [v for v in arr.values() if v]
        top = [v for v in paid if (sum(p < v for p in paid) + paid.count(v) / 2) / len(paid) >= 0.9 - 1e-9]
        return min(top, default=float("inf"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, instance_template: Path) -> Path:
    return opened(tmp_path_factory.mktemp("start"), instance_template)


@pytest.fixture
def company(start: Path, tmp_path: Path) -> Iterator[Company]:
    built = Company(tmp_path / "home", start)
    with clock_of(built):
        yield built
    built.close()


def machine(start: Path) -> type[RuleBasedStateMachine]:  # noqa: C901 - one rule per thing that happens
    class Days(RuleBasedStateMachine):
        """Billing files, landings, ticks, runs that succeed, fail or die, and other people's runs, in any order."""

        @initialize()
        def begin(self) -> None:
            self.folder = tempfile.TemporaryDirectory()
            self.company = Company(Path(self.folder.name, "home"), start)
            self.clock = clock_of(self.company)
            self.clock.__enter__()
            self.model = Model()
            self.landed = dict(START)
            self.model.post(self.landed, opening=True)

        def teardown(self) -> None:
            if not hasattr(self, "clock"):
                return
            try:
                self.company.settle()
                if self.model.seen_growth != self.model.growth or self.landed != self.model_arr():
                    self.model.post(self.landed)
                self.every_crossing_is_booked_once()
                # Thresholds that alone have changed cross nobody, so no run was asked for: the next one notes them.
                assert self.company.daily()
                self.model.post(self.landed)
                self.every_crossing_is_booked_once()
                assert self.company.sides().items() >= self.model.above.items()
                assert self.company.tick().run_requests == []
            finally:
                self.clock.__exit__(None, None, None)
                self.company.close()
                self.folder.cleanup()

        def model_arr(self) -> dict[str, float]:
            return {account: self.model.arr.get(account, 0.0) for account in ACCOUNTS}

        @rule(account=st.sampled_from(ACCOUNTS[:4]), level=st.sampled_from(LEVELS))
        def bill_and_land(self, account: str, level: float) -> None:
            self.company.bill(**{account: level})
            assert self.company.land()
            self.landed = dict(self.company.arr)

        @rule()
        def land_the_same_again(self) -> None:
            assert self.company.land()

        @rule(is_kept=st.booleans())
        def tick(self, is_kept: bool) -> None:
            """The daemon may be killed before what the tick said is stored; after that it goes on from there."""
            result = self.company.tick()
            if is_kept:
                self.company.keep(result)

        @precondition(lambda self: self.company.asked)
        @rule()
        def run(self) -> None:
            assert self.company.answer()
            self.model.post(self.landed)

        @precondition(lambda self: self.company.asked)
        @rule(table=st.sampled_from(["tier_cuts", "threshold_ledger", "billing_threshold_crossings"]))
        def run_that_fails(self, table: str) -> None:
            assert not self.company.answer(fails_in=table)
            if table == "billing_threshold_crossings":  # the ledger stood above it
                self.model.post(self.landed)

        @precondition(lambda self: self.company.asked)
        @rule(published=st.integers(0, 4))
        def run_that_dies(self, published: int) -> None:
            """It may have come to the ledger or not: either is right, half of it is not."""
            file = Store(self.company.folder).file("threshold_ledger")
            before = file.stat().st_mtime_ns
            self.company.answer_and_die(published)
            if file.stat().st_mtime_ns != before:
                self.model.post(self.landed)

        @rule()
        def somebody_elses_run(self) -> None:
            assert self.company.daily()
            self.model.post(self.landed)

        @rule(growth=st.sampled_from([23_000.0, 25_000.0, 30_000.0]))
        def change_the_policy(self, growth: float) -> None:
            self.company.thresholds(growth)
            self.model.growth = growth

        @rule()
        def time_passes(self) -> None:
            self.company.wait(10_000)

        @invariant()
        def every_crossing_is_booked_once(self) -> None:
            if hasattr(self, "company"):
                outcome = [(a, t, n, d, round(b, 2), round(f, 2)) for a, t, n, d, b, f in self.company.ledger()]
                assert outcome == sorted(self.model.crossings)

    return Days


def test_whatever_happens_each_crossing_is_booked_once(start: Path):
    run_state_machine_as_test(
        machine(start),
        settings=settings(
            max_examples=4, stateful_step_count=10, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


def test_the_first_posting_opens_and_crosses_nothing(company: Company):
    assert company.crossings() == []
    assert company.sides()["a4", "growth"]
    assert not company.sides()["a3", "growth"]
    company.keep(company.tick())
    assert company.asked == []


def test_without_a_ledger_nothing_fires(company: Company):
    Store(company.folder).file("threshold_ledger").unlink()
    company.bill(a3=40_000)
    assert company.land()
    result = company.tick()
    assert not result.run_requests
    assert "the first run books the side of every account" in str(result.skip_reason)


def test_one_crossing_is_one_run_of_today_and_is_told_why(company: Company):
    company.bill(a3=26_000)
    assert company.land()
    result = company.tick()
    [request] = result.run_requests or []
    today = company.policy.company.today()  # no partition yet: yesterday's run computes it besides its own day
    assert (request.partition_key, request.tags[ALSO_TAG]) == (str(today - timedelta(days=1)), str(today))
    assert set(request.tags) == {"segmentation/request", "segmentation/crossings", ALSO_TAG}
    company.keep(result)
    assert company.answer()
    assert company.crossings() == [("a3", "growth", 1, "up", 24_000.0, 26_000.0)]
    frame = load("billing_threshold_crossings", home=company.folder)
    [run] = company.instance.get_runs(
        dg.RunsFilter(tags={"segmentation/request": request.tags["segmentation/request"]})
    )
    assert frame["run_id"].tolist() == [run.run_id]
    assert frame["effective_on"].dt.date.tolist() == [date(2024, 1, 10)]  # the price of the start was corrected
    company.keep(company.tick())
    assert company.asked == []
    assert company.tick().run_requests == []


def test_up_down_and_up_on_one_day_are_three(company: Company):
    for arr in (26_000, 20_000, 27_000):
        company.bill(a3=arr)
        assert company.land()
        assert company.settle() == 1
    assert [row[2:] for row in company.crossings()] == [
        (1, "up", 24_000.0, 26_000.0),
        (2, "down", 26_000.0, 20_000.0),
        (3, "up", 20_000.0, 27_000.0),
    ]


def test_up_and_down_again_before_anybody_looked_is_nothing(company: Company):
    for arr in (26_000, 24_000):
        company.bill(a3=arr)
        assert company.land()
    assert company.settle() == 0
    assert company.crossings() == []


def test_a_run_that_failed_is_asked_for_again_until_it_succeeds(company: Company):
    company.bill(a3=26_000)
    assert company.land()
    company.keep(company.tick())
    for attempt in (1, 2):
        assert company.asked[0].tags[REQUEST_TAG].endswith(f"-{attempt}")
        assert not company.answer(fails_in="billing_threshold_crossings")  # after the ledger: booked, not shown
        assert "trying again in" in str(company.tick().skip_reason)
        company.wait(10_000)
        company.keep(company.tick())
        company.late = 0.0  # runs end by the real clock
    assert company.answer()
    assert company.crossings() == [("a3", "growth", 1, "up", 24_000.0, 26_000.0)]
    company.keep(company.tick())
    assert company.asked == []


def test_each_wait_is_twice_the_one_before_up_to_a_bound(monkeypatch: pytest.MonkeyPatch):
    policy = load_policy().orchestration.sensors
    monkeypatch.setattr(requests, "get_current_timestamp", lambda: 1000.0)
    failed = Outcome(Fate.FAILED, "r", 1000.0)
    waits = [wait_left(failed, Request("x", attempt), policy) for attempt in (1, 2, 3, 6, 7, 500)]
    assert waits == [60, 120, 240, 1920, 3600, 3600]


def test_hundreds_of_crossings_are_one_run(company: Company):
    many = [f"b{i}" for i in range(400)]
    (company.folder / "crm_accounts.csv").write_text("account_id\n" + "\n".join([*company.arr, *many]) + "\n")
    company.bill(**dict.fromkeys(many, 12_000.0))
    assert company.land("crm_accounts", "billing_subscriptions")
    result = company.tick()
    [request] = result.run_requests or []
    assert request.tags["segmentation/crossings"] == "400"
    assert len(str(request.tags)) < 200
    assert len(str(result.cursor)) < 200
    company.keep(result)
    assert company.settle() == 1
    frame = load("billing_threshold_crossings", home=company.folder)
    assert len(frame) == 400
    assert set(frame["direction"]) == {"up"}


def test_ten_thousand_crossings_are_one_short_request():
    many = {f"b{i}": 12_000.0 for i in range(10_000)}
    sides = pd.DataFrame({
        "account_id": list(many), "threshold": "long_tail", "is_above": False, "arr_seen": 9000.0,
        "threshold_seen": 10_000.0,
    })  # fmt: skip
    rows = detect_crossings(sides, many, {"long_tail": 10_000.0}, 0.1)
    outcome: Any = rows[rows["direction"] == "up"]
    assert sorted(outcome["account_id"]) == sorted(many)
    word = identity(outcome)
    assert len(word) == 12
    assert word == identity(outcome.sample(frac=1.0, random_state=1))
    assert word != identity(outcome.iloc[1:])


def test_a_price_that_was_agreed_ahead_crosses_on_its_day(company: Company, monkeypatch: pytest.MonkeyPatch):
    today = company.policy.company.today()
    starts = today + timedelta(days=1)
    company.bill()
    with (company.folder / "billing.csv").open("a") as file:
        file.write(f"s-more,{starts},a3,1000,USD\n")
    assert company.land()
    assert company.settle() == 0

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=1)

    monkeypatch.setattr(company_policy, "datetime", Tomorrow)
    company.definitions = build_defs(settings=company.settings, registry=registry())
    assert company.settle() == 1
    assert company.crossings() == [("a3", "growth", 1, "up", 24_000.0, 36_000.0)]
    frame = load("billing_threshold_crossings", home=company.folder)
    assert frame["effective_on"].dt.date.tolist() == [starts]
    assert company.settle() == 0


def test_a_landing_that_is_refused_reruns_nothing(company: Company):
    company.keep(company.tick())
    (company.folder / "billing.csv").write_text(
        "subscription_id,start_date,account_id,mrr,currency\ns-a3,2024-01-10,a3,lots,USD\n"
    )
    assert not company.land()
    assert str(company.tick().skip_reason).count("no new billing data") == 1
    company.bill()
    assert company.land()
    assert company.settle() == 0


def test_a_clock_that_goes_back_waits(company: Company, monkeypatch: pytest.MonkeyPatch):
    company.bill(a3=26_000)
    assert company.land()

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz).replace(year=2025)

    monkeypatch.setattr(company_policy, "datetime", Yesterday)
    assert "waiting" in str(company.tick().skip_reason)
    monkeypatch.undo()
    company.keep(company.tick())
    assert len(company.asked) == 1


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-10-25T00:30:00+02:00", "2026-10-25"),  # the day of 25 hours
        ("2026-10-25T23:30:00+01:00", "2026-10-25"),
        ("2026-03-29T23:59:00+02:00", "2026-03-29"),  # the day of 23
        ("2026-03-29T22:30:00+00:00", "2026-03-30"),
    ],
)
def test_today_is_the_companys_on_days_the_clock_changes(moment: str, day: str, monkeypatch: pytest.MonkeyPatch):
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromisoformat(moment).astimezone(tz)

    monkeypatch.setattr(company_policy, "datetime", Then)
    changed = load_policy().company.model_copy(update={"timezone": "Europe/Berlin"})
    assert str(changed.today()) == day


def test_the_sensor_sees_the_arr_that_the_chain_computes(ran_home: Path):
    for day in RAN_DAYS:
        revenue, steps = load("account_revenue", day, ran_home), load("arr_steps", day, ran_home)
        moment = str(day)
        holds = steps[
            (steps["day"].astype(str) <= moment) & ~(steps["until"].astype(str).replace("NaT", "9") <= moment)
        ]
        paying = revenue[revenue["arr"] > 0]
        assert dict(zip(holds["account_id"], holds["arr"], strict=True)) == dict(
            zip(paying["account_id"], paying["arr"], strict=True)
        )


def test_the_sensor_decides_as_the_ledger_books(company: Company):
    company.bill(a1=70_000, a2=9500, a3=9100, a4=0, a5=12_000)
    assert company.land()
    outcome = pending_crossings(Store(company.folder), company.policy, company.policy.company.today())
    decided = sorted(zip(outcome["account_id"], outcome["threshold"], outcome["direction"], strict=True))
    assert company.daily()
    assert decided == [(a, t, d) for a, t, _, d, _, _ in company.crossings()]
    assert len(decided) >= 5


def test_usage_is_not_touched(tmp_path: Path):
    job = build_defs(settings=Settings(tmp_path, None, None)).resolve_job_def(BILLING_RERUN)
    selected = {key.path[-1] for key in job.asset_layer.selected_asset_keys}
    assert {"account_revenue", "threshold_ledger", "segments", "segment_moves", "segment_alerts"} <= selected
    assert not selected & {
        "product_usage",
        "usage_days",
        "usage_last_days",
        "billing_subscriptions",
        "account_hierarchy",
    }
