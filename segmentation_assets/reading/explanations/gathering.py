"""Why an account has its segment and tier: the evidence, from the rule that decided down to raw figures.

Here: gathering what is published about one account, and saying the rules in words. Not here: computing any of it
(`segments`, `scores`, `profiles`), or how a terminal shows it (`terminal.explain`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from segmentation_assets.policy.model import Policy
from segmentation_assets.policy.segments import AT_RISK, TIERS
from segmentation_assets.reading.access import ALL, Days, NotPublished, find_table, newest_whole_day, open_tables
from segmentation_assets.reading.explanations.changes import changes
from segmentation_assets.reading.explanations.ways_up import ways_up
from segmentation_assets.reading.figures import NAMES, exact, in_currency
from segmentation_assets.reasons import Refusal

Row = Mapping[str, Any]

_REQUIRED = ("segments", "segment_candidates")
_OPTIONAL = (
    "account_profiles", "behavioral_scores", "expansion_scores", "score_contributions", "segment_states",
    "value_scores",
)  # fmt: skip
_COMPARED = ("segments", "score_contributions")
TABLES = (*_REQUIRED, *_OPTIONAL, "segment_moves")
"""What explanations are read from; `segments` and `segment_candidates` must be there."""
_CLOSE = 5
_START = "start"  # the move rule of a state that stands since the first day looked at

# Scores in the order that the segment's rule reads them; others follow.
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
    """No live account has this id or name on that day. The message names what comes close."""


@dataclass(frozen=True)
class Condition:
    """One dimension of the segment matrix: the account's value, and the values that its segment's row names."""

    dimension: str
    value: str | None
    wanted: str | None
    meets: bool | None


@dataclass(frozen=True)
class Contribution:
    """One part of a score: the raw figure or word behind it, its weight, and the points it adds."""

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
    """All that is said of one account on one day. Reasons, ways up and changes are plain sentences."""

    account_id: str
    account_name: str | None
    as_of: date
    segment: str
    coverage_tier: str
    segment_reasons: tuple[str, ...]
    conditions: tuple[Condition, ...]
    tier_reasons: tuple[str, ...]
    treatment: Mapping[str, Any]
    ways_up: tuple[str, ...] = ()
    compared_with: date | None = None
    """The snapshot before, that `changes` are told against; None: there is none."""
    changes: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    moves: tuple[Row, ...] = ()
    figures: Mapping[str, Row] = field(default_factory=dict)


def explain(
    account: str, as_of: date | str | None = None, *, home: Path | str | None = None, policy: Policy
) -> Explanation:
    """Gather what is published about an account, named by id or name, on one day (by default the latest).

    Raises UnknownAccount, and NotPublished where segments have not been made for the day.
    """
    published = find_table("segments", home)
    day = newest_whole_day("segments", TABLES, home) if as_of is None else published.day_of(as_of)
    before = day_before(day, home)
    tables: dict[str, Days] = dict.fromkeys(_REQUIRED, day)
    tables |= {name: day for name in _OPTIONAL if _is_published(name, day, home)}
    if before and "score_contributions" in tables and _is_published("score_contributions", before, home):
        tables["score_contributions"] = (before, day)
    tables["segments"] = ALL  # what an account was in before
    if _is_published("segment_moves", None, home):
        tables["segment_moves"] = ALL
    with open_tables(tables, home) as connection, in_currency(policy.company.reporting_currency):
        account_id = _resolve(connection, account, day)
        for explanation in explanations(connection, frozenset(tables), day, before, policy, account_id):
            return explanation
    raise UnknownAccount(f"segment_candidates has no row of {account_id} on {day}: run that day again")


def day_before(day: date, home: Path | str | None = None) -> date | None:
    """The last day before this one that was asked for; None: there is none.

    `segment_mix` is made for no other days; `segments` is made for look-backs too.
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
    """Explain one account, or every live one in the order of their ids, from views that cover `day` and `before`.

    `tables` are those of TABLES that have a view.
    """
    tables_by_account = {
        name: _by_account(connection, name, day, account_id) for name in tables if name != "segment_moves"
    }
    moves = _by_account(connection, "segment_moves", None, account_id) if "segment_moves" in tables else {}
    seen = _seen_moves(connection, day, account_id, policy)
    old = {
        name: _by_account(connection, name, before, account_id) if before and name in tables else {}
        for name in _COMPARED
    }
    for each in sorted(tables_by_account["segments"].keys() & tables_by_account["segment_candidates"].keys()):
        rows = {name: by_account.get(each, []) for name, by_account in tables_by_account.items()}
        explanation = _explanation(
            day, rows | {"segment_moves": moves.get(each, []), "seen": seen.get(each, [])}, policy
        )
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
    wanted = account.strip().casefold()
    matches = [i for i, n in accounts if wanted in (i.casefold(), (n or "").casefold())]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownAccount(f"{len(matches)} accounts are called {account!r}: {', '.join(matches[:_CLOSE])}")
    raise UnknownAccount(f"no live account {account!r} on {day}{_close_to(wanted, accounts)}")


def _close_to(wanted: str, accounts: Sequence[tuple[str, str | None]]) -> str:
    names = {(n or i).casefold(): (i, n) for i, n in accounts} | {i.casefold(): (i, n) for i, n in accounts}
    close = [name for name in names if wanted and wanted in name]
    close += difflib.get_close_matches(wanted, names, n=_CLOSE, cutoff=0.5)
    shown = dict.fromkeys(f"{i} ({n})" if n else i for i, n in (names[name] for name in close))
    return f"; close to it: {', '.join(list(shown)[:_CLOSE])}" if shown else ""


def _by_account(
    connection: duckdb.DuckDBPyConnection, table: str, day: date | None, account_id: str | None
) -> dict[str, list[Row]]:
    """Rows of a table by account: of one day or (None) of all, of one account or (None) of all."""
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
    segment, candidate = rows["segments"][0], rows["segment_candidates"][0]
    state = (rows.get("segment_states") or [{}])[0]
    return Explanation(
        account_id=segment["account_id"],
        account_name=segment["account_name"],
        as_of=day,
        segment=segment["segment"],
        coverage_tier=segment["coverage_tier"],
        segment_reasons=tuple(_segment_reasons(segment, candidate, state, policy)),
        conditions=tuple(_conditions(segment["segment"], candidate, policy)),
        tier_reasons=tuple(_tier_reasons(segment, candidate, state, policy)),
        treatment={name: segment.get(name) for name in TREATMENT},
        ways_up=ways_up({name: each[0] for name, each in rows.items() if each}, policy),
        scores=_scores(rows.get("score_contributions", [])),
        moves=tuple(
            sorted(
                _moves(day, rows.get("segment_moves", []), rows.get("seen", [])),
                key=lambda move: move["effective_on"],
                reverse=True,
            )
        ),
        figures=_figures((rows.get("account_profiles") or [{}])[0]),
    )


# -- rules in words


def _segment_reasons(segment: Row, candidate: Row, state: Row, policy: Policy) -> list[str]:
    sentences = [
        f"In {segment['segment']} since {_since('segment', segment, state)}, by rule {segment['rule_id']}.",
        _segment_rule(segment["rule_id"], candidate, policy),
    ]
    if segment["is_pending"]:
        wanted = f"{segment['candidate_segment']} ({segment['candidate_rule_id']})"
        sentences.append(_pending("segment", wanted, candidate, state, policy))
    if candidate["risk_waits"]:
        sentences.append(f"Usage is {candidate['usage_lag_days']} days behind, so moves into At-Risk wait.")
    return sentences


def _since(kind: str, segment: Row, state: Row) -> str:
    """Since when it is in its segment or tier; at the start of the grid nobody knows how long before."""
    return f"{segment[f'{kind}_since']}{' or longer' if state.get(f'{kind}_move_rule') == _START else ''}"


def _pending(kind: str, wanted: str, candidate: Row, state: Row, policy: Policy) -> str:
    held = state.get(f"candidate_{kind}_points")
    so_far = f" (held on {held} so far)" if held else ""
    return (
        f"By the figures of {candidate['as_of']} alone it would be {wanted}. It moves once that has held on "
        f"{policy.stability.grid_points} Mondays in a row{so_far}."
    )


def _segment_rule(rule_id: str, candidate: Row, policy: Policy) -> str:
    kind, _, rest = rule_id.partition(":")
    if kind == "at_risk":
        rule = policy.segment_matrix.at_risk
        cohort = candidate["behavioral_cohort"]
        worth = f"its value tier is {candidate['value_tier'] or 'unknown'}"
        if candidate["clv_percentile"] is not None:
            rank = candidate["clv_percentile"]
            worth = f"its lifetime value ranks at {rank:.0f} of 100 (from {rule.min_clv_percentile:g} on)"
        return (
            f"Its usage cohort is {NAMES.get(cohort, cohort)}, and it is worth saving: {worth}. This rule comes "
            "before all others."
        )
    if kind == "exact":
        return f"It met every condition of the row {rest}."
    if kind == "nearest":
        row, _, distance = rest.partition(":")
        return (
            f"It met no row exactly; {row} was the nearest, at distance {distance} "
            "(0: every condition met, 1: as far off as can be)."
        )
    return "None of the four dimensions is known, so it is served like the Long-Tail."


def _conditions(segment: str, candidate: Row, policy: Policy) -> list[Condition]:
    row = next((r for r in policy.segment_matrix.rows if r.segment == segment), None)
    if row is None:
        rule = policy.segment_matrix.at_risk
        return [_condition("usage cohort", candidate["behavioral_cohort"], rule.cohorts)]
    conditions = [
        _condition("size class", candidate["size_class"], row.size_classes),
        _condition("usage cohort", candidate["behavioral_cohort"], row.cohorts),
        _condition("value tier", candidate["value_tier"], row.value_tiers),
        _condition("needs profile", candidate["needs_profile"], row.needs_profiles),
    ]
    if row.or_seat_activity_below is not None:
        activity = candidate["seat_activity"]
        shown = None if activity is None else f"{activity:.0%}"
        conditions.append(
            Condition(
                "or seat activity",
                shown,
                f"below {row.or_seat_activity_below:.0%}",
                bool(candidate["is_barely_used"]),
            )
        )
    if row.min_expansion_score is not None:
        score = candidate["expansion_score"]
        shown = None if score is None else f"{score:.1f}"
        conditions.append(
            Condition("expansion score", shown, f"{row.min_expansion_score:g} or more", bool(candidate["may_expand"]))
        )
    return conditions


def _condition(dimension: str, value: str | None, wanted: Sequence[str]) -> Condition:
    is_met = None if value is None else value in wanted
    return Condition(
        dimension, value and NAMES.get(value, value), " or ".join(NAMES.get(w, w) for w in wanted), is_met
    )


_SIGNS: Mapping[str, str] = {
    "multi_product": "it has several products",
    "multi_region": "it is in several regions",
    "expansion_score": "its expansion score is high enough",
    "reference": "it is a reference",
    "strategic_influence": "it has strategic influence",
}


def _tier_reasons(segment: Row, candidate: Row, state: Row, policy: Policy) -> list[str]:
    tier, rule = segment["coverage_tier"], segment["tier_rule_id"]
    sentences = [
        f"In tier {tier} since {_since('tier', segment, state)}, by rule {rule}.",
        _tier_rule(rule, candidate, policy),
    ]
    if segment["is_tier_pending"]:
        sentences.append(_pending("tier", segment["candidate_tier"], candidate, state, policy))
    return sentences


def _tier_rule(rule_id: str, candidate: Row, policy: Policy) -> str:
    kind, _, sign = rule_id.partition(":")
    arr, cut, top, tier = exact(candidate["arr"]), candidate["strategic_cut"], candidate["top_cut"], policy.tier
    if kind.startswith("strategic"):
        kept = " It has fallen below the entry, but not by the exit band." if kind.endswith("_kept") else ""
        if sign == "top_arr":
            return f"ARR {arr} against {exact(top)}, the cut of the top {tier.top_share:.0%} of accounts.{kept}"
        return (
            f"ARR {arr} against {exact(cut)}, the cut of the top {tier.strategic_share:.0%} of accounts, and "
            f"{_SIGNS.get(sign, sign)}.{kept}"
        )
    if kind.startswith("growth"):
        sentence = (
            f"ARR {arr} against {exact(tier.growth_min_arr)}; expansion evidence is {candidate['growth_evidence']}."
        )
        if kind == "growth":
            return f"{sentence} Usage and health reached what entering Growth asks."
        return f"{sentence} It stays: Growth is left only on ARR or expansion evidence."
    if kind == "long_tail":
        return f"ARR {arr} is below {exact(tier.long_tail_below_arr)}, and there is little to expand."
    if kind == "core_kept":
        return f"ARR {arr} is below {exact(tier.long_tail_below_arr)}, but not by the exit band: it stays in Core."
    return f"No rule of Strategic, Growth or Long-Tail holds at ARR {arr}."


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


_SEEN = """
SELECT * FROM (
  SELECT account_id, as_of, segment, coverage_tier, segment_since, tier_since,
    lag(as_of) OVER days AS old_day, lag(segment) OVER days AS old_segment, lag(coverage_tier) OVER days AS old_tier
  FROM segments WHERE as_of <= ? AND (? IS NULL OR account_id = ?)
  WINDOW days AS (PARTITION BY account_id ORDER BY as_of)
) WHERE old_day IS NOT NULL AND (segment <> old_segment OR coverage_tier <> old_tier)
"""


def _seen_moves(
    connection: duckdb.DuckDBPyConnection, day: date, account_id: str | None, policy: Policy
) -> dict[str, list[Row]]:
    """By account: moves that two published days differ by, whether or not a run saw them happen."""
    seen: dict[str, list[Row]] = {}
    for account, at, segment, tier, segment_since, tier_since, old_day, old_segment, old_tier in connection.execute(
        _SEEN, [day, account_id, account_id]
    ).fetchall():
        for kind, before, after, since in (
            ("segment", old_segment, segment, segment_since),
            ("tier", old_tier, tier, tier_since),
        ):
            if before != after:
                move = {
                    "effective_on": max(since, old_day), "kind": kind, "moved_from": before, "moved_to": after,
                    "direction": direction_of(kind, before, after, policy), "move_rule": "seen",
                    "cause_text": f"seen between {old_day} and {at}; no run recorded why", "between": (old_day, at),
                }  # fmt: skip
                seen.setdefault(account, []).append(move)
    return seen


def direction_of(kind: str, before: str, after: str, policy: Policy) -> str:
    """up, down, into_risk or out_of_risk, as `segment_moves` calls them. `kind` is segment or tier."""
    if kind == "segment" and AT_RISK in (before, after):
        return "into_risk" if after == AT_RISK else "out_of_risk"
    order: Sequence[str] = policy.segment_moves.segment_order if kind == "segment" else TIERS
    return "up" if order.index(after) < order.index(before) else "down"


def _moves(day: date, rows: Sequence[Row], seen: Sequence[Row]) -> list[Row]:
    """Moves up to the day, the newest first; one that several days report is listed once.

    A move that is only `seen` is left out where one between the same days was recorded with its cause.
    """
    kept = ("effective_on", "kind", "moved_from", "moved_to", "direction", "move_rule", "cause_text")
    moves = {
        (row["kind"], row["effective_on"], row["moved_to"]): {name: row.get(name) for name in kept}
        for row in sorted(rows, key=lambda row: row["as_of"])
        if row["as_of"] <= day
    }
    for move in seen:
        after, until = move["between"]
        recorded = any(k == move["kind"] and after < on <= until for k, on, _ in moves)
        if not recorded:
            key = (move["kind"], move["effective_on"], move["moved_to"])
            moves[key] = {name: move[name] for name in kept}
    return sorted(moves.values(), key=lambda move: move["effective_on"], reverse=True)


def _figures(profile: Row) -> Mapping[str, Row]:
    figures = {topic: {name: profile[name] for name in names if name in profile} for topic, names in FIGURES.items()}
    return {topic: row for topic, row in figures.items() if any(value is not None for value in row.values())}
