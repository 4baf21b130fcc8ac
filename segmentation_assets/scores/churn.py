"""How likely the account is to leave within 90 days.

Here: the points rule. Not here: CLV's retention curves (`value`), or what to do about the risk (plays).
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, Part, add_up
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table

PROFILE_INPUTS = ("single_champion", "overdue_days", "sentiment", "days_to_renewal", "signal_weight_180d")


def _log_odds(part: str) -> Any:
    return column(f"{part}: what it adds to the log-odds; 0 where it does not apply or is unknown.", unit="log-odds")


class ChurnRisk(Snapshot):
    """Probability of churn in 90 days. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    churn_risk: float = column(
        "Probability of churn within 90 days: logistic function of the log-odds.",
        unit="probability",
        in_range={"min_value": 0, "max_value": 1},
    )
    log_odds: float = column("Sum of the parts below.", unit="log-odds")
    inputs_missing: str = column("Parts whose input is unknown and so added 0, comma-separated; empty if none.")
    base_points: float = _log_odds("Base rate")
    cohort_points: float = _log_odds("Behavioral cohort")
    single_champion_points: float = _log_odds("One user makes most events")
    overdue_points: float = _log_odds("Long overdue invoices")
    sentiment_points: float = _log_odds("Bad ticket sentiment")
    renewal_points: float = _log_odds("Renewal ahead")
    external_signals_points: float = _log_odds("External signals (good ones lower the risk)")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def churn_risk(
    account_profiles: Table[AccountProfiles],
    behavioral_scores: Table[BehavioralScores],
    spine: Table[Spine],
    policy: ChurnPolicy,
) -> Table[ChurnRisk]:
    """How likely is it that the account leaves within 90 days?

    Log-odds that add up: a base rate, the cohort (At Risk or Dormant), a single champion, invoices overdue for long,
    bad ticket sentiment, a renewal ahead, and external signals (good ones lower the risk); the probability is their
    logistic function. An unknown input adds 0 and is named in `inputs_missing`. One row per live account.
    """
    rows = risk_inputs(live_accounts(account_profiles, spine), behavioral_scores)
    added = add_up(rows, "log_odds", parts(policy))
    return added.select(
        *KEY,
        "log_odds",
        *(part.column for part in parts(policy)),
        churn_risk=logistic(added.log_odds),
        inputs_missing=_missing(added, parts(policy)),
    )


def contributions(
    churn_risk: ir.Table, account_profiles: ir.Table, behavioral_scores: ir.Table, policy: ChurnPolicy
) -> ir.Table:
    """The parts of the log-odds as rows of `score_contributions`, under the score churn_risk."""
    inputs = risk_inputs(account_profiles, behavioral_scores)
    return score_parts.contributions(churn_risk, inputs, "churn_risk", parts(policy), shared_weights=False)


def risk_inputs(account_profiles: ir.Table, behavioral_scores: ir.Table) -> ir.Table:
    """What the parts read: columns of the profile, and the behavioral cohort."""
    cohorts = behavioral_scores.select(*KEY, "behavioral_cohort")
    return with_figures(account_profiles.select(*KEY, *PROFILE_INPUTS), cohorts)


def parts(policy: ChurnPolicy) -> tuple[Part, ...]:
    """What adds to the log-odds."""
    return (
        Part("base", None, lambda _: ibis.literal(policy.base), lambda _: ibis.literal(policy.base)),
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


def logistic(log_odds: ir.Value) -> ir.Value:
    """1 / (1 + e^-x), in a form whose exponential cannot overflow."""
    small = (-log_odds.abs()).exp()
    return ibis.ifelse(log_odds >= 0, 1 / (1 + small), small / (1 + small))


def _of_cohort(rows: ir.Table, policy: ChurnPolicy) -> ir.Value:
    named = [(rows.behavioral_cohort == name, log_odds) for name, log_odds in policy.cohorts.items()]
    return ibis.cases(*named, else_=0.0) if named else ibis.literal(0.0)


def _if(applies: ir.BooleanValue, log_odds: float) -> ir.Value:
    return ibis.ifelse(applies, log_odds, 0.0)


def _missing(rows: ir.Table, parts: tuple[Part, ...]) -> ir.StringValue:
    names = [ibis.ifelse(part.raw(rows).isnull(), f"{part.name} ", "") for part in parts]
    return reduce(add, names).strip().replace(" ", ", ")
