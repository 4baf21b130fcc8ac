"""Rules of the policy as expressions: the first rule that holds decides.

Here: testing conditions, and ordered rules. Not here: any rule (policy) or measure (the score's module).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_, ge, gt, le, lt

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.scores import Condition

# Values are rounded to nine digits before they are compared with a bound: 7 / 10 - 1 is at most -0.3 on every engine.
BORDER_DIGITS = 9
OTHERWISE = "otherwise"


def hold(conditions: Sequence[Condition], measures: Mapping[str, ir.Value]) -> ir.BooleanValue:
    """Whether all conditions hold; never null. A measure that is not known fails every test but `known: false`."""
    return reduce(and_, [test for c in conditions for test in _tests(c, measures[c.measure])])


def first_that_holds(rules: Sequence[tuple[ir.BooleanValue, str]], otherwise: str) -> ir.StringValue:
    """The name of the first rule that holds, else `otherwise`."""
    return ibis.cases(*rules, else_=otherwise) if rules else ibis.literal(otherwise)


def _tests(condition: Condition, measure: ir.Value) -> list[ir.BooleanValue]:
    tests = [test.fill_null(False) for test in _bounds(condition, measure)]
    if condition.one_of is not None:
        words = [word.strip().lower() for word in condition.one_of]
        tests.append(measure.strip().lower().isin(words).fill_null(False))
    if condition.is_known is not None:
        tests.append(measure.notnull() if condition.is_known else measure.isnull())
    return tests


def _bounds(condition: Condition, measure: ir.Value) -> list[ir.BooleanValue]:
    bounds = (
        (ge, condition.at_least),
        (gt, condition.above),
        (le, condition.at_most),
        (lt, condition.below),
    )
    tests = [(compare, bound) for compare, bound in bounds if bound is not None]
    if not tests:
        return []
    value = measure.cast("float64").round(BORDER_DIGITS)
    return [compare(value, bound) for compare, bound in tests]
