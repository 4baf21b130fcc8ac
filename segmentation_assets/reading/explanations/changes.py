"""What changed about an account between two snapshots, and why it moved, in sentences.

Here: comparing two rows of `segments`, the score parts behind the differences, and the cause of a move in words. Not
here: reading the rows (`gathering`), or finding causes (`segments.causes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.segments.causes import RELABELLED
from segmentation_assets.tables.quarters import quarter_start

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
    now: Row,
    before: Row | None,
    parts: Sequence[Row],
    parts_before: Sequence[Row],
    since: date,
    least: float,
    horizon_days: int,
) -> tuple[str, ...]:
    """Sentences about the differences. A score counts from `least` points on; its parts that changed most are named.

    `now` and `before` are rows of `segments`; `before` is None if the account was not live. Parts are rows of
    `score_contributions`. `horizon_days` is the horizon of the churn risk.
    """
    if before is None:
        return (f"The account was not live on {since}.",)
    sentences = [
        f"{name} {before[column]} to {now[column]}." for column, name, _ in _WORDS if now[column] != before[column]
    ]
    if round(now["arr"], 2) != round(before["arr"], 2):
        difference = now["arr"] - before["arr"]
        sentences.append(f"ARR {before['arr']:,.0f} to {now['arr']:,.0f} ({_signed(difference, 0)}).")
    for column, name in _SCORES:
        sentences += _score_change(column, name, now, before, parts, parts_before, least)
    if _differs(now["churn_risk"], before["churn_risk"], least / 100):
        sentences.append(f"Churn risk in {horizon_days} days {before['churn_risk']:.1%} to {now['churn_risk']:.1%}.")
    return tuple(sentences)


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


def why_moved(kind: str, before: Row, now: Row) -> str:
    """Why an account is in another segment (or tier) than `before`; both are rows of `segments`.

    The row itself holds the inputs that moved the account. If there are none, the account had left and came back, the
    weekly grid restarted with a quarter, or today's policy and data would have put it there on the earlier day, too.
    """
    since, rule, inputs = now[f"{kind}_since"], now[f"{kind}_move_rule"], now[f"{kind}_cause_text"]
    if since > before["as_of"]:
        if rule == "start":
            return "the account had no revenue for a while and came back"
        return inputs or "its figures changed"
    if before["as_of"] < quarter_start(now["as_of"]):
        return f"the weekly grid restarted with the quarter, on {quarter_start(now['as_of']):%-d %b %Y}"
    return f"by today's policy and data it was already in {_state(kind, now)} on {before['as_of']:%-d %b %Y}"


def key_of(row: Row) -> tuple[Any, ...]:
    """The key of a row of `segment_moves`, which rows of `segment_move_parts` share."""
    return tuple(row[name] for name in ("as_of", "account_id", "kind", "effective_on"))


def parts_by_move(rows: Iterable[Row]) -> Mapping[tuple[Any, ...], Sequence[Row]]:
    """Rows of `segment_move_parts` by their move, the largest change first."""
    by_move: dict[tuple[Any, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["place"]):
        by_move.setdefault(key_of(row), []).append(row)
    return by_move


def why_recorded(move: Row, parts: Sequence[Row] = ()) -> str:
    """Why an account moved: a row of `segment_moves`, and its rows of `segment_move_parts`."""
    if move["cause"] == "re_anchored":
        return "the weekly grid restarted with the quarter"
    if move["cause"] == "came_back":
        return "the account had no revenue for a while and came back"
    if move["cause"] in RELABELLED:
        return f"{RELABELLED[move['cause']]}; the account itself did not move"
    crossed = (
        f"ARR {move['arr_before']:,.0f} to {move['arr_after']:,.0f} crossed a billing threshold; "
        if move["move_rule"] == "arr_at_once"
        else ""
    )
    back = ", and back" if move["move_rule"] == "not_confirmed" else ""
    changed = "; ".join(_part_in_words(part) for part in parts)
    return f"{crossed}{move['cause_text']}{back}" + (f" (scores: {changed})" if changed else "")


def _part_in_words(part: Row) -> str:
    """`behavioral_score`, `trend`, -8.0 as "behavioral trend −8.0"."""
    score, name = part["score"].removesuffix("_score"), part["part"]
    return f"{score} {name} ".replace("_", " ") + _signed(part["change"])


def _state(kind: str, row: Row) -> str:
    return row["segment"] if kind == "segment" else row["coverage_tier"]
