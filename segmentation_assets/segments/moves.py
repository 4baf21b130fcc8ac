"""Who changed segment or tier, and why.

Here: `segment_moves`. Not here: the rules that move accounts (`stability`), the cause of a move (`causes`), what runs
announced (`register`), score parts that changed around a move (`move_parts`), sentences (`reading.explanations`),
migration over quarters (`kpis`), or alerts (`activation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.policy.segments import AT_RISK, TIERS, MovePolicy
from segmentation_assets.segments.causes import CAUSE_KINDS, KINDS, RE_ANCHORED, RELABELS, REVENUE
from segmentation_assets.segments.grid import SegmentStates
from segmentation_assets.segments.inputs import SegmentInputs
from segmentation_assets.segments.register import SegmentRelabels
from segmentation_assets.segments.stability import MOVE_RULES
from segmentation_assets.tables.as_of import Spine, last_monday
from segmentation_assets.tables.contracts import Day, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

DIRECTIONS = ("up", "down", "into_risk", "out_of_risk")
NOT_CONFIRMED = "not_confirmed"
CAME_BACK = "came_back"
_KEY = ("as_of", "account_id", "kind", "effective_on")


class SegmentMoves(Snapshot):
    """Moves of the week up to the last Monday, and since. Key: as_of, account_id, kind, effective_on."""

    account_id: str = column("Account.")
    kind: str = column("segment or tier.", isin=KINDS)
    moved_from: str = column("What it was before.")
    moved_to: str = column("What it became.")
    direction: str = column("up, down, into_risk (into At-Risk) or out_of_risk.", isin=DIRECTIONS)
    effective_on: Day = column("Day the move came into force, after the Monday before the last one, at most as_of.")
    move_rule: str = column(
        "How: held, risk_at_once, arr_at_once, start (left and came back), re_anchored (the grid starts anew), "
        "not_confirmed (it had moved at once, and the Mondays after do not say so), policy or restated (the account "
        "did not move: see cause_kind).",
        isin=(*MOVE_RULES, RE_ANCHORED, NOT_CONFIRMED, *RELABELS),
    )
    cause: str = column("The first input that, changed back, undoes the move; or re_anchored, came_back, policy, "
                        "restated.")  # fmt: skip
    cause_kind: str = column(
        "What lies behind it. behaviour, revenue, peers, facts: the account moved. re_anchored: the quarter turned. "
        "policy: a new policy, under which days announced before have the new value, too. restated: the same of new "
        "data or code.",
        isin=(*CAUSE_KINDS, RE_ANCHORED, *RELABELS),
    )
    cause_text: str = column(
        "The inputs that, changed back together, undo the move, with their values before and after; empty where the "
        "move comes of no input. For not_confirmed: those of the move that ended."
    )
    compared_with: Day = column("Day whose inputs are the ones before: the last that gave what it was before.")
    arr_before: float = column("ARR before the move: on the day that was looked at last.", unit="currency", ge=0)
    arr_after: float = column("ARR after it: on the day looked at next.", unit="currency", ge=0)

    class Config:
        unique = ["as_of", "account_id", "kind", "effective_on"]


def monday_before(day: date) -> date:
    """The Monday before the last one."""
    return last_monday(day) - timedelta(weeks=1)


def days_looked_at(day: date) -> list[date]:
    """Moves lie between two of these: the Monday before the last one, the eve of the last one, it, and as_of."""
    monday = last_monday(day)
    return sorted({monday - timedelta(days=7), monday - timedelta(days=1), monday, day})


@table(
    group="segments",
    reads={
        "segment_states": days_looked_at,
        "segment_inputs": days_looked_at,
    },
)
def segment_moves(
    spine: Table[Spine],
    segment_states: Table[SegmentStates],
    segment_inputs: Table[SegmentInputs],
    segment_relabels: Table[SegmentRelabels],
    policy: MovePolicy,
) -> Table[SegmentMoves]:
    """Who changed segment or tier in the week up to the last Monday or since, and why?

    One row per as_of, account, kind (segment, tier) and day, for accounts live before and after. So a run on any day
    of a week tells all moves since the week before, whichever days were run before it. What had moved at once between
    two Mondays, and is not so after them, has a row for its end, too (`not_confirmed`).
    The cause names the fewest inputs that, changed back, undo the move. When a quarter begins the grid gets another
    anchor; a move that comes of this alone has the cause `re_anchored`. A segment that a new policy gives to days
    announced before is no move of the account: it has one row, on the day of the first run under that policy, with
    the cause `policy` (`restated`: new data or code). It replaces the moves before that, which nobody announced.
    """
    steps = _steps(spine)
    changes = reduce(ibis.union, [_changes(kind, steps, segment_states, policy) for kind in KINDS])
    relabels = _relabels(steps, segment_relabels, policy)
    changes = _announced(changes, relabels)
    new_labels = _unexplained(relabels, changes).select(changes.columns).anti_join(changes, list(_KEY))
    rows = _with_arr(changes.union(new_labels), segment_inputs)
    return rows.select(*(name for name in ibis_schema(SegmentMoves) if name != POLICY_HASH))


def _steps(spine: ir.Table) -> ir.Table:
    """The pairs of days that moves of an as_of lie between: `before` and `after`."""
    monday = spine.last_monday
    week_before = (monday - ibis.interval(days=7)).cast("date")
    eve = (monday - ibis.interval(days=1)).cast("date")
    pairs = [(week_before, eve), (eve, monday), (monday, spine.as_of)]
    steps = reduce(
        ibis.union,
        [
            spine.select("as_of", "last_monday", "quarter_start", before=before, after=after)
            for before, after in pairs
        ],
    )
    return steps.filter(steps.before < steps.after)


def _changes(kind: str, steps: ir.Table, segment_states: ir.Table, policy: MovePolicy) -> ir.Table:
    """Accounts whose segment (or tier) differs between the two days of a step."""
    state = "segment" if kind == "segment" else "coverage_tier"
    order = policy.segment_order if kind == "segment" else TIERS
    facts = {
        name: f"{kind}_{name}"
        for name in ("since", "move_rule", "compared_with", "cause", "cause_kind", "cause_text")
    }
    now = segment_states.select(
        after="as_of", account_id="account_id", moved_to=state, **{f"now_{n}": c for n, c in facts.items()}
    )
    was = segment_states.select(
        before="as_of", account_id="account_id", moved_from=state, **{f"was_{n}": c for n, c in facts.items()}
    )
    rows = steps.inner_join(now, "after").inner_join(was, ["before", "account_id"])
    rows = rows.filter(rows.moved_from != rows.moved_to)
    has_moved = rows.now_since > rows.before
    is_re_anchored = ~has_moved & (rows.before < rows.quarter_start) & (rows.quarter_start <= rows.after)
    came_back = has_moved & (rows.now_move_rule == "start")
    return rows.select(
        "as_of",
        "account_id",
        "moved_from",
        "moved_to",
        "before",
        "after",
        "last_monday",
        kind=ibis.literal(kind),
        move_rule=ibis.cases((has_moved, rows.now_move_rule), (is_re_anchored, RE_ANCHORED), else_=NOT_CONFIRMED),
        effective_on=ibis.cases(
            (has_moved, rows.now_since), (is_re_anchored, rows.quarter_start), else_=rows.after
        ),
        cause=ibis.cases(
            (came_back, CAME_BACK), (has_moved, rows.now_cause), (is_re_anchored, RE_ANCHORED),
            else_=rows.was_cause,
        ).fill_null(NOT_CONFIRMED),
        cause_kind=ibis.cases(
            (came_back, REVENUE), (has_moved, rows.now_cause_kind), (is_re_anchored, RE_ANCHORED),
            else_=rows.was_cause_kind,
        ).fill_null(REVENUE),
        cause_text=ibis.cases(
            (came_back | is_re_anchored, ""), (has_moved, rows.now_cause_text),
            else_=rows.was_cause_text,
        ).fill_null(""),
        compared_with=ibis.ifelse(
            has_moved, rows.now_compared_with.fill_null(rows.before), rows.before
        ),
        direction=_direction(rows, order),
    )  # fmt: skip


def _relabels(steps: ir.Table, relabels: ir.Table, policy: MovePolicy) -> ir.Table:
    """What new policies, data and code changed in the days of a step; several changes on one day are one.

    With `announced_on`, the last day for which a run announced the old segment or tier.
    """
    entries = relabels.group_by("account_id", "kind", "relabelled_on").aggregate(
        first_entry=relabels.entry.min(), last_entry=relabels.entry.max(), announced_on=relabels.announced_on.min()
    )
    first = relabels.select("account_id", "kind", "moved_from", first_entry="entry")
    last = relabels.select("account_id", "kind", "moved_to", "cause_kind", last_entry="entry")
    entries = entries.inner_join(first, ["account_id", "kind", "first_entry"])
    entries = entries.inner_join(last, ["account_id", "kind", "last_entry"])
    entries = entries.filter(entries.moved_from != entries.moved_to)
    rows = steps.inner_join(entries, [steps.before < entries.relabelled_on, steps.after >= entries.relabelled_on])
    orders = {"segment": policy.segment_order, "tier": TIERS}
    return rows.select(
        "as_of", "account_id", "moved_from", "moved_to", "before", "after", "last_monday", "kind", "announced_on",
        move_rule=rows.cause_kind, effective_on=rows.relabelled_on, cause=rows.cause_kind,
        cause_kind=rows.cause_kind, cause_text=ibis.literal(""), compared_with=rows.announced_on,
        direction=ibis.cases(*((rows.kind == kind, _direction(rows, order)) for kind, order in orders.items())),
    )  # fmt: skip


def _announced(changes: ir.Table, relabels: ir.Table) -> ir.Table:
    """`changes` without moves that nobody announced: before a relabelling, and not to what was announced then."""
    unheard = relabels.select("as_of", "account_id", "kind", "announced_on", announced="moved_from")
    return changes.anti_join(
        unheard,
        [
            changes.as_of == unheard.as_of,
            changes.account_id == unheard.account_id,
            changes.kind == unheard.kind,
            changes.effective_on <= unheard.announced_on,
            changes.moved_to != unheard.announced,
        ],
    )


def _unexplained(relabels: ir.Table, changes: ir.Table) -> ir.Table:
    """`relabels` without those that a move since the announcement explains, such as the turn of a quarter."""
    moves = changes.select("as_of", "account_id", "kind", "moved_to", moved_on="effective_on").view()
    return relabels.anti_join(
        moves,
        [
            relabels.as_of == moves.as_of,
            relabels.account_id == moves.account_id,
            relabels.kind == moves.kind,
            relabels.moved_to == moves.moved_to,
            relabels.announced_on < moves.moved_on,
            relabels.effective_on >= moves.moved_on,
        ],
    )


def _direction(rows: ir.Table, order: Sequence[str]) -> ir.StringValue:
    ranks = [(name, rank) for rank, name in enumerate(order)]
    return ibis.cases(
        (rows.moved_to == AT_RISK, "into_risk"),
        (rows.moved_from == AT_RISK, "out_of_risk"),
        (_rank(rows.moved_to, ranks) > _rank(rows.moved_from, ranks), "down"),
        else_="up",
    )


def _rank(name: ir.StringValue, ranks: list[tuple[str, int]]) -> ir.IntegerValue:
    return ibis.cases(*((name == word, rank) for word, rank in ranks), else_=len(ranks))


def _with_arr(rows: ir.Table, segment_inputs: ir.Table) -> ir.Table:
    """Adds ARR before and after. A relabelled account that was not live before has its ARR after in both."""
    after = segment_inputs.select(after="as_of", account_id="account_id", arr_after="arr")
    before = segment_inputs.select(before="as_of", account_id="account_id", arr_then="arr")
    joined = rows.inner_join(after, ["after", "account_id"]).select(*rows.columns, "arr_after")
    joined = joined.left_join(before, ["before", "account_id"])
    return joined.select(*rows.columns, "arr_after", arr_before=joined.arr_then.fill_null(joined.arr_after))
