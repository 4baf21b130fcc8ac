"""Which play is due for which account, who does it, by when, and why.

Here: `plays_due`. Not here: the catalogue of plays (policy section `plays`), how a person's list looks (the faces),
alerts about what has just happened (`alerts`), or the reason of a play in words (`reading.play_reasons`).

A play is open from `opened_on` on until an interaction with its word in `play` is dated on that day, or a little
earlier. All dates follow from dated facts of the account, so a day's plays are the same whatever was run before:
a step before the renewal, days after the first payment, the day the segment came into force, the rhythm of care.
A signal without a date of its own counts from the Monday of the week, as the week's list is made then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import Interactions
from segmentation_assets.policy.capacity import CarePolicy
from segmentation_assets.policy.plays import (
    AUTOMATION,
    OWNER_ROLES,
    PLAY_KINDS,
    STAGES,
    PlayEntry,
    PlayPolicy,
)
from segmentation_assets.policy.segments import AT_RISK, SEGMENTS, TIERS, UNKNOWN, TreatmentPolicy
from segmentation_assets.profiles.facts import facts, with_figures
from segmentation_assets.profiles.known import AccountHierarchy, survivors
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.scores.health import DIMENSIONS, HealthScores
from segmentation_assets.segments.segments import LESS, Segments
from segmentation_assets.tables.amounts import cents, fine
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import SNAPSHOT_KEY, Day, Flag, Integer, Snapshot, column, row_rule
from segmentation_assets.tables.days import days_before, days_later, working_days_later
from segmentation_assets.tables.registry import Table, table

_KEY = SNAPSHOT_KEY
TODAY, THIS_WEEK, LATER = TIMINGS = ("today", "this_week", "later")
_WEEK = 7
_DAYS_PER_MONTH = 365 / 12
_HEX = 8
"""Digits of the hash that decide who is held out: shares are exact to 1 in 16^8."""


class PlaysDue(Snapshot):
    """What is due for an account. Key: as_of, account_id, kind: one open or coming play of each kind."""

    account_id: str = column("Account.")
    kind: str = column("Kind of play.", isin=PLAY_KINDS)
    play_id: str = column("Play of the policy's catalogue.")
    play: str = column("Word in interactions.play that closes it.")
    title: str = column("What to do.")
    step: Integer = column("Number of the step, of a play with steps; null: the play has none.", nullable=True, ge=1)
    place: Integer = column("Order within the account: open plays first, then the most urgent kind.", ge=1)
    timing: str = column(
        "today: due by the first working day after as_of, or overdue. this_week: due within 7 days. later: after "
        "that.",
        isin=TIMINGS,
    )
    opened_on: Day = column(
        "Day from which the play is open; after as_of: it is coming. Signals without a date count from Monday."
    )
    due_on: Day = column("Day by which it is to be done: the tier's working days (policy) after opened_on.")
    days_until_due: Integer = column("Days from as_of to due_on; negative: overdue.", unit="days")
    is_overdue: Flag = column("due_on is as_of or earlier, and the play is not done.")
    owner_role: str = column("Who is to do it, by the catalogue.", isin=OWNER_ROLES)
    owner: str = column(
        "The person: csm_id for a CSM, else the name in the CRM; null: automation, or nobody is named.",
        nullable=True,
    )
    is_stand_in: Flag = column(
        "The CRM names nobody in the role, so it is the CSM's or the account executive's task, whoever is named."
    )
    reasons: str = column(
        "Why: names of the account's figures that say so, in the catalogue's order, separated by commas. This row "
        "has their values."
    )
    material: str = column(
        "Onboarding path, review template or content track of the account's needs profile.",
    )
    last_done_on: Day = column("Last day on which the play was done, by interactions; null: never.", nullable=True)
    last_interaction_id: str = column("The interaction that closed it last; null: none.", nullable=True)
    replanned_on: Day = column(
        "Day on which segment or tier moved, if lately (policy): open plays were planned anew. Null: no such move.",
        nullable=True,
    )
    play_segment: str = column(
        "Segment whose plays the account gets: its own, or the one that fits a tier of less care.", isin=SEGMENTS
    )
    segment: str = column("Segment.", isin=SEGMENTS)
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    lifecycle_stage: str = column("Lifecycle stage.", isin=STAGES)
    needs_profile: str = column("Needs profile.", nullable=True)
    renewal_on: Day = column("Next renewal; null: none is known.", nullable=True)
    days_to_renewal: Integer = column("Days from as_of to renewal_on.", unit="days", nullable=True)
    tenure_days: Integer = column("Days since the first payment.", unit="days", nullable=True)
    segment_since: Day = column("Day on which the segment came into force.")
    segment_moved_on: Day = column(
        "The same; null: the account had the segment when the weeks that the run looks at begin.", nullable=True
    )
    leaving_on: Day = column("Day on which the account is known to leave; null: none is known.", nullable=True)
    paused_on: Day = column("First day of the pause that is in force; null: none is.", nullable=True)
    churn_risk: float = column("Probability of churn within 90 days.", unit="probability", nullable=True, ge=0, le=1)
    expansion_score: float = column("Expansion score.", unit="score", nullable=True, ge=0, le=100)
    weakest_dimension: str = column("Weakest dimension of health.", isin=DIMENSIONS, nullable=True)
    weakest_health: float = column("Health in the weakest dimension.", unit="score", nullable=True, ge=0, le=100)
    users_trend: float = column(
        "Active users of the last 28 days against the 28 days before: 0.1 is 10 % more.", unit="ratio", nullable=True
    )
    events_trend: float = column("Usage events, likewise.", unit="ratio", nullable=True)
    mau_seat_share: float = column(
        "Licensed seats that were active in the last 28 days.", unit="share", nullable=True, ge=0
    )
    overdue_days: Integer = column(
        "Days that the oldest unpaid invoice is overdue; 0: none is.", unit="days", nullable=True, ge=0
    )
    micro_segment_reason: str = column("Signals behind the micro-segment; empty: none.", nullable=True)
    arr: float = column("Annual recurring revenue; 0: paused.", unit="currency per year", ge=0)
    urgency: float = column("Weight of the kind, halved with time until due (policy).", unit="share", ge=0, le=1)
    arr_urgency: float = column("ARR x urgency: the order of a person's list.", unit="currency per year", ge=0)
    is_held_out: Flag = column(
        "The account goes without this play, so that its effect can be known (holdout_shares). Lists leave it out."
    )

    @row_rule
    def due_after_it_opens(cls, t: ir.Table) -> ir.BooleanValue:
        """A play is due after the day it opens."""
        return t.due_on > t.opened_on

    class Config:
        unique = ["as_of", "account_id", "kind"]


@table(group="activation")
def plays_due(
    spine: Table[Spine],
    segments: Table[Segments],
    account_profiles: Table[AccountProfiles],
    health_scores: Table[HealthScores],
    interactions: Table[Interactions],
    account_hierarchy: Table[AccountHierarchy],
    policy: PlayPolicy,
    care: CarePolicy,
    treatment: TreatmentPolicy,
) -> Table[PlaysDue]:
    """What is due for which account, who does it, by when, and why?

    One row per as_of, live account and kind of play, open or coming within the policy's horizon. Of each kind the
    first play of the catalogue whose conditions hold. A play closes when an interaction with its word is dated on or
    shortly before the day it opened; then its next step, or its next turn, comes. A step that was missed gives way to
    the next one, so nothing is due twice. Growth waits while risk or an override is open.
    """
    rows = _accounts(spine, segments, account_profiles, health_scores, treatment)
    rows = each(rows, "kind", PLAY_KINDS)
    rows = rows.mutate(play_id=_play_of(rows, policy.catalogue)).filter(ibis._.play_id.notnull())
    rows = _with_last_done(rows, interactions, account_hierarchy, spine, policy)
    rows = _with_opening(rows, policy, care)
    rows = rows.filter(rows.opened_on.notnull())
    rows = rows.mutate(due_on=working_days_later(rows.opened_on, promised_days(rows, policy)))
    is_near = rows.due_on <= _days_on(rows.as_of, policy.horizon_days)
    rows = rows.filter(is_near | (rows.opened_on <= rows.as_of))
    return _columns(_without_waiting(rows, policy), policy)


# -- accounts and their figures


def _accounts(
    spine: ir.Table, segments: ir.Table, profiles: ir.Table, health: ir.Table, treatment: TreatmentPolicy
) -> ir.Table:
    """Live accounts with the figures for conditions, dates and reasons."""
    live = segments.semi_join(spine, "as_of").select(
        *_KEY, "segment", "coverage_tier", "tier_conflict", "micro_segment", "micro_segment_reason",
        "coverage_override", "lifecycle_stage", "needs_profile", "weakest_dimension", "arr", "churn_risk",
        "expansion_score", "csm_id", "account_executive", "segment_since", "tier_since", "segment_move_rule",
        "tier_move_rule",
    )  # fmt: skip
    figures = profiles.select(
        *_KEY, "executive_sponsor", "first_paid_on", "tenure_days", "renewal_on", "days_to_renewal", "leaving_on",
        "paused_on", "overdue_days", "users_trend", "events_trend", "mau_seat_share",
    )  # fmt: skip
    rows = with_figures(live, figures, health.select(*_KEY, *(f"{name}_health" for name in DIMENSIONS)))
    mondays = spine.select("as_of", "last_monday")
    rows = rows.join(mondays, "as_of")
    weakest = ibis.cases(*((rows.weakest_dimension == name, rows[f"{name}_health"]) for name in DIMENSIONS))
    return rows.mutate(play_segment=_play_segment(rows, treatment), weakest_health=weakest)


def _play_segment(rows: ir.Table, treatment: TreatmentPolicy) -> ir.StringValue:
    """The account's segment; where the tier gives less care, the segment that fits the tier."""
    fitting = {
        tier: next((name for name in SEGMENTS if treatment.segments[name].care_tier == tier), None) for tier in TIERS
    }
    of_tier = [(rows.coverage_tier == tier, name) for tier, name in fitting.items() if name]
    keeps = (rows.segment == AT_RISK) | rows.coverage_override.notnull() | (rows.tier_conflict != LESS)
    return ibis.ifelse(keeps.fill_null(True), rows.segment, ibis.cases(*of_tier, else_=rows.segment))


def _play_of(rows: ir.Table, catalogue: Sequence[PlayEntry]) -> ir.StringValue:
    """Id of the first play of the row's kind whose conditions hold; null: none."""
    return ibis.cases(*((_holds(rows, entry), entry.id) for entry in catalogue), else_=ibis.null("string"))


def _holds(rows: ir.Table, entry: PlayEntry) -> ir.BooleanValue:
    tests = [rows.kind == entry.kind]
    columns = {
        "segments": rows.play_segment, "tiers": rows.coverage_tier, "micro_segments": rows.micro_segment,
        "stages": rows.lifecycle_stage, "needs_profiles": rows.needs_profile.fill_null(UNKNOWN),
        "weakest": rows.weakest_dimension,
    }  # fmt: skip
    for name, value in columns.items():
        allowed = getattr(entry, name)
        if allowed is not None:
            tests.append(value.isin(list(allowed)).fill_null(False))
    if entry.has_override is not None:
        tests.append(rows.coverage_override.notnull() == entry.has_override)
    if entry.is_leaving is not None:
        tests.append(rows.leaving_on.notnull() == entry.is_leaving)
    return ibis.and_(*tests)


# -- when a play opens


def _with_last_done(
    rows: ir.Table, interactions: ir.Table, hierarchy: ir.Table, spine: ir.Table, policy: PlayPolicy
) -> ir.Table:
    """`rows` with play, last_done_on and last_interaction_id: the newest interaction with the play's word."""
    done = facts(interactions, "occurred_on", survivors(hierarchy), spine)
    done = done.filter(done.play.notnull())
    newest = ibis.window(
        group_by=["as_of", "account_id", "play"], order_by=[done.occurred_on.desc(), done.interaction_id.desc()]
    )
    done = done.mutate(nth=ibis.row_number().over(newest))
    last = done.filter(done.nth == 0).select(
        *_KEY, "play", last_done_on="occurred_on", last_interaction_id="interaction_id"
    )
    rows = rows.mutate(play=_by_play(rows, policy, lambda entry: entry.play))
    joined = rows.left_join(last, [*_KEY, "play"])
    return joined.select(*rows.columns, "last_done_on", "last_interaction_id")


def _by_play(
    rows: ir.Table, policy: PlayPolicy, choose: Callable[[PlayEntry], Any], kind: str = "string"
) -> ir.Value:
    """A value of the row's play; null where `choose` gives None."""
    values = [(entry.id, value) for entry in policy.catalogue if (value := choose(entry)) is not None]
    cases = [(rows.play_id == name, ibis.literal(value, kind)) for name, value in values]
    return ibis.cases(*cases, else_=ibis.null(kind)) if cases else ibis.null(kind)


def _with_opening(rows: ir.Table, policy: PlayPolicy, care: CarePolicy) -> ir.Table:
    """`rows` with opened_on and step; opened_on is null where the play is done and does not come again."""
    rows = rows.mutate(
        again_days=_by_play(rows, policy, lambda entry: entry.again_after_days, "int64"),
        care_days=_care_days(rows, care),
    )
    openings: list[tuple[ir.BooleanValue, ir.Value]] = []
    numbers: list[tuple[ir.BooleanValue, ir.Value]] = []
    for entry in policy.catalogue:
        is_entry = rows.play_id == entry.id
        if entry.step_days:
            day, number = _step(rows, entry, policy.early_days)
            numbers.append((is_entry, number))
        else:
            day = _UNSTEPPED[entry.trigger](rows, policy)
        openings.append((is_entry, day))
    step = ibis.cases(*numbers, else_=ibis.null("int64")) if numbers else ibis.null("int64")
    return rows.mutate(opened_on=ibis.cases(*openings, else_=ibis.null("date")), step=step)


def _step(rows: ir.Table, entry: PlayEntry, early_days: int) -> tuple[ir.DateValue, ir.IntegerValue]:
    """The day and number of the step that is open or comes next; null: all are done.

    A step gives way to the next one on the next one's day. It is done if the play was done since it opened.
    """
    is_before = entry.trigger == "before_renewal"
    start = rows.renewal_on if is_before else rows.first_paid_on
    days = [_days_on(start, -n if is_before else n) for n in entry.step_days]
    cases = []
    for place, day in enumerate(days):
        is_last = place + 1 == len(days)
        holds = _is_undone(rows, day, early_days) & start.notnull()
        cases.append((holds if is_last else holds & (days[place + 1] > rows.as_of), day, place + 1))
    opened = ibis.cases(*((holds, day) for holds, day, _ in cases), else_=ibis.null("date"))
    number = ibis.cases(*((holds, place) for holds, _, place in cases), else_=ibis.null("int64"))
    return opened, number


def _is_undone(rows: ir.Table, opened: ir.DateValue, early_days: int) -> ir.BooleanValue:
    return rows.last_done_on.isnull() | (rows.last_done_on < days_before(opened, early_days))


def _days_on(day: ir.DateValue, days: int) -> ir.DateValue:
    return days_later(day, ibis.literal(days, "int64")) if days else day


def _since_segment(rows: ir.Table, policy: PlayPolicy) -> ir.DateValue:
    """The day of the segment, if not done since; else some days after it was done last."""
    is_undone = _is_undone(rows, rows.segment_since, policy.early_days)
    return ibis.ifelse(is_undone, rows.segment_since, days_later(rows.last_done_on, rows.again_days))


def _this_week(rows: ir.Table, policy: PlayPolicy) -> ir.DateValue:
    """The Monday of the week, or the day in it from which the play may come again; null: done not long ago."""
    del policy
    again_on = days_later(rows.last_done_on, rows.again_days)
    return ibis.cases(
        (rows.last_done_on.isnull(), rows.last_monday),
        (again_on <= rows.as_of, ibis.greatest(again_on, rows.last_monday)),
        else_=ibis.null("date"),
    )


def _care_rhythm(rows: ir.Table, policy: PlayPolicy) -> ir.DateValue:
    """One turn after it was done last; if never done, the turns count from the first payment.

    A turn that was missed stays open for `horizon_days`, then the next one comes. Null: the tier has no such care.
    """
    since_turn = rows.tenure_days % rows.care_days
    turn = days_later(rows.as_of, -since_turn)
    coming = days_later(turn, rows.care_days)
    from_start = ibis.ifelse((since_turn <= policy.horizon_days) & (turn > rows.first_paid_on), turn, coming)
    from_last = days_later(rows.last_done_on, rows.care_days)
    is_old = from_last < days_before(rows.as_of, policy.horizon_days)
    return ibis.ifelse(rows.last_done_on.isnull() | is_old, from_start, from_last)


_UNSTEPPED: Mapping[str, Callable[[ir.Table, PlayPolicy], ir.DateValue]] = {
    "segment_since": _since_segment,
    "this_week": _this_week,
    "care": _care_rhythm,
}


def _care_days(rows: ir.Table, care: CarePolicy) -> ir.IntegerValue:
    """Days between two turns of the row's play in the row's tier; null: the tier is not entitled to it."""
    cases = [
        ((rows.coverage_tier == tier) & (rows.play == each.play), round(each.every_months * _DAYS_PER_MONTH))
        for tier, entitled in care.plays.items()
        for each in entitled
    ]
    return ibis.cases(*cases, else_=ibis.null("int64")) if cases else ibis.null("int64")


def promised_days(rows: ir.Table, policy: PlayPolicy) -> ir.IntegerValue:
    """Working days that the account's tier is promised for the kind of play."""
    cases = [
        ((rows.kind == kind) & (rows.coverage_tier == tier), ibis.literal(days, "int64"))
        for kind, tiers in policy.due_working_days.items()
        for tier, days in tiers.items()
    ]
    return ibis.cases(*cases)


def _without_waiting(rows: ir.Table, policy: PlayPolicy) -> ir.Table:
    """The rows without kinds that wait for another kind that is open for the account."""
    is_open = rows.opened_on <= rows.as_of
    account = ibis.window(group_by=list(_KEY))
    waits = [
        (rows.kind == kind)
        & ((rows.kind.isin(list(others)) & is_open).cast("int64").max().over(account) == 1)
        for kind, others in policy.waits_for.items()
        if others
    ]  # fmt: skip
    if not waits:
        return rows
    rows = rows.mutate(is_waiting=ibis.or_(*waits))
    return rows.filter(~rows.is_waiting).drop("is_waiting")


# -- what a row says


def _columns(rows: ir.Table, policy: PlayPolicy) -> ir.Table:
    days_until_due = rows.due_on.delta(rows.as_of, unit="day").cast("int64")
    next_day = working_days_later(rows.as_of, ibis.literal(1, "int64"))
    weight = ibis.cases(*((rows.kind == kind, weight) for kind, weight in policy.urgency.items()))
    halves = ibis.greatest(days_until_due, 0) / policy.urgency_half_days
    urgency = fine(weight * 0.5**halves)
    role = _by_play(rows, policy, lambda entry: entry.owner)
    first, owner = _owners(rows, role)
    moved = ibis.greatest(_moved_on(rows, "segment"), _moved_on(rows, "tier"))
    rows = rows.mutate(
        precedence=_precedence(rows, policy),
        title=_title(rows, policy),
        days_until_due=days_until_due,
        is_overdue=days_until_due <= 0,
        timing=ibis.cases(
            (rows.due_on <= next_day, TODAY), (days_until_due <= _WEEK, THIS_WEEK), else_=LATER
        ),
        owner_role=role,
        owner=owner,
        is_stand_in=(role != AUTOMATION) & first.isnull() & owner.notnull(),
        reasons=_by_play(rows, policy, lambda entry: ", ".join(entry.reasons)),
        material=_material(rows, policy),
        segment_moved_on=ibis.ifelse(rows.segment_move_rule == "start", ibis.null("date"), rows.segment_since),
        replanned_on=ibis.ifelse(moved > days_before(rows.as_of, policy.replanned_days), moved, ibis.null("date")),
        urgency=urgency,
        arr_urgency=cents(rows.arr * urgency),
        is_held_out=_is_held_out(rows, policy),
    )  # fmt: skip
    is_coming = (rows.opened_on > rows.as_of).cast("int64")
    within = ibis.window(group_by=list(_KEY), order_by=[is_coming, rows.precedence, rows.due_on, rows.kind])
    names = [name for name in PlaysDue.to_schema().columns if name not in ("place", "policy_hash")]
    return rows.mutate(place=ibis.row_number().over(within) + 1).select(*names, "place")


def _title(rows: ir.Table, policy: PlayPolicy) -> ir.StringValue:
    cases = []
    for entry in policy.catalogue:
        is_entry = rows.play_id == entry.id
        if entry.title is not None:
            cases.append((is_entry, entry.title))
        cases += [(is_entry & (rows.step == n), entry.steps[day]) for n, day in enumerate(entry.step_days, 1)]
    return ibis.cases(*cases)


def _precedence(rows: ir.Table, policy: PlayPolicy) -> ir.IntegerValue:
    """Place of the kind in the policy's order; a renewal far ahead comes last."""
    is_far = (rows.kind == "renewal") & (rows.days_to_renewal > policy.renewal_first_days).fill_null(False)
    places = [(rows.kind == kind, place) for place, kind in enumerate(policy.order)]
    return ibis.cases((is_far, len(policy.order)), *places)


def _owners(rows: ir.Table, role: ir.StringValue) -> tuple[ir.StringValue, ir.StringValue]:
    """Who is named for the role, and who has the task: that person, else a stand-in; null under automation."""
    csm, seller, sponsor = rows.csm_id, rows.account_executive, rows.executive_sponsor
    first = ibis.cases((role == "csm", csm), (role == "account_executive", seller),
                       (role == "executive_sponsor", sponsor), else_=ibis.null("string"))  # fmt: skip
    stand_in = ibis.ifelse(role == "csm", ibis.coalesce(seller, csm), ibis.coalesce(csm, seller))
    return first, ibis.ifelse(role == AUTOMATION, ibis.null("string"), ibis.coalesce(first, stand_in))


def _moved_on(rows: ir.Table, kind: str) -> ir.DateValue:
    """The day of the last move; a day before all others if there was none."""
    return ibis.ifelse(rows[f"{kind}_move_rule"] == "start", ibis.date(1, 1, 1), rows[f"{kind}_since"])


def _material(rows: ir.Table, policy: PlayPolicy) -> ir.StringValue:
    """What goes to the account, by its needs profile and the kind of play."""
    profile = rows.needs_profile.fill_null(UNKNOWN)
    profile = ibis.ifelse(profile.isin(list(policy.needs_tracks)), profile, UNKNOWN)
    cases = []
    for name, track in policy.needs_tracks.items():
        is_profile = profile == name
        cases += [
            (is_profile & (rows.kind == "onboarding"), track.onboarding_path),
            (is_profile & (rows.kind == "care"), track.review_template),
            (is_profile, track.content_track),
        ]
    return ibis.cases(*cases)


def _is_held_out(rows: ir.Table, policy: PlayPolicy) -> ir.BooleanValue:
    """Whether the hash of account and play lies within the play's share: the same on every engine and every day."""
    drawn = (rows.account_id + "|" + rows.play_id).hexdigest("md5").substr(0, _HEX)
    cases = [
        (rows.play_id == name, ibis.literal(True) if share >= 1 else drawn < f"{int(share * 16**_HEX):0{_HEX}x}")
        for name, share in policy.holdout_shares.items()
        if share > 0
    ]
    return ibis.cases(*cases, else_=False) if cases else ibis.literal(False)
