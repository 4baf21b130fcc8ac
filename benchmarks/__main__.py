"""`python -m benchmarks` (`make bench`): the chain against hand-written SQL; prints a table, writes a JSON.

Here: options, the order of measurements, printing. Not here: what a side does (`chain_side`, `hand_side`).
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.answers import describe, measure_answers
from benchmarks.comparing import Comparison
from benchmarks.measuring import Measured
from benchmarks.sides import Round, compared, days_to_ask, run_round, tables_left_out
from segmentation_assets.sample import generate

AS_OF = date(2026, 6, 30)
TARGET_RATIO, TARGET_PEAK_GIB = 1.5, 4.0
_GIB = 2**30
_QUICK = 400


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--accounts", type=click.IntRange(1), default=10_000, help="Live accounts of the sample.")
@click.option("--users-per-account", type=click.IntRange(1), default=5)
@click.option("--days", type=click.IntRange(1), default=730, help="Days of history.")
@click.option("--runs", type=click.IntRange(1), default=3, help="Rounds of both sides; the median counts.")
@click.option("--memory-limit", default="3GB", help="DuckDB's limit, for both sides.")
@click.option("--quick", is_flag=True, help=f"A smoke test: {_QUICK} accounts, one round.")
@click.option("--without-dagster", is_flag=True, help="The chain's own cost, called without Dagster.")
@click.option("--answers/--no-answers", default=True, help="Also demo, show, explain and what Dagster costs.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the sample and both homes here.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("benchmark.json"), help="The figures as JSON."
)
def main(
    accounts: int,
    users_per_account: int,
    days: int,
    runs: int,
    memory_limit: str,
    quick: bool,
    without_dagster: bool,
    answers: bool,
    folder: Path | None,
    output: Path,
) -> None:
    """Measure the chain against hand-written DuckDB SQL that computes the same tables."""
    console = Console(stderr=True, highlight=False)
    if quick:
        accounts, runs = min(accounts, _QUICK), 1
    with tempfile.TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        console.print(f"a sample company of {accounts:,} accounts ...")
        made = generate(
            root / "sample", accounts=accounts, days=days, users_per_account=users_per_account, seed=7, end=AS_OF
        )
        console.print(f"{made.rows['product_usage']:,} usage rows; {runs} rounds of both sides ...")
        asked = days_to_ask(AS_OF)
        rounds = [run_round(root, made.sources, asked, memory_limit, not without_dagster) for _ in range(runs)]
        comparisons = compared(root)
        if answers:
            console.print("a first run, and how fast it answers ...")
        answered = measure_answers(root) if answers else {}
    figures = _figures(rounds) | {
        "accounts": accounts,
        "usage_rows": made.rows["product_usage"],
        "memory_limit": memory_limit,
        "orchestrated": not without_dagster,
        "not_by_hand": tables_left_out(),
        "answers": answered,
        "unequal": [asdict(c) for c in comparisons if not c.is_equal],
    }
    output.write_text(
        json.dumps(figures | {"rounds": [asdict(r) for r in rounds]}, indent=1) + "\n", encoding="utf-8"
    )
    _print(Console(highlight=False, soft_wrap=True), figures, comparisons)
    if figures["unequal"]:
        raise SystemExit(1)


def _figures(rounds: list[Round]) -> dict[str, Any]:
    chain, hand = _middle([r.chain for r in rounds]), _middle([r.hand for r in rounds])
    return {
        "chain": asdict(chain),
        "hand": asdict(hand),
        "ratio": chain.wall / hand.wall,
        "cpu_ratio": chain.cpu / hand.cpu,
        "peak_gib": chain.peak / _GIB,
    }


def _middle(runs: list[Measured]) -> Measured:
    """Median of the figures; the highest peak."""
    names = runs[0].seconds
    return Measured(
        median(r.wall for r in runs),
        median(r.cpu for r in runs),
        max(r.peak for r in runs),
        {name: median(r.seconds[name] for r in runs) for name in names},
    )


def _print(console: Console, figures: dict[str, Any], comparisons: list[Comparison]) -> None:
    chain, hand = figures["chain"], figures["hand"]
    table = Table("table", "chain, s", "by hand, s", "ratio", "equal", box=None, pad_edge=False)
    for each in comparisons:
        ours, theirs = chain["seconds"].get(each.table, 0.0), hand["seconds"][each.table]
        equal = f"yes, {each.rows:,} rows" if each.is_equal else "NO"
        table.add_row(each.table, f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.1f}", equal)
    console.print(table)
    for each in comparisons:
        if not each.is_equal:
            console.print(str(each))
    console.print(f"not written by hand, on neither clock: {', '.join(figures['not_by_hand']) or 'none'}")
    console.print(
        f"{figures['accounts']:,} accounts, {figures['usage_rows']:,} usage rows, "
        f"{'with' if figures['orchestrated'] else 'without'} Dagster, beyond start-up\n"
        f"wall   {chain['wall']:.1f} s against {hand['wall']:.1f} s by hand: ratio {figures['ratio']:.2f} "
        f"(target {TARGET_RATIO})\n"
        f"CPU    {chain['cpu']:.1f} s against {hand['cpu']:.1f} s by hand: ratio {figures['cpu_ratio']:.2f}\n"
        f"memory {figures['peak_gib']:.2f} GiB (target {TARGET_PEAK_GIB:g}) against "
        f"{hand['peak'] / _GIB:.2f} GiB by hand"
    )
    for line in describe(figures["answers"]):
        console.print(line)


if __name__ == "__main__":
    main()
