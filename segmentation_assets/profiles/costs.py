"""What an account costs us, and what is left of its ARR.

Here: `account_costs`: hours at their rates, cost to serve, gross margin. Not here: what sales and marketing spend,
or value and lifetime value (`scores`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Snapshot, column


class AccountCosts(Snapshot):
    """Cost to serve and gross margin of an account. Key: as_of, account_id; one row per known account.

    Null = the extract behind a cost has no row by as_of (unknown); 0 = known to be none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    support_cost_12m: float = column(
        "Ticket handling hours of the last twelve months x the support rate.", unit="currency", nullable=True, ge=0
    )
    csm_hours_12m: float = column(
        "CSM hours booked on the account in the last twelve months.", unit="hours", nullable=True, ge=0
    )
    csm_cost_12m: float = column(
        "Those hours, each at its CSM's hourly cost as known on the day worked, else the policy's rate.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    custom_development_cost_12m: float = column(
        "Custom development hours of the last twelve months x their rate.", unit="currency", nullable=True, ge=0
    )
    cost_to_serve: float = column(
        "Sum of the costs that are known, per year: annualised under twelve months of tenure; null if none is known.",
        unit="currency",
        nullable=True,
        ge=0,
    )
    cost_share_of_arr: float = column("Cost to serve ÷ ARR.", unit="ratio", nullable=True, ge=0)
    gross_margin: float = column(
        "ARR - hosting - support - custom development - CSM cost (if cost of revenue), per year; "
        "a cost that no extract tells counts 0.",
        unit="currency",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]
