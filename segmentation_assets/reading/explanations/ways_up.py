"""What would move an account up: the nearest thresholds of the policy, and how far away they are.

Here: sentences from the published rows of an account and the policy. Not here: reading the rows (`gathering`), or
deciding tiers and segments (`segments`). A sentence says what a rule needs; it does not predict a move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.scores import BehavioralCondition, CohortRule
from segmentation_assets.policy.segments import AT_RISK, TIERS, UNKNOWN, SegmentRule, TierPolicy

Row = Mapping[str, Any]

_STRATEGIC, _GROWTH, _CORE, _LONG_TAIL = TIERS
_CUTS = (("Silver", "cut_silver"), ("Gold", "cut_gold"), ("Platinum", "cut_platinum"))
_SHARES = ("seat_activity", "users_trend_net", "events_trend_net")
_WORDS = {
    "active_users": "active users in 28 days", "prior_active_users": "active users in the 28 days before",
    "prior_events_without_users": "events in the 28 days before, without a named user",
    "seat_activity": "seat activity", "users_trend_net": "trend of users net of the company's",
    "events_trend_net": "trend of events net of the company's", "score": "behavioral score",
}  # fmt: skip


def ways_up(rows: Mapping[str, Row], policy: Policy) -> tuple[str, ...]:
    """Sentences about the next coverage tier, value tier and segment. `rows` are the account's rows by table.

    Needs `segments` and `segment_inputs`. Sentences that need another table are left out without it.
    """
    return (*_tier_ways(rows, policy), *_value_way(rows), *_segment_ways(rows, policy))


# -- the coverage tier


def _tier_ways(rows: Mapping[str, Row], policy: Policy) -> list[str]:
    segment, inputs, tier = rows["segments"], rows["segment_inputs"], policy.tier
    now = segment["coverage_tier"]
    if now == _STRATEGIC:
        return [f"{_STRATEGIC} is the highest coverage tier."]
    if now == _LONG_TAIL:
        return [_core_way(inputs, tier)]
    ways = [_growth_way(rows, tier)] if now == _CORE else []
    cut = inputs["strategic_cut"]
    if now == _GROWTH or (cut is not None and inputs["arr"] >= cut):
        ways.append(_strategic_way(inputs, tier))
    return ways


def _core_way(inputs: Row, tier: TierPolicy) -> str:
    arr = _gap("ARR", inputs["arr"], tier.long_tail_below_arr, _money)
    expansion = _gap("expansion score", inputs["expansion_score"], tier.long_tail_expansion_score.enter)
    return f"For tier {_CORE} it needs one of two: {arr}; {expansion}."


def _growth_way(rows: Mapping[str, Row], tier: TierPolicy) -> str:
    segment, inputs = rows["segments"], rows["segment_inputs"]
    expansion, alike = inputs["expansion_score"], inputs["lookalike"]
    tests = [
        ("ARR", inputs["arr"], tier.growth_min_arr, _money),
        ("behavioral score", segment["behavioral_score"], tier.growth_min_behavioral_score, _score),
        ("health", segment["health_score"], tier.growth_min_health_score, _score),
    ]
    met = [f"{name} {show(value)}" for name, value, bound, show in tests if _reaches(value, bound)]
    lacking = [_gap(name, value, bound, show) for name, value, bound, show in tests if not _reaches(value, bound)]
    if _reaches(expansion, tier.growth_expansion_score.enter) or _reaches(alike, tier.growth_lookalike.enter):
        met.append("signs of expansion")
    else:
        lacking.append(
            "a sign of expansion ("
            + _gap("expansion score", expansion, tier.growth_expansion_score.enter)
            + ", or "
            + _gap("similar accounts that expanded", alike, tier.growth_lookalike.enter, _share)
            + ")"
        )
    return _needs(f"tier {_GROWTH}", met, lacking)


def _strategic_way(inputs: Row, tier: TierPolicy) -> str:
    arr, cut, top = inputs["arr"], inputs["strategic_cut"], inputs["top_cut"]
    if cut is None:
        return f"Tier {_STRATEGIC} cannot be reached yet: the ARR of the largest accounts is not known."
    expansion = tier.strategic_expansion_score.enter
    signs = (
        f"several products or regions, an expansion score of {expansion:g}, being a reference, or strategic influence"
    )
    met, lacking = [], []
    (met if arr >= cut else lacking).append(_gap("ARR", arr, cut, _money))
    if inputs["strategic_sign"]:
        met.append(f"a sign beyond ARR ({inputs['strategic_sign'].replace('_', ' ')})")
    elif _reaches(inputs["expansion_score"], expansion):
        met.append("a sign beyond ARR (expansion score)")
    else:
        alone = f", or {_money(top - arr)} more ARR, {_money(top)} in all" if top and arr < top else ""
        lacking.append(f"a sign beyond ARR ({signs}{alone})")
    return _needs(f"tier {_STRATEGIC}", met, lacking)


def _needs(what: str, met: Sequence[str], lacking: Sequence[str]) -> str:
    if not lacking:
        return f"It meets all conditions of {what}. It moves once they have held on the weekly grid."
    have = f" It has {'; '.join(met)}." if met else ""
    return f"For {what} it needs {'; '.join(lacking)}.{have}"


# -- the value tier


def _value_way(rows: Mapping[str, Row]) -> list[str]:
    row = rows.get("value_scores")
    if not row or row["value"] is None:
        return []
    above = next(((name, row[cut]) for name, cut in _CUTS if row[cut] is not None and row["value"] < row[cut]), None)
    if above is None:
        return []
    name, cut = above
    gap = _gap("value", row["value"], cut, _money)
    return [f"For value tier {name} it needs {gap}; value is ARR × NRR less cost to serve."]


# -- the segment


def _segment_ways(rows: Mapping[str, Row], policy: Policy) -> list[str]:
    segment = rows["segments"]["segment"]
    order: list[str] = list(policy.segment_moves.segment_order)
    if segment == AT_RISK:
        return _out_of_risk(rows, policy)
    if segment == order[0]:
        return [f"{segment} is the highest segment."]
    target = order[order.index(segment) - 1]
    ways = [_lacking(rule, rows, policy) for rule in policy.segment_rules.rules
            if rule.segment == target and rule.dimensions_at_most is None]  # fmt: skip
    if not ways:
        return []
    nearest = min(ways, key=len)
    if not nearest:
        return [f"It meets all conditions of segment {target}. It moves once they have held on the weekly grid."]
    return [f"For segment {target} it needs {'; '.join(nearest)}."]


def _lacking(rule: SegmentRule, rows: Mapping[str, Row], policy: Policy) -> list[str]:
    """The conditions of a rule that the account does not meet."""
    segment, inputs = rows["segments"], rows["segment_inputs"]
    tests = (
        ("size class", segment["size_class"], rule.size_classes),
        ("usage cohort", segment["behavioral_cohort"], rule.cohorts),
        ("value tier", segment["value_tier"], rule.value_tiers),
        ("needs profile", segment["needs_profile"], rule.needs_profiles),
    )
    unmet = []
    for name, value, allowed in tests:
        if allowed is not None and (value or UNKNOWN) not in allowed:
            gap = _cohort_gap(allowed, rows, policy) if name == "usage cohort" else ""
            choices = " or ".join(word for word in allowed if word != UNKNOWN)
            unmet.append(f"{name} {choices} (it is {value or 'not known'}{gap})")
    bound, score = policy.segment_rules.high_expansion.enter, inputs["expansion_score"]
    level = UNKNOWN if score is None else "high" if score >= bound else "low"
    if rule.expansion is not None and level not in rule.expansion:
        unmet.append(_gap("expansion score", score, bound))
    return unmet


def _cohort_gap(allowed: Sequence[str], rows: Mapping[str, Row], policy: Policy) -> str:
    """The gap to a cohort with a single rule of lower bounds; empty for other cohorts."""
    measures = _measures(rows)
    for cohort in policy.behavioral.cohorts:
        if cohort.name not in allowed or len(cohort.any_of) != 1:
            continue
        tests = [c for c in cohort.any_of[0].all_of if c.at_least is not None]
        gaps = [
            _gap(_WORDS[c.measure], measures[c.measure], c.at_least, _form(c.measure))
            for c in tests
            if c.at_least is not None and not _reaches(measures[c.measure], c.at_least)
        ]
        return f": {', '.join(gaps)}" if gaps else ""
    return ""


def _out_of_risk(rows: Mapping[str, Row], policy: Policy) -> list[str]:
    """The rules that keep the account in a cohort that leads into At-Risk. It leaves when none of them holds."""
    measures = _measures(rows)
    trouble = [c for c in policy.behavioral.cohorts if c.name in policy.segment_rules.cohorts_in_trouble]
    holding = [rule for cohort in trouble for rule in cohort.any_of if _holds(rule, measures)]
    points = policy.stability.grid_points
    if not holding:
        return [
            f"By the figures of the day, nothing keeps it in {AT_RISK}. It leaves once that has held on {points} "
            "Mondays in a row."
        ]
    reasons = "; ".join(f"{_why(rule, measures)}" for rule in holding)
    return [f"It leaves {AT_RISK} once this no longer holds on {points} Mondays in a row: {reasons}."]


def _measures(rows: Mapping[str, Row]) -> dict[str, float | None]:
    profile, behavior = rows.get("account_profiles", {}), rows.get("behavioral_scores", {})
    return {
        "active_users": profile.get("active_users_28d"),
        "prior_active_users": profile.get("active_users_prior_28d"),
        "prior_events_without_users": (
            profile.get("events_prior_28d") if profile.get("active_users_prior_28d") is None else None
        ),
        "users_trend_net": profile.get("users_trend_net"),
        "events_trend_net": profile.get("events_trend_net"),
        "seat_activity": rows["segment_inputs"]["seat_activity"],
        "score": behavior.get("behavioral_score", rows["segments"]["behavioral_score"]),
    }


def _holds(rule: CohortRule, measures: Mapping[str, float | None]) -> bool:
    """Whether the rule holds for an account that is in its cohort already."""
    return all(_meets(condition.for_members, measures[condition.measure]) for condition in rule.all_of)


def _meets(condition: BehavioralCondition, value: float | None) -> bool:
    if value is None:
        return condition.is_known is False
    return (
        (condition.at_least is None or value >= condition.at_least)
        and (condition.above is None or value > condition.above)
        and (condition.at_most is None or value <= condition.at_most)
        and (condition.below is None or value < condition.below)
        and condition.is_known is not False
    )


def _why(rule: CohortRule, measures: Mapping[str, float | None]) -> str:
    """The upper bounds of the rule, each with the account's value and the bound at which it leaves."""
    reasons = []
    for condition in (each.for_members for each in rule.all_of):
        bound = condition.below if condition.below is not None else condition.at_most
        value = measures[condition.measure]
        if bound is not None and value is not None:
            show = _form(condition.measure)
            reach = "from" if condition.below is not None else "above"
            reasons.append(f"{_WORDS[condition.measure]} {show(value)} (leaves {reach} {show(bound)})")
    return " and ".join(reasons) or rule.name.replace("_", " ")


# -- words


def _reaches(value: float | None, bound: float) -> bool:
    return value is not None and value >= bound


def _gap(name: str, value: float | None, bound: float, show: Any = None) -> str:
    """A lower bound, and how much the value lacks."""
    form = show or _score
    if value is None:
        return f"{name} {form(bound)} (it is not known)"
    if value >= bound:
        return f"{name} {form(bound)} (it has {form(value)})"
    return f"{name} {form(bound)} (it has {form(value)} and lacks {form(bound - value)})"


def _form(measure: str) -> Any:
    return _share if measure in _SHARES else _score if measure == "score" else _money


def _money(value: float) -> str:
    return f"{value:,.0f}"


def _score(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _share(value: float) -> str:
    return f"{value:.1%}".replace(".0%", "%").replace("-", "\N{MINUS SIGN}")
