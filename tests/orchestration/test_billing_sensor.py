"""The billing threshold sensor on a real instance: each crossing once, whatever dies, fails, repeats or comes late.

The model below is all that is expected of the ledger: nothing in it knows how the product does it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

from segmentation_assets.access import load
from segmentation_assets.warehouse.store import Store
from tests.orchestration.billing import ACCOUNTS, START, Company, clock_of, opened

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
    made = Company(tmp_path / "home", start)
    with clock_of(made):
        yield made
    made.close()


def machine(start: Path) -> type[RuleBasedStateMachine]:
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
            def broken(**_: Any) -> Any:
                raise RuntimeError("a mistake")

            assert not self.company.answer({table: failing(table)})
            if table == "billing_threshold_crossings":  # the ledger stood above it
                self.model.post(self.landed)

        @precondition(lambda self: self.company.asked)
        @rule(published=st.integers(0, 4))
        def run_that_dies(self, published: int) -> None:
            before = self.company.ledger()
            self.company.answer_and_die(published)
            if self.company.ledger() != before or Store(self.company.folder).file("threshold_ledger").exists():
                self._post_if_the_ledger_was()

        def _post_if_the_ledger_was(self) -> None:
            """A run that died may or may not have come to the ledger: either is right, half of it is not."""
            booked = sorted(self.company.ledger())
            if booked == sorted(self.model.crossings):
                arr = load("threshold_ledger", home=self.company.folder)
                seen = dict(zip(arr["account_id"], arr["arr_seen"], strict=True))
                if all(seen.get(a, 0.0) == pytest.approx(self.landed[a]) for a in ACCOUNTS):
                    self.model.post(self.landed)
                return
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
                found = [(a, t, n, d, round(b, 2), round(f, 2)) for a, t, n, d, b, f in self.company.ledger()]
                assert found == sorted(self.model.crossings)

    return Days


def failing(table: str) -> Any:
    """A function like the table's own that fails."""
    from functools import wraps

    from segmentation_assets.chain import CATALOGUE

    @wraps(CATALOGUE[table].function)  # type: ignore[arg-type]
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a mistake")

    return broken


def test_whatever_happens_each_crossing_is_booked_once(start: Path):
    run_state_machine_as_test(
        machine(start),
        settings=settings(
            max_examples=4, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
