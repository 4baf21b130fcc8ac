"""Sentences about plans: each number in them is read out and found in the tables, and every case has a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_assets.capacity.assignments import REASONS, csm_assignment_constraints, csm_assignment_runs
from segmentation_assets.capacity.binding import ALL_SKILLS, PEOPLE, ROSTER, SKILLS
from segmentation_assets.capacity.goals import REALLOCATIONS
from segmentation_assets.capacity.leakage import CoverageLeakage
from segmentation_assets.capacity.plan import CapacityPlan, capacity_plan
from segmentation_assets.capacity.rebalancing import rebalanced_accounts
from segmentation_assets.extracts.contracts import CsmRoster
from segmentation_assets.kpis.workloads import AccountWorkloads
from segmentation_assets.reading import figures, plans
from segmentation_assets.reading.figures import exact, money, number, share
from tests.capacity.company import DAY, POLICY, demand, shares, supply, tables
from tests.companies import records, spine, typed

Row = Mapping[str, Any]
_NUMBER = re.compile(r"(?<![\w.])\N{MINUS SIGN}?\d+(?:,\d{3})*(?:\.\d+)?(?:[kMB%](?!\w))?")


def numbers(text: str) -> set[str]:
    """The figures in a sentence, as written."""
    return set(_NUMBER.findall(text))


def written(*groups: Iterable[Row]) -> set[str]:
    """Every way to write a figure of some rows, or its sum over them; and how many rows there are."""
    ways = {"100%"}
    for rows in map(list, groups):
        ways.add(f"{len(rows):,}")
        names = {name for row in rows for name, value in row.items() if isinstance(value, int | float)}
        for name in names:
            values = [row[name] for row in rows if row.get(name) is not None and not pd.isna(row[name])]
            for value in (*values, sum(values)):
                ways |= {money(value), exact(value), *(number(value, d) for d in (0, 1, 2)),
                         *(share(value, d) for d in (0, 1, 2))}  # fmt: skip
                ways |= {number(-value, 2), number(abs(value), 2)}
    return ways


def none_for_nan(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [{n: None if pd.api.types.is_scalar(v) and pd.isna(v) else v for n, v in row.items()} for row in rows]


def plan_rows(demanded: list[dict], people: list[dict], shared: list[dict], roster: bool = True) -> list[dict]:
    table = capacity_plan(
        spine(DAY), **tables(demanded, people, shared), csm_roster=typed(CsmRoster, [{"csm_id": "c0"}] * roster),
        account_workloads=typed(AccountWorkloads, []), coverage=POLICY.coverage, staffing=POLICY.staffing,
        productivity=POLICY.productivity,
    )  # fmt: skip
    return none_for_nan(records(table))


MANY = demand(*[{"coverage_tier": "Strategic", "arr": 90_000.0}] * 23, *[{"coverage_tier": "Growth"}] * 41,
              *[{"csm_id": "c1"}] * 17, *[{"coverage_tier": "Long-Tail", "arr": 900.0}] * 31)  # fmt: skip
SPREAD = shares(("c0", "Strategic", 0.7, None), ("c0", "Growth", 0.3, None), ("c1", "Core", 1.0, None))
PLANS = {
    "short": plan_rows(MANY, supply({}, {"fte": 0.6, "annual_cost": 71_333.0}), SPREAD),
    "enough": plan_rows(MANY, supply({"fte": 9.0}, {"fte": 5.0}), SPREAD),
    "nobody": plan_rows(MANY, [], []),
    "no roster": plan_rows(MANY, [], [], roster=False),
}


def leaks(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "as_of": DAY, "account_id": f"{row['coverage_tier']}{i}", "coverage_tier": row["coverage_tier"],
            "arr": 12_000.0, "entitled_hours": 30.0, "got_hours": 1.0, "hourly_cost": 47.0,
            "over_served_hours": 3.0 * (i + 1), "under_served_hours": 4.0 * (i + 1),
            "under_served_arr": 700.0 * (i + 1), "service": "unknown",
        }
        for row in rows for i in range(7)
    ]  # fmt: skip


@pytest.mark.parametrize("case", PLANS)
def test_each_number_about_people_is_a_figure_of_the_plan(case: str):
    rows = PLANS[case]
    moved = none_for_nan(records(rebalanced_accounts(
        spine(DAY), typed(CapacityPlan, rows), typed(CoverageLeakage, leaks(rows)), POLICY.staffing
    )))  # fmt: skip
    by_direction = [[m for m in moved if m["direction"] == d] for d in ("gives", "gets")]
    text = [plans.company_people(rows), *plans.against_flat(rows), *plans.rebalancing(rows, moved),
            *plans.hiring(rows)]  # fmt: skip
    short = sum(row["required_fte"] - (row["available_fte"] or 0) for row in rows)
    facts = written(rows, *by_direction) | {number(abs(short), 2)}
    more = {f"{len(group) - 5:,}" for group in by_direction}  # "and 2 more"
    for row in rows if PLANS[case] is not PLANS["no roster"] else []:  # what stays after moves and hiring
        left = row["gap_fte"] + row["rebalanced_in_fte"] + row["hired_fte"] - row["rebalanced_out_fte"]
        more.add(number(abs(left), 2))
    for line in text:
        assert numbers(line) <= facts | more, (line, numbers(line) - facts)
    for row in rows:
        own = written([row]) | more
        lines = [plans.tier_action(row), *plans.tier_arithmetic(row)]
        for line in lines:
            assert numbers(line) <= own, (line, numbers(line) - own)


def test_the_same_people_in_every_sentence():
    """23 Strategic at 1:10 are 2.3, 41 Growth at 1:30 1.37, 17 Core at 1:100 0.17, 31 Long-Tail at 1:500 0.06: 3.90
    people. 1.60 are there: 2.30 too few. Core has 0.6 - 0.17 = 0.43 beyond its need, of which four tenths move to
    Strategic. Hired are the 2.30: 2.3 - 0.7 - 0.4 = 1.20 for Strategic, 1.37 - 0.3 = 1.07 for Growth, and 0.03 for
    Long-Tail. It goes without 0.03, as much as Core has to spare."""
    rows = PLANS["short"]
    assert plans.company_people(rows) == "3.90 people needed, 1.60 available: 2.30 too few."
    assert sum(row["hired_fte"] for row in rows) == pytest.approx(2.3 + 41 / 30 + 0.17 + 0.062 - 1.6)
    assert sum(row["rebalanced_in_fte"] for row in rows) == pytest.approx(0.40)
    assert plans.rebalancing(rows, [])[0].startswith("First move people: Core 0.40 to Strategic 0.40. ")
    tail = next(row for row in rows if row["coverage_tier"] == "Long-Tail")
    assert plans.tier_action(tail).endswith("and 0.03 too few, too small a part of a person to move or hire")
    assert plans.hiring(rows)[0].startswith("Hire 1.20 for Strategic (")
    assert plans.hiring(rows)[1] == (
        "Too small a part of a person to move or hire: 0.03 too few in Long-Tail and 0.03 to spare in Core."
    )
    run = {"available_fte": 1.6, "required_fte": sum(row["required_fte"] for row in rows), "leaving_fte": 0.0,
           "kept_accounts": 3, "could_stay_accounts": 4, "continuity": 0.75, "moved_accounts": 1, "new_accounts": 0,
           "unassigned_accounts": 0, "gap": 0.0}  # fmt: skip
    assert "3.90 people needed, 1.60 available: 2.30 too few." in plans.assignment(run, [], [])
    goal = a_goal("nothing_to_spare") | {"required_fte": run["required_fte"], "available_fte": 1.6}
    assert "3.90 people needed, 1.60 available: 2.30 too few." in plans.goal(goal)[-1]


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=4, max_size=4),
    st.permutations(["Strategic", "Growth", "Core", "Long-Tail"]),
)
def test_people_add_up_as_they_are_shown(people: list[tuple[float, float]], order: list[str]):
    """Whoever adds up the tiers gets what is said of the company. Hired: in order of tiers, what it lacks."""
    lacking = max(sum(needed - there for needed, there in people), 0.0)
    rows, to_hire = [], lacking
    for tier, (needed, there) in zip(["Strategic", "Growth", "Core", "Long-Tail"], people, strict=True):
        hired = min(max(needed - there, 0.0), to_hire)
        to_hire -= hired
        rows.append({
            "coverage_tier": tier, "required_fte": needed, "available_fte": there, "gap_fte": there - needed,
            "rebalanced_in_fte": 0.0, "rebalanced_out_fte": 0.0, "hired_fte": hired, "required_by": "ratio",
            "fte_by_ratio": needed, "hiring_cost": None,
        })  # fmt: skip
    shown = plans.in_hundredths(sorted(rows, key=lambda row: order.index(row["coverage_tier"])))
    assert [row["coverage_tier"] for row in shown] == order
    said = [float(n) for n in _NUMBER.findall(plans.company_people(rows))]
    assert said[:2] == [pytest.approx(sum(row[name] for row in shown)) for name in ("required_fte", "available_fte")]
    missing = said[0] - said[1]
    assert missing == pytest.approx(-sum(row["gap_fte"] for row in shown))
    hired = sum(row["hired_fte"] for row in shown)
    assert hired == pytest.approx(missing if lacking > 1e-6 else 0.0)
    for row in shown:
        (exact_row,) = (one for one in rows if one["coverage_tier"] == row["coverage_tier"])
        for name in ("required_fte", "available_fte", "gap_fte", "hired_fte"):
            assert round(row[name], 2) == row[name]
            assert abs(row[name] - exact_row[name]) < 0.05
        assert row["available_fte"] - row["required_fte"] == pytest.approx(row["gap_fte"])


def test_a_plan_without_rows_stays_empty():
    assert plans.in_hundredths([]) == []


def test_people_of_the_staff_card_add_up():
    """0.745 + 0.745 + 0.745 = 2.235 are 2.24 (2.235 rounds to even), so one of three parts of 0.74 is 0.75."""
    assert figures.apportioned([0.745, 0.745, 0.745], 2.235, 2) == [0.75, 0.75, 0.74]
    assert figures.apportioned([4.2, 3.0667, 2.3838, 0.132], 9.7825, 2) == [4.2, 3.07, 2.38, 0.13]
    with pytest.raises(ValueError, match="cannot be rounded"):
        figures.apportioned([1.0, 1.0], 3.0, 2)


def test_without_a_roster_nobody_is_said_to_be_there():
    rows = PLANS["no roster"]
    assert plans.company_people(rows) == (
        "3.90 people needed; how many are available is not known: there is no CSM roster; the CRM names 1 CSM."
    )
    assert {plans.tier_action(row) for row in rows} == {"Not known: no CSM roster"}
    assert not any("0.00" in line for row in rows for line in plans.tier_arithmetic(row))
    assert (plans.against_flat(rows), plans.rebalancing(rows, [])) == ([], [])


def test_nobody_there_is_hired_without_a_cost_that_nobody_knows():
    assert plans.tier_action(next(row for row in PLANS["nobody"] if row["coverage_tier"] == "Core")) == "Hire 0.17"


def a_goal(reallocation: str) -> dict[str, Any]:
    return {
        "gap": 0.0 if reallocation == "not_needed" else 4000.0, "expansion_target": 10_000.0,
        "expected_expansion": 6000.0 if reallocation != "not_needed" else 10_400.0,
        "from_tier": "Core", "to_tier": "Strategic", "from_expansion_per_hour": 10.0, "to_expansion_per_hour": 60.25,
        "to_expansion_per_hour_low": 20.5, "to_expansion_per_hour_high": 100.0, "hours_available": 12.0,
        "hours_to_close": 80.0, "hours_to_move": 12.0, "gap_closed": 603.0, "reallocation": reallocation,
        "required_fte": 3.0, "available_fte": 2.5, "short_fte": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("reallocation", REALLOCATIONS)
def test_each_number_about_the_goal_is_a_figure_of_its_row(reallocation: str):
    row = a_goal(reallocation)
    facts = written([row]) | {"50.25"}  # 60.25 - 10: what moving an hour adds
    for line in plans.goal(row):
        assert numbers(line) <= facts, (line, numbers(line) - facts)
    assert plans.goal(row | {"gap": None}) == ["The gap is not known: there is neither a run rate nor a pipeline."]


def test_each_number_about_the_assignment_is_a_figure_of_its_tables():
    book = demand(*[{"coverage_tier": "Strategic", "csm_id": "c0", "region": "emea"}] * 13,
                  *[{"coverage_tier": "Growth", "region": "apac"}] * 9)  # fmt: skip
    people = supply({"level": "senior", "region": "emea"}, {"stays": False, "ends_on": date(2026, 6, 1)})
    frames = {"spine": spine(DAY).execute()} | {
        name: table.execute() for name, table in tables(book, people).items() if name != "csm_tier_shares"
    }
    plan = pd.DataFrame(plan_rows(book, people, SPREAD))
    (run,) = none_for_nan(records(csm_assignment_runs(**frames, capacity_plan=plan, policy=POLICY.assignment)))
    bound = none_for_nan(records(csm_assignment_constraints(**frames, policy=POLICY.assignment)))
    loads = [{"csm_id": "Zed", "load_share": 1.11, "proposed_load_share": 1.43, "change": "more_overloaded"},
             {"csm_id": "Yan", "load_share": 1.0, "proposed_load_share": 0.7, "change": "as_before"}]  # fmt: skip
    lines = plans.assignment(run, bound, loads)
    facts = written([run], bound, loads) | {number(run["available_fte"] - run["required_fte"], 2)}
    for line in lines:
        assert numbers(line) <= facts, (line, numbers(line) - facts)
    assert "Zed goes from 111% to 143% of what one person can carry." in lines
    assert "1.00 person of them leave soon and take no accounts." not in lines
    assert any(line.startswith("With more CSMs for the region") for line in lines)


@pytest.mark.parametrize("name", [ROSTER, PEOPLE, *SKILLS, ALL_SKILLS])
def test_every_constraint_has_a_sentence(name: str):
    row = {"constraint": name, "relief_fte": 0.5, "coverage_tier": "Growth", "level": None, "region": "north_america",
           "short_fte": 0.4}  # fmt: skip
    line = plans.what_binds([row])
    assert numbers(line) <= {"0.50", "0.40"}
    assert "_" not in line


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_an_assignment_has_a_sentence(reason: str):
    row = {"current_csm_id": "c1", "csm_id": "c2", "reason": reason, "constraint": "region",
           "current_csm_leaves_on": date(2026, 6, 1)}  # fmt: skip
    assert plans.assignment_reason(row).endswith(".")
