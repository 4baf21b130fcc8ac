"""Why a score is what it is: the parts of all scores in one table.

Here: the parts as rows. Not here: how a score or its parts are computed (each score's module).
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
    """The parts of every score of every live account. A score that is null has no parts."""

    account_id: str = column("Account.")
    score: str = column("Name of the score's column, such as behavioral_score.")
    part: str = column("Part of the score, such as seat_activity; caps and multipliers are parts, too.")
    raw_number: float = column("The input of the part if it is a number, in its own unit; else null.", nullable=True)
    raw_text: str = column("The input of the part if it is a word; else null.", nullable=True)
    weight: float = column("Weight of the part among the parts present; null if it has none.", nullable=True)
    points: float = column("Points of the part. They sum to the score; for churn_risk, to its log-odds.")

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
    """Why does an account have this score? Every score, split into its parts.

    One row per as_of, live account, score and part, with the input of the part. The points of a score's parts sum to
    the score (to 1e-9); caps and multipliers are parts, too. The points of churn_risk are log-odds, those of value
    are currency. A part whose input is not known has no row; its weight goes to the others.
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
