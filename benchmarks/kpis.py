"""The KPIs of one month-end, and of 24, against hand-written SQL over the same published tables, and 24 against one.

Here: making what the KPIs read, rounds, what is told of them. Not here: the sides (`kpi_chain_side`,
`kpi_hand_side`). The company has one user per account: KPIs read no volume of usage. The ratio to hand-written SQL is
that of the chain without Dagster; what Dagster adds is a figure of its own, its price per asset the part `dagster`.
24 against one is judged by wall time, and shown by CPU too, which other work on the machine disturbs less. How it
stands for hand-written SQL says what of it lies in the work itself: each month-end has rows of its own to be made.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median

from benchmarks import kpi_hand_side
from benchmarks.comparing import Comparison, compare
from benchmarks.figures import AS_OF, Figure, Findings, Scale
from benchmarks.kpi_chain_side import START_UP
from benchmarks.measuring import Job, Measured
from benchmarks.measuring import measure as measure_side
from benchmarks.sides import flattened
from segmentation_assets.chain import CATALOGUE
from segmentation_assets.extracts.landing import land
from segmentation_assets.extracts.sources import read_sources
from segmentation_assets.policy.model import load_policy
from segmentation_assets.sample import generate
from segmentation_assets.tables.as_of import months_before
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

GROUP = "kpis"
MONTH_ENDS = 24
MOST_RATIO, MOST_MONTHS_RATIO = 1.5, 4.0
_LOOK_BACK_DAYS = 31 * (MONTH_ENDS + 12 + 8)
"""History behind the first month-end: its year, the weekly grid before that, the windows of usage."""
_WHY_LEFT_OUT = "ages and nulls of 21 extracts, one trait after the other, sentences: length by hand, no insight"


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """The median round of each: both sides at one month-end, the chain at all."""
    tell(f"a sample company of {scale.accounts:,} accounts")
    sample = generate(
        folder / "sample", accounts=scale.accounts, days=_LOOK_BACK_DAYS, users_per_account=1, seed=7, end=AS_OF
    )
    days = month_ends(AS_OF, MONTH_ENDS)
    home = folder / "home"
    tell(f"all that the KPIs of {MONTH_ENDS} month-ends read")
    prepare(home, sample.sources, month_ends(AS_OF, MONTH_ENDS + 1), scale.memory_limit)
    rounds = Rounds()
    for number in range(scale.rounds):
        tell(f"round {number + 1} of {scale.rounds}")
        rounds.many.append(_chain(home, sample.sources, days, scale))
        rounds.dagster.append(_chain(home, sample.sources, days[-1:], scale, orchestrated=True))
        rounds.one.append(_chain(home, sample.sources, days[-1:], scale))
        rounds.many_by_hand.append(_hand(folder, home, days, scale))
        rounds.hand.append(_hand(folder, home, days[-1:], scale))
    comparisons = compared(home, folder / "hand")
    return Findings(_figures(scale, rounds, comparisons), list(_details(comparisons, rounds)))


@dataclass
class Rounds:
    """Runs: one month-end without and with Dagster, all month-ends, one and all month-ends by hand."""

    one: list[Measured] = field(default_factory=list)
    dagster: list[Measured] = field(default_factory=list)
    many: list[Measured] = field(default_factory=list)
    hand: list[Measured] = field(default_factory=list)
    many_by_hand: list[Measured] = field(default_factory=list)


def month_ends(last: date, number: int) -> list[date]:
    """So many ends of months up to `last`, oldest first."""
    return [months_before(last, back) for back in range(number - 1, -1, -1)]


def prepare(home: Path, sources: Path, days: Sequence[date], memory_limit: str) -> None:
    """Land the extracts and make all that the KPI tables of `days` read, without Dagster.

    Raises RuntimeError for an extract that does not land.
    """
    policy, store = load_policy(), Store(home)
    with open_connection(store, memory_limit) as connection:
        engine = Engine(connection, store)
        names = [spec.name for spec in CATALOGUE if spec.is_extract]
        for landed in land(read_sources(sources), engine, policy.sections, names):
            if landed.failed:
                raise RuntimeError(landed.reason)
        builder = Builder(engine, CATALOGUE, policy)
        plan = builder.plan([spec.name for spec in CATALOGUE if spec.group == GROUP], days)
        for name, needed in plan.items():
            if not CATALOGUE[name].is_extract and CATALOGUE[name].group != GROUP:
                builder.build(CATALOGUE[name], needed)


def left_out() -> list[str]:
    """KPI tables that are not written by hand: on neither side's clock."""
    written = kpi_hand_side.tables()
    return [spec.name for spec in CATALOGUE if spec.group == GROUP and spec.name not in written]


def _chain(home: Path, sources: Path, days: Sequence[date], scale: Scale, *, orchestrated: bool = False) -> Measured:
    """The KPI tables of `days`, none of which stand."""
    for spec in CATALOGUE:
        if spec.group == GROUP:
            shutil.rmtree(home / "published" / spec.name, ignore_errors=True)
    job = job_for(home, sources, days, scale.memory_limit, orchestrated=orchestrated)
    return measure_side("benchmarks.kpi_chain_side", job)


def _hand(folder: Path, home: Path, days: Sequence[date], scale: Scale) -> Measured:
    job = job_for(folder / "hand", home / "published", days, scale.memory_limit)
    return measure_side("benchmarks.kpi_hand_side", job)


def job_for(home: Path, sources: Path, days: Sequence[date], memory_limit: str, *, orchestrated: bool = False) -> Job:
    """The job of one side; the hand side's `sources` is the folder of published tables that it reads.

    The month-end before the first of `days` starts the process up.
    """
    warm = {START_UP: [str(months_before(days[0], 1))]}
    tables, policy = kpi_hand_side.tables(), flattened(load_policy())
    return Job(home, sources, days, tables, warm, policy, memory_limit, orchestrated)


def compared(home: Path, hand: Path) -> list[Comparison]:
    """All tables written by hand, held against the chain's."""
    return [compare(CATALOGUE[name], home, hand) for name in kpi_hand_side.tables()]


def _figures(scale: Scale, rounds: Rounds, comparisons: Sequence[Comparison]) -> list[Figure]:
    one, dagster, many, hand, many_by_hand = (
        (median(run.wall for run in runs), median(run.cpu for run in runs))
        for runs in (rounds.one, rounds.dagster, rounds.many, rounds.hand, rounds.many_by_hand)
    )
    return [
        Figure("accounts", scale.accounts),
        Figure("one month-end", one[0], "s"),
        Figure("one month-end by hand", hand[0], "s"),
        Figure("ratio of wall", one[0] / hand[0], at_most=scale.at_full(MOST_RATIO)),
        Figure("ratio of CPU", one[1] / hand[1]),
        Figure("ratio of CPU with Dagster", dagster[1] / hand[1]),
        Figure(f"{MONTH_ENDS} month-ends", many[0], "s"),
        Figure(f"{MONTH_ENDS} month-ends / one", many[0] / one[0], at_most=scale.at_full(MOST_MONTHS_RATIO)),
        Figure(f"{MONTH_ENDS} month-ends / one, CPU", many[1] / one[1]),
        Figure(f"{MONTH_ENDS} month-ends / one, CPU by hand", many_by_hand[1] / hand[1]),
        Figure(f"{MONTH_ENDS} month-ends, ratio of CPU to hand", many[1] / many_by_hand[1]),
        Figure("tables compared", len(comparisons), at_least=1),
        Figure("tables that differ", sum(not each.is_equal for each in comparisons), at_most=0),
    ]


def _details(comparisons: Sequence[Comparison], rounds: Rounds) -> Iterator[str]:
    """A line per table, what differs, and what is not written by hand."""
    yield f"{'table':<24}{'one':>9}{'by hand':>9}{MONTH_ENDS:>7}    equal"
    for each in comparisons:
        took = [
            median(run.seconds.get(each.table, 0.0) for run in runs)
            for runs in (rounds.one, rounds.hand, rounds.many)
        ]
        equal = f"yes, {each.rows:,} rows" if each.is_equal else "NO"
        yield f"{each.table:<24}" + "".join(f"{seconds:>7.2f} s" for seconds in took) + f"  {equal}"
    yield from (str(each) for each in comparisons if not each.is_equal)
    yield f"not written by hand, on neither clock: {', '.join(left_out())}: {_WHY_LEFT_OUT}"
