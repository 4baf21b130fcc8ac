"""One number over the five dimensions.

Here: the weighted mean of the dimension scores and which of them were there. Not here: any dimension, or the
segments (they come from rules, not from this number).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Snapshot, column

DIMENSIONS = ("firmographic", "technographic", "behavioral", "value", "needs")


class CompositeScores(Snapshot):
    """The composite score of each live account, from the dimensions that are present."""

    account_id: str = column("Account.")
    composite_score: float = column(
        "Weighted mean of the dimension scores that are present.", unit="score", nullable=True, ge=0, le=100
    )
    dimensions_used: str = column("Dimensions that are present, comma-separated; empty if none.")
    data_completeness: float = column(
        "Share of the policy's weights whose dimension is present.", unit="share", ge=0, le=1
    )
    firmographic_weight: float = column(
        "Weight after renormalising; null if absent.", unit="share", nullable=True, ge=0, le=1
    )
    technographic_weight: float = column(
        "Weight after renormalising; null if absent.", unit="share", nullable=True, ge=0, le=1
    )
    behavioral_weight: float = column(
        "Weight after renormalising; null if absent.", unit="share", nullable=True, ge=0, le=1
    )
    value_weight: float = column(
        "Weight after renormalising; null if absent.", unit="share", nullable=True, ge=0, le=1
    )
    needs_weight: float = column(
        "Weight after renormalising; null if absent.", unit="share", nullable=True, ge=0, le=1
    )

    class Config:
        unique = ["as_of", "account_id"]
