"""account_profiles: who is in, identity as known then, lifecycle, completeness, groups."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.engagement import AccountEngagement
from segmentation_assets.profiles.outcomes import AccountOutcomes
from segmentation_assets.profiles.profiles import AccountIdentity, AccountProfiles
from segmentation_assets.profiles.revenue import AccountRevenue
from segmentation_assets.profiles.signals import AccountSignals
from segmentation_assets.profiles.support import AccountSupport
from segmentation_assets.profiles.technology import AccountTechnology
from segmentation_assets.profiles.usage import AccountUsage
from segmentation_assets.tables.contracts import Snapshot, schema_of
from tests.profiles.chain import DEFAULT, Rows, changed, computed

AS_OF = date(2026, 3, 31)
DAY = timedelta(days=1)
PARTS: dict[str, type[Snapshot]] = {
    "account_usage": AccountUsage,
    "account_support": AccountSupport,
    "account_engagement": AccountEngagement,
    "account_outcomes": AccountOutcomes,
    "account_technology": AccountTechnology,
    "account_signals": AccountSignals,
    "account_costs": AccountCosts,
}


def live(account: str = "a", **values: Any) -> dict[str, Any]:
    """account_revenue's row of a live account of 1,200 a year, 400 days old, that renews in 300, but for `values`."""
    row = {
        "as_of": AS_OF, "account_id": account, "arr": 1200.0, "mrr": 100.0, "products": 1, "regions": 0,
        "arr_12m_ago": 1000.0, "arr_at_rate_12m_ago": 1200.0, "nrr_12m": 1.2, "tenure_days": 400,
        "days_to_renewal": 300, "is_multi_product": False, "is_multi_region": False, "is_live": True,
        "is_trial_only": False, "has_billing_history_12m": True,
    }  # fmt: skip
    return row | values


def churned(account: str, churned_on: date) -> dict[str, Any]:
    return live(
        account, arr=0.0, mrr=0.0, arr_at_rate_12m_ago=0.0, nrr_12m=0.0, is_live=False, churned_on=churned_on,
        days_to_renewal=None,
    )  # fmt: skip


def profiles(
    revenue: Rows, *days: date, crm: Rows = (), lifecycle: dict[str, Any] | None = None, **parts: Rows
) -> dict[tuple[date, str], dict[str, Any]]:
    rows = {"account_revenue": revenue, "crm_accounts": crm, **dict.fromkeys(PARTS, ()), **parts}
    return computed("account_profiles", rows, *(days or (AS_OF,)), policy={"lifecycle": lifecycle or {}})


def test_every_column_of_every_profile_is_there_once() -> None:
    parts = [AccountIdentity, AccountRevenue, *PARTS.values()]
    shared = {"as_of", "account_id", "policy_hash"}
    names = [n for part in parts for n in schema_of(part).columns if n not in shared]
    assert len(names) == len(set(names)), "two profiles use one name"
    assert set(schema_of(AccountProfiles).columns) == {*names, *shared}


def test_figures_of_a_profile_without_a_row_are_null_and_keep_their_rules() -> None:
    schema = schema_of(AccountProfiles).columns
    assert schema["events_28d"].nullable
    assert not schema_of(AccountUsage).columns["events_28d"].nullable
    assert not schema["arr"].nullable
    assert [check.name for check in schema["events_28d"].checks] == ["greater_than_or_equal_to"]


def test_live_accounts_and_those_that_churned_within_a_year_have_a_profile() -> None:
    revenue = [
        live(),
        churned("recent", AS_OF - 364 * DAY),
        churned("old", AS_OF - 365 * DAY),
        live("trial", arr=0.0, mrr=0.0, is_live=False, tenure_days=None, is_trial_only=True),
        live("elsewhen", as_of=AS_OF - DAY),
    ]
    result = profiles(revenue)
    assert {account for _, account in result} == {"a", "recent"}
    assert result[AS_OF, "recent"]["lifecycle_stage"] == "churned"


def test_a_paused_account_stays_and_says_so() -> None:
    row = profiles([live(arr=0.0, mrr=0.0, paused_on=date(2026, 3, 1), tenure_days=30)])[AS_OF, "a"]
    assert (row["is_live"], row["lifecycle_stage"]) == (True, "paused")


@pytest.mark.parametrize(
    ("tenure", "to_renewal", "stage"),
    [
        (0, 365, "onboarding"),
        (89, 30, "onboarding"),
        (90, 30, "adopting"),
        (179, 30, "adopting"),
        (180, 121, "established"),
        (180, 120, "renewing"),
        (2000, 1, "renewing"),
    ],
)
def test_lifecycle_goes_by_tenure_then_by_renewal(tenure: int, to_renewal: int, stage: str) -> None:
    row = profiles([live(tenure_days=tenure, days_to_renewal=to_renewal)])[AS_OF, "a"]
    assert row["lifecycle_stage"] == stage


def test_lifecycle_follows_the_policy() -> None:
    policy = {"onboarding_days": 10, "adopting_days": 20, "renewing_days": 5, "churned_kept_days": 1}
    stages = [
        profiles([live(tenure_days=t, days_to_renewal=r)], lifecycle=policy)[AS_OF, "a"]["lifecycle_stage"]
        for t, r in ((10, 300), (20, 6), (20, 5))
    ]
    assert stages == ["adopting", "established", "renewing"]
    assert profiles([churned("a", AS_OF - DAY)], lifecycle=policy) == {}


def test_bands_of_the_lifecycle_are_in_order() -> None:
    section = DEFAULT.lifecycle
    with pytest.raises(ValueError, match=r"adopting_days \(30\) must not end before onboarding_days \(90\)"):
        type(section).model_validate(section.model_dump() | {"adopting_days": 30})
    assert changed({"lifecycle": {"adopting_days": 90}}).lifecycle.adopting_days == 90


def test_identity_is_what_the_crm_knew_then() -> None:
    replaced = AS_OF - 10 * DAY
    crm = [
        {"account_id": "a", "csm_id": "before", "employees": 10, "known_to": replaced},
        {"account_id": "a", "csm_id": "after", "employees": 12, "known_from": replaced},
    ]
    revenue = [live(), live(as_of=replaced - DAY), live("unlisted")]
    result = profiles(revenue, AS_OF, replaced - DAY, crm=crm)
    assert {key: (row["csm_id"], row["employees"]) for key, row in result.items()} == {
        (AS_OF, "a"): ("after", 12),
        (AS_OF, "unlisted"): (None, None),
        (replaced - DAY, "a"): ("before", 10),
    }
    assert not result[AS_OF, "unlisted"]["is_backcast"]


def test_a_day_before_the_first_delivery_of_the_crm_is_a_backcast() -> None:
    crm = [{"account_id": "a", "dropped_on": AS_OF}, {"account_id": "undated"}]
    days = (AS_OF - DAY, AS_OF)
    revenue = [live(account, as_of=day) for day in days for account in ("a", "undated")]
    result = profiles(revenue, *days, crm=crm)
    assert {key for key, row in result.items() if row["is_backcast"]} == {(AS_OF - DAY, "a")}


def test_completeness_is_the_share_of_dimensions_with_anything_known() -> None:
    crm = [{"account_id": "a", "industry": "software"}, {"account_id": "b"}]
    key = {"as_of": AS_OF, "account_id": "a"}
    result = profiles(
        [live(invoices_late_12m=0), live("b")],
        crm=crm,
        account_support=[key | {"tickets_12m": 0}, {"as_of": AS_OF, "account_id": "b"}],
        account_costs=[key | {"cost_to_serve": 0.0}],
    )
    assert result[AS_OF, "a"]["dimensions_present"] == "firmographic, invoices, support, costs"
    assert result[AS_OF, "a"]["data_completeness"] == 0.4
    assert (result[AS_OF, "b"]["dimensions_present"], result[AS_OF, "b"]["data_completeness"]) == ("", 0.0)


def test_figures_of_all_profiles_stand_under_their_names() -> None:
    key = {"as_of": AS_OF, "account_id": "a"}
    row = profiles(
        [live(nrr_12m=1.2)],
        account_support=[key | {"tickets_90d": 4}],
        account_signals=[key | {"signals_180d": 2}, {"as_of": AS_OF - DAY, "account_id": "a", "signals_180d": 9}],
    )[AS_OF, "a"]
    assert (row["nrr_12m"], row["tickets_90d"], row["signals_180d"], row["mau"]) == (1.2, 4, 2, None)


def test_a_group_is_everything_under_the_topmost_parent() -> None:
    """top <- mid <- leaf: ARR 100 + 200 + 300; retention (100 + 0 + 330) / (100 + 100 + 300)."""
    crm = [
        {"account_id": "top"},
        {"account_id": "mid", "parent_account_id": "top"},
        {"account_id": "leaf", "parent_account_id": "mid"},
        {"account_id": "gone", "parent_account_id": "top"},
        {"account_id": "new", "parent_account_id": "unlisted"},
    ]
    revenue = [
        live("top", arr=100.0, arr_12m_ago=100.0, arr_at_rate_12m_ago=100.0),
        live("mid", arr=200.0, arr_12m_ago=0.0, arr_at_rate_12m_ago=200.0),
        live("leaf", arr=300.0, arr_12m_ago=300.0, arr_at_rate_12m_ago=330.0),
        churned("gone", AS_OF - DAY) | {"arr_12m_ago": 100.0},
        live("new", arr=50.0, arr_12m_ago=0.0, arr_at_rate_12m_ago=50.0),
    ]
    result = profiles(revenue, crm=crm)
    for account in ("top", "mid", "leaf", "gone"):
        row = result[AS_OF, account]
        assert (row["parent_arr"], row["parent_accounts"]) == (600.0, 3)
        assert row["parent_nrr_12m"] == pytest.approx(0.86)
    alone = result[AS_OF, "new"]
    assert (alone["parent_arr"], alone["parent_accounts"], alone["parent_nrr_12m"]) == (50.0, 1, None)
    assert (alone["parent_account_id"], result[AS_OF, "leaf"]["parent_account_id"]) == ("unlisted", "mid")


def test_a_group_is_as_it_was_known_then() -> None:
    sold = AS_OF - 5 * DAY
    crm = [
        {"account_id": "a"},
        {"account_id": "b", "parent_account_id": "a", "known_to": sold},
        {"account_id": "b", "known_from": sold},
    ]
    revenue = [live(account, as_of=day) for account in ("a", "b") for day in (sold - DAY, sold)]
    result = profiles(revenue, sold - DAY, sold, crm=crm)
    assert [result[day, "a"]["parent_arr"] for day in (sold - DAY, sold)] == [2400.0, 1200.0]


def test_a_groups_retention_is_of_those_who_were_in_it_twelve_months_before() -> None:
    """b grew from 100 to 300 and was sold to c meanwhile: a kept (120 + 300) / (100 + 100), c its own 50 of 100.

    n came to c since, and counts with c; m, which was c's parent then, is called c today.
    """
    sold = AS_OF - 30 * DAY
    crm = [
        {"account_id": "a"},
        {"account_id": "b", "parent_account_id": "a", "known_to": sold},
        {"account_id": "b", "parent_account_id": "c", "known_from": sold},
        {"account_id": "c", "parent_account_id": "m", "known_to": sold},
        {"account_id": "c", "known_from": sold},
        {"account_id": "m", "known_to": sold},
        {"account_id": "m", "merged_into_account_id": "c", "known_from": sold},
        {"account_id": "n", "parent_account_id": "c", "known_from": sold},
    ]
    revenue = [
        live("a", arr=120.0, arr_12m_ago=100.0, arr_at_rate_12m_ago=120.0),
        live("b", arr=300.0, arr_12m_ago=100.0, arr_at_rate_12m_ago=300.0),
        live("c", arr=50.0, arr_12m_ago=100.0, arr_at_rate_12m_ago=50.0),
        live("n", arr=10.0, arr_12m_ago=0.0, arr_at_rate_12m_ago=10.0),
    ]
    result = profiles(revenue, crm=crm)
    assert {account: result[AS_OF, account]["parent_arr"] for account in "abcn"} == {
        "a": 120.0, "b": 360.0, "c": 360.0, "n": 360.0,
    }  # fmt: skip
    kept = {account: result[AS_OF, account]["parent_nrr_12m"] for account in "abcn"}
    assert kept == pytest.approx({"a": 2.1, "b": 0.5, "c": 0.5, "n": 0.5})


def test_a_parent_that_was_merged_is_the_account_it_became() -> None:
    crm = [
        {"account_id": "a", "parent_account_id": "p"},
        {"account_id": "p", "merged_into_account_id": "q"},
        {"account_id": "q"},
    ]
    result = profiles([live(), live("q")], crm=crm)
    assert result[AS_OF, "a"]["parent_account_id"] == "q"
    assert result[AS_OF, "a"]["parent_arr"] == 2400.0
