from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from segmentation_assets.policy.model import PolicyError, load_policy


def load(tmp_path: Path, over: dict) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(over))
    load_policy(file)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"segment_rules": {"rules": []}}, "rules: .*at least 1 item"),
        ({"segment_rules": {"rules": [{"id": "all", "segment": "Growth"}]}}, "none gives Strategic, Efficient"),
        ({"segment_rules": {"archetypes": {"Huge": {}}}}, "archetypes.Huge"),
        ({"segment_rules": {"high_expansion": {"leave": 60}}}, "leave 60 must not lie above enter 50"),
        ({"segment_rules": {"barely_used": {"leave": 0.1}}}, "leave 0.1 must not lie below enter 0.2"),
        ({"segment_rules": {"worth_saving": {"clv_percentile": {"enter": 101}}}}, "less than or equal to 100"),
        ({"tier": {"top_share": 0.2}}, "top_share must not be larger"),
        ({"tier": {"long_tail_below_arr": 30_000}}, "the tiers would overlap"),
        ({"tier": {"exit_band": 1}}, "less than 1"),
        ({"stability": {"grid_points": 0}}, "greater than or equal to 1"),
        ({"treatment": {"segments": {"Growth": {"agrees_with": ["Core"]}}}}, "its own care_tier Growth"),
        ({"treatment": {"segments": {"Growth": {"care_tier": "Gold"}}}}, "care_tier"),
        ({"treatment": {"segments": {"Huge": {}}}}, "Huge"),
        ({"micro_segment": {"order": ["at_risk"]}}, "must name each of expansion_ready, at_risk, advocate once"),
        ({"segment_moves": {"segment_order": ["Strategic"]}}, "must name each of"),
        ({"segment_moves": {"colour": "red"}}, "unknown key"),
    ],
)
def test_a_policy_that_contradicts_itself_says_where(tmp_path, over, message):
    with pytest.raises(PolicyError, match=r"(?s)\.yaml:\d+: .*" + message):
        load(tmp_path, over)


def rules() -> list[dict]:
    return [rule.model_dump(mode="json", exclude_none=True) for rule in load_policy().segment_rules.rules]


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (4, {"size_classes": ["giant"]}, r"mine\.yaml:\d+: segment_rules\.rules\.4\.size_classes\.0: .*'giant'"),
        (4, {"colour": "red"}, r"mine\.yaml:\d+: segment_rules\.rules\.4\.colour: unknown key"),
        (4, {"id": "at_risk", "segment": "At-Risk"}, "at_risk stands twice for the same segment"),
        (3, {"cohorts": ["Lost"]}, "Lost is none of the cohorts Dormant, At Risk, Power User, Steady State"),
        (-1, {"barely_used": True}, "the last one, efficient, must have no condition: it takes all others"),
    ],
)
def test_a_rule_that_cannot_be_says_where(tmp_path, place, change, message):
    changed = rules()
    changed[place] |= change
    with pytest.raises(PolicyError, match=message):
        load(tmp_path, {"segment_rules": {"rules": changed}})


def test_no_rule_stands_behind_one_that_takes_all(tmp_path):
    with pytest.raises(PolicyError, match="efficient has no condition, so no rule after it can ever hold"):
        load(tmp_path, {"segment_rules": {"rules": [*rules(), {"id": "more", "segment": "Growth"}]}})


def test_a_cohort_that_the_rules_name_must_exist(tmp_path):
    cohorts = [cohort.model_dump(mode="json", exclude_none=True) for cohort in load_policy().behavioral.cohorts]
    cohorts[-1]["name"] = "Cruising"
    with pytest.raises(PolicyError, match="segment_rules: Steady State is none of the cohorts"):
        load(tmp_path, {"behavioral": {"cohorts": cohorts}})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"measure": "score", "at_least": 75, "leave": 76}, "leave 76 must not be stricter than at_least 75"),
        ({"measure": "seat_activity", "below": 0.2, "leave": 0.1}, "leave 0.1 must not be stricter than below 0.2"),
        ({"measure": "score", "at_least": 1, "below": 2, "leave": 1}, "leave goes with exactly one of"),
    ],
)
def test_leaving_a_cohort_is_never_stricter_than_entering_it(tmp_path, condition, message):
    cohorts = [cohort.model_dump(mode="json", exclude_none=True) for cohort in load_policy().behavioral.cohorts]
    cohorts[0]["any_of"][0]["all_of"] = [condition]
    with pytest.raises(PolicyError, match=message):
        load(tmp_path, {"behavioral": {"cohorts": cohorts}})


def test_danger_comes_first_among_micro_segments(tmp_path):
    with pytest.raises(PolicyError, match="order must begin with at_risk"):
        load(tmp_path, {"micro_segment": {"order": ["advocate", "at_risk", "expansion_ready"]}})
