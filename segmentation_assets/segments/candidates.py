"""What the rules say about an account on one day, before stability slows anything.

Here: the inputs of the segment matrix and of the tier rules, and the segment and tier they give by themselves.
Not here: how candidates become moves (`stability`, `grid`), or the matrix's own arithmetic (`matrix`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import SEGMENTS, SegmentMatrixPolicy, StabilityPolicy, TierPolicy
from segmentation_assets.policy.value import CompositePolicy
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.expansion import ExpansionScores
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.health import HealthScores
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.needs import NeedsScores
from segmentation_assets.scores.value import ValueScores
from segmentation_assets.segments import matrix
from segmentation_assets.segments.cuts import TierCuts
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Dated, Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

_KEY = SNAPSHOT_KEY

EVIDENCE = ("present", "absent", "unknown")
STRATEGIC_EVIDENCE = ("multi_product", "multi_region", "expansion_score", "reference", "strategic_influence")


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
    arr_thresholds_reached: Integer = column(
        "How many of the billing thresholds (Long-Tail, Growth, Strategic cut) lie at or below ARR.", ge=0, le=3
    )
    strategic_evidence: str = column(
        "First evidence beyond ARR that the account is Strategic; null: none.",
        nullable=True,
        isin=STRATEGIC_EVIDENCE,
    )
    has_growth_usage: Flag = column("Behavioral score and health reach what entering Growth asks; unknown is no.")
    growth_evidence: str = column(
        "Expansion evidence for Growth: present; absent (what is known says no); unknown.", isin=EVIDENCE
    )
    has_little_to_expand: Flag = column("The expansion score is below the Long-Tail bound; unknown is no.")

    class Config:
        unique = ["as_of", "account_id"]


class CandidatePoints(Dated):
    """The columns of `segment_candidates` that the walk along the grid needs in memory."""

    account_id: str = column("Account.")
    arr: float = column("Annual recurring revenue.", unit="currency")
    value_tier: str = column("Value input of the matrix.", nullable=True)
    is_worth_saving: Flag = column("Value condition of At-Risk.")
    candidate_segment: str = column("Segment by the rules of this day alone.")
    candidate_rule_id: str = column("How.")
    risk_waits: Flag = column("Moves into At-Risk wait.")
    strategic_cut: float = column("ARR of the top share.", unit="currency", nullable=True)
    top_cut: float = column("ARR of the smaller top share.", unit="currency", nullable=True)
    strategic_evidence: str = column("Evidence beyond ARR that the account is Strategic.", nullable=True)
    has_growth_usage: Flag = column("Behavioral score and health reach what entering Growth asks.")
    growth_evidence: str = column("present, absent or unknown.")
    has_little_to_expand: Flag = column("The expansion score is below the Long-Tail bound.")


@table(group="segments")
def segment_candidates(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    firmographic_scores: Table[FirmographicScores],
    behavioral_scores: Table[BehavioralScores],
    value_scores: Table[ValueScores],
    needs_scores: Table[NeedsScores],
    expansion_scores: Table[ExpansionScores],
    health_scores: Table[HealthScores],
    tier_cuts: Table[TierCuts],
    policy: SegmentMatrixPolicy,
    composite: CompositePolicy,
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> Table[SegmentCandidates]:
    """Which segment do the rules name for each live account on this day alone, and what evidence is there of a tier?

    One row per as_of and live account. At-Risk first: a cohort in trouble, and CLV in the upper ranks (without CLV:
    a value tier worth saving). Then the row of the matrix that the account meets exactly; then the nearest row,
    by the weighted distance over size class, cohort, value tier and needs, unknown ones left out; nothing known:
    Long-Tail by `no_data`. Which of it comes into force, and when, `segment_grid` and `segment_states` say.
    """
    rows = _rule_inputs(
        live_accounts(account_profiles, spine),
        [
            (firmographic_scores, ["size_class"]),
            (behavioral_scores, ["behavioral_cohort", "behavioral_score", "seat_activity"]),
            (value_scores, ["value_tier", "clv_percentile"]),
            (needs_scores, ["needs_profile"]),
            (expansion_scores, ["expansion_score", "lookalike"]),
            (health_scores, ["health_score"]),
        ],
        tier_cuts,
    )
    rows = rows.mutate(
        is_worth_saving=matrix.is_worth_saving(rows, policy.at_risk),
        may_expand=matrix.may_expand(rows, policy),
        is_barely_used=matrix.is_barely_used(rows, policy),
        risk_waits=(rows.usage_lag_days > stability.max_usage_lag_days).fill_null(False),
        **_tier_evidence(rows, tier),
    )
    found = matrix.with_candidate(rows, policy, composite.weights)
    return found.select(*(name for name in ibis_schema(SegmentCandidates) if name != POLICY_HASH))


def _rule_inputs(live: ir.Table, scores: list[tuple[ir.Table, list[str]]], tier_cuts: ir.Table) -> ir.Table:
    """Live accounts with the scores' columns, null where a score table has no row, and the day's cuts."""
    rows = live.select(
        *_KEY,
        "arr",
        "is_multi_product",
        "is_multi_region",
        "is_reference",
        "has_strategic_influence",
        "usage_lag_days",
    )
    rows = with_figures(rows, *(source.select(*_KEY, *names) for source, names in scores))
    cuts = tier_cuts.select("as_of", "strategic_cut", "top_cut")
    return rows.left_join(cuts, "as_of").select(*rows.columns, "strategic_cut", "top_cut")


def _tier_evidence(rows: ir.Table, tier: TierPolicy) -> dict[str, ir.Value]:
    """What the tier rules ask for beside ARR. Unknown is no evidence; only `growth_evidence` tells it apart."""
    signs = (
        rows.is_multi_product,
        rows.is_multi_region,
        matrix.reaches(rows.expansion_score, tier.strategic_min_expansion_score),
        rows.is_reference,
        rows.has_strategic_influence,
    )
    expands = matrix.reaches(rows.expansion_score, tier.growth_min_expansion_score)
    resembles = matrix.reaches(rows.lookalike, tier.growth_min_lookalike)
    usage = matrix.reaches(rows.behavioral_score, tier.growth_min_behavioral_score)
    health = matrix.reaches(rows.health_score, tier.growth_min_health_score)
    thresholds = (tier.long_tail_below_arr, tier.growth_min_arr, rows.strategic_cut)
    return {
        "arr_thresholds_reached": sum((rows.arr >= bound).fill_null(False).cast("int64") for bound in thresholds),
        "strategic_evidence": ibis.cases(
            *((sign.fill_null(False), name) for sign, name in zip(signs, STRATEGIC_EVIDENCE, strict=True)),
            else_=ibis.null("string"),
        ),
        "has_growth_usage": (usage & health).fill_null(False),
        "growth_evidence": ibis.cases(
            (expands.fill_null(False) | resembles.fill_null(False), "present"),
            (expands.isnull() & resembles.isnull(), "unknown"),
            else_="absent",
        ),
        "has_little_to_expand": (
            ~matrix.reaches(rows.expansion_score, tier.long_tail_below_expansion_score)
        ).fill_null(False),
    }
