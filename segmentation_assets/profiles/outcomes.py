"""Whether an account reaches what it bought the product for.

Here: `account_outcomes`, from success goals. Not here: outcome health (`scores`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Integer, Snapshot, column


class AccountOutcomes(Snapshot):
    """Success goals set, due and met. Key: as_of, account_id; one row per known account.

    Null = no goals at all are on record by as_of (unknown); 0 = this account is known to have none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    goals_set: Integer = column("Goals set by as_of.", nullable=True, ge=0)
    goals_due: Integer = column("Goals whose due date is on or before as_of.", nullable=True, ge=0)
    goals_met: Integer = column("Goals met by as_of, due or not.", nullable=True, ge=0)
    goals_met_late: Integer = column("Goals met by as_of, but after they were due.", nullable=True, ge=0)
    goals_met_share: float = column(
        "Goals met ÷ goals due or met ahead of time, by as_of.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )

    class Config:
        unique = ["as_of", "account_id"]
