"""The segment of every live account and all that follows from it.

Here: `segments`, what sales, success and marketing read, and `segment_mix`. Not here: the rules (`matrix`, `tiers`),
their stability (`stability`, `grid`), or what moved and why (`moves`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import (
    MICRO_SEGMENTS,
    SEGMENTS,
    TIERS,
    MicroSegmentPolicy,
    Treatment,
    TreatmentPolicy,
)
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn import ChurnRisk
from segmentation_assets.scores.composite import CompositeScores
from segmentation_assets.scores.expansion import ExpansionScores
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.health import HealthScores
from segmentation_assets.segments.candidates import SegmentCandidates
from segmentation_assets.segments.grid import SegmentStates
from segmentation_assets.segments.micro_segments import HIGH_TOUCH, with_micro_segment
from segmentation_assets.tables.amounts import money
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

_KEY = SNAPSHOT_KEY
_REGION = "{region}"


class Segments(Snapshot):
    """Segment, tier, micro-segment and what follows from them. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    account_name: str = column("Name in the CRM.", nullable=True)
    segment: str = column("Segment in force.", isin=SEGMENTS)
    rule_id: str = column(
        "Rule that gave the segment: at_risk, exact:<segment>, nearest:<segment>:<distance>, no_data."
    )
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
        nullable=True, isin=[HIGH_TOUCH],
    )  # fmt: skip
    overlay: str = column("Industry x use case, for messages only; null: neither is known.", nullable=True)
    go_to_market: str = column("How the segment is served.")
    pricing_model: str = column("How the segment is priced.")
    message_track: str = column("How the segment is addressed.")
    territory: str = column("Who sells to it.")
    care_tier: str = column(
        "Tier whose level of care the segment names; null: none of its own.", nullable=True, isin=TIERS
    )
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
    expansion_potential: float = column(
        "Share of addressable seats not yet sold.", unit="share", nullable=True, ge=0, le=1
    )
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
    account_share: float = column(
        "Of all live accounts; null: there are none.", unit="share", nullable=True, ge=0, le=1
    )
    arr: float = column("Their ARR.", unit="currency", ge=0)
    arr_share: float = column("Of all ARR; null: there is none.", unit="share", nullable=True, ge=0, le=1)
    exact_accounts: Integer = column("Of them, accounts that met every condition of the row.", ge=0)
    exact_share: float = column(
        "Exact accounts / accounts; null: no accounts.", unit="share", nullable=True, ge=0, le=1
    )
    pending_accounts: Integer = column("Of them, accounts whose candidate is another segment.", ge=0)

    class Config:
        unique = ["as_of", "segment"]


@table(group="segments")
def segments(
    spine: Table[Spine],
    segment_states: Table[SegmentStates],
    segment_candidates: Table[SegmentCandidates],
    account_profiles: Table[AccountProfiles],
    composite_scores: Table[CompositeScores],
    firmographic_scores: Table[FirmographicScores],
    behavioral_scores: Table[BehavioralScores],
    expansion_scores: Table[ExpansionScores],
    health_scores: Table[HealthScores],
    churn_risk: Table[ChurnRisk],
    treatment: TreatmentPolicy,
    micro: MicroSegmentPolicy,
) -> Table[Segments]:
    """Which segment and tier is each live account in, and how is it served, priced and addressed?

    One row per as_of and live account. Segment and coverage tier come from `segment_states`; go-to-market, pricing,
    message track and territory follow from the segment. Where segment and tier name different levels of care,
    `tier_conflict` says so. The micro-segment is the first of the policy's order whose signals are there, the
    override is declining usage with a renewal near; both are of the day itself and change neither segment nor tier.
    """
    rows = segment_states.semi_join(spine, "as_of")
    sources: list[tuple[ir.Table, list[str]]] = [
        (
            segment_candidates,
            ["arr", "size_class", "behavioral_cohort", "value_tier", "needs_profile", "candidate_rule_id"],
        ),
        (account_profiles, [*_PROFILE_COLUMNS, *_SIGNAL_COLUMNS]),
        (composite_scores, ["composite_score", "data_completeness"]),
        (firmographic_scores, ["firmographic_score"]),
        (behavioral_scores, ["behavioral_score"]),
        (expansion_scores, ["expansion_score", "expansion_potential"]),
        (health_scores, ["health_score", "weakest_dimension"]),
        (churn_risk, ["churn_risk"]),
    ]
    rows = with_figures(rows, *(source.select(*_KEY, *names) for source, names in sources))
    rows = with_micro_segment(rows, micro)
    conflict = _conflict(rows, treatment)
    found = rows.mutate(
        is_pending=rows.candidate_segment != rows.segment,
        is_tier_pending=rows.candidate_tier != rows.coverage_tier,
        has_tier_conflict=conflict.notnull(),
        tier_conflict=conflict,
        overlay=_overlay(rows),
        go_to_market=_by_segment(rows, treatment, lambda t: t.go_to_market),
        pricing_model=_by_segment(rows, treatment, lambda t: t.pricing_model),
        message_track=_by_segment(rows, treatment, lambda t: t.message_track),
        care_tier=_by_segment(rows, treatment, lambda t: t.care_tier),
        territory=_by_segment(rows, treatment, lambda t: t.territory).replace(
            _REGION, rows.region.fill_null(treatment.unknown_region)
        ),
    )
    return found.select(*(name for name in ibis_schema(Segments) if name != POLICY_HASH))


_PROFILE_COLUMNS = (
    "account_name", "industry", "primary_use_case", "lifecycle_stage", "region", "csm_id", "account_executive",
    "is_backcast",
)  # fmt: skip

_SIGNAL_COLUMNS = (
    "active_users_prior_28d", "users_trend", "users_trend_net", "events_trend", "events_trend_net", "new_champions",
    "competitor_displaced_90d", "sentiment", "csat", "nps", "overdue_days", "mean_days_late", "days_to_renewal",
)  # fmt: skip


@table(group="segments")
def segment_mix(spine: Table[Spine], segments: Table[Segments]) -> Table[SegmentMix]:
    """How do accounts and ARR divide into segments, and how many accounts does the matrix name exactly?

    One row per as_of and segment, also for segments without accounts. Exact: every condition of the row was met when
    the account's segment was last its candidate (At-Risk always is); the others are where the nearest row put them.
    """
    cells = reduce(ibis.union, [spine.select("as_of", segment=ibis.literal(name)) for name in SEGMENTS])
    found = segments.group_by("as_of", "segment").agg(
        live=segments.account_id.count(),
        revenue=money(segments.arr),
        exact=_is_exact(segments.rule_id).cast("int64").sum(),
        pending=segments.is_pending.cast("int64").sum(),
    )
    rows = cells.left_join(found, ["as_of", "segment"]).select(
        "as_of",
        "segment",
        accounts=found.live.fill_null(0),
        arr=found.revenue.fill_null(0.0),
        exact_accounts=found.exact.fill_null(0),
        pending_accounts=found.pending.fill_null(0),
    )
    day = ibis.window(group_by="as_of")
    return rows.mutate(
        account_share=rows.accounts / rows.accounts.sum().over(day).nullif(0),
        arr_share=rows.arr / money(rows.arr, over=day).nullif(0.0),
        exact_share=rows.exact_accounts / rows.accounts.nullif(0),
    )


def _is_exact(rule_id: ir.StringValue) -> ir.BooleanValue:
    return rule_id.startswith("exact:") | (rule_id == "at_risk")


def _by_segment(rows: ir.Table, policy: TreatmentPolicy, choose: Callable[[Treatment], str | None]) -> ir.StringValue:
    """A text of each row's segment."""
    texts = {name: choose(policy.segments[name]) for name in SEGMENTS}
    return ibis.cases(
        *((rows.segment == name, text) for name, text in texts.items() if text is not None), else_=ibis.null("string")
    )


def _conflict(rows: ir.Table, policy: TreatmentPolicy) -> ir.StringValue:
    """What segment and tier disagree on; null: they agree."""
    cases = []
    for name in SEGMENTS:
        agreed = policy.segments[name].agrees_with
        text = f"segment {name} goes with tier {' or '.join(agreed)}, the tier is "
        cases.append(
            ((rows.segment == name) & rows.coverage_tier.notin(agreed), ibis.literal(text) + rows.coverage_tier)
        )
    return ibis.cases(*cases, else_=ibis.null("string"))


def _overlay(rows: ir.Table) -> ir.StringValue:
    """Industry x use case; what is unknown is `any`, null where both are."""
    named = rows.industry.fill_null("any") + " x " + rows.primary_use_case.fill_null("any")
    return ibis.ifelse(rows.industry.isnull() & rows.primary_use_case.isnull(), ibis.null("string"), named)
