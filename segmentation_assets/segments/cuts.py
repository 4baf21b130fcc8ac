"""The ARR cuts of the Strategic tier, frozen for a quarter.

Here: where the top 10 % and the top 5 % of ARR begin. Not here: the other rules of a tier (`candidates`, `tiers`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Day, Integer, Snapshot, column


class TierCuts(Snapshot):
    """The ARR from which an account is among the largest. Key: as_of; one row per day with a live account."""

    strategic_cut: float = column(
        "Smallest ARR among the top share of accounts that may be Strategic; null if so few accounts that none "
        "stands in it.",
        unit="currency", nullable=True, gt=0,
    )  # fmt: skip
    top_cut: float = column(
        "Smallest ARR among the top share that is Strategic by its ARR alone; null like strategic_cut.",
        unit="currency", nullable=True, gt=0,
    )  # fmt: skip
    frozen_on: Day = column("Day whose ARR gave the cuts: the previous quarter's last day, else as_of itself.")
    ranked_accounts: Integer = column("Live accounts that were ranked on that day.", ge=1)

    class Config:
        unique = ["as_of"]
