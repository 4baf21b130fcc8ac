"""What would move an account up: the nearest thresholds of the policy, and how far away they are.

Here: sentences from the published row of an account and the policy. Not here: reading the rows (`explanations`), or
deciding tiers and segments (`segments`): a sentence names a rule and what is lacking, it never foretells a move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.scores import BehavioralCondition, CohortRule
from segmentation_assets.policy.segments import AT_RISK, TIERS, MatrixRow, TierPolicy

Row = Mapping[str, Any]

_STRATEGIC, _GROWTH, _CORE, _LONG_TAIL = TIERS
_CUTS = (("Silver", "cut_silver"), ("Gold", "cut_gold"), ("Platinum", "cut_platinum"))
_SHARES = ("seat_activity", "users_trend_net", "events_trend_net")
_WORDS = {
    "active_users": "active users of 28 days", "prior_active_users": "active users of the 28 days before",
    "seat_activity": "seat activity", "users_trend_net": "users' trend net of the company's",
    "events_trend_net": "events' trend net of the company's", "score": "behavioral score",
}  # fmt: skip


def ways_up(rows: Mapping[str, Row], policy: Policy) -> tuple[str, ...]:
    """Sentences on the coverage tier, the value tier and the segment above. `rows` are the account's, by table.

    Needs `segments` and `segment_candidates`; what a missing score table would add is left out.
    """
    return (*_tier_ways(rows, policy), *_value_way(rows), *_segment_ways(rows, policy))


# -- the coverage tier


def _tier_ways(rows: Mapping[str, Row], policy: Policy) -> list[str]:
    segment, candidate, tier = rows["segments"], rows["segment_candidates"], policy.tier
    now = segment["coverage_tier"]
    if now == _STRATEGIC:
        return [f"{_STRATEGIC} is the highest coverage tier."]
    if now == _LONG_TAIL:
        return [_core_way(candidate, tier)]
    found = [_growth_way(rows, tier)] if now == _CORE else []
    cut = candidate["strategic_cut"]
    if now == _GROWTH or (cut is not None and candidate["arr"] >= cut):
        found.append(_strategic_way(candidate, tier))
    return found


def _core_way(candidate: Row, tier: TierPolicy) -> str:
    arr = _gap("ARR", candidate["arr"], tier.long_tail_below_arr, _money)
    expansion = _gap("the expansion score", candidate["expansion_score"], tier.long_tail_below_expansion_score)
    return f"Tier {_CORE} asks for one of two: {arr}; {expansion}."


def _growth_way(rows: Mapping[str, Row], tier: TierPolicy) -> str:
    segment, candidate = rows["segments"], rows["segment_candidates"]
    lookalike = rows.get("expansion_scores", {}).get("lookalike")
    tests = [
        ("ARR", candidate["arr"], tier.growth_min_arr, _money),
        ("the behavioral score", segment["behavioral_score"], tier.growth_min_behavioral_score, _score),
        ("health", segment["health_score"], tier.growth_min_health_score, _score),
    ]
    met = [f"{name} {show(value)}" for name, value, bound, show in tests if _reaches(value, bound)]
    lacking = [_gap(name, value, bound, show) for name, value, bound, show in tests if not _reaches(value, bound)]
    expansion = candidate["expansion_score"]
    if candidate["growth_evidence"] == "present":
        met.append("signs of expansion")
    else:
        lacking.append(
            "a sign of expansion: "
            + _gap("its score", expansion, tier.growth_min_expansion_score)
            + ", or "
            + _gap("the share of similar accounts that expanded", lookalike, tier.growth_min_lookalike, _share)
        )
    return _asks(f"Tier {_GROWTH}", met, lacking)


def _strategic_way(candidate: Row, tier: TierPolicy) -> str:
    arr, cut, top = candidate["arr"], candidate["strategic_cut"], candidate["top_cut"]
    if cut is None:
        return f"Tier {_STRATEGIC} cannot be reached yet: the cut of the largest accounts is not known."
    sign = candidate["strategic_evidence"]
    signs = (
        "several products or regions, an expansion score from "
        f"{tier.strategic_min_expansion_score:g}, being a reference, or strategic influence"
    )
    met, lacking = [], []
    (met if arr >= cut else lacking).append(_gap("ARR", arr, cut, _money))
    if sign:
        met.append(f"a sign beyond ARR ({sign.replace('_', ' ')})")
    else:
        alone = f", or ARR from {_money(top)} alone ({_money(top - arr)} short)" if top and arr < top else ""
        lacking.append(f"a sign beyond ARR: {signs}{alone}")
    return _asks(f"Tier {_STRATEGIC}", met, lacking)


def _asks(what: str, met: Sequence[str], lacking: Sequence[str]) -> str:
    if not lacking:
        return f"{what} asks for nothing more; a move counts once it has held on the weekly grid."
    have = f" Met: {'; '.join(met)}." if met else ""
    return f"{what} still asks for {'; '.join(lacking)}.{have}"


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
    return [f"Value tier {name} asks for {gap} (value is ARR × NRR less cost to serve)."]


# -- the segment


def _segment_ways(rows: Mapping[str, Row], policy: Policy) -> list[str]:
    segment = rows["segments"]["segment"]
    order: list[str] = list(policy.segment_moves.segment_order)
    if segment == AT_RISK:
        return _out_of_risk(rows, policy)
    if segment == order[0]:
        return [f"{segment} is the highest segment."]
    target = order[order.index(segment) - 1]
    row = next(row for row in policy.segment_matrix.rows if row.segment == target)
    lacking = _lacking(row, rows, policy)
    if not lacking:
        return [f"Segment {target}: all conditions of its row are met; a move counts once that has held."]
    return [f"Segment {target} is sure once its row is met in full, and may come before as the nearest one. Lacking: "
            f"{'; '.join(lacking)}."]  # fmt: skip


def _lacking(row: MatrixRow, rows: Mapping[str, Row], policy: Policy) -> list[str]:
    candidate = rows["segment_candidates"]
    tests = (
        ("size class", candidate["size_class"], row.size_classes),
        ("behavioral cohort", candidate["behavioral_cohort"], row.cohorts),
        ("value tier", candidate["value_tier"], row.value_tiers),
        ("needs profile", candidate["needs_profile"], row.needs_profiles),
    )
    found = []
    for name, value, wanted in tests:
        if value not in wanted:
            how = _cohort_gap(wanted, rows, policy) if name == "behavioral cohort" else ""
            found.append(f"{name} {' or '.join(wanted)} (is {value or 'unknown'}{how})")
    if row.min_expansion_score is not None and not candidate["may_expand"]:
        found.append(_gap("the expansion score", candidate["expansion_score"], row.min_expansion_score))
    return found


def _cohort_gap(wanted: Sequence[str], rows: Mapping[str, Row], policy: Policy) -> str:
    """How far a cohort that has one rule of lower bounds is away."""
    measures = _measures(rows)
    for cohort in policy.behavioral.cohorts:
        if cohort.name not in wanted or len(cohort.any_of) != 1:
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
    """Which rules of the cohorts in trouble hold: none of them may."""
    measures = _measures(rows)
    trouble = [c for c in policy.behavioral.cohorts if c.name in policy.segment_matrix.at_risk.cohorts]
    holding = [rule for cohort in trouble for rule in cohort.any_of if _holds(rule, measures)]
    points = policy.stability.grid_points
    if not holding:
        return [
            f"Out of {AT_RISK}: by the figures of the day none of its rules holds; it leaves once that has held on "
            f"{points} Mondays in a row."
        ]
    told = "; ".join(f"{_why(rule, measures)}" for rule in holding)
    return [f"Out of {AT_RISK} once none of this holds, on {points} Mondays in a row: {told}."]


def _measures(rows: Mapping[str, Row]) -> dict[str, float | None]:
    profile, behavior = rows.get("account_profiles", {}), rows.get("behavioral_scores", {})
    return {
        "active_users": profile.get("active_users_28d"),
        "prior_active_users": profile.get("active_users_prior_28d"),
        "users_trend_net": profile.get("users_trend_net"),
        "events_trend_net": profile.get("events_trend_net"),
        "seat_activity": rows["segment_candidates"]["seat_activity"],
        "score": behavior.get("behavioral_score", rows["segments"]["behavioral_score"]),
    }


def _holds(rule: CohortRule, measures: Mapping[str, float | None]) -> bool:
    return all(_meets(condition, measures[condition.measure]) for condition in rule.all_of)


def _meets(condition: BehavioralCondition, value: float | None) -> bool:
    if value is None:
        return condition.known is False
    return (
        (condition.at_least is None or value >= condition.at_least)
        and (condition.above is None or value > condition.above)
        and (condition.at_most is None or value <= condition.at_most)
        and (condition.below is None or value < condition.below)
        and condition.known is not False
    )


def _why(rule: CohortRule, measures: Mapping[str, float | None]) -> str:
    """The conditions that can be grown out of: upper bounds, with the value and the bound."""
    told = []
    for condition in rule.all_of:
        bound = condition.below if condition.below is not None else condition.at_most
        value = measures[condition.measure]
        if bound is not None and value is not None:
            show = _form(condition.measure)
            reach = "from" if condition.below is not None else "above"
            told.append(f"{_WORDS[condition.measure]} {show(value)} (leaves {reach} {show(bound)})")
    return " and ".join(told) or rule.name.replace("_", " ")


# -- words


def _reaches(value: float | None, bound: float) -> bool:
    return value is not None and value >= bound


def _gap(name: str, value: float | None, bound: float, show: Any = None) -> str:
    """A value against a lower bound: how much is lacking, if anything is."""
    form = show or _score
    if value is None:
        return f"{name} from {form(bound)} (unknown)"
    if value >= bound:
        return f"{name} {form(value)} (from {form(bound)})"
    return f"{name} {form(value)}: {form(bound - value)} short of {form(bound)}"


def _form(measure: str) -> Any:
    return _share if measure in _SHARES else _score if measure == "score" else _money


def _money(value: float) -> str:
    return f"{value:,.0f}"


def _score(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _share(value: float) -> str:
    return f"{value:.1%}".replace(".0%", "%").replace("-", "\N{MINUS SIGN}")
