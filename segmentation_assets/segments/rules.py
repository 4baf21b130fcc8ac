"""The ordered rules that give every account its segment.

Here: the policy's rules applied to standings, in NumPy. Not here: exit bands (`standing`), the tier rules (`tiers`),
or when a segment comes into force (`stability`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segmentation_assets.policy.segments import (
    NEEDS_PROFILES,
    SEGMENTS,
    SIZE_CLASSES,
    UNKNOWN,
    VALUE_TIERS,
    Conditions,
    SegmentRulesPolicy,
)
from segmentation_assets.segments.standing import HIGH, LEVELS, Codes, Flags, Standing

_DIMENSIONS = ("size", "cohort", "value_tier", "needs")


class RuleBook:
    """The policy's rules, compiled for arrays of accounts."""

    def __init__(self, policy: SegmentRulesPolicy, cohorts: Sequence[str]) -> None:
        self.policy = policy
        self.words = {
            "size": SIZE_CLASSES, "cohort": tuple(cohorts), "value_tier": VALUE_TIERS, "needs": NEEDS_PROFILES,
            "expansion": LEVELS,
        }  # fmt: skip
        self.rule_ids = tuple(dict.fromkeys(rule.id for rule in policy.rules))
        self._segments = np.array([SEGMENTS.index(rule.segment) for rule in policy.rules])
        self._ids = np.array([self.rule_ids.index(rule.id) for rule in policy.rules])

    def decide(self, standing: Standing) -> tuple[Codes, Codes]:
        """Segment (index in SEGMENTS) and rule (index in rule_ids) of every account: the first rule that holds."""
        verdicts = [self._holds(rule, rule.dimensions_at_most, standing) for rule in self.policy.rules]
        first = np.argmax(np.vstack(verdicts), axis=0)  # the last rule holds for all
        return self._segments[first], self._ids[first]

    def is_worth_saving(self, standing: Standing) -> Flags:
        """Whether CLV is high, or the policy names the value tier as worth saving."""
        by_tier = self._is_among("value_tier", self.policy.worth_saving.value_tiers, standing)
        return by_tier | (standing.clv == HIGH)

    def _holds(self, rule: Conditions, dimensions_at_most: int | None, standing: Standing) -> Flags:
        named = {
            "size": rule.size_classes, "cohort": rule.cohorts, "value_tier": rule.value_tiers,
            "needs": rule.needs_profiles, "expansion": rule.expansion,
        }  # fmt: skip
        holds = np.ones(len(standing.size), dtype=bool)
        for name, words in named.items():
            if words is not None:
                holds &= self._is_among(name, words, standing)
        if rule.worth_saving is not None:
            holds &= self.is_worth_saving(standing) == rule.worth_saving
        if rule.barely_used is not None:
            holds &= (standing.barely_used == 1) == rule.barely_used
        if dimensions_at_most is not None:
            known_dimensions = sum((getattr(standing, name) >= 0).astype(np.int64) for name in _DIMENSIONS)
            holds &= known_dimensions <= dimensions_at_most
        return holds

    def _is_among(self, name: str, words: Sequence[str], standing: Standing) -> Flags:
        admitted = np.array([*(word in words for word in self.words[name]), UNKNOWN in words])
        return admitted[getattr(standing, name)]  # -1, unknown, is the last entry
