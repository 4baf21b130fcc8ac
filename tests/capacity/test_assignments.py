from __future__ import annotations

import math
from datetime import date
from typing import Any

import pandas as pd
import pytest

from segmentation_assets.capacity.assignments import csm_assignment_runs, csm_assignments
from segmentation_assets.capacity.staffing import AccountDemand, CsmSupply
from segmentation_assets.policy.capacity import AssignmentPolicy
from tests.capacity.company import DAY, POLICY, demand, supply
from tests.companies import given, records, spine


def frames(demanded: list[dict], people: list[dict], days: tuple[date, ...] = (DAY,)) -> dict[str, pd.DataFrame]:
    return {
        "spine": spine(*days).execute(),
        "account_demand": given(AccountDemand, demanded).execute(),
        "csm_supply": given(CsmSupply, people).execute(),
    }


def assigned(
    demanded: list[dict], people: list[dict], policy: AssignmentPolicy = POLICY.assignment
) -> dict[str, dict]:
    rows = records(csm_assignments(**frames(demanded, people), policy=policy))
    return {row["account_id"]: row for row in rows}


def run(demanded: list[dict], people: list[dict]) -> dict[str, Any]:
    (row,) = records(csm_assignment_runs(**frames(demanded, people), policy=POLICY.assignment))
    return row


MIXED = demand(
    {"csm_id": "c0"},  # stays
    {},  # new
    {"coverage_tier": "Strategic", "csm_id": "c0"},  # c0 is no senior
    {"csm_id": "c2"},  # c2 leaves
    {"csm_id": "c9"},  # not on the roster
    {"coverage_tier": "Long-Tail", "csm_id": "c0"},
    {"region": "apac"},  # nobody there
    {"coverage_tier": "Long-Tail", "has_override": True, "is_automated": False, "hours_per_month": 4.02},
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
    assert rows["a02"]["reason"] == "c0 does not fit in level, region or industry"
    assert rows["a03"]["reason"] == "c2 leaves on 2026-06-01"
    assert rows["a04"]["reason"] == "c9 is not on the roster"
    assert (rows["a06"]["csm_id"], rows["a06"]["constraint"]) == (None, "region")
    assert {row["csm_id"] for row in rows.values()} <= {"c0", "c1", None}
    assert not any(row["is_handover"] for row in rows.values())


def test_a_run_counts_them_and_names_what_binds():
    row = run(MIXED, PEOPLE)
    counts = ("accounts", "automated_accounts", "csms", "kept_accounts", "moved_accounts", "new_accounts",
              "unassigned_accounts", "could_stay_accounts")  # fmt: skip
    assert [row[name] for name in counts] == [7, 1, 2, 1, 2, 3, 1, 1]
    assert (row["continuity"], row["is_feasible"]) == (1.0, False)
    assert row["binding_constraints"].startswith("region: ")
    assert "nobody now for Core in apac (0.6 h a month)" in row["what_frees_them"]


def test_a_company_whose_people_suffice():
    row = run(demand({"csm_id": "c0"}, {"csm_id": "c1"}), supply({}, {}))
    assert (row["is_feasible"], row["continuity"], row["objective"], row["gap"]) == (True, 1.0, 0.0, 0.0)
    assert (row["binding_constraints"], row["what_frees_them"]) == (None, None)


def test_overload_moves_accounts_and_says_so():
    people = supply({"available_hours": 4.0}, {})
    rows = assigned(demand(*[{"coverage_tier": "Growth", "csm_id": "c0"}] * 3), people)
    moved = [row for row in rows.values() if row["status"] == "moved"]
    # 7.5 h on 4 h: one away leaves 1 h too much, price 3, cheaper than a second handover of 5.
    assert len(moved) == 1
    assert moved[0]["is_handover"]
    assert moved[0]["reason"] == "c1 has more room, or knows the industry better, than c0"


def test_no_room_is_told_from_no_fit():
    rows = assigned(demand(*[{"coverage_tier": "Growth"}] * 5), supply({"available_hours": 5.0}))
    assert sorted(row["constraint"] or "" for row in rows.values()) == ["", "", "", "capacity", "capacity"]
    row = run(demand(*[{"coverage_tier": "Growth"}] * 5), supply({"available_hours": 5.0}))
    assert (row["most_loaded_csm_id"], row["most_load_share"]) == ("c0", pytest.approx(1.5))
    assert row["binding_constraints"] == "hours: 7.5 h a month too few (12.5 demanded, 5.0 there)"


def test_a_region_does_not_bind_where_its_accounts_could_stay_and_only_lack_room():
    # Nobody is in apac, but c0 has the accounts and may keep them: 7.5 h of 10 h, half more than c0's 5 h.
    rows = demand(*[{"coverage_tier": "Growth", "region": "apac", "csm_id": "c0"}] * 4)
    people = supply({"available_hours": 5.0, "region": "emea"})
    assert sorted(row["constraint"] or "" for row in assigned(rows, people).values()) == ["", "", "", "capacity"]
    assert run(rows, people)["binding_constraints"] == "hours: 5.0 h a month too few (10.0 demanded, 5.0 there)"


def test_an_empty_roster_and_an_empty_company():
    rows = assigned(demand({"csm_id": "c0"}, {}), [])
    assert {row["constraint"] for row in rows.values()} == {"roster"}
    assert run(demand({}), [])["binding_constraints"] == "roster: nobody to take 1 accounts"
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
    runs = csm_assignment_runs(**given_frames, policy=POLICY.assignment)
    assert (runs["accounts"].tolist(), runs["csms"].tolist()) == ([2, 1], [1, 2])
