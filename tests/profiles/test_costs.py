from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation_assets.profiles.costs  # noqa: F401
from tests.profiles.service import (
    AS_OF,
    ago,
    assert_future_changes_nothing,
    assert_lone_days_equal_backfill,
    computed,
    figures,
)

TABLE = "account_costs"
# Worked by hand with these rates, whatever the default policy says.
RATES = {
    "costs": {
        "support_hourly_rate": 50.0,
        "csm_hourly_rate": 60.0,
        "custom_development_hourly_rate": 100.0,
        "hosting_share": 0.1,
        "csm_is_cost_of_revenue": True,
        "annualise_below_days": 365.0,
        "annualise_min_days": 90.0,
    }
}
CSM_IS_SALES = {"costs": {**RATES["costs"], "csm_is_cost_of_revenue": False}}


def revenue(arr: float, tenure: int | None, days: int = 0, account: str = "a") -> dict:
    return {"as_of": ago(days), "account_id": account, "arr": arr, "tenure_days": tenure}


def support(hours: float | None, days: int = 0, account: str = "a") -> dict:
    return {"as_of": ago(days), "account_id": account, "handling_hours_12m": hours}


def entry(number: int, days: int, hours: float, csm: str = "c1", account: str | None = "a", **columns) -> dict:
    row = {"entry_id": f"e{number}", "csm_id": csm, "account_id": account, "worked_on": ago(days), "hours": hours}
    return {**row, **columns}


def work(days: int, hours: float, account: str = "a", **columns) -> dict:
    return {"account_id": account, "worked_on": ago(days), "ticket": f"w{days}", "hours": hours, **columns}


FULL_YEAR = {
    "account_revenue": [revenue(10_000, 800)],
    "account_support": [support(8.0)],
    "csm_time_entries": [entry(1, 10, 5.0), entry(2, 364, 5.0), entry(3, 365, 99.0), entry(4, 1, 99.0, account=None)],
    "csm_roster": [{"csm_id": "c1", "hourly_cost": 70.0}],
    "custom_development": [work(0, 3.0), work(365, 99.0)],
}


def test_cost_to_serve_and_margin_of_a_full_year():
    row = figures(TABLE, FULL_YEAR, policy=RATES)
    assert row == {
        "support_cost_12m": pytest.approx(400.0),  # 8 h x 50
        "csm_hours_12m": pytest.approx(10.0),
        "csm_cost_12m": pytest.approx(700.0),  # 10 h x 70
        "custom_development_cost_12m": pytest.approx(300.0),  # 3 h x 100
        "cost_to_serve": pytest.approx(1_400.0),
        "cost_share_of_arr": pytest.approx(0.14),
        "gross_margin": pytest.approx(7_600.0),  # 10,000 - 1,000 hosting - 1,400
    }


def test_csms_may_be_sales():
    row = figures(TABLE, FULL_YEAR, policy=CSM_IS_SALES)
    assert (row["cost_to_serve"], row["gross_margin"]) == (pytest.approx(1_400.0), pytest.approx(8_300.0))


@pytest.mark.parametrize(
    ("tenure", "factor"), [(365, 1.0), (364, 365 / 364), (146, 2.5), (90, 365 / 90), (10, 365 / 90), (None, 1.0)]
)
def test_a_short_tenure_is_scaled_to_a_year(tenure: int | None, factor: float):
    row = figures(TABLE, {**FULL_YEAR, "account_revenue": [revenue(10_000, tenure)]}, policy=RATES)
    assert row["cost_to_serve"] == pytest.approx(1_400 * factor)
    assert row["cost_share_of_arr"] == pytest.approx(0.14 * factor)
    assert row["gross_margin"] == pytest.approx(9_000 - 1_400 * factor)
    assert row["support_cost_12m"] == pytest.approx(400.0)  # the single costs stay as they were booked


def test_hours_cost_what_the_roster_knew_on_the_day_worked():
    roster = [
        {"csm_id": "c1", "hourly_cost": 40.0, "known_to": ago(100)},
        {"csm_id": "c1", "hourly_cost": 80.0, "known_from": ago(100), "known_to": ago(50)},
        {"csm_id": "c1", "known_from": ago(50)},  # the cost is no longer told
    ]
    entries = [
        entry(1, 101, 1.0),
        entry(2, 100, 1.0),
        entry(3, 50, 1.0),
        entry(4, 1, 1.0, csm="not on the roster"),
    ]
    row = figures(TABLE, {"csm_time_entries": entries, "csm_roster": roster}, policy=RATES)
    assert row["csm_cost_12m"] == pytest.approx(40 + 80 + 60 + 60)


def test_what_no_extract_tells_is_unknown_and_counts_nothing_in_the_margin():
    row = figures(TABLE, {"account_revenue": [revenue(10_000, 800)]}, policy=RATES)
    assert row.pop("gross_margin") == pytest.approx(9_000.0)
    assert set(row.values()) == {None}


def test_cost_to_serve_is_the_sum_of_what_is_known():
    extracts = {"account_revenue": [revenue(10_000, 800)], "custom_development": [work(5, 2.0)]}
    row = figures(TABLE, extracts, policy=RATES)
    assert (row["support_cost_12m"], row["csm_cost_12m"]) == (None, None)
    assert row["cost_to_serve"] == pytest.approx(200.0)


def test_an_account_without_hours_is_known_to_cost_nothing():
    extracts = {**FULL_YEAR, "account_revenue": [revenue(5_000, 800, account="b")]}
    extracts["account_support"] = [support(0.0, account="b")]
    row = figures(TABLE, extracts, account="b", policy=RATES)
    assert row.pop("gross_margin") == pytest.approx(4_500.0)
    assert set(row.values()) == {0}


def test_internal_hours_alone_do_not_make_accounts_known_to_cost_nothing():
    row = figures(TABLE, {"csm_time_entries": [entry(1, 5, 8.0, account=None)]}, policy=RATES)
    assert (row["csm_hours_12m"], row["csm_cost_12m"]) == (None, None)


def test_without_arr_there_is_no_share_and_without_subscriptions_no_margin():
    row = figures(TABLE, {**FULL_YEAR, "account_revenue": [revenue(0, 800)]}, policy=RATES)
    assert (row["cost_share_of_arr"], row["gross_margin"]) == (None, pytest.approx(-1_400.0))
    row = figures(TABLE, {**FULL_YEAR, "account_revenue": []}, policy=RATES)
    assert (row["cost_to_serve"], row["gross_margin"]) == (pytest.approx(1_400.0), None)


def test_hours_on_a_merged_account_are_the_survivors():
    crm = [{"account_id": "a", "merged_into_account_id": "b"}, {"account_id": "b"}]
    rows = computed(TABLE, {**FULL_YEAR, "crm_accounts": crm}, policy=RATES)
    assert list(rows) == [(AS_OF, "b")]
    assert rows[AS_OF, "b"]["csm_cost_12m"] == pytest.approx(700.0)
    assert rows[AS_OF, "b"]["custom_development_cost_12m"] == pytest.approx(300.0)


DAYS = [ago(366), ago(40), AS_OF]
HISTORY = {
    **FULL_YEAR,
    "account_revenue": [revenue(10_000 + d, 800 - d, d) for d in (0, 1, 40, 300)],
    "account_support": [support(float(d), d) for d in (0, 1, 40, 300)],
    "csm_roster": [{"csm_id": "c1", "hourly_cost": 70.0}],
}


def test_lone_days_equal_a_backfill():
    assert_lone_days_equal_backfill(TABLE, HISTORY, DAYS)


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=10, max_size=30))
def test_what_comes_later_changes_nothing(later: list[tuple[int, bool]]):
    def future(days: int, only_known_later: bool) -> dict:
        rows = {"account_revenue": [revenue(1.0, 1, -days)], "account_support": [support(1.0, -days)]}
        if only_known_later:
            rows["csm_time_entries"] = [entry(50, 5, 9.0, known_from=ago(-days))]
            rows["custom_development"] = [work(5, 9.0, known_from=ago(-days))]
        else:
            rows["csm_time_entries"] = [entry(50, -days, 9.0)]
            rows["custom_development"] = [work(-days, 9.0)]
        return rows

    assert_future_changes_nothing(TABLE, HISTORY, [future(*case) for case in later])


def test_a_later_rate_of_the_roster_changes_nothing():
    roster = [{"csm_id": "c1", "hourly_cost": 70.0, "known_to": ago(-1)}]
    later = [*roster, {"csm_id": "c1", "hourly_cost": 999.0, "known_from": ago(-1)}]
    assert figures(TABLE, {**FULL_YEAR, "csm_roster": later}) == figures(TABLE, {**FULL_YEAR, "csm_roster": roster})
