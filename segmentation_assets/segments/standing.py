"""The inputs of the segment rules as codes, after the exit bands.

Here: today's standing, from today's figures and the standing before. Not here: the rules (`rules`), or how a standing
becomes a segment (`stability`).

An account enters a cohort, a value tier or a level at one bound and leaves it at another (policy). So a figure that
swings around a bound changes the standing once, not each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmentation_assets.policy.segments import SegmentRulesPolicy, UpBand

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

UNKNOWN_CODE = -1
LOW, HIGH = range(2)
LEVELS = ("low", "high")
SIDES = ("no", "yes")


@dataclass(frozen=True)
class Figures:
    """The figures of every account on one day. A code of -1, and NaN, mean unknown."""

    size: Codes
    """Index in SIZE_CLASSES."""
    cohort: Codes
    """Index in the policy's cohorts, before the exit bands."""
    kept_cohorts: Codes
    """Bit i: an account that is in cohort i stays in it."""
    needs: Codes
    """Index in NEEDS_PROFILES."""
    value: Floats
    cut_silver: Floats
    cut_gold: Floats
    cut_platinum: Floats
    clv_percentile: Floats
    seat_activity: Floats
    expansion_score: Floats


@dataclass(frozen=True)
class Standing:
    """What the segment rules read, one entry per account, and the figures behind it."""

    size: Codes
    cohort: Codes
    value_tier: Codes
    """Index in VALUE_TIERS."""
    needs: Codes
    expansion: Codes
    """Index in LEVELS: the expansion score against its threshold."""
    clv: Codes
    """Index in LEVELS: the CLV percentile against its threshold."""
    barely_used: Codes
    """Index in SIDES; unknown seat activity is no."""
    value: Floats
    expansion_score: Floats
    clv_percentile: Floats
    seat_activity: Floats


def standing_of(figures: Figures, before: Standing | None, policy: SegmentRulesPolicy) -> Standing:
    """Today's standing, given the standing `before`; without one, only the entry bounds count."""
    nowhere = np.full(len(figures.size), UNKNOWN_CODE, dtype=np.int64)
    codes, value = nowhere, figures.value
    stood = before or Standing(codes, codes, codes, codes, codes, codes, codes, value, value, value, value)
    return Standing(
        size=figures.size,
        cohort=_cohort(figures, stood.cohort),
        value_tier=value_tier(
            figures.value,
            (figures.cut_silver, figures.cut_gold, figures.cut_platinum),
            stood.value_tier,
            policy.value_exit_share,
        ),
        needs=figures.needs,
        expansion=_level(figures.expansion_score, stood.expansion, policy.high_expansion),
        clv=_level(figures.clv_percentile, stood.clv, policy.worth_saving.clv_percentile),
        barely_used=_barely_used(figures.seat_activity, stood.barely_used, policy),
        value=figures.value,
        expansion_score=figures.expansion_score,
        clv_percentile=figures.clv_percentile,
        seat_activity=figures.seat_activity,
    )


def value_tier(value: Floats, cuts: tuple[Floats, ...], stood: Codes, exit_share: float) -> Codes:
    """Index in VALUE_TIERS: up at a cut, down when value is below the cut by `exit_share` of it."""
    enters = sum((value >= cut).astype(np.int64) for cut in cuts)
    keeps = sum((value >= cut - exit_share * np.abs(cut)).astype(np.int64) for cut in cuts)
    return np.where(np.isnan(value), UNKNOWN_CODE, np.maximum(enters, np.minimum(stood, keeps)))


def _cohort(figures: Figures, stood: Codes) -> Codes:
    """The first cohort, in the policy's order, that the account enters or keeps."""
    bit = np.left_shift(np.int64(1), np.maximum(stood, 0))
    keeps = (stood >= 0) & (figures.cohort >= 0) & ((figures.kept_cohorts & bit) > 0)
    return np.where(keeps, np.minimum(stood, figures.cohort), figures.cohort)


def _level(score: Floats, stood: Codes, band: UpBand) -> Codes:
    is_high = (score >= band.enter) | ((stood == HIGH) & (score >= band.leave))
    return np.where(np.isnan(score), UNKNOWN_CODE, np.where(is_high, HIGH, LOW))


def _barely_used(activity: Floats, stood: Codes, policy: SegmentRulesPolicy) -> Codes:
    band = policy.barely_used
    return ((activity < band.enter) | ((stood == 1) & (activity < band.leave))).astype(np.int64)
