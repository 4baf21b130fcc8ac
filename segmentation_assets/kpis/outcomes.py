"""What became of accounts after a past day: segment, tier and scores then, ARR and churn afterwards.

Here: `backtest_accounts`, one row per past window and account. Not here: judging segments and scores by it
(`backtest`), or the periods that end at as_of for KPIs (`periods`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import FxRates
from segmentation_assets.kpis.periods import ENDS, carried_arr, has_expanded, moved, two_points
from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.policy.insights import BacktestPolicy
from segmentation_assets.profiles.known import AccountHierarchy
from segmentation_assets.profiles.revenue import annual
from segmentation_assets.profiles.states import AccountStates
from segmentation_assets.profiles.subscriptions import SubscriptionSteps
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.as_of import FromPolicy, Spine, months_before
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import months_before as months_earlier
from segmentation_assets.tables.registry import Table, table

GROUPS = ("coverage_tier", "segment", "value_tier", "behavioral_cohort")
SCORES = ("churn_risk", "health_score", "behavioral_score", "composite_score", "expansion_score")
_ARR = "currency per year"
_WINDOW = ("as_of", "window_months", "starts_on")


def window_days(policy: BacktestPolicy) -> Callable[[date], list[tuple[int, date, date]]]:
    """(months, first day, last day) of the windows that end by a day: the short ones, newest first, and the long."""

    def of(day: date) -> list[tuple[int, date, date]]:
        ends = [months_before(day, policy.months * k) for k in range(policy.windows + 1)]
        short = [(policy.months, ends[k + 1], ends[k]) for k in range(policy.windows)]
        return [*short, (policy.long_months, months_before(day, policy.long_months), day)]

    return of


def _starts(policy: BacktestPolicy) -> Callable[[date], Iterable[date]]:
    return lambda day: [start for _, start, _ in window_days(policy)(day)]


def _ends(policy: BacktestPolicy) -> Callable[[date], Iterable[date]]:
    return lambda day: [end for _, _, end in window_days(policy)(day)]


class BacktestAccounts(Snapshot):
    """An account at the start of a past window, and its end. Key: as_of, window_months, starts_on, account_id."""

    window_months: Integer = column("Length of the window.", unit="months", ge=1)
    starts_on: Day = column("First day of the window: tier, segment and scores are those of this day.")
    ends_on: Day = column("Last day of the window.")
    account_id: str = column("The paying account; accounts merged into it by the end of the window are counted here.")
    start_arr: float = column("ARR on the first day, at the exchange rates of that day.", unit=_ARR, gt=0)
    end_arr: float = column(
        "What it had become on the last day, at the same rates, without what came back from a pause.", unit=_ARR, ge=0
    )
    retained_arr: float = column("The smaller of start_arr and the ARR on the last day.", unit=_ARR, ge=0)
    has_left: Flag = column("The account neither paid nor was paused on the last day.")
    has_expanded: Flag = column("It paid more, for more seats, plan or products.")
    coverage_tier: str = column("Coverage tier on the first day.", nullable=True)
    segment: str = column("Segment on the first day.", nullable=True)
    value_tier: str = column("Value tier on the first day.", nullable=True)
    behavioral_cohort: str = column("Usage cohort on the first day.", nullable=True)
    churn_risk: float = column(
        "Probability of churn within 90 days, on the first day.", unit="probability", nullable=True, ge=0, le=1
    )
    health_score: float = column("Health score on the first day.", unit="score", nullable=True)
    behavioral_score: float = column("Behavioral score on the first day.", unit="score", nullable=True)
    composite_score: float = column("Composite score on the first day.", unit="score", nullable=True)
    expansion_score: float = column("Expansion score on the first day.", unit="score", nullable=True)

    class Config:
        unique = [*_WINDOW, "account_id"]


@table(
    group="kpis",
    reads={"segments": FromPolicy(BacktestPolicy, _starts), "account_hierarchy": FromPolicy(BacktestPolicy, _ends)},
)
def backtest_accounts(
    spine: Table[Spine],
    subscription_steps: Table[SubscriptionSteps],
    account_states: Table[AccountStates],
    fx_rates: Table[FxRates],
    account_hierarchy: Table[AccountHierarchy],
    segments: Table[Segments],
    company: CompanyPolicy,
    policy: BacktestPolicy,
) -> Table[BacktestAccounts]:
    """What was each account on a past day, and what became of it in the months after?

    One row per as_of, window and account with ARR on the window's first day. Windows: the last quarters (policy) one
    after the other, and the last twelve months. Tier, segment and scores are what today's policy and code make of
    what was known on the first day. The outcome is read on the last day, at the exchange rates of the first. A pause
    is no churn.
    """
    windows = _windows(spine, policy)
    periods = windows.select("starts_on", as_of="ends_on").distinct()
    rows = two_points(periods, subscription_steps, account_states, fx_rates, account_hierarchy, company)
    rows = rows.mutate(**{name: annual(rows[name]) for name in ENDS})
    rows = moved(rows.filter(rows.start > 0), "arr")
    outcome = rows.select(
        "starts_on",
        "account_id",
        "start_arr",
        ends_on="as_of",
        end_arr=carried_arr(rows),
        retained_arr=ibis.least(rows.start_arr, rows.end_arr),
        has_left=rows.movement == "churn",
        has_expanded=has_expanded(rows),
    )
    then = segments.select("account_id", *GROUPS, *SCORES, starts_on="as_of")
    joined = windows.join(outcome, ["starts_on", "ends_on"])
    joined = joined.left_join(then, ["starts_on", "account_id"])
    return joined.drop("starts_on_right", "account_id_right")


def _windows(spine: ir.Table, policy: BacktestPolicy) -> ir.Table:
    """as_of, window_months, starts_on, ends_on of every window, by the arithmetic of `window_days`."""
    steps = [policy.months * k for k in range(policy.windows + 1)]
    every = [(policy.months, steps[k + 1], steps[k]) for k in range(policy.windows)]
    every.append((policy.long_months, policy.long_months, 0))
    return ibis.union(
        *(
            spine.select(
                "as_of",
                window_months=ibis.literal(months, "int64"),
                starts_on=_back(spine.as_of, start),
                ends_on=_back(spine.as_of, end),
            )
            for months, start, end in every
        )
    )


def _back(day: ir.DateValue, months: int) -> ir.DateValue:
    return months_earlier(day, months) if months else day
