"""The fit of the churn model, in numpy: person-periods, the most likely coefficients, and how well they rank.

Here: numerics only. Not here: tables (`churn_model`), or the features (`churn_points`).

The model is a discrete-time hazard (D. R. Cox 1972; P. D. Allison 1982): an account that is live at the start of a
period leaves in it with the logistic of a sum. The first period has coefficients of its own, all later ones share
theirs, because a fact says less about the far future. A normal prior around the points rule holds each coefficient:
with few leavers the rule stands, with many the data decide. So the fit exists whatever the data, also where a feature
separates leavers from stayers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.scores.churn_points import FLAG, UNCENTRED, Term, terms

Floats = npt.NDArray[np.float64]
_DIGITS = 9
_MOST_STEPS, _SMALLEST_STEP = 100, 1e-11
_CONSTANT = 1e-9
"""A figure whose standard deviation is below this is the same for all."""


@dataclass(frozen=True)
class Scaling:
    """How a term's values were centred and scaled, and for what share of the rows they are known."""

    centre: float
    deviation: float
    known_share: float

    @property
    def varies(self) -> bool:
        """Whether the term can say anything."""
        return self.deviation > _CONSTANT


@dataclass(frozen=True)
class Fit:
    """The coefficients in log-odds per unit: of the first period, and of the later ones."""

    base: float
    later_base: float
    renewal: float
    now: tuple[float, ...]
    later: tuple[float, ...]
    scaling: tuple[Scaling, ...]


def values_of(rows: pd.DataFrame, policy: ChurnPolicy) -> Floats:
    """Rows x terms: the same values as `churn_points.worth`; NaN: a number that is not known."""
    return np.column_stack([_values(rows, term) for term in terms(policy)])


def numbers(rows: pd.DataFrame, column: str) -> Floats:
    """A column's numbers; NaN: not known."""
    return np.asarray(pd.to_numeric(rows[column]).astype("Float64").to_numpy("float64", na_value=np.nan))  # type: ignore[union-attr]


def _values(rows: pd.DataFrame, term: Term) -> Floats:
    if term.kind != FLAG:
        return numbers(rows, term.column)
    column = rows[term.column]
    holds = column if term.equals is None else column == term.equals
    return np.asarray(holds.astype("boolean").fillna(False).to_numpy("float64"))


def renews_in(rows: pd.DataFrame, period: int, policy: ChurnPolicy) -> Floats:
    """1 if the renewal falls in the period, as `churn_points.falls_in`."""
    days = numbers(rows, "days_to_renewal")
    first = policy.renewal.within_days + 7 * policy.window_weeks * (period - 2)
    after = (days > first) if period > 1 else np.isfinite(days)
    return (after & (days <= first + 7 * policy.window_weeks)).astype("float64")


def fit(rows: pd.DataFrame, policy: ChurnPolicy) -> Fit:
    """The most likely model of `churn_training` rows of one as_of. Some must have left in a window and some not."""
    every, values = terms(policy), values_of(rows, policy)
    scaling = tuple(_scaling(values[:, i], term) for i, term in enumerate(every))
    units = np.array([_unit(term, one) for term, one in zip(every, scaling, strict=True)])
    standard = np.nan_to_num((values - np.array([one.centre for one in scaling])) / units)
    parts, outcomes = [], []
    for period in range(1, policy.model.periods + 1):
        at_risk = _at_risk(rows, period)
        parts.append(_design(standard[at_risk], renews_in(rows.loc[at_risk], period, policy), is_later=period > 1))
        outcomes.append(_left(rows.loc[at_risk]) == period)
    mean, spread = _prior(every, units, policy)
    best = most_likely(np.vstack(parts), np.concatenate(outcomes).astype("float64"), mean, spread)
    says = np.array([term.kind == FLAG or one.varies for term, one in zip(every, scaling, strict=True)])
    now, later = (np.where(says, part / units, 0.0) for part in (best[3 : 3 + len(every)], best[3 + len(every) :]))
    base, after, renewal = (float(x) for x in best[:3])
    return Fit(
        round(base, _DIGITS),
        round(base + after, _DIGITS),
        round(renewal, _DIGITS),
        _rounded(now),
        _rounded(later),
        scaling,
    )


def _design(standard: Floats, renewal: Floats, *, is_later: bool) -> Floats:
    """Columns: base, later, renewal, the terms of the first period, the terms of the later ones."""
    constant, none = np.ones((len(standard), 1)), np.zeros_like(standard)
    terms_now, terms_later = (none, standard) if is_later else (standard, none)
    return np.hstack([constant, constant * is_later, renewal[:, None], terms_now, terms_later])


def _prior(every: tuple[Term, ...], units: Floats, policy: ChurnPolicy) -> tuple[Floats, Floats]:
    """Means and standard deviations of the coefficients, in the columns of `_design`."""
    spreads, model = policy.model.spreads, policy.model
    points = np.array([term.points for term in every]) * units
    wide = np.array([spreads.flags if term.kind == FLAG else spreads.numbers for term in every])
    mean = np.concatenate([[0.0, 0.0, policy.renewal.log_odds], points, points * model.later_share])
    return mean, np.concatenate([[np.inf, spreads.later, spreads.renewal], wide, wide])


def log_odds(rows: pd.DataFrame, model: Fit, policy: ChurnPolicy) -> Floats:
    """The log-odds of leaving in the first period."""
    centred = np.nan_to_num(values_of(rows, policy) - np.array([one.centre for one in model.scaling]))
    return model.base + model.renewal * renews_in(rows, 1, policy) + centred @ np.array(model.now)


def points_of_rule(rows: pd.DataFrame, policy: ChurnPolicy) -> Floats:
    """The points of the rule, without base and size."""
    points = np.array([term.points for term in terms(policy)])
    renewal = policy.renewal.log_odds * renews_in(rows, 1, policy)
    return np.nan_to_num(values_of(rows, policy)) @ points + renewal


def most_likely(matrix: Floats, left: Floats, mean: Floats, spread: Floats) -> Floats:
    """The coefficients with the highest likelihood times normal prior; an infinite spread is no prior.

    Newton's method; a step that would lower the value is halved.
    """
    precision = 1 / spread**2
    share = left.mean()
    at = mean.copy()
    at[0] = np.log(share / (1 - share)) if 0 < share < 1 else mean[0]

    def value(x: Floats) -> float:
        odds = matrix @ x
        return float((left * odds - np.logaddexp(0, odds)).sum() - (precision * (x - mean) ** 2).sum() / 2)

    for _ in range(_MOST_STEPS):
        risk = 1 / (1 + np.exp(-(matrix @ at)))
        slope = matrix.T @ (left - risk) - precision * (at - mean)
        bend = (matrix * (risk * (1 - risk))[:, None]).T @ matrix + np.diag(precision)
        step = np.linalg.solve(bend, slope)
        before, part = value(at), 1.0
        while value(at + part * step) < before and part > _SMALLEST_STEP:
            part /= 2
        at = at + part * step
        if np.abs(step).max() < _SMALLEST_STEP ** (3 / 4):
            break
    return at


def area_under_curve(score: Floats, left: Floats, weight: Floats | None = None) -> float | None:
    """The chance that a leaver has a higher score than a stayer, ties counted half; None without one of the two."""
    weight = np.ones(len(score)) if weight is None else weight
    _, group = np.unique(score.round(_DIGITS), return_inverse=True)
    gone = np.bincount(group, weight * left)
    stayed = np.bincount(group, weight * (1 - left))
    if not gone.sum() or not stayed.sum():
        return None
    below = np.cumsum(stayed) - stayed
    return float((gone * (below + stayed / 2)).sum() / (gone.sum() * stayed.sum()))


def _at_risk(rows: pd.DataFrame, period: int) -> npt.NDArray[np.bool_]:
    """Whether the account was live at the start of the period, and the period's end is known."""
    left = _left(rows)
    return (numbers(rows, "periods_observed") >= period) & ((left == 0) | (left >= period))


def _left(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    return np.nan_to_num(numbers(rows, "left_in_period")).astype("int64")


def _scaling(values: Floats, term: Term) -> Scaling:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Scaling(0.0, 0.0, 0.0)
    is_centred = term.kind != FLAG and term.name not in UNCENTRED
    centre = round(float(finite.mean()), _DIGITS) if is_centred else 0.0
    return Scaling(centre, round(float(finite.std()), _DIGITS), round(len(finite) / len(values), _DIGITS))


def _unit(term: Term, scaling: Scaling) -> float:
    """What one step of the fit stands for: the deviation of a number, 1 for a flag."""
    return scaling.deviation if term.kind != FLAG and scaling.varies else 1.0


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(x), _DIGITS) for x in values)
