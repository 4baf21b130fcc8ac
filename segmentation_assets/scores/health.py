"""How the account is doing: four kinds of health and their cautious mean.

Here: the points of each dimension and the overall score. Not here: the risk of losing the account (`churn`).
"""

from __future__ import annotations

from segmentation_assets.scores.parts import points, score_column
from segmentation_assets.warehouse.contracts import Flag, Snapshot, column

DIMENSIONS = ("product", "relationship", "outcome", "financial")


class HealthScores(Snapshot):
    """Health in four dimensions and overall. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    product_health: float = score_column("Depth, adoption and reliability; null if unknown.")
    relationship_health: float = score_column("Engagement, responsiveness and satisfaction; null if unknown.")
    outcome_health: float = score_column("Goals met; null if no goal was due.")
    financial_health: float = score_column("Payments, overdue amounts and budget signals; null if unknown.")
    health_score: float = score_column("Weighted mean of the known dimensions, at most the weakest + 25.")
    weakest_dimension: str = column(
        "The lowest of the four (the first named of equals): product, relationship, outcome, financial.",
        nullable=True,
        isin=DIMENSIONS,
    )
    is_capped: Flag = column("The weakest dimension holds the overall score down.", nullable=True)
    depth_points: float = points("Key-feature events per active user, in product_health")
    adoption_points: float = points("Seat activity, in product_health")
    reliability_points: float = points("Errors per event, in product_health")
    engagement_points: float = points("Days since the last touch, in relationship_health")
    responsiveness_points: float = points("Interactions answered in time, in relationship_health")
    nps_points: float = points("NPS, in relationship_health")
    csat_points: float = points("Ticket satisfaction, in relationship_health")
    sentiment_points: float = points("Ticket sentiment, in relationship_health")
    goals_points: float = points("Share of due goals met, in outcome_health")
    payments_points: float = points("Mean days late, in financial_health")
    overdue_points: float = points("Days overdue, in financial_health")
    budget_points: float = points("External signals, in financial_health")
    product_points: float = points("Product health, in health_score")
    relationship_points: float = points("Relationship health, in health_score")
    outcome_points: float = points("Outcome health, in health_score")
    financial_points: float = points("Financial health, in health_score")
    cap_points: float = points("What the cap takes off health_score (0 or less)")

    class Config:
        unique = ["as_of", "account_id"]
