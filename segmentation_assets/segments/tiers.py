"""The rules of the coverage tiers for many accounts at once.

Here: billing thresholds with their exit band, and the tier that the rules give to an account in a tier, as NumPy.
Not here: the evidence (`candidates`), when a tier change counts (`stability`), or the cuts (`cuts`).

First rule wins. An account enters a tier at its bound and leaves it by ARR only a tenth (policy) below:
Strategic = ARR at the cut and evidence, or ARR at the top cut; Growth = ARR at its bound, usage and health to enter,
expansion evidence (an account in Growth stays until what is known says no); Long-Tail = ARR counts as below the
lowest threshold and little to expand; Core = all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmentation_assets.policy.segments import TIERS, TierPolicy
from segmentation_assets.segments.candidates import EVIDENCE, STRATEGIC_EVIDENCE

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

NO_TIER = -1
STRATEGIC, GROWTH, CORE, LONG_TAIL = range(len(TIERS))
PRESENT, ABSENT, _UNKNOWN = range(len(EVIDENCE))
TOP_ARR = len(STRATEGIC_EVIDENCE)
"""Evidence by ARR alone, after the others."""

_SIGNS = (*STRATEGIC_EVIDENCE, "top_arr")
TIER_RULES = (
    *(f"strategic:{sign}" for sign in _SIGNS),
    *(f"strategic_kept:{sign}" for sign in _SIGNS),
    "growth",
    "growth_kept",
    "long_tail",
    "core",
    "core_kept",
)
"""Rule ids. `..._kept`: the account would not enter, but nothing that makes it leave holds."""
_GROWTH, _GROWTH_KEPT, _LONG_TAIL, _CORE, _CORE_KEPT = range(2 * len(_SIGNS), len(TIER_RULES))


@dataclass(frozen=True)
class TierInputs:
    """What the tier rules read, one entry per account. Cuts are NaN where nobody stands in the top share."""

    strategic_cut: Floats
    top_cut: Floats
    strategic_evidence: Codes
    """Index in STRATEGIC_EVIDENCE, -1: none."""
    has_growth_usage: Flags
    growth_evidence: Codes
    """Index in EVIDENCE."""
    has_little_to_expand: Flags


@dataclass(frozen=True)
class Thresholds:
    """On which side of each billing threshold ARR counts."""

    long_tail: Flags
    growth: Flags
    strategic: Flags

    def differ(self, other: Thresholds) -> Flags:
        """Accounts that stand on another side of any threshold."""
        return (
            (self.long_tail != other.long_tail) | (self.growth != other.growth) | (self.strategic != other.strategic)
        )


def counts_as_above(arr: Floats, threshold: Floats | float, before: Flags, exit_band: float) -> Flags:
    """Up at the threshold, down below it by the exit band, else as before; a threshold of NaN is above everybody."""
    stays = before & (arr >= threshold * (1 - exit_band))
    return (arr >= threshold) | stays


def thresholds_of(arr: Floats, strategic_cut: Floats, before: Thresholds | None, tier: TierPolicy) -> Thresholds:
    """Sides after ARR became `arr`; without a `before`, the plain comparison."""
    nobody = np.zeros(len(arr), dtype=bool)
    was = before or Thresholds(nobody, nobody, nobody)
    return Thresholds(
        counts_as_above(arr, tier.long_tail_below_arr, was.long_tail, tier.exit_band),
        counts_as_above(arr, tier.growth_min_arr, was.growth, tier.exit_band),
        counts_as_above(arr, strategic_cut, was.strategic, tier.exit_band),
    )


def tier_of(
    arr: Floats, above: Thresholds, given: TierInputs, current: Codes, tier: TierPolicy
) -> tuple[Codes, Codes]:
    """Tier (index in TIERS) and rule (index in TIER_RULES) for accounts now in `current` (NO_TIER: new)."""
    keep = 1 - tier.exit_band
    enters_strategic, entry_sign = _strategic(arr, given, 1.0)
    stays_strategic, stay_sign = _strategic(arr, given, keep)
    stays_strategic &= current == STRATEGIC
    enters_growth = (arr >= tier.growth_min_arr) & given.has_growth_usage & (given.growth_evidence == PRESENT)
    stays_growth = (current == GROWTH) & (arr >= tier.growth_min_arr * keep) & (given.growth_evidence != ABSENT)
    is_long_tail = ~above.long_tail & given.has_little_to_expand
    is_kept_core = (arr < tier.long_tail_below_arr) & given.has_little_to_expand
    conditions = [enters_strategic, stays_strategic, enters_growth, stays_growth, is_long_tail, is_kept_core]
    tiers = [STRATEGIC, STRATEGIC, GROWTH, GROWTH, LONG_TAIL, CORE]
    rules = [entry_sign, stay_sign + len(_SIGNS), _GROWTH, _GROWTH_KEPT, _LONG_TAIL, _CORE_KEPT]
    return np.select(conditions, tiers, CORE).astype(np.int64), np.select(conditions, rules, _CORE).astype(np.int64)


def _strategic(arr: Floats, given: TierInputs, factor: float) -> tuple[Flags, Codes]:
    """Whether the Strategic rule holds at `factor` x the cuts, and the first sign of evidence."""
    has_sign = given.strategic_evidence >= 0
    is_top = arr >= given.top_cut * factor
    holds = (arr >= given.strategic_cut * factor) & (has_sign | is_top)
    return holds, np.where(has_sign, given.strategic_evidence, TOP_ARR)
