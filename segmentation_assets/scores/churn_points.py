"""Signs that an account will leave or stay, and what each is worth in log-odds.

Here: the features of an account on a day, the terms that the points rule and the trained model share, the parts that
they add up to, and the logistic function. Not here: fitting the base (`churn_bases`) or the coefficients
(`churn_model`), or the probability (`churn`).

A term is one feature. The points rule gives it the policy's points, the trained model a coefficient. Both use the
same values of the same features, so an account is scored with exactly what the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add, and_

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.scores.parts import KEY, Part
from segmentation_assets.scores.ranks import mid_rank

BASE, SIZE, RENEWAL, LEAVING = "base", "size", "renewal", "leaving"
FLAG, NUMBER = "flag", "number"
_MIDDLE = 0.5
_FROM_BILLING = (RENEWAL,)
"""Parts whose input every account has. They alone are not enough for a probability."""
_INPUTS = (
    "arr", "single_champion", "overdue_days", "sentiment", "days_to_renewal", "leaving_on", "signal_weight_180d",
    "mau_seat_share", "users_trend_net",
)  # fmt: skip
_RAW = {
    SIZE: "arr",
    "cohort": "behavioral_cohort",
    "single_champion": "single_champion",
    "overdue": "overdue_days",
    "sentiment": "sentiment",
    RENEWAL: "days_to_renewal",
    "external_signals": "signal_weight_180d",
    "seat_activity": "mau_seat_share",
    "usage_trend": "users_trend_net",
    LEAVING: "leaving_on",
}
"""The figure that people know behind each part."""
EVIDENCE = ("cohort", "single_champion", "overdue", "sentiment", RENEWAL, "external_signals")
"""The parts of the points rule that come from facts about the account."""
LEARNED = ("seat_activity", "usage_trend")
"""The parts that only the trained model has."""


@dataclass(frozen=True)
class Term:
    """One feature: a column of `features`, the part of the score that it adds to, and the rule's points.

    A flag is 1 if the column is true, or equals `equals`; not known counts as 0. A number that is not known counts
    as its mean.
    """

    name: str
    part: str
    column: str
    points: float
    kind: str
    equals: str | None = None


def terms(policy: ChurnPolicy) -> tuple[Term, ...]:
    """All features but the renewal, which depends on the period ahead."""
    cohorts = (
        Term(f"cohort {name}", "cohort", "behavioral_cohort", log_odds, FLAG, name)
        for name, log_odds in policy.cohorts.items()
    )
    return (
        Term(SIZE, SIZE, "size_rank", 0.0, NUMBER),
        *cohorts,
        Term("single_champion", "single_champion", "single_champion", policy.single_champion, FLAG),
        Term("overdue", "overdue", "is_overdue", policy.overdue.log_odds, FLAG),
        Term("sentiment", "sentiment", "has_bad_sentiment", policy.sentiment.log_odds, FLAG),
        Term("external_signals", "external_signals", "signal_weight_180d", policy.per_signal_weight, NUMBER),
        Term("seat_activity", "seat_activity", "seat_activity", 0.0, NUMBER),
        Term("usage_trend", "usage_trend", "usage_trend", 0.0, NUMBER),
    )


UNCENTRED = (SIZE, "external_signals")
"""Numbers whose 0 means something: the middle of the ranks, no signal. The others are centred at their mean."""


def features(live: ir.Table, behavioral_scores: ir.Table, policy: ChurnPolicy) -> ir.Table:
    """The features of live accounts on their day, and the figures behind them. Key: as_of, account_id.

    `size_rank` is the mid-rank of ARR among the live accounts of the same day, from -0.5 to 0.5.
    """
    model = policy.model
    rank = mid_rank(live.arr, [live.as_of]) - _MIDDLE
    cohorts = behavioral_scores.select(*KEY, "behavioral_cohort")
    rows = with_figures(live.select(*KEY, *_INPUTS, size_rank=rank), cohorts)
    return rows.mutate(
        is_overdue=rows.overdue_days > policy.overdue.more_than_days,
        has_bad_sentiment=rows.sentiment < policy.sentiment.below,
        seat_activity=_within(rows.mau_seat_share, model.seat_activity),
        usage_trend=_within(rows.users_trend_net, model.usage_trend),
    )


def worth(rows: ir.Table, term: Term) -> ir.Value:
    """The term's value of a row of `features`: 0 or 1 for a flag, the figure or null for a number."""
    column = rows[term.column]
    if term.kind == NUMBER:
        return column.cast("float64")
    holds = column if term.equals is None else column == term.equals
    return holds.fill_null(False).cast("float64")


def falls_in(days_ahead: ir.Value, period: int, within_days: int, policy: ChurnPolicy) -> ir.Value:
    """1 if an event so many days ahead falls in the period (1 = the next), else 0; `within_days` ends the first."""
    first = within_days + 7 * policy.window_weeks * (period - 2)
    is_in = days_ahead <= first + 7 * policy.window_weeks
    if period > 1:
        is_in = is_in & (days_ahead > first)
    return is_in.fill_null(False).cast("float64")


def evidence(policy: ChurnPolicy) -> tuple[Part, ...]:
    """The parts of the points rule that come from facts about the account."""
    return tuple(part for part in parts(policy, *_by_the_rule(policy)) if part.name in EVIDENCE)


def parts(
    policy: ChurnPolicy, of_term: Callable[[ir.Table, Term], ir.Value], of_renewal: Callable[[ir.Table], ir.Value]
) -> tuple[Part, ...]:
    """The parts of the log-odds but the base. `of_term` and `of_renewal` say what a feature adds."""
    by_part: dict[str, list[Term]] = {}
    for term in terms(policy):
        by_part.setdefault(term.part, []).append(term)

    def sum_of(part_terms: list[Term]) -> Callable[[ir.Table], ir.Value]:
        return lambda t: reduce(add, [of_term(t, term) for term in part_terms])

    valued = {name: sum_of(of_one) for name, of_one in by_part.items()}
    valued |= {
        RENEWAL: lambda t: falls_in(t.days_to_renewal, 1, policy.renewal.within_days, policy) * of_renewal(t),
        LEAVING: lambda t: leaves_in(t, 1, policy) * policy.known_leaving,
    }
    if not policy.cohorts:
        valued["cohort"] = lambda _: ibis.literal(0.0)
    order = (SIZE, *EVIDENCE, *LEARNED, LEAVING)
    return tuple(Part(name, None, _raw(name), valued[name]) for name in order)


def leaves_in(rows: ir.Table, period: int, policy: ChurnPolicy) -> ir.Value:
    """1 if all contracts are known to end in the period, else 0."""
    return falls_in(rows.leaving_on.delta(rows.as_of, unit="day"), period, policy.horizon_days, policy)


def missing(rows: ir.Table, names: tuple[str, ...]) -> ir.StringValue:
    """Names of the parts whose input is not known, comma-separated. `usage_trend` and the like count if trained."""
    absent = {name: rows[_RAW[name]].isnull() for name in names}
    absent |= {name: gone & rows.is_trained for name, gone in absent.items() if name in LEARNED}
    listed = [ibis.ifelse(gone, f"{name} ", "") for name, gone in absent.items()]
    return reduce(add, listed).strip().replace(" ", ", ")


def too_little_is_known(rows: ir.Table) -> ir.BooleanValue:
    """Whether no input is known except those that billing has for every account."""
    return reduce(and_, [rows[_RAW[name]].isnull() for name in EVIDENCE if name not in _FROM_BILLING])


def logistic(log_odds: ir.Value) -> ir.Value:
    """1 / (1 + e^-x), written so that the exponential cannot overflow."""
    small = (-log_odds.abs()).exp()
    return ibis.ifelse(log_odds >= 0, 1 / (1 + small), small / (1 + small))


def _by_the_rule(
    policy: ChurnPolicy,
) -> tuple[Callable[[ir.Table, Term], ir.Value], Callable[[ir.Table], ir.Value]]:
    return (lambda t, term: worth(t, term) * term.points), (lambda _: ibis.literal(policy.renewal.log_odds))


def _raw(part: str) -> Callable[[ir.Table], ir.Value]:
    return lambda t: t[_RAW[part]]


def _within(value: ir.Value, ends: tuple[float, float]) -> ir.Value:
    return value.cast("float64").clip(lower=ends[0], upper=ends[1])
