"""The inputs of the segment and tier rules, per account and day.

Here: `segment_inputs`, from profiles and scores. Not here: the rules (`rules`, `tiers`), or the exit bands, by which
today's value depends on the week before (`standing`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import BehavioralPolicy
from segmentation_assets.policy.segments import STRATEGIC_SIGNS, StabilityPolicy, TierPolicy
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import COHORT_INPUTS, BehavioralScores, kept_cohorts
from segmentation_assets.scores.expansion import ExpansionScores
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.health import HealthScores
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.needs import NeedsScores
from segmentation_assets.scores.value import ValueScores
from segmentation_assets.segments.cuts import TierCuts
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import (
    SNAPSHOT_KEY,
    Dated,
    Day,
    Flag,
    Integer,
    Snapshot,
    column,
    ibis_schema,
)
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

_KEY = SNAPSHOT_KEY
_DECIMALS = 6
"""Scores are rounded to this many decimals before bounds apply, so that the order of addition does not matter."""


class SegmentInputs(Snapshot):
    """Inputs of the segment and tier rules, per live account. Key: as_of, account_id."""

    account_id: str = column("Account.")
    arr: float = column("Annual recurring revenue at as_of; 0: paused.", unit="currency", ge=0)
    size_class: str = column("Size class.", nullable=True)
    behavioral_cohort: str = column(
        "Usage cohort by the figures of as_of alone, before the exit bands.", nullable=True
    )
    kept_cohorts: str = column(
        "Usage cohorts in which an account that is in them stays, each followed by |; null: no usage.",
        nullable=True,
    )
    needs_profile: str = column("Needs profile.", nullable=True)
    value: float = column("Value: (ARR x NRR) - cost to serve.", unit="currency", nullable=True)
    value_tier: str = column("Value tier by the figures of as_of alone, before the exit band.", nullable=True)
    cut_silver: float = column("Smallest value that is at least Silver.", unit="currency", nullable=True)
    cut_gold: float = column("Smallest value that is at least Gold.", unit="currency", nullable=True)
    cut_platinum: float = column("Smallest value that is Platinum.", unit="currency", nullable=True)
    clv_percentile: float = column("Mid-rank of CLV x 100.", unit="score", nullable=True, ge=0, le=100)
    seat_activity: float = column("Active users / licensed seats, 28 days.", unit="share", nullable=True, ge=0)
    behavioral_score: float = column("Behavioral score.", unit="score", nullable=True, ge=0, le=100)
    health_score: float = column("Overall health.", unit="score", nullable=True, ge=0, le=100)
    expansion_score: float = column("Expansion score.", unit="score", nullable=True, ge=0, le=100)
    lookalike: float = column("Share of similar accounts that expanded.", unit="share", nullable=True, ge=0, le=1)
    strategic_sign: str = column(
        "First sign, other than ARR and expansion, that the account is Strategic; null: none.",
        nullable=True, isin=STRATEGIC_SIGNS,
    )  # fmt: skip
    strategic_cut: float = column(
        "strategic_cut of `tier_cuts`, frozen for the quarter.", unit="currency", nullable=True
    )
    top_cut: float = column("top_cut of `tier_cuts`, frozen for the quarter.", unit="currency", nullable=True)
    arr_thresholds_reached: Integer = column(
        "Number of billing thresholds (Long-Tail, Growth, Strategic cut) that ARR reaches.", ge=0, le=3
    )
    usage_lag_days: Integer = column("Days from usage_through to as_of.", unit="days", nullable=True, ge=0)
    risk_waits: Flag = column("Usage data is too old, by the policy: moves into At-Risk wait.")
    renewal_on: Day = column("Next renewal.", nullable=True)

    class Config:
        unique = ["as_of", "account_id"]


class InputPoints(Dated):
    """The columns of `segment_inputs` that `segment_grid` and `segment_states` read."""

    account_id: str = column("Account.")
    arr: float = column("Annual recurring revenue.", unit="currency")
    size_class: str = column("Size class.", nullable=True)
    behavioral_cohort: str = column("Behavioral cohort of the day alone.", nullable=True)
    kept_cohorts: str = column("Cohorts that the account keeps.", nullable=True)
    needs_profile: str = column("Needs profile.", nullable=True)
    value: float = column("Value.", unit="currency", nullable=True)
    cut_silver: float = column("Smallest value that is at least Silver.", unit="currency", nullable=True)
    cut_gold: float = column("Smallest value that is at least Gold.", unit="currency", nullable=True)
    cut_platinum: float = column("Smallest value that is Platinum.", unit="currency", nullable=True)
    clv_percentile: float = column("Mid-rank of CLV x 100.", unit="score", nullable=True)
    seat_activity: float = column("Active users / licensed seats.", unit="share", nullable=True)
    behavioral_score: float = column("Behavioral score.", unit="score", nullable=True)
    health_score: float = column("Overall health.", unit="score", nullable=True)
    expansion_score: float = column("Expansion score.", unit="score", nullable=True)
    lookalike: float = column("Share of similar accounts that expanded.", unit="share", nullable=True)
    strategic_sign: str = column("Sign beyond ARR and expansion.", nullable=True)
    strategic_cut: float = column("ARR of the top share.", unit="currency", nullable=True)
    top_cut: float = column("ARR of the smaller top share.", unit="currency", nullable=True)
    risk_waits: Flag = column("Moves into At-Risk wait.")
    renewal_on: Day = column("Next renewal.", nullable=True)


@table(group="segments")
def segment_inputs(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    firmographic_scores: Table[FirmographicScores],
    behavioral_scores: Table[BehavioralScores],
    value_scores: Table[ValueScores],
    needs_scores: Table[NeedsScores],
    expansion_scores: Table[ExpansionScores],
    health_scores: Table[HealthScores],
    tier_cuts: Table[TierCuts],
    behavioral: BehavioralPolicy,
    tier: TierPolicy,
    stability: StabilityPolicy,
) -> Table[SegmentInputs]:
    """What are the inputs of the segment and tier rules for each live account?

    One row per as_of and live account. Scores and shares are rounded to six decimals before bounds apply. The segment
    and tier in force, after exit bands and stability, are in `segment_states`.
    """
    live = live_accounts(account_profiles, spine)
    rows = live.select(*_KEY, *_PROFILE_COLUMNS)
    scores: list[tuple[ir.Table, list[str]]] = [
        (firmographic_scores, ["size_class"]),
        (behavioral_scores, ["behavioral_cohort", "behavioral_score", "seat_activity"]),
        (value_scores, ["value", "value_tier", "cut_silver", "cut_gold", "cut_platinum", "clv_percentile"]),
        (needs_scores, ["needs_profile"]),
        (expansion_scores, ["expansion_score", "lookalike"]),
        (health_scores, ["health_score"]),
    ]
    rows = with_figures(rows, *(source.select(*_KEY, *names) for source, names in scores))
    cuts = tier_cuts.select("as_of", "strategic_cut", "top_cut")
    rows = rows.left_join(cuts, "as_of").select(*rows.columns, "strategic_cut", "top_cut")
    thresholds = (tier.long_tail_below_arr, tier.growth_min_arr, rows.strategic_cut)
    rows = rows.mutate(
        kept_cohorts=kept_cohorts(rows, behavioral),
        strategic_sign=_strategic_sign(rows),
        arr_thresholds_reached=sum((rows.arr >= bound).fill_null(False).cast("int64") for bound in thresholds),
        risk_waits=(rows.usage_lag_days > stability.max_usage_lag_days).fill_null(False),
        **{name: rows[name].round(_DECIMALS) for name in _ROUNDED},
    )
    return rows.select(*(name for name in ibis_schema(SegmentInputs) if name != POLICY_HASH))


_PROFILE_COLUMNS = (
    "arr", "is_multi_product", "is_multi_region", "is_reference", "has_strategic_influence", "usage_lag_days",
    "renewal_on", *COHORT_INPUTS,
)  # fmt: skip
_ROUNDED = (
    "clv_percentile", "seat_activity", "behavioral_score", "health_score", "expansion_score", "lookalike"
)  # fmt: skip


def _strategic_sign(rows: ir.Table) -> ir.StringValue:
    signs = (rows.is_multi_product, rows.is_multi_region, rows.is_reference, rows.has_strategic_influence)
    return ibis.cases(
        *((sign.fill_null(False), name) for sign, name in zip(signs, STRATEGIC_SIGNS, strict=True)),
        else_=ibis.null("string"),
    )
