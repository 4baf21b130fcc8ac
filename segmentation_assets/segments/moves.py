"""Who changed segment or tier, and why.

Here: `segment_moves`. Not here: the rules that move accounts (`stability`), migration over quarters (`kpis`), or
telling anybody (`activation`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Day, Flag, Snapshot, column

KINDS = ("segment", "tier")
DIRECTIONS = ("up", "down", "into_risk", "out_of_risk")
CAUSES = (
    "re_anchored", "arr_threshold", "behavioral_cohort", "value_tier", "size_class", "needs_profile",
    "clv", "expansion", "seat_activity", "strategic_evidence", "usage_or_health", "arr", "strategic_cut", "other",
)  # fmt: skip


class SegmentMoves(Snapshot):
    """Moves since the last grid point before as_of. Key: as_of, account_id, kind."""

    account_id: str = column("Account.")
    kind: str = column("segment or tier.", isin=KINDS)
    moved_from: str = column("What it was after the last Monday before as_of.")
    moved_to: str = column("What it is at as_of.")
    direction: str = column("up, down, into_risk (into At-Risk) or out_of_risk.", isin=DIRECTIONS)
    effective_on: Day = column("Day the move came into force, after the last Monday before as_of, at most as_of.")
    move_rule: str = column("How: held, risk_at_once, arr_at_once, start (came back), or re_anchored.")
    cause: str = column("First cause in the text.", isin=CAUSES)
    cause_text: str = column("Rule inputs that changed, then the score parts that changed, largest first.")
    compared_with: Day = column("Day that the rule inputs and score parts are compared with.")
    arr_before: float = column("ARR after the last Monday before as_of.", unit="currency", ge=0)
    arr_after: float = column("ARR at as_of.", unit="currency", ge=0)
    is_re_anchored: Flag = column("The grid's anchor changed between the two days, and nothing else moved it.")

    class Config:
        unique = ["as_of", "account_id", "kind"]
