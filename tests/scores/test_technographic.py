"""Points of the technology stack, by hand."""

from __future__ import annotations

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.scores.technographic import contributions, technographic_scores
from tests.companies import spine
from tests.scores.profiles import DAY, assert_sums, by_account, profiles, stored

POLICY = load_policy().technographic


def stack(complementary, competitor, legacy, sophistication=0.5, consolidation="steady"):
    return {
        "complementary_tools": complementary,
        "competitor_tools": competitor,
        "legacy_tools": legacy,
        "sophistication": sophistication,
        "consolidation": consolidation,
    }


def scored(accounts):
    return by_account(technographic_scores(profiles(accounts), spine(DAY), POLICY))


def test_the_larger_camp_of_tools_decides_the_stance():
    result = scored(
        {"more against": stack(2, 1, 2), "more with": stack(3, 1, 1), "equal": stack(2, 1, 1), "none": stack(0, 0, 0)}
    )
    assert result.displacing.to_dict() == {
        "more against": "displacing",
        "more with": "complementing",
        "equal": "neutral",
        "none": "neutral",
    }


def test_all_parts_by_weight():
    result = scored({"a": stack(2, 1, 2, 0.8, "expanding"), "b": stack(6, 0, 0, 1.0, "consolidating")})
    # a: 2 of 4 tools = 50, displacing 30, sophistication 80, expanding 100.
    assert result.technographic_score["a"] == pytest.approx(35 * 0.5 + 25 * 0.3 + 25 * 0.8 + 15 * 1)
    assert result.integration_opportunity["a"] == 50
    assert result.sophistication["a"] == 0.8
    # b: capped at 100, complementing 100, 100, consolidating 30.
    assert result.technographic_score["b"] == pytest.approx(35 + 25 + 25 + 15 * 0.3)
    assert result.integration_opportunity["b"] == 100


def test_no_tools_is_known_and_no_installs_on_record_is_not():
    result = scored({"no tools": stack(0, 0, 0, 0.0), "unknown": {}, "new extract": stack(2, 0, 0, 0.5, None)})
    # No tools: 0, neutral 60, 0, steady 60.
    assert result.technographic_score["no tools"] == pytest.approx(25 * 0.6 + 15 * 0.6)
    assert result.loc["unknown"].isna().all()
    # A direction needs a year on record; its 15 go to the others: (35 x 50 + 25 x 100 + 25 x 50) / 85.
    assert result.technographic_score["new extract"] == pytest.approx(5500 / 85)


def test_contributions_sum():
    inputs = profiles({"a": stack(2, 1, 2), "b": stack(3, 0, 0, None, None), "c": {}})
    scores = stored(technographic_scores(inputs, spine(DAY), POLICY))
    assert_sums(scores, contributions(scores, inputs, POLICY), {"technographic_score": "technographic_score"})
