"""Which other tools an account runs, and where its stack is going.

Here: `account_technology`, from technology installs. Not here: technographic points (`scores`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Flag, Integer, Snapshot, column

CONSOLIDATIONS = ("consolidating", "expanding", "steady")


class AccountTechnology(Snapshot):
    """Tools in place and their change in a year. Key: as_of, account_id; one row per known account.

    Null = no installs at all are on record by as_of (unknown); 0 = this account is known to have none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    tools: Integer = column("Different tools in place at as_of.", nullable=True, ge=0)
    complementary_tools: Integer = column("Those that complement the product.", nullable=True, ge=0)
    competitor_tools: Integer = column("Those that compete with the product.", nullable=True, ge=0)
    legacy_tools: Integer = column("Those that the product can replace.", nullable=True, ge=0)
    net_tools_change_12m: Integer = column(
        "Tools in place now minus tools in place twelve months ago; null where no installs are on record that far back.",
        nullable=True,
    )
    consolidation: str = column(
        "Consolidating, expanding or steady, by the change in twelve months and the policy's cuts.",
        nullable=True,
        isin=CONSOLIDATIONS,
    )
    sophistication: float = column(
        "0-1: number of tools (saturating) and share of complementary ones, weighted by the policy.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    competitor_displaced_90d: Flag = column(
        "A competitor's tool was last seen within the last `technology.displaced_days` (90) days and is gone.",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]
