"""How far expansion is from its goal, and which hours would close the gap.

Here: `goal_gap`. Not here: retention targets by tier (`kpis.retention`), how many people are needed (`plan`; its sums
are repeated here), or sentences (`reading.plans`).
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
from segmentation_assets.tables.amounts import cents, fine, money, ratio, total
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
    """The expansion goal, expected expansion, and CSM hours that would close the gap. Key: as_of."""

    arr: float = column("ARR of the live accounts at as_of.", unit=_ARR, ge=0)
    expansion_target: float = column("Expansion goal for the twelve months after as_of.", unit=_ARR, ge=0)
    run_rate: float = column(
        "Expansion of the last three months x 4; null: no account had ARR three months before as_of.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    pipeline: float = column(
        "Amount of the expansion opportunities open at as_of; null: no opportunity extract.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    weighted_pipeline: float = column("pipeline x the policy's win rate.", unit=_ARR, nullable=True, ge=0)
    expected_expansion: float = column(
        "The larger of run_rate and weighted_pipeline, or the known one. They are not added, because both count the "
        "same coming deals.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    gap: float = column(
        "expansion_target - expected_expansion, at least 0; null: expected_expansion is not known.",
        unit=_ARR,
        nullable=True,
        ge=0,
    )
    status: str = column("met (no gap), missed (a gap), or unknown.", isin=STATUSES)
    required_fte: float = column("People needed: the company's sum of `capacity_plan`.", unit="people", ge=0)
    available_fte: float = column(
        "People on the roster: the company's sum of `capacity_plan`; null: no roster.",
        unit="people", nullable=True, ge=0,
    )  # fmt: skip
    short_fte: float = column(
        "required_fte - available_fte, at least 0; null: no roster.", unit="people", nullable=True, ge=0
    )
    from_tier: str = column(
        "Among tiers with people to spare, the one where an additional CSM hour brings least expansion; null: see "
        "reallocation.",
        nullable=True, isin=TIERS,
    )  # fmt: skip
    to_tier: str = column(
        "Tier where an additional CSM hour brings most expansion; null: see reallocation.", nullable=True, isin=TIERS
    )
    from_expansion_per_hour: float = column(
        "Expansion that an additional CSM hour brings in from_tier, estimated over twelve months, at least 0.",
        unit=_HOUR, nullable=True, ge=0,
    )  # fmt: skip
    to_expansion_per_hour: float = column(
        "Expansion that an additional CSM hour brings in to_tier, estimated over twelve months.",
        unit=_HOUR, nullable=True,
    )  # fmt: skip
    to_expansion_per_hour_low: float = column(
        "Lower end of the confidence interval of to_expansion_per_hour.", unit=_HOUR, nullable=True
    )
    to_expansion_per_hour_high: float = column(
        "Upper end of the confidence interval of to_expansion_per_hour.", unit=_HOUR, nullable=True
    )
    to_average_per_hour: float = column(
        "Expansion of to_tier / its CSM hours, of twelve months: the average hour, not an additional one.",
        unit=_HOUR, nullable=True, ge=0,
    )  # fmt: skip
    hours_available: float = column(
        "Whole hours of twelve months that from_tier can give: the time of people it does not need, at most the "
        "policy's share of the hours logged there; null: see reallocation.",
        unit="hours", nullable=True, ge=0,
    )  # fmt: skip
    hours_to_close: float = column(
        "gap / (to_expansion_per_hour - from_expansion_per_hour), rounded up to whole hours; null: see reallocation.",
        unit="hours", nullable=True, ge=0,
    )  # fmt: skip
    hours_to_move: float = column(
        "The smaller of hours_available and hours_to_close.", unit="hours", nullable=True, ge=0
    )
    gap_closed: float = column(
        "hours_to_move x (to_expansion_per_hour - from_expansion_per_hour).", unit=_ARR, nullable=True, ge=0
    )
    reallocation: str = column(
        "not_needed (no gap), closes_the_gap, closes_part; nothing_to_spare: no tier has more people than it needs; "
        "not_proven: the interval allows that an hour brings no more in to_tier than in from_tier; unknown: the gap, "
        "the hours or the roster are not known.",
        isin=REALLOCATIONS,
    )

    @row_rule
    def gap_is_what_is_missing(cls, t: ir.Table) -> ir.BooleanValue:
        """expected_expansion + gap = expansion_target, unless the gap is 0."""
        return t.gap.isnull() | (t.gap == 0) | closes(t.expected_expansion + t.gap, t.expansion_target)

    @row_rule
    def status_follows_the_gap(cls, t: ir.Table) -> ir.BooleanValue:
        """The status is unknown where the gap is null, and missed where it is above 0."""
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
    """Will expansion reach its goal in the next twelve months, and which hours could close the gap?

    One row per as_of with live accounts. The policy gives the goal as an amount or as a share of ARR. Expected
    expansion is the run rate (expansion of the last three months x 4) or the weighted pipeline, whichever is larger.
    The reallocation moves CSM hours from a tier that has more than `capacity_plan` says it needs, to the tier where
    an additional hour brings most expansion. That yield is estimated from the accounts that were in the tier at the
    start of the twelve months: the slope of expansion / ARR on CSM hours / ARR, weighted by ARR, with its confidence
    interval. This is no experiment: accounts that were about to grow may have got more hours. So the figure shows an
    order of magnitude. It is no promise.
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
    """Expansion per additional CSM hour by start tier, with its interval. Tiers with too few accounts have no row.

    Weighted least squares of e / a on h / a with weight a, for a = ARR, e = expansion, h = hours of an account.
    """
    rows = cohort.filter((cohort.window_months == _MONTHS) & (cohort.start_tier != UNASSIGNED))
    rows = rows.left_join(costs.select("as_of", "account_id", "csm_hours_12m"), ["as_of", "account_id"])
    rows = rows.filter(rows.csm_hours_12m.notnull())
    a, e, h = rows.start_arr, rows.expansion_arr, rows.csm_hours_12m
    sums = rows.group_by("as_of", coverage_tier="start_tier").aggregate(
        n=rows.count(), a=total(a), e=total(e), h=total(h),
        he=total(ratio(h * e, a)), hh=total(ratio(h * h, a)), ee=total(ratio(e * e, a)),
    )  # fmt: skip
    sums = sums.mutate(
        sxx=fine(sums.hh - ratio(sums.h * sums.h, sums.a)),
        sxy=fine(sums.he - ratio(sums.h * sums.e, sums.a)),
        syy=fine(sums.ee - ratio(sums.e * sums.e, sums.a)),
    )
    sums = sums.filter((sums.n >= policy.min_accounts) & (sums.sxx > 0))
    slope = ratio(sums.sxy, sums.sxx)
    left = ratio(ibis.greatest(sums.syy - slope * sums.sxy, 0.0), sums.n - _FITTED)
    half = ratio(left, sums.sxx).sqrt() * normal_quantile(policy.confidence)
    # Whole cents, so that a sentence about it can be checked with a pocket calculator.
    return sums.select(
        "as_of", "coverage_tier", hours="h",
        per_hour=cents(slope), low=cents(slope - half), high=cents(slope + half),
        average=cents(sums.e / sums.h.nullif(0.0)),
    )  # fmt: skip


_FITTED = 2
"""Parameters that the regression estimates: slope and intercept."""


def _with_spare(yields: ir.Table, plan: ir.Table, policy: GoalPolicy) -> ir.Table:
    """Adds the hours a year that a tier could give: of people it does not need and the plan does not move."""
    beyond = fine(plan.gap_fte - plan.rebalanced_out_fte) * plan.hours_per_fte * _MONTHS
    spare = plan.select("as_of", "coverage_tier", "is_roster_known", spare=ibis.greatest(beyond, 0.0))
    rows = yields.join(spare, ["as_of", "coverage_tier"])
    return rows.mutate(hours_available=ibis.least(rows.spare, rows.hours * policy.max_moved_share).floor()).drop(
        "spare"
    )


def _ends(yields: ir.Table) -> ir.Table:
    """One row per as_of: the tier with spare hours where an hour brings least, and the tier where it brings most."""
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
    # Not `greatest`: some engines ignore nulls in it, and an unknown gap is not 0.
    rows = rows.mutate(gap=ibis.ifelse(missing < 0, 0.0, missing))
    # A negative yield of from_tier counts as 0: it must not make the move look better.
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
