"""Traps of the KPI definitions, each with numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from segmentation_assets.kpis.standings import AccountStandings
from segmentation_assets.policy.model import Policy
from segmentation_assets.scores.ranks import mid_rank
from tests.companies import typed
from tests.kpis.world import POLICY, kpis, one, pays, stands

T0, T1 = date(2024, 12, 31), date(2025, 12, 31)
YEAR = {"as_of": T1, "window_months": 12}

COMPANIES: dict[str, dict[str, list[dict[str, Any]]]] = {
    "closed cohort": {
        "billing_subscriptions": [
            pays("a", 100, date(2024, 1, 1), date(2025, 4, 1)),
            pays("a", 120, date(2025, 4, 1)),
            pays("b", 50, date(2025, 2, 1), date(2025, 9, 1)),
            pays("b", 100, date(2025, 9, 1)),
        ]
    },
    "back again": {
        "billing_subscriptions": [
            pays("a", 100, date(2024, 1, 1), date(2025, 4, 1)),
            pays("a", 80, date(2025, 7, 1)),
            pays("b", 60, date(2023, 1, 1), date(2024, 1, 1)),
            pays("b", 40, date(2025, 3, 1)),
        ]
    },
    "pauses end": {
        "billing_subscriptions": [
            pays("a", 100, date(2024, 1, 1)),
            pays("a", 50, date(2024, 1, 1), date(2024, 12, 1), subscription_id="more"),
            pays("a", 0, date(2024, 12, 1), date(2025, 2, 1), subscription_id="more"),
            pays("a", 50, date(2025, 2, 1), subscription_id="more"),
            pays("b", 40, date(2024, 1, 1), date(2024, 12, 1), subscription_id="all"),
            pays("b", 0, date(2024, 12, 1), date(2025, 2, 1), subscription_id="all"),
            pays("b", 40, date(2025, 2, 1), subscription_id="all"),
            pays("c", 10, date(2024, 1, 1)),
        ],
        "segments": [
            stands("a", T0, "Core"),
            stands("a", T1, "Strategic"),
            stands("b", T1, "Core"),
            stands("c", T0, "Core"),
            stands("c", T1, "Core"),
        ],
    },
    "tiers": {
        "billing_subscriptions": [
            pays("up", 100, date(2024, 1, 1), date(2025, 4, 1)),
            pays("up", 200, date(2025, 4, 1)),
            pays("down", 300, date(2024, 1, 1), date(2025, 4, 1)),
            pays("down", 100, date(2025, 4, 1)),
            pays("new", 50, date(2025, 6, 1)),
            pays("stray", 10, date(2024, 1, 1)),
        ],
        "segments": [
            stands("up", T0, "Core"),
            stands("up", T1, "Strategic"),
            stands("down", T0, "Strategic"),
            stands("down", T1, "Core"),
            stands("new", T1, "Core"),
            stands("stray", T1, "Core"),
        ],
    },
    "euros": {
        "billing_subscriptions": [
            pays("a", 100, date(2024, 1, 1), date(2025, 4, 1), currency="EUR"),
            pays("a", 110, date(2025, 4, 1), currency="EUR"),
        ],
        "fx_rates": [
            {"currency": "EUR", "valid_from": date(2020, 1, 1), "rate": 1.0},
            {"currency": "EUR", "valid_from": date(2025, 6, 1), "rate": 2.0},
        ],
    },
    "few accounts": {
        "billing_subscriptions": [
            *(pays(f"s{i}", 100, date(2024, 1, 1)) for i in range(3)),
            *(pays(f"c{i}", 10, date(2024, 1, 1)) for i in range(10)),
        ],
        "segments": [
            *(stands(f"s{i}", day, "Strategic") for i in range(3) for day in (T0, T1)),
            *(stands(f"c{i}", day, "Core") for i in range(10) for day in (T0, T1)),
        ],
    },
}
"""Companies, each in its own four years, so that one run computes them all: the last in the newest."""


def _years(number: int) -> int:
    return 4 * (len(COMPANIES) - 1 - number)


def _earlier(value: Any, years: int) -> Any:
    return value.replace(year=value.year - years) if isinstance(value, date) else value


def _moved(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in the years of its company, under an account id of its own; what is open ends a month after T1."""
    moved = dict(row)
    if "start_date" in row:
        moved["end_date"] = row["end_date"] or T1 + timedelta(days=31)
    moved = {name: _earlier(value, _years(number)) for name, value in moved.items()}
    if "account_id" in row:
        moved["account_id"] = f"{number}:{row['account_id']}"
        moved["subscription_id"] = f"{number}:{row.get('subscription_id')}"
    return {n: v for n, v in moved.items() if n in row}


@pytest.fixture(scope="module")
def frame() -> dict[str, pd.DataFrame]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, company in enumerate(COMPANIES.values()):
        for name, listed in company.items():
            rows.setdefault(name, []).extend(_moved(number, row) for row in listed)
    days = [_earlier(T1, _years(number)) for number in range(len(COMPANIES))]
    return kpis(["company_kpis", "tier_kpis"], days, POLICY, **rows)


@pytest.fixture
def year(frame: dict[str, pd.DataFrame]) -> Callable[..., pd.Series]:
    """The row of a company's year: of itself, or of one of its tiers."""

    def row(name: str, tier: str | None = None) -> pd.Series:
        day = _earlier(T1, _years(list(COMPANIES).index(name)))
        where: dict[str, Any] = {"as_of": day, "window_months": 12}
        if tier:
            return one(frame["tier_kpis"], coverage_tier=tier, **where)
        return one(frame["company_kpis"], **where)

    return row


def account(name: str, **rows):
    return one(kpis(["account_periods"], [T1], **rows)["account_periods"], account_id=name, **YEAR)


def test_01_annual_nrr_is_a_closed_cohort_over_two_points_in_time(year):
    """a: 100 -> 120. New b joins at 50 and doubles. Two points: 120 / 100. The year's expansion by months is 20 + 50,
    which would make 170 %."""
    row = year("closed cohort")
    assert row.nrr == pytest.approx(1.2)
    assert (row.new_arr, row.expansion_arr) == (1200, 240)

    ends = [date(2025, month, 1) - timedelta(days=1) for month in range(2, 13)]
    months = kpis(["revenue_movements"], [*ends, T1], POLICY, **COMPANIES["closed cohort"])["revenue_movements"]
    assert months.expansion_mrr.sum() == 70


def test_02_churned_and_back_counts_at_its_end_and_no_start_never_counts(year):
    """a: 100, away April to June, back at 80 by the end: in NRR at 80, no reactivation. b: paid in 2023, not at t0,
    back in 2025 at 40: beside NRR, not in it."""
    row = year("back again")
    assert row.nrr == pytest.approx(0.8)
    assert (row.contraction_arr, row.churned_arr) == (240, 0)
    assert (row.reactivated_arr, row.reactivated_accounts, row.new_arr) == (480, 1, 0)
    assert row.start_accounts == 1


def test_arr_that_comes_back_from_a_pause_is_beside_nrr(year):
    """a: 100 paid and 50 paused at T0, 150 at T1, and Strategic by then. b: 40, all of it paused at T0. c: 10.
    NRR is of what a and c paid at T0: (100 + 10) / 110. What comes back is reactivated: 50 and 40 a month."""
    row = year("pauses end")
    assert (row.start_arr, row.cohort_end_arr, row.nrr) == (1320, 1320, 1)
    assert (row.reactivated_arr, row.expansion_arr, row.end_arr) == (600 + 480, 0, 2400)
    # a was there at T0 already: of accounts, b alone came back.
    assert (row.start_accounts, row.reactivated_accounts, row.accounts) == (2, 1, 3)
    core, strategic = year("pauses end", "Core"), year("pauses end", "Strategic")
    # a takes the ARR it paid at T0 from Core to Strategic; what was paused comes back there.
    assert (core.migrated_out_arr, core.reactivated_arr, core.end_arr) == (1200, 480, 120 + 480)
    assert (strategic.migrated_in_arr, strategic.reactivated_arr, strategic.end_arr) == (1200, 600, 1800)


def test_03_the_tier_at_the_start_owns_what_happens(year):
    """up: Core 100 -> 200, promoted to Strategic. down: Strategic 300 -> 100, demoted to Core. new: Core, 50.
    By the tier at t0: Strategic 100/300, Core 200/100; by the tier at t1 Strategic would look like 200/100."""
    strategic, core = year("tiers", "Strategic"), year("tiers", "Core")
    assert strategic.nrr == pytest.approx(1 / 3)
    assert core.nrr == pytest.approx(2.0)
    # start + expansion - contraction - churned + in - out + new = end
    assert (strategic.start_arr, strategic.contraction_arr) == (3600, 2400)
    assert (strategic.migrated_in_arr, strategic.migrated_out_arr, strategic.end_arr) == (2400, 1200, 2400)
    assert (core.start_arr, core.expansion_arr, core.new_arr) == (1200, 1200, 600)
    assert (core.migrated_in_arr, core.migrated_out_arr, core.end_arr) == (1200 + 120, 2400, 1920)
    # No tier at t0: unassigned, from where it migrates to Core.
    unassigned = year("tiers", "unassigned")
    assert (unassigned.start_arr, unassigned.migrated_out_arr, unassigned.end_arr) == (120, 120, 0)
    assert (unassigned.start_accounts, unassigned.accounts) == (1, 0)
    company = year("tiers")
    assert company.start_arr == company.tiers_start_arr == 1200 + 3600 + 120
    assert company.nrr == pytest.approx((2400 + 1200 + 120) / 4920)
    assert company.tiers_nrr == pytest.approx(company.nrr, abs=1e-9)


def test_04_a_merge_is_no_churn_and_the_parent_is_that_of_the_start():
    """b (50) is merged into a (100) in June 2025: one account with 150 at both ends. c moves from parent p to q."""
    merged = date(2025, 6, 1)
    until, after = {"known_to": merged}, {"known_from": merged}
    rows = kpis(
        ["account_periods"],
        [T1],
        billing_subscriptions=[
            pays("a", 100, date(2024, 1, 1)),
            pays("b", 50, date(2024, 1, 1)),
            pays("c", 10, date(2024, 1, 1)),
        ],
        crm_accounts=[
            *({"account_id": n} for n in ("a", "p", "q")),
            {"account_id": "b", **until},
            {"account_id": "b", "merged_into_account_id": "a", **after},
            {"account_id": "c", "parent_account_id": "p", **until},
            {"account_id": "c", "parent_account_id": "q", **after},
        ],
    )["account_periods"]
    year = rows.loc[rows.window_months == 12]
    assert set(year.account_id) == {"a", "c"}
    a = one(year, account_id="a")
    assert (a.start_arr, a.end_arr, a.movement) == (1800, 1800, "flat")
    assert one(year, account_id="c").parent_account_id == "p"
    assert one(rows, account_id="c", window_months=1).parent_account_id == "q"


def test_05_recurring_amounts_are_per_month_and_multi_year_contracts_step():
    """A three-year contract of 1,200, 1,800 and 2,400 a year stands as three steps of 100, 150 and 200 a month."""
    row = account(
        "a",
        billing_subscriptions=[
            pays("a", 100, date(2024, 1, 1), date(2025, 1, 1)),
            pays("a", 150, date(2025, 1, 1), date(2026, 1, 1)),
            pays("a", 200, date(2026, 1, 1), date(2027, 1, 1)),
        ],
    )
    assert (row.start_arr, row.end_arr, row.expansion_arr) == (1200, 1800, 600)


def test_06_what_flips_inside_the_month_leaves_no_movement():
    """100 -> 300 on the 5th -> 100 on the 20th; b comes and goes within the month. Within the month it is seen."""
    subscriptions = [
        pays("a", 100, date(2024, 1, 1), date(2025, 12, 5)),
        pays("a", 300, date(2025, 12, 5), date(2025, 12, 20)),
        pays("a", 100, date(2025, 12, 20)),
        pays("b", 70, date(2025, 12, 2), date(2025, 12, 30)),
    ]
    moves = kpis(["revenue_movements"], [date(2025, 12, 10), T1], billing_subscriptions=subscriptions)
    at_end = moves["revenue_movements"]
    row = one(at_end, as_of=T1)
    assert (row.account_id, row.movement, row.start_mrr, row.end_mrr) == ("a", "flat", 100, 100)
    to_date = one(at_end, as_of=date(2025, 12, 10), account_id="a")
    assert (to_date.movement, to_date.expansion_mrr) == ("expansion", 200)
    assert one(at_end, as_of=date(2025, 12, 10), account_id="b").movement == "new"


def test_07_a_same_day_swap_is_one_expansion():
    """Product x (100) ends and product y (130) starts on the same day; one of two subscriptions ends for b."""
    moves = kpis(
        ["revenue_movements"],
        [T1],
        billing_subscriptions=[
            pays("a", 100, date(2024, 1, 1), date(2025, 12, 10), product="x"),
            pays("a", 130, date(2025, 12, 10), product="y"),
            pays("b", 60, date(2024, 1, 1), product="x"),
            pays("b", 40, date(2024, 1, 1), date(2025, 12, 10), product="y"),
        ],
    )["revenue_movements"]
    a, b = one(moves, account_id="a"), one(moves, account_id="b")
    assert (a.movement, a.expansion_mrr, a.churned_mrr, a.new_mrr) == ("expansion", 30, 0, 0)
    assert (b.movement, b.contraction_mrr, b.churned_mrr) == ("contraction", 40, 0)


def test_08_exchange_rates_are_constant_and_no_movement(year):
    """EUR 100 at 1.0 grows to EUR 110, and the euro to 2.0: NRR 110 %, and FX carries the rest of the bridge."""
    row = year("euros")
    assert row.nrr == pytest.approx(1.1)
    assert (row.start_arr, row.expansion_arr, row.fx_arr, row.end_arr) == (1200, 120, 1320, 2640)
    assert row.arr_growth == pytest.approx(0.1)


@pytest.mark.parametrize(("grace", "movement"), [(0, "churn"), (30, "flat")])
def test_09_late_renewals_are_bridged_at_every_day_without_looking_ahead(grace: int, movement: str):
    """A contract ends 15 December and is renewed 10 January. On 31 December nobody knows, with or without grace."""
    sections = {name: getattr(POLICY, name) for name in Policy.model_fields}
    graceful = POLICY.company.model_copy(update={"renewal_grace_days": grace})
    policy = Policy(**{**sections, "company": graceful})
    late = [pays("a", 100, date(2024, 1, 1), date(2025, 12, 15)), pays("a", 100, date(2026, 1, 10))]
    later = date(2026, 1, 31)
    rows = kpis(["account_periods"], [T1, later], policy, billing_subscriptions=late)["account_periods"]
    assert one(rows, as_of=T1, window_months=1).movement == movement
    # Seen a month later, 31 December is what it was.
    was_at_year_end = one(rows, as_of=later, window_months=1).start_arr
    assert was_at_year_end == one(rows, as_of=T1, window_months=1).end_arr
    without_future = kpis(["account_periods"], [T1], policy, billing_subscriptions=late[:1])["account_periods"]
    assert one(without_future, window_months=1).movement == movement


def test_10_an_end_that_is_not_known_yet_is_censored_not_churned():
    """The extract ends on 31 December, and what ends then is said to be known only later: still open."""
    censored = pays("a", 100, date(2024, 1, 1), T1, end_known_on=date(2026, 2, 1))
    assert account("a", billing_subscriptions=[censored]).movement == "flat"
    ended = pays("a", 100, date(2024, 1, 1), T1)
    assert account("a", billing_subscriptions=[ended]).movement == "churn"


def test_10_a_step_whose_end_is_not_known_yet_ends_where_the_next_one_starts():
    """100 a month until 1 December, known in February; from then on the same subscription costs 120: +240 a year."""
    step = {"subscription_id": "s"}
    first = pays("a", 100, date(2024, 1, 1), date(2025, 12, 1), end_known_on=date(2026, 2, 1), **step)
    result = account("a", billing_subscriptions=[first, pays("a", 120, date(2025, 12, 1), **step)])
    assert (result.movement, result.start_arr, result.end_arr, result.expansion_arr) == ("expansion", 1200, 1440, 240)


def test_11_no_start_is_null_and_few_accounts_carry_a_flag(year):
    """Three Strategic accounts: a value and a flag. No Growth account: null, the reason, and a flag."""
    strategic = year("few accounts", "Strategic")
    assert (strategic.start_accounts, strategic.nrr, strategic.nrr_low_n) == (3, 1.0, True)
    assert strategic.nrr_status == "too_few"  # 100 % against 130 %, of three accounts: not judged
    growth = year("few accounts", "Growth")
    assert (growth.accounts, growth.arr, growth.start_arr) == (0, 0, 0)
    assert growth[["nrr", "grr", "logo_retention", "expansion_rate", "quick_ratio"]].isna().all()
    assert (growth.reason, growth.nrr_status, growth.nrr_low_n) == ("no_accounts_at_start", "unknown", True)
    core = year("few accounts", "Core")
    assert (core.nrr_low_n, core.nrr_status, core.grr_status) == (False, "met", "met")
    assert math.isnan(year("few accounts").quick_ratio)  # nothing was lost: null, not infinity


def test_12_no_fact_of_the_future_counts():
    """What starts, ends or is repriced after as_of changes nothing: the same rows with and without the future."""
    past = [pays("a", 100, date(2024, 1, 1))]
    known_later = {"known_from": date(2026, 3, 1)}
    future = [
        pays("b", 500, date(2026, 1, 1)),
        pays("c", 700, date(2024, 5, 1), **known_later),
    ]
    columns = ["account_id", "start_arr", "end_arr", "movement"]
    with_future = kpis(["account_periods"], [T1], billing_subscriptions=past + future)["account_periods"]
    without = kpis(["account_periods"], [T1], billing_subscriptions=past)["account_periods"]
    assert with_future[columns].equals(without[columns])
    ends_later = [pays("a", 100, date(2024, 1, 1), date(2026, 1, 5))]
    ends = kpis(["account_periods"], [T1], billing_subscriptions=ends_later)["account_periods"]
    assert ends[columns].equals(without[columns])


def test_13_ranks_over_ties_nulls_and_few_accounts_are_mid_ranks():
    """10, 20, 20 and unknown: (0 + 0.5)/3, (1 + 1)/3 twice, and null; one account alone stands in the middle."""
    rows = [
        {"as_of": T1, "account_id": n, "arr": 1.0, "cost_to_serve": v}
        for n, v in (("a", 10.0), ("b", 20.0), ("c", 20.0), ("d", None))
    ]
    table = typed(AccountStandings, rows)
    ranks = table.mutate(rank=mid_rank(table.cost_to_serve, [table.as_of])).order_by("account_id").execute()["rank"]
    assert ranks[:3].tolist() == pytest.approx([0.5 / 3, 2 / 3, 2 / 3])
    assert ranks.isna().tolist() == [False, False, False, True]
    alone = typed(AccountStandings, rows[:1])
    assert alone.mutate(rank=mid_rank(alone.arr, [alone.as_of])).execute()["rank"].tolist() == [0.5]


def test_18_the_companys_own_sums_include_accounts_lost_since():
    """lost paid until June and made 2 tickets in March; live made 1; a prospect 1. Company 4; Core 3, as at t0."""
    tickets = [("lost", 2), ("live", 1), ("prospect", 1)]
    frame = kpis(
        ["account_workloads", "company_kpis", "tier_kpis"],
        [T1],
        POLICY,
        crm_accounts=[{"account_id": name} for name, _ in tickets],
        billing_subscriptions=[
            pays("lost", 100, date(2024, 1, 1), date(2025, 6, 1)),
            pays("live", 100, date(2024, 1, 1)),
        ],
        segments=[stands("lost", T0, "Core"), stands("live", T0, "Core"), stands("live", T1, "Core")],
        support_tickets=[
            {"ticket_id": f"{name}{i}", "account_id": name, "opened_at": datetime(2025, 3, 1, 12)}  # noqa: DTZ001
            for name, number in tickets
            for i in range(number)
        ],
    )
    assert one(frame["company_kpis"], window_months=12).tickets == 4
    tiers = frame["tier_kpis"][frame["tier_kpis"].window_months == 12].set_index("coverage_tier").tickets
    assert (tiers["Core"], tiers["unassigned"], tiers.sum()) == (3, 1, 4)
