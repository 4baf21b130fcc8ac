"""What the account runs: how its stack fits ours.

Here: the points of the tools an account has. Not here: counting the tools (`profiles.technology`).
"""

from __future__ import annotations

from segmentation_assets.scores.parts import points, score_column
from segmentation_assets.warehouse.contracts import Snapshot, column

STANCES = ("displacing", "complementing", "neutral")


class TechnographicScores(Snapshot):
    """Fit of the technology stack. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    technographic_score: float = score_column("Fit of the stack; null if no installs are on record.")
    integration_opportunity: float = score_column("What there is to integrate with: complementary tools.")
    displacing: str = column(
        "displacing if competitor and legacy tools outnumber complementary ones, complementing the other way "
        "round, neutral if equal; null if unknown.",
        nullable=True,
        isin=STANCES,
    )
    sophistication: float = column(
        "Readiness for advanced features, 0-1, as in account_technology.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    consolidation: str = column("Where the number of tools goes: consolidating, expanding or steady.", nullable=True)
    integration_points: float = points("Integration opportunity")
    displacing_points: float = points("Displacing or complementing")
    sophistication_points: float = points("Sophistication")
    consolidation_points: float = points("Consolidating or expanding")

    class Config:
        unique = ["as_of", "account_id"]
