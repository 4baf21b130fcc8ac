"""One number over the five dimensions.

Here: the weighted mean of the dimension scores, and which of them are known. Not here: any dimension, or the
segments (rules decide them, not this number).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.value import CompositePolicy
from segmentation_assets.profiles.facts import with_figures
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores import parts as score_parts
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.firmographic import FirmographicScores
from segmentation_assets.scores.live import live_accounts
from segmentation_assets.scores.needs import NeedsScores
from segmentation_assets.scores.parts import KEY, Part, points, score_column, weigh
from segmentation_assets.scores.technographic import TechnographicScores
from segmentation_assets.scores.value import ValueScores
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

DIMENSIONS = ("firmographic", "technographic", "behavioral", "value", "needs")


def _weight(dimension: str) -> Any:
    return column(
        f"Weight of {dimension} among the scores that are present; null if absent.",
        unit="share",
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
    )


class CompositeScores(Snapshot):
    """The composite score of each live account. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    composite_score: float = score_column("Weighted mean of the dimension scores that are present.")
    dimensions_used: str = column("Dimensions with a score, comma-separated; empty if none.")
    data_completeness: float = column(
        "Sum of the policy's weights of the dimensions with a score ÷ sum of all five weights.",
        unit="share",
        in_range={"min_value": 0, "max_value": 1},
    )
    firmographic_weight: float = _weight("firmographic")
    technographic_weight: float = _weight("technographic")
    behavioral_weight: float = _weight("behavioral")
    value_weight: float = _weight("value")
    needs_weight: float = _weight("needs")
    firmographic_points: float = points("Firmographic score")
    technographic_points: float = points("Technographic score")
    behavioral_points: float = points("Behavioral score")
    value_points: float = points("Value score")
    needs_points: float = points("Needs score")

    class Config:
        unique = ["as_of", "account_id"]


@table(group="scores")
def composite_scores(
    spine: Table[Spine],
    account_profiles: Table[AccountProfiles],
    firmographic_scores: Table[FirmographicScores],
    technographic_scores: Table[TechnographicScores],
    behavioral_scores: Table[BehavioralScores],
    value_scores: Table[ValueScores],
    needs_scores: Table[NeedsScores],
    policy: CompositePolicy,
) -> Table[CompositeScores]:
    """How good is each live account over all five dimensions, and how many of them are known?

    One row per as_of and live account: the weighted mean of the firmographic, technographic, behavioral, value and
    needs scores. A dimension without a score is left out; its weight goes to the others in proportion.
    """
    rows = dimension_scores(
        live_accounts(account_profiles, spine),
        firmographic_scores,
        technographic_scores,
        behavioral_scores,
        value_scores,
        needs_scores,
    )
    scored = weigh(rows, "composite_score", parts(policy))
    weights = {name: float(weight) for name, weight in policy.weights}
    present = {name: rows[f"{name}_score"].notnull() for name in DIMENSIONS}
    weight_present = reduce(add, [ibis.ifelse(present[name], weights[name], 0.0) for name in DIMENSIONS])
    rows = scored.mutate(
        dimensions_used=reduce(add, [ibis.ifelse(present[name], f", {name}", "") for name in DIMENSIONS]).substr(2),
        data_completeness=weight_present / sum(weights.values()),
        **{
            f"{name}_weight": ibis.ifelse(
                present[name], weights[name] / weight_present.nullif(0.0), ibis.null("float64")
            )
            for name in DIMENSIONS
        },
    )
    return rows.select(*(name for name in ibis_schema(CompositeScores) if name != POLICY_HASH))


def contributions(composite_scores: ir.Table, dimensions: ir.Table, policy: CompositePolicy) -> ir.Table:
    """The parts of composite_score as rows of `score_contributions`; `dimensions` is `dimension_scores`."""
    return score_parts.contributions(composite_scores, dimensions, "composite_score", parts(policy))


def parts(policy: CompositePolicy) -> tuple[Part, ...]:
    """The five dimensions; their inputs are the columns of `dimension_scores`."""
    scores = {name: _score(name) for name in DIMENSIONS}
    return tuple(Part(name, getattr(policy.weights, name), score, score) for name, score in scores.items())


def dimension_scores(
    live: ir.Table,
    firmographic_scores: ir.Table,
    technographic_scores: ir.Table,
    behavioral_scores: ir.Table,
    value_scores: ir.Table,
    needs_scores: ir.Table,
) -> ir.Table:
    """The accounts of `live` with their `<dimension>_score` columns; null without a score."""
    tables = (firmographic_scores, technographic_scores, behavioral_scores, value_scores, needs_scores)
    named = zip(DIMENSIONS, tables, strict=True)
    return with_figures(live.select(*KEY), *(scores.select(*KEY, f"{name}_score") for name, scores in named))


def _score(dimension: str) -> Callable[[ir.Table], ir.Value]:
    return lambda t: t[f"{dimension}_score"]
