"""The segment of every live account and all that follows from it.

Here: `segments`, what sales, success and marketing read, and `segment_mix`. Not here: the rules (`matrix`, `tiers`),
their stability (`stability`, `grid`), or what moved and why (`moves`).
"""

from __future__ import annotations

from segmentation_assets.policy.segments import MICRO_SEGMENTS, SEGMENTS, TIERS
from segmentation_assets.warehouse.contracts import Day, Flag, Integer, Snapshot, column


class Segments(Snapshot):
    """Segment, tier, micro-segment and what follows from them. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    account_name: str = column("Name in the CRM.", nullable=True)
    segment: str = column("Segment in force.", isin=SEGMENTS)
    rule_id: str = column("Rule that gave the segment: at_risk, exact:<segment>, nearest:<segment>:<distance>, no_data.")
    segment_since: Day = column("Day the segment came into force, at the earliest the anchor of as_of's grid.")
    candidate_segment: str = column("What the rules say on this day alone.", isin=SEGMENTS)
    candidate_rule_id: str = column("The rule behind the candidate.")
    is_pending: Flag = column("The candidate differs from the segment and has not held long enough to move it.")
    coverage_tier: str = column("Tier that staffs and reports.", isin=TIERS)
    tier_rule_id: str = column("Rule that gave the tier.")
    tier_since: Day = column("Day the tier came into force, at the earliest the anchor of as_of's grid.")
    candidate_tier: str = column("Tier that the rules give on this day to an account in this tier.", isin=TIERS)
    is_tier_pending: Flag = column("The candidate tier differs from the tier and has not held long enough.")
    has_tier_conflict: Flag = column("Segment and tier name different levels of care.")
    tier_conflict: str = column("Which levels of care they name; null: they agree.", nullable=True)
    micro_segment: str = column("What to do next inside the tier.", isin=MICRO_SEGMENTS)
    micro_segment_reason: str = column("The signals behind it, comma-separated; empty for stable.")
    is_usage_declining: Flag = column("Users or events fall faster than the company's; unknown is no.")
    coverage_override: str = column(
        "high_touch where declining usage meets a near renewal, whatever the tier; else null.",
        nullable=True, isin=["high_touch"],
    )  # fmt: skip
    overlay: str = column("Industry x use case, for messages only; null: neither is known.", nullable=True)
    go_to_market: str = column("How the segment is served.")
    pricing_model: str = column("How the segment is priced.")
    message_track: str = column("How the segment is addressed.")
    territory: str = column("Who sells to it.")
    care_tier: str = column("Tier whose level of care the segment names; null: none of its own.", nullable=True, isin=TIERS)
    arr: float = column("Annual recurring revenue.", unit="currency", gt=0)
    size_class: str = column("Size class.", nullable=True)
    behavioral_cohort: str = column("Behavioral cohort.", nullable=True)
    value_tier: str = column("Value tier.", nullable=True)
    needs_profile: str = column("Needs profile.", nullable=True)
    primary_use_case: str = column("Primary use case.", nullable=True)
    lifecycle_stage: str = column("Lifecycle stage.", nullable=True)
    region: str = column("Region of the largest subscription.", nullable=True)
    csm_id: str = column("CSM in the CRM.", nullable=True)
    account_executive: str = column("Account executive in the CRM.", nullable=True)
    composite_score: float = column("Composite score.", unit="score", nullable=True, ge=0, le=100)
    behavioral_score: float = column("Behavioral score.", unit="score", nullable=True, ge=0, le=100)
    expansion_score: float = column("Expansion score.", unit="score", nullable=True, ge=0, le=100)
    expansion_potential: float = column("Share of addressable seats not yet sold.", unit="share", nullable=True, ge=0, le=1)
    health_score: float = column("Overall health.", unit="score", nullable=True, ge=0, le=100)
    weakest_dimension: str = column("Weakest health dimension.", nullable=True)
    churn_risk: float = column("Probability of churn in 90 days.", unit="probability", nullable=True, ge=0, le=1)
    data_completeness: float = column(
        "Share of the composite's weights whose dimension is present.", unit="share", nullable=True, ge=0, le=1
    )
    is_backcast: Flag = column("CRM facts of this day come from a later drop.", nullable=True)

    class Config:
        unique = ["as_of", "account_id"]


class SegmentMix(Snapshot):
    """How the company divides into segments. Key: as_of, segment; always all segments."""

    segment: str = column("Segment.", isin=SEGMENTS)
    accounts: Integer = column("Live accounts in it.", ge=0)
    account_share: float = column("Of all live accounts; null: there are none.", unit="share", nullable=True, ge=0, le=1)
    arr: float = column("Their ARR.", unit="currency", ge=0)
    arr_share: float = column("Of all ARR; null: there is none.", unit="share", nullable=True, ge=0, le=1)
    exact_accounts: Integer = column("Of them, accounts that met every condition of the row.", ge=0)
    exact_share: float = column("Exact accounts / accounts; null: no accounts.", unit="share", nullable=True, ge=0, le=1)
    pending_accounts: Integer = column("Of them, accounts whose candidate is another segment.", ge=0)

    class Config:
        unique = ["as_of", "segment"]
