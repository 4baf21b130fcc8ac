"""Are there enough people in each coverage tier, and what is tiered coverage worth against flat?

Here: `capacity_plan`. Not here: what accounts need and CSMs have (`staffing`), who covers whom (`assignments`), or a
business case made of stated figures (`scenario`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.capacity.staffing import (
    WEEKS_PER_MONTH,
    AccountDemand,
    CsmSupply,
    CsmTierShares,
    accounts_per_csm,
    by_tier,
    each_tier,
)
from segmentation_assets.extracts.contracts import CsmRoster
from segmentation_assets.kpis.workloads import csm_productive_hours
from segmentation_assets.policy.capacity import CoveragePolicy, StaffingPolicy
from segmentation_assets.policy.kpis import ProductivityPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.calendar import windows
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.registry import Table, table

_KEY = ["as_of", "coverage_tier"]
_QUARTER_MONTHS = 3
_DIGITS = 6
"""Sums are rounded to this, so that the order of their parts decides nothing."""
_CENTS = 2


class CapacityPlan(Snapshot):
    """People needed and people there, by tier. Key: as_of, coverage_tier; always all tiers.

    FTE here are customer time: one FTE = a full week's customer hours under the policy. Amounts of `..._fte` columns
    add up over tiers to the company's.
    """

    # What people look for first; what it is made from follows
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    accounts: Integer = column("Live accounts.", ge=0)
    arr: float = column("Their ARR.", unit="currency per year", ge=0)
    fte_by_ratio: float = column("Accounts / target; null: no target.", unit="people", nullable=True, ge=0)
    fte_by_hours: float = column("Demanded hours / customer hours of one FTE.", unit="people", ge=0)
    required_fte: float = column("The larger of the two.", unit="people", ge=0)
    available_fte: float = column("Available hours / customer hours of one FTE.", unit="people", ge=0)
    gap_fte: float = column("Available - required FTE; negative: too few.", unit="people")
    planned_utilisation: float = column("Demanded / available hours.", unit="ratio", nullable=True, ge=0)
    advice: str = column("What to do, with its arithmetic.")
    override_accounts: Integer = column("Of them, under high touch by an override.", ge=0)
    accounts_per_csm_target: float = column(
        "Accounts one CSM should look after; null: the policy gives none.", unit="accounts", nullable=True, gt=0
    )
    accounts_per_csm: float = column(
        "Accounts / available FTE; null without people.", unit="accounts", nullable=True, ge=0
    )
    fte_by_ratio_least: float = column("Accounts / the highest sound ratio.", unit="people", nullable=True, ge=0)
    fte_by_ratio_most: float = column("Accounts / the lowest sound ratio.", unit="people", nullable=True, ge=0)
    demanded_hours: float = column("Hours the accounts are entitled to.", unit="hours per month", ge=0)
    required_by: str = column("Which of the two it is.", isin=["ratio", "hours"])
    contracted_fte: float = column(
        "CSMs by contracted hours, over the planning period, for their part in the tier.", unit="people", ge=0
    )
    available_hours: float = column("Their customer hours.", unit="hours per month", ge=0)
    gap_hours: float = column("Available - demanded hours.", unit="hours per month")
    actual_utilisation: float = column(
        "Customer hours logged in the three months to as_of / customer hours contracted then (policy's admin share).",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    logged_hours: float = column(
        "Customer hours logged in the three months to as_of.", unit="hours", nullable=True, ge=0
    )
    annual_cost: float = column("Contracted hours x their cost.", unit="currency per year", ge=0)
    cost_share_of_arr: float = column("Annual cost / ARR.", unit="ratio", nullable=True, ge=0)
    redeployed_in_fte: float = column("Advice: FTE from tiers with people to spare.", unit="people", ge=0)
    redeployed_out_fte: float = column("Advice: FTE to tiers with too few.", unit="people", ge=0)
    hired_fte: float = column("Advice: FTE that no tier can spare.", unit="people", ge=0)
    hiring_cost: float = column(
        "Hired FTE x the company's mean cost of one.", unit="currency per year", nullable=True, ge=0
    )
    planned_hours: float = column(
        "Hours of the tier after the redeployment, before hiring.", unit="hours per month", ge=0
    )
    flat_hours: float = column(
        "Hours of the tier if the same CSMs spread evenly over all accounts.", unit="hours per month", ge=0
    )
    covered_share: float = column(
        "Planned / demanded hours, at most 1; 1 where nothing is demanded.", unit="share", ge=0, le=1
    )
    flat_covered_share: float = column("The same of the flat hours.", unit="share", ge=0, le=1)
    covered_arr: float = column("ARR x covered share.", unit="currency per year", ge=0)
    flat_covered_arr: float = column("ARR x flat covered share.", unit="currency per year", ge=0)
    gain_over_flat: float = column(
        "Covered ARR - flat covered ARR: ARR that gets its care because coverage is tiered.", unit="currency per year"
    )
    flat_wasted_cost: float = column(
        "Flat hours beyond what the tier demands, at the mean cost of a customer hour.",
        unit="currency per year",
        ge=0,
    )
    comparison: str = column("The flat baseline in words, with its arithmetic.")

    class Config:
        unique = list(_KEY)


@table(group="capacity")
def capacity_plan(
    spine: Table[Spine],
    account_demand: Table[AccountDemand],
    csm_supply: Table[CsmSupply],
    csm_tier_shares: Table[CsmTierShares],
    csm_roster: Table[CsmRoster],
    coverage: CoveragePolicy,
    staffing: StaffingPolicy,
    productivity: ProductivityPolicy,
) -> Table[CapacityPlan]:
    """How many CSMs does each tier need, how many has it, and what is tiered coverage worth against flat?

    One row per as_of and coverage tier. Needed: the larger of accounts / ratio and demanded hours / customer hours of
    a full week. There: each CSM's customer hours of the planning period, divided over tiers by `csm_tier_shares`.
    Advice: tiers with people to spare give them to tiers with too few, in proportion to the gaps, and the rest is
    hired; gaps under the policy's least are kept. Flat baseline: the same hours, the same for every account.
    """
    hours_per_fte = (
        staffing.full_week_hours * WEEKS_PER_MONTH * productivity.productive_share * (1 - productivity.admin_share)
    )
    rows = each_tier(spine.select("as_of"))
    for figures in (
        _demand(account_demand),
        _supply(csm_supply, csm_tier_shares),
        _actual(csm_tier_shares, csm_productive_hours(csm_roster, windows(spine, (_QUARTER_MONTHS,)), productivity)),
    ):
        added = [name for name in figures.columns if name not in _KEY]
        rows = rows.left_join(figures, _KEY).select(*rows.columns, *added)
    rows = rows.mutate(
        **{name: rows[name].fill_null(0) for name in ("accounts", "override_accounts")},
        **{name: rows[name].fill_null(0.0) for name in (*_SUMS, "arr", "demanded_hours")},
    )
    rows = _requirement(rows, coverage, hours_per_fte)
    rows = _advised(rows, staffing.least_gap_fte, hours_per_fte)
    return _against_flat(rows).drop("ratio_text")


_SUMS = ("contracted_fte", "available_hours", "annual_cost")


def _demand(demand: ir.Table) -> ir.Table:
    return demand.group_by(_KEY).aggregate(
        accounts=demand.count(),
        override_accounts=demand.has_override.cast("int64").sum(),
        arr=demand.arr.sum().round(_CENTS),
        demanded_hours=demand.hours_per_month.sum().round(_DIGITS),
    )


def _supply(supply: ir.Table, shares: ir.Table) -> ir.Table:
    time = shares.select("as_of", "csm_id", "coverage_tier", "share")
    rows = supply.join(time, ["as_of", "csm_id"])
    return rows.group_by(_KEY).aggregate(
        contracted_fte=(rows.fte * rows.share).sum().round(_DIGITS),
        available_hours=(rows.available_hours * rows.share).sum().round(_DIGITS),
        annual_cost=(rows.annual_cost * rows.share).sum().round(_CENTS),
    )


def _actual(shares: ir.Table, productive: ir.Table) -> ir.Table:
    """Logged hours by tier, and their ratio to the productive hours of the same CSMs."""
    rows = shares.left_join(productive.drop("window_months"), ["as_of", "csm_id"])
    rows = rows.select(*shares.columns, "hours_available")
    there = rows.hours_available * rows.share
    return (
        rows.group_by(_KEY)
        .aggregate(
            logged_hours=rows.logged_hours.sum().round(_DIGITS),
            rostered=rows.logged_hours.sum(where=rows.hours_available.notnull()).round(_DIGITS),
            productive=there.sum().round(_DIGITS),
        )
        .mutate(actual_utilisation=ibis._.rostered / ibis._.productive.nullif(0.0))
        .drop("rostered", "productive")
    )


def _requirement(rows: ir.Table, coverage: CoveragePolicy, hours_per_fte: float) -> ir.Table:
    ratios = coverage.ratios
    rows = rows.mutate(
        accounts_per_csm_target=by_tier(rows, accounts_per_csm(coverage)),
        fte_by_hours=rows.demanded_hours / hours_per_fte,
        available_fte=rows.available_hours / hours_per_fte,
        gap_hours=rows.available_hours - rows.demanded_hours,
    )
    by_ratio = rows.accounts / rows.accounts_per_csm_target
    rows = rows.mutate(
        fte_by_ratio=by_ratio,
        fte_by_ratio_least=rows.accounts
        / by_tier(rows, {t: r.accounts_per_csm and (r.high or r.accounts_per_csm) for t, r in ratios.items()}),
        fte_by_ratio_most=rows.accounts
        / by_tier(rows, {t: r.accounts_per_csm and (r.low or r.accounts_per_csm) for t, r in ratios.items()}),
        required_fte=ibis.greatest(by_ratio.fill_null(0.0), rows.fte_by_hours),
        required_by=ibis.ifelse(by_ratio.fill_null(0.0) > rows.fte_by_hours, "ratio", "hours"),
        ratio_text=ibis.ifelse(
            by_ratio.isnull(),
            "no ratio",
            rows.accounts.cast("string") + " accounts / " + _text(rows.accounts_per_csm_target) + " per CSM = "
            + _text(by_ratio),
        ),
    )  # fmt: skip
    return rows.mutate(
        accounts_per_csm=rows.accounts / rows.available_fte.nullif(0.0),
        gap_fte=rows.available_fte - rows.required_fte,
        planned_utilisation=rows.demanded_hours / rows.available_hours.nullif(0.0),
        cost_share_of_arr=rows.annual_cost / rows.arr.nullif(0.0),
    )


def _advised(rows: ir.Table, least: float, hours_per_fte: float) -> ir.Table:
    """Redeployment in proportion to the gaps, hiring for the rest, and the text."""
    day = ibis.window(group_by="as_of")
    short = ibis.ifelse((rows.gap_fte < 0) & (rows.gap_fte <= -least), -rows.gap_fte, 0.0)
    spare = ibis.ifelse((rows.gap_fte > 0) & (rows.gap_fte >= least), rows.gap_fte, 0.0)
    rows = rows.mutate(short=short, spare=spare)
    moved = ibis.least(rows.short.sum().over(day), rows.spare.sum().over(day))
    rows = rows.mutate(
        redeployed_in_fte=(rows.short * moved / rows.short.sum().over(day).nullif(0.0)).fill_null(0.0),
        redeployed_out_fte=(rows.spare * moved / rows.spare.sum().over(day).nullif(0.0)).fill_null(0.0),
    )
    rows = rows.mutate(hired_fte=ibis.greatest(rows.short - rows.redeployed_in_fte, 0.0).round(_DIGITS))
    cost_per_fte = rows.annual_cost.sum().over(day) / rows.available_fte.sum().over(day).nullif(0.0)
    need = (
        "needs " + _text(rows.required_fte) + " FTE by " + rows.required_by + " (" + rows.ratio_text + "; "
        + _text(rows.demanded_hours) + " h a month / " + _text(ibis.literal(hours_per_fte)) + " h per FTE = "
        + _text(rows.fte_by_hours) + "), has " + _text(rows.available_fte)
    )  # fmt: skip
    inward = "redeploy " + _text(rows.redeployed_in_fte) + " FTE from tiers with people to spare"
    hire = "hire " + _text(rows.hired_fte) + " FTE"
    action = ibis.cases(
        ((rows.redeployed_in_fte > 0) & (rows.hired_fte > 0), inward + " and " + hire),
        (rows.redeployed_in_fte > 0, inward),
        (rows.hired_fte > 0, hire),
        (rows.redeployed_out_fte > 0, "give " + _text(rows.redeployed_out_fte) + " FTE to tiers with too few"),
        (rows.spare > 0, "keep: " + _text(rows.spare) + " FTE to spare, and no tier lacks people"),
        else_="keep",
    )
    return rows.mutate(
        hiring_cost=(rows.hired_fte * cost_per_fte).round(_CENTS),
        advice=action + ": " + need,
        planned_hours=ibis.greatest(
            rows.available_hours + (rows.redeployed_in_fte - rows.redeployed_out_fte) * hours_per_fte, 0.0
        ),
    ).drop("short", "spare")


def _against_flat(rows: ir.Table) -> ir.Table:
    day = ibis.window(group_by="as_of")
    company_accounts, company_hours = rows.accounts.sum().over(day), rows.available_hours.sum().over(day)
    cost_per_hour = rows.annual_cost.sum().over(day) / (company_hours * _MONTHS_PER_YEAR).nullif(0.0)
    per_account = (company_hours / company_accounts.nullif(0)).fill_null(0.0)
    rows = rows.mutate(flat_hours=rows.accounts * per_account, cost_per_hour=cost_per_hour.fill_null(0.0))
    rows = rows.mutate(
        covered_share=_covered(rows.planned_hours, rows.demanded_hours),
        flat_covered_share=_covered(rows.flat_hours, rows.demanded_hours),
    )
    rows = rows.mutate(
        covered_arr=(rows.arr * rows.covered_share).round(_CENTS),
        flat_covered_arr=(rows.arr * rows.flat_covered_share).round(_CENTS),
    )
    wasted = ibis.greatest(rows.flat_hours - rows.demanded_hours, 0.0) * _MONTHS_PER_YEAR * rows.cost_per_hour
    rows = rows.mutate(
        gain_over_flat=(rows.covered_arr - rows.flat_covered_arr).round(_CENTS), flat_wasted_cost=wasted.round(_CENTS)
    )
    comparison = (
        "flat: " + rows.accounts.cast("string") + " accounts get " + _text(rows.flat_hours) + " h a month of "
        + _text(rows.demanded_hours) + " h demanded (" + _percent(rows.flat_covered_share) + " covered), tiered: "
        + _text(rows.planned_hours) + " h (" + _percent(rows.covered_share) + "); ARR that gets its care: "
        + _thousands(rows.covered_arr) + " - " + _thousands(rows.flat_covered_arr) + " = "
        + _thousands(rows.gain_over_flat)
    )  # fmt: skip
    return rows.mutate(comparison=comparison).drop("cost_per_hour")


_MONTHS_PER_YEAR = 12


def _covered(hours: ir.FloatingValue, demanded: ir.FloatingValue) -> ir.FloatingValue:
    return ibis.least(hours / demanded.nullif(0.0), 1.0).fill_null(1.0)


def _text(value: ir.Value) -> ir.StringValue:
    """Two digits at most, and none of a whole number."""
    return value.round(2).cast("string").re_replace(r"\.0$", "")


def _thousands(amount: ir.Value) -> ir.StringValue:
    return (amount / 1000).round(0).cast("int64").cast("string") + "K"


def _percent(share: ir.Value) -> ir.StringValue:
    return (share * 100).round(0).cast("int64").cast("string") + " %"
