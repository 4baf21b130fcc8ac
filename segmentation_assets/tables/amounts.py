"""Sums and means that are equal to the last bit, in whatever order threads add; money is rounded to the cent.

Here: sums, means and ratios for the chain, and rounding. Not here: exchange rates, or amounts in words.

A sum of binary floats depends on the order of adding; a sum of decimals does not. So every value is cast to a decimal
before it is added. Money gets nine digits: noise beyond them must not decide how half a cent rounds (away from zero).
Other values get twelve, so that the sum of many is right to the ninth. A value of 10^26 or more fails the query.
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
    """A value rounded to nine decimals, for comparing: a smaller difference is noise."""
    return value.cast("float64").round(_DIGITS)


def money(amounts: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The sum of amounts of money, to the cent; null over no rows. `over`: a window."""
    return _sum(amounts.cast(_FINE), where, over).cast(_CENTS).cast("float64")


def total(values: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The sum of values, each rounded to twelve decimals; null over no rows. `over`: a window."""
    return _sum(values.cast(_FINEST), where, over).cast("float64")


def mean(values: ir.NumericColumn, where: ir.BooleanValue | None = None, over: Any = None) -> ir.FloatingValue:
    """The mean of values, each rounded to twelve decimals; null over no rows. `over`: a window."""
    count = values.count(where=where)
    return ratio(total(values, where, over), count if over is None else count.over(over))


def ratio(part: ir.NumericValue | float, whole: ir.NumericValue) -> ir.FloatingValue:
    """`part` / `whole`; null where `whole` is 0. Some engines stop at a division by zero, others give infinity."""
    return part / whole.nullif(0)


def _sum(decimals: ir.NumericColumn, where: ir.BooleanValue | None, over: Any) -> ir.Value:
    amount = decimals.sum(where=where)
    return amount if over is None else amount.over(over)
