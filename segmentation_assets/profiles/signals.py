"""External signals about an account.

Here: `account_signals`. Not here: the effect of a signal on a risk or score (`scores`).
"""

from __future__ import annotations

from segmentation_assets.extracts.contracts import ExternalSignals
from segmentation_assets.policy.service import SignalsPolicy
from segmentation_assets.profiles.facts import (
    accounts_of,
    facts,
    first_fact,
    with_figures,
    within,
    zero_if_present,
)
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.tables.amounts import total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table


class AccountSignals(Snapshot):
    """External signals of the last 180 days. Key: as_of, account_id; one row per known account.

    Null = no signals at all are on record by as_of (unknown); 0 = this account is known to have none.
    """

    account_id: str = column("The account; merged accounts count with the one they were merged into.")
    signals_180d: Integer = column(
        "Signals observed in the last `signals.window_days` days, by default 180.", nullable=True, ge=0
    )
    signal_weight_180d: float = column(
        "Sum of the weights of these signals (each from -1, bad, to 1, good); no weight counts as 0.",
        unit="weight",
        nullable=True,
    )
    negative_weight_180d: float = column(
        "Sum of the negative weights of these signals; 0 or less.", unit="weight", nullable=True, le=0
    )

    class Config:
        unique = ["as_of", "account_id"]


@table(group="profiles")
def account_signals(
    spine: Table[Spine],
    account_hierarchy: Table[AccountHierarchy],
    external_signals: Table[ExternalSignals],
    policy: SignalsPolicy,
) -> Table[AccountSignals]:
    """What happened to an account in its market lately, and was it good or bad for us?

    One row per as_of and known account, with counts and weights of the signals observed in the policy's window.
    """
    merged = survivors(account_hierarchy)
    rows = facts(external_signals, "observed_on", merged, spine)
    rows = rows.filter(within(rows, "observed_on", policy.window_days))
    sums = rows.group_by("as_of", "account_id").aggregate(
        signals_180d=rows.count(),
        signal_weight_180d=total(rows.weight),
        negative_weight_180d=total(rows.weight, rows.weight < 0),
    )
    return zero_if_present(
        with_figures(accounts_of(merged), sums),
        first_fact(external_signals, "observed_on"),
        ("signals_180d", "signal_weight_180d", "negative_weight_180d"),
    )
