"""account_revenue, rule by rule, with figures worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.profiles.chain import NotToContract, Rows, computed

AS_OF = date(2026, 3, 31)
START = date(2025, 1, 1)


def subscription(**values: Any) -> dict[str, Any]:
    """A paid, open subscription of account a from 2025 on, but for `values`."""
    return {"subscription_id": "s", "account_id": "a", "start_date": START, "mrr": 100.0, "currency": "USD"} | values


def revenue(
    subscriptions: Rows, *days: date, grace: int = 0, **extracts: Rows
) -> dict[tuple[date, str], dict[str, Any]]:
    rows = {"billing_subscriptions": subscriptions, "crm_accounts": [{"account_id": "a"}], **extracts}
    return computed("account_revenue", rows, *(days or (AS_OF,)), policy={"company": {"renewal_grace_days": grace}})


def test_annual_revenue_is_twelve_times_what_is_in_force_at_day_end() -> None:
    rows = revenue(
        [
            subscription(mrr=100.0, seats=10),
            subscription(subscription_id="t", mrr=50.5, seats=5, start_date=AS_OF),
            subscription(subscription_id="u", mrr=999.0, start_date=AS_OF + timedelta(days=1)),
        ]
    )
    row = rows[AS_OF, "a"]
    assert (row["mrr"], row["arr"], row["seats"]) == (150.5, 1806.0, 15)


def test_an_end_is_the_first_day_without_revenue() -> None:
    before, end = date(2026, 2, 9), date(2026, 2, 10)
    rows = revenue([subscription(end_date=end)], before, end)
    assert (rows[before, "a"]["arr"], rows[before, "a"]["is_live"], rows[before, "a"]["churned_on"]) == (
        1200.0,
        True,
        None,
    )
    assert (rows[end, "a"]["arr"], rows[end, "a"]["is_live"], rows[end, "a"]["churned_on"]) == (0.0, False, end)


def test_an_end_counts_from_the_day_it_became_known() -> None:
    end, known_on = date(2026, 2, 10), date(2026, 2, 20)
    days = [end, known_on - timedelta(days=1), known_on]
    rows = revenue([subscription(end_date=end, end_known_on=known_on)], *days)
    assert [rows[day, "a"]["arr"] for day in days] == [1200.0, 1200.0, 0.0]
    assert rows[known_on, "a"]["churned_on"] == known_on


def test_an_end_known_ahead_still_ends_on_its_day() -> None:
    end = date(2026, 2, 10)
    rows = revenue([subscription(end_date=end, end_known_on=date(2025, 12, 1))], end - timedelta(days=1), end)
    assert [row["arr"] for _, row in sorted(rows.items())] == [1200.0, 0.0]


def test_the_next_step_of_a_subscription_ends_the_one_before_although_its_end_is_not_known() -> None:
    """100 a month end on 1 March, known on 15 April; from 1 March the same subscription costs 120: 1,440 a year."""
    steps = [
        subscription(end_date=date(2026, 3, 1), end_known_on=date(2026, 4, 15), seats=10),
        subscription(start_date=date(2026, 3, 1), mrr=120.0, seats=12),
    ]
    before = date(2026, 2, 28)
    rows = revenue(steps, before, AS_OF)
    assert [(rows[d, "a"]["arr"], rows[d, "a"]["seats"]) for d in (before, AS_OF)] == [(1200.0, 10), (1440.0, 12)]
    assert rows[AS_OF, "a"]["last_expansion_on"] == date(2026, 3, 1)
    other = [steps[0], steps[1] | {"subscription_id": "t"}]
    assert revenue(other)[AS_OF, "a"]["arr"] == 2640.0  # another subscription is paid for beside it


def test_steps_of_a_subscription_never_overlap_whatever_their_ends_say() -> None:
    """An open step and one that ends too late are both over when the next begins, a pause too, wherever it is."""
    rows = revenue(
        [
            subscription(),
            subscription(start_date=date(2026, 1, 1), mrr=120.0, end_date=date(2027, 1, 1)),
            subscription(start_date=date(2026, 2, 1), mrr=0.0, end_date=date(2026, 3, 1)),
            subscription(start_date=date(2026, 3, 1), mrr=80.0, account_id="b"),
        ],
        date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28), AS_OF,
        crm_accounts=[{"account_id": "a"}, {"account_id": "b"}],
    )  # fmt: skip
    paid = [rows[d, "a"]["arr"] for d in (date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28), AS_OF)]
    assert paid == [1200.0, 1440.0, 0.0, 0.0]
    assert (rows[AS_OF, "b"]["arr"], rows[AS_OF, "a"]["churned_on"]) == (960.0, date(2026, 3, 1))
    assert rows[date(2026, 2, 28), "a"]["paused_on"] == date(2026, 2, 1)


def test_revenue_of_a_past_day_is_the_same_from_every_later_day() -> None:
    """On 2025-03-31 the end of 03-20 was not known yet: what was published then is what is compared with."""
    rows = revenue(
        [
            subscription(end_date=date(2025, 3, 20), end_known_on=date(2025, 4, 5)),
            subscription(subscription_id="t", start_date=date(2025, 4, 5), mrr=40.0),
        ],
        date(2025, 3, 31),
        AS_OF,
    )
    assert rows[date(2025, 3, 31), "a"]["arr"] == 1200.0
    assert rows[AS_OF, "a"]["arr_12m_ago"] == 1200.0
    assert rows[AS_OF, "a"]["nrr_12m"] == 0.4


def test_a_same_day_swap_is_neither_churn_nor_a_new_customer() -> None:
    swap = date(2025, 9, 1)
    rows = revenue(
        [
            subscription(end_date=swap, product="old"),
            subscription(subscription_id="t", start_date=swap, product="new", mrr=130.0),
        ]
    )
    row = rows[AS_OF, "a"]
    assert (row["churned_on"], row["first_paid_on"], row["last_expansion_on"]) == (None, START, swap)
    assert row["product_list"] == "new"


def test_a_swap_to_the_same_price_is_no_expansion() -> None:
    swap = date(2025, 9, 1)
    parts = [subscription(subscription_id=i, start_date=swap, mrr=m) for i, m in (("t", 33.3), ("u", 66.7))]
    row = revenue([subscription(end_date=swap), *parts])[AS_OF, "a"]
    assert row["last_expansion_on"] is None
    assert row["arr"] == 1200.0


def test_ending_one_of_two_is_contraction_and_what_follows_it_expansion() -> None:
    rows = revenue(
        [
            subscription(end_date=date(2025, 6, 1)),
            subscription(subscription_id="t", mrr=60.0),
            subscription(subscription_id="u", mrr=10.0, start_date=date(2025, 8, 1)),
        ]
    )
    row = rows[AS_OF, "a"]
    assert (row["arr"], row["last_expansion_on"]) == (840.0, date(2025, 8, 1))
    assert row["months_to_first_expansion"] == pytest.approx(212 / (365.25 / 12))


def test_coming_back_is_no_expansion() -> None:
    rows = revenue(
        [
            subscription(end_date=date(2025, 6, 1)),
            subscription(subscription_id="t", mrr=500.0, start_date=date(2025, 6, 2)),
        ]
    )
    assert rows[AS_OF, "a"]["last_expansion_on"] is None
    assert rows[AS_OF, "a"]["first_paid_on"] == START


def test_grace_carries_revenue_over_a_late_renewal() -> None:
    end, renewed = date(2026, 2, 10), date(2026, 2, 14)
    subscriptions = [
        subscription(end_date=end, seats=7, product="p", region="EU"),
        subscription(subscription_id="t", start_date=renewed, mrr=110.0, seats=9, product="p", region="EU"),
    ]
    days = [end - timedelta(days=1), end, renewed - timedelta(days=1), renewed]
    rows = revenue(subscriptions, *days, grace=4)
    assert [rows[d, "a"]["arr"] for d in days] == [1200.0, 1200.0, 1200.0, 1320.0]
    assert [rows[d, "a"]["seats"] for d in days] == [7, 7, 7, 9]
    assert {rows[d, "a"]["region"] for d in days} == {"EU"}
    assert rows[renewed, "a"]["last_expansion_on"] == renewed, "a rise at the renewal is an expansion"
    without = revenue(subscriptions, *days)
    assert [without[d, "a"]["arr"] for d in days] == [1200.0, 0.0, 0.0, 1320.0]
    assert without[renewed, "a"]["last_expansion_on"] is None


def test_a_renewal_after_the_grace_is_churn_and_return() -> None:
    end = date(2026, 2, 10)
    subscriptions = [
        subscription(end_date=end),
        subscription(subscription_id="t", start_date=date(2026, 2, 15), mrr=110.0),
    ]
    days = [date(2026, 2, 13), date(2026, 2, 14), date(2026, 2, 15)]
    rows = revenue(subscriptions, *days, grace=4)
    assert [rows[d, "a"]["arr"] for d in days] == [1200.0, 0.0, 1320.0]
    assert rows[days[1], "a"]["churned_on"] == date(2026, 2, 14)
    assert rows[days[2], "a"]["last_expansion_on"] is None


def test_grace_does_not_carry_one_of_two() -> None:
    end = date(2026, 2, 10)
    rows = revenue([subscription(end_date=end), subscription(subscription_id="t", mrr=5.0)], end, grace=10)
    assert rows[end, "a"]["mrr"] == 5.0


def test_trials_and_pauses_are_no_revenue() -> None:
    pause = date(2026, 3, 1)
    rows = revenue(
        [
            subscription(end_date=pause, seats=10),
            subscription(start_date=pause, mrr=0.0, seats=10),
            subscription(subscription_id="t", account_id="b", mrr=0.0, seats=3),
        ]
    )
    paused, trial = rows[AS_OF, "a"], rows[AS_OF, "b"]
    assert (paused["arr"], paused["churned_on"], paused["seats"], paused["is_trial_only"]) == (
        0.0,
        None,
        None,
        False,
    )
    assert (paused["paused_on"], paused["is_live"], trial["is_live"]) == (pause, True, False)
    assert (trial["arr"], trial["churned_on"], trial["is_trial_only"]) == (0.0, None, True)
    assert (trial["first_paid_on"], trial["tenure_days"], trial["renewal_on"]) == (None, None, None)


def test_a_pause_that_lasts_too_long_is_churn() -> None:
    """Paused on 1 December 2025: 90 days later, on 1 March 2026, the account counts as lost."""
    pause, lapsed, back = date(2025, 12, 1), date(2026, 3, 1), date(2026, 3, 20)
    rows = revenue(
        [subscription(), subscription(start_date=pause, mrr=0.0), subscription(start_date=back, mrr=100.0)],
        lapsed - timedelta(days=1), lapsed, back,
    )  # fmt: skip
    seen = [
        (rows[day, "a"]["is_live"], rows[day, "a"]["paused_on"], rows[day, "a"]["churned_on"])
        for day in (lapsed - timedelta(days=1), lapsed, back)
    ]
    assert seen == [(True, pause, None), (False, None, lapsed), (True, None, None)]
    assert rows[back, "a"]["last_expansion_on"] is None, "coming back from a pause is no expansion"


def test_a_rise_of_the_price_alone_is_no_expansion() -> None:
    """10 seats at 10 each become 10 at 11 in May, 12 at 11 in July: only July is an expansion."""
    rows = revenue(
        [
            subscription(seats=10),
            subscription(start_date=date(2025, 5, 1), mrr=110.0, seats=10),
            subscription(start_date=date(2025, 7, 1), mrr=132.0, seats=12),
            subscription(start_date=date(2025, 9, 1), mrr=140.0, seats=12),
        ],
        date(2025, 6, 30), AS_OF,
    )  # fmt: skip
    assert [row["last_expansion_on"] for _, row in sorted(rows.items())] == [None, date(2025, 7, 1)]


def test_a_change_of_the_contracts_currency_moves_nothing() -> None:
    """1,250 USD become 1,000 EUR at 1.25: NRR 1, whatever the rate a year ago (1.10) and today (1.40)."""
    rates = [
        {"currency": "EUR", "valid_from": day, "rate": rate}
        for day, rate in ((date(2024, 1, 1), 1.10), (date(2025, 9, 1), 1.25), (date(2026, 3, 1), 1.40))
    ]
    row = revenue(
        [subscription(mrr=1250.0), subscription(start_date=date(2025, 9, 15), mrr=1000.0, currency="EUR")],
        fx_rates=rates,
    )[AS_OF, "a"]
    assert (row["arr"], row["arr_12m_ago"], row["nrr_12m"]) == (16_800.0, 15_000.0, 1.0)
    assert row["last_expansion_on"] is None


def test_discounts_never_make_revenue_negative() -> None:
    row = revenue([subscription(), subscription(subscription_id="d", mrr=-150.0)])[AS_OF, "a"]
    assert (row["arr"], row["is_live"]) == (0.0, False)


def test_an_account_leaves_only_where_nothing_follows() -> None:
    """Known to end in May, and nothing else is known; a subscription that starts that day makes it a renewal."""
    end = date(2026, 5, 1)
    facts = subscription(end_date=end, end_known_on=date(2026, 3, 1))
    assert revenue([facts])[AS_OF, "a"]["leaving_on"] == end
    for other, leaves in ((subscription(subscription_id="t"), None), (facts | {"subscription_id": "t"}, end)):
        assert revenue([facts, other])[AS_OF, "a"]["leaving_on"] == leaves
    following = subscription(subscription_id="t", start_date=end)
    assert revenue([facts, following])[AS_OF, "a"]["leaving_on"] is None
    assert revenue([facts | {"end_known_on": None}])[AS_OF, "a"]["leaving_on"] is None


def test_retention_is_null_without_a_start_twelve_months_before() -> None:
    young = revenue([subscription(start_date=date(2025, 4, 1))])[AS_OF, "a"]
    assert (young["arr_12m_ago"], young["nrr_12m"], young["has_billing_history_12m"]) == (0.0, None, False)
    old = revenue([subscription(start_date=date(2025, 3, 31))])[AS_OF, "a"]
    assert (old["arr_12m_ago"], old["nrr_12m"], old["has_billing_history_12m"]) == (1200.0, 1.0, True)
    assert (old["tenure_days"], young["tenure_days"]) == (365, 364)


def test_retention_uses_the_rate_of_the_start_and_revenue_the_newest() -> None:
    """100 EUR then at 1.10, 150 EUR now at 1.20: ARR 2,160, but retention 150 / 100, not 1.64."""
    raised = date(2025, 10, 1)
    rates = [
        {"currency": "EUR", "valid_from": date(2025, 1, 1), "rate": 1.10},
        {"currency": "EUR", "valid_from": date(2026, 3, 31), "rate": 1.20},
        {"currency": "EUR", "valid_from": date(2026, 4, 1), "rate": 9.0},
    ]
    row = revenue(
        [
            subscription(currency="EUR", end_date=raised),
            subscription(subscription_id="t", currency="EUR", start_date=raised, mrr=150.0),
        ],
        fx_rates=rates,
    )[AS_OF, "a"]
    assert (row["arr"], row["arr_12m_ago"], row["arr_at_rate_12m_ago"]) == (2160.0, 1320.0, 1980.0)
    assert row["nrr_12m"] == pytest.approx(1.5)


def test_a_move_of_the_exchange_rate_is_no_expansion() -> None:
    rates = [
        {"currency": "EUR", "valid_from": date(2025, 1, 1) + timedelta(days=30 * n), "rate": 1.0 + n / 10}
        for n in range(12)
    ]
    row = revenue([subscription(currency="EUR")], fx_rates=rates)[AS_OF, "a"]
    assert row["last_expansion_on"] is None
    assert row["nrr_12m"] == 1.0


def test_before_its_first_rate_a_currency_counts_at_that_rate() -> None:
    rates = [{"currency": "EUR", "valid_from": date(2027, 1, 1), "rate": 2.0}]
    assert revenue([subscription(currency="EUR")], fx_rates=rates)[AS_OF, "a"]["arr"] == 2400.0


def test_a_currency_without_any_rate_breaks_the_contract_rather_than_counting_nothing() -> None:
    with pytest.raises(NotToContract, match="arr: not null"):
        revenue([subscription(currency="CHF"), subscription(subscription_id="t")])


def test_a_merger_moves_revenue_and_is_no_churn() -> None:
    merged_on = date(2026, 3, 15)
    open_ended = date(9999, 12, 31)
    crm = [
        {"account_id": "a"},
        {"account_id": "b", "known_to": merged_on},
        {"account_id": "b", "merged_into_account_id": "a", "known_from": merged_on, "known_to": open_ended},
    ]
    subscriptions = [
        subscription(seats=3),
        subscription(subscription_id="t", account_id="b", mrr=50.0, seats=4, start_date=date(2024, 6, 1)),
    ]
    before = merged_on - timedelta(days=1)
    rows = revenue(subscriptions, before, merged_on, AS_OF, crm_accounts=crm)
    assert {(day, account): row["arr"] for (day, account), row in rows.items()} == {
        (before, "a"): 1200.0,
        (before, "b"): 600.0,
        (merged_on, "a"): 1800.0,
        (AS_OF, "a"): 1800.0,
    }
    row = rows[AS_OF, "a"]
    assert (row["arr_12m_ago"], row["nrr_12m"], row["seats"]) == (1800.0, 1.0, 7)
    assert row["first_paid_on"] == date(2024, 6, 1)


def test_a_payer_that_the_crm_lacks_keeps_its_revenue() -> None:
    assert revenue([subscription(account_id="z")])[AS_OF, "z"]["arr"] == 1200.0


def test_what_a_later_delivery_brought_was_not_known_before() -> None:
    rows = revenue(
        [subscription(), subscription(subscription_id="t", known_from=date(2026, 3, 10))], date(2026, 3, 9), AS_OF
    )
    assert (rows[date(2026, 3, 9), "a"]["arr"], rows[AS_OF, "a"]["arr"]) == (1200.0, 2400.0)


@pytest.mark.parametrize(
    ("values", "renewal"),
    [
        ({"term_end": date(2026, 12, 31)}, date(2026, 12, 31)),
        ({"term_end": AS_OF}, date(2027, 1, 1)),  # that term is over: the next anniversary
        ({}, date(2027, 1, 1)),
        ({"start_date": date(2025, 3, 31)}, date(2027, 3, 31)),  # today's anniversary is not ahead
        ({"start_date": date(2025, 4, 1)}, date(2026, 4, 1)),
        ({"start_date": date(2024, 2, 29)}, date(2027, 2, 28)),
    ],
)
def test_renewal_is_the_next_term_end_else_the_next_anniversary(values: dict[str, Any], renewal: date) -> None:
    row = revenue([subscription(**values)])[AS_OF, "a"]
    assert (row["renewal_on"], row["days_to_renewal"]) == (renewal, (renewal - AS_OF).days)


def test_renewal_is_that_of_what_is_in_force() -> None:
    row = revenue(
        [
            subscription(end_date=date(2026, 3, 1), term_end=date(2026, 4, 1)),
            subscription(subscription_id="t", start_date=date(2025, 7, 1), term_end=date(2026, 7, 1)),
            subscription(subscription_id="u", start_date=date(2025, 8, 1), term_end=date(2026, 8, 1)),
        ]
    )[AS_OF, "a"]
    assert row["renewal_on"] == date(2026, 7, 1)


def test_products_and_regions_are_those_paid_for() -> None:
    row = revenue(
        [
            subscription(product="crm", region="US", mrr=70.0),
            subscription(subscription_id="t", product="ads", region="EU", mrr=70.0),
            subscription(subscription_id="u", product="crm", region=None),
            subscription(subscription_id="v", product="bi", region="APAC", mrr=0.0),
            subscription(subscription_id="w", product="bi", region="APAC", end_date=date(2026, 1, 1)),
        ]
    )[AS_OF, "a"]
    assert (row["products"], row["product_list"], row["is_multi_product"]) == (2, "ads, crm", True)
    assert (row["regions"], row["is_multi_region"]) == (2, True)
    assert row["region"] is None, "the largest subscription says none"


def test_among_equally_large_subscriptions_the_first_id_gives_the_region() -> None:
    row = revenue([subscription(subscription_id="t", region="EU"), subscription(region="US")])[AS_OF, "a"]
    assert row["region"] == "US"


def test_a_product_without_a_name_is_still_one() -> None:
    row = revenue([subscription()])[AS_OF, "a"]
    assert (row["products"], row["product_list"], row["is_multi_product"], row["regions"]) == (1, None, False, 0)


def invoice(**values: Any) -> dict[str, Any]:
    return {
        "invoice_id": "i",
        "account_id": "a",
        "issued_on": date(2026, 1, 1),
        "amount": 100.0,
        "currency": "USD",
    } | values


def test_late_is_paid_after_the_due_day_or_unpaid_past_it() -> None:
    due = date(2026, 2, 1)
    invoices = [
        invoice(invoice_id="on time", due_on=due, paid_on=due),
        invoice(invoice_id="4 late", due_on=due, paid_on=date(2026, 2, 5)),
        invoice(invoice_id="unpaid", due_on=date(2026, 3, 1), amount=70.0),
        invoice(invoice_id="paid tomorrow", due_on=date(2026, 3, 21), paid_on=date(2026, 4, 1), amount=30.0),
        invoice(invoice_id="due today", due_on=AS_OF),
        invoice(
            invoice_id="long ago", due_on=date(2025, 3, 31), paid_on=date(2025, 9, 1), issued_on=date(2025, 3, 1)
        ),
        invoice(invoice_id="no due day"),
        invoice(invoice_id="not issued yet", due_on=date(2026, 4, 30), issued_on=date(2026, 4, 1)),
    ]
    row = revenue([subscription()], billing_invoices=invoices)[AS_OF, "a"]
    assert row["invoices_late_12m"] == 3
    assert row["mean_days_late"] == pytest.approx((0 + 4 + 30 + 10 + 0) / 5)
    assert row["late_share_12m"] == pytest.approx(3 / 5)
    assert (row["overdue_amount"], row["overdue_days"]) == (100.0, 30)


def test_a_credit_note_lowers_what_is_overdue_and_is_never_late() -> None:
    """70 overdue less 20 credited = 50; the note itself counts neither as due nor as late."""
    invoices = [
        invoice(invoice_id="unpaid", due_on=date(2026, 3, 1), amount=70.0),
        invoice(invoice_id="credit", due_on=date(2026, 3, 1), amount=-20.0),
    ]
    row = revenue([subscription()], billing_invoices=invoices)[AS_OF, "a"]
    assert (row["overdue_amount"], row["invoices_late_12m"], row["late_share_12m"]) == (50.0, 1, 1.0)


def test_an_old_debt_is_overdue_though_it_fell_due_over_a_year_ago() -> None:
    old = invoice(due_on=date(2025, 3, 1), issued_on=date(2025, 2, 1), currency="EUR")
    rates = [{"currency": "EUR", "valid_from": date(2025, 1, 1), "rate": 1.5}]
    row = revenue([subscription()], billing_invoices=[old], fx_rates=rates)[AS_OF, "a"]
    assert (row["invoices_late_12m"], row["mean_days_late"]) == (0, None)
    assert (row["overdue_amount"], row["overdue_days"]) == (150.0, 395)


def test_no_invoice_of_anybody_is_unknown_and_none_of_this_account_is_none() -> None:
    columns = ("invoices_late_12m", "mean_days_late", "overdue_amount", "overdue_days")
    none = revenue([subscription()])[AS_OF, "a"]
    assert [none[c] for c in columns] == [None] * 4
    others = [invoice(account_id="b", due_on=date(2026, 2, 1), paid_on=date(2026, 2, 1))]
    subscriptions = [subscription(), subscription(subscription_id="t", account_id="b")]
    rows = revenue(subscriptions, date(2025, 12, 31), AS_OF, billing_invoices=others)
    assert [rows[AS_OF, "a"][c] for c in columns] == [0, None, 0.0, 0]
    assert [rows[AS_OF, "b"][c] for c in columns] == [0, 0.0, 0.0, 0]
    assert [rows[date(2025, 12, 31), "b"][c] for c in columns] == [None] * 4


def test_what_is_overdue_in_a_currency_without_a_rate_is_unknown() -> None:
    debt = invoice(due_on=date(2026, 2, 1), currency="CHF")
    row = revenue([subscription()], billing_invoices=[debt])[AS_OF, "a"]
    assert (row["overdue_amount"], row["overdue_days"]) == (None, 58)


def test_thirds_of_a_year_make_a_year_to_the_cent() -> None:
    parts = [subscription(subscription_id=str(n), mrr=10_000 / 12 / 3) for n in range(3)]
    assert revenue(parts)[AS_OF, "a"]["arr"] == 10_000.0
