"""What the score sections refuse, in words that a RevOps person can act on."""

from __future__ import annotations

import pytest
import yaml

from segmentation_assets.policy.model import PolicyError, load_policy


def refused(tmp_path, text):
    """The message with which a policy file of this text is refused."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError) as error:
        load_policy(path)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("behavioral:\n  weights: {depth: 25}\n", "the weights must sum to 100, they sum to 105"),
        ("health:\n  relationship:\n    weights: {nps: 0}\n", "the weights must sum to 100, they sum to 80"),
        ("firmographic:\n  weights: {size: -30}\n", "greater than or equal to 0"),
        ("firmographic:\n  weights: {sise: 30}\n", "unknown key"),
        ("firmographic:\n  employees: {mid_market_from: 2000}\n", "the bands would overlap"),
        ("firmographic:\n  size: {smb: 101}\n", "less than or equal to 100"),
        ("firmographic:\n  industry: {points: {Software: 90}}\n", "the same word stands twice: software"),
        ("health:\n  outcome:\n    goals: [[0, 0]]\n", "a scale needs at least two knots"),
        ("health:\n  outcome:\n    goals: [[0, 0], [1, 50], [1, 100]]\n", "must rise from knot to knot: 1 then 1"),
        ("health:\n  outcome:\n    goals: [[0, 0], [1, 101]]\n", "less than or equal to 100"),
        ("needs:\n  otherwise: Basics\n", "Input should be"),
        ("churn:\n  overdue: {more_than_days: -1}\n", "greater than or equal to 0"),
        ("churn:\n  base: {min_leavers: 0}\n", "greater than or equal to 1"),
        ("churn:\n  calibration: {lowest_ratio: 1.5}\n", "lowest_ratio must be below highest_ratio"),
        (
            "needs:\n  rules:\n    - {name: a, profile: Platform, all_of: [{measure: products, at_least: 3}]}\n"
            "    - {name: a, profile: Platform, all_of: [{measure: products, at_least: 2}]}\n",
            "each rule needs a name of its own: a stands twice",
        ),
        (
            "needs:\n  rules:\n    - {name: a, profile: Platform, all_of: [{measure: products, one_of: [x]}]}\n",
            "products is a number",
        ),
        (
            "needs:\n  rules:\n    - {name: a, profile: Platform, all_of: [{measure: maturity, at_least: 3}]}\n",
            "maturity is a word",
        ),
        (
            "needs:\n  rules:\n    - {name: a, profile: Platform, all_of: [{measure: maturity}]}\n",
            "no test of maturity",
        ),
        ("needs:\n  rules:\n    - {name: a, profile: Platform, all_of: []}\n", "at least 1 item"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(tmp_path, text, message):
    result = refused(tmp_path, text)
    assert message in result
    assert "mine.yaml:" in result


def cohorts(*items):
    return yaml.safe_dump({"behavioral": {"cohorts": list(items)}})


RULE = {"name": "idle", "all_of": [{"measure": "seat_activity", "below": 0.1}]}
BUSY = {"name": "busy", "all_of": [{"measure": "seat_activity", "at_least": 0.8}]}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"name": "A", "any_of": [RULE]}, {"name": "B"}], "at least 3 items"),
        ([{"name": str(i), "any_of": [RULE]} for i in range(6)], "at most 5 items"),
        ([{"name": "A", "any_of": [RULE]}, {"name": "B"}, {"name": "C"}], "B: only the last cohort may have no rule"),
        (
            [{"name": "A", "any_of": [RULE]}, {"name": "A", "any_of": [BUSY]}, {"name": "C"}],
            "each cohort needs a name of its own: A stands twice",
        ),
        (
            [{"name": "A", "any_of": [RULE]}, {"name": "B", "any_of": [RULE]}, {"name": "C"}],
            "each rule needs a name of its own: idle stands twice",
        ),
        (
            [
                {"name": "A", "any_of": [RULE]},
                {"name": "B", "any_of": [BUSY]},
                {"name": "C", "after_onboarding": True},
            ],
            "C: the last cohort takes all others",
        ),
    ],
)
def test_cohorts_must_be_three_to_five_and_decidable(tmp_path, items, message):
    assert message in refused(tmp_path, cohorts(*items))


def test_the_defaults_carry_the_numbers_of_the_specification():
    policy = load_policy()
    assert policy.firmographic.employees.model_dump() == {"mid_market_from": 200, "enterprise_from": 2000}
    assert policy.firmographic.annual_revenue.model_dump() == {"mid_market_from": 20e6, "enterprise_from": 500e6}
    assert list(policy.behavioral.weights.model_dump().values()) == [30, 20, 15, 15, 10, 5, 5]
    assert [cohort.name for cohort in policy.behavioral.cohorts] == [
        "Dormant",
        "At Risk",
        "Power User",
        "Steady State",
    ]
    assert sorted(policy.needs.scores.values()) == [0, 40, 60, 80, 100]
    assert policy.health.cap_above_weakest == 25
    assert policy.churn.base.model_dump() == {"fallback": -5, "min_leavers": 10, "windows": 4, "size_spread": 1}
    assert (policy.churn.horizon_days, policy.churn.window_weeks) == (90, 13)
    assert (policy.churn.calibration.lowest_ratio, policy.churn.calibration.highest_ratio) == (0.67, 1.5)
    assert policy.churn.cohorts == {"At Risk": 1.5, "Dormant": 2.5}
