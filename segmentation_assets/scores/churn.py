"""How likely the account is to leave within the policy's horizon (90 days).

Here: the probability and its rank. Not here: the features and the points of the rule (`churn_points`), the
coefficients (`churn_model`), CLV's retention curves (`lifetime`), or what to do about the risk (plays).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add, mul
from typing import Any

import ibis.expr.types as ir

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn_model import ChurnModel
from segmentation_assets.scores.churn_points import (
    BASE,
    EVIDENCE,
    LEARNED,
    RENEWAL,
    Term,
    falls_in,
    features,
    leaves_in,
    logistic,
    missing,
    parts,
    terms,
    too_little_is_known,
    worth,
)
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, TOP, Part, add_up
from segmentation_assets.scores.ranks import mid_rank
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Flag, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_DIGITS = 9


def _log_odds(part: str) -> Any:
    return column(f"{part}: log-odds that it adds; 0 if it does not apply or is not known.", unit="log-odds")


class ChurnRisk(Snapshot):
    """Probability of churn within the horizon. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    churn_risk: float = column(
        "Probability of churn within the policy's horizon (90 days): logistic function of the log-odds. Null if only "
        "the contract of the account is known; it has a rank all the same.",
        unit="probability",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    churn_risk_12m: float = column(
        "Probability of churn within the policy's periods (four of 13 weeks): 1 - the product of the chances to stay "
        "in each of them. Null if churn_risk is.",
        unit="probability",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    risk_rank: float = column(
        "Mid-rank of the log-odds among live accounts x 100: 100 = the most likely to leave.",
        unit="score",
        in_range={"min_value": 0, "max_value": 100},
    )
    log_odds: float = column("Sum of the parts below.", unit="log-odds")
    is_trained: Flag = column("True: the parts come from the trained model; false: from the points rule.")
    is_fitted: Flag = column("True: the base is fitted to the company's own past; false: the policy's fallback.")
    inputs_missing: str = column("Parts without a known input, which add 0; comma-separated, empty if none.")
    base_points: float = _log_odds("Base: how often the company's accounts leave")
    size_points: float = _log_odds("Size: rank of ARR x the fitted effect of size")
    cohort_points: float = _log_odds("Usage cohort")
    single_champion_points: float = _log_odds("Single champion: one user makes most events")
    overdue_points: float = _log_odds("Long overdue invoices")
    sentiment_points: float = _log_odds("Bad ticket sentiment")
    renewal_points: float = _log_odds("Renewal ahead")
    external_signals_points: float = _log_odds("External signals (good ones lower the risk)")
    seat_activity_points: float = _log_odds("Seat activity (trained model only)")
    usage_trend_points: float = _log_odds("Trend of active users (trained model only)")
    leaving_points: float = _log_odds("All contracts are known to end within the horizon: a fact, no risk")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def churn_risk(
    account_profiles: Table[AccountProfiles],
    behavioral_scores: Table[BehavioralScores],
    churn_model: Table[ChurnModel],
    spine: Table[Spine],
    policy: ChurnPolicy,
) -> Table[ChurnRisk]:
    """How likely is it that the account leaves within 90 days (policy), and within 12 months?

    One row per live account. The log-odds are a sum: a base, and for each feature its value (less the centre) x its
    coefficient of `churn_model`, trained or the points rule. Features: size, usage cohort, a single champion, long
    overdue invoices, bad ticket sentiment, a near renewal, external signals, and in the trained form seat activity
    and the trend of active users. The probability is the logistic function of the sum. An account whose contracts
    are all known to end within the horizon is almost certain to leave. An input that is not known adds 0 and is
    listed in `inputs_missing`.

    Within 12 months: the same sum for each of the next periods, with the later coefficients, and with the renewal in
    the period in which it falls.
    """
    rows = features(live_accounts(account_profiles, spine), behavioral_scores, policy)
    rows = rows.join(_in_force(churn_model, policy), "as_of")
    every = (_base_part(), *parts(policy, _now(policy), lambda t: t.renewal_now))
    summed = add_up(rows, "log_odds", every)
    is_known = ~too_little_is_known(summed)
    risk = logistic(summed.log_odds)
    stays = reduce(
        mul, [1 - logistic(_later_log_odds(summed, k, policy)) for k in range(2, policy.model.periods + 1)]
    )
    return summed.select(
        *KEY,
        "log_odds",
        "is_trained",
        "is_fitted",
        *(part.column for part in every),
        churn_risk=only_if(is_known, risk),
        churn_risk_12m=only_if(is_known, 1 - (1 - risk) * stays),
        risk_rank=mid_rank(summed.log_odds.round(_DIGITS), [summed.as_of]) * TOP,
        inputs_missing=missing(summed, (*EVIDENCE, *LEARNED)),
    )


def contributions(
    churn_risk: ir.Table, account_profiles: ir.Table, behavioral_scores: ir.Table, policy: ChurnPolicy
) -> ir.Table:
    """The parts of the log-odds as rows of `score_contributions`, under the score churn_risk."""
    bases = churn_risk.select(*KEY, base="base_points")
    inputs = features(account_profiles, behavioral_scores, policy).join(bases, list(KEY))
    every = (_base_part(), *parts(policy, _now(policy), lambda t: t.renewal_now))
    return score_parts.contributions(churn_risk, inputs, "churn_risk", every, shared_weights=False)


def _base_part() -> Part:
    return Part(BASE, None, lambda t: t.base, lambda t: t.base)


def _in_force(churn_model: ir.Table, policy: ChurnPolicy) -> ir.Table:
    """One row per as_of: base, renewal, and per term (by its place) `now_`, `later_` and `centre_`."""
    m = churn_model

    def of(name: str, figure: str) -> ir.Value:
        return m[figure].max(where=m.term == name)

    figures = {"now": "coefficient", "later": "later_coefficient", "centre": "centre"}
    return m.group_by("as_of").aggregate(
        is_trained=m.is_trained.any(),
        is_fitted=m.is_fitted.any(),
        base=of(BASE, "coefficient"),
        base_later=of(BASE, "later_coefficient"),
        renewal_now=of(RENEWAL, "coefficient"),
        renewal_later=of(RENEWAL, "later_coefficient"),
        **{
            f"{name}_{i}": of(term.name, figure)
            for i, term in enumerate(terms(policy))
            for name, figure in figures.items()
        },
    )


def _now(policy: ChurnPolicy) -> Callable[[ir.Table, Term], ir.Value]:
    """What a term adds in the first period."""
    return _adds(policy, "now")


def _adds(policy: ChurnPolicy, when: str) -> Callable[[ir.Table, Term], ir.Value]:
    place = {term.name: i for i, term in enumerate(terms(policy))}

    def of_term(rows: ir.Table, term: Term) -> ir.Value:
        i = place[term.name]
        return (worth(rows, term) - rows[f"centre_{i}"]) * rows[f"{when}_{i}"]

    return of_term


def _later_log_odds(rows: ir.Table, period: int, policy: ChurnPolicy) -> ir.Value:
    """The log-odds of leaving in a later period, for an account that is live at its start."""
    of_term = _adds(policy, "later")
    renews = falls_in(rows.days_to_renewal, period, policy.renewal.within_days, policy) * rows.renewal_later
    leaves = leaves_in(rows, period, policy) * policy.known_leaving
    return reduce(
        add, [of_term(rows, term).fill_null(0.0) for term in terms(policy)], rows.base_later + renews + leaves
    )
