from __future__ import annotations

from pathlib import Path

import pytest

from segmentation_assets.policy.model import PolicyError, load_policy


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("coverage: {ratios: {Growth: {accounts_per_csm: 50}}}", "accounts_per_csm 50.0 is not between low 20.0"),
        ("care: {plays: {Gold: []}}", "care.plays.Gold"),
        ("care: {segment_hours_per_month: {Gold: 1}}", "care.segment_hours_per_month.Gold"),
        ("care: {segment_hours_per_month: {At-Risk: -1}}", "greater than or equal to 0"),
        ("coverage: {ratios: {Core: {segments: {Efficient: 0}}}}", "greater than 0"),
        ("coverage: {ratios: {Core: {accounts_per_csm: null}}}", "segments Efficient have a ratio"),
        ("care: {plays: {Core: [{play: call, every_months: 0, hours: 1}]}}", "greater than 0"),
        ("care: {automated_tiers: [Tail]}", "care.automated_tiers.0"),
        ("assignment: {levels: {Strategic: []}}", "Strategic: an empty list fits nobody"),
        ("assignment: {levels: {Strategic: [principal]}}", "'associate' or 'senior'"),
        ("assignment: {most_load: 0.9}", "greater than or equal to 1"),
        ("assignment: {stays_in_spite_of: [language]}", "'level', 'region' or 'industry'"),
        ("staffing: {horizon_days: 0}", "greater than or equal to 1"),
        ("staffing: {full_week_hours: 0}", "greater than 0"),
    ],
)  # fmt: skip
def test_a_policy_on_capacity_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, problem: str):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError) as error:
        load_policy(file)
    assert problem in str(error.value)
    assert "mine.yaml:1" in str(error.value)


def test_hours_a_month_of_the_default_plays():
    care = load_policy().care
    hours = {tier: care.hours_per_month(tier) for tier in care.plays}
    assert hours == pytest.approx({"Strategic": 8.0, "Growth": 2.5, "Core": 0.6, "Long-Tail": 0.0})


def test_a_tier_may_have_no_plays(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("care: {plays: {Core: []}}")
    assert load_policy(file).care.hours_per_month("Core") == 0.0


def test_an_automated_tier_entitles_to_no_hours_whatever_its_plays(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("care: {automated_tiers: [Core, Long-Tail]}")
    care = load_policy(file).care
    assert (care.hours_per_month("Core"), care.hours_per_month("Growth")) == (0.0, pytest.approx(2.5))


def test_intervention_hours_and_the_ratio_of_a_segment_are_policy():
    policy = load_policy()
    assert policy.care.segment_hours_per_month == {"At-Risk": 4.0}
    assert policy.coverage.ratios["Core"].segments == {"Efficient": 75.0}
