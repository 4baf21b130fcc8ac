"""Why a score is what it is: the parts of all scores in one table.

Here: the parts as rows. Not here: how a score is computed; each score's table holds its own parts.
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Snapshot, column


class ScoreContributions(Snapshot):
    """The parts of every score of every live account; a score that is null has no parts."""

    account_id: str = column("Account.")
    score: str = column("Name of the score's column, such as behavioral_score; value is in currency.")
    part: str = column("Part of the score, such as seat_activity; caps and multipliers are parts too.")
    raw_number: float = column("The figure behind the part, in its own unit; null if text.", nullable=True)
    raw_text: str = column("The word behind the part; null if a figure.", nullable=True)
    weight: float = column("Weight of the part after renormalising; null if it has none.", nullable=True)
    points: float = column(
        "What the part adds; the parts sum to the score (churn_risk: to its log-odds; value: currency)."
    )

    class Config:
        unique = ["as_of", "account_id", "score", "part"]
