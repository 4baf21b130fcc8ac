"""What-if on a finished home: exact where nothing changes, careful where it cannot answer, and nothing is written."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import main
from segmentation_assets.policy.model import Change, load_policy
from segmentation_assets.policy.scores import BehavioralPolicy
from segmentation_assets.policy.segments import StabilityPolicy, TierPolicy
from segmentation_assets.reading.access import NotPublished
from segmentation_assets.trials.beside import TooFarBack, beside, touched
from segmentation_assets.trials.what_if import OtherPolicy, WrongRange, what_if
from tests.conftest import YEAR_DAY

TABLES = ("segment_inputs", "segment_grid", "segment_states", "segments", "capacity_plan", "segment_backtest")


def test_the_same_policy_computed_beside_gives_the_published_tables(year_home: Path):
    reached = touched([TierPolicy, StabilityPolicy, BehavioralPolicy])
    with beside(year_home) as trial:
        grid_days = [day for day in trial.store.days("segment_grid", "as_of") if day.weekday() == 0][-3:]
        needs = {name: grid_days if name == "segment_grid" else [YEAR_DAY] for name in TABLES}
        again = trial.computed(load_policy(), reached, needs)
        for name, days in needs.items():
            stands = trial.published(name, days)
            key = [column for column in stands if column in {"account_id", "anchor", "coverage_tier"}]
            key += [column for column in ("window_months", "grouping", "member") if column in stands]
            both = [rows.sort_values(["as_of", *key], ignore_index=True) for rows in (stands, again[name])]
            assert len(both[0]), name
            pd.testing.assert_frame_equal(*both)


def files(home: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}


def test_a_lower_bound_moves_accounts_up_and_leaves_the_home_as_it_is(year_home: Path, tmp_path: Path):
    other, page = tmp_path / "other.yaml", tmp_path / "page.html"
    other.write_text("tier: {growth_min_arr: 12000}\n")
    before = files(year_home)
    result = CliRunner().invoke(
        main, f"--home {year_home} what-if {other} --format json --output {page}".split(), catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    assert files(year_home) == before
    answer = json.loads(result.stdout)
    assert answer["differences"] == [{"name": "tier.growth_min_arr", "before": 25000, "after": 12000}]
    tiers = [one for one in answer["moved"] if one["grouping"] == "coverage_tier"]
    assert tiers
    # Nobody's scores change, so only the bound moves them, and only upwards from Core, with ARR between the bounds.
    assert {(one["before"], one["after"], tuple(one["inputs"])) for one in tiers} == {("Core", "Growth", ())}
    assert all(12000 * 0.9 <= one["arr"] < 25000 and "tier.growth_min_arr" in one["cause"] for one in tiers)
    accounts = {one["member"]: one["accounts"] for one in answer["groups"] if one["grouping"] == "coverage_tier"}
    assert accounts["Growth"]["after"] - accounts["Growth"]["before"] == len(tiers)
    assert sum(one["after"] for one in accounts.values()) == sum(one["before"] for one in accounts.values())
    company = answer["people"][-1]
    assert company["required_fte"]["after"] > company["required_fte"]["before"]
    assert answer["retention"]
    assert answer["stability"]
    assert tiers[0]["account_id"] in page.read_text()


def test_weights_change_scores_and_the_cause_names_them(year_home: Path):
    production = load_policy()
    weights = {"arr": 100, "trajectory": 0, "whitespace": 0, "lookalike": 0}
    changes = [Change(f"expansion.weights.{name}", points) for name, points in weights.items()]
    trial = what_if(year_home, production, load_policy(changes=changes))
    assert {one.name for one in trial.differences} == {change.name for change in changes}
    assert trial.moved
    assert any(change.name in {"expansion_score", "expansion_level"} for one in trial.moved for change in one.inputs)


def test_a_policy_equal_to_production_says_so(year_home: Path, tmp_path: Path):
    same = tmp_path / "same.yaml"
    same.write_text("tier: {growth_min_arr: 25000.0}\n")
    result = CliRunner().invoke(main, f"--home {year_home} what-if {same}".split())
    assert (result.exit_code, result.stdout.splitlines()) == (0, ["No change: the policy equals production's."])


def test_a_change_that_reaches_no_account_says_what_it_reaches(year_home: Path, tmp_path: Path):
    other = tmp_path / "other.yaml"
    other.write_text("reconciliation: {tolerance_share: 0.5}\n")
    result = CliRunner().invoke(main, f"--home {year_home} what-if {other}".split())
    assert result.exit_code == 0
    assert "No account moves: the change reaches arr_reconciliation" in result.stdout


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ("tier: {top_share: 0.5}", "top_share must not be larger", 2),
        ("tier: {growth_min_ar: 1}", "unknown key", 2),
        ("tier: [", "not readable as YAML", 2),
    ],
)
def test_a_policy_that_cannot_be_valid_is_refused(
    year_home: Path, tmp_path: Path, text: str, message: str, code: int
):
    other = tmp_path / "other.yaml"
    other.write_text(text)
    result = CliRunner().invoke(main, f"--home {year_home} what-if {other}".split())
    assert result.exit_code == code
    assert message in result.stderr


def test_days_without_data_are_named(year_home: Path):
    production, other = load_policy(), load_policy(changes=[Change("tier.growth_min_arr", 12000)])
    with pytest.raises(NotPublished, match="segments has not been made for 2020-01-01"):
        what_if(year_home, production, other, date(2020, 1, 1))
    with pytest.raises(WrongRange, match="fewer than two Mondays"):
        what_if(year_home, production, other, first=date(2020, 1, 1), last=date(2020, 3, 1))
    with pytest.raises(WrongRange, match="the last day is before the first"):
        what_if(year_home, production, other, first=date(2026, 11, 20), last=date(2026, 11, 2))


def test_what_was_made_with_another_policy_is_no_base(year_home: Path):
    production = load_policy(changes=[Change("tier.growth_min_arr", 13000)])
    with pytest.raises(OtherPolicy, match=r"made with another policy .*segmentation run --as-of 2026-11-27"):
        what_if(year_home, production, load_policy())


def test_a_policy_that_looks_further_back_than_the_home_says_so(year_home: Path):
    other = load_policy(changes=[Change("stability.tier_memory_quarters", 8)])
    with pytest.raises(TooFarBack, match=r"of .* days that this home never made, the first is 20"):
        what_if(year_home, load_policy(), other)
