"""How often the company's accounts leave: the base of the churn rule, fitted to the company's own past.

Here: what became of the accounts of past windows, and the fit. Not here: the points of one account (`churn_points`),
the probability (`churn`), or whether past probabilities came true (`calibration`).

The fit keeps the points of the rule as they are and chooses two numbers: the base, so that as many accounts are
predicted to leave in the past windows as left, and the effect of size (rank of ARR), so that the money agrees, too.
It is a logistic regression with the points as a fixed offset; a normal prior holds the effect of size near none
where few accounts left.
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
from segmentation_assets.scores.churn_points import evidence, risk_inputs
from segmentation_assets.scores.parts import add_up
from segmentation_assets.scores.windows import ends, starts, windows
from segmentation_assets.tables.as_of import FromPolicy, Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column
from segmentation_assets.tables.days import days_after
from segmentation_assets.tables.registry import Frame, Table, table

_Floats = npt.NDArray[np.float64]
_POINT_DIGITS, _RANK_DIGITS, _FIT_DIGITS = 3, 2, 9
"""Accounts are counted by rounded points and rank, so that the fit sees thousands of rows, not millions."""
_MOST_STEPS, _SMALLEST_STEP = 100, 1e-12


class ChurnOutcomes(Snapshot):
    """Accounts of past windows by what the churn rule knew of them at the start, and how many of them left.

    Key: as_of, window_start, points, size_rank.
    """

    window_start: Day = column("Day on which the accounts were live and the points were known: a Monday.")
    points: float = column("Sum of the rule's points then, rounded to 3 digits.", unit="log-odds")
    size_rank: float = column(
        "Rank of ARR among the accounts live then, from -0.5 (smallest) to 0.5, rounded to 2 digits.",
        in_range={"min_value": -0.5, "max_value": 0.5},
    )
    accounts: Integer = column("Accounts with these points and this rank.", ge=1)
    leavers: Integer = column(
        "Of them, accounts that left within the policy's horizon and had not come back when the window ended.", ge=0
    )

    class Config:
        unique = ["as_of", "window_start", "points", "size_rank"]


class ChurnBases(Snapshot):
    """The base of the churn rule, one row per as_of."""

    base_log_odds: float = column("Log-odds of an account without any points, of middle size.", unit="log-odds")
    size_log_odds: float = column(
        "What the largest account's log-odds have more than the smallest's; below 0 where small accounts leave more.",
        unit="log-odds",
    )
    is_fitted: Flag = column("Fitted to the company's past; else the policy's fallback, with no effect of size.")
    accounts: Integer = column("Accounts at the start of each past window, added up.", ge=0)
    leavers: Integer = column("Of them, accounts that left within the policy's horizon.", ge=0)
    first_window_on: Day = column("Start of the oldest window with accounts.", nullable=True)

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
    """Of the accounts of the last year, by their churn points: how many left?

    The last year is a number of windows (policy) that ended by as_of. Points and rank are those of the window's first
    day, from what was known then; who left is read at the window's end. An account merged into another by then counts
    in neither. One row per as_of, window, points and rank.
    """
    live = account_profiles.filter(account_profiles.is_live)
    points = add_up(risk_inputs(live, behavioral_scores), "points", evidence(policy))
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
    """The account is not live at the window's end, and left within the horizon after `starts_on`.

    `is_live` and `churned_on` are those of the window's end.
    """
    in_time = rows.churned_on <= days_after(rows.starts_on, policy.horizon_days)
    return (~rows.is_live & in_time).fill_null(False)


@table(group="scores")
def churn_bases(spine: Frame[Spine], churn_outcomes: Frame[ChurnOutcomes], policy: ChurnPolicy) -> Frame[ChurnBases]:
    """How likely does an account leave of which nothing speaks for or against it?

    One row per as_of: the base and the effect of size that make the predicted leavers of the last year's windows
    agree with those that left, in number and, nearly, in money. Where too few left for that (policy), the policy's
    fallback. It looks at the past of as_of alone, so the same day gives the same base whenever it is computed.
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
        points, rank, counted, left = (
            ordered[name].to_numpy("float64") for name in ("points", "size_rank", "accounts", "leavers")
        )
        base, size = fit_base(points, rank, counted, left, policy.base.size_spread)
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
    """(base, effect of size) of the highest likelihood of these counts, the points being a fixed offset.

    The effect of size has a normal prior around 0 of the standard deviation `size_spread`; 0 holds it at 0. At the
    maximum, the predicted leavers are exactly as many as left. Newton's method, halving a step that would go down.
    Needs some accounts that left and some that stayed.
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
