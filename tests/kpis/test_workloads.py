from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tests.kpis.world import kpis, one, pays, stands

T1 = date(2025, 12, 31)
LIVE = [pays("a", 100, date(2024, 1, 1)), pays("b", 50, date(2024, 1, 1))]
CRM = [{"account_id": "a"}, {"account_id": "b"}]


def logged(csm: str, account: str | None, hours: float, day: date = date(2025, 12, 10)):
    entry = f"{csm}-{account}-{day}-{hours}"
    return {"entry_id": entry, "csm_id": csm, "account_id": account, "worked_on": day, "hours": hours}


def test_hours_and_the_productive_hours_behind_them():
    """c works 30 h on a and 10 h on b; in December's 31 days 40 h a week are 40 / 7 x 31 x 0.75 x 0.85 = 112.9 h.
    c's book is nobody's, so three quarters of the hours stand behind a, where they were logged. d is not on the
    roster; hours of nobody's account are internal."""
    table = kpis(
        ["account_workloads", "tier_kpis", "company_kpis"],
        [T1],
        billing_subscriptions=LIVE,
        crm_accounts=CRM,
        segments=[stands("a", T1, "Strategic"), stands("b", T1, "Core")],
        csm_roster=[
            {"csm_id": "c", "weekly_hours": 40.0},
            {"csm_id": "idle", "weekly_hours": 40.0, "starts_on": date(2025, 12, 25)},
            {"csm_id": "gone", "weekly_hours": 40.0, "ends_on": date(2025, 11, 1)},
        ],
        csm_time_entries=[
            logged("c", "a", 30),
            logged("c", "b", 10),
            logged("c", "b", 99, date(2025, 11, 30)),
            logged("d", "b", 5),
            logged("c", None, 20),
        ],
    )
    available = 40 / 7 * 31 * 0.75 * 0.85
    a = one(table["account_workloads"], account_id="a", window_months=1)
    assert (a.csm_hours, a.rostered_csm_hours) == (30, 30)
    assert a.productive_hours == pytest.approx(available * 0.75)
    b = one(table["account_workloads"], account_id="b", window_months=1)
    assert (b.csm_hours, b.rostered_csm_hours) == (15, 10)
    strategic = one(table["tier_kpis"], coverage_tier="Strategic", window_months=1)
    assert (strategic.csm_hours, strategic.utilisation) == (30, pytest.approx(40 / available))
    growth = one(table["tier_kpis"], coverage_tier="Growth", window_months=1)
    assert growth.csm_hours == 0
    # The company has idle hours too: 7 days of another CSM.
    company = one(table["company_kpis"], window_months=1)
    assert company.csm_hours == 45
    assert company.utilisation == pytest.approx(40 / (available + 40 / 7 * 7 * 0.75 * 0.85))


def test_utilisation_of_a_tier_says_where_time_goes_astray():
    """c's book entitles Strategic a to 8 h and Core b to 0.6 h a month: of the 112.9 productive hours of December
    8 / 8.6 = 105.0 belong to a. c worked 30 h there and 30 h on b, to which 7.9 belong: 29 % and 381 %. All in all
    it is 60 / 112.9. By where the hours went it would have been 53 % in both."""
    table = kpis(
        ["account_workloads", "tier_kpis", "company_kpis"],
        [T1],
        billing_subscriptions=LIVE,
        crm_accounts=CRM,
        segments=[stands("a", T1, "Strategic", csm_id="c"), stands("b", T1, "Core", csm_id="c")],
        csm_roster=[{"csm_id": "c", "weekly_hours": 40.0}],
        csm_time_entries=[logged("c", "a", 30), logged("c", "b", 30)],
    )
    available = 40 / 7 * 31 * 0.75 * 0.85
    a = one(table["account_workloads"], account_id="a", window_months=1)
    assert a.productive_hours == pytest.approx(available * 8 / 8.6)
    for tier, utilisation in (("Strategic", 30 / (available * 8 / 8.6)), ("Core", 30 / (available * 0.6 / 8.6))):
        assert one(table["tier_kpis"], coverage_tier=tier, window_months=1).utilisation == pytest.approx(utilisation)
    assert one(table["company_kpis"], window_months=1).utilisation == pytest.approx(60 / available)


def test_a_book_without_hours_logged_is_under_used_not_unknown():
    """c has a and b, and works on b alone: a's hours stand there unused, 0 of 105.0."""
    table = kpis(
        ["account_workloads", "tier_kpis"],
        [T1],
        billing_subscriptions=LIVE,
        crm_accounts=CRM,
        segments=[stands("a", T1, "Strategic", csm_id="c"), stands("b", T1, "Core", csm_id="c")],
        csm_roster=[{"csm_id": "c", "weekly_hours": 40.0}],
        csm_time_entries=[logged("c", "b", 30)],
    )
    assert one(table["tier_kpis"], coverage_tier="Strategic", window_months=1).utilisation == 0.0


def test_tickets_and_self_service_of_the_period():
    """Three tickets in December and one on 30 November; nine sessions: 9 / 12 served themselves."""
    tickets = [(f"t{i}", "a", datetime(2025, 12, i + 1, 12, tzinfo=UTC).replace(tzinfo=None)) for i in range(3)]
    tickets.append(("t9", "b", datetime(2025, 11, 30, 12, tzinfo=UTC).replace(tzinfo=None)))
    table = kpis(
        ["account_workloads", "tier_kpis"],
        [T1],
        billing_subscriptions=LIVE,
        crm_accounts=CRM,
        support_tickets=[{"ticket_id": t, "account_id": n, "opened_at": at} for t, n, at in tickets],
        self_service_sessions=[
            {"account_id": "a", "used_on": date(2025, 12, 5), "channel": "chatbot", "sessions": 9}
        ],
    )["tier_kpis"]
    month = one(table, coverage_tier="unassigned", window_months=1)
    assert (month.tickets, month.self_service_sessions, month.self_service_ratio) == (3, 9, 0.75)
    assert one(table, coverage_tier="unassigned", window_months=3).tickets == 4
    assert one(table, coverage_tier="Core", window_months=1).tickets == 0


def test_without_extracts_load_is_unknown_not_zero():
    row = one(
        kpis(["account_workloads", "tier_kpis"], [T1], billing_subscriptions=LIVE, crm_accounts=CRM)["tier_kpis"],
        coverage_tier="unassigned",
        window_months=12,
    )
    unknown = ["tickets", "self_service_ratio", "csm_hours", "utilisation", "expansion_pipeline", "cost_to_serve"]
    assert row[unknown].isna().all()
