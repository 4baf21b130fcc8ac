"""The search on functions by hand, its judgement on later rows, and that chance gives no proposal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.trials.sweeping import WrongSweep, read_range
from segmentation_assets.trials.tuning import fragment, gain_of, means_of, saved_error, search, tune

POLICY = load_policy().backtest


def test_the_search_climbs_one_number_after_the_other_and_counts_what_it_scored():
    def score(values: Mapping[str, float]) -> float:
        return 10 - (values["a"] - 3) ** 2 - (values["b"] - 2) ** 2

    best, tried = search({"a": 1, "b": 1}, {"a": [1, 2, 3], "b": [1, 2]}, score, lambda _: True)
    assert dict(best) == {"a": 3, "b": 2}
    # a: 2, 3 beside the start; b: 2; the second round adds (1, 2) and (2, 2)
    assert tried == 6


def test_limits_and_refused_values_are_kept_out():
    def score(values: Mapping[str, float]) -> float | None:
        return None if values["a"] == 4 else values["a"]

    best, _ = search({"a": 1}, {"a": [1, 2, 3, 4]}, score, lambda values: values["a"] < 3)
    assert dict(best) == {"a": 2}


def test_where_nothing_is_better_today_stands():
    best, _ = search({"a": 1}, {"a": [1, 2, 3]}, lambda values: 1.0, lambda _: True)
    assert dict(best) == {"a": 1}


def test_saved_error_by_hand():
    values, weights = np.array([1.0, 1.2, 0.6, 0.8]), np.array([1.0, 1.0, 1.0, 1.0])
    means, mean = means_of(["x", "x", "y", "y"], values, weights)
    assert ({k: round(v, 9) for k, v in means.items()}, round(mean, 9)) == ({"x": 1.1, "y": 0.7}, 0.9)
    # around 0.9: 0.01 + 0.09 + 0.09 + 0.01 = 0.2; around 1.1 and 0.7: 4 x 0.01 = 0.04; saved 1 - 0.04 / 0.2
    assert saved_error(["x", "x", "y", "y"], values, weights, means, mean) == pytest.approx(0.8)
    assert (
        saved_error(["new"], np.array([2.0]), np.array([1.0]), means, mean) == 0.0
    )  # a group without a mean: that of all
    # weights: mean of x is (1 x 3 + 1.2 x 1) / 4 = 1.05
    assert means_of(["x", "x"], np.array([1.0, 1.2]), np.array([3.0, 1.0]))[0]["x"] == pytest.approx(1.05)


def test_gain_on_later_rows_by_hand():
    later = pd.DataFrame({"account_id": ["a", "b"], "value": [1.0, 0.0], "weight": [1.0, 1.0]})
    learned = ({"all": 0.5}, 0.5), ({"high": 0.9, "low": 0.1}, 0.5)
    gain, low, high = gain_of(["all", "all"], ["high", "low"], later, learned, POLICY)
    # errors: 0.25 + 0.25 = 0.5 against 0.01 + 0.01 = 0.02; the base is 0.5
    assert gain == pytest.approx(0.96)
    assert low == pytest.approx(0.96)  # each account gains the same
    assert high == pytest.approx(0.96)


def proposed(seed: int, *, is_permuted: bool) -> bool:
    """Whether a search for one cut of x proposes it: accounts below 30 lose, those above gain; today's cut is 80."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 100, 300)
    quarters = [np.where(x < 30, 0.8, 1.1) + rng.normal(0, 0.2, 300) for _ in range(3)]
    if is_permuted:
        quarters = [rng.permutation(each) for each in quarters]
    early = pd.DataFrame({"value": np.concatenate(quarters[:2]), "x": np.tile(x, 2)})
    ones, one = np.ones(600), np.ones(300)

    def groups(cut: float, of: np.ndarray) -> list[str]:
        return ["high" if each >= cut else "low" for each in of]

    def fit(values: Mapping[str, float]) -> float:
        means = means_of(groups(values["cut"], early["x"]), early["value"].to_numpy(), ones)
        return saved_error(groups(values["cut"], early["x"]), early["value"].to_numpy(), ones, *means)

    best, _ = search({"cut": 80.0}, {"cut": [float(cut) for cut in range(10, 100, 10)]}, fit, lambda _: True)
    later = pd.DataFrame({"account_id": np.arange(300).astype(str), "value": quarters[2], "weight": one})
    learned = tuple(means_of(groups(cut, early["x"]), early["value"].to_numpy(), ones) for cut in (80.0, best["cut"]))
    _, low, _ = gain_of(groups(80.0, x), groups(best["cut"], x), later, (learned[0], learned[1]), POLICY)
    return best["cut"] != 80.0 and low > 0


def test_a_cut_that_tells_is_proposed_and_permuted_outcomes_give_no_gain():
    assert all(proposed(seed, is_permuted=False) for seed in range(20))
    # The interval's lower end is above zero by chance in at most a tenth of the cases (80 % confidence).
    assert sum(proposed(seed, is_permuted=True) for seed in range(40)) <= 4


def test_a_proposal_is_a_piece_of_a_policy():
    text = fragment({"tier.growth_min_arr": 20000.0, "tier.growth_expansion_score.enter": 52.5})
    assert text == "tier:\n  growth_min_arr: 20000\n  growth_expansion_score:\n    enter: 52.5\n"


def test_on_a_home_it_keeps_to_its_limits_and_judges_on_the_last_quarter(year_home: Path):
    result = tune(year_home, None, [read_range("tier.growth_min_arr=15000:35000:20000")])
    assert result.people <= result.limits.people
    assert result.monthly_moves <= result.limits.monthly_moves
    assert result.fit[1] >= result.fit[0]
    assert result.tried >= 3
    assert result.accounts > 10
    if dict(result.best) == dict(result.before):
        assert (result.gain, result.is_proposed) == (0.0, False)


def test_without_a_range_there_is_nothing_to_search(year_home: Path):
    with pytest.raises(WrongSweep, match="name at least one range"):
        tune(year_home, None, [])
