"""What the rules say about an account on one day, before stability slows anything.

Here: the inputs of the segment matrix and of the tier rules, and the segment and tier they give by themselves.
Not here: how candidates become moves (`stability`, `grid`), or the matrix's own arithmetic (`matrix`).
"""

from __future__ import annotations

from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.warehouse.contracts import Flag, Integer, Snapshot, column

EVIDENCE = ("present", "absent", "unknown")


class SegmentCandidates(Snapshot):
    """Rule inputs and candidates of each live account. Key: as_of, account_id."""

    account_id: str = column("Account.")
    arr: float = column("Annual recurring revenue.", unit="currency", gt=0)
    size_class: str = column("Firmographic input of the matrix.", nullable=True)
    behavioral_cohort: str = column("Behavioral input of the matrix.", nullable=True)
    value_tier: str = column("Value input of the matrix.", nullable=True)
    needs_profile: str = column("Needs input of the matrix.", nullable=True)
    seat_activity: float = column("Active users / licensed seats, 28 days.", unit="share", nullable=True, ge=0)
    clv_percentile: float = column("Mid-rank of CLV x 100.", unit="score", nullable=True, ge=0, le=100)
    expansion_score: float = column("Expansion score.", unit="score", nullable=True, ge=0, le=100)
    is_worth_saving: Flag = column(
        "The account meets the value condition of At-Risk: CLV percentile, without CLV the value tier."
    )
    may_expand: Flag = column("The expansion score meets the condition of the Growth row, or is unknown.")
    is_barely_used: Flag = column("Seat activity is below the Long-Tail row's share; unknown counts as no.")
    candidate_segment: str = column("Segment by the rules of this day alone.", isin=SEGMENTS)
    candidate_rule_id: str = column(
        "How: at_risk, exact:<segment>, nearest:<segment>:<distance>, or no_data (nothing known)."
    )
    distance: float = column(
        "Weighted distance to the nearest row; null where no distance was needed.",
        unit="share", nullable=True, ge=0, le=1,
    )  # fmt: skip
    is_exact: Flag = column("The account meets every condition of its segment's row.")
    usage_lag_days: Integer = column("Days that usage is behind as_of.", unit="days", nullable=True, ge=0)
    risk_waits: Flag = column("Usage is too far behind: moves into At-Risk wait.")
    strategic_cut: float = column("ARR of the top share, as frozen.", unit="currency", nullable=True)
    top_cut: float = column("ARR of the smaller top share, as frozen.", unit="currency", nullable=True)
    arr_thresholds_reached: Integer = column("How many of the three billing thresholds lie at or below ARR.", ge=0, le=3)
    strategic_evidence: str = column(
        "First evidence beyond ARR that the account is Strategic: multi_product, multi_region, expansion_score, "
        "reference, strategic_influence; null: none.",
        nullable=True,
    )
    has_growth_usage: Flag = column("Behavioral score and health reach what entering Growth asks; unknown is no.")
    growth_evidence: str = column(
        "Expansion evidence for Growth: present; absent (what is known says no); unknown.", isin=EVIDENCE
    )
    has_little_to_expand: Flag = column("The expansion score is below the Long-Tail bound; unknown is no.")
    initial_tier: str = column("Tier by the rules of this day alone, as for a new account.", isin=TIERS)
    initial_tier_rule_id: str = column("The rule that gives the initial tier.")

    class Config:
        unique = ["as_of", "account_id"]
