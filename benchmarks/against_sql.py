"""The chain against hand-written SQL that computes the same tables: seconds, memory, and whether they are equal.

Here: rounds of both sides and what is told of them. Not here: the sides themselves (`chain_side`, `hand_side`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.comparing import Comparison
from benchmarks.figures import AS_OF, Figure, Findings, Scale
from benchmarks.measuring import Measured
from benchmarks.sides import Round, compared, days_to_ask, run_round, tables_left_out
from segmentation_assets.sample import generate

MOST_RATIO, MOST_GIB = 1.5, 4.0
_GIB = 2**30


def measure(scale: Scale, folder: Path, tell: Callable[[str], None]) -> Findings:
    """The median round; the highest peak of all."""
    tell(f"a sample company of {scale.accounts:,} accounts")
    sample = generate(
        folder / "sample", accounts=scale.accounts, days=scale.days, users_per_account=scale.users_per_account,
        seed=7, end=AS_OF,
    )  # fmt: skip
    usage_rows = sample.rows["product_usage"]
    rounds: list[Round] = []
    for number in range(scale.rounds):
        tell(f"round {number + 1} of {scale.rounds}, both sides, {usage_rows:,} usage rows")
        rounds.append(run_round(folder, sample.sources, days_to_ask(AS_OF), scale.memory_limit))
    tell("comparing both sides' tables")
    comparisons = compared(folder)
    chain, hand = _middle([r.chain for r in rounds]), _middle([r.hand for r in rounds])
    unequal = [each for each in comparisons if not each.is_equal]
    figures = [
        Figure("accounts", scale.accounts),
        Figure("usage rows", usage_rows),
        Figure("wall beyond start-up", chain.wall, "s"),
        Figure("wall by hand", hand.wall, "s"),
        Figure("ratio of wall", chain.wall / hand.wall, at_most=scale.at_full(MOST_RATIO)),
        Figure("CPU beyond start-up", chain.cpu, "s"),
        Figure("CPU by hand", hand.cpu, "s"),
        Figure("ratio of CPU", chain.cpu / hand.cpu),
        Figure("peak memory", chain.peak / _GIB, "GiB", at_most=MOST_GIB),
        Figure("peak memory by hand", hand.peak / _GIB, "GiB"),
        Figure("tables compared", len(comparisons), at_least=1),
        Figure("tables that differ", len(unequal), at_most=0),
    ]
    return Findings(figures, list(_details(comparisons, chain, hand)))


def _middle(runs: Sequence[Measured]) -> Measured:
    """Median of the figures; the highest peak."""
    names = runs[0].seconds
    return Measured(
        median(r.wall for r in runs),
        median(r.cpu for r in runs),
        max(r.peak for r in runs),
        {name: median(r.seconds[name] for r in runs) for name in names},
    )


def _details(comparisons: Sequence[Comparison], chain: Measured, hand: Measured) -> Iterator[str]:
    """A line per table, what differs, and what is not written by hand."""
    yield f"{'table':<28}{'chain':>9}{'by hand':>9}{'ratio':>7}  equal"
    for each in comparisons:
        ours, theirs = chain.seconds.get(each.table, 0.0), hand.seconds[each.table]
        equal = f"yes, {each.rows:,} rows" if each.is_equal else "NO"
        yield f"{each.table:<28}{ours:>7.2f} s{theirs:>7.2f} s{ours / theirs:>7.1f}  {equal}"
    yield from (str(each) for each in comparisons if not each.is_equal)
    yield f"not written by hand, on neither clock: {', '.join(tables_left_out()) or 'none'}"
