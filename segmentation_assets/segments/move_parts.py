"""Which score parts changed most around a move.

Here: `segment_move_parts`. Not here: the moves and their causes (`moves`), or sentences about them
(`reading.explanations`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import MovePolicy, StabilityPolicy
from segmentation_assets.scores.contributions import ScoreContributions
from segmentation_assets.segments.causes import KINDS, RELABELS
from segmentation_assets.segments.moves import SegmentMoves
from segmentation_assets.tables.as_of import FromPolicy, Spine, last_monday
from segmentation_assets.tables.contracts import Day, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

_MOVE = ("as_of", "account_id", "kind", "effective_on")
_DECIMALS = 6


class SegmentMoveParts(Snapshot):
    """Score parts that changed most around a move. Key: as_of, account_id, kind, effective_on, place."""

    account_id: str = column("Account.")
    kind: str = column("segment or tier.", isin=KINDS)
    effective_on: Day = column("Day the move came into force.")
    place: Integer = column("1 is the largest change of the move.", ge=1)
    score: str = column("Score that the part belongs to.")
    part: str = column("Part of the score.")
    change: float = column(
        "Points after less points before. Of a move up to the last Monday: from the policy's number of weeks before "
        "that Monday to it. Of a later move: from that Monday to as_of.",
        unit="points",
    )

    class Config:
        unique = ["as_of", "account_id", "kind", "effective_on", "place"]


def days_of_parts(grid_points: int) -> Callable[[date], Iterable[date]]:
    """The days whose score parts are compared: before a move that held could begin to show, last Monday, as_of."""
    return lambda day: sorted({last_monday(day) - timedelta(weeks=grid_points), last_monday(day), day})


@table(
    group="segments",
    reads={"score_contributions": FromPolicy(StabilityPolicy, lambda p: days_of_parts(p.grid_points))},
)
def segment_move_parts(
    spine: Table[Spine],
    segment_moves: Table[SegmentMoves],
    score_contributions: Table[ScoreContributions],
    stability: StabilityPolicy,
    policy: MovePolicy,
) -> Table[SegmentMoveParts]:
    """Which score parts changed most around each move?

    At most the policy's number of parts of each move, the largest change first. Smaller changes than the policy's
    points have no row. They stand beside the cause of a move; they are not its cause. What a new policy, data or code
    changed without a move of the account has no parts.
    """
    changes = _changes(_compared_days(spine, segment_moves, stability), score_contributions, policy)
    kept = changes.filter(changes.change.abs() >= policy.min_points)
    order = ibis.window(group_by=list(_MOVE), order_by=[ibis.desc(kept.change.abs()), kept.score, kept.part])
    ranked = kept.mutate(place=ibis.row_number().over(order) + 1)
    ranked = ranked.filter(ranked.place <= policy.parts_named)
    return ranked.select(*(name for name in ibis_schema(SegmentMoveParts) if name != POLICY_HASH))


def _compared_days(spine: ir.Table, moves: ir.Table, stability: StabilityPolicy) -> ir.Table:
    """The moves with the two days whose points are compared: `now` and `old`."""
    moves = moves.filter(~moves.cause_kind.isin(RELABELS))
    rows = moves.select(*_MOVE).inner_join(spine.select("as_of", "last_monday"), "as_of")
    weeks_before = (rows.last_monday - ibis.interval(days=7 * stability.grid_points)).cast("date")
    is_later = rows.effective_on > rows.last_monday
    return rows.select(
        *_MOVE,
        now=ibis.ifelse(is_later, rows.as_of, rows.last_monday),
        old=ibis.ifelse(is_later, rows.last_monday, weeks_before),
    )


def _changes(moves: ir.Table, contributions: ir.Table, policy: MovePolicy) -> ir.Table:
    """The change of each part between a move's two days; a part that one day lacks has 0 points on it."""
    explained = contributions.filter(contributions.score.isin(policy.explained_scores))
    points = explained.select("account_id", "score", "part", "points", day="as_of")
    sides = []
    for name, sign in (("now", 1), ("old", -1)):
        side = moves.select(*_MOVE, day=name).inner_join(points, ["day", "account_id"])
        sides.append(side.select(*_MOVE, "score", "part", change=side.points * sign))
    both = ibis.union(*sides)
    summed = both.group_by(*_MOVE, "score", "part").agg(change=both.change.sum())
    return summed.mutate(change=summed.change.round(_DECIMALS))  # equal, whatever the order of the sum
