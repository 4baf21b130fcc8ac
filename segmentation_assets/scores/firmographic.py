"""Who the account is: size class and firmographic fit.

Here: the size class, and the points of company facts. Not here: how the account uses the product (`behavioral`), or
what it is worth (`value`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import FirmographicPolicy, SizeBand, SizePoints, WordPoints
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, Part, of_word, on_scale, points, score_column, weigh
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column
from segmentation_assets.tables.registry import Table, table

SIZE_CLASSES = ("smb", "mid_market", "enterprise")


class FirmographicScores(Snapshot):
    """Size class and firmographic fit. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    size_class: str = column(
        "smb, mid_market or enterprise, by employees, else by annual revenue; null if neither is known.",
        nullable=True,
        isin=SIZE_CLASSES,
    )
    firmographic_score: float = score_column("Fit, from the parts below; null if none of them is known.")
    size_points: float = points("Size class")
    industry_points: float = points("Industry")
    region_points: float = points("Region of the largest subscription")
    business_model_points: float = points("Business model")
    funding_stage_points: float = points("Funding stage")
    buying_cycle_points: float = points("Length of the buying cycle")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def firmographic_scores(
    account_profiles: Table[AccountProfiles], spine: Table[Spine], policy: FirmographicPolicy
) -> Table[FirmographicScores]:
    """How large is the account, and how well do its company facts fit our product?

    One row per live account. Size class by employees, else by annual revenue. The score is the weighted mean of the
    policy's points for size class, industry, region, business model, funding stage and buying cycle. The weight of a
    part that is not known goes to the others.
    """
    rows = live_accounts(account_profiles, spine)
    scored = weigh(rows, "firmographic_score", parts(policy), keep=("employees", "annual_revenue"))
    return scored.select(
        *KEY,
        "firmographic_score",
        *(part.column for part in parts(policy)),
        size_class=size_class(scored, policy),
    )


def contributions(firmographic_scores: ir.Table, account_profiles: ir.Table, policy: FirmographicPolicy) -> ir.Table:
    """The parts of firmographic_score as rows of `score_contributions`."""
    return score_parts.contributions(firmographic_scores, account_profiles, "firmographic_score", parts(policy))


def parts(policy: FirmographicPolicy) -> tuple[Part, ...]:
    """The parts of the score."""
    weights = policy.weights
    return (
        Part(
            "size",
            weights.size,
            lambda t: size_class(t, policy),
            lambda t: _size_points(size_class(t, policy), policy.size),
        ),
        _word("industry", weights.industry, policy.industry),
        _word("region", weights.region, policy.region),
        _word("business_model", weights.business_model, policy.business_model),
        _word("funding_stage", weights.funding_stage, policy.funding_stage),
        Part(
            "buying_cycle",
            weights.buying_cycle,
            lambda t: t.buying_cycle_days,
            lambda t: on_scale(t.buying_cycle_days, policy.buying_cycle_days),
        ),
    )


def size_class(rows: ir.Table, policy: FirmographicPolicy) -> ir.StringValue:
    """smb, mid_market or enterprise by employees, else by annual revenue; null if neither is known."""
    return _band(rows.employees, policy.employees).fill_null(_band(rows.annual_revenue, policy.annual_revenue))


def _word(column_name: str, weight: float, words: WordPoints) -> Part:
    return Part(column_name, weight, lambda t: t[column_name], lambda t: of_word(t[column_name], words))


def _band(value: ir.Value, band: SizeBand) -> ir.StringValue:
    return ibis.cases(
        (value < band.mid_market_from, "smb"),
        (value < band.enterprise_from, "mid_market"),
        (value >= band.enterprise_from, "enterprise"),
        else_=ibis.null("string"),
    )


def _size_points(size: ir.StringValue, policy: SizePoints) -> ir.Value:
    return ibis.cases(
        (size == "smb", policy.smb),
        (size == "mid_market", policy.mid_market),
        (size == "enterprise", policy.enterprise),
        else_=ibis.null("float64"),
    )
