"""How often the company's accounts leave: the base of the churn rule, fitted to the company's own past.

Here: how many accounts left in past windows, and the fit. Not here: the points of one account (`churn_points`), the
probability (`churn`), or comparing past probabilities with what happened (`calibration`).

The fit does not change the points of the rule. It chooses two numbers: the base, so that predicted and observed
leavers of the past windows are equal, and the effect of size (rank of ARR), so that the money agrees, too. It is a
logistic regression with the points as a fixed offset. A normal prior keeps the effect of size near 0 if few accounts
left.
"""

from __future__ import annotations

from typing import cast

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn_points import evidence, features
from segmentation_assets.scores.parts import add_up
from segmentation_assets.scores.windows import ends, starts, windows
from segmentation_assets.tables.as_of import FromPolicy, Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Frame, Table, table

_Floats = npt.NDArray[np.float64]
_POINT_DIGITS, _RANK_DIGITS, _FIT_DIGITS = 3, 2, 9
"""Accounts are counted by rounded points and rank, so that the fit reads thousands of rows and not millions."""
_MOST_STEPS, _SMALLEST_STEP = 100, 1e-12


class ChurnOutcomes(Snapshot):
    """How many accounts of past windows left, by their churn points at the window's start.

    Key: as_of, window_start, points, size_rank.
    """

    window_start: Day = column("First day of the window, a Monday. The accounts were live on that day.")
    points: float = column("Sum of the rule's points on that day, rounded to 3 digits.", unit="log-odds")
    size_rank: float = column(
        "Rank of ARR among the accounts live on that day, from -0.5 (smallest) to 0.5, rounded to 2 digits.",
        in_range={"min_value": -0.5, "max_value": 0.5},
    )
    accounts: Integer = column("Accounts with these points and this rank.", ge=1)
    leavers: Integer = column(
        "Those of them that left within the policy's horizon and had not come back by the window's end.", ge=0
    )

    class Config:
        unique = ["as_of", "window_start", "points", "size_rank"]


class ChurnBases(Snapshot):
    """The base of the churn rule, one row per as_of."""

    base_log_odds: float = column("Log-odds of an account of median ARR without any points.", unit="log-odds")
    size_log_odds: float = column(
        "Log-odds of the account with the largest ARR minus those of the smallest; below 0 if small accounts leave "
        "more often.",
        unit="log-odds",
    )
    is_fitted: Flag = column("True: fitted to the company's past; false: the policy's fallback, no effect of size.")
    accounts: Integer = column("Accounts at the start of each past window, summed over the windows.", ge=0)
    leavers: Integer = column("Those of them that left within the policy's horizon.", ge=0)
    first_window_on: Day = column("Start of the oldest window with accounts; null: there is none.", nullable=True)

    class Config:
        unique = ["as_of"]


_STARTS = FromPolicy(ChurnPolicy, lambda p: starts(p.window_weeks, p.base.windows))
_ENDS = FromPolicy(ChurnPolicy, lambda p: ends(p.window_weeks, p.base.windows))


@table(
    group="scores",
    reads={"account_profiles": _STARTS, "behavioral_scores": _STARTS, "account_revenue": _ENDS},
)
def churn_outcomes(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    behavioral_scores: Table[BehavioralScores],
    account_revenue: Table[AccountRevenue],
    policy: ChurnPolicy,
) -> Table[ChurnOutcomes]:
    """How many accounts left in the last year, by their churn points?

    One row per as_of, window, points and rank. The last year is a number of windows (policy) that ended by as_of.
    Points and rank are those of the window's first day, from what was known on that day. Whether an account left is
    read at the window's end. Accounts that were merged by then are left out, and so are those that were known to
    leave: that is a fact and no risk.
    """
    live = account_profiles.filter(account_profiles.is_live)
    then = features(live, behavioral_scores, policy)
    points = add_up(then.filter(then.leaving_on.isnull()), "points", evidence(policy))
    then = points.select(
        "account_id",
        starts_on="as_of",
        points=points.points.round(_POINT_DIGITS),
        size_rank=points.size_rank.round(_RANK_DIGITS),
    )
    later = account_revenue.select("account_id", "is_live", "churned_on", ends_on="as_of")
    rows = windows(spine, policy.window_weeks, policy.base.windows).join(then, "starts_on")
    rows = rows.join(later, ["ends_on", "account_id"])
    return rows.group_by("as_of", "points", "size_rank", window_start="starts_on").aggregate(
        accounts=rows.count(), leavers=has_left_in_time(rows, policy).cast("int64").sum()
    )


def has_left_in_time(rows: ir.Table, policy: ChurnPolicy) -> ir.BooleanValue:
    """Whether the account left within the horizon after `starts_on` and is not live at the window's end.

    `is_live` and `churned_on` must be those of the window's end.
    """
    in_time = rows.churned_on <= days_after(rows.starts_on, policy.horizon_days)
    return (~rows.is_live & in_time).fill_null(False)


@table(group="scores")
def churn_bases(spine: Frame[Spine], churn_outcomes: Frame[ChurnOutcomes], policy: ChurnPolicy) -> Frame[ChurnBases]:
    """How likely is churn for an account without any churn points?

    One row per as_of: the base and the effect of size with which the predicted leavers of the last year's windows
    equal the observed ones in number, and nearly in money. If too few accounts left (policy), it is the policy's
    fallback. Only the past of as_of counts, so a day has the same base whenever it is computed.
    """
    dated = churn_outcomes.assign(as_of=pd.to_datetime(churn_outcomes["as_of"]))
    days = pd.to_datetime(spine["as_of"]).sort_values()
    rows = [{"as_of": day} | _base(dated.loc[dated["as_of"] == day], policy) for day in days]
    return cast("Frame[ChurnBases]", pd.DataFrame(rows, columns=pd.Index(["as_of", *_COLUMNS])))


_COLUMNS = ("base_log_odds", "size_log_odds", "is_fitted", "accounts", "leavers", "first_window_on")


def _base(outcomes: pd.DataFrame, policy: ChurnPolicy) -> dict[str, object]:
    """One day's row of `churn_bases`, without its key."""
    ordered = outcomes.sort_values(["window_start", "points", "size_rank"])
    accounts, leavers = int(ordered["accounts"].sum()), int(ordered["leavers"].sum())
    is_fitted = policy.base.min_leavers <= leavers < accounts
    base, size = policy.base.fallback, 0.0
    if is_fitted:
        points, rank, at_start, left = (
            ordered[name].to_numpy("float64") for name in ("points", "size_rank", "accounts", "leavers")
        )
        base, size = fit_base(points, rank, at_start, left, policy.base.size_spread)
    return {
        "base_log_odds": base,
        "size_log_odds": size,
        "is_fitted": is_fitted,
        "accounts": accounts,
        "leavers": leavers,
        "first_window_on": ordered["window_start"].iloc[0] if accounts else None,
    }


def fit_base(
    points: _Floats, size_rank: _Floats, accounts: _Floats, leavers: _Floats, size_spread: float
) -> tuple[float, float]:
    """The base and the effect of size with the highest likelihood of these counts; the points are a fixed offset.

    The effect of size has a normal prior around 0 with standard deviation `size_spread`; 0 fixes it at 0. At the
    maximum, predicted and observed leavers are equal. Newton's method; a step that would lower the likelihood is
    halved. Some accounts must have left and some stayed.
    """
    precision = 1 / size_spread**2 if size_spread else 0.0

    def value(base: float, size: float) -> float:
        odds = base + points + size * size_rank
        return float((leavers * odds - accounts * np.logaddexp(0, odds)).sum()) - precision * size**2 / 2

    share = leavers.sum() / accounts.sum()
    base, size = float(np.log(share / (1 - share)) - (points * accounts).sum() / accounts.sum()), 0.0
    for _ in range(_MOST_STEPS):
        risk = 1 / (1 + np.exp(-(base + points + size * size_rank)))
        surplus, spread = leavers - accounts * risk, accounts * risk * (1 - risk)
        slope = float(surplus.sum())
        curve = float(spread.sum())
        up, aside = slope / curve, 0.0
        if size_spread:
            tilt, cross = float((surplus * size_rank).sum()) - precision * size, float((spread * size_rank).sum())
            bend = float((spread * size_rank**2).sum()) + precision
            area = curve * bend - cross**2
            up, aside = (slope * bend - tilt * cross) / area, (tilt * curve - slope * cross) / area
        before, step = value(base, size), 1.0
        while value(base + step * up, size + step * aside) < before and step > _SMALLEST_STEP:
            step /= 2
        base, size = base + step * up, size + step * aside
        if max(abs(up), abs(aside)) < _SMALLEST_STEP ** (3 / 4):
            break
    return round(base, _FIT_DIGITS), round(size, _FIT_DIGITS)
