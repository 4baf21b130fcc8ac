"""The past that the churn model learns from: who counts, what counts as leaving, and that features know no future."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.scores.behavioral import BehavioralScores
from segmentation_assets.scores.churn_training import churn_training
from tests.companies import Company, spine, typed

POLICY = load_policy().churn
AS_OF = date(2026, 11, 27)  # a Friday; its last Monday is the 23rd
ENDS = [date(2026, 11, 23) - timedelta(weeks=13 * k) for k in range(3, -1, -1)]
START = ENDS[0] - timedelta(weeks=13)  # 2025-11-24: four windows have ended since
ALL_LIVE = [{"is_live": True}] * 4


def learned(later, profile: Mapping[str, Any] | None = None, cohort: str | None = None, start: date = START):
    """Training rows of one account: what was known at the start, and its revenue at the ends of the windows."""
    truth = {"as_of": start, "account_id": "a", "is_live": True, "arr": 100.0, **(profile or {})}
    cohorts = [{"as_of": start, "account_id": "a", "behavioral_cohort": cohort}] if cohort else []
    revenue = [
        {"as_of": end, "account_id": "a", **row} for end, row in zip(ENDS, later, strict=False) if row is not None
    ]
    table = churn_training(
        spine(AS_OF),
        typed(AccountProfiles, [truth]),
        typed(BehavioralScores, cohorts),
        typed(AccountRevenue, revenue),
        POLICY,
    )
    return table.execute()


GONE = {"is_live": False}


@pytest.mark.parametrize(
    ("later", "left", "observed"),
    [
        (ALL_LIVE, None, 4),
        ([{**GONE, "churned_on": START + timedelta(days=90)}] + [{**GONE, "churned_on": START}] * 3, 1, 4),
        # After the horizon of 90 days and before the window's end: it leaves in the second window.
        ([{**GONE, "churned_on": START + timedelta(days=91)}] * 4, 2, 4),
        ([{"is_live": True}, {"is_live": True}, *[{**GONE, "churned_on": ENDS[1] + timedelta(days=1)}] * 2], 3, 4),
        ([{"is_live": True}, {"is_live": True}], None, 2),  # merged in the third window: no row any more
    ],
)
def test_in_which_window_an_account_left(later, left, observed):
    row = learned(later).iloc[0]
    assert row.periods_observed == observed
    assert (None if pd.isna(row.left_in_period) else row.left_in_period) == left


def test_the_newest_window_has_been_observed_once():
    revenue = [{"as_of": ENDS[3], "account_id": "a", "is_live": True}]
    profiles = [{"as_of": ENDS[2], "account_id": "a", "is_live": True, "arr": 1.0}]
    built = churn_training(
        spine(AS_OF), typed(AccountProfiles, profiles), typed(BehavioralScores, []), typed(AccountRevenue, revenue),
        POLICY,
    ).execute()  # fmt: skip
    assert built.periods_observed.tolist() == [1]


def test_features_are_those_of_the_first_day():
    profile = {
        "single_champion": True, "overdue_days": 31, "sentiment": -0.31, "signal_weight_180d": 0.4,
        "days_to_renewal": 12, "mau_seat_share": 3.0, "users_trend_net": -2.0,
    }  # fmt: skip
    row = learned(ALL_LIVE, profile, "At Risk").iloc[0]
    assert (row.behavioral_cohort, row.single_champion, row.is_overdue, row.has_bad_sentiment) == (
        "At Risk", True, True, True,
    )  # fmt: skip
    # Beyond the ends of their ranges (policy): 0 to 1.2, -1 to 1. A lone account is in the middle of the ranks.
    assert (row.seat_activity, row.usage_trend, row.size_rank) == (1.2, -1, 0)
    assert (row.days_to_renewal, row.signal_weight_180d, row.arr) == (12, 0.4, 100)


@pytest.mark.parametrize("profile", [{"is_live": False}, {"leaving_on": START + timedelta(days=200)}])
def test_who_is_gone_or_known_to_leave_teaches_nothing(profile):
    assert learned(ALL_LIVE, profile).empty


def test_a_window_before_the_history_has_no_rows():
    assert learned(ALL_LIVE, start=START - timedelta(weeks=13 * 20)).empty


# What happens after a day changes no feature of that day.

CUT = ENDS[2]  # 2026-08-24
ACCOUNTS = ("a", "b", "c", "d")
DATED = {
    "billing_subscriptions": "start_date", "product_usage": "usage_date", "support_tickets": "opened_at",
    "billing_invoices": "issued_on", "external_signals": "observed_on", "product_users": "created_on",
}  # fmt: skip


def facts(shift: int = 0, after: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Extracts of four accounts with facts before and after CUT. `shift` changes all that is dated after it."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in DATED}
    for i, account in enumerate(ACCOUNTS):
        rows["billing_subscriptions"].append(
            {"subscription_id": account, "account_id": account, "start_date": date(2024, 1 + i, 3), "mrr": 100.0 + i,
             "currency": "USD", "seats": 8, "product": "crm"}
        )  # fmt: skip
        for user in range(6):
            rows["product_users"].append(
                {"user_id": f"{account}{user}", "account_id": account, "created_on": date(2024, 1, 1)}
            )
    for i, account in enumerate(ACCOUNTS):
        for step in range(-20, 8):
            day = CUT + timedelta(days=7 * step - (1 if step <= 0 else 0))
            is_after = day > CUT
            if is_after and not after:
                continue
            who = ACCOUNTS[(i + shift) % 4] if is_after else account
            n = 1 + (i + step) % 5 + (shift if is_after else 0)
            rows["product_usage"] += [
                {"user_id": f"{who}{user}", "account_id": who, "usage_date": day, "feature": f"f{shift * is_after}",
                 "event_count": n, "session_count": 1, "session_minutes": 2.0 * n}
                for user in range(n % 6)
            ]  # fmt: skip
            key = f"{account}{step}"
            rows["support_tickets"].append(
                {"ticket_id": key, "account_id": who, "opened_at": pd.Timestamp(day), "sentiment": -0.1 * n}
            )
            rows["billing_invoices"].append(
                {"invoice_id": key, "account_id": who, "issued_on": day, "due_on": day, "amount": 5.0 * n,
                 "currency": "USD", "paid_on": _paid_on(day, i, after)}
            )  # fmt: skip
            rows["external_signals"].append(
                {"signal_id": key, "account_id": who, "signal": "layoffs", "observed_on": day, "weight": -0.1 * n}
            )
    if after:  # contracts that end, grow or start later, and a subscription entered late
        rows["billing_subscriptions"] += [
            {"subscription_id": "a", "account_id": "a", "start_date": CUT + timedelta(days=9 + shift), "mrr": 10.0,
             "currency": "USD", "seats": 2, "product": "crm", "end_date": CUT + timedelta(days=30 + shift)},
            {"subscription_id": "late", "account_id": "b", "start_date": date(2025, 2, 1), "mrr": 50.0 + shift,
             "currency": "USD", "seats": 4, "product": "crm", "known_from": CUT + timedelta(days=3)},
        ]  # fmt: skip
    return rows


def _paid_on(day: date, i: int, after: bool) -> date | None:
    """Paid the same day, 40 or 80 days later; an invoice paid after CUT is not paid yet without its future."""
    paid_on = day + timedelta(days=40 * (i % 3))
    return paid_on if after or paid_on <= CUT else None


def features_at_cut(extracts: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    company = Company(crm_accounts=[{"account_id": account} for account in ACCOUNTS], **extracts)
    rows = company.frame("churn_training", AS_OF)
    rows = rows[pd.to_datetime(rows.starts_on).dt.date == CUT].sort_values("account_id")
    return rows.drop(columns=["periods_observed", "left_in_period", "policy_hash"]).reset_index(drop=True)


def test_what_happens_after_a_day_changes_no_feature_of_that_day():
    whole = features_at_cut(facts())
    assert whole.account_id.tolist() == list(ACCOUNTS)
    assert whole[["seat_activity", "usage_trend", "is_overdue", "has_bad_sentiment"]].notna().all().all()
    pd.testing.assert_frame_equal(whole, features_at_cut(facts(shift=2)))
    pd.testing.assert_frame_equal(whole, features_at_cut(facts(after=False)))
