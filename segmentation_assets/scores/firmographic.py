"""Who the account is: size class and firmographic fit.

Here: the size class and the points of what a company register tells. Not here: what the account does or is worth.
"""

from __future__ import annotations

from segmentation_assets.scores.parts import points, score_column
from segmentation_assets.warehouse.contracts import Snapshot, column

SIZE_CLASSES = ("smb", "mid_market", "enterprise")


class FirmographicScores(Snapshot):
    """Size class and firmographic fit. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    size_class: str = column(
        "smb, mid_market or enterprise, by employees, else by annual revenue; null if neither is known.",
        nullable=True,
        isin=SIZE_CLASSES,
    )
    firmographic_score: float = score_column("Fit, from the parts below; null if none of them is known.")
    size_points: float = points("Size class")
    industry_points: float = points("Industry")
    region_points: float = points("Region of the largest subscription")
    business_model_points: float = points("Business model")
    funding_stage_points: float = points("Funding stage")
    buying_cycle_points: float = points("Length of the buying cycle")

    class Config:
        unique = ["as_of", "account_id"]
