"""Subscriptions, invoices and won opportunities held against each other, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.kpis.alone import Row, alone, at, own_hierarchy

DAY = date(2025, 12, 31)  # the twelve months are the 365 days of 2025
OLD = date(2023, 1, 1)


def _subscription(start: date, mrr: float, end: date | None = None, account: str = "a") -> Row:
    return {
        "subscription_id": f"{account}-{start}", "start_date": start, "account_id": account, "mrr": mrr,
        "currency": "USD", "end_date": end,
    }  # fmt: skip


def _invoice(issued_on: date, amount: float, account: str = "a", currency: str = "USD") -> Row:
    return {
        "invoice_id": f"{account}-{issued_on}", "account_id": account, "issued_on": issued_on, "amount": amount,
        "currency": currency,
    }  # fmt: skip


def _won(closed_on: date, amount: float, kind: str = "expansion", stage: str = "won", account: str = "a") -> Row:
    return {
        "opportunity_id": f"{account}-{closed_on}-{kind}-{stage}", "account_id": account, "kind": kind,
        "stage": stage, "amount_arr": amount, "created_on": OLD, "closed_on": closed_on,
    }  # fmt: skip


def _reconciled(
    subscriptions: list[Row], arr: float, first_paid_on: date = OLD, churned_on: date | None = None, **inputs: Any
) -> Row:
    revenue = {
        "as_of": DAY, "account_id": "a", "arr": arr, "first_paid_on": first_paid_on, "churned_on": churned_on,
    }  # fmt: skip
    rows = alone(
        "arr_reconciliation",
        DAY,
        subscription_steps=[
            {name: row[name] for name in ("subscription_id", "account_id", "mrr", "currency", "start_date")}
            | {"day": row["start_date"], "until": row["end_date"]}
            for row in subscriptions
        ],
        account_revenue=[revenue],
        account_hierarchy=own_hierarchy(DAY, "a", "other") + inputs.pop("hierarchy", []),
        **inputs,
    )
    return at(rows, account_id="a")


def test_a_steady_account_agrees() -> None:
    """12,000 on 1 March of 2024 and of 2025, each for a year: 59 days of the one and 306 of the other in 2025."""
    invoices = [_invoice(date(2024, 3, 1), 12_000.0), _invoice(date(2025, 3, 1), 12_000.0)]
    row = _reconciled([_subscription(OLD, 1000.0)], 12_000.0, billing_invoices=invoices)
    assert (row["subscribed_12m"], row["invoiced_12m"], row["issued_12m"]) == (12_000, 12_000, 12_000)
    assert (row["arr_less_invoiced"], row["invoice_kind"], row["unbilled"]) == (0, "agrees", 0)
    # paid up to the end of February: 59 of 365 days
    assert row["billed_ahead"] == pytest.approx(12_000 * 59 / 365, abs=0.01)


def test_every_account_has_its_own_invoices() -> None:
    row = _reconciled(
        [_subscription(OLD, 500.0)],
        6000.0,
        billing_invoices=[
            *_monthly(12, 500.0),
            *_monthly(12, 70.0, "other"),
            _invoice(date(2025, 6, 15), 9.0, "other"),
        ],
    )
    assert (row["invoiced_12m"], row["issued_12m"], row["invoice_kind"]) == (6000, 6000, "agrees")


def test_a_year_billed_at_once_is_no_year_of_twelve() -> None:
    """A new account pays 12,000 for a year on 20 October: 73 of 365 days are in the twelve months, as subscribed."""
    start = date(2025, 10, 20)
    row = _reconciled([_subscription(start, 1000.0)], 12_000.0, start, billing_invoices=[_invoice(start, 12_000.0)])
    assert (row["subscribed_12m"], row["invoiced_12m"]) == (pytest.approx(2400), pytest.approx(2400))
    assert (row["billed_ahead"], row["invoice_kind"]) == (pytest.approx(9600), "changed_in_the_year")
    assert (row["unexplained"], row["explained_by_change"]) == (pytest.approx(0), pytest.approx(9600))


def test_the_extracts_own_service_period_counts() -> None:
    """Invoiced on 10 December for December and the five months after: 31 of 182 days."""
    period = {"period_start": date(2025, 12, 1), "period_end": date(2026, 6, 1)}
    start = date(2025, 12, 1)
    row = _reconciled(
        [_subscription(start, 1000.0)],
        12_000.0,
        start,
        billing_invoices=[_invoice(date(2025, 12, 10), 6000.0) | period],
    )
    assert row["invoiced_12m"] == pytest.approx(6000 * 31 / 182, abs=0.01)


def _monthly(months: int, amount: float, account: str = "a") -> list[Row]:
    return [_invoice(date(2025, month, 1), amount, account) for month in range(1, months + 1)]


def test_a_credit_note_is_netted() -> None:
    """Twelve invoices of 500, one credit of 200 in March: 5,800 of 6,000. The newest covers 30 days, as the last."""
    row = _reconciled([_subscription(OLD, 500.0)], 6000.0, billing_invoices=[
        *_monthly(12, 500.0), _invoice(date(2025, 3, 5), -200.0)
    ])  # fmt: skip
    assert (row["invoiced_12m"], row["issued_12m"]) == (5800, 5800)
    assert (row["unexplained"], row["invoice_kind"]) == (pytest.approx(200, abs=0.01), "price")


def test_all_credited_is_nothing_invoiced() -> None:
    notes = [_invoice(date(2025, month, 2), -500.0) for month in range(1, 13)]
    row = _reconciled([_subscription(OLD, 500.0)], 6000.0, billing_invoices=[*_monthly(12, 500.0), *notes])
    assert (row["invoiced_12m"], row["invoice_kind"]) == (0, "price")


def test_invoices_without_a_subscription_have_a_row() -> None:
    """12,000 once, of an account that never subscribed: there is no service to spread it over."""
    rows = alone(
        "arr_reconciliation",
        DAY,
        account_hierarchy=own_hierarchy(DAY, "o"),
        billing_invoices=[_invoice(date(2025, 3, 1), 12_000.0, "o")],
    )
    row = at(rows, account_id="o")
    assert (row["arr"], row["subscribed_12m"], row["invoiced_12m"]) == (0, 0, 12_000)
    assert row["invoice_kind"] == "invoiced_without_subscription"


@pytest.mark.parametrize(
    ("invoices", "kind"),
    [
        (_monthly(12, 1000.0), "agrees"),
        (_monthly(12, 800.0), "price"),
        (_monthly(12, 1300.0), "price"),
        (_monthly(10, 1000.0), "not_yet_billed"),  # November's is to come: October's covers 30 days
        (_monthly(6, 1000.0), "missing"),
        ([_invoice(date(2020, 5, 5), 1000.0)], "missing"),
    ],
)
def test_billing_that_differs_has_a_cause(invoices: list[Row], kind: str) -> None:
    assert _reconciled([_subscription(OLD, 1000.0)], 12_000.0, billing_invoices=invoices)["invoice_kind"] == kind


def test_an_account_that_left_is_not_without_invoice_but_ended() -> None:
    """Paid until June, invoiced a year in January: half of it is for days after the end."""
    ended = date(2025, 7, 1)
    row = _reconciled(
        [_subscription(OLD, 1000.0, ended)],
        0.0,
        churned_on=ended,
        billing_invoices=[_invoice(date(2025, 1, 1), 12_000.0)],
    )
    assert row["subscribed_12m"] == pytest.approx(12_000 * 181 / 365, abs=0.01)
    assert row["invoice_kind"] == "ended"
    gone = date(2024, 6, 1)
    row = _reconciled(
        [_subscription(OLD, 1000.0, gone)],
        0.0,
        churned_on=gone,
        billing_invoices=[_invoice(date(2025, 2, 1), 1000.0)],
    )
    assert row["invoice_kind"] == "ended"


def test_an_invoice_before_the_subscription_is_billed_ahead() -> None:
    """Twelve months invoiced on 1 October, subscribed from 1 December: 92 days invoiced, 31 subscribed."""
    start = date(2025, 12, 1)
    row = _reconciled(
        [_subscription(start, 1000.0)], 12_000.0, start, billing_invoices=[_invoice(date(2025, 10, 1), 12_000.0)]
    )
    assert row["unexplained"] == pytest.approx(-12_000 * 61 / 365, abs=0.01)
    assert row["invoice_kind"] == "billed_ahead"


def test_a_price_that_rose_explains_the_difference() -> None:
    half = date(2025, 7, 2)  # 182 days at 1000, 183 at 2000
    row = _reconciled(
        [_subscription(OLD, 1000.0, half), _subscription(half, 2000.0)],
        24_000.0,
        billing_invoices=[
            _invoice(date(2025, 1, 1), 12_000 * 182 / 365), _invoice(half, 24_000 * 183 / 365),
            _invoice(date(2026, 1, 1), 1.0),
        ],
        opportunities=[_won(date(2025, 7, 1), 12_000.0)],
    )  # fmt: skip
    assert row["subscribed_12m"] == pytest.approx(12_000 * 182 / 365 + 24_000 * 183 / 365, abs=0.01)
    assert row["invoice_kind"] == "changed_in_the_year"
    assert row["explained_by_change"] == pytest.approx(24_000 - 18_016.44, abs=0.01)
    assert (row["growth_less_won"], row["booking_kind"]) == (0, "agrees")


def test_unknown_where_there_is_no_extract() -> None:
    row = _reconciled([_subscription(OLD, 1000.0)], 12_000.0)
    assert (row["invoice_kind"], row["invoiced_12m"]) == ("unknown", None)
    assert (row["booking_kind"], row["won_12m"]) == ("unknown", None)


def test_another_accounts_wins_make_none_known_as_none() -> None:
    row = _reconciled(
        [_subscription(date(2025, 6, 1), 1000.0)],
        12_000.0,
        date(2025, 6, 1),
        opportunities=[_won(date(2025, 2, 1), 5.0, account="other")],
    )
    assert (row["won_12m"], row["growth_less_won"], row["booking_kind"]) == (0, 12_000, "growth_not_won")


def test_renewals_lost_and_earlier_opportunities_are_no_bookings() -> None:
    opportunities = [
        _won(date(2025, 2, 1), 3000.0, "renewal"), _won(date(2025, 2, 1), 3000.0, stage="lost"),
        _won(date(2024, 12, 31), 3000.0), _won(date(2025, 1, 1), 500.0),
    ]  # fmt: skip
    row = _reconciled([_subscription(OLD, 1000.0)], 12_000.0, opportunities=opportunities)
    assert (row["won_12m"], row["booking_kind"]) == (500, "won_not_subscribed")


def test_amounts_of_other_currencies_are_at_the_rate_of_as_of() -> None:
    rates = [
        {"currency": "EUR", "valid_from": date(2020, 1, 1), "rate": 1.0},
        {"currency": "EUR", "valid_from": date(2025, 12, 1), "rate": 1.2},
    ]
    row = _reconciled(
        [_subscription(OLD, 1000.0) | {"currency": "EUR"}],
        14_400.0,
        fx_rates=rates,
        billing_invoices=[_invoice(date(2025, 1, 1), 12_000.0, currency="EUR")],
    )
    assert (row["subscribed_12m"], row["invoiced_12m"], row["invoice_kind"]) == (14_400, 14_400, "agrees")
