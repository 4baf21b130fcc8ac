"""How sure a rate is. Not here: what is counted."""

from __future__ import annotations

from statistics import NormalDist

import ibis.expr.types as ir

from segmentation_assets.tables.amounts import ratio


def normal_quantile(confidence: float) -> float:
    """Standard deviations around a mean that hold `confidence` of a normal distribution: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(hits: ir.NumericValue, rows: ir.NumericValue, confidence: float) -> tuple[ir.Value, ir.Value]:
    """Wilson's score interval of hits / rows, where there are rows. E. B. Wilson, JASA 22 (1927)."""
    z2 = normal_quantile(confidence) ** 2
    n = rows.cast("float64")
    middle = ratio(hits + z2 / 2, n + z2)
    half = ratio((ratio(hits * (n - hits), n) + z2 / 4).sqrt() * z2**0.5, n + z2)
    return (middle - half).clip(lower=0.0), (middle + half).clip(upper=1.0)
