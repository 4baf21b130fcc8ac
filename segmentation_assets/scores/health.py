"""How the account is doing: health in four dimensions and overall.

Here: the points of each dimension and the overall score. Not here: the risk that the account leaves (`churn`).
"""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import HealthPolicy, Scale
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.parts import KEY, TOP, Part, adjust, on_scale, points, score_column, weigh, weigh_each
from segmentation_assets.scores.rules import BORDER_DIGITS
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Flag, Snapshot, column
from segmentation_assets.tables.registry import Table, table

DIMENSIONS = ("product", "relationship", "outcome", "financial")


class HealthScores(Snapshot):
    """Health in four dimensions and overall. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    product_health: float = score_column("Depth, adoption and reliability; null if none of them is known.")
    relationship_health: float = score_column(
        "Engagement, responsiveness, NPS, CSAT and ticket sentiment; null if none of them is known."
    )
    outcome_health: float = score_column("Share of due goals met; null if no goal was due.")
    financial_health: float = score_column("Payments, overdue invoices and budget signals; null if none is known.")
    health_score: float = score_column("Weighted mean of the known dimensions, at most the weakest + 25 (policy).")
    uncapped_health_score: float = score_column(
        "The weighted mean before the cap. It orders accounts with equal health_score."
    )
    weakest_dimension: str = column(
        "The lowest of the four; of equals the first in this order: product, relationship, outcome, financial.",
        nullable=True,
        isin=DIMENSIONS,
    )
    is_capped: Flag = column("Whether the weakest dimension caps the overall score.", nullable=True)
    capped_by: str = column("The dimension that caps the overall score; null: none.", nullable=True, isin=DIMENSIONS)
    depth_points: float = points("Key-feature events per active user, in product_health")
    adoption_points: float = points("Seat activity, in product_health")
    reliability_points: float = points("Errors per event, in product_health")
    engagement_points: float = points("Touches and meetings in 90 days, in relationship_health")
    responsiveness_points: float = points("Interactions answered in time, in relationship_health")
    nps_points: float = points("NPS, in relationship_health")
    csat_points: float = points("Ticket satisfaction, in relationship_health")
    sentiment_points: float = points("Ticket sentiment, in relationship_health")
    goals_points: float = points("Share of due goals met, in outcome_health")
    payments_points: float = points("Mean days late, in financial_health")
    overdue_points: float = points("Days overdue, in financial_health")
    budget_points: float = points("External signals, in financial_health")
    product_points: float = points("Product health, in health_score")
    relationship_points: float = points("Relationship health, in health_score")
    outcome_points: float = points("Outcome health, in health_score")
    financial_points: float = points("Financial health, in health_score")
    cap_points: float = points("The cap of health_score (0 or less)")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def health_scores(
    account_profiles: Table[AccountProfiles], spine: Table[Spine], policy: HealthPolicy
) -> Table[HealthScores]:
    """How is the account doing: with the product, with us, with its goals, with its payments, and overall?

    One row per live account. A dimension is the weighted mean of its known parts, each on an absolute 0-100 scale of
    the policy; null if no part is known. Overall health is the weighted mean of the known dimensions, at most the
    weakest + 25, so that three good dimensions cannot hide a bad one.
    """
    rows = live_accounts(account_profiles, spine)
    parts = dimension_parts(policy)
    dimensions = weigh_each(rows, {f"{name}_health": of_one for name, of_one in parts.items()}, keep=())
    mean = weigh(dimensions, "health_score", overall_parts(policy))
    weakest = ibis.least(*(_or_above_all(mean, dimension) for dimension in DIMENSIONS))
    mean = mean.mutate(uncapped_health_score=mean.health_score)
    capped = adjust(mean, "health_score", "cap", ibis.least(mean.health_score, weakest + policy.cap_above_weakest))
    is_capped = capped.cap_points.round(BORDER_DIGITS) < 0  # rounding noise can lift a mean above its own cap
    return capped.select(
        *KEY,
        "health_score",
        "uncapped_health_score",
        *(f"{dimension}_health" for dimension in DIMENSIONS),
        *(part.column for of_one in parts.values() for part in of_one),
        *(part.column for part in overall_parts(policy)),
        "cap_points",
        weakest_dimension=_weakest(capped),
        is_capped=is_capped,
        capped_by=ibis.ifelse(is_capped, _weakest(capped), ibis.null("string")),
    )


def contributions(health_scores: ir.Table, account_profiles: ir.Table, policy: HealthPolicy) -> ir.Table:
    """The parts of the four dimensions and of health_score as rows of `score_contributions`."""
    by_dimension = [
        score_parts.contributions(health_scores, account_profiles, f"{dimension}_health", parts)
        for dimension, parts in dimension_parts(policy).items()
    ]
    overall = health_scores.select(*KEY, "weakest_dimension", *(f"{d}_health" for d in DIMENSIONS))
    cap = Part("cap", None, lambda t: t.weakest_dimension)
    of_health = score_parts.contributions(health_scores, overall, "health_score", (*overall_parts(policy), cap))
    return ibis.union(*by_dimension, of_health)


def dimension_parts(policy: HealthPolicy) -> dict[str, tuple[Part, ...]]:
    """The parts of each dimension."""
    product, relationship, financial = policy.product, policy.relationship, policy.financial
    feelings, bills = relationship.weights, financial.weights
    return {
        "product": (
            _part("depth", product.weights.depth, lambda t: t.key_events_per_active_user, product.depth),
            _part("adoption", product.weights.adoption, lambda t: t.mau_seat_share, product.adoption),
            _part("reliability", product.weights.reliability, lambda t: t.error_rate, product.reliability),
        ),
        "relationship": (
            _part("engagement", feelings.engagement, touches_and_meetings, relationship.engagement),
            _part("responsiveness", feelings.responsiveness, lambda t: t.responsiveness, relationship.responsiveness),
            _part("nps", feelings.nps, lambda t: t.nps, relationship.nps),
            _part("csat", feelings.csat, lambda t: t.csat, relationship.csat),
            _part("sentiment", feelings.sentiment, lambda t: t.sentiment, relationship.sentiment),
        ),
        "outcome": (_part("goals", TOP, lambda t: t.goals_met_share, policy.outcome.goals),),
        "financial": (
            _part("payments", bills.payments, lambda t: t.mean_days_late, financial.payments),
            _part("overdue", bills.overdue, lambda t: t.overdue_days, financial.overdue),
            _part("budget", bills.budget, lambda t: t.negative_weight_180d, financial.budget),
        ),
    }


def overall_parts(policy: HealthPolicy) -> tuple[Part, ...]:
    """The parts of overall health, before the cap."""
    return tuple(
        Part(dimension, getattr(policy.weights, dimension), health, health)
        for dimension in DIMENSIONS
        for health in [_health(dimension)]
    )


def touches_and_meetings(rows: ir.Table) -> ir.Value:
    """Touches and meetings in 90 days; one of them alone if the other is not known."""
    total = rows.touches_90d.fill_null(0) + rows.meetings_90d.fill_null(0)
    is_known = rows.touches_90d.notnull() | rows.meetings_90d.notnull()
    return ibis.ifelse(is_known, total, ibis.null("int64"))


def _part(name: str, weight: float, raw: Callable[[ir.Table], ir.Value], scale: Scale) -> Part:
    return Part(name, weight, raw, lambda t: on_scale(raw(t), scale))


def _health(dimension: str) -> Callable[[ir.Table], ir.Value]:
    return lambda t: t[f"{dimension}_health"]


def _or_above_all(rows: ir.Table, dimension: str) -> ir.Value:
    # Engines differ in LEAST of null, so an absent dimension gets a value above all others.
    return rows[f"{dimension}_health"].fill_null(2 * TOP)


def _weakest(rows: ir.Table) -> ir.StringValue:
    weakest = ibis.least(*(_or_above_all(rows, dimension) for dimension in DIMENSIONS))
    return ibis.cases(
        *((rows[f"{dimension}_health"] == weakest, dimension) for dimension in DIMENSIONS),
        else_=ibis.null("string"),
    )
