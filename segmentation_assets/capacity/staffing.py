"""Demand and supply of CSM time: the hours accounts are entitled to, and the hours CSMs have.

Here: `account_demand`, `csm_supply`, `csm_tier_shares`. Not here: demand against supply by tier (`plan`), or who
covers whom (`assignments`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from segmentation_assets.extracts.contracts import CsmRoster, CsmTimeEntries
from segmentation_assets.kpis.entitlement import added_hours, by_tier, entitled_hours
from segmentation_assets.policy.capacity import CarePolicy, CoveragePolicy, StaffingPolicy
from segmentation_assets.policy.kpis import ProductivityPolicy
from segmentation_assets.policy.segments import SEGMENTS, TIERS
from segmentation_assets.policy.service import CostPolicy
from segmentation_assets.profiles.facts import facts, first_fact, with_figures
from segmentation_assets.profiles.known import AccountHierarchy, known_at, survivors
from segmentation_assets.profiles.profiles import AccountProfiles
from segmentation_assets.segments.segments import Segments
from segmentation_assets.tables.amounts import ratio, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.calendar import each
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import Table, table

WEEKS_PER_MONTH = 52 / 12
_WEEKS_PER_YEAR = 52


class AccountDemand(Snapshot):
    """CSM hours an account is entitled to, and people it takes. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    segment: str = column("Segment.", isin=SEGMENTS)
    arr: float = column("Annual recurring revenue.", unit="currency per year", ge=0)
    region: str = column("Region of the account's largest subscription; null: not known.", nullable=True)
    industry: str = column("Industry.", nullable=True)
    csm_id: str = column("CSM in the CRM.", nullable=True)
    has_override: Flag = column("A coverage override gives the account high-touch hours.")
    is_automated: Flag = column(
        "The account needs no named CSM: its tier is automated, and no override or segment adds hours."
    )
    hours_per_month: float = column("CSM hours the account is entitled to.", unit="hours per month", ge=0)
    portfolio_share: float = column(
        "1 / accounts per CSM by the policy's ratio for the tier (or the segment in it); null: no ratio.",
        unit="share", nullable=True, ge=0,
    )  # fmt: skip
    required_fte: float = column(
        "People the account takes: its part of the people its tier needs, by portfolio_share, or by hours where the "
        "tier has no ratio. Adds up over any accounts.",
        unit="people", ge=0,
    )  # fmt: skip

    class Config:
        unique = ["as_of", "account_id"]


class CsmSupply(Snapshot):
    """The time a CSM has for customers. Key: as_of, csm_id; every CSM employed on a day of the planning period."""

    csm_id: str = column("CSM.")
    csm_name: str = column("Name.", nullable=True)
    level: str = column("Level.", nullable=True)
    region: str = column("Region the CSM covers; null: any.", nullable=True)
    industries: str = column("Industries the CSM knows well, separated by commas.", nullable=True)
    starts_on: Day = column("First day of employment.", nullable=True)
    ends_on: Day = column("Day after the last day of employment, as known at as_of; null: open.", nullable=True)
    horizon_share: float = column(
        "Share of the planning period's days on which the CSM is employed.", unit="share", gt=0, le=1
    )
    stays: Flag = column("The CSM is still employed at the end of the planning period.")
    weekly_hours: float = column(
        "Contracted hours per week; a full week where the roster has none.", unit="hours", ge=0
    )
    is_hours_assumed: Flag = column("The roster has no contracted hours: a full week is assumed.")
    hourly_cost: float = column("Cost of an hour; the policy's rate where the roster has none.", ge=0)
    internal_share: float = column(
        "Share of working time spent on internal work: from the CSM's own time entries of three months, or the "
        "policy's share where those are too few.",
        unit="share", ge=0, le=1,
    )  # fmt: skip
    is_internal_share_measured: Flag = column("internal_share comes from the CSM's own time entries.")
    fte: float = column("weekly_hours / a full week x horizon_share.", unit="people", ge=0)
    available_hours: float = column(
        "Hours for customers: weekly_hours x 52 / 12 x productive share x (1 - internal_share) x horizon_share.",
        unit="hours per month", ge=0,
    )  # fmt: skip
    annual_cost: float = column("weekly_hours x 52 x hourly_cost x horizon_share.", unit="currency per year", ge=0)

    class Config:
        unique = ["as_of", "csm_id"]


class CsmTierShares(Snapshot):
    """How a CSM's time divides over tiers. Key: as_of, csm_id, coverage_tier; shares of a CSM sum to 1."""

    csm_id: str = column("CSM, also one who has left but logged hours in the three months.")
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    accounts: Integer = column("Live accounts of the tier whose CSM in the CRM this is.", ge=0)
    logged_hours: float = column(
        "Hours logged on live accounts of the tier in the three months up to as_of; null: no time entries.",
        unit="hours", nullable=True, ge=0,
    )  # fmt: skip
    share: float = column("Share of the CSM's customer time for the tier.", unit="share", ge=0, le=1)
    share_rule: str = column(
        "What divides the time: the CSM's time_entries, the entitled hours of the CSM's own accounts (portfolio) or "
        "of all accounts (company), or evenly.",
        isin=["time_entries", "portfolio", "company", "evenly"],
    )

    class Config:
        unique = ["as_of", "csm_id", "coverage_tier"]


@table(group="capacity")
def account_demand(
    spine: Table[Spine],
    segments: Table[Segments],
    account_profiles: Table[AccountProfiles],
    csm_supply: Table[CsmSupply],
    care: CarePolicy,
    coverage: CoveragePolicy,
    staffing: StaffingPolicy,
    productivity: ProductivityPolicy,
) -> Table[AccountDemand]:
    """How many CSM hours a month is each account entitled to, and what part of a person does it take?

    One row per as_of and live account. The hours are the sum over the tier's plays of hours / months between two
    plays. A coverage override and the segment (At-Risk) can add hours; only the larger addition counts. A tier needs
    its hours / the customer hours of one person, or its accounts / its ratio, whichever is larger. Each account takes
    its part of these people.
    """
    rows = segments.select(
        "as_of",
        "account_id",
        "coverage_tier",
        "segment",
        "arr",
        "region",
        "csm_id",
        has_override=segments.coverage_override.notnull(),
    ).semi_join(spine, "as_of")
    rows = with_figures(rows, account_profiles.select("as_of", "account_id", "industry"))
    rows = rows.mutate(
        is_automated=rows.coverage_tier.isin(care.automated_tiers) & (added_hours(rows, care) == 0),
        hours_per_month=entitled_hours(rows, care),
        portfolio_share=ratio(1, _accounts_per_csm(rows, coverage)),
    )
    per_person = hours_per_person(spine, csm_supply, staffing, productivity)
    rows = rows.join(per_person, "as_of")
    tier = ibis.window(group_by=["as_of", "coverage_tier"])
    by_hours = ratio(total(rows.hours_per_month, over=tier), rows.hours_per_fte)
    by_ratio = total(rows.portfolio_share, over=tier)
    required = ibis.greatest(by_hours, by_ratio.fill_null(0.0))
    part = ibis.coalesce(
        ratio(rows.portfolio_share, by_ratio),
        rows.hours_per_month / total(rows.hours_per_month, over=tier).nullif(0.0),
        0.0,
    )
    return rows.mutate(required_fte=required * part).drop("hours_per_fte")


def hours_per_person(
    spine: ir.Table, supply: ir.Table, staffing: StaffingPolicy, productivity: ProductivityPolicy
) -> ir.Table:
    """(as_of, hours_per_fte): customer hours a month of one person.

    The mean over the CSMs of the planning period, weighted by contracted hours. Without CSMs, a full week with the
    policy's shares.
    """
    assumed = (
        staffing.full_week_hours * WEEKS_PER_MONTH * productivity.productive_share * (1 - productivity.admin_share)
    )
    there = supply.group_by("as_of").aggregate(hours=total(supply.available_hours), people=total(supply.fte))
    rows = spine.select("as_of").distinct().left_join(there, "as_of")
    mean = (rows.hours / rows.people.nullif(0.0)).nullif(0.0)
    return rows.select("as_of", hours_per_fte=mean.fill_null(assumed))


def _accounts_per_csm(rows: ir.Table, coverage: CoveragePolicy) -> ir.FloatingValue:
    """Accounts of this row's tier and segment that one person covers; null where the tier has no ratio."""
    special = [
        ((rows.coverage_tier == tier) & (rows.segment == segment), float(accounts))
        for tier, ratio in coverage.ratios.items()
        for segment, accounts in ratio.segments.items()
    ]
    usual = by_tier(rows, {tier: ratio.accounts_per_csm for tier, ratio in coverage.ratios.items()})
    return ibis.cases(*special, else_=usual) if special else usual


@table(group="capacity")
def csm_supply(
    spine: Table[Spine],
    csm_roster: Table[CsmRoster],
    csm_time_entries: Table[CsmTimeEntries],
    staffing: StaffingPolicy,
    productivity: ProductivityPolicy,
    costs: CostPolicy,
) -> Table[CsmSupply]:
    """How much time does each CSM have for customers in the planning period, which starts after as_of?

    One row per as_of and CSM on the roster of as_of who is employed on a day of the period. A CSM who starts or
    leaves in the period counts for the days of employment. Customer time = contracted hours x productive share x
    (1 - internal share). The internal share comes from the hours the CSM logged in the three months up to as_of, or
    from the policy where those are too few.
    """
    rows = with_horizon(known_at(csm_roster, spine), staffing)
    logged = known_at(csm_time_entries, spine, "day_3m_ago")
    logged = logged.filter((logged.worked_on > logged.day_3m_ago) & (logged.worked_on <= logged.as_of))
    totals = logged.group_by("as_of", "csm_id").aggregate(
        all_hours=total(logged.hours),
        internal_hours=total(logged.hours, logged.account_id.isnull()),
    )
    rows = rows.left_join(totals, ["as_of", "csm_id"]).select(*rows.columns, "all_hours", "internal_hours")
    measured = (rows.all_hours >= staffing.measured_min_hours).fill_null(False) & (rows.all_hours > 0).fill_null(
        False
    )
    rows = rows.mutate(
        is_internal_share_measured=measured,
        internal_share=ibis.ifelse(
            measured, rows.internal_hours.fill_null(0.0) / rows.all_hours.nullif(0.0), productivity.admin_share
        ),
        is_hours_assumed=rows.weekly_hours.isnull(),
        weekly_hours=rows.weekly_hours.fill_null(staffing.full_week_hours),
        hourly_cost=rows.hourly_cost.fill_null(costs.csm_hourly_rate),
    )
    contracted = rows.weekly_hours * rows.horizon_share
    return rows.select(
        *(name for name in ibis_schema(CsmSupply) if name in rows.columns),
        fte=contracted / staffing.full_week_hours,
        available_hours=contracted * WEEKS_PER_MONTH * productivity.productive_share * (1 - rows.internal_share),
        annual_cost=contracted * _WEEKS_PER_YEAR * rows.hourly_cost,
    )


@table(group="capacity")
def csm_tier_shares(
    spine: Table[Spine],
    account_demand: Table[AccountDemand],
    csm_supply: Table[CsmSupply],
    csm_time_entries: Table[CsmTimeEntries],
    account_hierarchy: Table[AccountHierarchy],
) -> Table[CsmTierShares]:
    """How does the time of each CSM divide over the coverage tiers?

    One row per as_of, CSM and tier, for CSMs of the planning period and CSMs who logged hours. The time divides by
    the hours logged on live accounts in the three months up to as_of. Without logged hours, it divides by the
    entitled hours of the CSM's own accounts; without those, by the entitled hours of all accounts; else evenly.
    """
    demand = account_demand.semi_join(spine, "as_of")
    logged = _logged(csm_time_entries, account_hierarchy, spine, demand)
    everyone = csm_supply.select("as_of", "csm_id").union(logged.select("as_of", "csm_id")).distinct()
    rows = each_tier(everyone)
    sources = (
        (logged, ["as_of", "csm_id", "coverage_tier"]),
        (demand.group_by("as_of", "csm_id", "coverage_tier").aggregate(
            accounts=demand.count(), own=total(demand.hours_per_month)
        ), ["as_of", "csm_id", "coverage_tier"]),
        (demand.group_by("as_of", "coverage_tier").aggregate(company=total(demand.hours_per_month)),
         ["as_of", "coverage_tier"]),
    )  # fmt: skip
    for source, keys in sources:
        added = [name for name in source.columns if name not in keys]
        rows = rows.left_join(source, keys).select(*rows.columns, *added)
    rows = rows.mutate(
        accounts=rows.accounts.fill_null(0),
        **{name: rows[name].fill_null(0.0) for name in ("hours", "own", "company")},
    )
    rows = _shares(rows)
    first = first_fact(csm_time_entries, "worked_on")
    joined = rows.mutate(logged_hours=rows.hours).select(*_SHARE_COLUMNS).cross_join(first)
    is_known = (joined.first_on <= joined.as_of).fill_null(False)
    return joined.mutate(logged_hours=ibis.ifelse(is_known, joined.logged_hours, ibis.null("float64"))).drop(
        "first_on"
    )


_SHARE_COLUMNS = ("as_of", "csm_id", "coverage_tier", "accounts", "logged_hours", "share", "share_rule")


def _logged(entries: ir.Table, hierarchy: ir.Table, spine: ir.Table, demand: ir.Table) -> ir.Table:
    """(as_of, csm_id, coverage_tier) -> hours logged on live accounts in three months."""
    rows = facts(entries, "worked_on", survivors(hierarchy), spine, "day_3m_ago")
    rows = rows.filter(rows.worked_on > rows.day_3m_ago).select("as_of", "csm_id", "account_id", "hours")
    tier = demand.select("as_of", "account_id", "coverage_tier")
    joined = rows.join(tier, ["as_of", "account_id"])
    return joined.group_by("as_of", "csm_id", "coverage_tier").aggregate(hours=total(joined.hours))


def _shares(rows: ir.Table) -> ir.Table:
    csm = ibis.window(group_by=["as_of", "csm_id"])
    totals = {name: total(rows[name], over=csm) for name in ("hours", "own", "company")}
    return rows.mutate(
        share=ibis.cases(
            *((totals[name] > 0, rows[name] / totals[name].nullif(0.0)) for name in totals), else_=1 / len(TIERS)
        ),
        share_rule=ibis.cases(
            (totals["hours"] > 0, "time_entries"),
            (totals["own"] > 0, "portfolio"),
            (totals["company"] > 0, "company"),
            else_="evenly",
        ),
    )


def with_horizon(roster: ir.Table, staffing: StaffingPolicy) -> ir.Table:
    """CSMs employed on a day of (as_of, as_of + horizon]. Adds the share of its days, and whether they stay."""
    days = staffing.horizon_days
    late = ibis.greatest(roster.starts_on.delta(roster.as_of, unit="day") - 1, 0).fill_null(0)
    # The last day of work is the day before `ends_on`.
    left = ibis.greatest(days + 1 - roster.ends_on.delta(roster.as_of, unit="day"), 0).fill_null(0)
    there = ibis.least(days, days - late - left)
    rows = roster.mutate(horizon_share=there / days, stays=left == 0)
    return rows.filter(rows.horizon_share > 0)


def each_tier(rows: ir.Table) -> ir.Table:
    """Every row once per coverage tier."""
    return each(rows, "coverage_tier", TIERS)
