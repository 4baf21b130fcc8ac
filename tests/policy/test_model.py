from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from segmentation_assets.policy.model import DEFAULT_FILE, Policy, PolicyError, load_policy
from segmentation_assets.policy.section import Section

DEFAULT = load_policy()


def loaded(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return load_policy(path)


def problem(tmp_path: Path, text: str) -> str:
    """The error's message, with the folder left away."""
    with pytest.raises(PolicyError) as error:
        loaded(tmp_path, text)
    return str(error.value).replace(f"{tmp_path}/", "")


def test_a_file_needs_only_what_differs(tmp_path: Path):
    policy = loaded(tmp_path, "costs:\n  hosting_share: 0.2\n")
    assert policy.costs == DEFAULT.costs.model_copy(update={"hosting_share": 0.2})
    assert policy.support == DEFAULT.support


def test_lists_replace_and_mappings_merge(tmp_path: Path):
    policy = loaded(
        tmp_path, "engagement:\n  meeting_kinds: [meeting]\naddressable:\n  share_by_industry: {media: 0.5}\n"
    )
    assert policy.engagement.meeting_kinds == ("meeting",)
    assert policy.addressable.share_by_industry == {"media": 0.5}
    assert policy.addressable.default_share == DEFAULT.addressable.default_share


def test_an_empty_section_changes_nothing(tmp_path: Path):
    assert loaded(tmp_path, "costs: {}\n") == DEFAULT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("costs:\n  hosting: 0.2\n", "mine.yaml:2: costs.hosting: unknown key, found 0.2"),
        (
            "# first line\ncosts:\n\n  hosting_share: 1.2\n",
            "mine.yaml:4: costs.hosting_share: Input should be less than",
        ),
        ("cost: {}\n", "mine.yaml:1: cost: unknown key"),
        ("costs:\n  hosting_share: much\n", "mine.yaml:2: costs.hosting_share: Input should be a valid number"),
        ("costs:\n  hosting_share: .nan\n", "mine.yaml:2: costs.hosting_share: Input should be a finite number"),
        ("support:\n  window_days: 0\n", "mine.yaml:2: support.window_days: Input should be greater than 0"),
        ("company:\n  timezone: Berlin\n", "mine.yaml:2: company.timezone: not an IANA time zone"),
        (
            "support:\n  window_days: 90\n  window_days: 60\n",
            "mine.yaml:3: support.window_days: the key stands twice",
        ),
        (
            "composite:\n  weights: {value: 36}\n",
            "mine.yaml:2: composite.weights: the weights must sum to 100, they sum to 101",
        ),
        (
            "technology:\n  tools_weight: 0.5\n",
            "mine.yaml:1: technology: tools_weight and complementary_weight must sum to 1, they sum to 0.9",
        ),
        (
            "firmographic:\n  employees:\n    mid_market_from: 3000\n",
            "mine.yaml:2: firmographic.employees: mid_market_from must be below enterprise_from: the bands",
        ),
        (
            "tier:\n  long_tail_below_arr: 30000\n",
            "mine.yaml:1: tier: long_tail_below_arr must not be larger than growth_min_arr: the tiers would overlap",
        ),
        (
            "value_tier:\n  platinum_share: 0.6\n",
            "mine.yaml:1: value_tier: the shares of Platinum, Gold and Silver sum to 1.1, more than 1",
        ),
        (
            "expansion:\n  whitespace_percentile: 101\n",
            "mine.yaml:2: expansion.whitespace_percentile: Input should be less than or equal to 100, found 101",
        ),
        (
            "segment_rules:\n  worth_saving:\n    clv_percentile: {enter: 160}\n",
            "mine.yaml:3: segment_rules.worth_saving.clv_percentile.enter: Input should be less than or equal to 100",
        ),
        ("engagement:\n  promoter_from: 6\n", "mine.yaml:1: engagement: detractor_to must be below promoter_from"),
        (
            "costs:\n  annualise_min_days: 400\n",
            "mine.yaml:1: costs: annualise_min_days must not be above annualise_below_days",
        ),
        (
            "behavioral:\n  depth:\n  - [0, 0]\n  - [9, 140]\n",
            "mine.yaml:4: behavioral.depth.1.1: Input should be less than or equal to 100, found 140",
        ),
        ("costs: 7\n", "mine.yaml:1: costs: Input should be a valid dictionary or instance of CostPolicy, found 7"),
        ("costs:\n", "mine.yaml:1: costs: "),
        ("- a\n- b\n", "mine.yaml:1: expected a mapping of sections, found list"),
        ("", "mine.yaml:1: expected a mapping of sections, found nothing"),
        ("costs: [1\n", "mine.yaml:2: not readable as YAML"),
    ],
)
def test_problems_name_file_line_and_key(tmp_path: Path, text: str, message: str):
    assert problem(tmp_path, text).startswith(message)


def test_all_problems_are_told_at_once(tmp_path: Path):
    text = "costs:\n  hosting_share: 2\n  hosting: 1\nsupport:\n  recent_days: -1\n"
    assert [line.split(": ")[0] for line in problem(tmp_path, text).splitlines()] == [
        "mine.yaml:5",
        "mine.yaml:2",
        "mine.yaml:3",
    ]


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(PolicyError, match=r"nowhere.yaml: no such file"):
        load_policy(tmp_path / "nowhere.yaml")


def test_a_missing_key_points_at_its_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = yaml.safe_load(DEFAULT_FILE.read_text())
    del whole["costs"]["hosting_share"]
    path = tmp_path / "base.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if text == "costs:")
    monkeypatch.setattr("segmentation_assets.policy.model.DEFAULT_FILE", path)
    with pytest.raises(PolicyError) as error:
        load_policy()
    assert str(error.value).startswith(f"{path}:{line}: costs.hosting_share: key is missing")


def test_digests_see_values_and_not_their_layout(tmp_path: Path):
    same = "costs: {annualise_min_days: 90, hosting_share: 0.10}   # in another order, with words\n"
    assert loaded(tmp_path, same).hash == DEFAULT.hash
    other = loaded(tmp_path, "costs: {hosting_share: 0.11}\n")
    changed = [type(a) for a, b in zip(_sections(other), _sections(DEFAULT), strict=True) if a.digest != b.digest]
    assert changed == [type(DEFAULT.costs)]
    assert other.hash != DEFAULT.hash


def _sections(policy: Policy) -> list[Section]:
    return list(policy.sections.values())


def test_each_section_stands_for_itself():
    """Two sections of one class could not be told apart by the tables that ask for them."""
    assert len(DEFAULT.sections) == len(type(DEFAULT).model_fields)


def test_sections_never_change():
    values: dict[str, Any] = {"hosting_share": 0.5}
    for name, value in values.items():
        with pytest.raises(ValueError, match="frozen"):
            setattr(DEFAULT.costs, name, value)
