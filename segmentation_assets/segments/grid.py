"""The state of every account after each point of the weekly grid, and at the end of any day.

Here: walking candidates along the grid of an anchor. Not here: the rule of one step (`stability`), or what the
state means for people (`segments`).
"""

from __future__ import annotations

from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.warehouse.contracts import Day, Flag, Integer, Snapshot, column

MOVE_RULES = ("start", "held", "risk_at_once", "arr_at_once")


class _State(Snapshot):
    account_id: str = column("Account.")
    segment: str = column("Segment in force.", isin=SEGMENTS)
    rule_id: str = column("Rule that gave the segment when it was last the candidate.")
    segment_since: Day = column("Day the segment came into force, at the earliest the start of this chain.")
    segment_move_rule: str = column("How it came into force: start, held, risk_at_once, arr_at_once.", isin=MOVE_RULES)
    candidate_segment: str = column("What the rules say on this day alone.", isin=SEGMENTS)
    candidate_points: Integer = column("Grid points in a row that this candidate has held.", ge=0)
    coverage_tier: str = column("Coverage tier in force.", isin=TIERS)
    tier_rule_id: str = column("Rule that gave the tier when it was last the candidate.")
    tier_since: Day = column("Day the tier came into force, at the earliest the start of this chain.")
    tier_move_rule: str = column("How it came into force: start, held, arr_at_once.", isin=MOVE_RULES)
    candidate_tier: str = column("Tier that the rules give on this day to an account in this tier.", isin=TIERS)
    candidate_tier_points: Integer = column("Grid points in a row that this candidate has held.", ge=0)
    is_above_long_tail: Flag = column("ARR counts as above the lowest billing threshold (up at it, down 10 % below).")
    is_above_growth: Flag = column("ARR counts as above the Growth threshold (up at it, down 10 % below).")
    is_above_strategic: Flag = column("ARR counts as above the Strategic cut (up at it, down 10 % below).")


class SegmentGrid(_State):
    """State after a Monday, in the chain of an anchor. Key: as_of (a Monday), anchor, account_id."""

    anchor: Day = column("Monday that the chain starts at.")

    class Config:
        unique = ["as_of", "anchor", "account_id"]


class SegmentStates(_State):
    """State at the end of as_of. Key: as_of, account_id; one row per live account."""

    class Config:
        unique = ["as_of", "account_id"]
