from __future__ import annotations

import math
from datetime import date
from typing import Any

import pandas as pd
import pytest

from segmentation_assets.capacity.assignments import (
    CsmAssignments,
    csm_assignment_constraints,
    csm_assignment_runs,
    csm_assignments,
    csm_loads,
)
from segmentation_assets.capacity.plan import CapacityPlan
from segmentation_assets.capacity.staffing import AccountDemand, CsmSupply
from segmentation_assets.policy.capacity import AssignmentPolicy
from tests.capacity.company import DAY, POLICY, demand, supply
from tests.companies import records, spine, typed


def frames(demanded: list[dict], people: list[dict], days: tuple[date, ...] = (DAY,)) -> dict[str, pd.DataFrame]:
    return {
        "spine": spine(*days).execute(),
        "account_demand": typed(AccountDemand, demanded).execute(),
        "csm_supply": typed(CsmSupply, people).execute(),
    }


def assigned(
    demanded: list[dict], people: list[dict], policy: AssignmentPolicy = POLICY.assignment
) -> dict[str, dict]:
    rows = records(csm_assignments(**frames(demanded, people), policy=policy))
    return {row["account_id"]: row for row in rows}


def plan_of(demanded: list[dict], people: list[dict], days: tuple[date, ...]) -> pd.DataFrame:
    """The plan's one answer, as one row a day: people needed and there."""
    rows = [
        {
            "as_of": day, "coverage_tier": "Core",
            "required_fte": sum(row["required_fte"] for row in demanded if row["as_of"] == day),
            "available_fte": sum(row["fte"] for row in people if row["as_of"] == day),
        }
        for day in days
    ]  # fmt: skip
    return typed(CapacityPlan, rows).execute()


def run(demanded: list[dict], people: list[dict]) -> dict[str, Any]:
    plan = plan_of(demanded, people, (DAY,))
    (row,) = records(csm_assignment_runs(**frames(demanded, people), capacity_plan=plan, policy=POLICY.assignment))
    return row


def constraints(demanded: list[dict], people: list[dict]) -> list[tuple]:
    rows = records(csm_assignment_constraints(**frames(demanded, people), policy=POLICY.assignment))
    names = ("constraint", "coverage_tier", "level", "region", "short_fte")
    return [tuple(None if pd.isna(row[name]) else row[name] for name in names) for row in rows]


def loads(demanded: list[dict], people: list[dict]) -> dict[str, dict]:
    rows = csm_loads(
        spine(DAY), typed(CsmSupply, people), typed(AccountDemand, demanded),
        typed(CsmAssignments, [
            {"as_of": DAY, "account_id": name, "csm_id": row["csm_id"]}
            for name, row in assigned(demanded, people).items()
        ]),
    )  # fmt: skip
    return {row["csm_id"]: row for row in records(rows)}


MIXED = demand(
    {"csm_id": "c0"},  # stays
    {},  # new
    {"coverage_tier": "Strategic", "csm_id": "c0"},  # c0 is no senior
    {"csm_id": "c2"},  # c2 leaves
    {"csm_id": "c9"},  # not on the roster
    {"coverage_tier": "Long-Tail", "csm_id": "c0"},
    {"region": "apac"},  # nobody there
    {"coverage_tier": "Long-Tail", "has_override": True, "is_automated": False, "hours_per_month": 4.0},
)
PEOPLE = supply(
    {"level": "associate", "region": "emea"},
    {"level": "senior", "region": "emea"},
    {"level": "senior", "stays": False, "ends_on": date(2026, 6, 1), "horizon_share": 0.28},
)


def test_every_account_has_a_status_and_a_reason():
    rows = assigned(MIXED, PEOPLE)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a00": "kept", "a01": "new", "a02": "moved", "a03": "moved", "a04": "new", "a05": "automated",
        "a06": "unassigned", "a07": "new",
    }  # fmt: skip
    assert rows["a02"]["csm_id"] == "c1"
    assert {name: row["reason"] for name, row in rows.items()} == {
        "a00": "fits", "a01": "had_no_csm", "a02": "csm_does_not_fit", "a03": "csm_leaves",
        "a04": "csm_not_on_roster",
        "a05": "automated_tier", "a06": "nobody_fits_or_has_room", "a07": "had_no_csm",
    }  # fmt: skip
    assert str(rows["a03"]["current_csm_leaves_on"])[:10] == "2026-06-01"
    assert pd.isna(rows["a00"]["current_csm_leaves_on"])
    assert (rows["a06"]["csm_id"], rows["a06"]["constraint"]) == (None, "region")
    assert {row["csm_id"] for row in rows.values()} <= {"c0", "c1", None}
    assert not any(row["is_handover"] for row in rows.values())


def test_a_run_counts_them_and_names_what_binds():
    row = run(MIXED, PEOPLE)
    counts = ("accounts", "automated_accounts", "csms", "kept_accounts", "moved_accounts", "new_accounts",
              "unassigned_accounts", "could_stay_accounts")  # fmt: skip
    assert [row[name] for name in counts] == [7, 1, 2, 1, 2, 3, 1, 1]
    assert (row["continuity"], row["is_feasible"]) == (1.0, False)
    assert constraints(MIXED, PEOPLE)[0] == ("region", "Core", None, "apac", pytest.approx(0.01))


def test_a_company_whose_people_suffice():
    row = run(demand({"csm_id": "c0"}, {"csm_id": "c1"}), supply({}, {}))
    assert (row["is_feasible"], row["continuity"], row["objective"], row["gap"]) == (True, 1.0, 0.0, 0.0)
    assert constraints(demand({"csm_id": "c0"}, {"csm_id": "c1"}), supply({}, {})) == []


def test_overload_moves_accounts_and_says_so():
    people = supply({"available_hours": 4.0}, {})
    rows = assigned(demand(*[{"coverage_tier": "Growth", "csm_id": "c0"}] * 3), people)
    moved = [row for row in rows.values() if row["status"] == "moved"]
    # 7.5 h on 4 h: one away leaves 1 h too much, price 3, cheaper than a second handover of 5.
    assert len(moved) == 1
    assert moved[0]["is_handover"]
    assert moved[0]["reason"] == "relieves_or_fits_better"


def test_no_room_is_told_from_no_fit():
    rows = assigned(demand(*[{"coverage_tier": "Growth"}] * 5), supply({"available_hours": 5.0}))
    assert sorted(row["constraint"] or "" for row in rows.values()) == ["", "", "", "capacity", "capacity"]
    row = run(demand(*[{"coverage_tier": "Growth"}] * 5), supply({"available_hours": 5.0}))
    assert (row["most_loaded_csm_id"], row["most_load_share"]) == ("c0", pytest.approx(1.5))


def test_a_region_does_not_bind_where_its_accounts_could_stay_and_only_lack_room():
    # Nobody is in apac, but c0 has the accounts and may keep them: 7.5 h of 10 h, half more than c0's 5 h.
    rows = demand(*[{"coverage_tier": "Growth", "region": "apac", "csm_id": "c0"}] * 4)
    people = supply({"available_hours": 5.0, "region": "emea", "fte": 0.1})
    assert sorted(row["constraint"] or "" for row in assigned(rows, people).values()) == ["", "", "", "capacity"]
    # The four take 4 / 30 people; there is a tenth of one.
    assert constraints(rows, people) == [("people", None, None, "emea", pytest.approx(4 / 30 - 0.1))]


def test_a_csm_who_is_loaded_further_above_what_they_have_is_named():
    """Ten Strategic accounts each are one person's. c0 has 11, c1 10 and leaves; the 21 go to c0 and c2, who has 10.

    Nobody gets more than one and a half times themselves: c0 goes from 1.1 to 1.1 or more, and says so."""
    book = [{"coverage_tier": "Strategic", "csm_id": csm} for csm in ["c0"] * 11 + ["c1"] * 4]
    people = supply({"level": "senior"}, {"level": "senior", "stays": False, "ends_on": date(2026, 6, 1)})
    row, load = run(demand(*book), people), loads(demand(*book), people)["c0"]
    assert (row["most_loaded_csm_id"], row["most_load_share_before"]) == ("c0", pytest.approx(1.1))
    assert row["most_load_share"] == pytest.approx(1.5)
    assert (load["load_share"], load["proposed_load_share"]) == (pytest.approx(1.1), pytest.approx(1.5))
    assert (load["accounts"], load["proposed_accounts"], load["change"]) == (11, 15, "more_overloaded")


def test_people_short_in_the_assignment_are_those_of_the_plan():
    """Automated accounts take their part of everybody's time: 100 at 1:500 are 0.2 people, and 20 Strategic 2.0.

    There are two people, so 0.2 are too few, and the assignment is overloaded by these 0.2."""
    book = demand(*[{"coverage_tier": "Strategic", "csm_id": f"c{i % 2}"} for i in range(20)],
                  *[{"coverage_tier": "Long-Tail"}] * 100)  # fmt: skip
    people = supply({"level": "senior"}, {"level": "senior"})
    row = run(book, people)
    assert (row["required_fte"], row["available_fte"]) == (pytest.approx(2.2), 2.0)
    assert (row["short_fte"], row["automated_fte"]) == (pytest.approx(0.2), pytest.approx(0.2))
    assert row["overload_fte"] == pytest.approx(0.2)
    assert sum(short for *_, short in constraints(book, people)) == pytest.approx(0.2)
    both = loads(book, people)
    took = sum(load["required_fte"] + load["automated_fte"] for load in both.values())
    assert took == pytest.approx(row["required_fte"])
    assert both["c0"]["load_share"] == pytest.approx(1.0 / 0.9)


def test_an_empty_roster_and_an_empty_company():
    rows = assigned(demand({"csm_id": "c0"}, {}), [])
    assert [(row["csm_id"], row["status"], row["reason"], row["constraint"]) for row in rows.values()] == [
        ("c0", "kept", "no_roster", None), (None, "unassigned", "nobody_fits_or_has_room", "roster"),
    ]  # fmt: skip
    assert constraints(demand({}), []) == [("roster", None, None, None, pytest.approx(0.01))]
    assert assigned([], PEOPLE) == {}
    row = run([], PEOPLE)
    assert (row["accounts"], row["csms"], row["is_feasible"]) == (0, 2, True)
    assert row["continuity"] is None or math.isnan(row["continuity"])


def test_days_are_assigned_apart():
    other = date(2026, 5, 7)
    demanded = demand({"csm_id": "c0"}, {"csm_id": "c0"}) + demand({"csm_id": "c1"}, as_of=other)
    given_frames = frames(demanded, supply({}) + supply({}, {}, as_of=other), (DAY, other))
    rows = csm_assignments(**given_frames, policy=POLICY.assignment)
    assert rows["csm_id"].tolist() == ["c0", "c0", "c1"]
    plan = plan_of(demanded, supply({}) + supply({}, {}, as_of=other), (DAY, other))
    runs = csm_assignment_runs(**given_frames, capacity_plan=plan, policy=POLICY.assignment)
    assert (runs["accounts"].tolist(), runs["csms"].tolist()) == ([2, 1], [1, 2])
