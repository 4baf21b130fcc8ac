"""Small companies in `tests/cases`, from their files to how they use the product: each stands for its kind."""

from __future__ import annotations

from datetime import date

from tests.profiles.test_revenue_cases import Case, case

__all__ = ["case"]  # the fixture
LAST = date(2025, 6, 10)


def test_who_pays_by_use_has_usage_without_shares_of_seats(case: Case) -> None:
    """P1 has no seats: 10 users x 500 events x 28 days = 140,000. N1 has 10 seats: 10 x 20 x 28 = 5,600."""
    rows = case("usage_priced_no_seats", "account_usage", LAST)["account_usage"]
    result = {row["account_id"]: row for row in rows}
    assert set(result) == {"P1", "N1", "N2", "N3", "N4"}
    paid_by_use, by_seat = result["P1"], result["N1"]
    figures = ("events_28d", "mau", "users_trend", "events_trend", "users_trend_net", "mau_seat_share")
    assert [paid_by_use[name] for name in figures] == [140_000, 10, 0, 0, 0, None]
    assert [by_seat[name] for name in figures] == [5_600, 10, 0, 0, 0, 1]
    assert (paid_by_use["is_active_account"], by_seat["is_active_account"]) == (None, True)


def test_a_stray_row_after_the_feed_stopped_moves_nothing(case: Case) -> None:
    """The feed ends on 13 May with 50 users a day; N4 has one row on 10 June, 28 days later."""
    end = date(2025, 5, 13)
    rows = case("feed_late_28d_one_stray_row", "account_usage", end, LAST)["account_usage"]
    on_time, late = ({r["account_id"]: r for r in rows if r["as_of"] == day} for day in (end, LAST))
    assert {(r["usage_through"], r["usage_lag_days"]) for r in late.values()} == {(end, 28)}
    assert {(r["mau"], r["wau"], r["events_28d"]) for r in late.values()} == {(10, 10, 5_600)}
    figures = ("mau", "events_28d", "users_trend", "is_active_account")
    assert [[r[n] for n in figures] for r in late.values()] == [[r[n] for n in figures] for r in on_time.values()]


def test_usage_without_users_has_events_and_no_seat_activity(case: Case) -> None:
    """K2 falls from 50 events a day to 5 on 15 May: 14 x 50 + 14 x 5 = 770 of 28 x 50 = 1,400, a trend of -0.45.

    The median account's is 0.
    """
    through = date(2024, 5, 28)
    result = case("account_usage_only", "account_usage", "behavioral_scores", through)
    usage = {row["account_id"]: row for row in result["account_usage"]}
    assert {name: row["events_28d"] for name, row in usage.items()} == {"K1": 1_400, "K2": 770, "K3": 1_400}
    assert {name: round(row["events_trend_net"], 9) for name, row in usage.items()} == {"K1": 0, "K2": -0.45, "K3": 0}
    assert {(row["active_days_28d"], row["consistency"]) for row in usage.values()} == {(28, 1)}
    unknown = (
        "mau", "wau", "dau", "active_users_28d", "active_users_prior_28d", "mau_seat_share", "dau_seat_share",
        "active_seat_share", "is_active_account", "users_trend", "stickiness", "single_champion", "top_user_share",
        "power_users", "new_champions", "features_used", "feature_breadth_share", "departments_active",
        "key_events_per_active_user", "logins_per_user", "minutes_per_user",
    )  # fmt: skip
    assert {name: {row[name] for row in usage.values()} for name in unknown} == {name: {None} for name in unknown}
    cohorts = {row["account_id"]: row["behavioral_cohort"] for row in result["behavioral_scores"]}
    assert cohorts == {"K1": "Steady State", "K2": "At Risk", "K3": "Steady State"}
