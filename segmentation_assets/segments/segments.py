"""The segment of every live account, and the treatment that follows from it.

Here: `segments`, the table for sales, success and marketing, and `segment_mix`. Not here: the rules (`rules`,
`tiers`), their stability (`stability`, `grid`), or moves and their causes (`moves`).
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
    SegmentRulesPolicy,
    TierPolicy,
    TierTraitsPolicy,
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
from segmentation_assets.segments.archetypes import CONDITIONS, archetype_fit
from segmentation_assets.segments.grid import SegmentStates
from segmentation_assets.segments.inputs import SegmentInputs
from segmentation_assets.segments.micro_segments import HIGH_TOUCH, with_micro_segment
from segmentation_assets.segments.stability import MOVE_RULES
from segmentation_assets.segments.tier_traits import with_tier_traits
from segmentation_assets.tables.amounts import money
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

_KEY = SNAPSHOT_KEY
_REGION = "{region}"

LESS, MORE = CONFLICTS = ("tier_gives_less", "tier_gives_more")


class Segments(Snapshot):
    """Segment, tier, micro-segment and treatment. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    account_name: str = column("Name in the CRM.", nullable=True)
    segment: str = column("Segment in force.", isin=SEGMENTS)
    rule_id: str = column("Policy rule that gave the segment on the last day on which the rules gave it.")
    archetype_fit: Integer = column(
        "Number of the segment's archetype conditions (size, behavior, value, needs) that the account meets, of 4.",
        ge=0, le=CONDITIONS,
    )  # fmt: skip
    segment_since: Day = column("Day the segment came into force; at the earliest the first day the grid looks at.")
    segment_move_rule: str = column(
        "How the segment came into force: start, held, risk_at_once or arr_at_once.", isin=MOVE_RULES
    )
    segment_cause_kind: str = column(
        "Kind of cause of the last segment move; null: the segment has not moved.", nullable=True
    )
    segment_cause_text: str = column(
        "Causes of the last segment move: the fewest inputs whose old values would undo it, with old and new values.",
        nullable=True,
    )
    candidate_segment: str = column("Segment that the rules give at as_of.", isin=SEGMENTS)
    candidate_rule_id: str = column("Policy rule that gave the candidate segment.")
    is_pending: Flag = column("The candidate differs from the segment, and has not held long enough to replace it.")
    coverage_tier: str = column("Coverage tier: decides the CSM hours, and groups the KPIs.", isin=TIERS)
    tier_rule_id: str = column("Rule that gave the tier on the last day on which the rules gave it.")
    tier_since: Day = column("Day the tier came into force; at the earliest the first day the grid looks at.")
    tier_move_rule: str = column("How the tier came into force: start, held or arr_at_once.", isin=MOVE_RULES)
    tier_cause_kind: str = column("Kind of cause of the last tier move; null: the tier has not moved.", nullable=True)
    tier_cause_text: str = column(
        "Causes of the last tier move: the fewest inputs whose old values would undo it, with old and new values.",
        nullable=True,
    )
    candidate_tier: str = column("Tier that the rules give at as_of to an account in its present tier.", isin=TIERS)
    is_tier_pending: Flag = column("The candidate tier differs from the tier, and has not held long enough.")
    tier_traits_shown: Integer = column(
        "Number of the traits of the tier's typical account (policy) that the account shows.", ge=0
    )
    tier_traits_known: Integer = column("Number of these traits for which it is known.", ge=0)
    tier_traits_lacking: str = column("Traits known and not shown, comma-separated; empty: none.")
    kind_of_care: str = column("Name of the kind of care that the coverage tier gives.")
    has_tier_conflict: Flag = column("Segment and tier need different levels of care.")
    tier_conflict: str = column(
        "tier_gives_less or tier_gives_more care than the segment needs; null: they agree. The tier decides the "
        "hours, the segment the plays. Plays above the tier's care are due only for At-Risk or an override.",
        nullable=True, isin=CONFLICTS,
    )  # fmt: skip
    micro_segment: str = column("What to do next for the account, within its tier.", isin=MICRO_SEGMENTS)
    micro_segment_reason: str = column("Signals behind the micro-segment, comma-separated; empty for stable.")
    is_usage_declining: Flag = column("Users or events fall faster than those of the median account; unknown: no.")
    coverage_override: str = column(
        "high_touch if usage declines and the renewal is near, whatever the tier; else null.",
        nullable=True, isin=[HIGH_TOUCH],
    )  # fmt: skip
    overlay: str = column("Industry x use case, for messages only; null: neither is known.", nullable=True)
    go_to_market: str = column("Go-to-market motion of the segment.")
    segment_at_renewal: str = column(
        "Segment at the last renewal. Price and territory follow it until the next renewal.", isin=SEGMENTS
    )
    pricing_model: str = column("Pricing model of the segment at the last renewal.")
    message_track: str = column("Message track of the segment.")
    territory: str = column("Sales territory of the segment at the last renewal.")
    care_tier: str = column(
        "Tier whose level of care the segment gets; null: the segment names none.", nullable=True, isin=TIERS
    )
    arr: float = column("Annual recurring revenue at as_of; 0: paused.", unit="currency", ge=0)
    size_class: str = column("Size class.", nullable=True)
    behavioral_cohort: str = column("Usage cohort, after the exit bands.", nullable=True)
    value_tier: str = column("Value tier, after the exit band.", nullable=True)
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
        "Share of the account's addressable seats that is not sold yet.", unit="share", nullable=True, ge=0, le=1
    )
    health_score: float = column("Overall health score.", unit="score", nullable=True, ge=0, le=100)
    weakest_dimension: str = column("Health dimension with the lowest score.", nullable=True)
    churn_risk: float = column(
        "Probability that the account churns within 90 days.", unit="probability", nullable=True, ge=0, le=1
    )
    data_completeness: float = column(
        "Share of the composite score's weights whose dimension is known.", unit="share", nullable=True, ge=0, le=1
    )
    is_backcast: Flag = column("The account's CRM columns of as_of come from a later drop.", nullable=True)

    class Config:
        unique = ["as_of", "account_id"]


class SegmentMix(Snapshot):
    """Accounts and ARR by segment. Key: as_of, segment; always all segments."""

    segment: str = column("Segment.", isin=SEGMENTS)
    accounts: Integer = column("Live accounts in the segment.", ge=0)
    account_share: float = column(
        "The segment's share of all live accounts; null: there are none.", unit="share", nullable=True, ge=0, le=1
    )
    arr: float = column("ARR of the segment's live accounts.", unit="currency", ge=0)
    arr_share: float = column(
        "The segment's share of the company's ARR; null: there is none.", unit="share", nullable=True, ge=0, le=1
    )
    typical_accounts: Integer = column(
        "Live accounts of the segment that meet all four conditions of its archetype.", ge=0
    )
    typical_share: float = column(
        "typical_accounts / accounts; null: no accounts.", unit="share", nullable=True, ge=0, le=1
    )
    pending_accounts: Integer = column("Live accounts of the segment whose candidate is another segment.", ge=0)

    class Config:
        unique = ["as_of", "segment"]


@table(group="segments")
def segments(
    spine: Table[Spine],
    segment_states: Table[SegmentStates],
    segment_inputs: Table[SegmentInputs],
    account_profiles: Table[AccountProfiles],
    composite_scores: Table[CompositeScores],
    firmographic_scores: Table[FirmographicScores],
    behavioral_scores: Table[BehavioralScores],
    expansion_scores: Table[ExpansionScores],
    health_scores: Table[HealthScores],
    churn_risk: Table[ChurnRisk],
    rules: SegmentRulesPolicy,
    treatment: TreatmentPolicy,
    micro: MicroSegmentPolicy,
    tier: TierPolicy,
    tier_traits: TierTraitsPolicy,
) -> Table[Segments]:
    """Which segment and tier is each live account in, and how is it served, priced and addressed?

    One row per as_of and live account. Segment, coverage tier, usage cohort and value tier come from
    `segment_states`, after the exit bands. Go-to-market and message track follow from the segment, pricing and
    territory from the segment at the last renewal. If segment and tier need different levels of care,
    `tier_conflict` says whether the tier gives less or more. The micro-segment is the first in the policy's order
    with a signal. The override applies if usage declines and the renewal is near. Both depend on as_of alone and
    change neither segment nor tier. The tier's traits (Core: stable usage, pays on time; Long-Tail: digital first,
    limited expansion, basic use) say how typical of its tier an account is, and decide nothing either.
    """
    rows = segment_states.semi_join(spine, "as_of")
    sources: list[tuple[ir.Table, list[str]]] = [
        (segment_inputs, ["arr", "size_class", "needs_profile"]),
        (account_profiles, [*_PROFILE_COLUMNS, *_SIGNAL_COLUMNS]),
        (composite_scores, ["composite_score", "data_completeness"]),
        (firmographic_scores, ["firmographic_score"]),
        (behavioral_scores, ["behavioral_score"]),
        (expansion_scores, ["expansion_score", "expansion_potential"]),
        (health_scores, ["health_score", "weakest_dimension"]),
        (churn_risk, ["churn_risk"]),
    ]
    rows = with_figures(rows, *(source.select(*_KEY, *names) for source, names in sources))
    rows = with_micro_segment(rows, micro, rules.cohorts_in_trouble)
    rows = with_tier_traits(rows, tier_traits, tier, micro)
    conflict = _conflict(rows, treatment)
    at_renewal = rows.segment_at_renewal
    rows_of_segment = rows.mutate(
        is_pending=rows.candidate_segment != rows.segment,
        is_tier_pending=rows.candidate_tier != rows.coverage_tier,
        has_tier_conflict=conflict.notnull(),
        tier_conflict=conflict,
        archetype_fit=archetype_fit(rows, rules),
        overlay=_overlay(rows),
        kind_of_care=ibis.cases(*((rows.coverage_tier == tier, treatment.care_labels[tier]) for tier in TIERS)),
        go_to_market=_by_segment(rows.segment, treatment, lambda t: t.go_to_market),
        pricing_model=_by_segment(at_renewal, treatment, lambda t: t.pricing_model),
        message_track=_by_segment(rows.segment, treatment, lambda t: t.message_track),
        care_tier=_by_segment(rows.segment, treatment, lambda t: t.care_tier),
        territory=_by_segment(at_renewal, treatment, lambda t: t.territory).replace(
            _REGION, rows.region.fill_null(treatment.unknown_region)
        ),
    )
    return rows_of_segment.select(*(name for name in ibis_schema(Segments) if name != POLICY_HASH))


_PROFILE_COLUMNS = (
    "account_name", "industry", "primary_use_case", "lifecycle_stage", "region", "csm_id", "account_executive",
    "is_backcast",
)  # fmt: skip

_SIGNAL_COLUMNS = (
    "active_users_prior_28d", "events_prior_28d", "users_trend", "users_trend_net", "events_trend",
    "events_trend_net", "new_champions", "competitor_displaced_90d", "sentiment", "csat", "nps", "overdue_days",
    "mean_days_late", "days_to_renewal", "digital_first", "ladder_level",
)  # fmt: skip


@table(group="segments")
def segment_mix(spine: Table[Spine], segments: Table[Segments]) -> Table[SegmentMix]:
    """How do accounts and ARR divide into segments, and how many accounts are typical of theirs?

    One row per as_of and segment, also for segments without accounts. Typical: all four conditions of the segment's
    archetype hold.
    """
    cells = reduce(ibis.union, [spine.select("as_of", segment=ibis.literal(name)) for name in SEGMENTS])
    rows_of_segment = segments.group_by("as_of", "segment").agg(
        live=segments.account_id.count(),
        revenue=money(segments.arr),
        typical=(segments.archetype_fit == CONDITIONS).cast("int64").sum(),
        pending=segments.is_pending.cast("int64").sum(),
    )
    rows = cells.left_join(rows_of_segment, ["as_of", "segment"]).select(
        "as_of",
        "segment",
        accounts=rows_of_segment.live.fill_null(0),
        arr=rows_of_segment.revenue.fill_null(0.0),
        typical_accounts=rows_of_segment.typical.fill_null(0),
        pending_accounts=rows_of_segment.pending.fill_null(0),
    )
    day = ibis.window(group_by="as_of")
    return rows.mutate(
        account_share=rows.accounts / rows.accounts.sum().over(day).nullif(0),
        arr_share=rows.arr / money(rows.arr, over=day).nullif(0.0),
        typical_share=rows.typical_accounts / rows.accounts.nullif(0),
    )


def _by_segment(
    segment: ir.StringValue, policy: TreatmentPolicy, choose: Callable[[Treatment], str | None]
) -> ir.StringValue:
    """The policy's text for each row's segment; `choose` picks which one."""
    texts = {name: choose(policy.segments[name]) for name in SEGMENTS}
    return ibis.cases(
        *((segment == name, text) for name, text in texts.items() if text is not None), else_=ibis.null("string")
    )


def _conflict(rows: ir.Table, policy: TreatmentPolicy) -> ir.StringValue:
    """Whether the tier gives less or more care than the segment needs; null: they agree.

    A tier in the segment's `agrees_with` agrees. A tier below all of these gives less care, any other tier more.
    """
    cases = []
    for name in SEGMENTS:
        places = [TIERS.index(tier) for tier in policy.segments[name].agrees_with]
        less = [tier for place, tier in enumerate(TIERS) if place > max(places)]
        more = [tier for place, tier in enumerate(TIERS) if place < max(places) and place not in places]
        is_segment = rows.segment == name
        cases += [
            (is_segment & rows.coverage_tier.isin(tiers), word)
            for tiers, word in ((less, LESS), (more, MORE))
            if tiers
        ]
    return ibis.cases(*cases, else_=ibis.null("string"))


def _overlay(rows: ir.Table) -> ir.StringValue:
    """Industry x use case. One that is unknown is `any`; null if both are unknown."""
    named = rows.industry.fill_null("any") + " x " + rows.primary_use_case.fill_null("any")
    return ibis.ifelse(rows.industry.isnull() & rows.primary_use_case.isnull(), ibis.null("string"), named)
