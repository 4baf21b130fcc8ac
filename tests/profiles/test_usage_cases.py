"""Small companies in `tests/cases`, from their files to how they use the product: each stands for its kind."""

from __future__ import annotations

from datetime import date

from tests.profiles.test_revenue_cases import Case, case

__all__ = ["case"]  # the fixture
LAST = date(2025, 6, 10)


def test_who_pays_by_use_has_usage_without_shares_of_seats(case: Case) -> None:
    """P1 has no seats: 10 users x 500 events x 28 days = 140,000. N1 has 10 seats: 10 x 20 x 28 = 5,600."""
    rows = case("usage_priced_no_seats", "account_usage", LAST)["account_usage"]
    found = {row["account_id"]: row for row in rows}
    assert set(found) == {"P1", "N1", "N2", "N3", "N4"}
    paid_by_use, by_seat = found["P1"], found["N1"]
    figures = ("events_28d", "mau", "users_trend", "events_trend", "users_trend_net", "mau_seat_share")
    assert [paid_by_use[name] for name in figures] == [140_000, 10, 0, 0, 0, None]
    assert [by_seat[name] for name in figures] == [5_600, 10, 0, 0, 0, 1]
    assert (paid_by_use["is_active_account"], by_seat["is_active_account"]) == (None, True)
