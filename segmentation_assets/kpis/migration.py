"""Which accounts moved between coverage tiers in a quarter, and how many churned after a downgrade.

Here: `tier_migration`, the matrix, and `tier_migration_summary`. Not here: single moves and their causes
(`segments.moves`), migration in the ARR bridge (`retention`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.durations import DOWNGRADE_TO_CHURN, MedianDurations, tier_rank
from segmentation_assets.kpis.identities import closes
from segmentation_assets.kpis.periods import UNASSIGNED, AccountPeriods
from segmentation_assets.kpis.retention import TierKpis
from segmentation_assets.policy.kpis import QUARTER_MONTHS, BenchmarkPolicy, RetentionPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.tables.amounts import money
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

NOT_LIVE = "not_live"
"""The place of an account without ARR: before it is new or reactivated, or after it churned."""

LONG_TAIL = TIERS[-1]

PLACES = (*TIERS, UNASSIGNED, NOT_LIVE)
DIRECTIONS = ("up", "down", "same", "gained", "lost", "other")

_ARR = "currency per year"


class TierMigration(Snapshot):
    """Accounts by tier three months ago and tier now. Key: as_of, from_tier, to_tier; always all pairs."""

    starts_on: Day = column("t0: the same day three months before as_of.")
    from_tier: str = column("Tier at t0; not_live: no ARR.", isin=PLACES)
    to_tier: str = column("Tier at as_of; not_live: no ARR.", isin=PLACES)
    direction: str = column(
        "up or down between tiers, same, gained (new or reactivated), lost (churned), other (from or to unassigned).",
        isin=DIRECTIONS,
    )
    accounts: Integer = column("Accounts that went from from_tier to to_tier.", ge=0)
    start_arr: float = column("ARR of these accounts at t0.", unit=_ARR, ge=0)
    end_arr: float = column("ARR of these accounts at as_of, at the exchange rates of t0.", unit=_ARR, ge=0)
    share_of_from: float = column(
        "accounts / from_accounts; null: from_tier had no accounts at t0, or is not_live.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    row_accounts: Integer = column("Sum of accounts over all to_tier of this from_tier.", ge=0)
    row_start_arr: float = column("Sum of start_arr over all to_tier of this from_tier.", unit=_ARR, ge=0)
    column_accounts: Integer = column("Sum of accounts over all from_tier of this to_tier.", ge=0)
    from_accounts: Integer = column("start_accounts of from_tier in tier_kpis; null: not_live.", nullable=True, ge=0)
    from_arr: float = column("start_arr of from_tier in tier_kpis; null: not_live.", unit=_ARR, nullable=True, ge=0)
    to_accounts: Integer = column("accounts of to_tier in tier_kpis; null: not_live.", nullable=True, ge=0)

    @row_rule
    def rows_add_up(cls, t: ir.Table) -> ir.BooleanValue:
        """Rows of the matrix add up to the tiers at t0, in accounts and in ARR."""
        is_tier = (t.row_accounts == t.from_accounts) & closes(t.row_start_arr, t.from_arr)
        return t.from_accounts.isnull() | is_tier

    @row_rule
    def columns_add_up(cls, t: ir.Table) -> ir.BooleanValue:
        """Columns of the matrix add up to the tiers at as_of, in accounts."""
        return t.to_accounts.isnull() | (t.column_accounts == t.to_accounts)

    class Config:
        unique = ["as_of", "from_tier", "to_tier"]


class TierMigrationSummary(Snapshot):
    """Accounts that rose and fell in three months, and time from downgrade to churn. Key: as_of."""

    starts_on: Day = column("t0: the same day three months before as_of.")
    up_accounts: Integer = column("Accounts in a higher tier at as_of than at t0.", ge=0)
    up_arr: float = column("ARR at as_of of the accounts that rose, at the exchange rates of t0.", unit=_ARR, ge=0)
    down_accounts: Integer = column("Accounts in a lower tier at as_of than at t0.", ge=0)
    down_arr: float = column("ARR at as_of of the accounts that fell, at the exchange rates of t0.", unit=_ARR, ge=0)
    long_tail_accounts: Integer = column("Accounts in Long-Tail at t0.", ge=0)
    graduated_accounts: Integer = column("Accounts in Long-Tail at t0 and in a higher tier at as_of.", ge=0)
    graduation_rate: float = column(
        "graduated_accounts / long_tail_accounts. Lost accounts stay in the denominator.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    graduation_rate_low_n: Flag = column("Fewer than `retention.low_n` accounts in Long-Tail at t0.")
    downgraded_accounts: Integer = column(
        "Accounts that fell to a lower tier in the last `migration.lag_quarters` quarters.", ge=0
    )
    downgraded_then_churned: Integer = column("Downgraded accounts that churned by as_of.", ge=0)
    downgrade_to_churn_months: float = column(
        "Kaplan-Meier median from downgrade to churn; null: the curve stays above one half.",
        unit="months",
        nullable=True,
        ge=0,
    )
    downgrade_to_churn_low: float = column(
        "Lower end of the median's confidence interval.", unit="months", nullable=True, ge=0
    )
    downgrade_to_churn_high: float = column(
        "Upper end of the median's confidence interval; null: it has no upper end.",
        unit="months",
        nullable=True,
        ge=0,
    )
    downgrade_to_churn_share_2q: float = column(
        "Kaplan-Meier probability of churn within two quarters of the downgrade; null: not observed that long.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    downgrade_to_churn_share_3q: float = column(
        "Kaplan-Meier probability of churn within three quarters of the downgrade; null: not observed that long.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    downgrade_to_churn_low_n: Flag = column("Fewer than `retention.low_n` downgraded accounts.")
    downgrade_to_churn_benchmark_low: float = column(
        "Benchmark: time from downgrade to churn, lower end.", unit="months"
    )
    downgrade_to_churn_benchmark_high: float = column(
        "Benchmark: time from downgrade to churn, upper end.", unit="months"
    )

    class Config:
        unique = ["as_of"]


@table(group="kpis")
def tier_migration(
    spine: Table[Spine], account_periods: Table[AccountPeriods], tier_kpis: Table[TierKpis]
) -> Table[TierMigration]:
    """From which coverage tier to which did accounts and their ARR go in the last three months?

    One row per as_of and pair of tiers at the two ends of the period. Beside the four tiers, there are `unassigned`
    (ARR but no tier) and `not_live` (no ARR). Rows of the matrix add up to the tiers at the start, columns to the
    tiers at the end.
    """
    quarter = account_periods.filter(account_periods.window_months == QUARTER_MONTHS)
    went = quarter.mutate(
        from_tier=quarter.start_tier.fill_null(NOT_LIVE), to_tier=quarter.end_tier.fill_null(NOT_LIVE)
    )
    counted = went.group_by("as_of", "from_tier", "to_tier").aggregate(
        accounts=went.count(),
        start_arr=money(went.start_arr),
        end_arr=money(went.end_arr),
    )
    rows = _pairs(spine)
    joined = rows.left_join(counted, ["as_of", "from_tier", "to_tier"])
    rows = joined.select(
        "as_of",
        "starts_on",
        "from_tier",
        "to_tier",
        direction=_direction(joined.from_tier, joined.to_tier),
        accounts=joined.accounts.fill_null(0),
        start_arr=joined.start_arr.fill_null(0.0),
        end_arr=joined.end_arr.fill_null(0.0),
    )
    along, down = (ibis.window(group_by=["as_of", name]) for name in ("from_tier", "to_tier"))
    rows = rows.mutate(
        row_accounts=rows.accounts.sum().over(along),
        row_start_arr=money(rows.start_arr, over=along),
        column_accounts=rows.accounts.sum().over(down),
    )
    rows = _beside_kpis(rows, tier_kpis)
    return rows.mutate(share_of_from=rows.accounts / rows.from_accounts.nullif(0))


def _pairs(spine: ir.Table) -> ir.Table:
    """All pairs of places per as_of, except from not_live to not_live."""
    days = spine.select("as_of", starts_on="day_3m_ago")
    pairs = each(each(days, "from_tier", PLACES), "to_tier", PLACES)
    return pairs.filter((pairs.from_tier != NOT_LIVE) | (pairs.to_tier != NOT_LIVE))


def _direction(start: ir.StringValue, end: ir.StringValue) -> ir.StringValue:
    return ibis.cases(
        (start == NOT_LIVE, "gained"),
        (end == NOT_LIVE, "lost"),
        (start == end, "same"),
        (tier_rank(start) > tier_rank(end), "up"),
        (tier_rank(start) < tier_rank(end), "down"),
        else_="other",
    )


def _beside_kpis(rows: ir.Table, tier_kpis: ir.Table) -> ir.Table:
    """Adds the size of both tiers from `tier_kpis`."""
    quarter = tier_kpis.filter(tier_kpis.window_months == QUARTER_MONTHS)
    starts = quarter.select("as_of", from_tier="coverage_tier", from_accounts="start_accounts", from_arr="start_arr")
    ends = quarter.select("as_of", to_tier="coverage_tier", to_accounts="accounts")
    rows = rows.left_join(starts, ["as_of", "from_tier"]).drop("as_of_right", "from_tier_right")
    return rows.left_join(ends, ["as_of", "to_tier"]).drop("as_of_right", "to_tier_right")


@table(group="kpis")
def tier_migration_summary(
    spine: Table[Spine],
    tier_migration: Table[TierMigration],
    median_durations: Table[MedianDurations],
    policy: RetentionPolicy,
    benchmarks: BenchmarkPolicy,
) -> Table[TierMigrationSummary]:
    """How many accounts rose and fell in three months, how many left Long-Tail upwards, and how many churn later?

    One row per as_of. The graduation rate counts all accounts that were in Long-Tail at the start, also lost ones.
    The time from downgrade to churn is a Kaplan-Meier median over the accounts that fell in the last quarters: an
    account that has not churned may still do so. If the curve stays above one half, there is no median, but there are
    the probabilities for two and three quarters.
    """
    rows = spine.select("as_of", starts_on="day_3m_ago")
    for figures in (_ups_and_downs(tier_migration), _lag(median_durations)):
        rows = rows.left_join(figures, "as_of").drop("as_of_right")
    counts = ("downgraded_accounts", "downgraded_then_churned")
    rows = rows.mutate(**{name: rows[name].fill_null(0) for name in counts})
    expected = benchmarks.downgrade_to_churn_months
    return rows.mutate(
        graduation_rate=rows.graduated_accounts / rows.long_tail_accounts.nullif(0),
        graduation_rate_low_n=rows.long_tail_accounts < policy.low_n,
        downgrade_to_churn_low_n=rows.downgraded_accounts < policy.low_n,
        downgrade_to_churn_benchmark_low=ibis.literal(expected.low),
        downgrade_to_churn_benchmark_high=ibis.literal(expected.high),
    )


def _ups_and_downs(matrix: ir.Table) -> ir.Table:
    up, down = matrix.direction == "up", matrix.direction == "down"
    from_long_tail = matrix.from_tier == LONG_TAIL
    return matrix.group_by("as_of").aggregate(
        up_accounts=matrix.accounts.sum(where=up),
        up_arr=money(matrix.end_arr, up),
        down_accounts=matrix.accounts.sum(where=down),
        down_arr=money(matrix.end_arr, down),
        long_tail_accounts=matrix.accounts.sum(where=from_long_tail),
        graduated_accounts=matrix.accounts.sum(where=from_long_tail & up),
    )


def _lag(medians: ir.Table) -> ir.Table:
    return medians.filter(medians.duration == DOWNGRADE_TO_CHURN).select(
        "as_of",
        downgraded_accounts="accounts",
        downgraded_then_churned="happened",
        downgrade_to_churn_months="median_months",
        downgrade_to_churn_low="low_months",
        downgrade_to_churn_high="high_months",
        downgrade_to_churn_share_2q="share_2q",
        downgrade_to_churn_share_3q="share_3q",
    )
