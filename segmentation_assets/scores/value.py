"""What an account is worth to the company: value, value tier and customer lifetime value.

Here: value of an account at a day (`account_value`), and its tier by cut-offs that hold for a quarter
(`value_scores`). Not here: how long accounts stay (`lifetime`), or what could still be sold (`expansion`).
"""

from __future__ import annotations

from segmentation_assets.scores.lifetime import METHODS
from segmentation_assets.warehouse.contracts import Day, Flag, Snapshot, column

TIERS = ("Platinum", "Gold", "Silver", "Bronze")


class AccountValue(Snapshot):
    """What each live account is worth at `as_of`, ranked among the accounts of that same day."""

    account_id: str = column("Account.")
    arr: float = column("Annual recurring revenue.", unit="currency", ge=0)
    nrr_used: float = column("12-month NRR, clipped; 1 where it has no base.", unit="ratio", ge=0)
    nrr_is_assumed: Flag = column("True where NRR has no base (under 12 months, or nothing paid then).")
    cost_used: float = column("Cost to serve; 0 where it is unknown.", unit="currency", ge=0)
    cost_is_assumed: Flag = column("True where the cost to serve is unknown.")
    value_before_multiplier: float = column("ARR x NRR - cost to serve.", unit="currency")
    captured_share: float = column(
        "Licensed seats / addressable seats; null where employees are unknown.",
        unit="share", nullable=True, ge=0, le=1,
    )  # fmt: skip
    whitespace_multiplier: float = column("Premium for an active account with room to grow, else 1.", gt=0)
    value: float = column("Value with the multiplier.", unit="currency")
    value_percentile: float = column("Mid-rank of value among live accounts x 100.", unit="score", ge=0, le=100)
    gross_margin: float = column("Annual gross margin.", unit="currency", nullable=True)
    clv: float = column(
        "Customer lifetime value: gross margin x discounted expected residual lifetime, the first future "
        "payment undiscounted.",
        unit="currency", nullable=True,
    )  # fmt: skip
    clv_method: str = column("How the lifetime was found; see clv_parameters.", nullable=True, isin=list(METHODS))
    clv_is_flagged: Flag = column("True where the lifetime is not from a fit.", nullable=True)
    clv_percentile: float = column(
        "Mid-rank of CLV among live accounts that have one x 100.", unit="score", nullable=True, ge=0, le=100
    )

    class Config:
        unique = ["as_of", "account_id"]


class ValueScores(Snapshot):
    """Value score and tier of each live account; tier cut-offs hold for the quarter."""

    account_id: str = column("Account.")
    value: float = column("(ARR x NRR) - cost to serve, with the multiplier.", unit="currency")
    value_score: float = column("Mid-rank of value among live accounts x 100.", unit="score", ge=0, le=100)
    value_tier: str = column("Tier of value by the cut-offs.", isin=list(TIERS))
    cut_platinum: float = column(
        "Smallest value that is Platinum; null if nobody reached it.", unit="currency", nullable=True
    )
    cut_gold: float = column(
        "Smallest value that is at least Gold; null if nobody reached it.", unit="currency", nullable=True
    )
    cut_silver: float = column(
        "Smallest value that is at least Silver; null if nobody reached it.", unit="currency", nullable=True
    )
    frozen_on: Day = column("Day whose ranks gave the cut-offs; null: as_of's own.", nullable=True)
    clv: float = column("Customer lifetime value.", unit="currency", nullable=True)
    clv_percentile: float = column(
        "Mid-rank of CLV among live accounts that have one x 100.", unit="score", nullable=True, ge=0, le=100
    )
    gross_margin: float = column("Annual gross margin.", unit="currency", nullable=True)

    class Config:
        unique = ["as_of", "account_id"]
