from __future__ import annotations

import math
import random
from datetime import date

import pandas as pd
import pytest

from segmentation_assets.kpis.durations import median_time
from tests.kpis.world import kpis, one, pays, stands

MONTH = 365.25 / 12
T1 = date(2025, 12, 31)


def curve(*rows: tuple[int, bool, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=pd.Index(["days", "has_happened", "accounts"]))


def test_median_is_the_first_day_on_which_at_most_half_still_wait():
    """10 accounts: 3 expand on day 10 (7/10 wait), 2 are lost from sight on day 15, 2 of 5 expand on day 20:
    7/10 x 3/5 = 0.42."""
    median, low, high = median_time(
        curve((10, True, 3), (15, False, 2), (20, True, 2), (30, False, 3)), confidence=0.95
    )
    assert median == pytest.approx(20 / MONTH)
    assert low == pytest.approx(10 / MONTH)
    assert high is None


def test_median_is_null_where_the_curve_stays_above_one_half():
    assert median_time(curve((10, True, 4), (20, False, 6)), 0.95)[0] is None


def test_nothing_happened_yet():
    assert median_time(curve((10, False, 4)), 0.95) == (None, None, None)


def test_medians_and_limits_agree_with_the_product_limit_by_hand():
    """Product limit, Greenwood's variance, log-log limits (Kalbfleisch & Prentice), in plain Python."""
    rng = random.Random(5)
    for _ in range(20):
        rows = [(rng.randint(1, 400), rng.random() < 0.6, 1) for _ in range(rng.randint(5, 60))]
        found = median_time(curve(*rows), 0.95)
        assert found == pytest.approx(naive_median(rows), abs=1e-9)


def naive_median(rows: list[tuple[int, bool, int]]) -> tuple[float | None, float | None, float | None]:
    survival, variance = 1.0, 0.0
    first: dict[str, float] = {}
    for day in sorted({d for d, happened, _ in rows if happened}):
        at_risk = sum(d >= day for d, *_ in rows)
        events = sum(d == day and happened for d, happened, _ in rows)
        survival *= 1 - events / at_risk
        limits = {"median": survival, "low": 0.0, "high": 0.0}
        if survival > 0:
            variance += events / (at_risk * (at_risk - events))
            spread = 1.959963984540054 * math.sqrt(variance) / math.log(survival)
            limits |= {
                "low": survival ** math.exp(-spread),
                "high": survival ** math.exp(spread),
            }
        for name, value in limits.items():
            if value <= 0.5:
                first.setdefault(name, day / MONTH)
    return first.get("median"), first.get("low"), first.get("high")


def test_time_to_first_expansion_counts_lost_accounts_up_to_their_loss():
    """a expands after 31 days, b after 60; c is lost after 90 days without, d still waits. Four, three, ... at risk:
    3/4 after 31 days, 2/4 after 60: the median is 60 days."""
    subscriptions = [
        pays("a", 10, date(2025, 1, 1), date(2025, 2, 1)),
        pays("a", 20, date(2025, 2, 1)),
        pays("b", 10, date(2025, 1, 1), date(2025, 3, 2)),
        pays("b", 20, date(2025, 3, 2)),
        pays("c", 10, date(2025, 1, 1), date(2025, 4, 1)),
        pays("d", 10, date(2025, 1, 1)),
    ]
    made = kpis(["durations", "median_durations", "company_kpis"], [T1], billing_subscriptions=subscriptions)
    whole = made["durations"][made["durations"].grouping == "company"]
    assert sorted(whole[["days", "has_happened"]].itertuples(index=False, name=None)) == [
        (31, True),
        (60, True),
        (90, False),
        (364, False),
    ]
    row = one(made["company_kpis"], window_months=3)
    assert row.time_to_first_expansion_months == pytest.approx(60 / MONTH)
    assert row.time_to_first_expansion_accounts == 4
    assert row.time_to_first_expansion_low_n


def test_lag_from_the_first_fall_to_churn():
    """a falls to Core on 10 February and churns on 1 June: 111 days. b falls at the quarter's end (its tier's first
    day is before the quarter) and lives. c rises. d churns without a fall. Ten months are looked back at, in quarters
    that end on 31 December, 30 September, 30 June, 31 March."""
    ends = [date(2024, 12, 31), date(2025, 3, 31), date(2025, 6, 30), date(2025, 9, 30), T1]
    states = [
        stands("a", ends[0], "Growth"),
        stands("a", ends[1], "Core", tier_since=date(2025, 2, 10)),
        *(stands("b", day, "Growth") for day in ends[:3]),
        *(stands("b", day, "Long-Tail", tier_since=date(2025, 4, 7)) for day in ends[3:]),
        stands("c", ends[0], "Core"),
        *(stands("c", day, "Strategic") for day in ends[1:]),
        stands("d", ends[0], "Core"),
    ]
    made = kpis(
        ["durations", "median_durations", "tier_migration_summary"],
        [T1],
        billing_subscriptions=[
            pays("a", 10, date(2024, 1, 1), date(2025, 6, 1)),
            pays("b", 10, date(2024, 1, 1)),
            pays("c", 10, date(2024, 1, 1)),
            pays("d", 10, date(2024, 1, 1), date(2025, 3, 1)),
        ],
        segments=states,
    )
    lags = made["durations"][made["durations"].duration == "downgrade_to_churn"]
    assert sorted(lags[["days", "has_happened"]].itertuples(index=False, name=None)) == [(92, False), (111, True)]
    summary = made["tier_migration_summary"].iloc[0]
    assert (summary.downgraded_accounts, summary.downgraded_then_churned) == (2, 1)
    assert summary.downgrade_to_churn_months == pytest.approx(111 / MONTH)  # b was last seen at 92 days: one at risk
