"""Why a score is what it is: the parts of all scores in one table.

Here: the parts as rows. Not here: how a score is computed, or its parts; each score's module says that.
"""

from __future__ import annotations

import ibis

from segmentation_assets.policy.scores import (
    BehavioralPolicy,
    ChurnPolicy,
    FirmographicPolicy,
    HealthPolicy,
    NeedsPolicy,
    TechnographicPolicy,
)
from segmentation_assets.policy.value import CompositePolicy, ExpansionPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import (
    behavioral,
    churn,
    composite,
    expansion,
    firmographic,
    health,
    needs,
    technographic,
    value,
)
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table


class ScoreContributions(Snapshot):
    """The parts of every score of every live account; a score that is null has no parts."""

    account_id: str = column("Account.")
    score: str = column("Name of the score's column, such as behavioral_score; `value` is in currency.")
    part: str = column("Part of the score, such as seat_activity; caps and multipliers are parts too.")
    raw_number: float = column("The figure behind the part, in its own unit; null if a word.", nullable=True)
    raw_text: str = column("The word behind the part; null if a figure.", nullable=True)
    weight: float = column("Weight of the part after renormalising; null if it has none.", nullable=True)
    points: float = column("What the part adds: the parts sum to the score (churn_risk: to its log-odds).")

    class Config:
        unique = ["as_of", "account_id", "score", "part"]


@table(group="scores")
def score_contributions(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    firmographic_scores: Table[firmographic.FirmographicScores],
    technographic_scores: Table[technographic.TechnographicScores],
    behavioral_scores: Table[behavioral.BehavioralScores],
    account_value: Table[value.AccountValue],
    value_scores: Table[value.ValueScores],
    expansion_scores: Table[expansion.ExpansionScores],
    needs_scores: Table[needs.NeedsScores],
    health_scores: Table[health.HealthScores],
    churn_risk: Table[churn.ChurnRisk],
    composite_scores: Table[composite.CompositeScores],
    firmographic_policy: FirmographicPolicy,
    technographic_policy: TechnographicPolicy,
    behavioral_policy: BehavioralPolicy,
    expansion_policy: ExpansionPolicy,
    needs_policy: NeedsPolicy,
    health_policy: HealthPolicy,
    churn_policy: ChurnPolicy,
    composite_policy: CompositePolicy,
) -> Table[ScoreContributions]:
    """Why does an account have the score it has? Every score, taken apart to the last point.

    One row per as_of, live account, score and part, with the figure or word behind the part. The points of a score's
    parts sum to the score (to 1e-9); caps and multipliers are parts too. churn_risk sums in log-odds, value in
    currency. A part whose input is unknown has no row: its weight went to the others.
    """
    live = live_accounts(account_profiles, spine)
    dimensions = composite.dimension_scores(
        live, firmographic_scores, technographic_scores, behavioral_scores, value_scores, needs_scores
    )
    return ibis.union(
        firmographic.contributions(firmographic_scores, live, firmographic_policy),
        technographic.contributions(technographic_scores, live, technographic_policy),
        behavioral.contributions(behavioral_scores, live, behavioral_policy),
        value.contributions(account_value.semi_join(spine, "as_of")),
        expansion.contributions(expansion_scores, live, expansion_policy),
        needs.contributions(needs_scores, needs_policy),
        health.contributions(health_scores, live, health_policy),
        churn.contributions(churn_risk, live, behavioral_scores, churn_policy),
        composite.contributions(composite_scores, dimensions, composite_policy),
    )
