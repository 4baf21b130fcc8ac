"""Two sides by hand: moves and their inputs, groups, retention, people, and how often accounts move."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from segmentation_assets.tables.as_of import anchor
from segmentation_assets.trials.comparing import (
    InputChange,
    Pair,
    groups,
    moved,
    people,
    retention,
    score_quality,
    stability,
)


def side(rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """The tables of one side; what a row leaves out is the same everywhere."""
    usual = {
        "account_name": "Name", "arr": 100.0, "segment": "Growth", "rule_id": "g", "coverage_tier": "Core",
        "tier_rule_id": "core", "behavioral_cohort": "Steady State", "value_tier": "Gold", "expansion_level": "low",
        "clv_level": "low", "is_barely_used": False, "needs_profile": "Platform", "size_class": "smb",
        "behavioral_score": 50.0, "health_score": 50.0, "expansion_score": 40.0, "lookalike": 0.1,
        "clv_percentile": 50.0, "seat_activity": 0.5, "strategic_sign": None, "strategic_cut": 500.0,
        "top_cut": 900.0,
    }  # fmt: skip
    frame = pd.DataFrame([usual | row for row in rows])
    states = ["behavioral_cohort", "value_tier", "expansion_level", "clv_level", "is_barely_used"]
    inputs = [
        "needs_profile", "size_class", "behavioral_score", "health_score", "expansion_score", "lookalike",
        "clv_percentile", "seat_activity", "strategic_sign", "strategic_cut", "top_cut",
    ]  # fmt: skip
    rest = [name for name in frame if name not in {*states, *inputs}]
    return {
        "segments": frame[rest],
        "segment_states": frame[["account_id", *states]],
        "segment_inputs": frame[["account_id", *inputs]],
    }


def test_moves_name_the_inputs_that_differ_the_tier_first_then_the_largest():
    before = side(
        [
            {"account_id": "a"},
            {"account_id": "b", "arr": 900.0},
            {"account_id": "c", "expansion_score": 45.0},
            {"account_id": "stays", "behavioral_score": 1.0},
            {"account_id": "gone", "segment": "Growth"},
        ]
    )
    after = side(
        [
            {"account_id": "a", "coverage_tier": "Growth", "tier_rule_id": "growth", "behavioral_score": 62.5},
            {"account_id": "b", "arr": 900.0, "coverage_tier": "Strategic", "tier_rule_id": "strategic:top_arr"},
            {
                "account_id": "c",
                "segment": "At-Risk",
                "rule_id": "r",
                "expansion_level": "high",
                "expansion_score": 55.0,
            },
            {"account_id": "stays", "behavioral_score": 2.0},
            {"account_id": "new", "segment": "Growth"},
        ]
    )
    moves = moved(before, after)
    assert [(one.account_id, one.grouping, one.before, one.after) for one in moves] == [
        ("b", "coverage_tier", "Core", "Strategic"),
        ("a", "coverage_tier", "Core", "Growth"),
        ("c", "segment", "Growth", "At-Risk"),
    ]
    assert moves[0].inputs == ()  # other rules, the same inputs
    assert moves[1].inputs == (InputChange("behavioral_score", 50.0, 62.5),)
    assert moves[2].inputs == (InputChange("expansion_level", "low", "high"),)  # its score is no second cause


def test_groups_count_accounts_and_arr_of_both_sides_and_empty_ones():
    before = pd.DataFrame({"coverage_tier": ["Core", "Core"], "segment": ["Growth", "At-Risk"], "arr": [10.1, 20.2]})
    after = before.assign(coverage_tier=["Core", "Growth"])
    by = {(one.grouping, one.member): one for one in groups(before, after)}
    assert len(by) == 4 + 5
    assert (by["coverage_tier", "Core"].accounts, by["coverage_tier", "Core"].arr) == (Pair(2, 1), Pair(30.3, 10.1))
    assert by["coverage_tier", "Growth"].arr == Pair(0.0, 20.2)
    assert by["coverage_tier", "Strategic"].accounts == Pair(0, 0)
    assert by["segment", "At-Risk"].accounts.change == 0


def test_retention_is_that_of_the_long_window():
    def rows(nrr: float) -> pd.DataFrame:
        figures = {"accounts": 4, "nrr": nrr, "nrr_low": nrr - 0.1, "nrr_high": None, "churn_rate": 0.25}
        return pd.DataFrame(
            [
                {"window_months": 12, "grouping": "coverage_tier", "member": "Core", **figures},
                {"window_months": 12, "grouping": "segment", "member": "Growth", **figures},
                {"window_months": 3, "grouping": "coverage_tier", "member": "Core", **figures, "nrr": 9.0},
            ]
        )

    [core] = retention(rows(1.02), rows(1.10))
    assert (core.member, core.nrr, core.nrr_low, core.nrr_high) == (
        "Core", Pair(1.02, 1.10), Pair(0.92, 1.0), Pair(None, None),
    )  # fmt: skip


def test_people_of_the_company_are_the_sum_of_the_tiers_and_unknown_stays_unknown():
    def plan(hired: float | None) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "coverage_tier": ["Strategic", "Growth", "Core", "Long-Tail"],
                "demanded_hours": [10.0, 20.0, 30.0, 0.0],
                "required_fte": [1.0, 0.5, 0.25, 0.0], "hired_fte": [hired, 0.0, 0.0, 0.0],
                "hiring_cost": [None, None, None, None],
            }
        )  # fmt: skip

    *_, company = people(plan(0.5), plan(0.75))
    assert (company.member, company.hours_per_month, company.required_fte) == (
        "company", Pair(60.0, 60.0), Pair(1.75, 1.75),
    )  # fmt: skip
    assert company.hired_fte.change == 0.25
    assert (company.hiring_cost, company.hiring_cost.change) == (Pair(None, None), None)


MONDAYS = [date(2026, 7, 6) + timedelta(weeks=i) for i in range(6)]


def grid(**accounts: list[str | None]) -> pd.DataFrame:
    """A state for each Monday; None: not live. The grid of another anchor says something else each time."""
    rows = []
    for account, states in accounts.items():
        for day, state in zip(MONDAYS, states, strict=True):
            for first in (anchor(day), day):
                word = state if first == anchor(day) else "Strategic"
                if state is not None:
                    rows.append(
                        {
                            "as_of": day,
                            "anchor": first,
                            "account_id": account,
                            "segment": word,
                            "coverage_tier": "Core",
                        }
                    )
    return pd.DataFrame(rows)


def test_moves_from_monday_to_monday_and_those_undone():
    g, e, r = "Growth", "Efficient", "At-Risk"
    before = grid(
        swings=[g, e, g, e, e, e],  # three moves, of which the second and the third go back
        risk=[g, r, g, g, g, g],  # into and out of At-Risk: not counted
        late=[None, None, None, g, e, None],  # one move
    )
    after = grid(swings=[g] * 6, risk=[g] * 6, late=[None, None, None, g, g, None])
    tier, segment = stability(before, after, MONDAYS)
    assert (tier.grouping, tier.moves) == ("coverage_tier", Pair(0, 0))
    assert (segment.moves, segment.undone) == (Pair(4, 0), Pair(2, 0))
    # 5 + 5 + 1 steps of a week with the account there at both ends: 77 days, of 365.25 / 12 a month
    assert segment.monthly_share.before == pytest.approx(4 / (77 / (365.25 / 12)), abs=1e-9)
    assert (segment.first, segment.last) == (MONDAYS[0], MONDAYS[-1])


def test_one_monday_has_no_moves():
    assert stability(grid(a=["Core"] * 6), grid(a=["Core"] * 6), MONDAYS[:1]) == ()


def test_scores_are_named_only_where_their_auc_differs():
    rows = pd.DataFrame(
        {"window_months": [12, 12, 3], "score": ["health_score", "churn_risk", "churn_risk"], "outcome": "left",
         "auc": [0.7, 0.8, 0.6]}
    )  # fmt: skip
    [one] = score_quality(rows, rows.assign(auc=[0.7, 0.75, 0.1]))
    assert (one.score, one.window_months, one.auc) == ("churn_risk", 12, Pair(0.8, 0.75))
