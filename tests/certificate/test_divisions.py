"""No table divides by what can be zero: there Spark stops, and DuckDB gives infinity. `amounts.ratio` gives null."""

from __future__ import annotations

import ibis.expr.operations as ops
import pytest

from segmentation_assets.chain import CATALOGUE
from tests.certificate.engines import ON_ENGINE, expression
from tests.companies.company import DEFAULT


def is_never_zero(value: ops.Node) -> bool:
    """Whether a divisor is null or other than zero, whatever the rows."""
    match value:
        case ops.Literal():
            return value.value != 0
        case ops.NullIf():
            return isinstance(value.null_if_expr, ops.Literal) and value.null_if_expr.value == 0
        case ops.Cast():
            return is_never_zero(value.arg)
        case ops.Greatest():
            return any(isinstance(one, ops.Literal) and one.value > 0 for one in value.arg)
        case ops.Add():  # 1 + e^x
            return isinstance(value.left, ops.Exp) and isinstance(value.right, ops.Literal) and value.right.value > 0
    return False


@pytest.mark.slow("builds every table's expression")
def test_no_division_by_zero():
    unguarded = {
        name: sorted({str(one.right.to_expr().get_name())[:60] for one in divisions})
        for name in ON_ENGINE
        if (
            divisions := [
                one
                for one in expression(CATALOGUE[name], DEFAULT).op().find((ops.Divide, ops.FloorDivide))
                if not is_never_zero(one.right)
            ]
        )
    }
    assert unguarded == {}, "use segmentation_assets.tables.amounts.ratio"
