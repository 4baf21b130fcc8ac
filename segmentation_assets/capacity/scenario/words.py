"""Figures of a business case as people write them. Not here: the sentences of the audit (`audit`)."""

from __future__ import annotations

import math

from segmentation_assets.capacity.scenario.intervals import Interval

RATIOS = {
    "nrr", "grr", "expansion_growth", "arr_growth", "cost_to_serve_change", "churn_and_contraction", "accounts_share",
    "arr_share", "arr_over_path",
}  # fmt: skip
_PEOPLE = {"accounts", "csms", "csms_change", "fte_freed", "accounts_per_csm", "headcount"}


def monthly(loss: Interval) -> str:
    """Yearly loss as the constant monthly rate that compounds to it."""
    low, high = (1 - (1 - min(max(x, 0.0), 1.0)) ** (1 / 12) for x in (loss.low, loss.high))
    return f"{low:.2%}" if low == high or loss.high == math.inf else f"{low:.2%} to {high:.2%}"


def money(value: float) -> str:
    """An amount in thousands or millions, as people write it."""
    for size, word in ((1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:,.3f}".rstrip("0").rstrip(".") + word
    return f"{value:,.0f}"


def shown(figure: str, value: Interval | None) -> str:
    """A figure for people: percent, people or money; open intervals in words."""
    if value is None:
        return "unknown"

    def one(x: float) -> str:
        if figure in RATIOS:
            return f"{x:.1%}"
        return f"{x:,.2f}".rstrip("0").rstrip(".") if figure in _PEOPLE else money(x)

    if value.is_point:
        return one(value.low)
    if value.high == math.inf:
        return f"at least {one(value.low)}"
    if value.low == -math.inf:
        return f"at most {one(value.high)}"
    return f"{one(value.low)} to {one(value.high)}"
