"""Two policies compared by their keys, and numbers found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmentation_assets.policy.model import Change, PolicyError, load_policy
from segmentation_assets.trials.policies import Difference, WrongName, changed_sections, differences, number_named


def test_a_file_that_says_the_same_is_no_difference(tmp_path: Path):
    same = tmp_path / "same.yaml"
    same.write_text("tier: {growth_min_arr: 25000}\n")
    assert differences(load_policy(), load_policy(then=same)) == ()
    assert changed_sections(load_policy(), load_policy(then=same)) == frozenset()


def test_differences_are_named_by_their_path_and_a_list_differs_as_a_whole(tmp_path: Path):
    other = tmp_path / "other.yaml"
    other.write_text(
        "tier: {growth_expansion_score: {enter: 55}}\nretention: {windows_months: [12, 3]}\n"
        "targets: {nrr: {Long-Tail: {low: 0.8}}}\n"
    )
    assert (
        differences(load_policy(), load_policy(then=other))
        == (
            Difference("tier.growth_expansion_score.enter", 50, 55),
            Difference("retention.windows_months", [12, 3, 1], [12, 3]),
            Difference("targets.nrr.Long-Tail.low", None, 0.8),
            Difference("targets.nrr.Long-Tail.high", None, None),
        )[:3]
    )


def test_the_other_file_comes_after_productions(tmp_path: Path):
    production, other = tmp_path / "production.yaml", tmp_path / "other.yaml"
    production.write_text("tier: {growth_min_arr: 30000, exit_band: 0.2}\n")
    other.write_text("tier: {growth_min_arr: 40000}\n")
    merged = load_policy(production, then=other).tier
    assert (merged.growth_min_arr, merged.exit_band) == (40000, 0.2)


def test_a_policy_that_cannot_be_valid_gives_the_loaders_own_error(tmp_path: Path):
    other = tmp_path / "other.yaml"
    other.write_text("tier:\n  top_share: 0.5\n")
    with pytest.raises(PolicyError) as as_other:
        load_policy(then=other)
    with pytest.raises(PolicyError) as as_policy:
        load_policy(other)
    assert str(as_other.value) == str(as_policy.value)
    assert "top_share must not be larger than strategic_share" in str(as_other.value)


def test_a_number_that_cannot_hold_is_refused_by_its_name():
    with pytest.raises(PolicyError, match=r"tier\.exit_band=2: tier\.exit_band: .* found 2"):
        load_policy(changes=[Change("tier.exit_band", 2)])


def test_numbers_are_found_by_their_path():
    policy = load_policy()
    assert number_named(policy, "tier.growth_min_arr") == 25000
    assert number_named(policy, "behavioral.weights.depth") == 20
    with pytest.raises(
        WrongName, match=r"growth_min_ar is no number of the policy; did you mean tier.growth_min_arr"
    ):
        number_named(policy, "tier.growth_min_ar")
    with pytest.raises(WrongName, match=r"segment_rules\.rules is no number"):
        number_named(policy, "segment_rules.rules")
