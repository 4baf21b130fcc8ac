from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import given as always
from hypothesis import settings
from hypothesis import strategies as st

from segmentation_assets.policy.value import CompositeWeights
from segmentation_assets.scores.composite import DIMENSIONS
from tests.companies import DEFAULT, Company

POLICY = DEFAULT.composite
AS_OF = date(2026, 3, 31)
WEIGHTS = dict(zip(DIMENSIONS, (15, 5, 30, 35, 15), strict=True))


def combined(accounts, policy=POLICY, *, days=(AS_OF,), live=True):
    """accounts: id -> {dimension: score}; a dimension left out has no row at all."""
    keys = [{"as_of": day, "account_id": account} for day in days for account in accounts]
    scores = {
        f"{name}_scores": [
            key | {f"{name}_score": accounts[key["account_id"]][name]}
            for key in keys
            if name in accounts[key["account_id"]]
        ]
        for name in DIMENSIONS
    }
    profiles = [key | {"is_live": live} for key in keys]
    company = Company(DEFAULT.model_copy(update={"composite": policy}), account_profiles=profiles, **scores)
    return company.table("composite_scores", AS_OF)


def by_account(table):
    return {row["account_id"]: SimpleNamespace(**row) for row in table.to_pyarrow().to_pylist()}


def test_all_five_by_hand():
    scores = {"firmographic": 80.0, "technographic": 40.0, "behavioral": 60.0, "value": 95.0, "needs": 100.0}
    row = by_account(combined({"a": scores}))["a"]
    # 12 + 2 + 18 + 33.25 + 15
    assert row.composite_score == pytest.approx(80.25)
    assert (row.firmographic_points, row.value_points) == pytest.approx((12, 33.25))
    assert row.dimensions_used == "firmographic, technographic, behavioral, value, needs"
    assert row.data_completeness == 1
    assert row.value_weight == pytest.approx(0.35)


def test_absent_dimensions_leave_their_weight_to_the_rest():
    row = by_account(combined({"a": {"firmographic": 40.0, "behavioral": None, "value": 90.0}}))["a"]
    # Weights 15 and 35: 0.3 x 40 + 0.7 x 90.
    assert row.composite_score == pytest.approx(75)
    assert (row.firmographic_weight, row.value_weight) == pytest.approx((0.3, 0.7))
    assert (row.behavioral_weight, row.behavioral_points, row.needs_weight) == (None, None, None)
    assert row.dimensions_used == "firmographic, value"
    assert row.data_completeness == pytest.approx(0.5)


def test_zero_is_a_score_and_nothing_known_is_none():
    result = by_account(combined({"zero": {"behavioral": 0.0}, "nothing": {}}))
    assert (result["zero"].composite_score, result["zero"].dimensions_used) == (0, "behavioral")
    nothing = result["nothing"]
    assert (nothing.composite_score, nothing.dimensions_used, nothing.data_completeness) == (None, "", 0)


def test_only_live_accounts_of_the_days_asked_for():
    assert combined({"a": {"value": 50.0}}, live=False).execute().empty
    result = combined({"a": {"value": 50.0}}, days=(AS_OF, date(2026, 3, 30))).execute()
    assert len(result) == 1


@settings(max_examples=12, deadline=None)
@always(
    accounts=st.lists(
        st.dictionaries(st.sampled_from(DIMENSIONS), st.none() | st.floats(0, 100)), min_size=1, max_size=20
    )
)
def test_against_a_plain_weighted_mean(accounts):
    result = by_account(combined({f"a{i}": scores for i, scores in enumerate(accounts)}))
    for i, scores in enumerate(accounts):
        row = vars(result[f"a{i}"])
        facts = {name: score for name, score in scores.items() if score is not None}
        weight = sum(WEIGHTS[name] for name in facts)
        mean = sum(WEIGHTS[name] * score for name, score in facts.items()) / weight if facts else None
        assert row["composite_score"] == (pytest.approx(mean, abs=1e-9) if facts else None)
        assert row["data_completeness"] == pytest.approx(weight / 100)
        assert row["dimensions_used"] == ", ".join(name for name in DIMENSIONS if name in facts)
        points = [row[f"{name}_points"] for name in facts]
        assert sum(points) == pytest.approx(mean or 0, abs=1e-9)


def test_weights_must_sum():
    with pytest.raises(ValueError, match="must sum to 100, they sum to 105"):
        CompositeWeights(firmographic=20, technographic=5, behavioral=30, value=35, needs=15)
