"""Adding amounts up: money to the cent, other sums alike to the last bit whatever the order of adding.

Here: sums and means for the chain, and rounding to the cent. Not here: exchange rates, or amounts in words.

A sum of binary floats depends on the order in which threads add. So every amount is taken as a decimal first:
decimals add up exactly. Money has nine digits, so that what arithmetic leaves behind does not decide about half a
cent, which rounds away from zero; other values have twelve, so that a sum of many is right to the ninth. An amount of
10^26 or more has no such decimal and fails the query.
"""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

_DIGITS = 9
_FINE = "decimal(38, 9)"
_CENTS = "decimal(38, 2)"
_FINEST = "decimal(38, 12)"


def cents(amount: ir.NumericValue) -> ir.FloatingValue:
    """An amount of money to the cent."""
    return amount.cast(_FINE).cast(_CENTS).cast("float64")


def fine(value: ir.NumericValue) -> ir.FloatingValue:
    """A value to nine decimals, as sums have it: what arithmetic leaves beyond them is no difference."""
    return value.cast("float64").round(_DIGITS)


def money(amounts: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The sum of amounts of money, to the cent; null for none. `over`: a window."""
    return _sum(amounts.cast(_FINE), where, over).cast(_CENTS).cast("float64")


def total(values: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The sum of values, each taken to twelve decimals; null for none. `over`: a window."""
    return _sum(values.cast(_FINEST), where, over).cast("float64")


def mean(values: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The mean of values, each taken to twelve decimals; null for none. `over`: a window."""
    count = values.count(where=where)
    return total(values, where, over) / (count if over is None else count.over(over)).nullif(0)


def _sum(decimals: ir.NumericColumn, where: ir.BooleanValue | None, over: Any) -> ir.Value:
    added = decimals.sum(where=where)
    return added if over is None else added.over(over)
