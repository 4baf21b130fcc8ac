"""The score of an extract, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from segmentation_assets.extracts.contracts import EXTRACTS
from tests.kpis.alone import Row, alone, at, changed

DAY = date(2026, 3, 31)


def _lead(lead: str, created_on: date | None, **values: Any) -> Row:
    return {"lead_id": lead, "created_on": created_on} | values


def _refused(extract: str, key: str, **values: Any) -> Row:
    return {"extract": extract, "key": key, "rule": "r", "value": "v"} | values


FULL = {"company": "c", "employees": 1, "annual_revenue": 1.0, "industry": "i", "country": "US", "use_case": "u"}


def test_always_all_extracts() -> None:
    rows = alone("data_quality", DAY)
    assert sorted(r["extract"] for r in rows) == sorted(spec.name for spec in EXTRACTS)
    assert {(r["row_count"], r["quality_score"], r["reason"]) for r in rows} == {(0, None, "no_rows")}


def test_three_parts_make_the_score() -> None:
    leads = [_lead("1", date(2026, 3, 3), **FULL), _lead("2", date(2026, 2, 1)), _lead("3", date(2026, 4, 1), **FULL)]
    refused = [_refused("leads", f"bad{i}") for i in range(2)]
    policy = changed("data_quality", default_max_age_days=14, worst_quarantined_share=1.0)
    row = at(alone("data_quality", DAY, policy=policy, leads=leads, quarantine=refused), extract="leads")
    # two rows by then: 7 + 1 of 14 cells; 28 days old where 14 are fresh; 2 of 4 refused
    assert (row["row_count"], row["completeness"]) == (2, pytest.approx(8 / 14))
    assert (row["newest_on"], row["age_days"], row["is_stale"], row["freshness_score"]) == (
        date(2026, 3, 3),
        28,
        True,
        50,
    )
    assert (row["quarantined_share"], row["validity_score"]) == (0.5, 50)
    assert row["quality_score"] == pytest.approx(0.4 * 800 / 14 + 0.3 * 50 + 0.3 * 50)


def test_nothing_is_a_fact_in_some_columns() -> None:
    open_deal = {
        "opportunity_id": "o", "account_id": "a", "kind": "new", "stage": "open", "created_on": DAY,
        "amount_arr": 5.0,
    }  # fmt: skip
    assert at(alone("data_quality", DAY, opportunities=[open_deal]), extract="opportunities")["completeness"] == 1
    counting = changed("data_quality", null_has_a_meaning={})
    row = at(alone("data_quality", DAY, policy=counting, opportunities=[open_deal]), extract="opportunities")
    assert row["completeness"] == 0.25  # closed_on, competitor, loss_reason are empty


def test_an_invoice_without_a_period_lacks_nothing() -> None:
    invoice = {"invoice_id": "i", "account_id": "a", "issued_on": DAY, "amount": 5.0, "currency": "USD"}
    rows = [invoice | {"due_on": DAY}, invoice | {"invoice_id": "j"}]
    # of due_on, paid_on, period_start and period_end only the first is expected: 1 of 2
    assert at(alone("data_quality", DAY, billing_invoices=rows), extract="billing_invoices")["completeness"] == 0.5


def test_rows_count_while_they_are_known() -> None:
    accounts = [
        {"account_id": "a", "known_to": date(2026, 2, 1), "dropped_on": date(2026, 1, 1)},
        {"account_id": "a", "known_from": date(2026, 2, 1), "dropped_on": date(2026, 2, 1)},
        {"account_id": "b", "known_from": date(2026, 4, 1), "dropped_on": date(2026, 4, 1)},
    ]
    row = at(alone("data_quality", DAY, crm_accounts=accounts), extract="crm_accounts")
    assert (row["row_count"], row["landed_rows"], row["newest_on"]) == (1, 2, date(2026, 2, 1))
    undated = at(alone("data_quality", DAY, crm_accounts=[{"account_id": "a"}]), extract="crm_accounts")
    assert (undated["reason"], undated["freshness_score"]) == ("undated", None)
    assert undated["quality_score"] == pytest.approx((40 * 0 + 30 * 100) / 70)


def test_a_row_refused_in_drop_after_drop_is_one() -> None:
    refused = [_refused("crm_accounts", "x", dropped_on=date(2026, month, 1)) for month in (1, 2, 3)]
    refused.append(_refused("crm_accounts", "future", dropped_on=date(2026, 4, 1)))
    row = at(alone("data_quality", DAY, quarantine=refused), extract="crm_accounts")
    assert row["quarantined_rows"] == 1


def test_usage_is_judged_over_its_look_back() -> None:
    def used(day: date) -> Row:
        return {"user_id": "u", "account_id": "a", "feature": "f", "usage_date": day, "event_count": 1}

    old = date(2026, 1, 1)
    refused = [_refused("product_usage", "k", usage_date=DAY), _refused("product_usage", "o", usage_date=old)]
    rows = alone(
        "data_quality", DAY, product_usage=[used(DAY), used(date(2026, 3, 1)), used(old)], quarantine=refused
    )
    row = at(rows, extract="product_usage")
    assert (row["row_count"], row["landed_rows"], row["quarantined_rows"], row["age_days"]) == (2, 2, 1, 0)
    assert row["completeness"] == 0.4  # of user, feature, sessions, minutes and errors only the first two


def test_what_each_column_lacks() -> None:
    """Two of three accounts have no use case; b's newer row stands in for the one that lacked it, c comes later."""
    accounts = [
        {"account_id": "a", "industry": "i"},
        {"account_id": "b", "known_to": date(2026, 2, 1)},
        {"account_id": "b", "known_from": date(2026, 2, 1), "primary_use_case": "u", "industry": "i"},
        {"account_id": "d", "parent_account_id": "a"},
        {"account_id": "c", "known_from": date(2026, 4, 1)},
    ]
    leads = [_lead("1", date(2026, 3, 3), **FULL), _lead("2", date(2026, 4, 1))]
    rows = alone("data_quality_columns", DAY, crm_accounts=accounts, leads=leads)

    def figures(extract: str, name: str) -> tuple[Any, ...]:
        row = at(rows, extract=extract, column_name=name)
        return row["row_count"], row["missing_rows"], row["missing_share"], row["null_is_a_fact"]

    assert figures("crm_accounts", "primary_use_case") == (3, 2, pytest.approx(2 / 3), False)
    assert figures("crm_accounts", "industry") == (3, 1, pytest.approx(1 / 3), False)
    assert figures("crm_accounts", "parent_account_id") == (3, 2, pytest.approx(2 / 3), True), "no parent is a fact"
    assert figures("leads", "use_case") == (1, 0, 0, False), "the lead of April is not dated yet"
    assert figures("surveys", "score") == (0, 0, None, True), "nobody delivers surveys"
    assert {row["extract"] for row in rows} <= {spec.name for spec in EXTRACTS}
    assert not {"known_from", "known_to", "dropped_on"} & {row["column_name"] for row in rows}


def test_a_list_repeated_in_full_is_as_fresh_as_its_delivery() -> None:
    """Nobody has bought since 2024; the list of subscriptions came on 25 March, 6 days ago, where 14 are fresh."""
    term = {"subscription_id": "s", "account_id": "a", "start_date": date(2024, 1, 1), "mrr": 1.0, "currency": "USD"}
    row = at(
        alone("data_quality", DAY, billing_subscriptions=[term | {"dropped_on": date(2026, 3, 25)}]),
        extract="billing_subscriptions",
    )
    assert (row["newest_on"], row["age_days"], row["is_stale"]) == (date(2026, 3, 25), 6, False)
    undated = at(alone("data_quality", DAY, billing_subscriptions=[term]), extract="billing_subscriptions")
    assert (undated["is_stale"], undated["freshness_score"], undated["reason"]) == (None, None, "undated")
    ticket = {"ticket_id": "t", "account_id": "a", "opened_at": pd.Timestamp(2026, 1, 1), "dropped_on": DAY}
    tickets = at(alone("data_quality", DAY, support_tickets=[ticket]), extract="support_tickets")
    assert (tickets["newest_on"], tickets["is_stale"]) == (date(2026, 1, 1), True), "new tickets are expected"
