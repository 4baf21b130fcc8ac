"""Every cause that a move names, changed back, undoes it: checked with rules written once more (`naive`)."""

from __future__ import annotations

import random
import re
from dataclasses import fields, replace
from datetime import date

import pandas as pd

from tests.segments import naive
from tests.segments.naive import Day, Standing
from tests.segments.test_grid import ANCHOR, WEEK, frame, grid_at

CHOICES = {
    "size": ["smb", "mid_market", "enterprise", None],
    "cohort": ["Steady State", "Power User", "At Risk", "Dormant"],
    "needs": ["Platform", "Expanding use case", "Specific use case", "Basic need", None],
    "value": [50.0, 95.0, 150.0, 195.0, 250.0, 290.0, 310.0],
    "clv": [50.0, 57.0, 61.0, None],
    "activity": [0.1, 0.25, 0.5],
    "expansion": [30.0, 42.0, 47.0, 52.0, 72.0, None],
    "arr": [8_000.0, 9_500.0, 12_000.0, 24_000.0, 26_000.0, 47_000.0, 60_000.0],
    "sign": [None, "reference", "multi_product"],
    "behavior": [40.0, 61.0],
    "health": [40.0, 60.0],
    "alike": [0.4, 0.47, 0.6, None],
}


def company(accounts: int, weeks: int) -> dict[str, dict[date, Day]]:
    """Accounts whose inputs change one or two at a time, now and then."""
    draw = random.Random(17)
    history = {}
    for n in range(accounts):
        day = Day(cut=50_000.0, top=80_000.0, **{name: draw.choice(values) for name, values in CHOICES.items()})
        days = {}
        for week in range(weeks):
            if draw.random() < 0.4:
                names = draw.sample(sorted(CHOICES), draw.choice([1, 1, 2, 3]))
                day = replace(day, **{name: draw.choice(CHOICES[name]) for name in names})
            days[ANCHOR + week * WEEK] = day
        history[f"a{n:03}"] = days
    return history


WEEKS = 26
HISTORY = company(accounts=150, weeks=WEEKS)
GRID = grid_at(frame(HISTORY), *(ANCHOR + week * WEEK for week in range(WEEKS)))
GRID = GRID[GRID["anchor"] == GRID.groupby("as_of")["anchor"].transform("min")]
ROWS = {(row["account_id"], row["as_of"]): row for row in GRID.to_dict("records")}


def moved(kind: str, state: str) -> list[tuple[dict, str]]:
    """Rows on which a move came into force, with what it was before."""
    before = {(account, on + WEEK): row[state] for (account, on), row in ROWS.items()}
    return [
        (row, before[key])
        for key, row in ROWS.items()
        if row[f"{kind}_since"] == row["as_of"] and key in before and before[key] != row[state]
    ]


def named(text: str) -> list[str]:
    """The inputs that a cause names: `value tier Silver to Bronze; needs profile ...`."""
    names = (
        "behavioral cohort", "value tier", "expansion score", "needs profile", "size class", "seat activity",
        "clv percentile", "arr", "lookalike", "behavioral score", "health score", "strategic sign", "strategic cut",
    )  # fmt: skip
    parts = text.split("; ")
    result = [name for part in parts for name in names if re.match(name + " .* to ", part)]
    assert len(result) == len(parts), text
    return result


def standing(row: dict) -> Standing:
    words = {name: None if pd.isna(row[name]) else row[name] for name in
            ("behavioral_cohort", "value_tier", "expansion_level", "clv_level")}  # fmt: skip
    return Standing(*words.values(), bool(row["is_barely_used"]))


def test_segment_moves_are_undone_by_their_causes_and_by_nothing_less():
    result = moved("segment", "segment")
    assert len(result) > 100
    in_standing = {
        "behavioral cohort": "cohort", "value tier": "value", "expansion score": "expansion",
        "clv percentile": "clv", "seat activity": "barely",
    }  # fmt: skip
    in_day = {"needs profile": "needs", "size class": "size"}

    def candidate(row: dict, names: list[str]) -> str:
        account, then = row["account_id"], row["segment_compared_with"].date()
        old, stands = ROWS[account, then], standing(row)
        changes = {
            in_standing[name]: getattr(standing(old), in_standing[name]) for name in names if name in in_standing
        }
        facts = {in_day[name]: getattr(HISTORY[account][then], in_day[name]) for name in names if name in in_day}
        day = replace(HISTORY[account][row["as_of"].date()], **facts)
        return naive.candidate_of(replace(stands, **changes), day)

    for row, before in ((_dated(row), before) for row, before in result):
        names = named(row["segment_cause_text"])
        assert candidate(row, names) == before, row["segment_cause_text"]
        for name in names:
            assert candidate(row, [each for each in names if each != name]) != before, row["segment_cause_text"]


def test_tier_moves_are_undone_by_their_causes_and_by_nothing_less():
    result = moved("tier", "coverage_tier")
    assert len(result) > 50
    in_day = {
        "arr": "arr", "expansion score": "expansion", "lookalike": "alike", "behavioral score": "behavior",
        "health score": "health", "strategic sign": "sign",
    }  # fmt: skip

    def tier(row: dict, names: list[str], before: str) -> str:
        account, then = row["account_id"], row["tier_compared_with"].date()
        old = HISTORY[account][then]
        day = replace(
            HISTORY[account][row["as_of"].date()], **{in_day[name]: getattr(old, in_day[name]) for name in names}
        )
        side = ROWS[account, then] if "arr" in names else row
        return naive.tier(day, day.arr, [side["is_above_long_tail"], False, False], before)

    for row, before in ((_dated(row), before) for row, before in result):
        names = named(row["tier_cause_text"])
        assert tier(row, names, before) == before, row["tier_cause_text"]
        for name in names:
            assert tier(row, [each for each in names if each != name], before) != before, row["tier_cause_text"]


def test_a_cause_shows_a_difference():
    texts = [row[f"{kind}_cause_text"] for kind, state in (("segment", "segment"), ("tier", "coverage_tier"))
             for row, _ in moved(kind, state)]  # fmt: skip
    for part in (part for text in texts for part in text.split("; ")):
        before, after = part.rsplit(" to ", 1)
        assert not before.endswith(f" {after}"), part


def _dated(row: dict) -> dict:
    return row | {name: pd.Timestamp(row[name]) for name in ("as_of", "segment_compared_with", "tier_compared_with")}


assert {*CHOICES} <= {field.name for field in fields(Day)}
