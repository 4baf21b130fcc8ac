"""How much renews in the next 30, 60 and 90 days and in the quarter, and how much of it will stay.

Here: `renewal_windows`, by company, tier and CSM. Not here: the accounts and their probabilities, or the quarters
after this one (`forecast`), or what is due for an account (`activation.plays`).
"""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.forecast import accounts_due
from segmentation_assets.kpis.identities import at_most
from segmentation_assets.kpis.intervals import normal_quantile
from segmentation_assets.policy.insights import RenewalWindowPolicy
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.policy.segments import AT_RISK
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import cents, money, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

QUARTER = "quarter"
COMPANY, TIER, CSM = GROUPINGS = ("company", "tier", "csm")
ALL = "all"
_ARR = "currency per year"


class RenewalWindows(Snapshot):
    """Renewals ahead, summed. Key: as_of, due_window, grouping, member; only groups with a renewal."""

    due_window: str = column("days_30, days_60, ...: after as_of, within so many days; quarter: by its last day.")
    grouping: str = column("Whose renewals: of the company, a tier or a CSM.", isin=GROUPINGS)
    member: str = column("Coverage tier, or csm_id; unassigned: accounts without one; all: the company.")
    accounts: Integer = column("Live accounts that renew in the window.", ge=1)
    low_n: Flag = column("Fewer accounts than `retention.low_n`.")
    at_risk_accounts: Integer = column("Of these: in the At-Risk segment.", ge=0)
    leaving_accounts: Integer = column("Of these: known to leave.", ge=0)
    accounts_without_risk: Integer = column("Of these: churn risk is not known; they count as staying.", ge=0)
    arr_due: float = column("ARR at as_of of the accounts that renew.", unit=_ARR, ge=0)
    arr_in_at_risk: float = column("ARR of those in the At-Risk segment.", unit=_ARR, ge=0)
    arr_leaving: float = column("ARR of those that are known to leave.", unit=_ARR, ge=0)
    arr_at_risk: float = column(
        "Sum of ARR x probability of churn by the renewal; 1 if known to leave.", unit=_ARR, ge=0
    )
    expected_arr: float = column("arr_due - arr_at_risk: what is likely to stay, without growth.", unit=_ARR, ge=0)
    expected_arr_low: float = column(
        "Lower end of the interval of expected_arr, at `renewal_windows.confidence`. Accounts decide independently.",
        unit=_ARR, ge=0,
    )  # fmt: skip
    expected_arr_high: float = column("Upper end; at most, all stay that are not known to leave.", unit=_ARR, ge=0)
    expected_grr: float = column(
        "expected_arr / arr_due; null: no ARR is due.", unit="ratio", nullable=True, ge=0, le=1
    )

    @row_rule
    def parts_of_due(cls, t: ir.Table) -> ir.BooleanValue:
        """Leaving is part of what is at risk, that of what is due; the expected ARR lies within its interval."""
        inside = at_most(t.expected_arr_low, t.expected_arr) & at_most(t.expected_arr, t.expected_arr_high)
        return at_most(t.arr_leaving, t.arr_at_risk) & at_most(t.arr_at_risk, t.arr_due) & inside

    class Config:
        unique = ["as_of", "due_window", "grouping", "member"]


@table(group="kpis")
def renewal_windows(
    spine: Table[Spine],
    segments: Table[Segments],
    account_revenue: Table[AccountRevenue],
    policy: RenewalWindowPolicy,
    churn: ChurnPolicy,
    retention: RetentionPolicy,
) -> Table[RenewalWindows]:
    """What renews soon, how much of it is at risk, and how much will stay, by company, tier and CSM?

    One row per as_of, window and group with a renewal. A window of 30 days has the renewals after as_of up to 30 days
    later, so it is part of that of 60. The quarter is that of the day after as_of. Probabilities are those of
    `renewal_forecast`, and so is the interval: a normal one around the sum over accounts that decide independently.
    Growth of accounts that stay does not count.
    """
    rows = accounts_due(segments, account_revenue, spine, churn.horizon_days)
    names = segments.select(*SNAPSHOT_KEY, "segment")
    rows = rows.left_join(names, list(SNAPSHOT_KEY)).select(*rows.columns, "segment")
    rows = rows.mutate(is_at_risk=(rows.segment == AT_RISK).fill_null(False))
    parts = [_part(rows, f"days_{days}", rows.days_to_renewal <= days) for days in policy.days]
    parts.append(_part(rows, QUARTER, rows.quarters_ahead == 0))
    sums = reduce(ibis.union, [_sums(reduce(ibis.union, parts), grouping) for grouping in GROUPINGS])
    return _columns(sums, normal_quantile(policy.confidence), retention.low_n)


def _part(rows: ir.Table, name: str, is_in: ir.BooleanValue) -> ir.Table:
    return rows.filter(is_in).mutate(due_window=ibis.literal(name))


def _sums(rows: ir.Table, grouping: str) -> ir.Table:
    member = {COMPANY: ibis.literal(ALL), TIER: rows.coverage_tier, CSM: rows.csm_id}[grouping]
    rows = rows.mutate(grouping=ibis.literal(grouping), member=member)
    return rows.group_by("as_of", "due_window", "grouping", "member").aggregate(
        accounts=rows.count(),
        at_risk_accounts=rows.is_at_risk.cast("int64").sum(),
        leaving_accounts=rows.is_leaving.cast("int64").sum(),
        accounts_without_risk=rows.is_unknown.cast("int64").sum(),
        arr_due=money(rows.arr),
        arr_in_at_risk=money(rows.arr, rows.is_at_risk).fill_null(0.0),
        arr_leaving=money(rows.arr, rows.is_leaving).fill_null(0.0),
        arr_at_risk=money(rows.arr * rows.risk),
        variance=total(rows.arr * rows.arr * rows.risk * (1 - rows.risk)),
    )


def _columns(rows: ir.Table, deviations: float, low_n: int) -> ir.Table:
    rows = rows.mutate(
        expected_arr=cents(rows.arr_due - rows.arr_at_risk), half=cents(rows.variance.sqrt() * deviations)
    )
    return rows.mutate(
        low_n=rows.accounts < low_n,
        expected_arr_low=cents(ibis.greatest(rows.expected_arr - rows.half, 0.0)),
        expected_arr_high=cents(ibis.least(rows.expected_arr + rows.half, rows.arr_due - rows.arr_leaving)),
        expected_grr=rows.expected_arr / rows.arr_due.nullif(0.0),
    ).drop("variance", "half")
