"""Why an account has its segment and tier: the evidence, from the rule that decided down to raw figures.

Here: gathering everything that is published about one account, and rules in words. Not here: computing any of it
(`segments`, `scores`, `profiles`), or printing it (`cli.printing.explanation`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.segments import AT_RISK, TIER_RULES, TIERS, TOP_ARR, UNKNOWN, Conditions
from segmentation_assets.reading.access import ALL, Days, NotPublished, find_table, newest_whole_day, open_tables
from segmentation_assets.reading.explanations.changes import changes, key_of, parts_by_move, why_moved, why_recorded
from segmentation_assets.reading.explanations.ways_up import ways_up
from segmentation_assets.reading.figures import NAMES, exact, in_currency
from segmentation_assets.reasons import Refusal
from segmentation_assets.tables.quarters import quarter_start

Row = Mapping[str, Any]

_REQUIRED = ("segments", "segment_inputs")
_OPTIONAL = (
    "account_profiles", "behavioral_scores", "expansion_scores", "score_contributions", "segment_states",
    "value_scores",
)  # fmt: skip
_COMPARED = ("segments", "score_contributions")
_MOVES = ("segment_moves", "segment_move_parts")
TABLES = (*_REQUIRED, *_OPTIONAL, *_MOVES)
"""The tables that explanations read. `segments` and `segment_inputs` are required."""
_CLOSE = 5
_START = "start"  # the move rule of a state that is older than the look-back

# Scores in the order in which the segment's rules read them; others follow.
SCORES = (
    "composite_score", "firmographic_score", "technographic_score", "behavioral_score", "value_score", "value",
    "needs_score", "expansion_score", "health_score", "product_health", "relationship_health", "outcome_health",
    "financial_health", "churn_risk",
)  # fmt: skip

FIGURES: Mapping[str, tuple[str, ...]] = {
    "revenue": (
        "arr", "arr_12m_ago", "nrr_12m", "seats", "products", "regions", "tenure_days", "renewal_on",
        "days_to_renewal", "overdue_days", "invoices_late_12m",
    ),
    "usage": (
        "usage_through", "active_users_28d", "active_users_prior_28d", "mau_seat_share", "users_trend_net",
        "events_trend_net", "features_used", "feature_breadth_share", "consistency", "top_user_share",
        "new_champions",
    ),
    "relationship": (
        "tickets_90d", "csat", "sentiment", "open_escalations", "nps", "responsiveness", "days_since_last_touch",
        "meetings_90d", "goals_due", "goals_met_share",
    ),
    "cost": ("cost_to_serve", "cost_share_of_arr", "gross_margin"),
    "company": (
        "employees", "annual_revenue", "industry", "country", "business_model", "funding_stage", "primary_use_case",
        "complementary_tools", "competitor_tools",
    ),
}  # fmt: skip


TREATMENT = (
    "micro_segment", "micro_segment_reason", "coverage_override", "tier_conflict", "go_to_market", "pricing_model",
    "message_track", "territory", "overlay", "lifecycle_stage", "churn_risk",
)  # fmt: skip


class UnknownAccount(Refusal, LookupError):
    """No live account has this id or name on that day. The message lists similar names."""


@dataclass(frozen=True)
class TypicalCondition:
    """One condition of a segment's typical account: the account's value, and the values that meet it."""

    dimension: str
    value: str | None
    needed: str | None
    meets: bool | None


@dataclass(frozen=True)
class Contribution:
    """One part of a score: its input (a figure or a word), its weight, and its points."""

    part: str
    raw: Any
    weight: float | None
    points: float


@dataclass(frozen=True)
class Score:
    """A score and the parts that sum to it (churn_risk: to its log-odds)."""

    name: str
    total: float
    parts: tuple[Contribution, ...]


@dataclass(frozen=True)
class Explanation:
    """The explanation of one account on one day. Reasons, ways up and changes are plain sentences."""

    account_id: str
    account_name: str | None
    as_of: date
    segment: str
    coverage_tier: str
    segment_reasons: tuple[str, ...]
    conditions: tuple[TypicalCondition, ...]
    tier_reasons: tuple[str, ...]
    treatment: Mapping[str, Any]
    ways_up: tuple[str, ...] = ()
    compared_with: date | None = None
    """The day that `changes` compares with; None: there is none."""
    changes: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    moves: tuple[Row, ...] = ()
    figures: Mapping[str, Row] = field(default_factory=dict)


def explain(
    account: str, as_of: date | str | None = None, *, home: Path | str | None = None, policy: Policy
) -> Explanation:
    """Explain an account, by id or name, on one day (by default the latest).

    Raises UnknownAccount, and NotPublished if segments have not been made for the day.
    """
    published = find_table("segments", home)
    day = newest_whole_day("segments", TABLES, home) if as_of is None else published.day_of(as_of)
    before = day_before(day, home)
    tables: dict[str, Days] = dict.fromkeys(_REQUIRED, day)
    tables |= {name: day for name in _OPTIONAL if _is_published(name, day, home)}
    if before and "score_contributions" in tables and _is_published("score_contributions", before, home):
        tables["score_contributions"] = (before, day)
    tables["segments"] = ALL  # for earlier segments and tiers
    tables |= {name: ALL for name in _MOVES if _is_published(name, None, home)}
    with open_tables(tables, home) as connection, in_currency(policy.company.reporting_currency):
        account_id = _resolve(connection, account, day)
        for explanation in explanations(connection, frozenset(tables), day, before, policy, account_id):
            return explanation
    raise UnknownAccount(f"segment_inputs has no row of {account_id} on {day}: run that day again")


def day_before(day: date, home: Path | str | None = None) -> date | None:
    """The last day before this one for which the chain was run; None: there is none.

    These are the days of `segment_mix`. `segments` has more days, because other tables look back at it.
    """
    try:
        days = find_table("segment_mix", home).days
    except NotPublished:
        return None
    return max((each for each in days if each < day), default=None)


def explanations(
    connection: duckdb.DuckDBPyConnection, tables: Collection[str], day: date, before: date | None, policy: Policy,
    account_id: str | None = None,
) -> Iterator[Explanation]:  # fmt: skip
    """Explain one account, or all live accounts in the order of their ids, from views that cover `day` and `before`.

    `tables` are those of TABLES that have a view.
    """
    tables_by_account = {
        name: _by_account(connection, name, None if name in _MOVES else day, account_id) for name in tables
    }
    unrecorded = _observed_moves(connection, day, account_id, policy)
    old = {
        name: _by_account(connection, name, before, account_id) if before and name in tables else {}
        for name in _COMPARED
    }
    for each in sorted(tables_by_account["segments"].keys() & tables_by_account["segment_inputs"].keys()):
        rows = {name: by_account.get(each, []) for name, by_account in tables_by_account.items()}
        explanation = _explanation(day, rows | {"observed": unrecorded.get(each, [])}, policy)
        yield replace(explanation, **_changes(before, rows, {name: old[name].get(each, []) for name in old}, policy))


def _changes(before: date | None, rows: Mapping[str, list[Row]], old: Mapping[str, list[Row]], policy: Policy) -> Any:
    if before is None:
        return {}
    sentences = changes(
        rows["segments"][0],
        next(iter(old["segments"]), None),
        rows.get("score_contributions", []),
        old["score_contributions"],
        before,
        policy.segment_moves.min_points,
        policy.churn.horizon_days,
    )
    return {"compared_with": before, "changes": sentences}


def _is_published(name: str, day: date | None, home: Path | str | None) -> bool:
    try:
        return bool(find_table(name, home).of(day))
    except NotPublished:
        return False


def _resolve(connection: duckdb.DuckDBPyConnection, account: str, day: date) -> str:
    accounts = connection.execute(
        "SELECT account_id, account_name FROM segments WHERE as_of = ? ORDER BY account_id", [day]
    ).fetchall()
    if any(account == i for i, _ in accounts):
        return account
    text = account.strip().casefold()
    matches = [i for i, n in accounts if text in (i.casefold(), (n or "").casefold())]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownAccount(f"{len(matches)} accounts are called {account!r}: {', '.join(matches[:_CLOSE])}")
    raise UnknownAccount(f"no live account {account!r} on {day}{_similar(text, accounts)}")


def _similar(text: str, accounts: Sequence[tuple[str, str | None]]) -> str:
    names = {(n or i).casefold(): (i, n) for i, n in accounts} | {i.casefold(): (i, n) for i, n in accounts}
    close = [name for name in names if text and text in name]
    close += difflib.get_close_matches(text, names, n=_CLOSE, cutoff=0.5)
    choices = dict.fromkeys(f"{i} ({n})" if n else i for i, n in (names[name] for name in close))
    return f"; similar: {', '.join(list(choices)[:_CLOSE])}" if choices else ""


def _by_account(
    connection: duckdb.DuckDBPyConnection, table: str, day: date | None, account_id: str | None
) -> dict[str, list[Row]]:
    """Rows of a table by account. `day` and `account_id` limit them; None: all."""
    tests = {name: value for name, value in (("as_of", day), ("account_id", account_id)) if value is not None}
    where = " AND ".join(f"{name} = ?" for name in tests) or "true"
    result = connection.execute(f'SELECT * FROM "{table}" WHERE {where}', list(tests.values()))
    names = [column[0] for column in result.description or ()]
    rows_of: dict[str, list[Row]] = {}
    for values in result.fetchall():
        row = dict(zip(names, values, strict=True))
        rows_of.setdefault(row["account_id"], []).append(row)
    return rows_of


def _explanation(day: date, rows: Mapping[str, list[Row]], policy: Policy) -> Explanation:
    segment, inputs = rows["segments"][0], rows["segment_inputs"][0]
    state = (rows.get("segment_states") or [{}])[0]
    profile = (rows.get("account_profiles") or [{}])[0]
    return Explanation(
        account_id=segment["account_id"],
        account_name=segment["account_name"],
        as_of=day,
        segment=segment["segment"],
        coverage_tier=segment["coverage_tier"],
        segment_reasons=tuple(_segment_reasons(segment, inputs, state, profile, policy)),
        conditions=tuple(_conditions(segment, inputs, state, policy)),
        tier_reasons=tuple(_tier_reasons(segment, inputs, state, policy)),
        treatment={name: segment.get(name) for name in TREATMENT},
        ways_up=ways_up({name: each[0] for name, each in rows.items() if each}, policy),
        scores=_scores(rows.get("score_contributions", [])),
        moves=tuple(
            sorted(
                _moves(day, *(rows.get(name, []) for name in (*_MOVES, "observed"))),
                key=lambda move: move["effective_on"],
                reverse=True,
            )
        ),
        figures=_figures(profile),
    )


# -- rules in words


def _segment_reasons(segment: Row, inputs: Row, state: Row, profile: Row, policy: Policy) -> list[str]:
    reasons = [
        f"In {segment['segment']} since {_since('segment', segment, state)}, by rule {segment['rule_id']}: "
        f"{rule_in_words(segment['rule_id'], segment['segment'], policy)}.",
        f"It meets {segment['archetype_fit']} of the 4 conditions of the typical {segment['segment']} account.",
    ]
    if segment["is_pending"]:
        candidate = f"{segment['candidate_segment']} ({segment['candidate_rule_id']})"
        reasons.append(_pending("segment", candidate, segment, state, policy))
    if inputs["risk_waits"]:
        lag = f"{inputs['usage_lag_days']} days behind"
        if profile.get("is_feed_late"):
            lag += " for this account alone: its feed stopped while that of others goes on"
        reasons.append(f"Usage is {lag}, so moves into At-Risk wait.")
    return reasons


def _since(kind: str, segment: Row, state: Row) -> str:
    """The first day in its segment or tier. It may be earlier if it is the first day of the look-back."""
    return f"{segment[f'{kind}_since']}{' or earlier' if state.get(f'{kind}_move_rule') == _START else ''}"


def _pending(kind: str, candidate: str, segment: Row, state: Row, policy: Policy) -> str:
    mondays = state.get(f"candidate_{kind}_points")
    so_far = f" ({mondays} so far)" if mondays else ""
    stay = policy.stability.min_stay_weeks
    earliest = segment[f"{kind}_since"] + timedelta(weeks=stay)
    waits = kind == "segment" and state.get("segment_move_rule") != _START and segment["segment"] != AT_RISK
    wait = (
        f", and not before {earliest}, {stay} weeks after the last move"
        if waits and earliest > segment["as_of"]
        else ""
    )
    return (
        f"By the figures of {segment['as_of']} it would be {candidate}. It moves once that has held on "
        f"{policy.stability.grid_points} Mondays in a row{so_far}{wait}."
    )


def rule_in_words(rule_id: str, segment: str, policy: Policy) -> str:
    """The conditions of a segment rule, as a clause."""
    rules = policy.segment_rules
    rule = next((r for r in rules.rules if r.id == rule_id and r.segment == segment), None)
    if rule is None:
        return "a rule of an earlier policy"
    clauses = [f"{name} {_one_of(words)}" for name, words in _conditions_named(rule)]
    if rule.expansion is not None:
        band = rules.high_expansion
        clauses.append(
            f"expansion score {_one_of(rule.expansion)} (high: enters at {band.enter:g}, leaves below {band.leave:g})"
        )
    if rule.worth_saving:
        worth = rules.worth_saving
        clauses.append(
            f"worth saving (value tier {_one_of(worth.value_tiers)}, or percentile of lifetime value: enters at "
            f"{worth.clv_percentile.enter:g}, leaves below {worth.clv_percentile.leave:g})"
        )
    if rule.barely_used:
        band = rules.barely_used
        clauses.append(f"barely used (seat activity below {band.enter:.0%}, until it reaches {band.leave:.0%})")
    if rule.dimensions_at_most is not None:
        clauses.insert(
            0, f"at most {rule.dimensions_at_most} of size class, usage cohort, value tier and needs profile is known"
        )
    return ", ".join(clauses) or "no rule before it holds"


def _conditions_named(part: Conditions) -> list[tuple[str, Sequence[str]]]:
    conditions = (
        ("size class", part.size_classes), ("usage cohort", part.cohorts), ("value tier", part.value_tiers),
        ("needs profile", part.needs_profiles),
    )  # fmt: skip
    return [(name, words) for name, words in conditions if words is not None]


def _one_of(words: Sequence[str]) -> str:
    return " or ".join(words)


def _conditions(segment: Row, inputs: Row, state: Row, policy: Policy) -> list[TypicalCondition]:
    """The conditions of the segment's typical account, and whether this account meets them."""
    typical = policy.segment_rules.archetypes[segment["segment"]]
    values = {
        "size class": segment["size_class"], "usage cohort": segment["behavioral_cohort"],
        "value tier": segment["value_tier"], "needs profile": segment["needs_profile"],
    }  # fmt: skip
    conditions = [_condition(name, values[name], words) for name, words in _conditions_named(typical)]
    if typical.or_barely_used:
        activity, band = inputs["seat_activity"], policy.segment_rules.barely_used
        shown = None if activity is None else f"{activity:.0%}"
        meets = state.get("is_barely_used")
        conditions.append(TypicalCondition("or seat activity", shown, f"below {band.enter:.0%}", meets))
    if typical.expansion is not None:
        score = inputs["expansion_score"]
        shown = None if score is None else f"{score:.1f}"
        meets = (state.get("expansion_level") or UNKNOWN) in typical.expansion
        bound = f"{policy.segment_rules.high_expansion.enter:g} or more"
        conditions.append(TypicalCondition("expansion score", shown, bound, meets))
    if typical.worth_saving is not None:
        rank = inputs["clv_percentile"]
        shown = None if rank is None else f"{rank:.0f} of 100"
        conditions.append(
            TypicalCondition("lifetime value, ranked", shown, "worth saving", state.get("is_worth_saving"))
        )
    return conditions


def _condition(dimension: str, value: str | None, needed: Sequence[str]) -> TypicalCondition:
    is_met = None if value is None else value in needed
    return TypicalCondition(
        dimension, value and NAMES.get(value, value), " or ".join(NAMES.get(w, w) for w in needed), is_met
    )


_SIGNS: Mapping[str, str] = {
    "multi_product": "it has several products",
    "multi_region": "it is in several regions",
    "expansion_score": "its expansion score is high enough",
    "reference": "it is a reference",
    "strategic_influence": "it has strategic influence",
}


def _tier_reasons(segment: Row, inputs: Row, state: Row, policy: Policy) -> list[str]:
    tier, rule = segment["coverage_tier"], segment["tier_rule_id"]
    reasons = [
        f"In tier {tier} ({segment['kind_of_care']}) since {_since('tier', segment, state)}, by rule {rule}.",
        _tier_rule(rule, inputs, policy),
        _tier_traits(segment),
    ]
    if segment["tier_conflict"]:
        reasons.append(_conflict(segment, policy))
    if segment["is_tier_pending"]:
        reasons.append(_pending("tier", segment["candidate_tier"], segment, state, policy))
    return reasons


def _tier_traits(segment: Row) -> str:
    """How typical of its tier the account is."""
    lacks = segment["tier_traits_lacking"].replace("_", " ")
    unlike = f"; not {lacks.replace(', ', ', not ')}" if lacks else ""
    counts = f"{segment['tier_traits_shown']} of the {segment['tier_traits_known']} known traits"
    return f"It shows {counts} of the typical {segment['coverage_tier']} account{unlike}."


def _conflict(segment: Row, policy: Policy) -> str:
    """Segment and tier call for different care: which one counts."""
    labels = policy.treatment.care_labels
    agreeing = policy.treatment.segments[segment["segment"]].agrees_with
    calls = f"Segment {segment['segment']} calls for {_one_of([labels[tier] for tier in agreeing])} care"
    if segment["tier_conflict"] == "tier_gives_more":
        return f"{calls}; its tier gives more, {segment['kind_of_care']}, because of its ARR and expansion."
    if segment["segment"] == AT_RISK:
        return f"{calls}; its tier is {segment['kind_of_care']}. The intervention is due all the same."
    return (
        f"{calls}; its tier gives less, {segment['kind_of_care']}. The tier decides the hours, so plays that need "
        "more care are due only with an override or in At-Risk."
    )


def _tier_rule(rule_id: str, inputs: Row, policy: Policy) -> str:
    rule = next((rule for rule in TIER_RULES if rule.id == rule_id), None)
    arr, cut, top, tier = exact(inputs["arr"]), inputs["strategic_cut"], inputs["top_cut"], policy.tier
    if rule is None:
        return f"ARR {arr}. A rule of an earlier version decided."
    if rule.tier == "Strategic":
        stays = " It is below the entry, but still within the exit band." if rule.is_kept else ""
        if rule.evidence == TOP_ARR:
            return f"ARR {arr}; the largest {tier.top_share:.0%} of accounts begin at {exact(top)}.{stays}"
        return (
            f"ARR {arr}; the largest {tier.strategic_share:.0%} of accounts begin at {exact(cut)}. And "
            f"{_SIGNS[str(rule.evidence)]}.{stays}"
        )
    if rule.tier == "Growth":
        facts = f"ARR {arr}; the tier begins at {exact(tier.growth_min_arr)}. {_expansion(inputs, policy)}"
        if rule.is_kept:
            return f"{facts} It stays: an account leaves Growth only because of ARR or expansion."
        return f"{facts} Usage and health are high enough to enter."
    if rule.tier == "Long-Tail":
        return f"ARR {arr} is below {exact(tier.long_tail_below_arr)}, and the expansion score is low."
    if rule.is_kept:
        return (
            f"ARR {arr} is below {exact(tier.long_tail_below_arr)}, but ARR or expansion is still within the exit "
            "band: it stays in Core."
        )
    return f"No rule of Strategic, Growth or Long-Tail holds at ARR {arr}."


def _expansion(inputs: Row, policy: Policy) -> str:
    """The signs of expansion, with the bounds of Growth."""
    score, alike, tier = inputs["expansion_score"], inputs["lookalike"], policy.tier
    parts = [
        "Expansion score not known" if score is None else
        f"Expansion score {score:.1f} (enters at {tier.growth_expansion_score.enter:g})",
        "similar accounts not known" if alike is None else
        f"{alike:.1%} of similar accounts expanded (enters at {tier.growth_lookalike.enter:.0%})",
    ]  # fmt: skip
    return "; ".join(parts) + "."


# -- figures


def _scores(rows: Sequence[Row]) -> tuple[Score, ...]:
    names = dict.fromkeys([*SCORES, *(row["score"] for row in rows)])
    by_score = {name: [row for row in rows if row["score"] == name] for name in names}
    return tuple(
        Score(name, sum(row["points"] for row in parts), tuple(_parts(parts)))
        for name, parts in by_score.items()
        if parts
    )


def _parts(rows: Sequence[Row]) -> list[Contribution]:
    ordered = sorted(rows, key=lambda row: (-abs(row["points"]), row["part"]))
    return [
        Contribution(r["part"], r["raw_number"] if r["raw_text"] is None else r["raw_text"], r["weight"], r["points"])
        for r in ordered
    ]


_OBSERVED = """
SELECT * EXCLUDE (previous) RENAME (as_of AS day), previous.as_of AS old_day, previous.segment AS old_segment,
  previous.coverage_tier AS old_tier
FROM (
  SELECT account_id, as_of, segment, coverage_tier, segment_since, tier_since, segment_move_rule, tier_move_rule,
    segment_cause_text, tier_cause_text,
    lag({'as_of': as_of, 'segment': segment, 'coverage_tier': coverage_tier}) OVER days AS previous
  FROM segments WHERE as_of <= ? AND (? IS NULL OR account_id = ?)
  WINDOW days AS (PARTITION BY account_id ORDER BY as_of)
) WHERE previous IS NOT NULL AND (segment <> previous.segment OR coverage_tier <> previous.coverage_tier)
"""


def _observed_moves(
    connection: duckdb.DuckDBPyConnection, day: date, account_id: str | None, policy: Policy
) -> dict[str, list[Row]]:
    """Moves between two published days, by account, whether or not a run recorded them."""
    result = connection.execute(_OBSERVED, [day, account_id, account_id])
    names = [column[0] for column in result.description or ()]
    moves_of: dict[str, list[Row]] = {}
    for values in result.fetchall():
        row = dict(zip(names, values, strict=True))
        now, old = row | {"as_of": row["day"]}, {"as_of": row["old_day"]}
        for kind, before, after in (
            ("segment", row["old_segment"], row["segment"]),
            ("tier", row["old_tier"], row["coverage_tier"]),
        ):
            if before == after:
                continue
            since = row[f"{kind}_since"]
            on = (
                since
                if since > row["old_day"]
                else max(quarter_start(row["day"]), row["old_day"] + timedelta(days=1))
            )
            moves_of.setdefault(row["account_id"], []).append(
                {
                    "effective_on": on,
                    "kind": kind,
                    "moved_from": before,
                    "moved_to": after,
                    "direction": direction_of(kind, before, after, policy),
                    "move_rule": row[f"{kind}_move_rule"],
                    "cause_text": why_moved(kind, old, now),
                    "between": (row["old_day"], row["day"]),
                }
            )
    return moves_of


def direction_of(kind: str, before: str, after: str, policy: Policy) -> str:
    """up, down, into_risk or out_of_risk, as in `segment_moves`. `kind` is segment or tier."""
    if kind == "segment" and AT_RISK in (before, after):
        return "into_risk" if after == AT_RISK else "out_of_risk"
    order: Sequence[str] = policy.segment_moves.segment_order if kind == "segment" else TIERS
    return "up" if order.index(after) < order.index(before) else "down"


def _moves(day: date, rows: Sequence[Row], parts: Sequence[Row], observed: Sequence[Row]) -> list[Row]:
    """Moves up to the day, the newest first, each once, even if several days report it.

    An observed move is left out if a run recorded a move of the same kind between the same days.
    """
    columns = ("effective_on", "kind", "moved_from", "moved_to", "direction", "move_rule", "cause_text")
    changed = parts_by_move(parts)
    moves = {
        (row["kind"], row["effective_on"], row["moved_to"]): {name: row.get(name) for name in columns}
        | {"cause_text": why_recorded(row, changed.get(key_of(row), ()))}
        for row in sorted(rows, key=lambda row: row["as_of"])
        if row["as_of"] <= day
    }
    for move in observed:
        after, until = move["between"]
        recorded = any(k == move["kind"] and after < on <= until for k, on, _ in moves)
        if not recorded:
            key = (move["kind"], move["effective_on"], move["moved_to"])
            moves[key] = {name: move[name] for name in columns}
    return sorted(moves.values(), key=lambda move: move["effective_on"], reverse=True)


def _figures(profile: Row) -> Mapping[str, Row]:
    figures = {topic: {name: profile[name] for name in names if name in profile} for topic, names in FIGURES.items()}
    return {topic: row for topic, row in figures.items() if any(value is not None for value in row.values())}
