"""Policy sections of the dimension scores, one per table, and the shapes they share.

Here: scales, points per word, weights, ordered rules, and the sections of firmographic, technographic, behavioral,
needs and health scores and of churn risk. Not here: value and expansion (`value`), or how a score is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from segmentation_assets.policy.company import Score
from segmentation_assets.policy.section import Section

FULL_WEIGHT = 100.0


def _ascending(knots: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    if len(knots) < 2:
        raise ValueError("a scale needs at least two knots [input, points]")
    for (left, _), (right, _) in pairwise(knots):
        if not left < right:
            raise ValueError(f"the inputs of a scale must rise from knot to knot: {left:g} then {right:g}")
    return knots


Scale = Annotated[tuple[tuple[float, Score], ...], AfterValidator(_ascending)]
"""Knots [input, points 0-100], inputs rising: points run linearly between knots and stay flat beyond them."""


class WordPoints(Section):
    """Points 0-100 per word (case does not matter); `other` is for a word not named here."""

    points: dict[str, Score]
    other: Score

    @model_validator(mode="after")
    def _each_word_once(self) -> Self:
        words = [word.strip().lower() for word in self.points]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"the same word stands twice: {', '.join(twice)}")
        return self


class Weights(Section):
    """Weights of a score's parts, a field each; they sum to 100."""

    @model_validator(mode="after")
    def _sum(self) -> Self:
        total = sum(value for _, value in self)
        if abs(total - FULL_WEIGHT) > 1e-9:
            raise ValueError(f"the weights must sum to {FULL_WEIGHT:g}, they sum to {total:g}")
        return self
