from __future__ import annotations

from datetime import date

import pytest

from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.segments.cuts import tier_cuts
from tests.companies import spine, typed

POLICY = load_policy().tier
FREEZE, DAY = date(2026, 3, 31), date(2026, 5, 6)


def cuts(*rows: tuple[date, float], days: tuple[date, ...] = (DAY,)) -> list[dict]:
    revenue = typed(
        AccountRevenue,
        [
            {"as_of": day, "account_id": f"a{i:03}", "arr": arr, "is_live": arr > 0}
            for i, (day, arr) in enumerate(rows)
        ],
    )
    return tier_cuts(spine(*days), revenue, POLICY).order_by("as_of").execute().to_dict("records")


def test_top_tenth_and_top_twentieth_by_hand():
    # Of 20 accounts with ARR 1..20 (thousand) the mid-rank of the k-th is (k - 0.5) / 20: 0.925 for the 19th, 0.975
    # for the 20th, 0.875 for the 18th. The top 10 % begins at the 19th, the top 5 % at the 20th.
    (row,) = cuts(*((FREEZE, 1000.0 * k) for k in range(1, 21)))
    assert (row["strategic_cut"], row["top_cut"], row["ranked_accounts"]) == (19_000.0, 20_000.0, 20)
    assert row["frozen_on"].date() == FREEZE


def test_the_cut_is_that_of_the_freeze_day_whatever_happened_since():
    rows = [(FREEZE, 1000.0 * k) for k in range(1, 21)] + [(DAY, 9_000_000.0)] * 30
    (row,) = cuts(*rows)
    assert row["strategic_cut"] == 19_000.0


def test_churned_accounts_are_not_ranked():
    (row,) = cuts(*((FREEZE, 1000.0 * k) for k in range(1, 21)), *[(FREEZE, 0.0)] * 50)
    assert (row["strategic_cut"], row["ranked_accounts"]) == (19_000.0, 20)


def test_without_a_live_account_on_the_freeze_day_the_day_itself_decides():
    (row,) = cuts((FREEZE, 0.0), *((DAY, 1000.0 * k) for k in range(1, 21)))
    assert row["strategic_cut"] == 19_000.0
    assert row["frozen_on"].date() == DAY


def test_equals_are_in_or_out_together():
    # Ten of twenty at the top: mid-rank (10 + 5) / 20 = 0.75 for all of them, so nobody is in the top 10 %.
    (row,) = cuts(*[(FREEZE, 1000.0)] * 10, *[(FREEZE, 5000.0)] * 10)
    assert row["strategic_cut"] is None or row["strategic_cut"] != row["strategic_cut"]
    # Two of twenty: (18 + 1) / 20 = 0.95 reaches both cuts.
    (row,) = cuts(*[(FREEZE, 1000.0)] * 18, *[(FREEZE, 5000.0)] * 2)
    assert (row["strategic_cut"], row["top_cut"]) == (5000.0, 5000.0)


@pytest.mark.parametrize(
    ("accounts", "has_strategic", "has_top"), [(1, 0, 0), (4, 0, 0), (5, 1, 0), (9, 1, 0), (10, 1, 1)]
)
def test_few_accounts_reach_no_cut(accounts, has_strategic, has_top):
    # The largest of n stands at (n - 0.5) / n: 0.9 from 5 accounts on, 0.95 from 10 on.
    (row,) = cuts(*((FREEZE, 1000.0 * k) for k in range(1, accounts + 1)))
    assert (row["strategic_cut"] == accounts * 1000.0) == bool(has_strategic)
    assert (row["top_cut"] == accounts * 1000.0) == bool(has_top)


def test_all_equal_is_no_top():
    (row,) = cuts(*[(FREEZE, 1000.0)] * 50)
    assert row["strategic_cut"] != 1000.0


def test_no_live_account_at_all_is_no_row():
    assert cuts((FREEZE, 0.0), (DAY, 0.0)) == []


def test_one_day_and_many_days_agree():
    other = date(2026, 1, 7)
    rows = [(day, 1000.0 * k) for day in (FREEZE, DAY, other, date(2025, 12, 31)) for k in range(1, 21)]
    assert cuts(*rows, days=(DAY, other)) == cuts(*rows, days=(other,)) + cuts(*rows, days=(DAY,))
