"""The reasons behind a segment, as sentences and tables.

Here: showing an `Explanation`. Not here: gathering it (`explanations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from segmentation_assets.cli.printing.grid import print_table
from segmentation_assets.reading.escaping import escape
from segmentation_assets.reading.explanations.gathering import Condition, Explanation, Score
from segmentation_assets.reading.figures import share, shown, words

_MARKS = {True: "yes", False: "no", None: "unknown"}


def print_explanation(console: Console, told: Explanation) -> None:
    """Segment, tier, what follows from them, every score down to raw figures, moves."""
    name = f"{told.account_name} ({told.account_id})" if told.account_name else told.account_id
    console.print(
        f"[bold]{escape(name)}[/]: [bold]{told.segment}[/], tier [bold]{told.coverage_tier}[/], {told.as_of}"
    )
    _heading(console, f"Why segment {told.segment}")
    _sentences(console, told.segment_reasons)
    _print_conditions(console, told.conditions)
    _heading(console, f"Why tier {told.coverage_tier}")
    _sentences(console, told.tier_reasons)
    _heading(console, "What would move it up")
    _sentences(console, told.ways_up)
    if told.compared_with:
        _heading(console, f"Since {told.compared_with}")
        _sentences(console, told.changes or ["Nothing that is told here has changed."])
    _heading(console, "What follows")
    _print_pairs(console, told.treatment)
    if told.moves:
        _heading(console, "Moves")
        _print_moves(console, told)
    for score in told.scores:
        _print_score(console, score)
    if told.figures:
        _heading(console, "Raw figures")
        for topic, figures in told.figures.items():
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
            console.print(f"  {name.replace('_', ' ')}: {escape(_in_words(name, value))}", highlight=False)


def _in_words(name: str, value: Any) -> str:
    if isinstance(value, str):
        return words(value)
    return share(value) if name.endswith("_risk") else shown(value)


def _print_conditions(console: Console, conditions: Sequence[Condition]) -> None:
    rows = [(c.dimension, c.value, c.wanted, _MARKS[c.meets]) for c in conditions]
    print_table(console, ("condition", "this account", "the row asks for", "met"), rows)


def _print_moves(console: Console, told: Explanation) -> None:
    for move in told.moves:
        console.print(
            f"  {move['effective_on']} {move['kind']}: {move['moved_from']} → {move['moved_to']} "
            f"({move['direction'].replace('_', ' ')}, {move['move_rule']}): {escape(str(move['cause_text']))}",
            highlight=False,
        )


def _print_score(console: Console, score: Score) -> None:
    unit = " in log-odds" if score.name == "churn_risk" else ""
    _heading(console, f"{score.name}{unit}: {shown(round(score.total, 2))}")
    rows = [(p.part, p.raw, p.weight, round(p.points, 4)) for p in score.parts]
    print_table(console, ("part", "raw figure", "weight", "points"), rows)
