"""How far expansion is from its goal, and what would close the gap.

Here: `goal_gap`. Not here: targets of retention by tier (`retention`), or how many CSMs the plays need (`capacity`).
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.kpis.identities import closes
from segmentation_assets.kpis.periods import UNASSIGNED, AccountPeriods
from segmentation_assets.kpis.standings import AccountStandings
from segmentation_assets.policy.insights import GoalPolicy
from segmentation_assets.policy.kpis import QUARTER_MONTHS
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.profiles.costs import AccountCosts
from segmentation_assets.tables.amounts import cents, money, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Snapshot, column, row_rule
from segmentation_assets.tables.registry import Table, table

STATUSES = ("met", "missed", "unknown")
REALLOCATIONS = ("not_needed", "closes_the_gap", "closes_part", "none", "unknown")

_ARR = "currency per year"
_MONTHS = 12
_QUARTERS_PER_YEAR = 4
_CENTS = 2
_CENTS_PER_UNIT = 100


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
    from_tier: str = column("Tier whose CSM hours expand least; null: see reallocation.", nullable=True, isin=TIERS)
    to_tier: str = column("Tier whose CSM hours expand most.", nullable=True, isin=TIERS)
    from_expansion_per_hour: float = column(
        "Expansion of twelve months / CSM hours of from_tier.", unit="currency per hour", nullable=True, ge=0
    )
    to_expansion_per_hour: float = column("The same of to_tier.", unit="currency per hour", nullable=True, ge=0)
    hours_available: float = column(
        "Whole hours of twelve months that can be moved: the policy's share of from_tier's.",
        unit="hours",
        nullable=True,
        ge=0,
    )
    hours_to_close: float = column(
        "gap / the difference of the two per hour, in whole hours; null: see reallocation.",
        unit="hours",
        nullable=True,
        ge=0,
    )
    hours_to_move: float = column("The smaller one of both.", unit="hours", nullable=True, ge=0)
    gap_closed: float = column("hours_to_move x the difference per hour.", unit=_ARR, nullable=True, ge=0)
    reallocation: str = column(
        "not_needed, closes_the_gap, closes_part; none: all tiers expand alike per hour, or only one has hours; "
        "unknown: no gap or no hours are known.",
        isin=REALLOCATIONS,
    )
    arithmetic: str = column("The reallocation in words and numbers.")

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


@table(group="kpis")
def goal_gap(
    spine: Table[Spine],
    account_standings: Table[AccountStandings],
    account_periods: Table[AccountPeriods],
    account_costs: Table[AccountCosts],
    policy: GoalPolicy,
) -> Table[GoalGap]:
    """Will expansion reach its goal in the twelve months ahead, and which hours, moved where, would close the gap?

    One row per as_of with live accounts. The goal is an amount of the policy, or a share of ARR. Expected is the run
    rate (the last three months, four times) or the weighted pipeline, whichever is larger. The reallocation moves CSM
    hours from the tier that expanded least per hour to the one that expanded most over the last twelve months, tiers
    as they were at the start, up to the policy's share of the hours. It supposes that a moved hour brings what the
    hours there brought on average: take it as the size of the step, not as a promise.
    """
    standings = account_standings.semi_join(spine, "as_of")
    rows = standings.group_by("as_of").aggregate(
        arr=money(standings.arr), pipeline=money(standings.expansion_pipeline)
    )
    periods = account_periods.semi_join(spine, "as_of")
    cohort = periods.filter(periods.start_arr > 0)
    recent = cohort.filter(cohort.window_months == QUARTER_MONTHS)
    run_rate = recent.group_by("as_of").aggregate(run_rate=money(recent.expansion_arr) * _QUARTERS_PER_YEAR)
    yields = _ends(_yields(cohort, account_costs))
    for figures in (run_rate, yields):
        rows = rows.left_join(figures, "as_of").drop("as_of_right")
    return _columns(rows, policy)


def _yields(cohort: ir.Table, costs: ir.Table) -> ir.Table:
    """Expansion per CSM hour over twelve months by start tier; tiers without hours have no row."""
    rows = cohort.filter((cohort.window_months == _MONTHS) & (cohort.start_tier != UNASSIGNED))
    rows = rows.left_join(costs.select("as_of", "account_id", "csm_hours_12m"), ["as_of", "account_id"])
    sums = rows.group_by("as_of", "start_tier").aggregate(
        expansion=money(rows.expansion_arr), hours=total(rows.csm_hours_12m)
    )
    # whole cents, so that the sentence about it can be checked with a pocket calculator
    return sums.filter(sums.hours > 0).mutate(per_hour=cents(ibis._.expansion / ibis._.hours))


def _ends(yields: ir.Table) -> ir.Table:
    """The tiers with the least and the most expansion per hour, in one row; the tier's name breaks ties."""
    least = ibis.window(group_by="as_of", order_by=[yields.per_hour, yields.start_tier])
    most = ibis.window(group_by="as_of", order_by=[yields.per_hour.desc(), yields.start_tier])
    rows = yields.mutate(is_least=ibis.row_number().over(least) == 0, is_most=ibis.row_number().over(most) == 0)
    return rows.group_by("as_of").aggregate(
        least_tier=rows.start_tier.max(where=rows.is_least),
        least_per_hour=rows.per_hour.max(where=rows.is_least),
        least_hours=rows.hours.max(where=rows.is_least),
        most_tier=rows.start_tier.max(where=rows.is_most),
        most_per_hour=rows.per_hour.max(where=rows.is_most),
    )


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
    rows = rows.mutate(more_per_hour=cents(rows.most_per_hour - rows.least_per_hour))
    kind = ibis.cases(
        (rows.gap == 0, "not_needed"),
        (rows.gap.isnull() | rows.most_tier.isnull(), "unknown"),
        (rows.more_per_hour <= 0, "none"),
        else_="moves",
    )
    rows = rows.mutate(kind=kind)
    moves = rows.kind == "moves"
    rows = rows.mutate(
        hours_available=_if(moves, (rows.least_hours * policy.max_moved_share).floor().cast("float64")),
        hours_to_close=_if(moves, (rows.gap / rows.more_per_hour.nullif(0.0)).ceil().cast("float64")),
    )
    rows = rows.mutate(hours_to_move=ibis.least(rows.hours_available, rows.hours_to_close))
    closes_all = rows.hours_to_close <= rows.hours_available
    rows = rows.mutate(
        gap_closed=cents(rows.hours_to_move * rows.more_per_hour),
        reallocation=ibis.cases((~moves, rows.kind), (closes_all, "closes_the_gap"), else_="closes_part"),
    )
    return rows.select(
        "as_of", "arr", "expansion_target", "run_rate", "pipeline", "weighted_pipeline", "expected_expansion", "gap",
        "hours_available", "hours_to_close", "hours_to_move", "gap_closed", "reallocation",
        status=ibis.cases((rows.gap.isnull(), "unknown"), (rows.gap > 0, "missed"), else_="met"),
        from_tier=_if(moves, rows.least_tier),
        to_tier=_if(moves, rows.most_tier),
        from_expansion_per_hour=_if(moves, rows.least_per_hour),
        to_expansion_per_hour=_if(moves, rows.most_per_hour),
        arithmetic=_arithmetic(rows),
    )  # fmt: skip


def _if(condition: ir.BooleanValue, value: Any) -> Any:
    return ibis.ifelse(condition, value, ibis.null(value.type()))


def _arithmetic(rows: ir.Table) -> ir.StringValue:
    """The calculation as a sentence, with the very figures it rests on: amounts to the cent, whole hours."""

    def whole(value: ir.FloatingValue) -> ir.StringValue:
        return value.round(0).cast("int64").cast("string")

    def cents(value: ir.FloatingValue) -> ir.StringValue:
        units = (value * _CENTS_PER_UNIT).round(0).cast("int64")
        return (
            (units / _CENTS_PER_UNIT).floor().cast("int64").cast("string")
            + "."
            + ((units % _CENTS_PER_UNIT).cast("string").lpad(_CENTS, "0"))
        )

    missing = (
        ibis.literal("Target ") + cents(rows.expansion_target) + " - expected " + cents(rows.expected_expansion)
        + " = gap " + cents(rows.gap) + ". "
    )  # fmt: skip
    moved = (
        missing + "An hour in " + rows.most_tier + " brings " + cents(rows.most_per_hour) + ", in " + rows.least_tier
        + " " + cents(rows.least_per_hour) + ": moving one adds " + cents(rows.more_per_hour) + ". "
        + cents(rows.gap) + " / " + cents(rows.more_per_hour) + " = " + whole(rows.hours_to_close)
        + " hours; at most " + whole(rows.hours_available) + " can move: " + whole(rows.hours_to_move) + " x "
        + cents(rows.more_per_hour) + " = " + cents(rows.gap_closed) + "."
    )  # fmt: skip
    return ibis.cases(
        (rows.reallocation == "not_needed", "Expected expansion reaches the target: no hours need to move."),
        (rows.gap.isnull(), "Neither a run rate nor a pipeline is known: there is no gap to close."),
        (rows.reallocation == "unknown", missing + "No CSM hours are known by tier."),
        (
            rows.reallocation == "none",
            missing + "No tier's hours bring more than another's: moving them adds nothing.",
        ),
        else_=moved,
    )
