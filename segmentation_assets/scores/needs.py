"""What the account needs from the product: one of the needs profiles.

Here: applying the needs rules. Not here: the rules (policy), their inputs (`profiles`), or plays by profile.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import NeedsPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, TOP, Part, points, score_column, weigh
from segmentation_assets.scores.rules import OTHERWISE, first_that_holds, hold
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table

NEEDS_PROFILES = ("Platform", "Expanding use case", "Specific use case", "Basic need", "Value not realized")


class NeedsScores(Snapshot):
    """Needs profile of each account. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    needs_profile: str = column(
        "Platform, Expanding use case, Specific use case, Basic need or Value not realized; null if no input of the "
        "rules is known.",
        nullable=True,
        isin=NEEDS_PROFILES,
    )
    needs_score: float = score_column("The policy's score of the profile.")
    needs_rule: str = column("The rule that decided; `otherwise` if no rule held.", nullable=True)
    profile_points: float = points("Needs profile")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def needs_scores(
    account_profiles: Table[AccountProfiles], spine: Table[Spine], policy: NeedsPolicy
) -> Table[NeedsScores]:
    """What does the account need from the product: a platform, a use case, or value that it does not get yet?

    One row per live account. The first of the policy's rules that holds decides, from primary use case, products,
    features and departments in use, maturity, decision process, integration need and goals met. If no rule holds:
    Basic need if one of these is known, else null. The number of products alone does not count as known.
    """
    rows = live_accounts(account_profiles, spine)
    decided = rows.select(*KEY, needs_rule=needs_rule(rows, policy))
    profiled = decided.mutate(needs_profile=profile_of(decided.needs_rule, policy))
    scored = weigh(profiled, "needs_score", parts(policy))
    return scored.select(*KEY, "needs_profile", "needs_score", "needs_rule", "profile_points")


def contributions(needs_scores: ir.Table, policy: NeedsPolicy) -> ir.Table:
    """The one part of needs_score as rows of `score_contributions`."""
    inputs = needs_scores.select(*KEY, "needs_profile", "needs_rule")
    return score_parts.contributions(needs_scores, inputs, "needs_score", parts(policy))


def parts(policy: NeedsPolicy) -> tuple[Part, ...]:
    """One part: the profile. Its raw input is the rule that decided."""
    return (Part("profile", TOP, lambda t: t.needs_rule, lambda t: _score(t.needs_profile, policy)),)


def needs_rule(rows: ir.Table, policy: NeedsPolicy) -> ir.StringValue:
    """Name of the first rule that holds. If none does: `otherwise`, or null if no input is known."""
    names = {condition.measure for rule in policy.rules for condition in rule.all_of}
    measures = {name: rows[name] for name in names}
    rule = first_that_holds([(hold(r.all_of, measures), r.name) for r in policy.rules], OTHERWISE)
    return ibis.ifelse((rule != OTHERWISE) | _is_an_input_known(rows), rule, ibis.null("string"))


def profile_of(rule: ir.StringValue, policy: NeedsPolicy) -> ir.StringValue:
    """The profile of a rule; null stays null."""
    named = [(rule == r.name, r.profile) for r in policy.rules]
    return ibis.cases(*named, (rule == OTHERWISE, policy.otherwise), else_=ibis.null("string"))


def _is_an_input_known(rows: ir.Table) -> ir.BooleanValue:
    inputs = (
        rows.primary_use_case,
        rows.maturity,
        rows.decision_process,
        rows.integration_need,
        rows.features_used,
        rows.departments_active,
        rows.goals_met_share,
    )
    return reduce(or_, [value.notnull() for value in inputs])


def _score(profile: ir.StringValue, policy: NeedsPolicy) -> ir.Value:
    return ibis.cases(
        *((profile == name, score) for name, score in policy.scores.items()), else_=ibis.null("float64")
    )
