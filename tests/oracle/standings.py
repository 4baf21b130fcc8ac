"""Where each account stands after many weeks: a naive walk over the published inputs of each day.

The walk itself is `tests.segments.naive`, written from the specification, one account at a time; nothing of the
product is in it. The inputs of every day are taken as published: `segment_inputs` has its own oracle. Not here: why a
move came about (tests/segments/test_causes undoes each one).
"""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

from tests.oracle.raw import Company
from tests.segments import naive
from tests.segments.naive import Account, Day


def _days(company: Company) -> dict[str, dict[date, Day]]:
    """What the rules read of each account on every day that was looked at."""

    def make() -> dict[str, dict[date, Day]]:
        result: dict[str, dict[date, Day]] = {}
        for on in company.days("segment_inputs"):
            if on <= company.as_of:
                for one in company.published("segment_inputs", on).itertuples():
                    result.setdefault(one.account_id, {})[on] = _day(one)
        return result

    return company.kept("days", make)


def _facts(value: object) -> object:
    return None if pd.isna(value) else value


def _day(one) -> Day:
    cuts = (one.cut_silver, one.cut_gold, one.cut_platinum)
    return Day(
        size=_facts(one.size_class),
        cohort=_facts(one.behavioral_cohort),
        kept=tuple((_facts(one.kept_cohorts) or "").split("|")[:-1]),
        needs=_facts(one.needs_profile),
        value=_facts(one.value),
        clv=_facts(one.clv_percentile),
        activity=_facts(one.seat_activity),
        expansion=_facts(one.expansion_score),
        arr=one.arr,
        waits=bool(one.risk_waits),
        cut=_facts(one.strategic_cut),
        top=_facts(one.top_cut),
        sign=_facts(one.strategic_sign),
        behavior=_facts(one.behavioral_score),
        health=_facts(one.health_score),
        alike=_facts(one.lookalike),
        renewal=None if pd.isna(one.renewal_on) else one.renewal_on.date(),
        cuts=tuple(float("inf") if pd.isna(cut) else cut for cut in cuts),
    )


def anchor(on: date) -> date:
    """The first Monday of the quarter before."""
    return naive.first_monday(on.year, (on.month - 1) // 3 * 3 + 1 - 3)


def own_anchor(on: date) -> date:
    """The first Monday of the quarter, for a Monday that is in it; before it, that of the quarter before."""
    return naive.first_monday(on.year, (on.month - 1) // 3 * 3 + 1)


def last_monday(on: date) -> date:
    return on - timedelta(days=on.weekday())


def states_on(company: Company, on: date) -> dict[str, Account]:
    """The state of each account at the end of a day."""

    def make() -> dict[str, Account]:
        walks = {name: (days, naive.walk(days, anchor(on), on)) for name, days in _days(company).items()}
        return {name: state for name, (days, state) in walks.items() if state is not None and on in days}

    return company.kept(f"states {on}", make)


def segment_states(company: Company) -> pd.DataFrame:
    """The state of each account at the end of as_of."""
    states = states_on(company, company.as_of)
    return pd.DataFrame([{"account_id": account, **_columns(state)} for account, state in states.items()])


def segment_grid(company: Company) -> pd.DataFrame:
    """The state of each account after the last Monday, on the grids of its two anchors."""
    on = last_monday(company.as_of)
    rows = []
    for account, days in _days(company).items():
        for first in (anchor(on), own_anchor(on)):
            state = naive.on_grid(days, first, on)
            if state is not None and on in days:
                rows.append({"account_id": account, "anchor": pd.Timestamp(first), **_columns(state)})
    return pd.DataFrame(rows)


def _points(seen: list[str], candidate: str) -> int:
    """Grid points in a row, up to the last one, that a candidate has held."""
    return next((n for n, one in enumerate(reversed(seen)) if one != candidate), len(seen))


def _columns(state: Account) -> dict[str, object]:
    standing, day = state.standing, state.last
    segment, rule = naive.rule_of(
        day.size, standing.cohort, standing.value, day.needs, standing.expansion, standing.clv, standing.barely
    )
    tier = naive.tier(day, day.arr, state.above, state.tier)
    return {
        "candidate_segment_points": _points(state.segment_seen, segment),
        "candidate_tier_points": _points(state.tier_seen, tier),
        "segment": state.segment,
        "segment_since": pd.Timestamp(state.segment_since),
        "segment_move_rule": state.segment_how,
        "candidate_segment": segment,
        "candidate_rule_id": rule,
        "coverage_tier": state.tier,
        "tier_since": pd.Timestamp(state.tier_since),
        "tier_move_rule": state.tier_how,
        "candidate_tier": tier,
        "behavioral_cohort": standing.cohort,
        "value_tier": standing.value,
        "expansion_level": standing.expansion,
        "clv_level": standing.clv,
        "is_barely_used": standing.barely,
        "is_worth_saving": standing.clv == "high" or standing.value != "Bronze",
        "is_above_long_tail": state.above[0],
        "is_above_growth": state.above[1],
        "is_above_strategic": state.above[2],
        "segment_at_renewal": state.at_renewal,
        "renewal_on": pd.NaT if day.renewal is None else pd.Timestamp(day.renewal),
    }
