"""The past to learn from: accounts on past days, with what was known of them then, and what came of them.

Here: `churn_training`. Not here: the features (`churn_points`), or the fit (`churn_model`).

The features of a day come from the profiles of that day, which know nothing dated or posted after it. What came of
an account is read from `account_revenue` at the end of each later window, up to as_of.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn_points import features
from segmentation_assets.scores.windows import ends, starts, windows
from segmentation_assets.tables.as_of import FromPolicy, Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Table, table

_OF_START = (
    "arr", "size_rank", "behavioral_cohort", "single_champion", "is_overdue", "has_bad_sentiment",
    "signal_weight_180d", "days_to_renewal", "seat_activity", "usage_trend",
)  # fmt: skip


class ChurnTraining(Snapshot):
    """Accounts on past days, and whether they left later. Key: as_of, starts_on, account_id."""

    starts_on: Day = column("The past day: first day of a window that ended by as_of. The account was live on it.")
    account_id: str = column("Account.")
    arr: float = column("ARR on the past day.", unit="currency per year", ge=0)
    size_rank: float = column(
        "Rank of ARR among the accounts live on the past day, from -0.5 (smallest) to 0.5.",
        in_range={"min_value": -0.5, "max_value": 0.5},
    )
    behavioral_cohort: str = column("Usage cohort on the past day.", nullable=True)
    single_champion: Flag = column("One user made most events.", nullable=True)
    is_overdue: Flag = column("An invoice was overdue for longer than the policy's days.", nullable=True)
    has_bad_sentiment: Flag = column("Ticket sentiment was below the policy's value.", nullable=True)
    signal_weight_180d: float = column("Sum of the weights of external signals in 180 days.", nullable=True)
    days_to_renewal: Integer = column("Days from the past day to the renewal.", unit="days", nullable=True, ge=1)
    seat_activity: float = column("Seat activity, within the policy's range.", unit="share", nullable=True)
    usage_trend: float = column(
        "Trend of active users net of the company's, within the policy's range.", unit="ratio", nullable=True
    )
    periods_observed: Integer = column("Windows from the past day on that ended by as_of, up to the policy's.", ge=1)
    left_in_period: Integer = column(
        "The window in which the account left (1 = the one that starts on the past day); null: it had not left.",
        nullable=True,
        ge=1,
    )

    class Config:
        unique = ["as_of", "starts_on", "account_id"]


_STARTS = FromPolicy(ChurnPolicy, lambda p: starts(p.window_weeks, p.model.windows))
_ENDS = FromPolicy(ChurnPolicy, lambda p: ends(p.window_weeks, p.model.windows))


@table(
    group="scores",
    reads={"account_profiles": _STARTS, "behavioral_scores": _STARTS, "account_revenue": _ENDS},
)
def churn_training(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    behavioral_scores: Table[BehavioralScores],
    account_revenue: Table[AccountRevenue],
    policy: ChurnPolicy,
) -> Table[ChurnTraining]:
    """What was known of each account on past days, and in which later window did it leave?

    One row per as_of, past day and account that was live on it. Features are those known on the past day. An account
    leaves in a window if it is not live at the window's end and left within the horizon after the window's first
    day; one that came back by the end did not leave. Accounts known to leave on the past day are left out, because
    that is a fact and no risk. So are accounts that were merged before the first window ended.
    """
    past = windows(spine, policy.window_weeks, policy.model.windows)
    later = account_revenue.select("account_id", "is_live", "churned_on", ends_on="as_of")
    rows = _periods(past, policy).join(later, "ends_on")
    has_left = (~rows.is_live & (rows.churned_on <= rows.in_time_by)).fill_null(False)
    outcome = rows.group_by("as_of", "starts_on", "account_id").aggregate(
        periods_observed=rows.count(), left_in_period=rows.period.min(where=has_left)
    )
    then = features(account_profiles.filter(account_profiles.is_live), behavioral_scores, policy)
    then = then.filter(then.leaving_on.isnull()).select("account_id", *_OF_START, starts_on="as_of")
    return outcome.join(then, ["starts_on", "account_id"])


def _periods(past: ir.Table, policy: ChurnPolicy) -> ir.Table:
    """The windows that follow each past day and ended by as_of: as_of, starts_on, period, ends_on, in_time_by."""
    length = 7 * policy.window_weeks
    each = [
        past.select(
            "as_of",
            "starts_on",
            period=ibis.literal(k, "int64"),
            ends_on=days_after(past.starts_on, length * k),
            in_time_by=days_after(past.starts_on, length * (k - 1) + policy.horizon_days),
        )
        for k in range(1, policy.model.periods + 1)
    ]
    rows = ibis.union(*each)
    return rows.filter(rows.ends_on <= rows.as_of)
