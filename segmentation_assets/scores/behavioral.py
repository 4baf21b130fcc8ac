"""How the account uses the product: behavioral score and usage cohort.

Here: the points of usage and the cohort rules. Not here: measuring usage (`profiles.usage`), or the segment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import BehavioralPolicy, Cohort, Scale
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, Part, mean_of, on_scale, points, score_column, weigh
from segmentation_assets.scores.rules import OTHERWISE, first_that_holds, hold
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table

ONBOARDING = "onboarding"
KEPT_SEPARATOR = "|"
COHORT_INPUTS = (
    "lifecycle_stage",
    "active_users_28d",
    "active_users_prior_28d",
    "events_28d",
    "events_prior_28d",
    "mau_seat_share",
    "users_trend_net",
    "events_trend_net",
)


class BehavioralScores(Snapshot):
    """Behavioral score and usage cohort. Key: as_of, account_id; one row per live account; null without usage."""

    account_id: str = column("Account.")
    behavioral_score: float = score_column("How much, how deeply and how steadily the account uses the product.")
    seat_activity: float = column(
        "Active users of the last 28 days ÷ licensed seats. Above 1 if more people use it than seats are licensed.",
        unit="share",
        nullable=True,
        ge=0,
    )
    behavioral_cohort: str = column(
        "Usage cohort: the first of the policy's cohorts whose rule holds (Dormant, At Risk, Power User, Steady "
        "State); null without usage.",
        nullable=True,
    )
    cohort_rule: str = column("The rule that decided the cohort; `otherwise` for the last cohort.", nullable=True)
    seat_activity_points: float = points("Seat activity")
    depth_points: float = points("Key-feature events per active user")
    breadth_points: float = points("Share of paid features and of departments in use")
    trend_points: float = points("Trend of users, events and minutes, net of the company median")
    consistency_points: float = points("Share of weekdays in use")
    self_service_points: float = points("Self-service ratio")
    engagement_points: float = points("Marketing and community touches")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def behavioral_scores(
    account_profiles: Table[AccountProfiles], spine: Table[Spine], policy: BehavioralPolicy
) -> Table[BehavioralScores]:
    """How well does the account use the product, and in which usage cohort is it?

    One row per live account; all null without usage. The score is the weighted mean of seat activity, depth, breadth,
    trend (net of the company median), consistency, self-service and engagement. Each has an absolute 0-100 scale in
    the policy, so that no account moves because others do. The cohort is the first of the policy whose rule holds:
    Dormant, At Risk, Power User, else Steady State. An account that is still onboarding is never Dormant or At Risk.
    """
    rows = live_accounts(account_profiles, spine)
    scored = weigh(rows, "behavioral_score", parts(policy), keep=COHORT_INPUTS)
    named = scored.select(
        *KEY,
        "behavioral_score",
        *(part.column for part in parts(policy)),
        seat_activity=scored.mau_seat_share,
        cohort_rule=ibis.ifelse(_is_used(scored), cohort_rule(scored, policy), ibis.null("string")),
    )
    return named.mutate(behavioral_cohort=cohort_of(named.cohort_rule, policy))


def contributions(behavioral_scores: ir.Table, account_profiles: ir.Table, policy: BehavioralPolicy) -> ir.Table:
    """The parts of behavioral_score as rows of `score_contributions`."""
    return score_parts.contributions(behavioral_scores, account_profiles, "behavioral_score", parts(policy))


def parts(policy: BehavioralPolicy) -> tuple[Part, ...]:
    """The parts of the score. All of them are absent without usage."""
    weights = policy.weights
    return (
        _part("seat_activity", weights.seat_activity, lambda t: t.mau_seat_share, policy.seat_activity),
        _part("depth", weights.depth, lambda t: t.key_events_per_active_user, policy.depth),
        _part("breadth", weights.breadth, breadth, policy.breadth),
        _part("trend", weights.trend, trend, policy.trend),
        _part("consistency", weights.consistency, lambda t: t.consistency, policy.consistency),
        _part("self_service", weights.self_service, lambda t: t.self_service_ratio, policy.self_service),
        _part("engagement", weights.engagement, lambda t: t.touches_90d, policy.engagement),
    )


def breadth(rows: ir.Table) -> ir.Value:
    """Mean of the shares of paid features and of departments in use; of one if the other is not known."""
    return mean_of([rows.feature_breadth_share, rows.department_breadth_share])


def trend(rows: ir.Table) -> ir.Value:
    """Mean of the known trends among active users, events and minutes, each net of the company median."""
    return mean_of([rows.users_trend_net, rows.events_trend_net, rows.minutes_trend_net])


def cohort_rule(scored: ir.Table, policy: BehavioralPolicy) -> ir.StringValue:
    """Name of the first cohort rule that holds. Needs the columns of COHORT_INPUTS and behavioral_score."""
    rules = [rule for cohort in policy.cohorts for rule in _rules(cohort, scored)]
    return first_that_holds(rules, OTHERWISE)


def kept_cohorts(scored: ir.Table, policy: BehavioralPolicy) -> ir.StringValue:
    """The cohorts that an account would stay in if it were in them (`leave` in the policy), each followed by a `|`.

    Null without usage. Needs the columns of COHORT_INPUTS and behavioral_score.
    """
    names = ibis.literal("")
    for cohort in policy.cohorts[:-1]:
        stays = reduce(or_, [holds for holds, _ in _rules(cohort, scored, for_members=True)])
        names += ibis.ifelse(stays, f"{cohort.name}{KEPT_SEPARATOR}", "")
    return ibis.ifelse(_is_used(scored), names, ibis.null("string"))


def cohort_of(rule: ir.StringValue, policy: BehavioralPolicy) -> ir.StringValue:
    """The cohort that a rule belongs to; null stays null."""
    *ruled, last = policy.cohorts
    named = [(rule == reason.name, cohort.name) for cohort in ruled for reason in cohort.any_of]
    return ibis.cases(*named, (rule == OTHERWISE, last.name), else_=ibis.null("string"))


def _rules(cohort: Cohort, scored: ir.Table, *, for_members: bool = False) -> list[tuple[ir.BooleanValue, str]]:
    measures = {
        "active_users": scored.active_users_28d,
        "prior_active_users": scored.active_users_prior_28d,
        "prior_events_without_users": ibis.ifelse(
            scored.active_users_prior_28d.isnull(), scored.events_prior_28d, ibis.null("int64")
        ),
        "seat_activity": scored.mau_seat_share,
        "users_trend_net": scored.users_trend_net,
        "events_trend_net": scored.events_trend_net,
        "score": scored.behavioral_score,
    }
    is_onboarded = (scored.lifecycle_stage != ONBOARDING).fill_null(True)
    rules = []
    for rule in cohort.any_of:
        test = hold([c.for_members if for_members else c for c in rule.all_of], measures)
        rules.append((test & is_onboarded if cohort.after_onboarding else test, rule.name))
    return rules


def _part(name: str, weight: float, raw: Callable[[ir.Table], ir.Value], scale: Scale) -> Part:
    return Part(
        name,
        weight,
        raw,
        lambda t: ibis.ifelse(_is_used(t), on_scale(raw(t), scale), ibis.null("float64")),
    )


def _is_used(rows: ir.Table) -> ir.BooleanValue:
    return rows.events_28d.notnull()
