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
        billing_subscriptions=subscriptions,
        account_revenue=[revenue],
        account_hierarchy=own_hierarchy(DAY, "a", "other") + inputs.pop("hierarchy", []),
        **inputs,
    )
    return at(rows, account_id="a")


def test_a_steady_account_agrees() -> None:
    row = _reconciled([_subscription(OLD, 1000.0)], 12_000.0, billing_invoices=[_invoice(date(2025, 3, 1), 12_000.0)])
    assert (row["subscribed_12m"], row["invoiced_12m"], row["invoiced_annualised"]) == (12_000, 12_000, 12_000)
    assert (row["arr_less_invoiced"], row["invoice_kind"]) == (0, "agrees")


def test_a_price_that_rose_explains_the_difference() -> None:
    half = date(2025, 7, 2)  # 182 days at 1000, 183 at 2000
    row = _reconciled(
        [_subscription(OLD, 1000.0, half), _subscription(half, 2000.0)],
        24_000.0,
        billing_invoices=[_invoice(date(2025, 3, 1), 18_016.44)],
        opportunities=[_won(date(2025, 7, 1), 12_000.0)],
    )
    assert row["subscribed_12m"] == pytest.approx(12_000 * 182 / 365 + 24_000 * 183 / 365, abs=0.01)
    assert row["invoice_kind"] == "changed_in_the_year"
    assert row["explained_by_change"] == pytest.approx(24_000 - 18_016.44, abs=0.01)
    assert row["unexplained"] == pytest.approx(0, abs=0.01)
    assert (row["growth_less_won"], row["booking_kind"]) == (0, "agrees")


def test_a_new_account_billed_up_front_is_billed_in_advance() -> None:
    start = date(2025, 10, 20)  # 73 of 365 days
    row = _reconciled([_subscription(start, 1000.0)], 12_000.0, start, billing_invoices=[_invoice(start, 12_000.0)])
    assert (row["subscribed_share"], row["subscribed_12m"]) == (pytest.approx(0.2), pytest.approx(2400))
    assert (row["invoiced_annualised"], row["invoice_kind"]) == (pytest.approx(60_000), "billed_in_advance")
    assert row["unexplained"] == pytest.approx(-9600)


@pytest.mark.parametrize(
    ("amount", "kind"),
    [(0.0, "not_invoiced"), (9000.0, "under_invoiced"), (15_000.0, "over_invoiced"), (12_240.0, "agrees")],
)
def test_billing_that_differs(amount: float, kind: str) -> None:
    invoices = [_invoice(date(2025, 5, 5), amount), _invoice(date(2024, 12, 31), 99_999.0)]
    assert _reconciled([_subscription(OLD, 1000.0)], 12_000.0, billing_invoices=invoices)["invoice_kind"] == kind


def test_invoices_go_on_after_the_end() -> None:
    ended = date(2024, 6, 1)
    row = _reconciled(
        [_subscription(OLD, 1000.0, ended)],
        0.0,
        churned_on=ended,
        billing_invoices=[_invoice(date(2025, 2, 1), 1000.0)],
    )
    assert (row["invoice_kind"], row["invoiced_annualised"]) == ("invoiced_without_subscription", None)


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
        billing_invoices=[_invoice(date(2025, 5, 5), 12_000.0, currency="EUR")],
    )
    assert (row["subscribed_12m"], row["invoiced_12m"], row["invoice_kind"]) == (14_400, 14_400, "agrees")
