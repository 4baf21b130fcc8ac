"""What the account does: behavioral score and cohort.

Here: the points of usage and the cohort rules. Not here: measuring usage (`profiles.usage`), or the segment.
"""

from __future__ import annotations

from segmentation_assets.scores.parts import points, score_column
from segmentation_assets.warehouse.contracts import Snapshot, column


class BehavioralScores(Snapshot):
    """Behavioral score and cohort. Key: as_of, account_id; one row per live account; null without usage."""

    account_id: str = column("Account.")
    behavioral_score: float = score_column("How much, how deep and how steadily the product is used.")
    seat_activity: float = column(
        "Active users of the last 28 days / licensed seats; true-ups may lift it above 1.",
        unit="share",
        nullable=True,
        ge=0,
    )
    behavioral_cohort: str = column(
        "First cohort of the policy whose rule holds (Dormant, At Risk, Power User, Steady State); null without usage.",
        nullable=True,
    )
    cohort_rule: str = column("The rule that put it there; `otherwise` for the last cohort.", nullable=True)
    seat_activity_points: float = points("Seat activity")
    depth_points: float = points("Key-feature events per active user")
    breadth_points: float = points("Share of paid features and of departments in use")
    trend_points: float = points("Trend of users, events and minutes, net of the company median")
    consistency_points: float = points("Share of weekdays in use")
    self_service_points: float = points("Self-service ratio")
    engagement_points: float = points("Marketing and community touches")

    class Config:
        unique = ["as_of", "account_id"]
