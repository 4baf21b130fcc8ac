"""Testing conditions: borders, unknown measures, words."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from segmentation_assets.policy.scores import BehavioralCondition, NeedsCondition
from segmentation_assets.scores.rules import first_that_holds, hold

NUMBERS = [None, 0.19, 0.2, 0.2 + 1e-12, 0.3, 0.31]


def held(condition, values, kind="Float64"):
    rows = ibis.memtable(pd.DataFrame({"row": range(len(values)), "x": pd.array(values, dtype=kind)}))
    tested = rows.mutate(held=hold([condition], {condition.measure: rows.x}))
    return tested.order_by("row").execute().held.tolist()


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"at_least": 0.2}, [False, False, True, True, True, True]),
        ({"above": 0.2}, [False, False, False, False, True, True]),
        ({"at_most": 0.2}, [False, True, True, True, False, False]),
        ({"below": 0.2}, [False, True, False, False, False, False]),
        ({"at_least": 0.2, "below": 0.3}, [False, False, True, True, False, False]),
        ({"known": True}, [False, True, True, True, True, True]),
        ({"known": False}, [True, False, False, False, False, False]),
    ],
)
def test_bounds_at_their_borders(bounds, expected):
    assert held(BehavioralCondition(measure="seat_activity", **bounds), NUMBERS) == expected


def test_words_in_any_case():
    condition = NeedsCondition(measure="maturity", one_of=("Replacing", "new "))
    assert held(condition, ["replacing", " NEW", "other", None], "string") == [True, True, False, False]


def test_the_first_rule_that_holds_decides():
    rows = ibis.memtable({"row": [0, 1, 2], "x": [1, 5, 9]})
    rules = [(rows.x > 8, "high"), (rows.x > 3, "middle")]
    result = rows.mutate(rule=first_that_holds(rules, "low")).order_by("row").execute()
    assert result.rule.tolist() == ["low", "middle", "high"]
    assert rows.mutate(rule=first_that_holds([], "low")).execute().rule.tolist() == ["low"] * 3
