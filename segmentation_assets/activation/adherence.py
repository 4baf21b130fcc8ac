"""Are plays done in the time that their tier is promised?

Here: `play_adherence`, which looks at the lists of past days and at what was done since. Not here: what is due now
(`plays`), or whether a play does any good (`effects`).

Two past lists are read, of three months and of one month ago, and that of as_of. A list has the plays that come
within the policy's horizon, with the days on which they open and are due. So all plays are known that opened after a
list on a day that was known then: renewals, onboarding, care, and what comes again. An intervention opens with the
move into At-Risk, on a day that no list knows before. It is counted from the move, for accounts still At-Risk when
the next list is made. Not counted: signals without a date of their own (a play of `this_week`, the first time).
"""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir

from segmentation_assets.activation.plays import PlaysDue, promised_days
from segmentation_assets.extracts.contracts import Interactions
from segmentation_assets.policy.kpis import RetentionPolicy
from segmentation_assets.policy.plays import PLAY_KINDS, PlayPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.profiles.facts import facts
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.tables.amounts import ratio
from segmentation_assets.tables.as_of import Spine, months_ago
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_after, days_before, working_days_later
from segmentation_assets.tables.registry import Table, table

ALL = "all"
_GROUP = ("as_of", "coverage_tier", "kind")
_PLAY = ("as_of", "account_id", "kind", "play", "coverage_tier", "opened_on", "due_on")


class PlayAdherence(Snapshot):
    """Plays that fell due in the last three months, and when they were done. Key: as_of, coverage_tier, kind."""

    coverage_tier: str = column("Coverage tier on the day of the list; all: the company.", isin=(*TIERS, ALL))
    kind: str = column("Kind of play; all: every kind.", isin=(*PLAY_KINDS, ALL))
    starts_on: Day = column("Day of the first list: three months before as_of. Plays that opened after it count.")
    due: Integer = column(
        "Plays that opened after the first list and fell due by as_of, but for those held out.", ge=1
    )
    done_in_time: Integer = column("Those done by their due date.", ge=0)
    done_late: Integer = column("Those done after it.", ge=0)
    not_done: Integer = column("Those not done by as_of, also of accounts that have left.", ge=0)
    in_time_share: float = column("done_in_time / due.", unit="share", ge=0, le=1)
    median_days_late: float = column(
        "Median of the days from the due date to the day on which it was done, of done_late; null: none was late.",
        unit="days",
        nullable=True,
        gt=0,
    )
    low_n: Flag = column("Fewer plays than `retention.low_n`.")

    @row_rule
    def each_is_in_time_late_or_not_done(cls, t: ir.Table) -> ir.BooleanValue:
        """The three parts sum to the plays that fell due."""
        return t.done_in_time + t.done_late + t.not_done == t.due

    class Config:
        unique = [*_GROUP]


@table(group="activation", reads={"plays_due": months_ago(1, 3)})
def play_adherence(
    spine: Table[Spine],
    plays_due: Table[PlaysDue],
    interactions: Table[Interactions],
    account_hierarchy: Table[AccountHierarchy],
    policy: PlayPolicy,
    retention: RetentionPolicy,
) -> Table[PlayAdherence]:
    """How many plays were done in the promised time, late, or not at all, by tier and kind?

    One row per as_of, tier and kind with a play that fell due, per tier, and for the company. A play is done on the
    first day from its opening on (or `plays.early_days` before) with an interaction that has its word.
    """
    merged = survivors(account_hierarchy)
    due = reduce(
        ibis.union,
        (
            _opened(spine, plays_due, "day_3m_ago", "day_1m_ago", policy.early_days),
            _opened(spine, plays_due, "day_1m_ago", "as_of", policy.early_days),
            _answered(spine, plays_due, "day_1m_ago", "day_3m_ago", policy),
            _answered(spine, plays_due, "as_of", "day_1m_ago", policy),
        ),
    )
    due = due.filter(due.due_on <= due.as_of)
    joined = due.left_join(merged, ["as_of", "account_id"]).select(*due.columns, "surviving_account_id")
    due = joined.mutate(paying=ibis.coalesce(joined.surviving_account_id, joined.account_id))
    due = due.drop("surviving_account_id")
    rows = _with_done_on(due, facts(interactions, "occurred_on", merged, spine), policy.early_days)
    everything = [rows, rows.mutate(kind=ibis.literal(ALL))]
    everything.append(everything[1].mutate(coverage_tier=ibis.literal(ALL)))
    sums = _sums(reduce(ibis.union, (each.select(*rows.columns) for each in everything)))
    starts = spine.select("as_of", starts_on="day_3m_ago")
    sums = sums.join(starts, "as_of")
    return sums.mutate(in_time_share=ratio(sums.done_in_time, sums.due), low_n=sums.due < retention.low_n)


def _opened(spine: ir.Table, plays: ir.Table, listed: str, until: str, early_days: int) -> ir.Table:
    """The plays of a list that nobody could have done before the list, so that those done and not done both count.

    A play may be done `early_days` before it opens. One that the next list has in this way is left to that list.
    """
    last = spine[until] if until == "as_of" else days_after(spine[until], early_days)
    rows = _listed(spine.select("as_of", listed_on=listed, last=last), plays)
    rows = rows.filter((rows.opened_on > days_after(rows.listed_on, early_days)) & (rows.opened_on <= rows.last))
    return rows.select(*_PLAY)


def _answered(spine: ir.Table, plays: ir.Table, listed: str, since: str, policy: PlayPolicy) -> ir.Table:
    """The plays of a list that open with the account's move into the segment, for moves since a day."""
    triggered = [entry.id for entry in policy.catalogue if entry.trigger == "segment_since"]
    rows = _listed(spine.select("as_of", listed_on=listed, since=since), plays)
    rows = rows.filter(rows.play_id.isin(triggered) & (rows.segment_moved_on > rows.since).fill_null(False))
    due_on = working_days_later(rows.segment_moved_on, promised_days(rows, policy))
    return rows.mutate(opened_on=rows.segment_moved_on, due_on=due_on).select(*_PLAY)


def _listed(days: ir.Table, plays: ir.Table) -> ir.Table:
    columns = ("play_id", "is_held_out", "segment_moved_on", *_PLAY[1:])
    rows = days.join(plays.select(*columns, listed_on="as_of"), "listed_on")
    return rows.filter(~rows.is_held_out).select(*days.columns, *columns)


def _with_done_on(due: ir.Table, done: ir.Table, early_days: int) -> ir.Table:
    """`due` with days_late: null if it is not done, 0 if it was done in time."""
    done = done.filter(done.play.notnull()).select("as_of", "play", "occurred_on", paying="account_id")
    joined = due.left_join(done, ["as_of", "paying", "play"])
    joined = joined.select(*due.columns, "occurred_on")
    counts = (joined.occurred_on >= days_before(joined.opened_on, early_days)).fill_null(False)
    rows = joined.group_by(*due.columns).aggregate(done_on=joined.occurred_on.min(where=counts))
    late = ibis.greatest(rows.done_on.delta(rows.due_on, unit="day").cast("int64"), 0)
    return rows.select(*_GROUP, "account_id", "play", days_late=ibis.ifelse(rows.done_on.isnull(), None, late))


def _sums(rows: ir.Table) -> ir.Table:
    """Counts and the median per group. The median is the mean of the middle one or two, by their places."""
    rows = rows.mutate(late_by=rows.days_late.nullif(0))
    order = [rows.late_by.asc(nulls_first=False), rows.account_id, rows.play]
    rows = rows.mutate(
        nth=ibis.row_number().over(ibis.window(group_by=list(_GROUP), order_by=order)),
        late=rows.late_by.count().over(ibis.window(group_by=list(_GROUP))),
    )
    is_middle = (rows.nth == (rows.late - 1) // 2) | (rows.nth == rows.late // 2)
    return rows.group_by(*_GROUP).aggregate(
        due=rows.count(),
        done_in_time=rows.count(where=rows.days_late == 0),
        done_late=rows.late_by.count(),
        not_done=rows.count(where=rows.days_late.isnull()),
        median_days_late=rows.late_by.mean(where=is_middle),
    )
