"""The rules of the coverage tiers for many accounts at once.

Here: billing thresholds with their exit band, and the tier that the rules give to an account, in NumPy. Not here: the
rules' inputs (`inputs`), when a tier change comes into force (`stability`), or the cuts (`cuts`).

The first rule that holds wins. An account enters a tier at one bound and leaves it at another (policy):
- Strategic: ARR at the cut and a sign other than ARR, or ARR at the top cut.
- Growth: ARR at its bound and signs of expansion; to enter, also usage and health. Unknown signs do not end it.
- Long-Tail: ARR counts as below the lowest threshold, and there is little to expand.
- Core: all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmentation_assets.policy.segments import (
    STRATEGIC_EVIDENCE,
    STRATEGIC_SIGNS,
    TIER_RULES,
    TIERS,
    TOP_ARR,
    TierPolicy,
)

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

NO_TIER = -1
STRATEGIC, GROWTH, CORE, LONG_TAIL = range(len(TIERS))

TIER_RULE_IDS = tuple(rule.id for rule in TIER_RULES)
_BY_EXPANSION, _BY_ARR = len(STRATEGIC_SIGNS), STRATEGIC_EVIDENCE.index(TOP_ARR)
_GROWTH, _GROWTH_KEPT, _LONG_TAIL, _CORE, _CORE_KEPT = range(2 * len(STRATEGIC_EVIDENCE), len(TIER_RULE_IDS))


@dataclass(frozen=True)
class TierInputs:
    """The inputs of the tier rules, one entry per account. NaN is unknown; a cut of NaN: no account reaches it."""

    arr: Floats
    is_above_long_tail: Flags
    """ARR counts as above the lowest threshold, after the exit band."""
    strategic_cut: Floats
    top_cut: Floats
    strategic_sign: Codes
    """Index in STRATEGIC_SIGNS, -1: none."""
    expansion_score: Floats
    lookalike: Floats
    behavioral_score: Floats
    health_score: Floats


@dataclass(frozen=True)
class Thresholds:
    """Whether ARR counts as above each billing threshold."""

    long_tail: Flags
    growth: Flags
    strategic: Flags

    def differ(self, other: Thresholds) -> Flags:
        """Accounts on another side of any threshold."""
        return (
            (self.long_tail != other.long_tail) | (self.growth != other.growth) | (self.strategic != other.strategic)
        )


def counts_as_above(arr: Floats, threshold: Floats | float, before: Flags, exit_band: float) -> Flags:
    """Up at the threshold, down when below it by the exit band, else as before. Nothing is above a NaN threshold."""
    stays = before & (arr >= threshold * (1 - exit_band))
    return (arr >= threshold) | stays


def thresholds_of(arr: Floats, strategic_cut: Floats, before: Thresholds | None, tier: TierPolicy) -> Thresholds:
    """Sides of the thresholds for `arr`, given the sides `before`; without these, the plain comparison."""
    nobody = np.zeros(len(arr), dtype=bool)
    was = before or Thresholds(nobody, nobody, nobody)
    return Thresholds(
        counts_as_above(arr, tier.long_tail_below_arr, was.long_tail, tier.exit_band),
        counts_as_above(arr, tier.growth_min_arr, was.growth, tier.exit_band),
        counts_as_above(arr, strategic_cut, was.strategic, tier.exit_band),
    )


def tier_of(inputs: TierInputs, current: Codes, tier: TierPolicy) -> tuple[Codes, Codes]:
    """Tier (index in TIERS) and rule (index in TIER_RULE_IDS) for accounts now in `current` (NO_TIER: new)."""
    arr, expansion = inputs.arr, inputs.expansion_score
    keep = 1 - tier.exit_band
    strategic, growth, lookalike = tier.strategic_expansion_score, tier.growth_expansion_score, tier.growth_lookalike
    enters_strategic, entry_sign = _strategic(inputs, 1.0, strategic.enter)
    stays_strategic, stay_sign = _strategic(inputs, keep, strategic.leave)
    stays_strategic &= current == STRATEGIC
    has_usage = (inputs.behavioral_score >= tier.growth_min_behavioral_score) & (
        inputs.health_score >= tier.growth_min_health_score
    )
    expands = (expansion >= growth.enter) | (inputs.lookalike >= lookalike.enter)
    may_expand = (expansion >= growth.leave) | (inputs.lookalike >= lookalike.leave)
    is_unknown = np.isnan(expansion) & np.isnan(inputs.lookalike)
    enters_growth = (arr >= tier.growth_min_arr) & has_usage & expands
    stays_growth = (current == GROWTH) & (arr >= tier.growth_min_arr * keep) & (may_expand | is_unknown)
    is_kept_out = (current >= 0) & (current != LONG_TAIL)
    band = tier.long_tail_expansion_score
    has_little = expansion < np.where(is_kept_out, band.leave, band.enter)
    is_long_tail = ~inputs.is_above_long_tail & has_little
    is_kept_core = (arr < tier.long_tail_below_arr) & (expansion < band.enter)
    conditions = [enters_strategic, stays_strategic, enters_growth, stays_growth, is_long_tail, is_kept_core]
    tiers = [STRATEGIC, STRATEGIC, GROWTH, GROWTH, LONG_TAIL, CORE]
    rules = [entry_sign, stay_sign + len(STRATEGIC_EVIDENCE), _GROWTH, _GROWTH_KEPT, _LONG_TAIL, _CORE_KEPT]
    return np.select(conditions, tiers, CORE).astype(np.int64), np.select(conditions, rules, _CORE).astype(np.int64)


def _strategic(inputs: TierInputs, factor: float, min_expansion: float) -> tuple[Flags, Codes]:
    """Whether the Strategic rule holds at `factor` x the cuts, and the first sign other than ARR."""
    has_sign = inputs.strategic_sign >= 0
    expands = inputs.expansion_score >= min_expansion
    is_top = inputs.arr >= inputs.top_cut * factor
    holds = (inputs.arr >= inputs.strategic_cut * factor) & (has_sign | expands | is_top)
    by = np.where(has_sign, inputs.strategic_sign, np.where(expands, _BY_EXPANSION, _BY_ARR))
    return holds, by.astype(np.int64)
