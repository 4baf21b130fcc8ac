"""Identities between metrics, for the row rules of contracts.

Here: when two amounts of money, or two ratios, are equal. Not here: any figure (`periods`, `retention`, ...), or
enforcing rules (`tables.enforcement`). For an identity across rows, both sides are columns of one row: the sum over
the tiers, and the company's own figure.
"""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

_HALF_A_CENT = 0.005  # money is in whole cents: a smaller difference is the rounding of binary sums
_ROUNDING = 1e-9  # of ratios


def closes(total: Any, expected: Any) -> ir.BooleanValue:
    """Two amounts of money are equal to the cent."""
    return _within(total - expected, _HALF_A_CENT)


def agrees(ratio: Any, expected: Any) -> ir.BooleanValue:
    """Two ratios are equal to 1e-9, or neither is known."""
    return (ratio.isnull() & expected.isnull()) | (
        ratio.notnull() & expected.notnull() & _within(ratio - expected, _ROUNDING)
    )


def at_most(ratio: Any, limit: Any) -> ir.BooleanValue:
    """A ratio is not above a limit. True where either is null."""
    return ratio.isnull() | (limit.isnull() if hasattr(limit, "isnull") else False) | (ratio <= limit + _ROUNDING)


def _within(difference: Any, tolerance: float) -> ir.BooleanValue:
    return (difference < tolerance) & (difference > -tolerance)
