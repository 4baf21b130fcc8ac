"""What a play does: by hand, and by simulation that its intervals hold however often one looks."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from segmentation_assets.activation.effects import compared
from tests.companies import DEFAULT, Company, policy_with

FRIDAY = date(2026, 11, 27)
START, END = date(2026, 8, 27), FRIDAY
POLICY = DEFAULT.play_effects
Row = dict[str, Any]


def unit(account: str, *, left: bool = False, held: bool = False, **values: Any) -> tuple[Row, Row]:
    """An account on the list of three months ago, and what became of it."""
    listed: Row = {
        "as_of": START, "account_id": account, "kind": "renewal", "play_id": "renewal_growth",
        "play": "renewal_outreach", "coverage_tier": "Growth", "opened_on": START, "is_held_out": held,
    }  # fmt: skip
    window: Row = {
        "as_of": FRIDAY, "window_months": 3, "starts_on": START, "ends_on": END, "account_id": account,
        "start_arr": 100.0, "end_arr": 0.0 if left else 110.0, "retained_arr": 0.0 if left else 100.0,
        "has_left": left, "has_expanded": not left, "segment": "Growth", "coverage_tier": "Growth",
        "churn_risk": 0.1,
    }  # fmt: skip
    return listed, window | values


def effects(units: list[tuple[Row, Row]], done: list[tuple[str, date]], **policy: Any) -> dict[str, Row]:
    rows = Company(
        policy_with({"play_effects": {"min_accounts": 5, **policy}}),
        plays_due=[listed for listed, _ in units],
        backtest_accounts=[window for _, window in units],
        account_hierarchy=[
            {"as_of": FRIDAY, "account_id": w["account_id"], "surviving_account_id": w["account_id"]}
            for _, w in units
        ],
        interactions=[
            {"interaction_id": f"N{i}", "account_id": account, "occurred_on": on, "play": "renewal_outreach"}
            for i, (account, on) in enumerate(done)
        ],
    ).rows("play_effect", FRIDAY)
    return {row["outcome"]: row for row in rows}


def test_without_an_experiment_similar_accounts_are_matched():
    with_play = [unit(f"a{i}", left=i == 0) for i in range(10)]  # 9 of 10 stay
    without = [unit(f"b{i}", left=i < 4) for i in range(8)]  # 4 of 8 stay
    safe = [unit(f"c{i}", churn_risk=0.01) for i in range(9)]  # another band: nobody in it has the play
    done = [(f"a{i}", date(2026, 9, 26)) for i in range(10)]  # 30 days after the list
    done.append(("b1", date(2026, 9, 27)))  # 31 days: too late
    rows = effects([*with_play, *without, *safe], done)
    row = rows["stayed"]
    assert (row["method"], row["treated_accounts"], row["compared_accounts"]) == ("matched", 10, 8)
    assert (row["treated_mean"], row["compared_mean"]) == (0.9, 0.5)
    assert row["effect"] == pytest.approx(0.4)
    # variances with one 0 and one 1 more: 10/12 x 2/12 = 0.138889; 5/10 x 5/10 = 0.25
    error = math.sqrt(10 / 12 * 2 / 12 / 10 + 0.25 / 8)
    bits = -2 * math.log(0.05)
    spread = 18 * (bits + math.log(bits) + 1) / 200  # n x rho squared
    half = error * math.sqrt(2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / 0.05))
    assert row["effect_high"] - row["effect"] == pytest.approx(half, abs=1e-6)
    assert row["verdict"] == "unclear"
    # ARR kept: 1.1 for each that stays: 0.99 and 0.55
    assert rows["arr_kept"]["effect"] == pytest.approx(0.44)


def test_too_few_accounts_are_too_small_to_conclude():
    units = [unit(f"a{i}") for i in range(4)] + [unit(f"b{i}") for i in range(9)]
    row = effects(units, [(f"a{i}", date(2026, 9, 1)) for i in range(4)])["stayed"]
    assert (row["verdict"], row["effect"], row["effect_low"]) == ("too_small", None, None)
    assert (row["treated_accounts"], row["treated_mean"]) == (4, 1.0)


def test_accounts_held_back_at_random_are_an_experiment_done_or_not():
    units = [unit(f"a{i}", left=i < 2, churn_risk=0.01 if i % 2 else 0.3) for i in range(10)]
    units += [unit(f"h{i}", left=i < 3, held=True) for i in range(6)]
    done = [("a1", date(2026, 9, 1))]
    row = effects(units, done, held_back_since=START)["stayed"]
    assert (row["method"], row["treated_accounts"], row["compared_accounts"]) == ("experiment", 10, 6)
    assert (row["treated_mean"], row["compared_mean"]) == (0.8, 0.5)
    # held back only since the day after the list: they had the play like all others, so nobody is held back
    later = effects(units, done, held_back_since=date(2026, 8, 28))
    assert all(row["method"] == "matched" for row in later.values())


def _looks(companies: int, effect: float, rng: np.random.Generator, weeks: int = 40) -> pd.DataFrame:
    """Effect and half width at each weekly look: 15 accounts a week, a fifth held back, 0.8 + effect stay."""
    each = 15
    treated = rng.random((companies, weeks * each)) < 0.8
    value = (rng.random(treated.shape) < np.where(treated, 0.8 + effect, 0.8)).astype(float)
    last = np.arange(4, weeks) * each - 1
    frames = []
    for arm, mask in (("1", treated), ("0", ~treated)):
        n, s = mask.cumsum(axis=1)[:, last], (value * mask).cumsum(axis=1)[:, last]
        frames.append((arm, n.ravel(), s.ravel()))
    rows = []
    for arm, n, s in frames:
        units = np.arange(len(n))
        rows.append(pd.DataFrame({"unit": units, "is_treated": arm == "1", "stay": s, "leave": n - s}))
    return pd.concat(rows)


@pytest.mark.parametrize("effect", [0.0, 0.1])
def test_intervals_hold_at_all_weekly_looks_together(effect: float):
    """Planted effects are in the interval at every look in 93 % of companies; none is called where there is none."""
    companies, looks = 400, 36
    sums = _looks(companies, effect, np.random.default_rng(5))
    rows = ibis.memtable(sums)
    counted = rows.mutate(
        as_of=ibis.date(FRIDAY), method=ibis.literal("experiment"), play_id=rows.unit.cast("string"),
        outcome=ibis.literal("stayed"), group=ibis.literal("all"),
    )  # fmt: skip
    values = ibis.union(
        *(
            counted.mutate(value=ibis.literal(float(v)), times=counted[name])
            for v, name in ((1, "stay"), (0, "leave"))
        )
    )
    values = values.mutate(copy=ibis.range(0, values.times.cast("int64")).unnest())
    frame = ibis.duckdb.connect().to_pandas(compared(values, POLICY))
    error = (frame["treated_mean"] - frame["compared_mean"] - effect).abs()
    misses = error > frame["half"]
    company = frame["play_id"].astype(int) // looks
    missed = misses.groupby(company).any().mean()
    assert len(frame) == companies * looks
    assert missed <= (0.05 if effect == 0 else 0.07)
    # the usual interval, looked at as often, misses in many a company: the simulation can tell the two apart
    n = (frame["treated"] + frame["others"]) * ((bits := -2 * math.log(0.05)) + math.log(bits) + 1) / 200
    error_bars = frame["half"] / np.sqrt(2 * (n + 1) / n * np.log(np.sqrt(n + 1) / 0.05))
    assert (error > 1.96 * error_bars).groupby(company).any().mean() > 0.15
