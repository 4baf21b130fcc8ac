"""How far expansion is from its goal, and what would close the gap.

Here: `goal_gap`. Not here: targets of retention by tier (`kpis.retention`), how many people are needed (`plan`, whose
answer stands here too), or sentences (`reading.plans`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.capacity.plan import CapacityPlan
from segmentation_assets.kpis.identities import closes
from segmentation_assets.kpis.intervals import normal_quantile
from segmentation_assets.kpis.periods import UNASSIGNED, AccountPeriods
from segmentation_assets.kpis.standings import AccountStandings
from segmentation_assets.policy.insights import GoalPolicy
from segmentation_assets.policy.kpis import QUARTER_MONTHS
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.tables.amounts import cents, fine, money, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

STATUSES = ("met", "missed", "unknown")
REALLOCATIONS = ("not_needed", "closes_the_gap", "closes_part", "nothing_to_spare", "not_proven", "unknown")

_ARR = "currency per year"
_MONTHS = 12
_QUARTERS_PER_YEAR = 4
_HOUR = "currency per hour"


class GoalGap(Snapshot):
    """Expansion: goal, what is under way, and hours that would close the gap. Key: as_of."""

    arr: float = column("ARR at as_of.", unit=_ARR, ge=0)
    expansion_target: float = column("Expansion wanted in the twelve months ahead.", unit=_ARR, ge=0)
    run_rate: float = column(
        "Expansion of the last three months x 4; null: nobody had ARR three months before.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    pipeline: float = column(
        "Expansion opportunities open at as_of; null: no opportunity extract.", unit=_ARR, nullable=True, ge=0
    )
    weighted_pipeline: float = column("pipeline x the policy's win rate.", unit=_ARR, nullable=True, ge=0)
    expected_expansion: float = column(
        "The larger one of run rate and weighted pipeline, as far as known: what is won next comes out of both, so "
        "they are not added.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    gap: float = column(
        "Target less expected, at least 0; null: nothing expected is known.", unit=_ARR, nullable=True, ge=0
    )
    status: str = column("met, missed, or unknown.", isin=STATUSES)
    required_fte: float = column("People needed, as in `capacity_plan`.", unit="people", ge=0)
    available_fte: float = column(
        "People there, as in `capacity_plan`; null: no roster.", unit="people", nullable=True, ge=0
    )
    short_fte: float = column(
        "People too few: needed - there, at least 0; null: no roster.", unit="people", nullable=True, ge=0
    )
    from_tier: str = column(
        "Tier with people to spare whose next CSM hour expands least; null: see reallocation.",
        nullable=True, isin=TIERS,
    )  # fmt: skip
    to_tier: str = column("Tier whose next CSM hour expands most.", nullable=True, isin=TIERS)
    from_expansion_per_hour: float = column(
        "What one more hour in from_tier brings a year, at least 0: see the table.", unit=_HOUR, nullable=True, ge=0
    )
    to_expansion_per_hour: float = column("The same of to_tier.", unit=_HOUR, nullable=True)
    to_expansion_per_hour_low: float = column("Lower end of its interval.", unit=_HOUR, nullable=True)
    to_expansion_per_hour_high: float = column("Upper end.", unit=_HOUR, nullable=True)
    to_average_per_hour: float = column(
        "Expansion of to_tier / its CSM hours of twelve months: what an hour brought on average, not one more.",
        unit=_HOUR, nullable=True, ge=0,
    )  # fmt: skip
    hours_available: float = column(
        "Whole hours of twelve months that can be moved: of from_tier's people beyond those it needs, at most the "
        "policy's share of the hours it got.",
        unit="hours", nullable=True, ge=0,
    )  # fmt: skip
    hours_to_close: float = column(
        "gap / the difference of the two per hour, in whole hours; null: see reallocation.",
        unit="hours", nullable=True, ge=0,
    )  # fmt: skip
    hours_to_move: float = column("The smaller one of both.", unit="hours", nullable=True, ge=0)
    gap_closed: float = column("hours_to_move x the difference per hour.", unit=_ARR, nullable=True, ge=0)
    reallocation: str = column(
        "not_needed, closes_the_gap, closes_part; nothing_to_spare: no tier has more people than it needs; "
        "not_proven: by its interval, one more hour may bring no more than where it comes from; unknown: no gap, no "
        "hours or no roster is known.",
        isin=REALLOCATIONS,
    )

    @row_rule
    def gap_is_what_is_missing(cls, t: ir.Table) -> ir.BooleanValue:
        """Expected and gap make up the target, or more than that is expected."""
        return t.gap.isnull() | (t.gap == 0) | closes(t.expected_expansion + t.gap, t.expansion_target)

    @row_rule
    def status_follows_the_gap(cls, t: ir.Table) -> ir.BooleanValue:
        """Unknown where the gap is, missed where it is above 0."""
        return (t.gap.isnull() == (t.status == "unknown")) & (
            t.gap.isnull() | ((t.gap > 0) == (t.status == "missed"))
        )

    class Config:
        unique = ["as_of"]


@table(group="capacity")
def goal_gap(
    spine: Table[Spine],
    account_standings: Table[AccountStandings],
    account_periods: Table[AccountPeriods],
    account_costs: Table[AccountCosts],
    capacity_plan: Table[CapacityPlan],
    policy: GoalPolicy,
) -> Table[GoalGap]:
    """Will expansion reach its goal in the twelve months ahead, and which hours, moved where, would close the gap?

    One row per as_of with live accounts. The goal is an amount of the policy, or a share of ARR. Expected is the run
    rate (the last three months, four times) or the weighted pipeline, whichever is larger. The reallocation moves CSM
    hours that a tier has beyond what `capacity_plan` says it needs, to the tier whose next hour brings most. What one
    more hour brings is read off the accounts of a tier (as it was at the start of the twelve months): the slope of
    expansion / ARR over CSM hours / ARR, weighted by ARR, with its interval. It is no experiment: accounts that were
    about to grow may have got more hours. Take it as the size of the step, not as a promise.
    """
    live = account_standings.semi_join(spine, "as_of")
    rows = live.group_by("as_of").aggregate(arr=money(live.arr), pipeline=money(live.expansion_pipeline))
    periods = account_periods.semi_join(spine, "as_of")
    cohort = periods.filter(periods.start_arr > 0)
    recent = cohort.filter(cohort.window_months == QUARTER_MONTHS)
    run_rate = recent.group_by("as_of").aggregate(run_rate=cents(money(recent.expansion_arr) * _QUARTERS_PER_YEAR))
    ends = _ends(_with_spare(_yields(cohort, account_costs, policy), capacity_plan, policy))
    for figures in (run_rate, _people(capacity_plan), ends):
        rows = rows.left_join(figures, "as_of").drop("as_of_right")
    return _columns(rows, policy)


def _people(plan: ir.Table) -> ir.Table:
    people = plan.group_by("as_of").aggregate(
        required_fte=total(plan.required_fte),
        is_known=plan.is_roster_known.all(),
        there=total(plan.available_fte),
    )
    short = ibis.greatest(fine(people.there - people.required_fte) * -1, 0.0)
    return people.select(
        "as_of",
        "required_fte",
        available_fte=only_if(people.is_known, people.there),
        short_fte=only_if(people.is_known, short),
    )


def _yields(cohort: ir.Table, costs: ir.Table, policy: GoalPolicy) -> ir.Table:
    """What one more CSM hour brings by start tier, with its interval. Tiers with too few accounts have no row.

    With a = ARR, e = expansion, h = hours of an account, least squares of e / a on h / a, weighted by a.
    """
    rows = cohort.filter((cohort.window_months == _MONTHS) & (cohort.start_tier != UNASSIGNED))
    rows = rows.left_join(costs.select("as_of", "account_id", "csm_hours_12m"), ["as_of", "account_id"])
    rows = rows.filter(rows.csm_hours_12m.notnull())
    a, e, h = rows.start_arr, rows.expansion_arr, rows.csm_hours_12m
    sums = rows.group_by("as_of", coverage_tier="start_tier").aggregate(
        n=rows.count(), a=total(a), e=total(e), h=total(h),
        he=total(h * e / a), hh=total(h * h / a), ee=total(e * e / a),
    )  # fmt: skip
    sums = sums.mutate(
        sxx=fine(sums.hh - sums.h * sums.h / sums.a),
        sxy=fine(sums.he - sums.h * sums.e / sums.a),
        syy=fine(sums.ee - sums.e * sums.e / sums.a),
    )
    sums = sums.filter((sums.n >= policy.min_accounts) & (sums.sxx > 0))
    slope = sums.sxy / sums.sxx
    left = ibis.greatest(sums.syy - slope * sums.sxy, 0.0) / (sums.n - _FITTED)
    half = (left / sums.sxx).sqrt() * normal_quantile(policy.confidence)
    # Whole cents, so that a sentence about it can be checked with a pocket calculator.
    return sums.select(
        "as_of", "coverage_tier", hours="h",
        per_hour=cents(slope), low=cents(slope - half), high=cents(slope + half),
        average=cents(sums.e / sums.h.nullif(0.0)),
    )  # fmt: skip


_FITTED = 2
"""A slope and a level are read off the accounts."""


def _with_spare(yields: ir.Table, plan: ir.Table, policy: GoalPolicy) -> ir.Table:
    """Adds the hours a year that a tier could give: of people it does not need, and the plan does not move."""
    beyond = fine(plan.gap_fte - plan.rebalanced_out_fte) * plan.hours_per_fte * _MONTHS
    spare = plan.select("as_of", "coverage_tier", "is_roster_known", spare=ibis.greatest(beyond, 0.0))
    rows = yields.join(spare, ["as_of", "coverage_tier"])
    return rows.mutate(hours_available=ibis.least(rows.spare, rows.hours * policy.max_moved_share).floor()).drop(
        "spare"
    )


def _ends(yields: ir.Table) -> ir.Table:
    """The tier with hours to give whose next hour brings least, and the one where it brings most, in one row."""
    gives = yields.filter(yields.hours_available > 0)
    least = ibis.window(group_by="as_of", order_by=[gives.per_hour, gives.coverage_tier])
    gives = gives.mutate(place=ibis.row_number().over(least)).filter(ibis._.place == 0)
    most = ibis.window(group_by="as_of", order_by=[yields.per_hour.desc(), yields.coverage_tier])
    gets = yields.mutate(place=ibis.row_number().over(most)).filter(ibis._.place == 0)
    gets = gets.select(
        "as_of", "is_roster_known", to_tier="coverage_tier", to_per_hour="per_hour", to_low="low", to_high="high",
        to_average="average",
    )  # fmt: skip
    gives = gives.select("as_of", "hours_available", from_tier="coverage_tier", from_per_hour="per_hour")
    return gets.left_join(gives, "as_of").drop("as_of_right")


def _columns(rows: ir.Table, policy: GoalPolicy) -> ir.Table:
    target = (
        cents(rows.arr * policy.expansion_target_share)
        if policy.expansion_target is None
        else ibis.literal(float(policy.expansion_target))
    )
    rows = rows.mutate(expansion_target=target, weighted_pipeline=cents(rows.pipeline * policy.win_rate))
    expected = ibis.greatest(
        ibis.coalesce(rows.run_rate, rows.weighted_pipeline), ibis.coalesce(rows.weighted_pipeline, rows.run_rate)
    )
    rows = rows.mutate(expected_expansion=expected)
    missing = cents(rows.expansion_target - rows.expected_expansion)
    # not `greatest`: some engines leave a null out of it, and an unknown gap is not 0
    rows = rows.mutate(gap=ibis.ifelse(missing < 0, 0.0, missing))
    # An hour that takes expansion away where it comes from is no reason to move it: it counts as bringing nothing.
    lost = ibis.ifelse(rows.from_per_hour < 0, 0.0, rows.from_per_hour)
    rows = rows.mutate(lost_per_hour=lost, more_per_hour=cents(rows.to_per_hour - lost))
    kind = ibis.cases(
        (rows.gap == 0, "not_needed"),
        (rows.gap.isnull() | rows.to_tier.isnull() | ~rows.is_roster_known, "unknown"),
        (rows.from_tier.isnull(), "nothing_to_spare"),
        ((rows.from_tier == rows.to_tier) | (rows.to_low <= rows.lost_per_hour), "not_proven"),
        else_="moves",
    )
    rows = rows.mutate(kind=kind)
    moves = rows.kind == "moves"
    rows = rows.mutate(
        hours_available=only_if(moves, rows.hours_available.cast("float64")),
        hours_to_close=only_if(moves, (rows.gap / rows.more_per_hour.nullif(0.0)).ceil().cast("float64")),
    )
    rows = rows.mutate(hours_to_move=ibis.least(rows.hours_available, rows.hours_to_close))
    closes_all = rows.hours_to_close <= rows.hours_available
    rows = rows.mutate(
        gap_closed=cents(rows.hours_to_move * rows.more_per_hour),
        reallocation=ibis.cases((~moves, rows.kind), (closes_all, "closes_the_gap"), else_="closes_part"),
    )
    is_compared = rows.kind.isin(["moves", "not_proven", "nothing_to_spare"])
    return rows.select(
        "as_of", "arr", "expansion_target", "run_rate", "pipeline", "weighted_pipeline", "expected_expansion", "gap",
        "required_fte", "available_fte", "short_fte", "hours_available", "hours_to_close", "hours_to_move",
        "gap_closed", "reallocation",
        status=ibis.cases((rows.gap.isnull(), "unknown"), (rows.gap > 0, "missed"), else_="met"),
        from_tier=only_if(is_compared, rows.from_tier),
        to_tier=only_if(is_compared, rows.to_tier),
        from_expansion_per_hour=only_if(is_compared, rows.lost_per_hour),
        to_expansion_per_hour=only_if(is_compared, rows.to_per_hour),
        to_expansion_per_hour_low=only_if(is_compared, rows.to_low),
        to_expansion_per_hour_high=only_if(is_compared, rows.to_high),
        to_average_per_hour=only_if(is_compared, rows.to_average),
    )  # fmt: skip
