"""What the account needs from the product: one of the needs profiles.

Here: the needs rules. Not here: the inputs of the rules (`profiles`), or onboarding content by profile (plays).
"""

from __future__ import annotations

from segmentation_assets.scores.parts import points, score_column
from segmentation_assets.warehouse.contracts import Snapshot, column

NEEDS_PROFILES = ("Platform", "Expanding use case", "Specific use case", "Basic need", "Value not realized")


class NeedsScores(Snapshot):
    """Needs profile of each account. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    needs_profile: str = column(
        "Platform, Expanding use case, Specific use case, Basic need or Value not realized; null if nothing is known.",
        nullable=True,
        isin=NEEDS_PROFILES,
    )
    needs_score: float = score_column("The profile's score.")
    needs_rule: str = column("The rule that decided; `otherwise` if none did.", nullable=True)
    profile_points: float = points("Needs profile")

    class Config:
        unique = ["as_of", "account_id"]
