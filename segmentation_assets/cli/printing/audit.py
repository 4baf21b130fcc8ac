"""An audited business case on one screen.

Here: rows and words. Not here: any figure (`capacity.scenario`).
"""

from __future__ import annotations

from typing import Any

from rich.console import Console

from segmentation_assets.capacity.scenario.audit import Audit, Line
from segmentation_assets.capacity.scenario.intervals import Interval
from segmentation_assets.capacity.scenario.words import shown
from segmentation_assets.cli.printing.grid import print_table
from segmentation_assets.reading.escaping import escape

_MARKS = {"supported": "✓", "not supported": "✗", "not checkable": "?", "implied": "→", "questionable": "!"}


def print_audit(console: Console, case: Audit) -> None:
    """The computed tiers, then every stated figure: what does not hold first, then what cannot be checked."""
    console.print(escape(case.name), style="bold")
    header = [
        "tier",
        "accounts",
        "ARR",
        "CSMs",
        "by ratio",
        "NRR before",
        "after",
        "expansion before",
        "after",
        "ARR after",
    ]
    print_table(
        console, header, [_row(tier) for tier in case.tiers], title=f"Computed from its parts, {case.currency}"
    )
    for verdict, title in (
        ("not supported", "Stated, and not what the parts give"),
        ("questionable", "Does not go together with other figures, or with the policy's targets"),
        ("not checkable", "Stated, and not to be checked"),
        ("supported", "Stated, and supported"),
        ("implied", "Not stated, but implied"),
    ):
        lines = [line for line in case.lines if line.verdict == verdict]
        if lines:
            console.print(f"\n{title}", style="bold")
            for line in lines:
                _print_line(console, line)


def _row(tier: dict[str, Any]) -> list[str]:
    def cell(name: str, key: str) -> str:
        value = tier[key]
        return "–" if value is None else shown(name, Interval(value["low"], value["high"]))

    by_ratio = tier["fte_by_ratio"]
    return [
        tier["tier"], f"{tier['accounts']:,}", shown("arr", Interval(tier["arr"], tier["arr"])), f"{tier['csms']:g}",
        "–" if by_ratio is None else f"{by_ratio:.2f}", cell("nrr", "nrr_before"), cell("nrr", "nrr_after"),
        cell("expansion", "expansion_before"), cell("expansion", "expansion_after"), cell("arr", "arr_after"),
    ]  # fmt: skip


def _named(figure: str) -> str:
    words = {"arr": "ARR", "nrr": "NRR", "grr": "GRR", "csms": "CSMs", "csm": "CSM", "fte": "FTE"}
    return " ".join(words.get(word, word) for word in figure.split("_"))


def _print_line(console: Console, line: Line) -> None:
    when = f" {line.when}" if line.when else ""
    figure = f"{line.scope}: {_named(line.figure)}{when}"
    stated = "" if line.stated is None else f" stated {shown(line.figure, line.stated)},"
    computed = "" if line.computed is None else f" computed {shown(line.figure, line.computed)}"
    off = ""
    if line.verdict == "not supported" and line.difference is not None:
        sign = "+" if line.difference > 0 else "-"
        off = f", off by {sign}{shown(line.figure, Interval(abs(line.difference), abs(line.difference)))}"
    text = f"{_MARKS[line.verdict]} {figure}:{stated}{computed}{off}"
    console.print(f"  {escape(text)}", highlight=False, soft_wrap=True)
    console.print(f"      {escape(line.arithmetic)}", style="dim", highlight=False, soft_wrap=True)
