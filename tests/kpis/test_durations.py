from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times

from segmentation_assets.kpis.durations import Durations, median_durations
from segmentation_assets.policy.kpis import SurvivalPolicy
from tests.companies import typed
from tests.kpis.world import kpis, one, pays, stands

MONTH = 365.25 / 12
T1 = date(2025, 12, 31)


def median_time(*rows: tuple[int, bool, int], confidence: float = 0.95) -> tuple[float | None, ...]:
    """Median and limits of one curve of (days, has_happened, accounts), by the table."""
    (result,) = medians([rows], confidence)
    return result


def medians(curves: list[Sequence[tuple[int, bool, int]]], confidence: float) -> list[tuple[float | None, ...]]:
    """Those of several curves, which the table estimates at once."""
    result = estimates(curves, confidence)
    return [tuple(row[n] for n in ("median_months", "low_months", "high_months")) for row in result]


def curve_of(rows: Sequence[tuple[int, bool, int]]) -> dict[str, Any]:
    """All that the table says of one curve."""
    return estimates([rows], 0.95)[0]


def estimates(curves: Sequence[Sequence[tuple[int, bool, int]]], confidence: float) -> list[dict[str, Any]]:
    listed = [
        {
            "as_of": T1,
            "duration": "first_expansion",
            "grouping": "coverage_tier",
            "member": f"{i:03}",
            "window_months": 12,
            "days": days,
            "has_happened": has_happened,
            "accounts": sum(n for d, h, n in rows if (d, h) == (days, has_happened)),
        }
        for i, rows in enumerate(curves)
        for days, has_happened in sorted({row[:2] for row in rows})
    ]
    table = median_durations(typed(Durations, listed), SurvivalPolicy(confidence=confidence))
    return table.order_by("member").to_pyarrow().to_pylist()


def test_median_is_the_first_day_on_which_at_most_half_still_wait():
    """10 accounts: 3 expand on day 10 (7/10 wait), 2 are lost from sight on day 15, 2 of 5 expand on day 20:
    7/10 x 3/5 = 0.42."""
    median, low, high = median_time((10, True, 3), (15, False, 2), (20, True, 2), (30, False, 3))
    assert median == pytest.approx(20 / MONTH)
    assert low == pytest.approx(10 / MONTH)
    assert high is None


def test_a_probability_is_told_where_there_is_no_median():
    """10 accounts: 1 gone on day 100, 1 on day 200, 8 watched to day 300. By day 183 (two quarters) 1 of 10, by day
    274 (three) 2 of 10; no median. lifelines gives the same curve and, log-log, the same limits."""
    rows = [(100, True, 1), (200, True, 1), (300, False, 8)]
    result = curve_of(rows)
    reference = fitted(rows, 0.95)
    for day, quarters in ((183, 2), (274, 3)):
        at = reference.survival_function_at_times(day).iloc[0]
        limits = reference.confidence_interval_survival_function_
        low, high = limits[limits.index <= day].iloc[-1]
        assert result[f"share_{quarters}q"] == pytest.approx(1 - at, abs=1e-9)
        assert result[f"share_{quarters}q_low"] == pytest.approx(1 - high, abs=1e-9)
        assert result[f"share_{quarters}q_high"] == pytest.approx(1 - low, abs=1e-9)
    assert (result["median_months"], result["share_2q"], result["share_3q"]) == (None, 0.1, 0.2)


def test_no_probability_is_told_for_longer_than_anybody_was_watched():
    result = curve_of([(100, True, 1), (200, False, 9)])
    assert (result["share_2q"], result["share_3q"]) == (0.1, None)
    assert curve_of([(50, True, 3)])["share_3q"] == 1  # all are gone: nobody is left to watch


def test_median_is_null_where_the_curve_stays_above_one_half():
    assert median_time((10, True, 4), (20, False, 6))[0] is None


def test_nothing_happened_yet():
    assert median_time((10, False, 4)) == (None, None, None)


def test_medians_and_limits_agree_with_the_product_limit_by_hand():
    """Product limit, Greenwood's variance, log-log limits (Kalbfleisch & Prentice), in plain Python."""
    rng = random.Random(5)
    curves = [[(rng.randint(1, 400), rng.random() < 0.6, 1) for _ in range(rng.randint(5, 60))] for _ in range(20)]
    for rows, result in zip(curves, medians([*curves], 0.95), strict=True):
        assert result == pytest.approx(naive_median(rows), abs=1e-9)


ROWS = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(1, 5)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=40)
@given_by(st.lists(ROWS, min_size=1, max_size=6), st.sampled_from([0.8, 0.95, 0.99]))
def test_medians_and_limits_are_those_of_lifelines(curves: list[list[tuple[int, bool, int]]], confidence: float):
    """lifelines is the reference, but for curves that touch one half: there its last bits decide, not the counts."""
    for rows, result in zip(curves, medians([*curves], confidence), strict=True):
        fitter = fitted(rows, confidence)
        near_half = (fitter.survival_function_.to_numpy() - 0.5).__abs__().min() < 1e-9
        if not near_half:
            assert result == pytest.approx(by_lifelines(fitter, rows), abs=1e-9)


def fitted(rows: list[tuple[int, bool, int]], confidence: float) -> KaplanMeierFitter:
    days, happened, accounts = zip(*rows, strict=True)
    return KaplanMeierFitter(alpha=1 - confidence).fit(days, happened, weights=accounts)


def by_lifelines(fitter: KaplanMeierFitter, rows: list[tuple[int, bool, int]]) -> tuple[float | None, ...]:
    if not any(happened for _, happened, _ in rows):
        return None, None, None
    low, high = pd.DataFrame(median_survival_times(fitter.confidence_interval_survival_function_)).iloc[0]
    return tuple(d / MONTH if d < math.inf else None for d in (fitter.median_survival_time_, low, high))


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
    frame = kpis(["durations", "median_durations", "company_kpis"], [T1], billing_subscriptions=subscriptions)
    whole = frame["durations"][frame["durations"].grouping == "company"]
    assert sorted(whole[["days", "has_happened"]].itertuples(index=False, name=None)) == [
        (31, True),
        (60, True),
        (90, False),
        (364, False),
    ]
    row = one(frame["company_kpis"], window_months=3)
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
    frame = kpis(
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
    lags = frame["durations"][frame["durations"].duration == "downgrade_to_churn"]
    assert sorted(lags[["days", "has_happened"]].itertuples(index=False, name=None)) == [(92, False), (111, True)]
    summary = frame["tier_migration_summary"].iloc[0]
    assert (summary.downgraded_accounts, summary.downgraded_then_churned) == (2, 1)
    assert summary.downgrade_to_churn_months == pytest.approx(111 / MONTH)  # b was last seen at 92 days: one at risk
