"""Renewals ahead, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tests.kpis.alone import Row, alone, at

DAY = date(2025, 12, 31)  # the first quarter told is the one that begins the day after, of 90 days
JANUARY, APRIL = date(2026, 1, 1), date(2026, 4, 1)


def _state(account: str, risk: float, tier: str = "Core", csm: str | None = "kim") -> Row:
    return {
        "as_of": DAY, "account_id": account, "churn_risk": risk, "coverage_tier": tier, "csm_id": csm,
    }  # fmt: skip


def _revenue(account: str, arr: float, renewal_on: date | None, day: date = DAY, *, leaves: bool = False) -> Row:
    return {
        "as_of": day, "account_id": account, "arr": arr, "is_live": arr > 0, "renewal_on": renewal_on,
        "days_to_renewal": (renewal_on - day).days if renewal_on else None,
        "leaving_on": renewal_on if leaves else None,
    }  # fmt: skip


def _period(account: str, start: float, end: float, tier: str = "Core") -> Row:
    return {
        "as_of": DAY, "account_id": account, "window_months": 12, "start_arr": start, "end_arr": end,
        "start_tier": tier,
    }  # fmt: skip


STATES = [_state("a", 0.1), _state("b", 0.3), _state("c", 0.1, csm=None)]
REVENUE = [
    _revenue("a", 1000.0, date(2026, 2, 1)),
    _revenue("b", 3000.0, date(2026, 3, 31)),
    _revenue("c", 500.0, APRIL),
    _revenue("later", 800.0, date(2027, 1, 1)),
]


def test_risk_is_the_sum_of_arr_times_probability() -> None:
    row = at(alone("renewal_forecast", DAY, segments=STATES, account_revenue=REVENUE), quarter_start=JANUARY)
    assert (row["accounts"], row["arr_due"], row["quarters_ahead"], row["csm_id"]) == (2, 4000, 0, "kim")
    assert row["arr_at_risk"] == pytest.approx(1000 * 0.1 + 3000 * 0.3)
    assert row["expected_accounts_lost"] == pytest.approx(0.4)
    assert row["expected_grr_of_churn"] == pytest.approx(0.75)
    assert (row["expected_nrr"], row["growth_of_retained"], row["reason"]) == (None, None, "no_history")


def test_a_renewal_beyond_the_horizon_has_the_same_risk_a_day_for_longer() -> None:
    """1 April is 91 days ahead; 0.1 in 90 days."""
    row = at(alone("renewal_forecast", DAY, segments=STATES, account_revenue=REVENUE), quarter_start=APRIL)
    assert (row["csm_id"], row["quarters_ahead"]) == ("unassigned", 1)
    assert row["expected_accounts_lost"] == pytest.approx(1 - 0.9 ** (91 / 90))


def test_a_renewal_within_the_horizon_has_all_of_the_risk() -> None:
    """Whoever decides in two weeks decides within the 90 days that the probability is about."""
    day = date(2026, 2, 14)
    rows = alone(
        "renewal_forecast",
        day,
        segments=[_state("a", 0.19) | {"as_of": day}],
        account_revenue=[_revenue("a", 100.0, date(2026, 3, 1), day)],
    )
    assert rows[0]["expected_accounts_lost"] == pytest.approx(0.19)


def test_a_known_end_is_a_fact_and_counts_in_full() -> None:
    """c1 and c2 pay 10,800 each; on 3 June c1 cancelled for 15 September. On 10 June all of c1 is at risk in Q3, and
    of c2, whose term ends on 14 September (96 days ahead), 10,800 x (1 - 0.95 ^ (96 / 90)) = 575.21."""
    day = date(2025, 6, 10)
    rows = alone(
        "renewal_forecast",
        day,
        segments=[_state(name, 0.05) | {"as_of": day} for name in ("c1", "c2")],
        account_revenue=[
            _revenue("c1", 10_800.0, date(2025, 9, 15), day, leaves=True),
            _revenue("c2", 10_800.0, date(2025, 9, 14), day),
        ],
    )
    row = at(rows, quarter_start=date(2025, 7, 1))
    assert (row["arr_due"], row["arr_leaving"], row["accounts_leaving"]) == (21_600, 10_800, 1)
    assert row["arr_at_risk"] == pytest.approx(10_800 + 10_800 * (1 - 0.95 ** (96 / 90)), abs=0.01)
    assert row["expected_accounts_lost"] == pytest.approx(2 - 0.95 ** (96 / 90))


def test_whoever_stays_grows_as_the_tier_did() -> None:
    kept = [_period(f"k{i}", 100.0, 120.0) for i in range(10)] + [_period("lost", 500.0, 0.0)]
    rows = alone("renewal_forecast", DAY, segments=STATES, account_revenue=REVENUE, account_periods=kept)
    row = at(rows, quarter_start=JANUARY)
    assert (row["growth_of_retained"], row["growth_basis"]) == (pytest.approx(1.2), "tier")
    assert row["expected_nrr"] == pytest.approx(0.75 * 1.2)
    # variance 1000^2 x 0.09 + 3000^2 x 0.21 = 1,980,000: 1.96 x 1407.1 / 4000 = 0.6895
    assert row["expected_nrr_low"] == pytest.approx((0.75 - 0.68948) * 1.2, abs=1e-4)
    assert row["expected_nrr_high"] == pytest.approx(1.2)


def test_a_tier_that_kept_too_few_grows_as_the_company_did() -> None:
    kept = [_period(f"k{i}", 100.0, 120.0, "Growth") for i in range(9)] + [_period("one", 100.0, 220.0)]
    rows = alone("renewal_forecast", DAY, segments=STATES, account_revenue=REVENUE, account_periods=kept)
    row = at(rows, quarter_start=JANUARY)
    assert (row["growth_of_retained"], row["growth_basis"]) == (pytest.approx(1300 / 1000), "company")


def test_an_account_without_a_state_is_due_and_its_risk_is_not_made_up() -> None:
    rows = alone("renewal_forecast", DAY, account_revenue=[_revenue("x", 100.0, date(2026, 1, 5))])
    row = at(rows, coverage_tier="unassigned")
    assert (row["arr_due"], row["arr_at_risk"], row["accounts_without_risk"]) == (100, 0, 1)
