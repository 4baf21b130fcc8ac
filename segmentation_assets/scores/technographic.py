"""How the account's tools fit our product.

Here: the points of an account's tools. Not here: counting the tools (`profiles.technology`).
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
    """How the account's tools fit our product. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    technographic_score: float = score_column("Fit of the tools, from the parts below; null without known installs.")
    integration_opportunity: float = score_column("Number of complementary tools, on the policy's scale.")
    displacing: str = column(
        "displacing: more competitor and legacy tools than complementary ones; complementing: fewer; neutral: as "
        "many; null without known installs.",
        nullable=True,
        isin=STANCES,
    )
    sophistication: float = column(
        "Readiness for advanced features, 0-1, as in account_technology.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )
    consolidation: str = column(
        "Trend of the number of tools over 12 months: consolidating, expanding or steady.", nullable=True
    )
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
    """How well do the account's tools fit our product?

    One row per live account; null without known installs. The weighted mean of the policy's points for the number of
    complementary tools (to integrate with), for whether our product complements or displaces most tools, for
    sophistication (readiness for advanced features), and for the trend of the number of tools.
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
    """The parts of the score."""
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
    """displacing, complementing or neutral: which kind of tools is in the majority? Null if not known."""
    against = rows.competitor_tools + rows.legacy_tools
    return ibis.cases(
        (against > rows.complementary_tools, "displacing"),
        (against < rows.complementary_tools, "complementing"),
        (against == rows.complementary_tools, "neutral"),
        else_=ibis.null("string"),
    )


def _stance_points(rows: ir.Table, policy: TechnographicPolicy) -> ir.Value:
    word = stance(rows)
    return ibis.cases(
        (word == "displacing", policy.displacing.displacing),
        (word == "complementing", policy.displacing.complementing),
        (word == "neutral", policy.displacing.neutral),
        else_=ibis.null("float64"),
    )


def _consolidation_points(rows: ir.Table, policy: TechnographicPolicy) -> ir.Value:
    return ibis.cases(
        (rows.consolidation == "consolidating", policy.consolidation.consolidating),
        (rows.consolidation == "steady", policy.consolidation.steady),
        (rows.consolidation == "expanding", policy.consolidation.expanding),
        else_=ibis.null("float64"),
    )
