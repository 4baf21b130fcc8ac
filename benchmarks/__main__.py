"""`python -m benchmarks [PART...]` (`make bench`): measures, prints every figure beside its target, writes a JSON.

Here: options and printing. Not here: which parts there are (`parts`), what they measure (each in its module).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Findings, Scale
from benchmarks.parts import PARTS, measured_apart
from benchmarks.readme import page
from benchmarks.readme import write as write_readme

_QUICK_ACCOUNTS = 400
_FULL = Scale()


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("parts", nargs=-1, metavar="[PART]...", type=click.Choice(list(PARTS)))
@click.option("--accounts", type=click.IntRange(1), default=_FULL.accounts, help="Live accounts of the sample.")
@click.option("--users-per-account", type=click.IntRange(1), default=_FULL.users_per_account)
@click.option("--days", type=click.IntRange(1), default=_FULL.days, help="Days of history.")
@click.option(
    "--rounds", type=click.IntRange(1), default=_FULL.rounds, help="Of each measurement; the median counts."
)
@click.option("--memory-limit", default=_FULL.memory_limit, help="DuckDB's limit, also for the SQL by hand.")
@click.option(
    "--quick", is_flag=True, help=f"A small check: {_QUICK_ACCOUNTS} accounts, one round; no targets of size."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep samples and homes here.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path(".benchmarks/figures.json"), help="The figures as JSON."
)
@click.option("--readme", type=click.Path(path_type=Path), help="Write the demo's figures into this README.")
@click.option("--results", type=click.Path(path_type=Path), help="Write all figures into this Markdown page.")
def main(
    parts: tuple[str, ...], folder: Path | None, output: Path, readme: Path | None, results: Path | None, **size: Any
) -> None:
    """Measure PARTs, by default all: location, dagster, demo, ... Exit code 1 where a target is missed."""
    scale = Scale(**size)
    if scale.quick:
        scale = replace(scale, accounts=min(scale.accounts, _QUICK_ACCOUNTS), rounds=1)
    chosen = [name for name in PARTS if name in parts or not parts]
    console = Console(highlight=False, soft_wrap=True)
    findings: dict[str, Findings | str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in chosen:
            findings[name] = measured_apart(name, scale, (folder or Path(temporary)) / name)
            _print_details(console, name, findings[name])
    _print_figures(console, findings)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(_as_json(scale, findings), indent=1) + "\n", encoding="utf-8")
    if results:
        command = " ".join(["python -m benchmarks", *chosen])
        results.write_text(page(scale, findings, command), encoding="utf-8")
    demo = findings.get("demo")
    if readme and isinstance(demo, Findings):
        write_readme(readme, demo.figures)
    if any(_fails(each) for each in findings.values()):
        raise SystemExit(1)


def _fails(findings: Findings | str) -> bool:
    return isinstance(findings, str) or any(figure.is_met is False for figure in findings.figures)


def _print_details(console: Console, name: str, findings: Findings | str) -> None:
    lines = [findings] if isinstance(findings, str) else findings.details
    for line in lines:
        console.print(f"{name}: {line}", markup=False)


def _print_figures(console: Console, results: Mapping[str, Findings | str]) -> None:
    table = Table("part", "figure", "measured", "target", "", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for name, findings in results.items():
        if isinstance(findings, str):
            table.add_row(name, "could not be measured, see above", "", "", "MISSED")
            continue
        for figure in findings.figures:
            verdict = {True: "met", False: "MISSED", None: ""}[figure.is_met]
            table.add_row(name, figure.name, figure.shown, figure.target, verdict)
    console.print(table)


def _as_json(scale: Scale, results: Mapping[str, Findings | str]) -> dict[str, Any]:
    parts = {n: {"failed": f} if isinstance(f, str) else _with_verdicts(f) for n, f in results.items()}
    return {"scale": asdict(scale), "parts": parts}


def _with_verdicts(findings: Findings) -> dict[str, Any]:
    figures = [asdict(figure) | {"is_met": figure.is_met} for figure in findings.figures]
    return {"figures": figures, "details": list(findings.details)}


if __name__ == "__main__":
    main()
