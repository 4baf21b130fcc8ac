"""Size classes at their borders, and the fit worked out by hand."""

from __future__ import annotations

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.scores.firmographic import contributions, firmographic_scores
from tests.companies import spine
from tests.scores.profiles import DAY, assert_sums, by_account, profiles, stored

POLICY = load_policy().firmographic


def scored(accounts):
    return by_account(firmographic_scores(profiles(accounts), spine(DAY), POLICY))


def test_size_classes_are_closed_below_and_open_above():
    sizes = {0: "smb", 199: "smb", 200: "mid_market", 1999: "mid_market", 2000: "enterprise", 90_000: "enterprise"}
    result = scored({str(n): {"employees": n} for n in sizes})
    assert result.size_class.to_dict() == {str(n): size for n, size in sizes.items()}


def test_revenue_decides_only_where_employees_are_unknown():
    result = scored(
        {
            "below": {"annual_revenue": 19_999_999.99},
            "at 20M": {"annual_revenue": 20e6},
            "below 500M": {"annual_revenue": 499_999_999.0},
            "at 500M": {"annual_revenue": 500e6},
            "few people": {"annual_revenue": 500e6, "employees": 10},
            "unknown": {"industry": "software"},
        }
    )
    assert result.size_class.to_dict() == {
        "below": "smb",
        "at 20M": "mid_market",
        "below 500M": "mid_market",
        "at 500M": "enterprise",
        "few people": "smb",
        "unknown": None,
    }


FULL = {
    "employees": 500,
    "industry": "Healthcare",
    "region": "EMEA",
    "business_model": "b2b",
    "funding_stage": "series_b",
    "buying_cycle_days": 60,
}


def test_all_parts_by_weight():
    row = scored({"a": FULL}).loc["a"]
    assert row.size_points == pytest.approx(30 * 0.75)
    assert row.industry_points == pytest.approx(20 * 0.75)
    assert row.region_points == pytest.approx(15 * 0.80)
    assert row.business_model_points == pytest.approx(15)
    assert row.funding_stage_points == pytest.approx(10 * 0.80)
    assert row.buying_cycle_points == pytest.approx(10 * 0.90)  # half way from 100 at 30 days to 80 at 90
    assert row.firmographic_score == pytest.approx(22.5 + 15 + 12 + 15 + 8 + 9)


def test_unknown_inputs_leave_their_weight_to_the_rest():
    result = scored(
        {
            "size and industry": {"employees": 500, "industry": "healthcare"},
            "size and mining": {"employees": 2000, "industry": "mining"},
            "nothing": {},
        }
    )
    assert result.firmographic_score["size and industry"] == pytest.approx(75)
    assert result.firmographic_score["size and mining"] == pytest.approx((30 * 100 + 20 * 50) / 50)
    assert result.loc["nothing"].isna().all()


def test_churned_accounts_and_other_days_are_not_scored():
    result = scored(
        {"live": FULL, "gone": {**FULL, "is_live": False}, "earlier": {**FULL, "as_of": DAY.replace(day=1)}}
    )
    assert result.index.tolist() == ["live"]


def test_contributions_sum_and_show_the_words():
    inputs = profiles({"a": FULL, "b": {"employees": 10}, "c": {}})
    scores = stored(firmographic_scores(inputs, spine(DAY), POLICY))
    long = contributions(scores, inputs, POLICY)
    assert_sums(scores, long, {"firmographic_score": "firmographic_score"})
    rows = long.execute().query("account_id == 'a'").set_index("part")
    assert rows.raw_text["size"] == "mid_market"
    assert rows.raw_text["region"] == "EMEA"
    assert rows.raw_number["buying_cycle"] == 60
    assert rows.weight["size"] == pytest.approx(0.3)
