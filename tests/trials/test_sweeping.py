"""Ranges as people write them, NRR of tiers by hand, and a sweep on a finished home."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from segmentation_assets.cli.main import main
from segmentation_assets.policy.model import PolicyError, load_policy
from segmentation_assets.trials.policies import WrongName
from segmentation_assets.trials.sweeping import Range, WrongSweep, curves, nrr_by_tier, read_range, sweep
from segmentation_assets.trials.what_if import with_one_short_window


def test_a_range_has_both_ends_and_exact_steps():
    assert read_range("tier.exit_band=0.1:0.4:0.1") == Range("tier.exit_band", (0.1, 0.2, 0.3, 0.4))
    assert read_range("a.b=10:24:5").values == (10, 15, 20)
    assert read_range("a.b=7:7:1").values == (7,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tier.exit_band", "is no range such as"),
        ("tier.exit_band=1:2", "is no range such as"),
        ("tier.exit_band=a:b:c", "is no range such as"),
        ("tier.exit_band=2:1:1", "from a lower to a higher number"),
        ("tier.exit_band=1:2:0", "in steps above 0"),
        ("tier.exit_band=1:nan:1", "from a lower to a higher number"),
        ("tier.exit_band=0:1e9:1", "has 1,000,000,001 values; at most 200"),
    ],
)
def test_what_is_no_range_is_refused(text: str, message: str):
    with pytest.raises(WrongSweep, match=message):
        read_range(text)


def test_nrr_is_of_the_accounts_a_tier_had_at_the_start():
    outcomes = pd.DataFrame(
        {
            "account_id": ["a", "b", "c", "unknown"],
            "start_arr": [100.0, 300.0, 50.0, 9.0],
            "end_arr": [150.0, 250.0, 0.0, 9.0],
        }
    )  # fmt: skip
    states = pd.DataFrame({"account_id": ["a", "b", "c"], "coverage_tier": ["Growth", "Growth", "Core"]})
    # Growth: (150 + 250) / (100 + 300) = 1; Core: 0 / 50 = 0; the others had nobody
    assert nrr_by_tier(states, outcomes) == {"Strategic": None, "Growth": 1.0, "Core": 0.0, "Long-Tail": None}


def test_a_higher_bound_makes_growth_smaller_and_today_is_among_the_points(year_home: Path, tmp_path: Path):
    result = sweep(year_home, None, read_range("tier.growth_min_arr=12000:40000:28000"))
    low, today, high = result.points
    assert [point.value for point in result.points] == [12000, 25000, 40000]
    assert (today.is_production, today.moved_accounts, today.moved_arr) == (True, 0, 0.0)
    assert low.accounts["Growth"] > today.accounts["Growth"] >= high.accounts["Growth"]
    assert {sum(point.accounts.values()) for point in result.points} == {sum(today.accounts.values())}
    assert len({round(sum(point.arr.values()), 2) for point in result.points}) == 1
    assert low.required_fte > today.required_fte
    assert today.nrr["Core"] is not None
    assert {name for name, *_ in curves(result)["People needed"]} == {"people"}


def test_the_command_prints_the_points_and_writes_a_page_with_charts(year_home: Path, tmp_path: Path):
    page = tmp_path / "sweep.html"
    result = CliRunner().invoke(
        main, f"--home {year_home} sweep coverage.ratios.Core.accounts_per_csm=100:150:50 --output {page}".split()
    )
    assert result.exit_code == 0, result.output
    assert "100 (today)" in result.stdout
    assert "elsewhere" in result.stdout
    text = page.read_text()
    assert text.count("<svg") == 2 * 5  # five charts, each for wide pages and for phones
    assert "<script" not in text


def test_numbers_that_cannot_be_swept_are_refused(year_home: Path):
    with pytest.raises(WrongName, match="no number of the policy"):
        sweep(year_home, None, Range("tier.nothing", (1.0,)))
    with pytest.raises(PolicyError, match=r"tier\.exit_band=1\.5"):
        sweep(year_home, None, Range("tier.exit_band", (0.1, 1.5)))
    with pytest.raises(WrongSweep, match="reaches no segment, no tier and no need for people"):
        sweep(year_home, None, Range("reconciliation.tolerance_share", (0.1,)))


def test_one_short_window_leaves_the_rest_of_a_policy():
    policy = load_policy()
    trial = with_one_short_window(policy)
    assert trial.backtest == policy.backtest.model_copy(update={"windows": 1})
    assert trial.tier == policy.tier
