"""What the world outside says about an account.

Here: `account_signals`, from external signals. Not here: what a signal does to a risk or score (`scores`).
"""

from __future__ import annotations

from segmentation_assets.warehouse.contracts import Integer, Snapshot, column


class AccountSignals(Snapshot):
    """External signals of the last half year. Key: as_of, account_id; one row per known account.

    Null = no signals at all are on record by as_of (unknown); 0 = this account is known to have none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    signals_180d: Integer = column(
        "Signals observed in the last `signals.window_days` (180) days.", nullable=True, ge=0
    )
    signal_weight_180d: float = column(
        "Sum of their weights (-1 bad to 1 good each); a signal without a weight counts 0.",
        unit="weight",
        nullable=True,
    )
    negative_weight_180d: float = column("Sum of the weights below 0: 0 or less.", unit="weight", nullable=True, le=0)

    class Config:
        unique = ["as_of", "account_id"]
