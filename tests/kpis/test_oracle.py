"""Periods, movements, retention and migration against a naive second implementation, on generated histories."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.segments import TIERS
from segmentation_assets.tables.as_of import months_before
from tests.kpis import oracle
from tests.kpis.world import kpis, pays, stands

DAYS = (date(2024, 6, 30), date(2024, 12, 31), date(2025, 2, 28), date(2025, 3, 15))
FIRST = date(2023, 1, 1)
WINDOWS = (12, 3, 1)
_FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)  # each example runs the tables over 30 accounts and 4 days; shrinking one would take minutes

amounts = st.sampled_from([0.0, 10.0, 33.33, 100.0, 250.5])
"""Few amounts: equal ones, and trials of 0."""
offsets = st.integers(0, 26).map(lambda months: months_before(date(2025, 3, 31), 26 - months))
lengths = st.sampled_from([1, 15, 28, 31, 90, 365, None])


@st.composite
def histories(draw: st.DrawFn) -> list[oracle.Period]:
    """Thirty accounts with one to four periods each: overlapping, touching, gapped, on trial, open."""
    history: list[oracle.Period] = []
    for number in range(30):
        day = draw(offsets)
        is_one_subscription = draw(st.booleans())
        for period in range(draw(st.integers(1, 4))):
            length = draw(lengths)
            end = None if length is None else day + timedelta(days=length)
            subscription = f"s{number:02}" if is_one_subscription else f"s{number:02}-{period}"
            history.append((f"a{number:02}", draw(amounts), day, end, subscription))
            # The next one touches this one, leaves a gap, or starts inside it.
            following = (end or day) + timedelta(days=draw(st.sampled_from([0, 0, 1, 45, 200, -10])))
            day = max(following, day + timedelta(days=1) if is_one_subscription else FIRST)
    return history


@st.composite
def tiered(draw: st.DrawFn) -> tuple[list[oracle.Period], dict[tuple[str, date], str]]:
    """A history, and tiers on all days that matter for most accounts."""
    # Amounts of 0 are pauses, which `test_points` holds to an oracle of their own.
    history = [period for period in draw(histories()) if period[1] > 0]
    assume(history)
    days = sorted({*DAYS, *(months_before(d, m) for d in DAYS for m in WINDOWS)})
    tier = st.sampled_from([*TIERS, None])
    tiers = {(a, d): draw(tier) for a in oracle.accounts(history) for d in days}
    return history, {k: v for k, v in tiers.items() if v}


def subscriptions(history):
    return [pays(a, m, s, e, subscription_id=i) for a, m, s, e, i in history]


@pytest.mark.slow(reason="many companies, each walked through day by day in plain Python")
@_FEW
@given(tiered())
def test_tables_agree_with_the_oracle(company):
    history, tiers = company
    states = [stands(a, d, t) for (a, d), t in tiers.items()]
    names = ["account_periods", "revenue_movements", "tier_kpis", "company_kpis", "tier_migration"]
    table = kpis(names, DAYS, billing_subscriptions=subscriptions(history), segments=states)

    accounts = oracle.accounts(history)
    for day in DAYS:
        month_end = day.replace(day=1) - timedelta(days=1)
        rows = of_day(table["revenue_movements"], day).set_index("account_id")
        for account in accounts:
            what, amount = oracle.movement(history, account, month_end, day)
            assert (account in rows.index) == (what != "none")
            if what != "none":
                row = rows.loc[account]
                assert row.movement == what
                assert moved_by(row) == pytest.approx(amount)
                assert row.end_mrr == pytest.approx(oracle.mrr(history, account, day))

        for months in WINDOWS:
            t0 = months_before(day, months)
            periods = of_window(table["account_periods"], day, months).set_index("account_id")
            for account in accounts:
                what, _ = oracle.movement(history, account, t0, day)
                assert (account in periods.index) == (what != "none")
                if what != "none":
                    assert periods.loc[account].movement == what
            for _, row in of_window(table["tier_kpis"], day, months).iterrows():
                here = [a for a in accounts if oracle.place(history, tiers, a, t0) == row.coverage_tier]
                agrees(row, oracle.retention(history, t0, day, here))
            for _, row in of_window(table["company_kpis"], day, months).iterrows():
                agrees(row, oracle.retention(history, t0, day, accounts))

        ways = of_day(table["tier_migration"], day)
        counted = {(r.from_tier, r.to_tier): r.accounts for r in ways.itertuples() if r.accounts}
        assert counted == oracle.migration(history, tiers, months_before(day, 3), day)


def of_day(frame, day):
    return frame[frame.as_of.astype(str) == str(day)]


def of_window(frame, day, months):
    return of_day(frame[frame.window_months == months], day)


def agrees(row, expected: oracle.Retention) -> None:
    """The closed cohort's figures to 1e-9."""
    for name in ("nrr", "grr", "logo_retention", "expansion_rate"):
        assert same(row[name], getattr(expected, name)), (dict(row), name)


def moved_by(row) -> float:
    names = ("new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr", "reactivated_mrr")
    return sum(row[name] for name in names)


def same(result: float, expected: float | None) -> bool:
    if expected is None:
        return result is None or math.isnan(result)
    return math.isclose(result, expected, rel_tol=0, abs_tol=1e-9)
