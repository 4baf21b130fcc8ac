"""Signs that an account will leave or stay: the points of the churn rule, in log-odds.

Here: the inputs, the parts that come from facts about the account, and the logistic function. Not here: the base and
the effect of size, which are fitted (`churn_bases`), or the probability (`churn`).
"""

from __future__ import annotations

from functools import reduce
from operator import add, and_

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.scores.parts import KEY, Part
from segmentation_assets.scores.ranks import mid_rank

_MIDDLE = 0.5
_FROM_BILLING = ("renewal",)
"""Parts whose input every account has. They alone are not enough for a probability."""
_INPUTS = ("arr", "single_champion", "overdue_days", "sentiment", "days_to_renewal", "signal_weight_180d")


def risk_inputs(live: ir.Table, behavioral_scores: ir.Table) -> ir.Table:
    """The inputs of the parts for the live accounts: columns of the profile, the usage cohort, and `size_rank`.

    `size_rank` is the mid-rank of ARR among the live accounts of the same day, from -0.5 to 0.5.
    """
    rank = mid_rank(live.arr, [live.as_of]) - _MIDDLE
    cohorts = behavioral_scores.select(*KEY, "behavioral_cohort")
    return with_figures(live.select(*KEY, *_INPUTS, size_rank=rank), cohorts)


def evidence(policy: ChurnPolicy) -> tuple[Part, ...]:
    """The parts that come from facts about the account."""
    return (
        Part("cohort", None, lambda t: t.behavioral_cohort, lambda t: _of_cohort(t, policy)),
        Part(
            "single_champion",
            policy.single_champion,
            lambda t: t.single_champion,
            lambda t: _if(t.single_champion, policy.single_champion),
        ),
        Part(
            "overdue",
            policy.overdue.log_odds,
            lambda t: t.overdue_days,
            lambda t: _if(t.overdue_days > policy.overdue.more_than_days, policy.overdue.log_odds),
        ),
        Part(
            "sentiment",
            policy.sentiment.log_odds,
            lambda t: t.sentiment,
            lambda t: _if(t.sentiment < policy.sentiment.below, policy.sentiment.log_odds),
        ),
        Part(
            "renewal",
            policy.renewal.log_odds,
            lambda t: t.days_to_renewal,
            lambda t: _if(t.days_to_renewal <= policy.renewal.within_days, policy.renewal.log_odds),
        ),
        Part(
            "external_signals",
            policy.per_signal_weight,
            lambda t: t.signal_weight_180d,
            lambda t: t.signal_weight_180d * policy.per_signal_weight,
        ),
    )


def missing(rows: ir.Table, parts: tuple[Part, ...]) -> ir.StringValue:
    """Names of the parts whose input is not known, comma-separated."""
    names = [ibis.ifelse(part.raw(rows).isnull(), f"{part.name} ", "") for part in parts]
    return reduce(add, names).strip().replace(" ", ", ")


def too_little_is_known(rows: ir.Table, parts: tuple[Part, ...]) -> ir.BooleanValue:
    """Whether no input is known except those that billing has for every account."""
    return reduce(and_, [part.raw(rows).isnull() for part in parts if part.name not in _FROM_BILLING])


def logistic(log_odds: ir.Value) -> ir.Value:
    """1 / (1 + e^-x), written so that the exponential cannot overflow."""
    small = (-log_odds.abs()).exp()
    return ibis.ifelse(log_odds >= 0, 1 / (1 + small), small / (1 + small))


def _of_cohort(rows: ir.Table, policy: ChurnPolicy) -> ir.Value:
    named = [(rows.behavioral_cohort == name, log_odds) for name, log_odds in policy.cohorts.items()]
    return ibis.cases(*named, else_=0.0) if named else ibis.literal(0.0)


def _if(applies: ir.BooleanValue, log_odds: float) -> ir.Value:
    return ibis.ifelse(applies, log_odds, 0.0)
