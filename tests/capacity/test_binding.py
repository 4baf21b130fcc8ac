from __future__ import annotations

from segmentation_assets.capacity.binding import Binding, Lack, binding_constraints, blocking_skills
from segmentation_assets.capacity.optimiser import Account, Csm
from segmentation_assets.policy.model import load_policy

POLICY = load_policy().assignment
SKILLED = POLICY.model_copy(update={"industry_required": ("Growth",)})
SHARES = {"Strategic": 0.1, "Growth": 0.025}


def accounts(number: int, tier: str = "Growth", **more) -> list[Account]:
    return [Account(f"{tier}{more.get('region')}{i}", tier, 2.5, SHARES[tier], **more) for i in range(number)]


def rounded(bindings: tuple[Binding, ...]) -> dict[str, tuple[float, list[Lack]]]:
    return {
        b.constraint: (
            round(b.relief_fte, 6), [Lack(lack.tier, lack.level, lack.region, round(lack.fte, 6)) for lack in b.lacks]
        )
        for b in bindings
    }  # fmt: skip


def test_nothing_binds_where_people_suffice():
    assert binding_constraints(accounts(4), [Csm("c", 10.0, 1.0)], POLICY) == ()
    assert binding_constraints([], [], POLICY) == ()


def test_an_empty_roster():
    assert rounded(binding_constraints(accounts(4), [], POLICY)) == {"roster": (0.1, [Lack(None, None, None, 0.1)])}


def test_people_are_short_where_they_are_too_few():
    # 60 accounts take 1.5 people, 40 of them in emea, where there is 0.6 of one: 0.4 too few. Apac has enough.
    rows = accounts(40, region="emea") + accounts(20, region="apac")
    people = [Csm("c", 10.0, 0.6, "senior", "emea"), Csm("d", 10.0, 0.5, "associate", "apac")]
    result = rounded(binding_constraints(rows, people, POLICY))
    assert result["people"] == (0.4, [Lack(None, "senior", "emea", 0.4)])


def test_a_senior_too_few_while_others_have_room():
    # Two Strategic accounts take 0.2 people; there is 0.1 of a senior and an associate with nothing to do.
    people = [Csm("old", 10.0, 0.1, "senior"), Csm("young", 30.0, 1.0, "associate")]
    result = rounded(binding_constraints(accounts(2, "Strategic"), people, POLICY))
    assert result == {"level": (0.1, []), "people": (0.1, [Lack(None, "senior", None, 0.1)])}


def test_a_region_without_anybody():
    result = rounded(binding_constraints(accounts(2, region="apac"), [Csm("c", 50.0, 1.0, region="emea")], POLICY))
    assert result == {"region": (0.05, [Lack("Growth", None, "apac", 0.05)])}


def test_a_region_without_anybody_binds_also_where_people_are_short_everywhere():
    # Emea's 0.15 people on 0.1 are 0.05 too few. Apac's 0.05 fit nobody; without regions they would only be overload.
    rows = accounts(6, region="emea") + accounts(2, region="apac")
    result = rounded(binding_constraints(rows, [Csm("c", 10.0, 0.1, "senior", "emea")], POLICY))
    assert result == {
        "region": (0.05, [Lack("Growth", None, "apac", 0.05)]),
        "people": (0.05, [Lack(None, "senior", "emea", 0.05)]),
    }  # fmt: skip


def test_two_skills_that_bind_only_together_are_named_beside_people():
    rows = accounts(6, region="emea") + accounts(1, "Strategic", region="apac")
    result = rounded(binding_constraints(rows, [Csm("c", 10.0, 0.1, "associate", "emea")], POLICY))
    assert result == {
        "level+region+industry": (0.1, [Lack("Strategic", None, "apac", 0.1)]),
        "people": (0.05, [Lack(None, "associate", "emea", 0.05)]),
    }


def test_an_industry_that_nobody_knows():
    people = [Csm("c", 50.0, 1.0, industries=frozenset({"retail"}))]
    assert [b.constraint for b in binding_constraints(accounts(2, industry="media"), people, SKILLED)] == ["industry"]


def test_two_skills_that_bind_only_together():
    people = [Csm("c", 50.0, 1.0, "associate", "emea")]
    strategic = accounts(1, "Strategic", region="apac")
    (result,) = binding_constraints(strategic, people, POLICY)
    assert result.constraint == "level+region+industry"
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
