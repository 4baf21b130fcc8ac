"""The reasons behind a segment, as sentences and tables.

Here: showing an `Explanation`. Not here: gathering it (`explanations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from segmentation_assets.cli.printing.grid import print_table
from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.explanations.gathering import Explanation, Score, TypicalCondition
from segmentation_assets.reading.figures import NAMES, label, share, shown, words

_MARKS = {True: "yes", False: "no", None: "unknown"}


def print_explanation(console: Console, explanation: Explanation) -> None:
    """Segment, tier, what follows from them, every score down to raw figures, moves."""
    account, name = explanation.account_id, explanation.account_name
    title = f"{name} ({account})" if name else account
    place = f"[bold]{explanation.segment}[/], tier [bold]{explanation.coverage_tier}[/]"
    console.print(f"[bold]{escape(title)}[/]: {place}, {explanation.as_of}")
    _heading(console, f"Why segment {explanation.segment}")
    _sentences(console, explanation.segment_reasons)
    _print_conditions(console, explanation.conditions)
    _heading(console, f"Why tier {explanation.coverage_tier}")
    _sentences(console, explanation.tier_reasons)
    _heading(console, "What would move it up")
    _sentences(console, explanation.ways_up)
    if explanation.compared_with:
        _heading(console, f"Since {explanation.compared_with}")
        _sentences(console, explanation.changes or ["Nothing shown here has changed."])
    _heading(console, "What follows")
    _print_pairs(console, explanation.treatment)
    if explanation.moves:
        _heading(console, "Moves")
        _print_moves(console, explanation)
    for score in explanation.scores:
        _print_score(console, score)
    if explanation.figures:
        _heading(console, "Raw figures")
        for topic, figures in explanation.figures.items():
            listed = ", ".join(f"{name} {shown(value)}" for name, value in figures.items())
            console.print(f"  [bold]{topic}[/]: {escape(listed)}", highlight=False)


def _heading(console: Console, text: str) -> None:
    console.print(f"\n[bold cyan]{escape(text)}[/]")


def _sentences(console: Console, texts: Sequence[str]) -> None:
    for text in texts:
        console.print(f"  {escape(text)}", highlight=False)


def _print_pairs(console: Console, pairs: Any) -> None:
    for name, value in pairs.items():
        if value not in (None, ""):
            console.print(f"  {label(name)}: {escape(_in_words(name, value))}", highlight=False)


def _in_words(name: str, value: Any) -> str:
    if isinstance(value, str):
        return label(value) if value in NAMES else words(value)
    return share(value) if name.endswith("_risk") else shown(value)


def _print_conditions(console: Console, conditions: Sequence[TypicalCondition]) -> None:
    rows = [(c.dimension, c.value, c.needed, _MARKS[c.meets]) for c in conditions]
    print_table(console, ("condition", "this account", "needed for it", "met"), rows)


def _print_moves(console: Console, explanation: Explanation) -> None:
    for move in explanation.moves:
        way, why = NAMES.get(move["direction"], move["direction"]), words(str(move["cause_text"]))
        console.print(
            f"  {move['effective_on']} {move['kind']}: {move['moved_from']} → {move['moved_to']} "
            f"({way}, {move['move_rule']}): {escape(why)}",
            highlight=False,
        )


def _print_score(console: Console, score: Score) -> None:
    unit = " in log-odds" if score.name == "churn_risk" else ""
    _heading(console, f"{score.name}{unit}: {shown(round(score.total, 2))}")
    rows = [(p.part, p.raw, p.weight, p.points) for p in score.parts]
    print_table(console, ("part", "raw figure", "weight", "points"), rows)
