"""Who moved between coverage tiers in a quarter, and what followed.

Here: `tier_migration`, the matrix, and `tier_migration_summary`. Not here: single moves and why they happened
(`segments.moves`), migration inside the revenue bridge (`retention`).
"""

from __future__ import annotations

import ibis.expr.types as ir

from segmentation_assets.kpis.identities import closes
from segmentation_assets.kpis.periods import UNASSIGNED
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.warehouse.contracts import Day, Flag, Integer, Snapshot, column, row_rule

NOT_LIVE = "not_live"
"""Where an account without ARR stands: before it is new or back, after it churned."""

PLACES = (*TIERS, UNASSIGNED, NOT_LIVE)
DIRECTIONS = ("up", "down", "same", "gained", "lost", "other")

_ARR = "currency per year"


class TierMigration(Snapshot):
    """From which tier to which did accounts go in three months? Key: as_of, from_tier, to_tier; always all pairs."""

    starts_on: Day = column("t0: the same day three months before as_of.")
    from_tier: str = column("Tier at t0; not_live: no ARR.", isin=PLACES)
    to_tier: str = column("Tier at as_of; not_live: no ARR.", isin=PLACES)
    direction: str = column(
        "up or down between tiers, same, gained (new or back), lost (churned), other (from or to unassigned).",
        isin=DIRECTIONS,
    )
    accounts: Integer = column("Accounts that went this way.", ge=0)
    start_arr: float = column("Their ARR at t0.", unit=_ARR, ge=0)
    end_arr: float = column("Their ARR at as_of, at the rates of t0.", unit=_ARR, ge=0)
    share_of_from: float = column(
        "Accounts / all accounts of from_tier at t0; null: none, or not_live.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    row_accounts: Integer = column("Sum of accounts over the row of the matrix.", ge=0)
    row_start_arr: float = column("Sum of start_arr over the row.", unit=_ARR, ge=0)
    column_accounts: Integer = column("Sum of accounts over the column.", ge=0)
    from_accounts: Integer = column("start_accounts of from_tier in tier_kpis; null: not_live.", nullable=True, ge=0)
    from_arr: float = column("start_arr of from_tier in tier_kpis; null: not_live.", unit=_ARR, nullable=True, ge=0)
    to_accounts: Integer = column("accounts of to_tier in tier_kpis; null: not_live.", nullable=True, ge=0)

    @row_rule
    def rows_add_up(cls, t: ir.Table) -> ir.BooleanValue:
        """A row of the matrix is the tier at t0, in accounts and in ARR."""
        is_tier = (t.row_accounts == t.from_accounts) & closes(t.row_start_arr, t.from_arr)
        return t.from_accounts.isnull() | is_tier

    @row_rule
    def columns_add_up(cls, t: ir.Table) -> ir.BooleanValue:
        """A column of the matrix is the tier at as_of."""
        return t.to_accounts.isnull() | (t.column_accounts == t.to_accounts)

    class Config:
        unique = ["as_of", "from_tier", "to_tier"]


class TierMigrationSummary(Snapshot):
    """How many went up and down in three months, and how long does churn follow a downgrade? Key: as_of."""

    starts_on: Day = column("t0: the same day three months before as_of.")
    up_accounts: Integer = column("Accounts that rose to a higher tier.", ge=0)
    up_arr: float = column("Their ARR at as_of, at the rates of t0.", unit=_ARR, ge=0)
    down_accounts: Integer = column("Accounts that fell to a lower tier.", ge=0)
    down_arr: float = column("Their ARR at as_of, at the rates of t0.", unit=_ARR, ge=0)
    long_tail_accounts: Integer = column("Accounts in Long-Tail at t0.", ge=0)
    graduated_accounts: Integer = column("Of them, in a higher tier at as_of.", ge=0)
    graduation_rate: float = column(
        "graduated_accounts / long_tail_accounts, lost ones included.", unit="share", nullable=True, ge=0, le=1
    )
    graduation_rate_low_n: Flag = column("Fewer than `retention.low_n` accounts in Long-Tail at t0.")
    downgraded_accounts: Integer = column("Accounts seen to fall in the `migration.lag_quarters` up to as_of.", ge=0)
    downgraded_then_churned: Integer = column("Of them, churned by as_of.", ge=0)
    downgrade_to_churn_months: float = column(
        "Kaplan-Meier median from the first fall to churn; null where the curve stays above one half.",
        unit="months",
        nullable=True,
        ge=0,
    )
    downgrade_to_churn_low: float = column(
        "Its confidence interval, lower end.", unit="months", nullable=True, ge=0
    )
    downgrade_to_churn_high: float = column("Upper end; null: open.", unit="months", nullable=True, ge=0)
    downgrade_to_churn_low_n: Flag = column("Fewer than `retention.low_n` downgraded accounts.")
    downgrade_to_churn_benchmark_low: float = column("Expected, lower end.", unit="months")
    downgrade_to_churn_benchmark_high: float = column("Expected, upper end.", unit="months")

    class Config:
        unique = ["as_of"]
