"""The churn model: the fit against another solver, the rule where the past says little, honest tests of itself."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as sampled
from hypothesis import settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn import churn_risk
from segmentation_assets.scores.churn_fitting import (
    area_under_curve,
    fit,
    log_odds,
    most_likely,
    renews_in,
    values_of,
)
from segmentation_assets.scores.churn_model import (
    ChurnModel,
    ChurnModelQuality,
    churn_model,
    churn_model_quality,
    known_on,
)
from segmentation_assets.scores.churn_points import terms
from segmentation_assets.tables.as_of import spine_frame
from segmentation_assets.tables.enforcement import warn
from tests.companies import spine, typed

POLICY = load_policy().churn
AS_OF = date(2026, 11, 27)
STARTS = [date(2026, 11, 23) - timedelta(weeks=13 * k) for k in range(8, 0, -1)]
BASES = pd.DataFrame([{"as_of": AS_OF, "base_log_odds": -3.5, "size_log_odds": -0.4, "is_fitted": True}])


def company(accounts=200, seed=1, base=-4.0, renewal=2.0, seat=-2.0, starts=STARTS, dead=()):
    """Training rows of accounts that leave by a hazard that is known: base + renewal + seat x seat activity."""
    rng = np.random.default_rng(seed)
    rows = []
    for start in starts:
        for i in range(accounts):
            share, due = rng.uniform(0, 1.2), int(rng.integers(1, 365))
            row = {
                "as_of": AS_OF, "starts_on": start, "account_id": f"a{i:04}", "arr": 100.0 * (i + 1),
                "size_rank": (i + 0.5) / accounts - 0.5, "behavioral_cohort": "Steady State",
                "single_champion": bool(rng.random() < 0.2), "is_overdue": False, "has_bad_sentiment": False,
                "signal_weight_180d": 0.0, "days_to_renewal": due, "seat_activity": share,
                "usage_trend": rng.normal() / 3,
            }  # fmt: skip
            row |= dict.fromkeys(dead)
            observed = min(4, (date(2026, 11, 23) - start).days // 91)
            left = None
            for k in range(1, observed + 1):
                is_due = float((due > 90 + 91 * (k - 2) or k == 1) and due <= 90 + 91 * (k - 1))
                if left is None and rng.random() < 1 / (
                    1 + math.exp(-(base + renewal * is_due + seat * (share - 0.6)))
                ):
                    left = k
            rows.append(row | {"periods_observed": observed, "left_in_period": left})
    return pd.DataFrame(rows)


def model_of(training, policy=POLICY):
    rows = churn_model(spine_frame([AS_OF]), training, BASES, policy)
    return rows.set_index("term")


def quality_of(training, policy=POLICY):
    return churn_model_quality(spine_frame([AS_OF]), training, policy).iloc[0]


def with_model(**changes):
    return POLICY.model_copy(update={"model": POLICY.model.model_copy(update=changes)})


def test_it_finds_what_was_planted():
    model = model_of(company(accounts=600))
    assert model.is_trained.all()
    # The prior draws the coefficients towards the points: 0.8 for a renewal, 0 for seat activity.
    assert model.coefficient["renewal"] == pytest.approx(2.0, abs=0.3)
    assert model.coefficient["seat_activity"] == pytest.approx(-2.0, abs=0.4)
    assert model.later_coefficient["seat_activity"] == pytest.approx(-2.0, abs=0.4)
    assert model.coefficient["base"] == pytest.approx(-4.0, abs=0.4)
    assert model.centre["seat_activity"] == pytest.approx(0.6, abs=0.02)
    assert abs(model.coefficient["usage_trend"]) < 0.25  # noise
    assert abs(model.coefficient["single_champion"] - 0) < 0.4  # planted 0, the rule says 0.8


def test_the_fit_is_the_maximum_by_another_solver():
    rows = company(accounts=120)
    model = fit(rows, POLICY)
    every, values = terms(POLICY), values_of(rows, POLICY)
    left = rows.left_in_period.fillna(0).to_numpy(float)

    def loss(x):
        base, later, renewal = x[:3]
        now, after = x[3 : 3 + len(every)], x[3 + len(every) :]
        total = 0.0
        for k in range(1, 5):
            at_risk = (rows.periods_observed.to_numpy() >= k) & ((left == 0) | (left >= k))
            z = np.nan_to_num(values[at_risk] - [s.centre for s in model.scaling])
            odds = base + renewal * renews_in(rows[at_risk], k, POLICY) + z @ (now if k == 1 else after)
            odds = odds + (later if k > 1 else 0)
            total += (np.logaddexp(0, odds) - (left[at_risk] == k) * odds).sum()
        for i, (term, scaling) in enumerate(zip(every, model.scaling, strict=True)):
            is_flag = term.kind == "flag"
            if not is_flag and scaling.deviation < 1e-9:
                continue
            spread = 0.5 if is_flag else 0.25 / scaling.deviation
            total += ((now[i] - term.points) / spread) ** 2 / 2 + ((after[i] - term.points / 2) / spread) ** 2 / 2
        return total + (later / 2) ** 2 / 2 + ((renewal - 0.8) / 2) ** 2 / 2

    at = np.array([model.base, model.later_base - model.base, model.renewal, *model.now, *model.later])
    best = minimize(loss, at, method="BFGS", options={"gtol": 1e-7}).x
    varies = [True] * 3 + [t.kind == "flag" or s.varies for t, s in zip(every, model.scaling, strict=True)] * 2
    assert at[varies] == pytest.approx(best[varies], abs=2e-3)
    assert loss(at) <= loss(best) + 1e-6


def test_what_it_learns_is_what_accounts_are_scored_with():
    """The log-odds of the numpy fit are those of the expression, on the same figures."""
    profiles = [
        {"as_of": AS_OF, "account_id": "a", "is_live": True, "arr": 10.0, "single_champion": True, "overdue_days": 40,
         "sentiment": -0.5, "days_to_renewal": 80, "signal_weight_180d": 0.7, "mau_seat_share": 0.3,
         "users_trend_net": 0.2},
        {"as_of": AS_OF, "account_id": "b", "is_live": True, "arr": 20.0, "days_to_renewal": 91,
         "mau_seat_share": 9.0},
        {"as_of": AS_OF, "account_id": "c", "is_live": True, "arr": 30.0, "users_trend_net": -5.0},
    ]  # fmt: skip
    cohorts = [{"as_of": AS_OF, "account_id": "a", "behavioral_cohort": "At Risk"}]
    training = company()
    model = churn_model(spine_frame([AS_OF]), training, BASES, POLICY)
    rows = [row | {"as_of": AS_OF} for row in model.to_dict("records")]
    table = churn_risk(
        typed(AccountProfiles, profiles),
        typed(BehavioralScores, cohorts),
        typed(ChurnModel, rows),
        spine(AS_OF),
        POLICY,
    )
    scored = table.execute().set_index("account_id").log_odds
    same = pd.DataFrame(
        {
            "size_rank": [1 / 6 - 0.5, 0.0, 5 / 6 - 0.5], "behavioral_cohort": ["At Risk", None, None],
            "single_champion": [True, None, None], "is_overdue": [True, None, None],
            "has_bad_sentiment": [True, None, None], "signal_weight_180d": [0.7, None, None],
            "days_to_renewal": [80, 91, None], "seat_activity": [0.3, 1.2, None], "usage_trend": [0.2, None, -1.0],
        }
    )  # fmt: skip
    assert scored[["a", "b", "c"]].to_numpy() == pytest.approx(
        log_odds(same, fit(training, POLICY), POLICY), abs=1e-9
    )


def test_below_the_policys_leavers_the_points_rule_holds_with_its_base_fitted():
    few = company(accounts=5)
    model = model_of(few)
    assert not model.is_trained.any()
    assert model.coefficient.to_dict() == {
        "base": -3.5, "renewal": 0.8, "size": -0.4, "cohort At Risk": 1.5, "cohort Dormant": 2.5,
        "single_champion": 0.8, "overdue": 0.8, "sentiment": 0.6, "external_signals": -1, "seat_activity": 0,
        "usage_trend": 0,
    }  # fmt: skip
    assert (model.coefficient == model.later_coefficient).all()
    assert (model.centre == 0).all()
    quality = quality_of(few)
    assert (quality.is_trained, quality.reason) == (False, "few_leavers")


def test_without_any_past_nothing_is_claimed():
    quality = quality_of(company().iloc[:0])
    assert (quality.reason, quality.test_reason, quality.leavers, quality.accounts) == ("no_past", "no_test", 0, 0)
    assert pd.isna(quality.auc)
    assert not model_of(company().iloc[:0]).is_trained.any()


@pytest.mark.parametrize(("left", "reason"), [(None, "few_leavers"), (1, "nobody_stayed")])
def test_nobody_left_or_everybody(left, reason):
    rows = company(accounts=40).assign(left_in_period=left)
    quality = quality_of(rows)
    assert (quality.is_trained, quality.reason, quality.test_reason) == (False, reason, "no_test")
    assert model_of(rows).coefficient["renewal"] == 0.8


def test_figures_that_say_nothing_are_said_to_say_nothing():
    rows = company(dead=("seat_activity",)).assign(usage_trend=0.25)
    model = model_of(rows)
    assert (model.status["seat_activity"], model.known_share["seat_activity"]) == ("not_known", 0)
    assert (model.status["usage_trend"], model.centre["usage_trend"]) == ("constant", 0.25)
    assert (model.coefficient["seat_activity"], model.coefficient["usage_trend"]) == (0, 0)
    assert model.status["overdue"] == "points"  # never overdue: the data say nothing, the rule stands
    assert model.coefficient["overdue"] == pytest.approx(0.8, abs=1e-6)
    assert model.status["single_champion"] == "fitted"


def test_a_figure_that_separates_leavers_from_stayers_gets_a_finite_weight():
    rows = company(accounts=60)
    rows["left_in_period"] = np.where(rows.seat_activity < 0.2, 1.0, np.nan)
    model = model_of(rows)
    assert -20 < model.coefficient["seat_activity"] < -3
    assert np.isfinite(model[["coefficient", "later_coefficient"]].to_numpy()).all()


def test_order_of_rows_and_other_days_change_nothing():
    rows = company(accounts=60)
    other = rows.assign(as_of=date(2026, 11, 23), left_in_period=1)
    shuffled = pd.concat([other, rows]).sample(frac=1, random_state=3)
    bases = pd.concat([BASES, BASES.assign(as_of=date(2026, 11, 23))])
    table = churn_model(spine_frame([AS_OF]), shuffled, bases, POLICY)
    pd.testing.assert_frame_equal(table, churn_model(spine_frame([AS_OF]), rows, BASES, POLICY))
    pd.testing.assert_series_equal(
        churn_model_quality(spine_frame([AS_OF]), shuffled, POLICY).iloc[0], quality_of(rows)
    )


# The test of the model by itself.


@pytest.mark.parametrize(("auc", "warns"), [(0.64, True), (0.65, False), (0.9, False), (None, False)])
def test_a_model_that_orders_unseen_accounts_badly_is_a_warning(auc, warns):
    row = {"as_of": AS_OF, "auc": auc, "least_auc": POLICY.model.test.least_auc}
    verdict = warn(ChurnModelQuality, typed(ChurnModelQuality, [row]), lambda e: e.execute())
    assert set(verdict.broken) == ({"it_tells_who_leaves"} if warns else set())
    assert POLICY.model.test.least_auc == 0.65


def test_it_predicts_windows_that_it_has_not_seen():
    quality = quality_of(company(accounts=400))
    assert (quality.accounts, quality.account_windows) == (400, 3200)
    assert (quality.first_window_on, quality.last_window_on) == (STARTS[0], STARTS[-1])
    assert quality.auc_low < quality.auc < quality.auc_high
    # Leavers are told by renewal and seat activity; the rule knows only the first.
    assert quality.auc > quality.points_auc + 0.05
    assert quality.brier < quality.brier_of_mean
    assert quality.predicted_leavers == pytest.approx(quality.test_leavers, rel=0.25)


def test_noise_predicts_nothing():
    rows = company(accounts=300, base=-2.5, renewal=0.0, seat=0.0)
    quality = quality_of(rows)
    assert quality.auc_low < 0.55
    assert abs(quality.auc - 0.5) < 0.08


def test_a_window_is_predicted_from_what_was_known_on_its_first_day():
    rows = company(accounts=100)
    start = pd.Timestamp(STARTS[4])
    dated = rows.assign(starts_on=pd.to_datetime(rows.starts_on))
    before = known_on(dated, start, POLICY)
    assert before.starts_on.max() < start
    assert before.groupby("starts_on").periods_observed.first().tolist() == [4, 3, 2, 1]
    assert (before.left_in_period.dropna() <= before.periods_observed[before.left_in_period.notna()]).all()
    # Other outcomes from that day on change nothing of what was known on it.
    ended = (start - dated.starts_on).dt.days // 91
    later = dated.left_in_period > ended
    changed = dated.assign(left_in_period=dated.left_in_period.mask(later, 4).mask(ended <= 0, 1))
    pd.testing.assert_frame_equal(known_on(changed, start, POLICY), before)


def test_area_under_the_curve_by_hand():
    # Leavers 3 and 1, stayers 1, 0, 2: pairs won 3 + (1/2 + 1) of 6.
    score, left = np.array([3.0, 1.0, 1.0, 0.0, 2.0]), np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    assert area_under_curve(score, left) == pytest.approx(4.5 / 6)
    # The stayer 2 counts twice: of 8 pairs 4 + 1.5.
    assert area_under_curve(score, left, np.array([1.0, 1.0, 1.0, 1.0, 2.0])) == pytest.approx(5.5 / 8)
    assert area_under_curve(score, np.zeros(5)) is None


@settings(max_examples=30)
@sampled(st.integers(0, 10_000), st.floats(0.1, 3.0))
def test_without_a_prior_on_the_base_as_many_are_predicted_as_left(seed, spread):
    rng = np.random.default_rng(seed)
    matrix = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    left = (rng.random(80) < 0.3).astype(float)
    left[:2] = (0, 1)
    result = most_likely(matrix, left, np.array([0.0, 1.0, -1.0]), np.array([np.inf, spread, spread]))
    assert (1 / (1 + np.exp(-(matrix @ result)))).sum() == pytest.approx(left.sum(), rel=1e-6)
