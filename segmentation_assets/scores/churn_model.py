"""The coefficients of the churn risk in force on a day, and how well the trained model predicts.

Here: `churn_model`, trained or the points rule, and `churn_model_quality`. Not here: the rows that it learns from
(`churn_training`), the numerics (`churn_fitting`), or the probability of an account (`churn`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.scores.churn_bases import ChurnBases
from segmentation_assets.scores.churn_fitting import (
    Fit,
    Floats,
    Scaling,
    area_under_curve,
    fit,
    log_odds,
    numbers,
    points_of_rule,
)
from segmentation_assets.scores.churn_points import BASE, FLAG, RENEWAL, SIZE, terms
from segmentation_assets.scores.churn_training import ChurnTraining
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, row_warning
from segmentation_assets.tables.registry import Frame, table

FITTED, POINTS, CONSTANT, NOT_KNOWN = "fitted", "points", "constant", "not_known"
STATUSES = (FITTED, POINTS, CONSTANT, NOT_KNOWN)
NO_PAST, FEW_LEAVERS, NOBODY_STAYED, NO_TEST = "no_past", "few_leavers", "nobody_stayed", "no_test"
_DIGITS = 9


class ChurnModel(Snapshot):
    """What each feature adds to the log-odds of churn. Key: as_of, term."""

    term: str = column("Feature; base: what every account has; renewal: the renewal falls in the period.")
    coefficient: float = column(
        "Log-odds of leaving within the horizon per unit of (feature - centre); for base, the log-odds themselves.",
        unit="log-odds",
    )
    later_coefficient: float = column("The same for each later period up to 12 months ahead.", unit="log-odds")
    centre: float = column("Value at which the feature adds nothing; a number that is not known counts as this.")
    deviation: float = column("Standard deviation of the feature in the training rows.", nullable=True, ge=0)
    known_share: float = column(
        "Share of the training rows in which the feature is known.", unit="share", nullable=True, ge=0, le=1
    )
    status: str = column(
        "fitted: from the data, around the policy's points; points: the policy's points; constant: the same in all "
        "training rows, so the data say nothing; not_known: known in none of them.",
        isin=STATUSES,
    )
    is_trained: Flag = column("True: the trained model is in force; false: the points rule.")
    is_fitted: Flag = column("True: the base is fitted to the company's own past; false: the policy's fallback.")

    class Config:
        unique = ["as_of", "term"]


class ChurnModelQuality(Snapshot):
    """What the model was trained on, and how well it predicted windows that it had not seen. One row per as_of."""

    is_trained: Flag = column("True: the trained model is in force; false: the points rule.")
    reason: str = column(
        "Why it is not trained: no_past (no window has ended), few_leavers (fewer than the policy's minimum), "
        "nobody_stayed; null: it is.",
        nullable=True,
        isin=(NO_PAST, FEW_LEAVERS, NOBODY_STAYED),
    )
    first_window_on: Day = column("Start of the oldest window with accounts; null: there is none.", nullable=True)
    last_window_on: Day = column("Start of the newest window.", nullable=True)
    accounts: Integer = column("Different accounts in the windows.", ge=0)
    account_windows: Integer = column("Accounts at the start of each window, summed over the windows.", ge=0)
    leavers: Integer = column("Those of them that left within the horizon.", ge=0)
    test_windows: Integer = column("Windows that were predicted from what was known before them.", ge=0)
    test_accounts: Integer = column("Accounts in these windows, summed.", ge=0)
    test_leavers: Integer = column("Those of them that left within the horizon.", ge=0)
    predicted_leavers: float = column("Leavers predicted for these windows.", unit="accounts", nullable=True, ge=0)
    auc: float = column(
        "Chance that a leaver of these windows had a higher risk than an account that stayed; 0.5 is no better than "
        "a coin. Windows together; null: see test_reason.",
        nullable=True,
        ge=0,
        le=1,
    )
    auc_low: float = column("Lower end of the interval of auc.", nullable=True, ge=0, le=1)
    auc_high: float = column("Upper end of the interval of auc.", nullable=True, ge=0, le=1)
    least_auc: float = column("An auc below this is a warning (policy).", ge=0.5, lt=1)
    points_auc: float = column("The same for the points rule, on the same accounts.", nullable=True, ge=0, le=1)
    brier: float = column(
        "Brier score: mean squared difference of probability and outcome; lower is better.",
        nullable=True,
        ge=0,
        le=1,
    )
    brier_of_mean: float = column("Brier score of one probability for all: the share that left.", nullable=True, ge=0)
    confidence: float = column("Confidence of the interval (policy).", unit="share", gt=0, lt=1)
    test_reason: str = column(
        "Why there is no test: no_test (too few accounts had left before any window, or no leaver and stayer in "
        "one); null: there is.",
        nullable=True,
        isin=[NO_TEST],
    )

    @row_warning
    def it_tells_who_leaves(cls, t: ir.Table) -> ir.BooleanValue:
        """The AUC on windows that the model has not seen reaches the policy's least one, or is not known."""
        return t.auc.isnull() | (t.auc >= t.least_auc)

    class Config:
        unique = ["as_of"]


@table(group="scores")
def churn_model(
    spine: Frame[Spine], churn_training: Frame[ChurnTraining], churn_bases: Frame[ChurnBases], policy: ChurnPolicy
) -> Frame[ChurnModel]:
    """What does each feature add to the log-odds of churn, on each day?

    One row per as_of and term. If enough accounts left in the past windows (policy), the coefficients are those of a
    discrete-time hazard: the logistic regression of leaving in a window on the features at an earlier day. A normal
    prior holds each coefficient near the policy's points, as closely as the policy says. Otherwise the coefficients
    are the points, and the base is that of `churn_bases`. Only the past of as_of counts.
    """
    bases = {pd.Timestamp(row["as_of"]): row for row in churn_bases.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for day, past in _by_day(spine, churn_training):
        is_trained = _why_not(past, policy) is None
        model = fit(past, policy) if is_trained else None
        rule = bases[day]
        shared = {"as_of": day, "is_trained": is_trained, "is_fitted": is_trained or bool(rule["is_fitted"])}
        rows += [shared | row for row in (_fitted(model, policy) if model else _rule(rule, policy))]
    return cast("Frame[ChurnModel]", pd.DataFrame(rows, columns=pd.Index(_MODEL_COLUMNS)).astype(_FLOATS))


_MODEL_COLUMNS = [
    "as_of", "term", "coefficient", "later_coefficient", "centre", "deviation", "known_share", "status", "is_trained",
    "is_fitted",
]  # fmt: skip
_FLOATS = dict.fromkeys(("coefficient", "later_coefficient", "centre", "deviation", "known_share"), "float64")


@table(group="scores")
def churn_model_quality(
    spine: Frame[Spine], churn_training: Frame[ChurnTraining], policy: ChurnPolicy
) -> Frame[ChurnModelQuality]:
    """What was the churn model trained on, and how well did it predict what it had not seen?

    One row per as_of. Each past window is predicted by a model trained only on what was known on the window's first
    day. The windows are then judged together. The interval of the AUC comes from drawing accounts anew (policy), so
    an account that is in several windows counts as one observation.
    """
    rows = [{"as_of": day} | _quality(past, policy) for day, past in _by_day(spine, churn_training)]
    return cast("Frame[ChurnModelQuality]", pd.DataFrame(rows))


def _by_day(spine: pd.DataFrame, training: pd.DataFrame) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
    """Each day of the run with its training rows, in a fixed order."""
    dated = training.assign(
        as_of=pd.to_datetime(training["as_of"]), starts_on=pd.to_datetime(training["starts_on"])
    ).sort_values(["as_of", "starts_on", "account_id"])
    for day in pd.to_datetime(spine["as_of"]).sort_values():
        yield day, dated.loc[dated["as_of"] == day].reset_index(drop=True)


def _leavers(rows: pd.DataFrame) -> int:
    return int((numbers(rows, "left_in_period") == 1).sum())


def _all_left(rows: pd.DataFrame) -> bool:
    return not np.isnan(numbers(rows, "left_in_period")).any()


def _why_not(rows: pd.DataFrame, policy: ChurnPolicy) -> str | None:
    """Why the model cannot be trained on these rows; None: it can."""
    if rows.empty:
        return NO_PAST
    if _leavers(rows) < policy.model.min_leavers:
        return FEW_LEAVERS
    return NOBODY_STAYED if _all_left(rows) else None


def _fitted(model: Fit, policy: ChurnPolicy) -> Iterator[dict[str, Any]]:
    yield _row(BASE, model.base, model.later_base, FITTED)
    yield _row(RENEWAL, model.renewal, model.renewal, FITTED)
    for term, now, later, scaling in zip(terms(policy), model.now, model.later, model.scaling, strict=True):
        yield _row(term.name, now, later, _status(term.kind, scaling), scaling)


def _status(kind: str, scaling: Scaling) -> str:
    if scaling.known_share == 0:
        return NOT_KNOWN
    if scaling.varies:
        return FITTED
    return POINTS if kind == FLAG else CONSTANT


def _rule(rule: Mapping[Any, Any], policy: ChurnPolicy) -> Iterator[dict[str, Any]]:
    base = float(rule["base_log_odds"])
    yield _row(BASE, base, base, FITTED if rule["is_fitted"] else POINTS)
    yield _row(RENEWAL, policy.renewal.log_odds, policy.renewal.log_odds, POINTS)
    for term in terms(policy):
        points = float(rule["size_log_odds"]) if term.name == SIZE else term.points
        yield _row(term.name, points, points, FITTED if term.name == SIZE and rule["is_fitted"] else POINTS)


def _row(term: str, now: float, later: float, status: str, scaling: Scaling | None = None) -> dict[str, Any]:
    return {
        "term": term,
        "coefficient": now,
        "later_coefficient": later,
        "centre": scaling.centre if scaling else 0.0,
        "deviation": scaling.deviation if scaling else None,
        "known_share": scaling.known_share if scaling else None,
        "status": status,
    }


@dataclass(frozen=True)
class _Tested:
    """Windows predicted from what was known before them: one entry per account and window."""

    accounts: npt.NDArray[np.object_]
    log_odds: Floats
    points: Floats
    left: Floats
    windows: int


def _quality(past: pd.DataFrame, policy: ChurnPolicy) -> dict[str, Any]:
    reason = _why_not(past, policy)
    tested = _test(past, policy)
    judged = _judged(tested, policy) if tested else {}
    return {
        "is_trained": reason is None,
        "reason": reason,
        "first_window_on": _day(past["starts_on"].min()),
        "last_window_on": _day(past["starts_on"].max()),
        "accounts": past["account_id"].nunique(),
        "account_windows": len(past),
        "leavers": _leavers(past),
        "test_windows": tested.windows if tested else 0,
        "test_accounts": len(tested.left) if tested else 0,
        "test_leavers": int(tested.left.sum()) if tested else 0,
        **{name: judged.get(name, np.nan) for name in _JUDGED},
        "least_auc": policy.model.test.least_auc,
        "confidence": policy.model.test.confidence,
        "test_reason": None if judged else NO_TEST,
    }


def _day(moment: Any) -> date | None:
    return None if pd.isna(moment) else moment.date()


_JUDGED = ("predicted_leavers", "auc", "auc_low", "auc_high", "points_auc", "brier", "brier_of_mean")


def _test(past: pd.DataFrame, policy: ChurnPolicy) -> _Tested | None:
    """Every window that can be predicted by a model trained on what was known on its first day."""
    parts = []
    for day in sorted(set(past["starts_on"])):
        before = known_on(past, day, policy)
        is_enough = _leavers(before) >= policy.model.test.min_leavers
        if not is_enough or _all_left(before):
            continue
        rows = past.loc[past["starts_on"] == day]
        left = (numbers(rows, "left_in_period") == 1).astype("float64")
        risk, points = log_odds(rows, fit(before, policy), policy), points_of_rule(rows, policy)
        parts.append((rows["account_id"].to_numpy(), risk, points, left))
    if not parts:
        return None
    accounts, odds, points, left = zip(*parts, strict=True)
    return _Tested(
        np.concatenate(accounts), np.concatenate(odds), np.concatenate(points), np.concatenate(left), len(parts)
    )


def known_on(past: pd.DataFrame, day: pd.Timestamp, policy: ChurnPolicy) -> pd.DataFrame:
    """The training rows as they were on an earlier `day`: what ended later had not been seen."""
    ended = ((day - past["starts_on"]).dt.days // (7 * policy.window_weeks)).to_numpy("int64")
    observed, left = np.minimum(numbers(past, "periods_observed"), ended), numbers(past, "left_in_period")
    rows = past.assign(periods_observed=observed, left_in_period=np.where(left <= observed, left, np.nan))
    return rows.loc[ended > 0]


def _judged(tested: _Tested, policy: ChurnPolicy) -> dict[str, float]:
    auc = area_under_curve(tested.log_odds, tested.left)
    if auc is None:
        return {}
    low, high = _interval(tested, policy)
    risk, share = 1 / (1 + np.exp(-tested.log_odds)), tested.left.mean()
    figures = {
        "predicted_leavers": risk.sum(),
        "auc": auc,
        "auc_low": low,
        "auc_high": high,
        "points_auc": area_under_curve(tested.points, tested.left),
        "brier": ((risk - tested.left) ** 2).mean(),
        "brier_of_mean": ((share - tested.left) ** 2).mean(),
    }
    return {name: round(float(value), _DIGITS) for name, value in figures.items() if value is not None}


def _interval(tested: _Tested, policy: ChurnPolicy) -> tuple[float, float]:
    """Percentiles of the AUC over accounts drawn anew (B. Efron 1979), whole accounts with all their windows."""
    test = policy.model.test
    codes, names = pd.factorize(tested.accounts, sort=True)
    rng = np.random.default_rng(int(test.seed))
    areas = []
    for _ in range(test.draws):
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)).astype("float64")
        area = area_under_curve(tested.log_odds, tested.left, times[codes])
        areas += [] if area is None else [area]
    tail = (1 - test.confidence) / 2
    return float(np.quantile(areas, tail)), float(np.quantile(areas, 1 - tail))
