from __future__ import annotations

import pytest

from segmentation_assets.capacity.binding import binding_constraints, blocking_skills
from segmentation_assets.capacity.optimiser import Account, Csm
from segmentation_assets.policy.model import load_policy

POLICY = load_policy().assignment
SKILLED = POLICY.model_copy(update={"industry_required": ("Growth",)})


def accounts(number: int, tier: str = "Growth", hours: float = 2.5, share: float = 0.0, **more) -> list[Account]:
    return [Account(f"{tier}{more.get('region')}{i}", tier, hours, share, **more) for i in range(number)]


def test_nothing_binds_where_people_suffice():
    assert binding_constraints(accounts(4), [Csm("c", 10.0, 1.0)], POLICY) == ()
    assert binding_constraints([], [], POLICY) == ()


def test_an_empty_roster():
    (found,) = binding_constraints(accounts(4, share=0.05), [], POLICY)
    assert (found.constraint, found.relief_hours) == ("roster", 10.0)
    assert found.frees == "people for 10.0 h a month and 0.20 FTE by ratio"


def test_hours():
    # Six accounts of 2.5 h are 15 h; there are 10 h of half an FTE, 20 h to an FTE: 5 h are a quarter of one.
    (found,) = binding_constraints(accounts(6), [Csm("c", 10.0, 0.5, "senior", "emea")], POLICY)
    assert (found.constraint, found.relief_hours) == ("hours", pytest.approx(5.0))
    assert found.text == "5.0 h a month too few (15.0 demanded, 10.0 there)"
    assert found.frees == "5.0 h a month more (0.25 FTE): 5.00 h a month senior in emea"


def test_ratio():
    # 40 accounts at 30 per CSM are 1.33 FTE, a third of one more than there is; hours are plenty.
    (found,) = binding_constraints(accounts(40, hours=0.1, share=1 / 30), [Csm("c", 99.0, 1.0)], POLICY)
    assert (found.constraint, found.relief_hours) == ("ratio", pytest.approx(33.0))
    assert found.text == "0.33 FTE too few (1.33 by ratio, 1.00 there)"


def test_hours_and_ratio_both_bind_the_worse_first():
    found = binding_constraints(accounts(40, hours=3.0, share=1 / 30), [Csm("c", 99.0, 1.0)], POLICY)
    # 120 - 99 = 21 h too few; 0.33 FTE are 33 h.
    assert [(b.constraint, round(b.relief_hours, 6)) for b in found] == [("ratio", 33.0), ("hours", 21.0)]


def test_a_senior_too_few_while_others_have_room():
    people = [Csm("old", 10.0, 1.0, "senior"), Csm("young", 30.0, 1.0, "associate")]
    found = binding_constraints(accounts(2, "Strategic", 8.0), people, POLICY)
    assert {b.constraint for b in found} == {"level", "hours"}
    assert all(b.relief_hours == pytest.approx(6.0) for b in found)
    level = next(b for b in found if b.constraint == "level")
    assert level.frees == "CSMs of the level asked for (Strategic: senior), up to 0.30 FTE"


def test_a_region_without_anybody():
    found = binding_constraints(accounts(2, region="apac"), [Csm("c", 50.0, 1.0, region="emea")], POLICY)
    assert [(b.constraint, b.relief_hours) for b in found] == [("region", pytest.approx(5.0))]
    assert found[0].frees == "CSMs for the region, up to 0.10 FTE; nobody now for Growth in apac (5.0 h a month)"


def test_a_region_without_anybody_binds_also_where_all_are_short_of_hours():
    # Emea's 15 h on 10 h are 5 h too few. Apac's 5 h fit nobody; without regions they would only be overload in emea.
    rows = accounts(6, region="emea") + accounts(2, region="apac")
    found = {b.constraint: b for b in binding_constraints(rows, [Csm("c", 10.0, 0.5, "senior", "emea")], POLICY)}
    assert set(found) == {"region", "hours"}
    assert found["region"].relief_hours == pytest.approx(5.0)
    assert found["region"].text == "because of it nobody fits 5.0 h a month of 10.0 short"
    assert found["region"].frees.endswith("up to 0.25 FTE; nobody now for Growth in apac (5.0 h a month)")
    # Of the 20 h demanded, the 15 h that fit somebody are short of 10.
    assert found["hours"].text == "5.0 h a month too few (15.0 demanded, 10.0 there)"


def test_two_skills_that_bind_only_together_are_named_beside_hours():
    rows = accounts(6, region="emea") + accounts(1, "Strategic", 8.0, region="apac")
    found = binding_constraints(rows, [Csm("c", 10.0, 0.5, "associate", "emea")], POLICY)
    assert [(b.constraint, round(b.relief_hours, 6)) for b in found] == [
        ("level+region+industry", 8.0), ("hours", 5.0),
    ]  # fmt: skip


def test_an_industry_that_nobody_knows():
    people = [Csm("c", 50.0, 1.0, industries=frozenset({"retail"}))]
    assert [b.constraint for b in binding_constraints(accounts(2, industry="media"), people, SKILLED)] == ["industry"]


def test_two_skills_that_bind_only_together():
    people = [Csm("c", 50.0, 1.0, "associate", "emea")]
    strategic = accounts(1, "Strategic", 8.0, region="apac")
    (found,) = binding_constraints(strategic, people, POLICY)
    assert found.constraint == "level+region+industry"
    assert {a.account_id: name for a, name in blocking_skills(strategic, people, POLICY)} == {
        strategic[0].account_id: "level+region"
    }


def test_what_keeps_each_account_from_a_csm():
    people = [Csm("c", 50.0, 1.0, "associate", "emea", frozenset({"retail"}))]
    rows = [
        Account("fits", "Growth", 1, region="emea", industry="retail"),
        Account("level", "Strategic", 1, region="emea"),
        Account("region", "Growth", 1, region="apac", industry="retail"),
        Account("industry", "Growth", 1, region="emea", industry="media"),
        Account("both", "Growth", 1, region="apac", industry="media"),
    ]
    assert {a.account_id: name for a, name in blocking_skills(rows, people, SKILLED)} == {
        "level": "level", "region": "region", "industry": "industry", "both": "region+industry",
    }  # fmt: skip
    assert {name for _, name in blocking_skills(rows, [], SKILLED)} == {"roster"}
