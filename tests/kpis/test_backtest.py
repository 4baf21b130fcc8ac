"""What segments and scores said on past days against what happened, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from segmentation_assets.kpis.backtest import (
    areas_under_curve,
    events_at_top,
    risk_backtest,
    score_backtest,
    segment_backtest,
)
from segmentation_assets.kpis.outcomes import BacktestAccounts, window_days
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.as_of import spine_frame
from segmentation_assets.tables.contracts import ibis_schema
from tests.companies import spine, typed
from tests.kpis.alone import alone, at, own_hierarchy

POLICY = load_policy()
DAY = date(2026, 11, 27)
START = date(2026, 8, 27)


def account(name, start=100.0, end=100.0, months=3, starts_on=START, **values):
    row = {
        "as_of": DAY, "window_months": months, "starts_on": starts_on, "ends_on": DAY, "account_id": name,
        "start_arr": start, "end_arr": end, "retained_arr": min(start, end), "has_left": end == 0,
        "has_expanded": end > start, "coverage_tier": "Core", "segment": "Efficient", "value_tier": "Silver",
        "behavioral_cohort": "Steady State", "churn_risk": 0.1, "health_score": 50.0, "behavioral_score": 50.0,
        "composite_score": 50.0, "expansion_score": 50.0,
    }  # fmt: skip
    return row | values


def frame(rows):
    return pd.DataFrame(rows, columns=pd.Index([n for n in ibis_schema(BacktestAccounts) if n != "policy_hash"]))


def by_segment(rows, grouping="segment", months=3):
    built = segment_backtest(spine_frame([DAY]), frame(rows), POLICY.backtest, POLICY.retention)
    built = built[(built.grouping == grouping) & (built.window_months == months)]
    return built.set_index("member")


def by_score(rows, score="churn_risk", outcome="left"):
    built = score_backtest(spine_frame([DAY]), frame(rows), POLICY.backtest)
    return built[(built.score == score) & (built.outcome == outcome)].iloc[0]


def test_windows_follow_each_other_up_to_the_day():
    assert window_days(POLICY.backtest)(DAY) == [
        (3, date(2026, 8, 27), DAY),
        (3, date(2026, 5, 27), date(2026, 8, 27)),
        (3, date(2026, 2, 27), date(2026, 5, 27)),
        (3, date(2025, 11, 27), date(2026, 2, 27)),
        (12, date(2025, 11, 27), DAY),
    ]
    assert window_days(POLICY.backtest)(date(2026, 2, 28))[0] == (3, date(2025, 11, 30), date(2026, 2, 28))


# What became of an account.

TERMS = {"currency": "USD", "product": "crm", "seats": 10}
FLAT = {"start_date": date(2025, 1, 1), "mrr": 10.0}


def outcome_of(*subscriptions, segments=()):
    rows = [
        {"subscription_id": f"s{i}", "account_id": "a", **TERMS, **FLAT, **one} for i, one in enumerate(subscriptions)
    ]
    built = alone(
        "backtest_accounts",
        DAY,
        account_hierarchy=[row for _, _, end in window_days(POLICY.backtest)(DAY) for row in own_hierarchy(end, "a")][
            :4
        ],
        billing_subscriptions=rows,
        segments=segments,
    )
    return {(row["window_months"], row["starts_on"]): row for row in built}


def test_an_account_that_left_has_left_in_the_window_in_which_it_did_and_in_the_year():
    built = outcome_of({"end_date": date(2026, 6, 10)})
    left = {key: row["has_left"] for key, row in built.items()}
    assert left == {
        (3, date(2026, 5, 27)): True,
        (3, date(2026, 2, 27)): False,
        (3, date(2025, 11, 27)): False,
        (12, date(2025, 11, 27)): True,
    }  # no row for the newest window: it had no ARR any more
    assert (built[3, date(2026, 5, 27)]["start_arr"], built[3, date(2026, 5, 27)]["end_arr"]) == (120, 0)


def test_more_seats_are_an_expansion_and_a_price_is_none():
    grown = outcome_of({"end_date": date(2026, 9, 1)}, {"start_date": date(2026, 9, 1), "mrr": 15.0, "seats": 15})
    newest = grown[3, START]
    assert (newest["start_arr"], newest["end_arr"], newest["retained_arr"]) == (120, 180, 120)
    assert (newest["has_expanded"], newest["has_left"]) == (True, False)
    dearer = outcome_of({"end_date": date(2026, 9, 1)}, {"start_date": date(2026, 9, 1), "mrr": 15.0})
    assert (dearer[3, START]["end_arr"], dearer[3, START]["has_expanded"]) == (180, False)


def test_segment_and_scores_are_those_of_the_first_day():
    then = {"as_of": START, "account_id": "a", "segment": "Growth", "churn_risk": 0.25, "coverage_tier": "Core"}
    now = {"as_of": DAY, "account_id": "a", "segment": "At-Risk", "churn_risk": 0.9, "coverage_tier": "Core"}
    built = outcome_of({}, segments=[then, now])
    assert (built[3, START]["segment"], built[3, START]["churn_risk"]) == ("Growth", 0.25)
    assert built[12, date(2025, 11, 27)]["segment"] is None


def test_what_happens_after_a_window_changes_nothing_in_it():
    """A subscription that ends, and one entered, after the window's last day."""
    late = {"start_date": date(2026, 1, 1), "mrr": 50.0, "known_from": date(2026, 9, 5)}
    before, after = outcome_of({}), outcome_of({"end_date": date(2026, 9, 10)}, late)
    for key, row in before.items():
        if key != (3, START) and key[0] == 3:
            assert row == after[key]
    assert after[3, START]["end_arr"] == 600


# Groups.


def test_rates_by_segment_by_hand():
    rows = [
        account("a", 100, 150), account("b", 300, 300), account("c", 100, 0), account("d", 500, 400),
        account("a", 150, 150, starts_on=date(2026, 5, 27)), account("e", 50, 0, segment="Long-Tail"),
        account("f", 70, 70, segment=None),
    ]  # fmt: skip
    built = by_segment(rows)
    row = built.loc["Efficient"]
    assert (row.windows, row.accounts, row.different_accounts, row.left_accounts, row.low_n) == (2, 5, 4, 1, True)
    # 1 of 5 left; (150 + 300 + 400 + 150) / 1150; (100 + 300 + 400 + 150) / 1150; 1 of 5 expanded
    assert (row.churn_rate, row.expansion_rate) == (0.2, 0.2)
    assert (row.nrr, row.grr) == (pytest.approx(1000 / 1150), pytest.approx(950 / 1150))
    assert row.churn_rate_low <= row.churn_rate <= row.churn_rate_high
    alone_in_it = built.loc["Long-Tail"]
    assert alone_in_it.churn_rate == 1
    assert pd.isna(alone_in_it.churn_rate_low)  # one account says nothing about the next
    company = by_segment(rows, "company").loc["company"]
    assert (company.accounts, company.different_accounts, company.start_arr) == (7, 6, 1270)


def test_the_interval_is_about_as_wide_as_theory_says_and_narrower_with_more_accounts():
    def width(count):
        rows = [account(f"a{i:04}", 100, 0 if i % 5 == 0 else 100) for i in range(count)]
        row = by_segment(rows).loc["Efficient"]
        assert row.churn_rate == 0.2
        return row.churn_rate_high - row.churn_rate_low

    # 80 %: 2 x 1.28 x sqrt(0.2 x 0.8 / n) = 0.1025 for 100, 0.0512 for 400
    assert width(100) == pytest.approx(0.1025, rel=0.25)
    assert width(400) == pytest.approx(0.0512, rel=0.25)


def test_the_windows_of_one_account_are_one_observation():
    starts = [date(2026, 8, 27), date(2026, 5, 27), date(2026, 2, 27), date(2025, 11, 27)]
    once = [account(f"a{i:03}", 100, 50 if i % 5 == 0 else 100) for i in range(100)]
    four = [row | {"starts_on": start} for row in once for start in starts]
    one, many = by_segment(once).loc["Efficient"], by_segment(four).loc["Efficient"]
    assert many.accounts == 400
    assert (many.nrr, many.nrr_low, many.nrr_high) == pytest.approx((one.nrr, one.nrr_low, one.nrr_high))


# Scores.


def test_area_lift_and_gini_by_hand():
    # 20 accounts with risks 0.01 ... 0.20; those of the five highest and of one in the middle left.
    left = {19, 18, 17, 16, 15, 9}
    rows = [account(f"a{i:02}", 100, 0 if i in left else 100, churn_risk=(i + 1) / 100) for i in range(20)]
    row = by_score(rows)
    assert (row.accounts, row.events, row.top_accounts, row.top_events) == (20, 6, 2, 2)
    # The five best beat all 14 stayers; number 9 beats the 9 below it: (5 x 14 + 9) / (6 x 14).
    assert row.auc == pytest.approx(79 / 84)
    assert row.gini == pytest.approx(2 * 79 / 84 - 1)
    assert row.lift == pytest.approx((2 / 2) / (6 / 20))
    assert row.auc_low <= row.auc <= row.auc_high


def test_of_other_scores_a_low_value_is_placed_first_for_leaving_and_a_high_one_for_expanding():
    rows = [
        account(f"a{i:02}", 100, 0 if i < 6 else 150, health_score=float(i), churn_risk=0.5 - i / 100)
        for i in range(12)
    ]
    assert by_score(rows, "health_score").auc == 1
    assert by_score(rows, "health_score", "expanded").auc == 1
    assert by_score(rows, "churn_risk", "expanded").auc == 1
    assert by_score([row | {"health_score": -row["health_score"]} for row in rows], "health_score").auc == 0


@pytest.mark.parametrize("end", [100.0, 0.0])
def test_nobody_left_or_everybody_is_not_judged(end):
    row = by_score([account(f"a{i}", 100, end) for i in range(40)])
    assert (row.reason, row.accounts) == ("few_events", 40)
    assert pd.isna(row.auc)
    assert pd.isna(row.lift)


def test_five_accounts_and_a_score_that_nobody_has_are_not_judged():
    assert by_score([account(f"a{i}", 100, 0) for i in range(5)]).reason == "few_events"
    row = by_score([account(f"a{i}", churn_risk=None) for i in range(5)])
    assert (row.reason, row.accounts, row.events) == ("no_accounts", 0, 0)


def test_a_score_that_is_the_same_for_all_is_no_better_than_a_coin():
    row = by_score([account(f"a{i:02}", 100, 0 if i % 2 else 100, churn_risk=0.3) for i in range(40)])
    assert (row.auc, row.gini, row.lift) == (0.5, 0, 1)


def test_a_window_before_the_history_has_no_rows():
    assert segment_backtest(spine_frame([DAY]), frame([]), POLICY.backtest, POLICY.retention).empty
    assert score_backtest(spine_frame([DAY]), frame([]), POLICY.backtest).empty
    assert outcome_of({"start_date": DAY}) == {}


def test_accounts_of_one_score_share_the_places_at_the_top():
    first, happened = np.array([3.0, 2.0, 2.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert events_at_top(first, happened, 1) == 1
    assert events_at_top(first, happened, 2) == pytest.approx(1 + 2 / 3)
    assert events_at_top(first, happened, 5) == 3


def test_a_drawn_account_counts_as_often_as_it_was_drawn():
    # Leaver 2; stayers 1 and 3, of which the second is drawn three times: 1 of 4 pairs won.
    areas = areas_under_curve(
        np.array([2.0, 1.0, 3.0]), np.array([1.0, 0.0, 0.0]), np.array([[1.0, 1.0, 3.0], [0.0, 1.0, 1.0]]),
        np.array([0, 1, 2]),
    )  # fmt: skip
    assert areas[0] == 0.25
    assert np.isnan(areas[1])  # without the leaver there is no pair


# What the report said and what happened.


def test_predicted_and_lost_by_window():
    rows = [
        account("a", 100, 0, churn_risk=0.5), account("b", 300, 300, churn_risk=0.1),
        account("c", 50, 50, churn_risk=None), account("a", 100, 100, 12, churn_risk=0.9),
    ]  # fmt: skip
    built = risk_backtest(spine(DAY), typed(BacktestAccounts, rows), POLICY.backtest).execute()
    row = built.iloc[0]
    assert (len(built), row.accounts, row.left_accounts, row.start_arr, row.arr_lost) == (1, 2, 1, 400, 100)
    # 0.5 + 0.1; 100 x 0.5 + 300 x 0.1; sqrt(0.25 + 0.09); sqrt(100^2 x 0.25 + 300^2 x 0.09)
    assert row.predicted_leavers == pytest.approx(0.6)
    assert row.predicted_arr_lost == 80
    assert row.predicted_deviation == pytest.approx(0.34**0.5)
    assert row.predicted_arr_deviation == pytest.approx(102.96, abs=0.01)


def test_the_tables_keep_their_contracts_and_stand_by_themselves():
    rows = [account(f"a{i:02}", 100, 0 if i < 8 else 120, health_score=float(i)) for i in range(30)]
    for table in ("segment_backtest", "score_backtest", "risk_backtest"):
        assert alone(table, DAY, backtest_accounts=rows), table
    assert at(alone("score_backtest", DAY, backtest_accounts=rows), score="health_score", outcome="left")["auc"] == 1
