"""What changed about an account between two snapshots, in sentences.

Here: comparing two rows of `segments`, and the parts of scores behind the differences. Not here: reading the rows
(`explanations`), or the causes of a move, which `segment_moves` holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from segmentation_assets.policy.segments import SEGMENTS, TIERS

Row = Mapping[str, Any]

_SCORES = (
    ("health_score", "Health"),
    ("behavioral_score", "Behavioral score"),
    ("expansion_score", "Expansion score"),
    ("composite_score", "Composite score"),
)
_WORDS = (("segment", "Segment", SEGMENTS), ("coverage_tier", "Tier", TIERS))
_PARTS = 2


def changes(
    now: Row, before: Row | None, parts: Sequence[Row], parts_before: Sequence[Row], since: date, least: float
) -> tuple[str, ...]:
    """Sentences on what differs; scores from `least` points on, each with the parts that changed most.

    `now` and `before` are rows of `segments`, `before` None where the account was not live; parts are rows of
    `score_contributions`.
    """
    if before is None:
        return (f"It was not live on {since}.",)
    told = [
        f"{name} {before[column]} to {now[column]}." for column, name, _ in _WORDS if now[column] != before[column]
    ]
    if round(now["arr"], 2) != round(before["arr"], 2):
        difference = now["arr"] - before["arr"]
        told.append(f"ARR {before['arr']:,.0f} to {now['arr']:,.0f} ({_signed(difference, 0)}).")
    for column, name in _SCORES:
        told += _score_change(column, name, now, before, parts, parts_before, least)
    if _differs(now["churn_risk"], before["churn_risk"], least / 100):
        told.append(f"Churn risk in 90 days {before['churn_risk']:.1%} to {now['churn_risk']:.1%}.")
    return tuple(told)


def _score_change(
    column: str, name: str, now: Row, before: Row, parts: Sequence[Row], parts_before: Sequence[Row], least: float
) -> list[str]:
    if not _differs(now[column], before[column], least):
        return []
    new = {row["part"]: row["points"] for row in parts if row["score"] == column}
    old = {row["part"]: row["points"] for row in parts_before if row["score"] == column}
    moved = {part: new.get(part, 0.0) - old.get(part, 0.0) for part in {*new, *old}} if new and old else {}
    largest = sorted(moved, key=lambda part: (-abs(moved[part]), part))[:_PARTS]
    why = ", ".join(
        f"{part.replace('_', ' ')} {_signed(moved[part])}" for part in largest if abs(moved[part]) >= least
    )
    return [f"{name} {before[column]:.1f} to {now[column]:.1f}{f': {why}' if why else ''}."]


def _differs(now: float | None, before: float | None, least: float) -> bool:
    return now is not None and before is not None and abs(now - before) >= least


def _signed(value: float, digits: int = 1) -> str:
    return f"{value:+,.{digits}f}".replace("-", "\N{MINUS SIGN}")
