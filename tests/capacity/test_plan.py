from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from segmentation_assets.capacity.plan import capacity_plan
from segmentation_assets.extracts.contracts import CsmRoster
from segmentation_assets.policy.capacity import CoveragePolicy
from segmentation_assets.policy.segments import TIERS
from tests.capacity.company import DAY, POLICY, demand, shares, supply, tables
from tests.companies import given, spine


def plans(
    demanded: list[dict], people: list[dict], shared: list[dict],
    roster: list[dict] | None = None, coverage: CoveragePolicy = POLICY.coverage, days: tuple[date, ...] = (DAY,),
) -> dict[Any, Mapping[str, Any]]:  # fmt: skip
    found = capacity_plan(
        spine(*days), **tables(demanded, people, shared), csm_roster=given(CsmRoster, roster or []),
        coverage=coverage, staffing=POLICY.staffing, productivity=POLICY.productivity,
    )  # fmt: skip
    rows = found.execute().to_dict("records")
    return {row["coverage_tier"] if len(days) == 1 else (row["as_of"], row["coverage_tier"]): row for row in rows}


STRATEGIC = [{"coverage_tier": "Strategic", "arr": 100_000.0}]
CORE = [{"coverage_tier": "Core", "arr": 10_000.0}]


def test_people_needed_by_ratio_and_by_hours():
    rows = plans(demand(*STRATEGIC * 15, *CORE * 50), supply({}), shares(("c0", "Strategic", 1.0, None)))
    top, core = rows["Strategic"], rows["Core"]
    assert (top["accounts"], top["arr"], top["fte_by_ratio"]) == (15, 1_500_000.0, 1.5)
    # 15 x 8 h = 120 h; one FTE has 110.5 h.
    assert (top["demanded_hours"], top["fte_by_hours"]) == (120.0, pytest.approx(120 / 110.5))
    assert (top["required_fte"], top["required_by"]) == (1.5, "ratio")
    assert (top["available_fte"], top["gap_fte"], top["gap_hours"]) == pytest.approx((1.0, -0.5, -9.5))
    assert top["planned_utilisation"] == pytest.approx(120 / 110.5)
    assert (core["fte_by_ratio"], core["fte_by_ratio_most"]) == pytest.approx((0.5, 50 / 75))
    assert (top["annual_cost"], top["cost_share_of_arr"]) == (100_000.0, pytest.approx(1 / 15))


def test_tiers_without_accounts_and_with_three():
    rows = plans(demand(*STRATEGIC * 3), supply({}), shares(("c0", "Strategic", 1.0, None)))
    assert sorted(rows) == sorted(TIERS)
    assert (rows["Strategic"]["accounts"], rows["Strategic"]["required_fte"]) == (3, 0.3)
    empty = rows["Growth"]
    assert (empty["accounts"], empty["arr"], empty["required_fte"], empty["gap_fte"]) == (0, 0.0, 0.0, 0.0)
    assert (empty["covered_share"], empty["flat_covered_share"]) == (1.0, 1.0)
    assert all(math.isnan(empty[name]) for name in ("planned_utilisation", "cost_share_of_arr", "accounts_per_csm"))
    assert empty["advice"].startswith("keep: needs 0 FTE")


def test_the_policy_may_give_no_ratio():
    ratios = dict(POLICY.coverage.ratios)
    del ratios["Strategic"]
    row = plans(demand(*STRATEGIC * 15), [], [], coverage=CoveragePolicy(ratios=ratios))["Strategic"]
    assert math.isnan(row["fte_by_ratio"])
    assert (row["required_by"], row["required_fte"]) == ("hours", pytest.approx(120 / 110.5))


def test_spare_people_go_where_they_lack_and_the_rest_is_hired():
    # Needed: Strategic 2.0, Growth 1.0; there: Strategic 1.0, Growth 0.7, Core 0.6 of which 0.1 is needed.
    demanded = demand(*STRATEGIC * 20, *[{"coverage_tier": "Growth"}] * 30, *CORE * 10)
    people = shares(
        ("c0", "Strategic", 1.0, None),
        ("c1", "Growth", 0.7, None),
        ("c1", "Core", 0.3, None),
        ("c2", "Core", 0.3, None),
    )
    rows = plans(demanded, supply({}, {}, {}), people)
    # 0.5 to spare against 1.3 too few: Strategic gets 1.0 / 1.3 of them.
    assert rows["Strategic"]["redeployed_in_fte"] == pytest.approx(0.5 / 1.3)
    assert rows["Growth"]["redeployed_in_fte"] == pytest.approx(0.5 * 0.3 / 1.3)
    assert rows["Core"]["redeployed_out_fte"] == pytest.approx(0.5)
    assert rows["Strategic"]["hired_fte"] + rows["Growth"]["hired_fte"] == pytest.approx(0.8)
    assert rows["Strategic"]["advice"] == (
        "redeploy 0.38 FTE from tiers with people to spare and hire 0.62 FTE: needs 2 FTE by ratio "
        "(20 accounts / 10 per CSM = 2; 160 h a month / 110.5 h per FTE = 1.45), has 1"
    )
    assert rows["Core"]["advice"].startswith("give 0.5 FTE to tiers with too few: needs 0.1 FTE")
    moved = [row["redeployed_in_fte"] - row["redeployed_out_fte"] for row in rows.values()]
    assert sum(moved) == pytest.approx(0.0)


def test_small_gaps_are_kept():
    # The least gap worth acting on is 0.1 FTE.
    def advice(fte: float) -> str:
        people = supply({"available_hours": 110.5 * fte})
        return plans(demand(*STRATEGIC * 10), people, shares(("c0", "Strategic", 1.0, None)))["Strategic"]["advice"]

    assert advice(0.91).startswith("keep")
    assert advice(0.89).startswith("hire 0.11 FTE")
    assert advice(1.09).startswith("keep: needs")
    assert advice(1.5).startswith("keep: 0.5 FTE to spare, and no tier lacks people")


def test_what_tiered_coverage_is_worth_against_flat():
    # 10 Strategic accounts want 80 h, 90 Core 54 h; one CSM for each, 110.5 h each. Flat: 2.21 h for every account.
    rows = plans(
        demand(*STRATEGIC * 10, *CORE * 90), supply({}, {}),
        shares(("c0", "Strategic", 1.0, None), ("c1", "Core", 1.0, None)),
    )  # fmt: skip
    top, core = rows["Strategic"], rows["Core"]
    assert (top["flat_hours"], core["flat_hours"]) == pytest.approx((22.1, 198.9))
    assert (top["covered_share"], top["flat_covered_share"]) == pytest.approx((1.0, 22.1 / 80))
    assert top["gain_over_flat"] == pytest.approx(1_000_000 * (1 - 22.1 / 80))
    assert core["gain_over_flat"] == 0.0
    # 144.9 h a month too many, at 200,000 / (221 x 12) an hour.
    assert core["flat_wasted_cost"] == pytest.approx(144.9 * 12 * 200_000 / (221 * 12), abs=0.01)
    assert top["comparison"] == (
        "flat: 10 accounts get 22.1 h a month of 80 h demanded (28 % covered), tiered: 110.5 h (100 %); "
        "ARR that gets its care: 1000K - 276K = 724K"
    )


def test_flat_and_tiered_spend_the_same_hours():
    rows = plans(
        demand(*STRATEGIC * 20, *CORE * 33), supply({}, {}),
        shares(("c0", "Strategic", 0.6, None), ("c0", "Core", 0.4, None), ("c1", "Core", 1.0, None)),
    )  # fmt: skip
    for name in ("flat_hours", "planned_hours", "available_hours"):
        assert sum(row[name] for row in rows.values()) == pytest.approx(221.0), name


def test_actual_utilisation_is_of_the_three_months_and_the_people_of_the_roster():
    roster = [
        {"csm_id": "c0", "weekly_hours": 40.0},
        {"csm_id": "c1", "weekly_hours": 40.0, "ends_on": date(2026, 3, 8)},
        {"csm_id": "c2", "weekly_hours": None},
    ]
    shared = shares(
        ("c0", "Core", 0.5, 80.0), ("c0", "Growth", 0.5, 80.0), ("c1", "Core", 1.0, 50.0), ("c2", "Core", 1.0, 9.0)
    )
    rows = plans(demand(*CORE), supply({}), shared, roster)
    # 7 February to 6 May are 89 days; c1 was there for 29 of them. 40 / 7 x 0.75 x 0.85 = 3.642857 h a day.
    per_day = 40 / 7 * 0.75 * 0.85
    assert rows["Core"]["actual_utilisation"] == pytest.approx((80 + 50) / (per_day * (89 / 2 + 29)))
    assert rows["Growth"]["actual_utilisation"] == pytest.approx(80 / (per_day * 89 / 2))
    assert rows["Core"]["logged_hours"] == 139.0
    unlogged = plans(demand(*CORE), supply({}), shares(("c0", "Core", 1.0, None)), roster)["Core"]
    assert math.isnan(unlogged["actual_utilisation"])


def test_nobody_on_the_roster():
    row = plans(demand(*CORE * 20), [], [])["Core"]
    assert (row["available_fte"], row["gap_fte"], row["covered_share"]) == (0.0, pytest.approx(-0.2), 0.0)
    assert row["advice"].startswith("hire 0.2 FTE")
    assert math.isnan(row["hiring_cost"])


def test_days_do_not_mix():
    other = date(2026, 5, 7)
    both = plans(
        demand(*CORE * 20) + demand(*CORE * 50, as_of=other), supply({}) + supply({}, {}, as_of=other),
        shares(("c0", "Core", 1.0, None)) + shares(("c0", "Core", 1.0, None), ("c1", "Core", 1.0, None), as_of=other),
        days=(DAY, other),
    )  # fmt: skip
    alone = plans(demand(*CORE * 20), supply({}), shares(("c0", "Core", 1.0, None)))
    for name in ("accounts", "available_fte", "gap_fte", "flat_hours", "advice"):
        assert (
            next(row[name] for (day, tier), row in both.items() if tier == "Core" and str(day)[:10] == str(DAY))
            == alone["Core"][name]
        )
    assert sorted(row["accounts"] for row in both.values()) == [0] * 6 + [20, 50]
