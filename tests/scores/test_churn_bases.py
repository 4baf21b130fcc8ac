"""The base of the churn rule: what counts as having left, and the fit, against numbers by hand and another solver."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as sampled
from hypothesis import strategies as st
from scipy.optimize import minimize

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn_bases import churn_bases, churn_outcomes, fit_base
from segmentation_assets.scores.windows import bounds, ends, starts, windows
from segmentation_assets.tables.as_of import spine_frame
from tests.companies import spine, typed

POLICY = load_policy().churn
AS_OF = date(2026, 11, 27)  # a Friday
START, END = date(2026, 8, 24), date(2026, 11, 23)  # the newest window: 13 weeks up to the last Monday


def outcomes(profiles, later, cohorts=()):
    """Outcomes of the newest window: what was known at its start, and the revenue at its end."""
    facts = [{"as_of": START, "is_live": True, "arr": 100.0, **row} for row in profiles]
    table = churn_outcomes(
        spine(AS_OF),
        typed(AccountProfiles, facts),
        typed(BehavioralScores, [{"as_of": START, **row} for row in cohorts]),
        typed(AccountRevenue, [{"as_of": END, **row} for row in later]),
        POLICY,
    )
    return table.execute()


def test_windows_are_whole_weeks_between_mondays_and_end_by_as_of():
    assert list(starts(13, 4)(AS_OF)) == [
        date(2025, 11, 24),
        date(2026, 2, 23),
        date(2026, 5, 25),
        date(2026, 8, 24),
    ]
    assert list(ends(13, 4)(AS_OF)) == [date(2026, 2, 23), date(2026, 5, 25), date(2026, 8, 24), date(2026, 11, 23)]
    assert list(bounds(13, 4)(AS_OF)) == [date(2025, 11, 24), *ends(13, 4)(AS_OF)]
    built = windows(spine(AS_OF, END), 13, 4).execute()
    for day in (AS_OF, END):
        rows = built[pd.to_datetime(built.as_of).dt.date == day].sort_values("starts_on")
        assert [d.date() for d in pd.to_datetime(rows.starts_on)] == list(starts(13, 4)(day))
        assert [d.date() for d in pd.to_datetime(rows.ends_on)] == list(ends(13, 4)(day))
        assert (pd.to_datetime(rows.ends_on).dt.date <= day).all()


@pytest.mark.parametrize(
    ("later", "leavers"),
    [
        ({"is_live": True}, 0),
        ({"is_live": False, "churned_on": START + timedelta(days=90)}, 1),
        ({"is_live": False, "churned_on": START + timedelta(days=91)}, 0),  # after the horizon of 90 days
        ({"is_live": True, "churned_on": None}, 0),  # left and came back within the window
    ],
)
def test_who_left_within_the_horizon(later, leavers):
    row = outcomes([{"account_id": "a"}], [{"account_id": "a", **later}]).iloc[0]
    assert (row.accounts, row.leavers, row.points) == (1, leavers, 0)


def test_accounts_that_merged_or_were_not_live_do_not_count_and_points_are_those_of_the_start():
    profiles = [
        {"account_id": "dormant", "overdue_days": 31, "arr": 900.0},  # 2.5 + 0.8
        {"account_id": "merged"},
        {"account_id": "gone", "is_live": False},
    ]
    later = [
        {"account_id": "dormant", "is_live": False, "churned_on": START + timedelta(days=1)},
        {"account_id": "gone", "is_live": False, "churned_on": START - timedelta(days=1)},
    ]
    rows = outcomes(profiles, later, [{"account_id": "dormant", "behavioral_cohort": "Dormant"}])
    assert rows[["points", "accounts", "leavers"]].to_numpy().tolist() == [[3.3, 1, 1]]
    # ARR 900 of two live accounts: mid-rank (1 + 1/2) / 2 = 0.75, less one half.
    assert rows.size_rank.tolist() == [0.25]


def base_of(leavers, accounts=400):
    rows = [
        {"as_of": AS_OF, "window_start": START, "points": 0.0, "size_rank": 0.0, "accounts": a, "leavers": left}
        for a, left in ((accounts - leavers, 0), (leavers, leavers))
    ]
    frame = pd.DataFrame(rows).groupby(["as_of", "window_start", "points", "size_rank"], as_index=False).sum()
    return churn_bases(spine_frame([AS_OF]), frame, POLICY).iloc[0]


def test_without_points_the_base_is_the_log_odds_of_the_share_that_left():
    row = base_of(10)
    # 10 of 400 left: ln(0.025 / 0.975) = -3.6635616...
    assert row.base_log_odds == pytest.approx(math.log(0.025 / 0.975), abs=1e-9)
    assert (row.size_log_odds, row.is_fitted, row.accounts, row.leavers) == (0, True, 400, 10)


def test_with_too_few_leavers_and_without_any_past_the_policy_decides():
    row = base_of(9)
    assert (row.base_log_odds, row.size_log_odds, row.is_fitted, row.leavers) == (-5, 0, False, 9)
    columns = ["as_of", "window_start", "points", "size_rank", "accounts", "leavers"]
    empty = pd.DataFrame(columns=pd.Index(columns))
    row = churn_bases(spine_frame([AS_OF]), empty, POLICY).iloc[0]
    assert (row.base_log_odds, row.is_fitted, row.accounts, row.first_window_on) == (-5, False, 0, None)


def test_the_points_are_an_offset():
    # Two kinds of 100 accounts, log-odds apart by ln 3: with the base ln(1/9), odds are 1/9 and 1/3,
    # so 10 and 25 leave. The fit of 35 leavers gives that base back, whoever they are.
    points = np.array([0.0, math.log(3)])
    base, size = fit_base(points, np.zeros(2), np.array([100.0, 100.0]), np.array([5.0, 30.0]), 0)
    assert (base, size) == (pytest.approx(math.log(1 / 9), abs=1e-9), 0)


kinds = st.lists(
    st.tuples(st.floats(-2, 4), st.floats(-0.5, 0.5), st.integers(1, 200), st.floats(0, 1)), min_size=2, max_size=20
)


@sampled(kinds, st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_the_fit_is_the_maximum_and_predicts_as_many_as_left(kinds, spread):
    points, rank = (np.array([kind[i] for kind in kinds]) for i in (0, 1))
    accounts = np.array([kind[2] for kind in kinds], "float64")
    leavers = np.array([round(kind[2] * kind[3] / 4) for kind in kinds], "float64")
    if not 0 < leavers.sum() < accounts.sum():
        leavers[:] = 0
        leavers[np.argmax(accounts)] = accounts.max() / 2
    base, size = fit_base(points, rank, accounts, leavers, spread)
    risk = 1 / (1 + np.exp(-(base + points + size * rank)))
    assert (accounts * risk).sum() == pytest.approx(leavers.sum(), rel=1e-6)

    def loss(x):
        odds = x[0] + points + (x[1] * rank if spread else 0)
        prior = x[1] ** 2 / 2 / spread**2 if spread else x[1] ** 2
        return (accounts * np.logaddexp(0, odds) - leavers * odds).sum() + prior

    other = minimize(loss, [base + 0.3, size - 0.2], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    assert loss([base, size]) <= other.fun + 1e-6
