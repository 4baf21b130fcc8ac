"""The ordered rules: every cell of what they read, against the specification written out once more."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.policy.segments import NEEDS_PROFILES, SEGMENTS, SIZE_CLASSES, VALUE_TIERS
from segmentation_assets.segments.rules import RuleBook
from segmentation_assets.segments.standing import Standing
from tests.segments import naive

POLICY = load_policy()
COHORTS = tuple(cohort.name for cohort in POLICY.behavioral.cohorts)
BOOK = RuleBook(POLICY.segment_rules, COHORTS)

CELLS = list(
    product(
        (*SIZE_CLASSES, None), (*COHORTS, None), (*VALUE_TIERS, None), (*NEEDS_PROFILES, None),
        ("low", "high", None), ("low", "high", None), (False, True),
    )
)  # fmt: skip


def _code(words, word) -> int:
    return -1 if word is None else tuple(words).index(word)


def standing(cells: list[tuple]) -> Standing:
    sizes, cohorts, values, needs, expansions, clvs, barely = zip(*cells, strict=True)
    nothing = np.full(len(cells), np.nan)

    def codes(words, column):
        return np.array([_code(words, word) for word in column])

    return Standing(
        codes(SIZE_CLASSES, sizes), codes(COHORTS, cohorts), codes(VALUE_TIERS, values), codes(NEEDS_PROFILES, needs),
        codes(("low", "high"), expansions), codes(("low", "high"), clvs), np.array(barely).astype(np.int64),
        nothing, nothing, nothing, nothing,
    )  # fmt: skip


def decided(cells: list[tuple]) -> list[tuple[str, str]]:
    segments, rules = BOOK.decide(standing(cells))
    return [(SEGMENTS[s], BOOK.rule_ids[r]) for s, r in zip(segments, rules, strict=True)]


DECISIONS = dict(zip(CELLS, decided(CELLS), strict=True))


def test_every_cell_has_the_segment_and_rule_of_the_specification():
    assert len(DECISIONS) == 4 * 5 * 5 * 6 * 3 * 3 * 2
    wrong = {
        cell: (texts, naive.rule_of(*cell)) for cell, texts in DECISIONS.items() if texts != naive.rule_of(*cell)
    }
    assert not wrong


@pytest.mark.parametrize("segment", SEGMENTS)
def test_each_archetype_lands_in_its_own_segment(segment):
    """The rows of the specification's table. Long-Tail's accounts in trouble are those not worth saving."""
    rows = {
        "Strategic": product(["enterprise"], ["Power User"], ["Platinum", "Gold"], ["Platform"],
                             ["low", "high", None], ["low", "high", None], [False]),
        "Growth": product(["mid_market"], ["Steady State"], ["Gold", "Silver"], ["Expanding use case"],
                          ["high", None], ["low", "high", None], [False]),
        "Efficient": product(["smb", "mid_market"], ["Power User"], ["Silver", "Bronze"], ["Specific use case"],
                             ["low", "high", None], ["low", "high", None], [False]),
        "At-Risk": [
            *product([*SIZE_CLASSES, None], ["At Risk", "Dormant"], ["Silver", "Gold", "Platinum"],
                     [*NEEDS_PROFILES, None], ["low", "high", None], ["low", "high", None], [False, True]),
            *product(SIZE_CLASSES, ["At Risk", "Dormant"], ["Bronze"], NEEDS_PROFILES, ["low", "high", None],
                     ["high"], [False, True]),
        ],
        "Long-Tail": [
            *product(["smb"], ["At Risk", "Dormant"], ["Bronze"], ["Basic need"], ["low", "high", None],
                     ["low", None], [False, True]),
            *product(["smb"], ["Steady State"], ["Bronze"], ["Basic need"], ["low", "high", None],
                     ["low", "high", None], [True]),
        ],
    }  # fmt: skip
    cells = list(rows[segment])
    assert cells
    assert {DECISIONS[cell][0] for cell in cells} == {segment}


ORDER = ("Strategic", "Growth", "Efficient", "Long-Tail")
"""The order of the segments, best first. At-Risk is a state of danger and has no place in it."""


def lowered(before: str, after: str) -> bool:
    return before in ORDER and after in ORDER and ORDER.index(after) > ORDER.index(before)


def test_a_better_value_tier_never_lowers_the_segment():
    for cell, (before, _) in DECISIONS.items():
        if cell[2] is None:
            continue
        for better in VALUE_TIERS[VALUE_TIERS.index(cell[2]) + 1 :]:
            after = DECISIONS[(*cell[:2], better, *cell[3:])][0]
            assert not lowered(before, after), (cell, better, before, after)
            # A declining account that becomes worth saving comes from the Long-Tail; nobody loses the intervention.
            assert before != "At-Risk" or after == "At-Risk"
            assert after != "At-Risk" or before in {"At-Risk", "Long-Tail"}


def test_a_better_cohort_never_lowers_the_segment_nor_leads_into_risk():
    better = {"Dormant": ("At Risk", "Steady State", "Power User"), "At Risk": ("Steady State", "Power User"),
              "Steady State": ("Power User",)}  # fmt: skip
    for cell, (before, _) in DECISIONS.items():
        for cohort in better.get(cell[1] or "", ()):
            after = DECISIONS[(cell[0], cohort, *cell[2:])][0]
            assert not lowered(before, after), (cell, cohort, before, after)
            assert after != "At-Risk" or before == "At-Risk"


def test_from_steady_state_to_power_user_nobody_moves():
    steady = {cell: texts for cell, texts in DECISIONS.items() if cell[1] == "Steady State"}
    assert steady
    assert all(DECISIONS[(cell[0], "Power User", *cell[2:])] == texts for cell, texts in steady.items())


def test_with_fewer_than_two_dimensions_known_the_rule_says_so():
    def texts(**facts):
        names = ("size", "cohort", "value", "needs", "expansion", "clv", "barely")
        return DECISIONS[tuple(facts.get(name, False if name == "barely" else None) for name in names)]

    assert texts() == ("Efficient", "no_data")
    assert texts(value="Bronze") == ("Long-Tail", "value_only")
    assert texts(value="Silver") == ("Efficient", "value_only")
    assert texts(value="Platinum", expansion="high") == ("Efficient", "value_only")
    assert texts(size="enterprise") == ("Efficient", "no_data")
    assert texts(value="Platinum", size="enterprise") == ("Strategic", "strategic_enterprise")


def test_worth_saving_is_either_of_clv_and_value_tier():
    cells = [("smb", "Dormant", value, "Basic need", None, clv, False) for value, clv in
             (("Bronze", "low"), ("Bronze", "high"), ("Silver", "low"), ("Bronze", None), (None, None))]  # fmt: skip
    assert BOOK.is_worth_saving(standing(cells)).tolist() == [False, True, True, False, True]
