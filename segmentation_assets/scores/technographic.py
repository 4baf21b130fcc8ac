"""What the account runs: how its stack fits ours.

Here: the points of the tools an account has. Not here: counting the tools (`profiles.technology`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import TechnographicPolicy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, Part, on_scale, points, score_column, weigh
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table

TOOLS = ("complementary_tools", "competitor_tools", "legacy_tools", "sophistication", "consolidation")
STANCES = ("displacing", "complementing", "neutral")


class TechnographicScores(Snapshot):
    """Fit of the technology stack. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    technographic_score: float = score_column("Fit of the stack; null if no installs are on record.")
    integration_opportunity: float = score_column("What there is to integrate with: complementary tools.")
    displacing: str = column(
        "displacing if competitor and legacy tools outnumber complementary ones, complementing the other way "
        "round, neutral if equal; null if unknown.",
        nullable=True,
        isin=STANCES,
    )
    sophistication: float = column(
        "Readiness for advanced features, 0-1, as in account_technology.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    consolidation: str = column("Where the number of tools goes: consolidating, expanding or steady.", nullable=True)
    integration_points: float = points("Integration opportunity")
    displacing_points: float = points("Displacing or complementing")
    sophistication_points: float = points("Sophistication")
    consolidation_points: float = points("Consolidating or expanding")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def technographic_scores(
    account_profiles: Table[AccountProfiles], spine: Table[Spine], policy: TechnographicPolicy
) -> Table[TechnographicScores]:
    """How well does the account's technology fit ours?

    The weighted mean of the policy's points for complementary tools (what there is to integrate with), for whether
    we complement or displace what is there, for sophistication (readiness for advanced features), and for whether
    the number of tools grows or shrinks. Null where no installs are on record. One row per live account.
    """
    rows = live_accounts(account_profiles, spine)
    scored = weigh(rows, "technographic_score", parts(policy), keep=TOOLS)
    return scored.select(
        *KEY,
        "technographic_score",
        "sophistication",
        "consolidation",
        *(part.column for part in parts(policy)),
        integration_opportunity=on_scale(scored.complementary_tools, policy.complementary_tools),
        displacing=stance(scored),
    )


def contributions(
    technographic_scores: ir.Table, account_profiles: ir.Table, policy: TechnographicPolicy
) -> ir.Table:
    """The parts of technographic_score as rows of `score_contributions`."""
    return score_parts.contributions(technographic_scores, account_profiles, "technographic_score", parts(policy))


def parts(policy: TechnographicPolicy) -> tuple[Part, ...]:
    """What makes the score."""
    weights = policy.weights
    return (
        Part(
            "integration",
            weights.integration,
            lambda t: t.complementary_tools,
            lambda t: on_scale(t.complementary_tools, policy.complementary_tools),
        ),
        Part("displacing", weights.displacing, stance, lambda t: _stance_points(t, policy)),
        Part(
            "sophistication",
            weights.sophistication,
            lambda t: t.sophistication,
            lambda t: on_scale(t.sophistication, policy.sophistication),
        ),
        Part(
            "consolidation",
            weights.consolidation,
            lambda t: t.consolidation,
            lambda t: _consolidation_points(t, policy),
        ),
    )


def stance(rows: ir.Table) -> ir.StringValue:
    """displacing, complementing or neutral by which tools are more; null if unknown."""
    against = rows.competitor_tools + rows.legacy_tools
    return ibis.cases(
        (against > rows.complementary_tools, "displacing"),
        (against < rows.complementary_tools, "complementing"),
        (against == rows.complementary_tools, "neutral"),
        else_=ibis.null("string"),
    )


def _stance_points(rows: ir.Table, policy: TechnographicPolicy) -> ir.Value:
    found = stance(rows)
    return ibis.cases(
        (found == "displacing", policy.displacing.displacing),
        (found == "complementing", policy.displacing.complementing),
        (found == "neutral", policy.displacing.neutral),
        else_=ibis.null("float64"),
    )


def _consolidation_points(rows: ir.Table, policy: TechnographicPolicy) -> ir.Value:
    return ibis.cases(
        (rows.consolidation == "consolidating", policy.consolidation.consolidating),
        (rows.consolidation == "steady", policy.consolidation.steady),
        (rows.consolidation == "expanding", policy.consolidation.expanding),
        else_=ibis.null("float64"),
    )
