from __future__ import annotations

from collections import Counter
from itertools import product

import ibis
import pyarrow as pa
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.segments import matrix
from tests.companies import records
from tests.segments import naive
from tests.segments.naive import COHORTS, NEEDS, SIZES, VALUE_TIERS, Cell

POLICY = load_policy()
ALL_CELLS = list(product(SIZES, COHORTS, VALUE_TIERS, NEEDS))


def decide(cells: list[Cell]) -> list[dict]:
    """The real matrix on these cells, in order."""
    text, number = pa.string(), pa.float64()
    columns = {
        "place": pa.array(range(len(cells)), pa.int64()),
        "size_class": pa.array([c.size for c in cells], text),
        "behavioral_cohort": pa.array([c.cohort for c in cells], text),
        "value_tier": pa.array([c.value for c in cells], text),
        "needs_profile": pa.array([c.needs for c in cells], text),
        "clv_percentile": pa.array([c.clv for c in cells], number),
        "expansion_score": pa.array([c.expansion for c in cells], number),
        "seat_activity": pa.array([c.activity for c in cells], number),
    }
    rows = ibis.memtable(pa.table(columns))
    rows = rows.mutate(
        is_worth_saving=matrix.is_worth_saving(rows, POLICY.segment_matrix.at_risk),
        may_expand=matrix.may_expand(rows, POLICY.segment_matrix),
        is_barely_used=matrix.is_barely_used(rows, POLICY.segment_matrix),
    )
    found = matrix.with_candidate(rows, POLICY.segment_matrix, POLICY.composite.weights)
    return records(found.order_by("place"))


def test_there_are_240_cells():
    assert len(ALL_CELLS) == 240


@pytest.mark.parametrize("clv", [None, 59.9, 60.0])
@pytest.mark.parametrize("expansion", [None, 49.9, 50.0])
@pytest.mark.parametrize("activity", [None, 0.19, 0.2])
def test_every_cell_agrees_with_the_naive_walk(clv, expansion, activity):
    cells = [Cell(*cell, clv, expansion, activity) for cell in ALL_CELLS]
    found = [(row["candidate_segment"], row["candidate_rule_id"]) for row in decide(cells)]
    assert found == [naive.matrix(cell) for cell in cells]


def test_cells_with_unknown_dimensions_agree_with_the_naive_walk():
    some = list(product([None, *SIZES], [None, *COHORTS], [None, *VALUE_TIERS], [None, *NEEDS]))
    cells = [Cell(*cell) for cell in some if None in cell]
    found = [(row["candidate_segment"], row["candidate_rule_id"]) for row in decide(cells)]
    assert found == [naive.matrix(cell) for cell in cells]


def test_the_rows_read_literally_cover_22_cells():
    # At-Risk read literally: cohort At Risk alone, any value, and the needs profile that is typical of it.
    covered = {
        cell
        for row in POLICY.segment_matrix.rows
        for cell in product(row.size_classes, row.cohorts, row.value_tiers, row.needs_profiles)
    }
    at_risk = set(product(SIZES, ["At Risk"], VALUE_TIERS, ["Value not realized"]))
    assert len(covered) == 10  # 2 Strategic, 2 Growth, 4 Efficient, 2 Long-Tail
    assert len(covered | at_risk) == 22


@pytest.mark.parametrize(
    ("clv", "exact", "at_risk"),
    [
        (
            60.0,
            8 + 120,
            120,
        ),  # both cohorts in trouble: 3 sizes x 2 cohorts x 4 tiers x 5 needs, which hide Long-Tail's 2
        (59.9, 10, 0),
        (None, 10 + 90, 90),  # without CLV all value tiers but Bronze
    ],
)
def test_how_many_cells_are_exact(clv, exact, at_risk):
    found = decide([Cell(*cell, clv=clv) for cell in ALL_CELLS])
    assert sum(row["is_exact"] for row in found) == exact
    assert Counter(row["candidate_rule_id"] for row in found)["at_risk"] == at_risk


def test_a_distance_by_hand():
    # Growth row: size 0, cohort Power User 1 rank of 3, value Bronze 1 of 3, needs 1, so 30/3 + 35/3 + 15 of 95;
    # Efficient row: size 0, cohort 0, value 0, needs 1: 15 of 95.
    (row,) = decide([Cell("mid_market", "Power User", "Bronze", "Platform")])
    assert row["candidate_segment"] == "Efficient"
    assert row["distance"] == pytest.approx(15 / 95)
    assert row["candidate_rule_id"] == "nearest:Efficient:0.158"


def test_unknown_dimensions_give_their_weight_to_the_known_ones():
    # Only the value tier is known: Platinum is Strategic's own, at no distance of 35 in 35.
    (row,) = decide([Cell(None, None, "Platinum", None)])
    assert (row["candidate_segment"], row["distance"], row["is_exact"]) == ("Strategic", 0.0, False)
    # Silver fits Growth and Efficient alike: the row that stands first.
    (row,) = decide([Cell(None, None, "Silver", None)])
    assert row["candidate_rule_id"] == "nearest:Growth:0.000"


def test_nothing_known_is_long_tail_and_says_so():
    (row,) = decide([Cell(None, None, None, None)])
    assert (row["candidate_segment"], row["candidate_rule_id"], row["is_exact"]) == ("Long-Tail", "no_data", False)


def test_a_cohort_in_trouble_that_is_not_worth_saving_is_never_at_risk():
    cells = [Cell(size, "Dormant", "Bronze", needs) for size in SIZES for needs in NEEDS]
    assert "At-Risk" not in {row["candidate_segment"] for row in decide(cells)}


def test_a_low_expansion_score_is_not_exact_but_no_distance():
    known = Cell("mid_market", "Steady State", "Gold", "Expanding use case")
    fits, fails = decide([known, Cell("mid_market", "Steady State", "Gold", "Expanding use case", expansion=49.0)])
    assert fits["candidate_rule_id"] == "exact:Growth"
    assert (fails["candidate_rule_id"], fails["is_exact"]) == ("nearest:Growth:0.000", False)


def test_little_seat_activity_counts_as_the_long_tail_cohort():
    (row,) = decide([Cell("smb", "Steady State", "Bronze", "Basic need", activity=0.1)])
    assert row["candidate_rule_id"] == "exact:Long-Tail"
