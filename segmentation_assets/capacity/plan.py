"""How many people does each coverage tier need and have, and what is tiered coverage worth against flat coverage?

Here: `capacity_plan`, the one answer to "how many people". Not here: what accounts need and CSMs have (`staffing`),
which accounts' hours move (`rebalancing`), who covers whom (`assignments`), a business case from stated figures
(`scenario`), or sentences (`reading.plans`).
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from segmentation_assets.capacity.staffing import (
    AccountDemand,
    CsmSupply,
    CsmTierShares,
    each_tier,
    hours_per_person,
)
from segmentation_assets.extracts.contracts import CsmRoster
from segmentation_assets.kpis.entitlement import by_tier
from segmentation_assets.kpis.workloads import AccountWorkloads
from segmentation_assets.policy.capacity import CoveragePolicy, StaffingPolicy
from segmentation_assets.policy.kpis import QUARTER_MONTHS, ProductivityPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.profiles.facts import only_if
from segmentation_assets.tables.amounts import cents, fine, money, ratio, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Flag, Integer, Snapshot, column, ibis_schema, row_rule
from segmentation_assets.tables.registry import POLICY_HASH, Table, table

ACTIONS = ("hire", "rebalance_in", "rebalance_in_and_hire", "rebalance_out", "spare", "keep", "unknown")

_KEY = ["as_of", "coverage_tier"]
_CLOSE = 1e-6


class CapacityPlan(Snapshot):
    """People needed and people available, by tier. Key: as_of, coverage_tier; always all tiers.

    The unit is people (FTE): one person works a full contracted week. Columns `..._fte` add up over the tiers to the
    company, so that the company hires what it lacks. Columns about available people are null where no CSM roster is
    known.
    """

    # What people look for first; what it is computed from follows
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    accounts: Integer = column("Live accounts of the tier.", ge=0)
    arr: float = column("ARR of the tier's live accounts.", unit="currency per year", ge=0)
    fte_by_ratio: float = column(
        "People needed by ratio: sum over the accounts of 1 / accounts per CSM; null: the tier has no ratio.",
        unit="people", nullable=True, ge=0,
    )  # fmt: skip
    fte_by_hours: float = column("People needed by hours: demanded_hours / hours_per_fte.", unit="people", ge=0)
    required_fte: float = column("People needed: the larger of fte_by_ratio and fte_by_hours.", unit="people", ge=0)
    available_fte: float = column(
        "FTE of the CSMs on the roster over the planning period, for the share of their time in the tier; null: no "
        "roster.",
        unit="people", nullable=True, ge=0,
    )  # fmt: skip
    gap_fte: float = column(
        "available_fte - required_fte; negative: too few people; null: no roster.", unit="people", nullable=True
    )
    planned_utilisation: float = column(
        "demanded_hours / available_hours; null: no roster, or nobody in the tier.", unit="ratio", nullable=True, ge=0
    )
    action: str = column(
        "What to do: hire; rebalance_in (people from other tiers); rebalance_in_and_hire; rebalance_out (people to "
        "other tiers); spare (more people than needed, and no tier lacks them); keep (there is no gap, or it is too "
        "small a part of a person to move or hire); unknown: no roster.",
        isin=ACTIONS,
    )
    rebalanced_in_fte: float = column(
        "People that move in from tiers with spare people.", unit="people", nullable=True, ge=0
    )
    rebalanced_out_fte: float = column(
        "People that move out to tiers with too few.", unit="people", nullable=True, ge=0
    )
    rebalanced_arr: float = column(
        "ARR newly covered by the people who move in: ARR x increase of the covered share.",
        unit="currency per year", nullable=True, ge=0,
    )  # fmt: skip
    hired_fte: float = column(
        "People to hire after rebalancing. The sum over the tiers is what the company lacks: required_fte - "
        "available_fte, or 0 below the policy's least part of a person.",
        unit="people", nullable=True, ge=0,
    )  # fmt: skip
    hiring_cost: float = column(
        "hired_fte x the mean cost of one person; null: no roster, or no person's cost is known.",
        unit="currency per year", nullable=True, ge=0,
    )  # fmt: skip
    override_accounts: Integer = column("Live accounts with high touch by a coverage override.", ge=0)
    named_csms: Integer = column("CSMs of the tier's live accounts in the CRM.", ge=0)
    required_by: str = column("What sets required_fte: the ratio or the hours.", isin=["ratio", "hours"])
    demanded_hours: float = column(
        "CSM hours the tier's live accounts are entitled to.", unit="hours per month", ge=0
    )
    hours_per_fte: float = column(
        "Customer hours of one person: mean of the CSMs on the roster; without a roster, a full week by the policy.",
        unit="hours per month", gt=0,
    )  # fmt: skip
    accounts_per_csm_target: float = column(
        "Accounts one CSM should cover: accounts / fte_by_ratio; null: no ratio, or no accounts.",
        unit="accounts", nullable=True, gt=0,
    )  # fmt: skip
    accounts_per_csm: float = column(
        "accounts / available_fte; null: no roster, or nobody in the tier.", unit="accounts", nullable=True, ge=0
    )
    fte_by_ratio_least: float = column(
        "People needed at the highest ratio the policy accepts.", unit="people", nullable=True, ge=0
    )
    fte_by_ratio_most: float = column(
        "People needed at the lowest ratio the policy accepts.", unit="people", nullable=True, ge=0
    )
    available_hours: float = column(
        "Customer hours of the available people; null: no roster.", unit="hours per month", nullable=True, ge=0
    )
    actual_utilisation: float = column(
        "Hours that CSMs on the roster logged on the live accounts in the three months up to as_of / their "
        "productive hours. A CSM's productive hours are divided over tiers by the hours that the CSM's accounts are "
        "entitled to. As in `tier_kpis`.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    logged_hours: float = column(
        "CSM hours logged on the live accounts in the three months up to as_of.", unit="hours", nullable=True, ge=0
    )
    annual_cost: float = column(
        "Contracted hours of the available people x their hourly cost.", unit="currency per year", nullable=True, ge=0
    )
    cost_share_of_arr: float = column("annual_cost / arr.", unit="ratio", nullable=True, ge=0)
    planned_fte: float = column("People after rebalancing, before hiring.", unit="people", nullable=True, ge=0)
    flat_fte: float = column(
        "People of the tier in flat coverage: the available people spread evenly over all accounts.",
        unit="people", nullable=True, ge=0,
    )  # fmt: skip
    covered_share: float = column(
        "planned_fte / required_fte, rounded to nine digits, at most 1; 1 where no people are required.",
        unit="share",
        nullable=True,
        ge=0,
        le=1,
    )
    flat_covered_share: float = column(
        "covered_share with flat_fte in place of planned_fte.", unit="share", nullable=True, ge=0, le=1
    )
    covered_arr: float = column("arr x covered_share.", unit="currency per year", nullable=True, ge=0)
    flat_covered_arr: float = column("arr x flat_covered_share.", unit="currency per year", nullable=True, ge=0)
    gain_over_flat: float = column(
        "covered_arr - flat_covered_arr: ARR covered because coverage is tiered.",
        unit="currency per year", nullable=True,
    )  # fmt: skip
    flat_wasted_cost: float = column(
        "(flat_fte - required_fte, at least 0) x the mean cost of one person.",
        unit="currency per year", nullable=True, ge=0,
    )  # fmt: skip
    is_roster_known: Flag = column("The CSM roster has rows known by as_of.")

    @row_rule
    def gap_is_the_difference(cls, t: ir.Table) -> ir.BooleanValue:
        """gap_fte = available - required, and people moved in plus hired never exceed the gap."""
        differs = (t.available_fte - t.required_fte - t.gap_fte).abs() > _CLOSE
        too_much = t.rebalanced_in_fte + t.hired_fte > ibis.greatest(-t.gap_fte, 0.0) + _CLOSE
        return ~(differs | too_much).fill_null(False)

    @row_rule
    def known_with_a_roster(cls, t: ir.Table) -> ir.BooleanValue:
        """Available people and an action are known exactly where the roster is."""
        return (t.available_fte.notnull() == t.is_roster_known) & ((t.action != "unknown") == t.is_roster_known)

    class Config:
        unique = list(_KEY)


@table(group="capacity")
def capacity_plan(
    spine: Table[Spine],
    account_demand: Table[AccountDemand],
    csm_supply: Table[CsmSupply],
    csm_tier_shares: Table[CsmTierShares],
    csm_roster: Table[CsmRoster],
    account_workloads: Table[AccountWorkloads],
    coverage: CoveragePolicy,
    staffing: StaffingPolicy,
    productivity: ProductivityPolicy,
) -> Table[CapacityPlan]:
    """How many people does each tier need and have, and what is tiered coverage worth against flat coverage?

    One row per as_of and coverage tier. A tier needs the larger of entitled hours / customer hours of one person, and
    accounts / ratio. It has the people on the roster by contracted share of a full week, for the share of their time
    in the tier (`csm_tier_shares`). First, tiers with more people than they need give to tiers with too few, in steps
    of the policy's least part of a person. Strategic gets first, then Growth, Core and Long-Tail; they give in the
    reverse order. What the company lacks as a whole is hired, unless it is less than that least part: Strategic gets
    its people first. So people hired = people needed - people available, and where a tier keeps too small a part of a
    person to move, another goes without just as small a part. The flat baseline spreads the same people evenly over
    all accounts.
    """
    rows = each_tier(spine.select("as_of").distinct())
    for figures in (
        _demand(account_demand),
        _supply(csm_supply, csm_tier_shares),
        _worked(account_demand, account_workloads),
    ):
        rows = _joined(rows, figures, *_KEY)
    rows = _joined(rows, hours_per_person(spine, csm_supply, staffing, productivity), "as_of")
    first = csm_roster.aggregate(first_on=csm_roster.known_from.min())
    rows = rows.cross_join(first).mutate(is_roster_known=(ibis._.first_on <= ibis._.as_of).fill_null(False))
    rows = rows.mutate(
        **{name: rows[name].fill_null(0) for name in ("accounts", "override_accounts", "named_csms")},
        **{name: rows[name].fill_null(0.0) for name in ("arr", "demanded_hours")},
        **{name: only_if(rows.is_roster_known, rows[name].fill_null(0.0)) for name in _SUPPLY},
    )
    rows = _against_flat(_advised(_required(rows, coverage), staffing.least_gap_fte))
    return rows.select(*(name for name in ibis_schema(CapacityPlan) if name != POLICY_HASH))


_SUPPLY = ("available_fte", "available_hours", "annual_cost")


def _joined(rows: ir.Table, figures: ir.Table, *key: str) -> ir.Table:
    added = [name for name in figures.columns if name not in key]
    return rows.left_join(figures, list(key)).select(*rows.columns, *added)


def _demand(demand: ir.Table) -> ir.Table:
    return demand.group_by(_KEY).aggregate(
        accounts=demand.count(),
        override_accounts=demand.has_override.cast("int64").sum(),
        named_csms=demand.csm_id.nunique(),
        arr=money(demand.arr),
        demanded_hours=total(demand.hours_per_month),
        fte_by_ratio=total(demand.portfolio_share),
    )


def _supply(supply: ir.Table, shares: ir.Table) -> ir.Table:
    time = shares.select("as_of", "csm_id", "coverage_tier", "share")
    rows = supply.join(time, ["as_of", "csm_id"])
    return rows.group_by(_KEY).aggregate(
        available_fte=total(rows.fte * rows.share),
        available_hours=total(rows.available_hours * rows.share),
        annual_cost=money(rows.annual_cost * rows.share),
    )


def _worked(demand: ir.Table, workloads: ir.Table) -> ir.Table:
    """Hours logged on the live accounts in the quarter, and their ratio to productive hours, as in `tier_kpis`."""
    quarter = workloads.filter(workloads.window_months == QUARTER_MONTHS)
    rows = demand.select("as_of", "account_id", "coverage_tier").join(quarter, ["as_of", "account_id"])
    sums = rows.group_by(_KEY).aggregate(
        logged_hours=total(rows.csm_hours),
        rostered=total(rows.rostered_csm_hours),
        productive=total(rows.productive_hours),
    )
    return sums.select(*_KEY, "logged_hours", actual_utilisation=sums.rostered / sums.productive.nullif(0.0))


def _required(rows: ir.Table, coverage: CoveragePolicy) -> ir.Table:
    ratios = coverage.ratios
    loosest = {t: r.accounts_per_csm and (r.high or r.accounts_per_csm) for t, r in ratios.items()}
    tightest = {t: r.accounts_per_csm and (r.low or r.accounts_per_csm) for t, r in ratios.items()}
    has_ratio = by_tier(rows, {t: r.accounts_per_csm for t, r in ratios.items()}).notnull()
    rows = rows.mutate(
        fte_by_ratio=only_if(has_ratio, rows.fte_by_ratio.fill_null(0.0)),
        fte_by_ratio_least=ratio(rows.accounts, by_tier(rows, loosest)),
        fte_by_ratio_most=ratio(rows.accounts, by_tier(rows, tightest)),
        fte_by_hours=ratio(rows.demanded_hours, rows.hours_per_fte),
    )
    by_ratio = rows.fte_by_ratio.fill_null(0.0)
    rows = rows.mutate(
        accounts_per_csm_target=(rows.accounts / rows.fte_by_ratio.nullif(0.0)).nullif(0.0),
        required_fte=fine(ibis.greatest(by_ratio, rows.fte_by_hours)),
        required_by=ibis.ifelse(by_ratio > rows.fte_by_hours, "ratio", "hours"),
    )
    return rows.mutate(
        accounts_per_csm=rows.accounts / rows.available_fte.nullif(0.0),
        gap_fte=fine(rows.available_fte - rows.required_fte),
        planned_utilisation=rows.demanded_hours / rows.available_hours.nullif(0.0),
        cost_share_of_arr=rows.annual_cost / rows.arr.nullif(0.0),
    )


def _advised(rows: ir.Table, least: float) -> ir.Table:
    """Adds people that move between tiers, in steps of `least`, and people to hire for what the company lacks."""
    day = ibis.window(group_by="as_of")
    rows = rows.mutate(short=ibis.greatest(-rows.gap_fte, 0.0), spare=ibis.greatest(rows.gap_fte, 0.0))
    rows = rows.mutate(short_steps=_steps(rows.short, least), spare_steps=_steps(rows.spare, least))
    rows = rows.mutate(
        moved=ibis.least(rows.short_steps.sum().over(day), rows.spare_steps.sum().over(day)),
        attention=by_tier(rows, {tier: place for place, tier in enumerate(TIERS)}),
    )
    moved_in = _taken(rows, "short_steps", ibis.asc("attention")) * least
    moved_out = _taken(rows, "spare_steps", ibis.desc("attention")) * least
    lacking = fine(total(rows.gap_fte, over=day) * -1)
    rows = rows.mutate(
        rebalanced_in_fte=only_if(rows.is_roster_known, fine(moved_in)),
        rebalanced_out_fte=only_if(rows.is_roster_known, fine(moved_out)),
        left=fine(rows.short - moved_in),
        to_hire=ibis.ifelse(lacking >= least, lacking, 0.0),
    )
    hired = fine(ibis.greatest(_share_of(rows, rows.to_hire, "left", ibis.asc("attention")), 0.0))
    rows = rows.mutate(hired_fte=only_if(rows.is_roster_known, hired))
    action = ibis.cases(
        (~rows.is_roster_known, "unknown"),
        ((rows.rebalanced_in_fte > 0) & (rows.hired_fte > 0), "rebalance_in_and_hire"),
        (rows.rebalanced_in_fte > 0, "rebalance_in"),
        (rows.hired_fte > 0, "hire"),
        (rows.rebalanced_out_fte > 0, "rebalance_out"),
        (rows.spare >= least, "spare"),
        else_="keep",
    )
    planned = rows.available_fte + rows.rebalanced_in_fte - rows.rebalanced_out_fte
    return rows.mutate(
        action=action,
        hiring_cost=cents(rows.hired_fte * _cost_of_one(rows)),
        planned_fte=fine(ibis.ifelse(planned < 0, 0.0, planned)),
    )


def _steps(people: ir.FloatingValue, least: float) -> ir.IntegerValue:
    """Whole steps of `least` in a number of people. `_CLOSE` makes up for the rounding of binary fractions."""
    return (people / least + _CLOSE).floor().cast("int64")


def _taken(rows: ir.Table, steps: str, order: Any) -> ir.IntegerValue:
    """The steps that each tier gives or gets, until all moving steps are used up. Tiers take turns in `order`."""
    return ibis.greatest(_share_of(rows, rows.moved, steps, order), 0)


def _share_of(rows: ir.Table, amount: ir.NumericValue, wanted: str, order: Any) -> ir.NumericValue:
    """What a tier gets of `amount` if tiers take what they want in turn; below 0 where the amount is used up."""
    so_far = rows[wanted].sum().over(ibis.cumulative_window(group_by="as_of", order_by=order))
    return ibis.least(rows[wanted], amount - so_far + rows[wanted])


def _cost_of_one(rows: ir.Table) -> ir.FloatingValue:
    """The mean yearly cost of one available person; null without people."""
    day = ibis.window(group_by="as_of")
    cost, people = money(rows.annual_cost, over=day), total(rows.available_fte, over=day)
    return cost / people.nullif(0.0)


def _against_flat(rows: ir.Table) -> ir.Table:
    day = ibis.window(group_by="as_of")
    people = total(rows.available_fte, over=day)
    accounts = rows.accounts.sum().over(day)
    flat = (rows.accounts * (people / accounts.nullif(0))).fill_null(0.0)
    rows = rows.mutate(flat_fte=only_if(rows.is_roster_known, flat))
    rows = rows.mutate(
        covered_share=_covered(rows, rows.planned_fte),
        flat_covered_share=_covered(rows, rows.flat_fte),
        covered_before=_covered(rows, rows.available_fte),
    )
    growth = rows.covered_share - rows.covered_before
    rows = rows.mutate(
        covered_arr=cents(rows.arr * rows.covered_share),
        flat_covered_arr=cents(rows.arr * rows.flat_covered_share),
        rebalanced_arr=cents(rows.arr * ibis.ifelse(growth < 0, 0.0, growth)),
    )
    beyond = rows.flat_fte - rows.required_fte
    return rows.mutate(
        gain_over_flat=cents(rows.covered_arr - rows.flat_covered_arr),
        flat_wasted_cost=cents(ibis.ifelse(beyond < 0, 0.0, beyond) * _cost_of_one(rows).fill_null(0.0)),
    )


def _covered(rows: ir.Table, people: ir.FloatingValue) -> ir.FloatingValue:
    share = fine(people / rows.required_fte.nullif(0.0))
    return only_if(rows.is_roster_known, ibis.ifelse(share > 1, 1.0, share).fill_null(1.0))
