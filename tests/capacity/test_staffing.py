from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

from segmentation_assets.capacity.staffing import (
    AccountDemand,
    CsmSupply,
    csm_tier_shares,
)
from segmentation_assets.extracts.contracts import CsmTimeEntries
from segmentation_assets.policy.capacity import CarePolicy, CoveragePolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.profiles.known import AccountHierarchy
from tests.capacity.company import DAY, POLICY, demand, supply
from tests.companies import Company, spine, typed


def demands(
    *accounts: dict, coverage: CoveragePolicy = POLICY.coverage, care: CarePolicy = POLICY.care,
    people: list[dict] | None = None,
) -> list[dict]:  # fmt: skip
    keyed = [{"as_of": DAY, "account_id": f"a{i:02}", "arr": 1.0, "segment": "Growth"} | a
             for i, a in enumerate(accounts)]  # fmt: skip
    profiles = [
        {"as_of": DAY, "account_id": row["account_id"], "industry": row.pop("industry", None)} for row in keyed
    ]
    policy = POLICY.model_copy(update={"coverage": coverage, "care": care})
    company = Company(policy, segments=keyed, account_profiles=profiles, csm_supply=people or [])
    return company.frame("account_demand", DAY).sort_values("account_id").to_dict("records")


def supplies(*people: dict, entries: list[dict] | None = None) -> dict[str, dict[str, Any]]:
    roster = [{"csm_id": f"c{i}", "weekly_hours": 40.0, "hourly_cost": 50.0} | p for i, p in enumerate(people)]
    logged = [{"entry_id": f"e{i}"} | e for i, e in enumerate(entries or [])]
    result = Company(csm_roster=roster, csm_time_entries=logged).frame("csm_supply", DAY)
    return {row["csm_id"]: row for row in result.to_dict("records")}


def test_hours_and_portfolio_share_of_each_tier():
    rows = demands(*({"coverage_tier": tier} for tier in TIERS))
    assert [row["hours_per_month"] for row in rows] == pytest.approx([8.0, 2.5, 0.6, 0.0])
    assert [row["portfolio_share"] for row in rows] == pytest.approx([0.1, 1 / 30, 0.01, 0.002])
    assert [row["is_automated"] for row in rows] == [False, False, False, True]


def test_an_override_adds_hours_and_asks_for_a_person_even_in_an_automated_tier():
    core, tail = demands(
        {"coverage_tier": "Core", "coverage_override": "high_touch", "industry": "retail"},
        {"coverage_tier": "Long-Tail", "coverage_override": "high_touch"},
    )
    assert (core["hours_per_month"], core["industry"]) == (pytest.approx(4.6), "retail")
    assert (tail["hours_per_month"], tail["is_automated"]) == (pytest.approx(4.0), False)


def test_an_intervention_has_hours_in_any_tier_and_the_larger_of_it_and_an_override_counts():
    core, tail, both = demands(
        {"coverage_tier": "Core", "segment": "At-Risk"},
        {"coverage_tier": "Long-Tail", "segment": "At-Risk"},
        {"coverage_tier": "Core", "segment": "At-Risk", "coverage_override": "high_touch"},
    )
    assert [row["hours_per_month"] for row in (core, tail, both)] == pytest.approx([4.6, 4.0, 4.6])
    assert not tail["is_automated"]


def test_efficient_accounts_of_core_have_a_ratio_of_their_own():
    rows = demands(
        *[{"coverage_tier": "Core", "segment": "Efficient"}] * 3, {"coverage_tier": "Core"},
        {"coverage_tier": "Long-Tail", "segment": "Efficient"},
    )  # fmt: skip
    assert [row["portfolio_share"] for row in rows] == pytest.approx([1 / 75] * 3 + [1 / 100, 1 / 500])


def test_the_people_of_a_tier_are_spread_over_its_accounts():
    """Two Growth accounts in danger take 2 x (2.5 + 4) = 13 h, 13 / 110.5 = 0.1176 people; by ratio 2 / 30 = 0.067.
    Two Strategic accounts take 0.2 people by ratio; their 16 h are 0.145."""
    rows = demands(
        *[{"coverage_tier": "Growth", "segment": "At-Risk"}] * 2, *[{"coverage_tier": "Strategic"}] * 2
    )  # fmt: skip
    assert [row["required_fte"] for row in rows] == pytest.approx([13 / 110.5 / 2] * 2 + [0.1] * 2)
    # Where the people there have fewer hours, more of them are needed: 13 h / 52 h.
    rows = demands(*[{"coverage_tier": "Growth", "segment": "At-Risk"}] * 2,
                   people=supply({"fte": 0.5, "available_hours": 26.0}))  # fmt: skip
    assert sum(row["required_fte"] for row in rows) == pytest.approx(13 / 52)


def test_a_tier_without_ratio_has_no_portfolio_share():
    ratios = {
        **POLICY.coverage.ratios,
        "Long-Tail": POLICY.coverage.ratios["Core"].model_copy(
            update={"accounts_per_csm": None, "low": None, "segments": {}}
        ),
    }
    row, other = demands(
        {"coverage_tier": "Long-Tail"}, {"coverage_tier": "Core"}, coverage=CoveragePolicy(ratios=ratios)
    )
    assert math.isnan(row["portfolio_share"])
    assert other["portfolio_share"] == pytest.approx(0.01)


def test_customer_hours_of_a_full_time_csm():
    row = supplies({})["c0"]
    # 40 h x 52 / 12 x 0.75 x 0.85 = 110.5
    assert row["available_hours"] == pytest.approx(110.5)
    assert (row["fte"], row["annual_cost"], row["stays"]) == (1.0, 40 * 52 * 50, True)


def test_who_starts_or_leaves_in_the_planning_period_counts_for_the_days_they_are_there():
    rows = supplies(
        {"starts_on": date(2026, 5, 7)},  # tomorrow: all 90 days
        {"starts_on": date(2026, 6, 21)},  # the 46th day: 45 of 90
        {"ends_on": date(2026, 6, 6)},  # last day 5 June: 30 of 90
        {"ends_on": date(2026, 8, 5)},  # first day gone is after the last of the 90
        {"ends_on": date(2026, 8, 4)},
        {"ends_on": DAY},
        {"ends_on": date(2026, 5, 7)},  # last day is today
        {"starts_on": date(2026, 8, 5)},  # the day after the period
    )
    assert {name: row["horizon_share"] for name, row in rows.items()} == pytest.approx(
        {"c0": 1.0, "c1": 0.5, "c2": 30 / 90, "c3": 1.0, "c4": 89 / 90}
    )
    assert {name: row["stays"] for name, row in rows.items()} == {
        "c0": True, "c1": True, "c2": False, "c3": True, "c4": False,
    }  # fmt: skip
    assert rows["c1"]["available_hours"] == pytest.approx(55.25)


def test_an_unknown_week_is_a_full_one_and_an_unknown_cost_the_policys():
    row = supplies({"weekly_hours": None, "hourly_cost": None})["c0"]
    assert (row["weekly_hours"], row["is_hours_assumed"], row["hourly_cost"]) == (40.0, True, 60.0)


def test_the_internal_share_is_measured_where_enough_is_logged():
    def entry(csm: str, hours: float, account: str | None, day: date = date(2026, 5, 1)) -> dict:
        return {"csm_id": csm, "hours": hours, "account_id": account, "worked_on": day}

    rows = supplies(
        {}, {}, {},
        entries=[
            entry("c0", 75.0, "a1"), entry("c0", 25.0, None),
            entry("c1", 60.0, "a1"), entry("c1", 19.0, None),  # 79 h are too few
            entry("c2", 90.0, None, date(2026, 2, 6)),  # three months ago is outside
        ],
    )  # fmt: skip
    assert {name: row["internal_share"] for name, row in rows.items()} == {"c0": 0.25, "c1": 0.15, "c2": 0.15}
    # 40 x 52 / 12 x 0.75 x 0.75
    assert rows["c0"]["available_hours"] == pytest.approx(97.5)


def test_a_roster_drop_that_is_not_known_yet_does_not_count():
    assert supplies({"known_from": date(2026, 5, 7)}) == {}


def shares_of(demanded: list[dict], people: list[dict], entries: list[dict]) -> dict[tuple[str, str], tuple]:
    accounts = {row["account_id"] for row in demanded} | {"gone"}
    hierarchy = [{"as_of": DAY, "account_id": a, "surviving_account_id": a, "top_account_id": a} for a in accounts]
    logged = [{"entry_id": f"e{i}", "worked_on": date(2026, 5, 1)} | e for i, e in enumerate(entries)]
    result = csm_tier_shares(
        spine(DAY), typed(AccountDemand, demanded), typed(CsmSupply, people), typed(CsmTimeEntries, logged),
        typed(AccountHierarchy, hierarchy),
    )  # fmt: skip
    return {
        (row["csm_id"], row["coverage_tier"]): (row["share"], row["share_rule"], row["logged_hours"])
        for row in result.execute().to_dict("records")
    }


def test_time_divides_by_what_was_logged_else_by_the_portfolio_else_like_the_company():
    demanded = demand(
        {"coverage_tier": "Strategic", "csm_id": "c1"}, {"coverage_tier": "Growth", "csm_id": "c1"}, {"csm_id": "c0"}
    )
    entries = [
        {"csm_id": "c0", "account_id": "a00", "hours": 3.0},
        {"csm_id": "c0", "account_id": "a02", "hours": 1.0},
        {"csm_id": "c0", "account_id": "gone", "hours": 50.0},
        {"csm_id": "c0", "account_id": None, "hours": 9.0},
        {"csm_id": "left", "account_id": "a01", "hours": 2.0},
    ]
    result = shares_of(demanded, supply({}, {}, {}), entries)
    assert [result["c0", tier] for tier in TIERS] == [
        (0.75, "time_entries", 3.0), (0.0, "time_entries", 0.0),
        (0.25, "time_entries", 1.0), (0.0, "time_entries", 0.0),
    ]  # fmt: skip
    assert [result["c1", tier][0] for tier in TIERS] == pytest.approx([8 / 10.5, 2.5 / 10.5, 0.0, 0.0])
    assert [result["c2", tier][0] for tier in TIERS] == pytest.approx([8 / 11.1, 2.5 / 11.1, 0.6 / 11.1, 0.0])
    assert {rule for (csm, _), (_, rule, _) in result.items() if csm == "c2"} == {"company"}
    assert result["left", "Growth"] == (1.0, "time_entries", 2.0)


def test_without_accounts_time_divides_evenly_and_without_entries_nothing_is_known_of_hours():
    result = shares_of([], supply({}), [])
    assert [result["c0", tier][:2] for tier in TIERS] == [(0.25, "evenly")] * 4
    assert all(math.isnan(logged) for _, _, logged in result.values())
