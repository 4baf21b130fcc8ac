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
        ({"segment_matrix": {"rows": []}}, "must name each of Strategic, Growth, Efficient, Long-Tail once"),
        ({"segment_matrix": {"cohorts": ["Dormant", "Steady State", "Power User"]}}, "At Risk is not on the scale"),
        ({"segment_matrix": {"value_tiers": ["Bronze", "Bronze"]}}, "two or more values, each once"),
        ({"segment_matrix": {"at_risk": {"cohorts": ["Lost"]}}}, "Lost is not on the scale"),
        ({"segment_matrix": {"at_risk": {"min_clv_percentile": 101}}}, "less than or equal to 100"),
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


def test_only_one_row_may_ask_for_an_expansion_score(tmp_path):
    rows = [row.model_dump(mode="json", exclude_none=True) for row in load_policy().segment_matrix.rows]
    rows[0]["min_expansion_score"] = 70
    with pytest.raises(PolicyError, match="only one row may have min_expansion_score"):
        load(tmp_path, {"segment_matrix": {"rows": rows}})


def test_every_cohort_has_a_rank_in_the_matrix(tmp_path):
    cohorts = [cohort.model_dump(mode="json", exclude_none=True) for cohort in load_policy().behavioral.cohorts]
    cohorts[-1]["name"] = "Cruising"
    with pytest.raises(PolicyError, match="Cruising has no rank"):
        load(tmp_path, {"behavioral": {"cohorts": cohorts}})
