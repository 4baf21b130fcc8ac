"""A hostile little company: ids in many scripts, nulls, ties, zeros, negative money, leap days, tables without rows.

Not here: comparisons. What its figures should be is not stated either: two engines must agree on them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tests.companies import Company, Rows

DAY = date(2024, 2, 29)
"""A leap day: a year before it, February had 28."""
IDS = ("Ä-1 ß", "日本", "a'b\"c", "z\\n", "😀", " blank ", "İstanbul", "tie-1", "tie-2", "only-usage", "NULL")
_LEAP = date(2020, 2, 29)


def hostile() -> Company:
    """The company. Eleven accounts; half of the extracts have no rows."""
    return Company(
        crm_accounts=_accounts(),
        billing_subscriptions=_subscriptions(),
        billing_invoices=_invoices(),
        fx_rates=[
            {"currency": "EUR", "valid_from": _LEAP, "rate": 1.0},
            {"currency": "USD", "valid_from": _LEAP, "rate": 0.9},
            {"currency": "USD", "valid_from": date(2023, 12, 31), "rate": 1 / 3},
        ],
        product_features=[
            {"feature": "core", "product": "p", "level": "core", "is_key": True},
            {"feature": "ädvanced", "product": "p", "level": "advanced", "is_key": None},
            {"feature": "unpriced", "product": None, "level": None, "is_key": False},
        ],
        product_users=_users(),
        product_usage=_usage(),
        support_tickets=_tickets(),
    )


def _accounts() -> Rows:
    nothing = [{"account_id": account, "created_on": _LEAP} for account in IDS]
    nothing[0] |= {"employees": 0.0, "annual_revenue": 0.0, "industry": " Software ", "country": "DE"}
    nothing[1] |= {"employees": 1e9, "annual_revenue": 0.1 + 0.2, "industry": "software", "parent_account_id": IDS[0]}
    nothing[2] |= {"merged_into_account_id": IDS[3], "parent_account_id": IDS[2]}
    nothing[4] |= {"parent_account_id": "nobody", "created_on": None}
    return nothing


def _subscriptions() -> Rows:
    def line(number: int, account: str, mrr: float, **other: object) -> dict[str, object]:
        return {
            "subscription_id": f"s{number}", "account_id": account, "start_date": _LEAP, "product": "p", "seats": 10,
            "mrr": mrr, "currency": "EUR",
        } | other  # fmt: skip

    return [
        line(1, IDS[0], 0.0, seats=0),
        line(2, IDS[0], 100.005, start_date=date(2023, 2, 28), end_date=DAY, end_known_on=date(2024, 1, 31)),
        line(3, IDS[1], 0.1, product=None, seats=None),
        line(4, IDS[1], 0.2, currency="USD"),
        line(5, IDS[2], 500.0, currency="USD", end_date=date(2023, 3, 1), end_known_on=date(2023, 3, 1)),
        line(6, IDS[2], 500.0, start_date=date(2023, 3, 1), term_end=date(2025, 2, 28)),
        line(7, IDS[3], -50.0),
        line(8, IDS[3], 50.0),
        line(9, IDS[4], 1e7 + 0.01, start_date=DAY),
        line(10, IDS[5], 10.0, start_date=date(2024, 3, 1)),  # after the day
        line(11, IDS[6], 333.333333, plan="öre", region="İ", term_end=DAY),
        line(12, IDS[7], 42.0, term_end=date(2024, 5, 31)),
        line(13, IDS[8], 42.0, term_end=date(2024, 5, 31)),
        line(14, IDS[10], 7.0, end_date=date(2024, 2, 28), end_known_on=date(2024, 2, 28)),
    ]


def _invoices() -> Rows:
    bills = [
        ("i1", IDS[0], date(2024, 1, 31), date(2024, 2, 29), None, 0.0),
        ("i2", IDS[1], date(2023, 2, 28), None, None, 0.1),
        ("i3", IDS[3], date(2024, 2, 1), date(2024, 2, 1), DAY, -50.0),
        ("i4", IDS[7], date(2024, 2, 1), date(2024, 2, 15), date(2024, 2, 20), 42.0),
        ("i5", IDS[8], date(2024, 2, 1), date(2024, 2, 15), date(2024, 2, 20), 42.0),
    ]
    return [
        {
            "invoice_id": number, "account_id": account, "issued_on": issued, "due_on": due, "paid_on": paid,
            "amount": amount, "currency": "EUR", "period_start": issued, "period_end": due,
        }
        for number, account, issued, due, paid, amount in bills
    ]  # fmt: skip


def _users() -> Rows:
    users = [(f"{account}/{n}", account) for account in IDS[:5] for n in range(2)]
    rows = [{"user_id": user, "account_id": account, "created_on": _LEAP, "role": None} for user, account in users]
    rows[0] |= {"department": "Ops", "role": "admin", "is_service_user": True}
    rows[1] |= {"department": "ops", "deactivated_on": DAY}
    rows[2] |= {"department": None, "created_on": None}
    return rows


def _usage() -> Rows:
    """Eighty days that end at the day, not all of them used; two accounts the same, one with users nobody listed."""
    rows = []
    for back in range(80):
        day = DAY - timedelta(days=back)
        for place, account in enumerate((*IDS[:5], IDS[7], IDS[8], IDS[9])):
            if (back + place) % 3 == 0:
                continue
            tied = place in {5, 6}
            rows.append(
                {
                    "user_id": f"{account}/{back % 2}", "usage_date": day, "account_id": account,
                    "feature": ("core", "ädvanced", "unpriced", None)[(back + (0 if tied else place)) % 4],
                    "event_count": 0 if place == 3 else 1 + (back + (0 if tied else place)) % 5,
                    "session_count": None if place == 1 else back % 4,
                    "session_minutes": None if place == 1 else 0.1 * (back % 7),
                    "error_count": None if back % 5 else 1,
                }
            )  # fmt: skip
    return rows


def _tickets() -> Rows:
    opened = datetime.fromisoformat("2024-02-29T23:59:59")
    return [
        {"ticket_id": "t1", "account_id": IDS[0], "opened_at": opened},
        {
            "ticket_id": "t2", "account_id": IDS[1], "opened_at": opened - timedelta(days=30),
            "first_response_at": opened, "resolved_at": opened, "priority": "urgent", "handling_hours": 0.0,
            "csat": 1.0, "sentiment": -1.0, "is_escalated": True,
        },
        {"ticket_id": "t3", "account_id": IDS[1], "opened_at": opened - timedelta(hours=1), "channel": "ß"},
    ]  # fmt: skip
