"""Who changed segment or tier, and why.

Here: `segment_moves`. Not here: the rules that move accounts (`stability`), migration over quarters (`kpis`), or
telling anybody (`activation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import AT_RISK, TIERS, MovePolicy, StabilityPolicy
from segmentation_assets.scores.contributions import ScoreContributions
from segmentation_assets.segments.candidates import SegmentCandidates
from segmentation_assets.segments.grid import SegmentGrid, SegmentStates, week_so_far
from segmentation_assets.segments.stability import MOVE_RULES
from segmentation_assets.tables.as_of import FromPolicy, Spine, last_monday
from segmentation_assets.tables.contracts import Day, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

KINDS = ("segment", "tier")
DIRECTIONS = ("up", "down", "into_risk", "out_of_risk")
RE_ANCHORED = "re_anchored"
NOT_CONFIRMED = "not_confirmed"
CAUSES = (
    RE_ANCHORED, NOT_CONFIRMED, "arr_threshold", "usage_lag", "behavioral_cohort", "value_tier", "size_class",
    "needs_profile", "clv", "expansion", "seat_activity", "strategic_evidence", "usage_or_health", "strategic_cut",
    "arr", "score_parts", "other",
)  # fmt: skip
_KEY = ("as_of", "account_id", "kind")
_SEPARATOR = "; "
_DECIMALS = 6


class SegmentMoves(Snapshot):
    """Moves since the last grid point before as_of. Key: as_of, account_id, kind."""

    account_id: str = column("Account.")
    kind: str = column("segment or tier.", isin=KINDS)
    moved_from: str = column("What it was after the last Monday before as_of, or had become at once since.")
    moved_to: str = column("What it is at as_of.")
    direction: str = column("up, down, into_risk (into At-Risk) or out_of_risk.", isin=DIRECTIONS)
    effective_on: Day = column("Day the move came into force, after the last Monday before as_of, at most as_of.")
    move_rule: str = column(
        "How: held, risk_at_once, arr_at_once, start (left and came back), re_anchored (the grid starts anew), or "
        "not_confirmed (it had moved at once in the week, and the Monday does not say so).",
        isin=(*MOVE_RULES, RE_ANCHORED, NOT_CONFIRMED),
    )
    cause: str = column("The first cause in the text.", isin=CAUSES)
    cause_text: str = column("Rule inputs that changed, then the score parts that changed, largest first.")
    compared_with: Day = column("Day that rule inputs and score parts are compared with.")
    arr_before: float = column("ARR after the last Monday before as_of.", unit="currency", ge=0)
    arr_after: float = column("ARR at as_of.", unit="currency", ge=0)

    class Config:
        unique = ["as_of", "account_id", "kind"]


def previous_monday(day: date) -> date:
    """The last Monday before `day`."""
    return last_monday(day - timedelta(days=1))


def days_compared(grid_points: int) -> Callable[[date], Iterable[date]]:
    """The days that a move is explained with: as_of, the Monday before it, and the last Monday before a candidate
    that had to hold `grid_points` Mondays first showed."""

    def look_back(day: date) -> Iterable[date]:
        before_it_showed = [day - timedelta(weeks=grid_points)] if day.weekday() == 0 else []
        return sorted({*before_it_showed, previous_monday(day), day})

    return look_back


def days_of_inputs(grid_points: int) -> Callable[[date], Iterable[date]]:
    """`days_compared`, and the days since the Monday before: on any of them a move may have counted at once."""
    return lambda day: sorted({*days_compared(grid_points)(day), *week_so_far(day - timedelta(days=1)), day})


def with_eve(day: date) -> list[date]:
    """A Monday with the day before, which shows what had moved at once in the week; any other day alone."""
    return [day - timedelta(days=1), day] if day.weekday() == 0 else [day]


_DAYS_COMPARED = FromPolicy(StabilityPolicy, lambda p: days_compared(p.grid_points))
_DAYS_OF_INPUTS = FromPolicy(StabilityPolicy, lambda p: days_of_inputs(p.grid_points))
_AT_ONCE = ("risk_at_once", "arr_at_once")


@table(
    group="segments",
    reads={
        "segment_states": with_eve,
        "segment_grid": lambda day: [previous_monday(day)],
        "segment_candidates": _DAYS_OF_INPUTS,
        "score_contributions": _DAYS_COMPARED,
    },
)
def segment_moves(
    spine: Table[Spine],
    segment_states: Table[SegmentStates],
    segment_grid: Table[SegmentGrid],
    segment_candidates: Table[SegmentCandidates],
    score_contributions: Table[ScoreContributions],
    stability: StabilityPolicy,
    policy: MovePolicy,
) -> Table[SegmentMoves]:
    """Who has another segment or tier than after the last Monday before as_of, and why?

    One row per as_of, account and kind (segment, tier), for accounts live on both days. So a Monday's rows are the
    moves of the week that ends with it, and another day's rows those of the week so far. What had moved at once in
    the week, and is something else on the Monday, moves from what it had become: an entry into At-Risk and its end
    both have a row. The text names the rule inputs that changed (against the last day before the candidate showed;
    of a move that counted at once, as they were on that day, which as_of's may no longer show), then the score parts
    that changed most up to as_of.
    When a quarter begins the grid gets another anchor; a move that comes of this alone has the cause `re_anchored`.
    """
    days = _days(spine, stability)
    changes = [_changes(kind, days, segment_states, segment_grid, policy) for kind in KINDS]
    found = _with_inputs(reduce(ibis.union, changes), segment_candidates)
    parts = _changed_parts(found, score_contributions, policy)
    rows = found.left_join(parts, list(_KEY)).select(*found.columns, "parts_text")
    causes = _causes(rows)
    inputs_text = reduce(add, [ibis.ifelse(holds, _SEPARATOR + text, "") for _, holds, text in causes])
    parts_text = (ibis.literal(_SEPARATOR) + rows.parts_text).fill_null("")
    told = rows.mutate(
        cause=ibis.cases(
            *((holds, cause) for cause, holds, _ in causes),
            (rows.parts_text.notnull(), "score_parts"),
            else_="other",
        ),
        cause_text=(inputs_text + parts_text).substr(len(_SEPARATOR)),
    )
    return told.select(*(name for name in ibis_schema(SegmentMoves) if name != POLICY_HASH))


def _days(spine: ir.Table, stability: StabilityPolicy) -> ir.Table:
    """The spine with the Monday before as_of, and the last one before a candidate that held began to show."""
    week = ibis.interval(days=7)
    is_monday = spine.as_of == spine.last_monday
    return spine.select(
        "as_of",
        "last_monday",
        "anchor",
        "quarter_start",
        monday_before=ibis.ifelse(is_monday, (spine.last_monday - week).cast("date"), spine.last_monday),
        before_it_held=(spine.as_of - ibis.interval(days=7 * stability.grid_points)).cast("date"),
    )


def _changes(
    kind: str, days: ir.Table, segment_states: ir.Table, segment_grid: ir.Table, policy: MovePolicy
) -> ir.Table:
    """Accounts whose segment (or tier) differs between the Monday before and as_of."""
    state = "segment" if kind == "segment" else "coverage_tier"
    order = policy.segment_order if kind == "segment" else TIERS
    # A Monday is in two chains; what people saw on it is the one with the earlier anchor.
    grid = segment_grid.mutate(seen=segment_grid.anchor.min().over(ibis.window(group_by="as_of")))
    was = grid.filter(grid.anchor == grid.seen).select(
        monday_before="as_of", account_id="account_id", moved_from=grid[state]
    )
    now = segment_states.select(
        "as_of", "account_id", moved_to=state, since=f"{kind}_since", state_rule=f"{kind}_move_rule"
    )
    rows = days.inner_join(now, "as_of").inner_join(was, ["monday_before", "account_id"])
    rows = _with_week(rows, kind, segment_states)
    rows = rows.filter(rows.moved_from != rows.moved_to)
    is_in_week = rows.since > rows.monday_before
    is_not_confirmed = ~is_in_week & rows.entered_on.notnull()
    is_re_anchored = ~is_in_week & rows.entered_on.isnull()
    ranks = [(name, rank) for rank, name in enumerate(order)]
    falls = _rank(rows.moved_to, ranks) > _rank(rows.moved_from, ranks)
    return rows.select(
        "as_of",
        "account_id",
        "moved_from",
        "moved_to",
        "monday_before",
        "anchor",
        kind=ibis.literal(kind),
        move_rule=ibis.cases((is_re_anchored, RE_ANCHORED), (is_not_confirmed, NOT_CONFIRMED), else_=rows.state_rule),
        effective_on=ibis.cases(
            (is_re_anchored, rows.quarter_start), (is_not_confirmed, rows.as_of), else_=rows.since
        ),
        compared_with=ibis.cases(
            (is_not_confirmed, rows.entered_on),
            (is_in_week & (rows.state_rule == "held"), rows.before_it_held),
            else_=rows.monday_before,
        ),
        direction=ibis.cases(
            (rows.moved_to == AT_RISK, "into_risk"),
            (rows.moved_from == AT_RISK, "out_of_risk"),
            (falls, "down"),
            else_="up",
        ),
    )


def _with_week(rows: ir.Table, kind: str, segment_states: ir.Table) -> ir.Table:
    """`rows` of Mondays that had moved at once in the week, and are something else now, move from that.

    Adds `entered_on`, the day of that move; null for all others.
    """
    state = "segment" if kind == "segment" else "coverage_tier"
    eve = segment_states.select(
        eve="as_of", eve_account="account_id", became=state, became_on=f"{kind}_since", became_by=f"{kind}_move_rule"
    )
    is_eve = rows.as_of == (eve.eve + ibis.interval(days=1)).cast("date")
    joined = rows.left_join(eve, [is_eve, rows.account_id == eve.eve_account])
    has_ended = (
        (joined.as_of == joined.last_monday)
        & (joined.became_on > joined.monday_before)
        & joined.became_by.isin(_AT_ONCE)
        & (joined.became != joined.moved_to)
    ).fill_null(False)
    return joined.mutate(
        moved_from=ibis.ifelse(has_ended, joined.became, joined.moved_from),
        entered_on=ibis.ifelse(has_ended, joined.became_on, ibis.null("date")),
    ).drop("eve", "eve_account", "became", "became_on", "became_by")


def _rank(name: ir.StringValue, ranks: list[tuple[str, int]]) -> ir.IntegerValue:
    return ibis.cases(*((name == word, rank) for word, rank in ranks), else_=len(ranks))


_INPUTS = (
    "arr", "size_class", "behavioral_cohort", "value_tier", "needs_profile", "is_worth_saving", "clv_percentile",
    "expansion_score", "is_barely_used", "seat_activity", "strategic_evidence", "growth_evidence",
    "has_little_to_expand", "has_growth_usage", "strategic_cut", "risk_waits", "candidate_segment",
)  # fmt: skip


def _with_inputs(rows: ir.Table, candidates: ir.Table) -> ir.Table:
    """`rows` with the rule inputs that moved it (`now_...`), those compared with (`old_...`), and both ARRs.

    What moved an account at once is as it was on that day; what moved any other, as it is at as_of.
    """
    is_at_once = rows.move_rule.isin(_AT_ONCE)
    rows = rows.mutate(moved_on=ibis.ifelse(is_at_once, rows.effective_on, rows.as_of))
    now = candidates.select(moved_on="as_of", account_id="account_id", **{f"now_{name}": name for name in _INPUTS})
    after = candidates.select("as_of", "account_id", arr_after="arr")
    old = candidates.select(compared_with="as_of", account_id="account_id", **{f"old_{n}": n for n in _INPUTS})
    before = candidates.select(monday_before="as_of", account_id="account_id", arr_before="arr")
    rows = rows.inner_join(now, ["moved_on", "account_id"])
    rows = rows.inner_join(after, ["as_of", "account_id"])
    rows = rows.inner_join(before, ["monday_before", "account_id"])
    names = [name for name in rows.columns if not name.endswith("_right")]
    rows = rows.left_join(old, ["compared_with", "account_id"])
    return rows.select(*names, *(f"old_{name}" for name in _INPUTS))


Cause = tuple[str, ir.BooleanValue, ir.StringValue]


def _causes(rows: ir.Table) -> list[Cause]:
    """(cause, whether it holds, its words), in the order they are told."""
    arr = ibis.literal("ARR ") + _whole(rows.arr_before) + " to " + _whole(rows.arr_after)
    anew = ibis.literal("the grid starts anew on ") + rows.anchor.cast("string")
    is_segment, is_at_once = rows.kind == "segment", rows.move_rule == "arr_at_once"
    entered_on = rows.compared_with.cast("timestamp").cast("date").cast("string")
    unconfirmed = ibis.literal("at once on ") + entered_on + ", not confirmed on the Monday"
    told = [
        (RE_ANCHORED, rows.move_rule == RE_ANCHORED, anew),
        (NOT_CONFIRMED, rows.move_rule == NOT_CONFIRMED, unconfirmed),
        ("arr_threshold", is_at_once, arr + " crossed a billing threshold"),
        *((cause, is_segment & holds, text) for cause, holds, text in _segment_causes(rows)),
        *((cause, ~is_segment & holds, text) for cause, holds, text in _tier_causes(rows)),
        ("arr", ~is_segment & ~is_at_once & (rows.arr_before != rows.arr_after), arr),
    ]
    return [(cause, holds.fill_null(False), text) for cause, holds, text in told]


def _segment_causes(rows: ir.Table) -> list[Cause]:
    waited = rows.old_risk_waits & (rows.old_candidate_segment == AT_RISK) & (rows.move_rule == "risk_at_once")
    dimensions = ("behavioral_cohort", "value_tier", "size_class", "needs_profile")
    return [
        ("usage_lag", waited, ibis.literal("usage is up to date again")),
        *((name, _differs(rows, name), _from_to(rows, name)) for name in dimensions),
        ("clv", _differs(rows, "is_worth_saving"), _numbers(rows, "clv_percentile")),
        ("seat_activity", _differs(rows, "is_barely_used"), _numbers(rows, "seat_activity", 100, " %")),
    ]


def _tier_causes(rows: ir.Table) -> list[Cause]:
    usage = ibis.ifelse(rows.now_has_growth_usage, "usage and health reach Growth", "usage or health below Growth")
    return [
        ("strategic_evidence", _differs(rows, "strategic_evidence"), _from_to(rows, "strategic_evidence", "none")),
        ("expansion", _differs(rows, "growth_evidence"), _from_to(rows, "growth_evidence")),
        ("expansion", _differs(rows, "has_little_to_expand"), _numbers(rows, "expansion_score")),
        ("usage_or_health", _differs(rows, "has_growth_usage"), usage),
        ("strategic_cut", _differs(rows, "strategic_cut"), _numbers(rows, "strategic_cut")),
    ]


def _differs(rows: ir.Table, name: str) -> ir.BooleanValue:
    old, now = rows[f"old_{name}"], rows[f"now_{name}"]
    return (old != now).fill_null(old.isnull() != now.isnull())


def _from_to(rows: ir.Table, name: str, missing: str = "unknown") -> ir.StringValue:
    old, now = rows[f"old_{name}"].fill_null(missing), rows[f"now_{name}"].fill_null(missing)
    return ibis.literal(name.replace("_", " ") + " ") + old + " to " + now


def _numbers(rows: ir.Table, name: str, times: int = 1, unit: str = "") -> ir.StringValue:
    old, now = _whole(rows[f"old_{name}"] * times), _whole(rows[f"now_{name}"] * times)
    return ibis.literal(name.replace("_", " ") + " ") + old + f"{unit} to " + now + unit


def _whole(number: ir.NumericValue) -> ir.StringValue:
    return number.round().cast("int64").cast("string").fill_null("unknown")


def _changed_parts(rows: ir.Table, contributions: ir.Table, policy: MovePolicy) -> ir.Table:
    """Per move the score parts that changed most, in words, largest first."""
    parts = contributions.filter(contributions.score.isin(policy.explained_scores))
    # What ended as it began within a week is told by its rule inputs: no day of it has parts to compare with.
    moved = rows.filter(rows.move_rule != NOT_CONFIRMED).select(*_KEY, "compared_with")
    now = moved.inner_join(parts, ["as_of", "account_id"]).select(*_KEY, "score", "part", change="points")
    dated = parts.select("account_id", "score", "part", "points", compared_with="as_of")
    old = moved.inner_join(dated, ["compared_with", "account_id"])
    changes = ibis.union(now, old.select(*_KEY, "score", "part", change=-old.points))
    summed = changes.group_by(*_KEY, "score", "part").agg(change=changes.change.sum())
    # The same parts summed in another order must not tell another story.
    summed = summed.mutate(change=summed.change.round(_DECIMALS))
    summed = summed.mutate(size=summed.change.abs())
    kept = summed.filter(summed["size"] >= policy.min_points)
    order = ibis.window(group_by=list(_KEY), order_by=[ibis.desc(kept["size"]), kept.score, kept.part])
    ranked = kept.mutate(place=ibis.row_number().over(order))
    ranked = ranked.filter(ranked.place < policy.parts_named)
    words = ranked.score.replace("_score", "") + " " + ranked.part.replace("_", " ") + " " + _signed(ranked.change)
    texts = [
        (ibis.literal(_SEPARATOR) + words).max(where=ranked.place == place).fill_null("")
        for place in range(max(1, policy.parts_named))
    ]
    return ranked.group_by(*_KEY).agg(parts_text=reduce(add, texts).substr(len(_SEPARATOR)))


def _signed(change: ir.FloatingValue) -> ir.StringValue:
    """12.34 as +12.3; written out because engines print floats differently."""
    tenths = (change.abs() * 10).round().cast("int64")
    sign = ibis.ifelse(change < 0, "-", "+")
    return sign + (tenths // 10).cast("string") + "." + (tenths % 10).cast("string")
