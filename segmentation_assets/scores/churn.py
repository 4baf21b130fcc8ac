"""How likely the account is to leave within the policy's horizon (90 days).

Here: the probability and its rank. Not here: the points of the rule (`churn_points`), the fitted base
(`churn_bases`), CLV's retention curves (`lifetime`), or what to do about the risk (plays).
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import ChurnPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn_bases import ChurnBases
from segmentation_assets.scores.churn_points import evidence, logistic, missing, risk_inputs, too_little_is_known
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
    risk_rank: float = column(
        "Mid-rank of the log-odds among live accounts x 100: 100 = the most likely to leave.",
        unit="score",
        in_range={"min_value": 0, "max_value": 100},
    )
    log_odds: float = column("Sum of the parts below.", unit="log-odds")
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

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def churn_risk(
    account_profiles: Table[AccountProfiles],
    behavioral_scores: Table[BehavioralScores],
    churn_bases: Table[ChurnBases],
    spine: Table[Spine],
    policy: ChurnPolicy,
) -> Table[ChurnRisk]:
    """How likely is it that the account leaves within 90 days (policy)?

    One row per live account. The log-odds are a sum: a base and an effect of size, both fitted to the accounts that
    left in the last year, plus points for the usage cohort (At Risk or Dormant), a single champion, long overdue
    invoices, bad ticket sentiment, a near renewal, and external signals (good ones lower the risk). The probability
    is their logistic function. An input that is not known adds 0 and is listed in `inputs_missing`.
    """
    rows = risk_inputs(live_accounts(account_profiles, spine), behavioral_scores)
    bases = churn_bases.select("as_of", "is_fitted", base="base_log_odds", size="size_log_odds")
    summed = add_up(rows.join(bases, "as_of"), "log_odds", parts(policy))
    is_unknown = too_little_is_known(summed, evidence(policy))
    return summed.select(
        *KEY,
        "log_odds",
        "is_fitted",
        *(part.column for part in parts(policy)),
        churn_risk=ibis.ifelse(is_unknown, ibis.null("float64"), logistic(summed.log_odds)),
        risk_rank=mid_rank(summed.log_odds.round(_DIGITS), [summed.as_of]) * TOP,
        inputs_missing=missing(summed, evidence(policy)),
    )


def contributions(
    churn_risk: ir.Table, account_profiles: ir.Table, behavioral_scores: ir.Table, policy: ChurnPolicy
) -> ir.Table:
    """The parts of the log-odds as rows of `score_contributions`, under the score churn_risk."""
    bases = churn_risk.select(*KEY, base="base_points")
    inputs = risk_inputs(account_profiles, behavioral_scores).join(bases, list(KEY))
    return score_parts.contributions(churn_risk, inputs, "churn_risk", parts(policy), shared_weights=False)


def parts(policy: ChurnPolicy) -> tuple[Part, ...]:
    """The parts of the log-odds."""
    return (
        Part("base", None, lambda t: t.base, lambda t: t.base),
        Part("size", None, lambda t: t.arr, lambda t: t.size_rank * t["size"]),
        *evidence(policy),
    )
