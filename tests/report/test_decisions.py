"""The decisions of the executive page, every figure worked out by hand."""

from __future__ import annotations

import pytest

from segmentation_assets.report.decisions import decisions, grow, protect, rebalance, staff
from tests.report.worlds import evidence, segment

AT_RISK = [
    segment(account_id="a1", account_name="Acme", segment="At-Risk", arr=100_000.0, churn_risk=0.5),
    segment(account_id="a2", account_name=None, segment="At-Risk", arr=50_000.0, churn_risk=0.1),
    segment(account_id="a3", segment="Growth", arr=350_000.0, churn_risk=0.9),
]
SUPPLY = [
    {"csm_id": "C1", "csm_name": "Cem", "hourly_cost": 60.0, "available_hours": 100.0},
    {"csm_id": "C2", "csm_name": "Dora", "hourly_cost": 30.0, "available_hours": 50.0},
]


def test_protect_weighs_the_expected_loss_against_the_hours():
    card = protect(evidence({"segments": AT_RISK, "csm_supply": SUPPLY}))
    assert card is not None
    assert card.title == "Intervene in 2 At-Risk accounts"
    assert card.worth == "55.0k expected loss in 90 days"  # 100,000 x 0.5 + 50,000 x 0.1
    assert card.arithmetic == (
        "ARR of 2 accounts in the At-Risk segment: 150,000, 30.0% of 500,000.",
        "Expected loss: ARR × churn risk in 90 days, summed over these accounts, is 55,000.",
        # 2 x 4 h x 3 months = 24 h; (100 x 60 + 50 x 30) / 150 = 50 an hour
        "Cost: 2 × 4.0 h a month × 3.0 months × 50.00 an hour (mean of the roster) = 1,200.",
        "It pays for itself if it avoids 2.2% of that loss: 1,200 ÷ 55,000.",
    )
    assert [(one.account_id, one.name) for one in card.accounts] == [("a1", "Acme"), ("a2", "a2")]
    assert card.accounts[0].why == "ARR 100.0k × 50.0% = 50.0k"


def test_protect_without_a_roster_or_a_risk():
    unknown = [segment(segment="At-Risk", arr=1000.0, churn_risk=None), segment(account_id="a2", churn_risk=0.1)]
    card = protect(evidence({"segments": unknown}))
    assert card is not None
    assert "is 0 (without 1 account whose risk is not known)." in card.arithmetic[1]
    assert "60.00 an hour (policy)" in card.arithmetic[2]
    assert len(card.arithmetic) == 3  # no share of a loss of nothing
    assert protect(evidence({"segments": [segment()]})) is None


def plan(tier: str, **values: object) -> dict[str, object]:
    return {
        "coverage_tier": tier, "accounts": 40, "arr": 100_000.0, "accounts_per_csm_target": 10.0, "required_fte": 4.0,
        "required_by": "ratio", "available_fte": 4.0, "gap_fte": 0.0, "demanded_hours": 100.0, "hours_per_fte": 110.5,
        "rebalanced_in_fte": 0.0, "rebalanced_out_fte": 0.0, "rebalanced_arr": 0.0, "hired_fte": 0.0,
        "hiring_cost": 0.0, "covered_arr": 100_000.0, "is_roster_known": True, **values,
    }  # fmt: skip


def test_staff_says_where_people_come_from():
    rows = [
        plan("Strategic", available_fte=2.5, gap_fte=-1.5, rebalanced_in_fte=0.5, hired_fte=1.0,
             hiring_cost=120_000.0, covered_arr=60_000.0, rebalanced_arr=12_500.0),
        plan("Growth", required_by="hours", required_fte=2.0, demanded_hours=221.0,
             available_fte=1.0, gap_fte=-1.0, hired_fte=1.0, hiring_cost=80_000.0, covered_arr=90_000.0),
        plan("Core", available_fte=4.5, gap_fte=0.5, rebalanced_out_fte=0.5),
    ]  # fmt: skip
    moved = [
        {"account_id": "a1", "coverage_tier": "Core", "direction": "gives", "hours_per_month": 55.25,
         "worth": 9000.0},
        {"account_id": "a2", "coverage_tier": "Strategic", "direction": "gets", "hours_per_month": 55.25,
         "worth": 12_500.0},
    ]  # fmt: skip
    tables = {"segments": [segment(account_id="a1", account_name="Acme")], "capacity_plan": rows}
    card = staff(evidence(tables | {"rebalanced_accounts": moved}))
    assert card is not None
    assert card.title == "Move 0.50 people between tiers, then hire 2.00 people for Strategic and Growth"
    assert card.worth == "50.0k ARR without its full care"
    assert card.arithmetic == (
        # 4 + 2 + 4 needed, 2.5 + 1 + 4.5 available
        "10.00 people needed, 8.00 available: 2.00 too few.",
        "First move people: Core 0.50 to Strategic 0.50. This gives 12,500 ARR its full care.",
        "Hire 1.00 for Strategic (120,000 a year) and 1.00 for Growth (80,000 a year).",
        "ARR that the people available cannot give its full care, before hiring: 50,000. Hiring costs 400.0% of it a "
        "year.",
    )
    assert [one.why for one in card.accounts] == [
        "gets 55.2 h a month, worth 12.5k", "gives 55.2 h a month, worth 9.00k",
    ]  # fmt: skip
    assert staff(evidence({"segments": [segment()], "capacity_plan": [plan("Core")]})) is None


def test_without_a_roster_nobody_is_hired_or_moved():
    unknown = dict.fromkeys(
        ("available_fte", "gap_fte", "rebalanced_in_fte", "rebalanced_out_fte", "rebalanced_arr", "hired_fte",
         "hiring_cost", "covered_arr")
    )  # fmt: skip
    rows = [plan("Strategic", is_roster_known=False, **unknown)]
    assert staff(evidence({"segments": [segment()], "capacity_plan": rows})) is None


def whitespace(**by_account: float) -> list[dict[str, object]]:
    return [{"account_id": account, "whitespace": amount} for account, amount in by_account.items()]


READY = [
    segment(account_id="a1", micro_segment="expansion_ready", micro_segment_reason="adoption surge"),
    segment(account_id="a2", micro_segment="expansion_ready", micro_segment_reason="new champions"),
    segment(account_id="a3", micro_segment="stable"),
]


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        # 30,000 + 10,000 of whitespace against the gap
        (20_000.0, "Winning 50.0% of that whitespace closes the gap: 20,000 ÷ 40,000."),
        (80_000.0, "Winning 100.0% of that whitespace closes 50.0% of the gap: 40,000 ÷ 80,000."),
    ],
)
def test_grow_measures_whitespace_against_the_gap(gap: float, words: str):
    goal = [{"expansion_target": 100_000.0, "expected_expansion": 100_000.0 - gap, "gap": gap}]
    spaces = whitespace(a1=10_000.0, a2=30_000.0, a3=99_000.0)
    card = grow(evidence({"segments": READY, "expansion_scores": spaces, "goal_gap": goal}))
    assert card is not None
    assert card.title == "Open expansion with 2 accounts ready to expand"
    assert card.arithmetic[-1] == words
    assert [one.account_id for one in card.accounts] == ["a2", "a1"]


def test_grow_needs_somebody_ready():
    assert grow(evidence({"segments": READY, "expansion_scores": whitespace(a1=0.0)})) is None
    assert grow(evidence({"segments": READY})) is None


def served(account: str, service: str, over: float = 0.0, under: float = 0.0) -> dict[str, object]:
    return {
        "account_id": account, "service": service, "over_served_hours": over, "over_served_cost": over * 50,
        "under_served_hours": under, "under_served_arr": under * 1000,
    }  # fmt: skip


def test_rebalance_moves_the_smaller_of_the_two():
    rows = [
        served("a1", "over_served", over=30.0),
        served("a2", "under_served", under=20.0),
        served("a3", "as_entitled", 5.0),
    ]
    card = rebalance(evidence({"segments": [segment()], "coverage_leakage": rows}))
    assert card is not None
    assert card.title == "Move 20 h from over- to under-served accounts"
    assert card.arithmetic == (
        "1 account got 30 h more in twelve months than they were entitled to, worth 1,500.",
        "1 account got 20 h less; 20,000 ARR went without its care.",
        "The smaller of the two can move: 20 h.",
    )


def test_as_many_decisions_as_the_policy_says_in_their_order():
    tables = {
        "segments": AT_RISK,
        "capacity_plan": [plan("Core", available_fte=3.0, gap_fte=-1.0, hired_fte=1.0, hiring_cost=1.0)],
        "coverage_leakage": [served("a1", "over_served", 3.0), served("a2", "under_served", under=2.0)],
    }
    card = evidence(tables)
    assert [one.kind for one in decisions(card)] == ["Protect", "Staff", "Rebalance"]
    fewer = card.policy.model_copy(update={"report": card.policy.report.model_copy(update={"decisions": 1})})
    assert [one.kind for one in decisions(evidence(tables, policy=fewer))] == ["Protect"]
    assert decisions(evidence({"segments": [segment()]})) == ()
