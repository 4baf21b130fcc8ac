from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.policy.capacity import CoveragePolicy
from segmentation_assets.policy.segments import TIERS
from tests.capacity.company import DAY, POLICY, demand, shares, supply
from tests.companies import Company, records


def plans(
    demanded: list[dict], people: list[dict], shared: list[dict],
    coverage: CoveragePolicy = POLICY.coverage, days: tuple[date, ...] = (DAY,),
    worked: list[dict] | None = None, roster: list[dict] | None = None,
) -> dict[Any, Mapping[str, Any]]:  # fmt: skip
    rostered = [{"csm_id": "c0"}] if roster is None else roster
    company = Company(
        POLICY.model_copy(update={"coverage": coverage}), account_demand=demanded, csm_supply=people,
        csm_tier_shares=shared, csm_roster=rostered, account_workloads=worked or [],
    )  # fmt: skip
    rows = records(company.frame("capacity_plan", *days))
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
    assert (top["available_fte"], top["gap_fte"], top["hours_per_fte"]) == pytest.approx((1.0, -0.5, 110.5))
    assert (top["accounts_per_csm_target"], core["accounts_per_csm_target"]) == pytest.approx((10.0, 100.0))
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
    assert empty["action"] == "keep"


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
    # 0.5 to spare against 1.3 too few: Strategic gets them all, and 0.5 + 0.3 are hired.
    assert [rows[tier]["rebalanced_in_fte"] for tier in ("Strategic", "Growth")] == [0.5, 0.0]
    assert rows["Core"]["rebalanced_out_fte"] == 0.5
    assert [rows[tier]["hired_fte"] for tier in ("Strategic", "Growth")] == pytest.approx([0.5, 0.3])
    actions = {tier: row["action"] for tier, row in rows.items()}
    assert actions == {
        "Strategic": "rebalance_in_and_hire", "Growth": "hire", "Core": "rebalance_out",
        "Long-Tail": "keep",
    }  # fmt: skip
    # Strategic has 1.0 of 2.0, then 1.5: a quarter of its 2,000,000 ARR gets its care.
    assert rows["Strategic"]["rebalanced_arr"] == 500_000
    moved = [row["rebalanced_in_fte"] - row["rebalanced_out_fte"] for row in rows.values()]
    assert sum(moved) == pytest.approx(0.0)


def test_a_lack_below_the_policys_least_is_kept():
    # The least lack worth acting on is 0.1 people.
    def row(people: float) -> Mapping[str, Any]:
        there = supply({"fte": people, "available_hours": 110.5 * people})
        return plans(demand(*STRATEGIC * 10), there, shares(("c0", "Strategic", 1.0, None)))["Strategic"]

    assert (row(0.91)["action"], row(0.91)["hired_fte"]) == ("keep", 0.0)
    assert (row(0.89)["action"], row(0.89)["hired_fte"]) == ("hire", pytest.approx(0.11))
    assert row(1.09)["action"] == "keep"
    assert row(1.5)["action"] == "spare"


@pytest.mark.parametrize(
    ("core_there", "moved", "strategic_hired"),
    [
        (0.55, 0.0, 0.95),  # 0.05 to spare: less than a tenth moves nobody, and the company lacks 2.5 - 1.55
        (0.60, 0.1, 0.9),  # one step, though 0.6 - 0.5 is a little less than 0.1 in binary
        (0.89, 0.3, 0.61),  # 0.39 are three whole steps, 0.09 stay; 2.5 - 1.89 are hired
        (1.40, 0.9, 0.1),
        (1.45, 0.9, 0.0),  # the company lacks 0.05: too small a part of a person to hire
        (1.60, 1.0, 0.0),  # more than enough: 0.1 stay to spare
    ],
)
def test_people_move_in_steps_of_a_tenth(core_there: float, moved: float, strategic_hired: float):
    """Needed: Strategic 2.0, Core 0.5; there: Strategic 1.0."""
    rows = plans(
        demand(*STRATEGIC * 20, *CORE * 50), supply({}, {"fte": core_there, "available_hours": 110.5 * core_there}),
        shares(("c0", "Strategic", 1.0, None), ("c1", "Core", 1.0, None)),
    )  # fmt: skip
    top, core = rows["Strategic"], rows["Core"]
    assert (core["rebalanced_out_fte"], top["rebalanced_in_fte"]) == (moved, moved)
    assert top["hired_fte"] == pytest.approx(strategic_hired)
    assert core["planned_fte"] == pytest.approx(core_there - moved)
    assert (core["hired_fte"], core["planned_fte"] >= core["required_fte"]) == (0.0, True)


def test_people_hired_are_what_the_company_lacks():
    """Needed: Strategic 2.0, Growth 1.0, Core 0.58: 3.58. There: 1.0, 0.55, 0.5 and 0.07 in Long-Tail, which needs
    none: 2.12. The company lacks 1.46. Nobody moves, as 0.07 is no tenth. Of 1.46, Strategic gets its 1.0, Growth its
    0.45, and Core 0.01: it goes without 0.07, as much as Long-Tail has to spare."""
    demanded = demand(*STRATEGIC * 20, *[{"coverage_tier": "Growth"}] * 30, *CORE * 58)
    people = shares(
        ("c0", "Strategic", 1.0, None), ("c1", "Growth", 0.55, None), ("c2", "Core", 0.5, None),
        ("c2", "Long-Tail", 0.07, None),
    )  # fmt: skip
    rows = plans(demanded, supply({}, {}, {}), people)
    assert [rows[tier]["hired_fte"] for tier in TIERS] == pytest.approx([1.0, 0.45, 0.01, 0.0])
    assert [rows[tier]["rebalanced_out_fte"] for tier in TIERS] == [0, 0, 0, 0]
    assert [rows[tier]["action"] for tier in TIERS] == ["hire", "hire", "hire", "keep"]


PART = st.floats(0, 3).map(lambda value: round(value, 2))


@given(st.lists(st.tuples(PART, PART), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_whatever_moves_people_hired_are_one_number(needed_and_there: list[tuple[float, float]]):
    """What is hired is needed - there over all tiers, or nothing below a tenth; no tier gets more than it lacks."""
    need = [{"coverage_tier": t, "portfolio_share": n} for t, (n, _) in zip(TIERS, needed_and_there, strict=True)]
    time = [(f"c{i}", tier, 1.0, None) for i, tier in enumerate(TIERS)]
    accounts = demand(*[{"hours_per_month": 0.0, **row} for row in need])
    rows = plans(accounts, supply(*[{"fte": n} for _, n in needed_and_there]), shares(*time))
    lacking = round(sum(n for n, _ in needed_and_there) - sum(n for _, n in needed_and_there), 9)
    hired = sum(row["hired_fte"] for row in rows.values())
    assert hired == pytest.approx(lacking if lacking >= POLICY.staffing.least_gap_fte else 0.0, abs=1e-8)
    for row in rows.values():
        assert row["rebalanced_in_fte"] + row["hired_fte"] <= max(-row["gap_fte"], 0) + 1e-8
        assert row["rebalanced_out_fte"] <= max(row["gap_fte"], 0) + 1e-8


def test_less_than_a_tenth_of_a_person_is_neither_hired_nor_moved_to():
    """Needed: Strategic 1.07, Long-Tail 45 / 500 = 0.09; there: 1.0 and 0, with 0.3 to spare in Growth.

    Neither lack is a tenth of a person, so nobody moves and nobody is hired.
    """
    demanded = demand(
        *[{**STRATEGIC[0], "portfolio_share": 0.107}] * 10, *[{"coverage_tier": "Long-Tail"}] * 45,
        *[{"coverage_tier": "Growth"}] * 3,
    )  # fmt: skip
    people = shares(("c0", "Strategic", 1.0, None), ("c1", "Growth", 0.4, None), ("c1", "Core", 0.6, None))
    rows = plans(demanded, supply({}, {}), people)
    assert rows["Strategic"]["gap_fte"] == pytest.approx(-0.07)
    assert rows["Long-Tail"]["gap_fte"] == pytest.approx(-0.09)
    for row in rows.values():
        assert (row["rebalanced_in_fte"], row["rebalanced_out_fte"], row["hired_fte"]) == (0.0, 0.0, 0.0)
    actions = {tier: row["action"] for tier, row in rows.items()}
    assert actions == {"Strategic": "keep", "Growth": "spare", "Core": "spare", "Long-Tail": "keep"}


def test_who_has_the_most_attention_gets_first_and_who_has_the_least_gives_first():
    """Needed: Strategic 1.0, Growth 1.0, Core 0.1; there: 0.75, 0.85, 0.2, and 0.3 in Long-Tail, which needs none.

    In whole tenths 2 + 1 are too few, and 1 + 3 to spare: three move. All come from Long-Tail; Strategic gets two,
    Growth one. Then Strategic lacks 0.05 and Growth 0.05, which nobody is hired for.
    """
    demanded = demand(*STRATEGIC * 10, *[{"coverage_tier": "Growth"}] * 30, *CORE * 10)
    people = shares(
        ("c0", "Strategic", 0.75, None), ("c0", "Core", 0.2, None), ("c1", "Growth", 0.85, None),
        ("c2", "Long-Tail", 0.3, None),
    )  # fmt: skip
    rows = plans(demanded, supply({}, {}, {}), people)
    assert [rows[tier]["rebalanced_in_fte"] for tier in TIERS] == pytest.approx([0.2, 0.1, 0, 0])
    assert [rows[tier]["rebalanced_out_fte"] for tier in TIERS] == pytest.approx([0, 0, 0, 0.3])
    assert [rows[tier]["hired_fte"] for tier in TIERS] == [0, 0, 0, 0]


def test_heads_and_hours_are_one_unit():
    """Trap 17. Two people whose internal time is 40 % have 2 x 40 x 52/12 x 0.75 x 0.6 = 156 hours, 78 a person.

    30 Strategic accounts at 8 h are 240 h: 240 / 78 = 3.08 people by hours, 3.0 by ratio. Two are there, by contract,
    so 1.08 are hired. Compared with 240 / 110.5 = 2.17 people, it would have been 0.17."""
    people = supply(*[{"internal_share": 0.4, "available_hours": 78.0}] * 2)
    row = plans(
        demand(*STRATEGIC * 30), people, shares(("c0", "Strategic", 1.0, None), ("c1", "Strategic", 1.0, None))
    )["Strategic"]
    assert (row["hours_per_fte"], row["fte_by_hours"]) == pytest.approx((78.0, 240 / 78))
    assert (row["required_by"], row["available_fte"]) == ("hours", 2.0)
    assert row["hired_fte"] == pytest.approx(240 / 78 - 2)
    assert row["planned_utilisation"] == pytest.approx(row["required_fte"] / row["available_fte"])


def test_what_tiered_coverage_is_worth_against_flat():
    # 10 Strategic accounts take 1 person, 90 Core 0.9; one person for each. Flat: 0.02 people for every account.
    rows = plans(
        demand(*STRATEGIC * 10, *CORE * 90), supply({}, {}),
        shares(("c0", "Strategic", 1.0, None), ("c1", "Core", 1.0, None)),
    )  # fmt: skip
    top, core = rows["Strategic"], rows["Core"]
    assert (top["flat_fte"], core["flat_fte"]) == pytest.approx((0.2, 1.8))
    assert (top["covered_share"], top["flat_covered_share"]) == pytest.approx((1.0, 0.2))
    assert top["gain_over_flat"] == pytest.approx(800_000)
    assert core["gain_over_flat"] == 0.0
    # 0.9 people too many, at 100,000 each.
    assert core["flat_wasted_cost"] == pytest.approx(90_000)


def test_flat_and_tiered_spend_the_same_people():
    rows = plans(
        demand(*STRATEGIC * 20, *CORE * 33), supply({}, {}),
        shares(("c0", "Strategic", 0.6, None), ("c0", "Core", 0.4, None), ("c1", "Core", 1.0, None)),
    )  # fmt: skip
    for name in ("flat_fte", "planned_fte", "available_fte"):
        assert sum(row[name] for row in rows.values()) == pytest.approx(2.0), name


def test_actual_utilisation_is_that_of_the_work_loads():
    def work(account: str, **hours: float) -> dict:
        return {"as_of": DAY, "account_id": account, "window_months": 3, **hours}

    worked = [
        work("a00", csm_hours=90.0, rostered_csm_hours=80.0, productive_hours=100.0),
        work("a01", csm_hours=30.0, rostered_csm_hours=30.0, productive_hours=10.0),
        work("a02", csm_hours=7.0, rostered_csm_hours=7.0, productive_hours=14.0),
        work("gone", csm_hours=7.0, rostered_csm_hours=7.0, productive_hours=14.0),
    ]
    rows = plans(
        demand(*CORE * 2, *STRATEGIC), supply({}), shares(("c0", "Core", 1.0, None)), worked=worked
    )  # fmt: skip
    # Core: (80 + 30) of 110 hours; Strategic: 7 of 14.
    assert (rows["Core"]["actual_utilisation"], rows["Core"]["logged_hours"]) == (1.0, 120.0)
    assert (rows["Strategic"]["actual_utilisation"], rows["Strategic"]["logged_hours"]) == (0.5, 7.0)
    assert math.isnan(rows["Growth"]["actual_utilisation"])


def test_nobody_is_there_or_nobody_is_known():
    """An empty roster lacks people; without a roster nothing is known of them, and nothing is a guess."""
    named = [{"coverage_tier": "Core", "csm_id": f"c{i % 2}"} for i in range(20)]
    row = plans(demand(*named), [], [])["Core"]
    assert (row["available_fte"], row["gap_fte"], row["covered_share"]) == (0.0, pytest.approx(-0.2), 0.0)
    assert (row["action"], row["hired_fte"]) == ("hire", pytest.approx(0.2))
    assert math.isnan(row["hiring_cost"])
    row = plans(demand(*named), [], [], roster=[])["Core"]
    assert (row["action"], row["required_fte"], row["named_csms"]) == ("unknown", pytest.approx(0.2), 2)
    unknown = ("available_fte", "gap_fte", "hired_fte", "hiring_cost", "covered_share", "covered_arr", "flat_fte",
               "rebalanced_in_fte", "rebalanced_arr", "gain_over_flat", "annual_cost",
               "planned_utilisation")  # fmt: skip
    assert all(math.isnan(row[name]) for name in unknown)


def test_days_do_not_mix():
    other = date(2026, 5, 7)
    both = plans(
        demand(*CORE * 20) + demand(*CORE * 50, as_of=other), supply({}) + supply({}, {}, as_of=other),
        shares(("c0", "Core", 1.0, None)) + shares(("c0", "Core", 1.0, None), ("c1", "Core", 1.0, None), as_of=other),
        days=(DAY, other),
    )  # fmt: skip
    alone = plans(demand(*CORE * 20), supply({}), shares(("c0", "Core", 1.0, None)))
    for name in ("accounts", "available_fte", "gap_fte", "flat_fte", "action"):
        assert (
            next(row[name] for (day, tier), row in both.items() if tier == "Core" and str(day)[:10] == str(DAY))
            == alone["Core"][name]
        )
    assert sorted(row["accounts"] for row in both.values()) == [0] * 6 + [20, 50]
