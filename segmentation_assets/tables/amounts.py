"""Adding amounts up: money to the cent, other sums alike to the last bit whatever the order of adding.

Here: sums and means for the chain, and rounding to the cent. Not here: exchange rates, or amounts in words.

A sum of binary floats depends on the order in which threads add. So every amount is taken as a decimal with nine
digits first: decimals add up exactly. Half a cent rounds away from zero. An amount of 10^29 or more has no such
decimal and fails the query.
"""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

_DIGITS = 9
_FINE = "decimal(38, 9)"
_CENTS = "decimal(38, 2)"


def cents(amount: ir.NumericValue) -> ir.FloatingValue:
    """An amount of money to the cent."""
    return amount.cast(_FINE).cast(_CENTS).cast("float64")


def fine(value: ir.NumericValue) -> ir.FloatingValue:
    """A value to nine decimals, as sums have it: what arithmetic leaves beyond them is no difference."""
    return value.cast("float64").round(_DIGITS)


def money(amounts: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The sum of amounts of money, to the cent; null for none. `over`: a window."""
    return _sum(amounts, where, over).cast(_CENTS).cast("float64")


def total(values: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The sum of values, each taken to nine decimals; null for none. `over`: a window."""
    return _sum(values, where, over).cast("float64")


def mean(values: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The mean of values, each taken to nine decimals; null for none. `over`: a window."""
    count = values.count(where=where)
    return total(values, where, over) / (count if over is None else count.over(over)).nullif(0)


def _sum(values: ir.NumericColumn, where: ir.BooleanValue | None, over: Any) -> ir.Value:
    added = values.cast(_FINE).sum(where=where)
    return added if over is None else added.over(over)
