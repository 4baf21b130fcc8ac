"""Which CSM should cover which account, why, and how good the assignment is.

Here: `csm_assignments`, `csm_assignment_runs`, `csm_assignment_constraints`, `csm_loads`. Not here: the program that
decides (`optimiser`), the constraint that binds (`binding`), what accounts need and CSMs have (`staffing`), or
sentences (`reading.plans`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, cast

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from segmentation_assets.capacity.binding import (
    ALL_SKILLS,
    PEOPLE,
    ROSTER,
    SKILLS,
    Binding,
    binding_constraints,
    blocking_skills,
)
from segmentation_assets.capacity.optimiser import Account, Assignment, Csm, assign
from segmentation_assets.capacity.plan import CapacityPlan
from segmentation_assets.capacity.staffing import AccountDemand, CsmSupply
from segmentation_assets.policy.capacity import AssignmentPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.tables.amounts import fine, money, total
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Day, Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, Frame, Table, table

STATUSES = ("kept", "moved", "new", "unassigned", "automated")
REASONS = (
    "fits", "had_no_csm", "csm_leaves", "relieves_or_fits_better", "csm_does_not_fit", "csm_not_on_roster",
    "nobody_fits_or_has_room", "automated_tier", "no_roster",
)  # fmt: skip
CHANGES = ("more_overloaded", "less_overloaded", "as_before")
_CAPACITY = "capacity"
_DIGITS = 9
_CLOSE = 1e-6


class CsmAssignments(Snapshot):
    """The CSM proposed for an account. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    csm_id: str = column("CSM proposed; null: nobody.", nullable=True)
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    hours_per_month: float = column("CSM hours the account is entitled to.", unit="hours per month", ge=0)
    required_fte: float = column("People the account takes, as in `account_demand`.", unit="people", ge=0)
    current_csm_id: str = column("CSM in the CRM.", nullable=True)
    status: str = column(
        "kept, moved (from another CSM), new (had no CSM on the roster), unassigned, or automated (needs none).",
        isin=STATUSES,
    )
    is_handover: Flag = column("The account moves to another CSM although its CSM in the CRM could keep it.")
    reason: str = column(
        "Reason of the status: fits (kept), had_no_csm, csm_leaves, relieves_or_fits_better (the new CSM has more "
        "time or knows the industry better), csm_does_not_fit (lacks a skill), csm_not_on_roster, "
        "nobody_fits_or_has_room, automated_tier, no_roster (the roster is empty: the CSM in the CRM stays).",
        isin=REASONS,
    )
    current_csm_leaves_on: Day = column(
        "First day without the CSM in the CRM, if that CSM leaves in the planning period.", nullable=True
    )
    constraint: str = column(
        "Why the account is unassigned: roster, level, region, industry (or several joined by +), or capacity; "
        "null: it is not unassigned.",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]


class CsmAssignmentRuns(Snapshot):
    """How good the assignment of a day is. Key: as_of; one row per day. Prices are in hours (see the policy).

    required_fte, available_fte and short_fte are the company's sums of `capacity_plan`.
    """

    required_fte: float = column("People needed for all live accounts.", unit="people", ge=0)
    available_fte: float = column(
        "People on the roster over the planning period; null: no roster is known.", unit="people", nullable=True, ge=0
    )
    short_fte: float = column(
        "required_fte - available_fte, at least 0; null: no roster is known.", unit="people", nullable=True, ge=0
    )
    leaving_fte: float = column(
        "Part of available_fte that leaves within the planning period: these CSMs take no accounts.",
        unit="people", ge=0,
    )  # fmt: skip
    automated_fte: float = column(
        "Part of required_fte for automated accounts. They have no named CSM: all CSMs share the work.",
        unit="people", ge=0,
    )  # fmt: skip
    accounts: Integer = column("Live accounts that need a named CSM.", ge=0)
    automated_accounts: Integer = column("Live accounts that need no named CSM.", ge=0)
    csms: Integer = column("CSMs who can take accounts: they stay through the planning period.", ge=0)
    kept_accounts: Integer = column("Accounts that keep their CSM.", ge=0)
    moved_accounts: Integer = column("Accounts that change from one CSM to another.", ge=0)
    new_accounts: Integer = column("Accounts that had no CSM on the roster, and get one.", ge=0)
    unassigned_accounts: Integer = column("Accounts that get no CSM.", ge=0)
    could_stay_accounts: Integer = column("Accounts whose CSM in the CRM fits and stays.", ge=0)
    continuity: float = column("kept_accounts / could_stay_accounts.", unit="share", nullable=True, ge=0, le=1)
    objective: float = column(
        "Price of the assignment: handovers, overload and accounts without a CSM.", unit="hours", ge=0
    )
    bound: float = column(
        "Lower bound: no assignment has a lower price. From the linear program over all pairs, or from the integer "
        "program where the problem is small enough.",
        unit="hours", ge=0,
    )  # fmt: skip
    gap: float = column(
        "(objective - bound) / bound; 0 where both are equal, null where only the bound is 0.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    overload_hours: float = column(
        "Assigned hours above the CSMs' available hours, summed over overloaded CSMs.", unit="hours per month", ge=0
    )
    overload_fte: float = column(
        "People that accounts take above their CSMs' own time, summed over overloaded CSMs.", unit="people", ge=0
    )
    most_loaded_csm_id: str = column("The CSM with the highest load.", nullable=True)
    most_load_share: float = column(
        "That CSM's load: the larger of assigned / available hours and of people taken / the CSM's FTE; null: no CSM "
        "has accounts.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    most_load_share_before: float = column(
        "The same CSM's load with the CSM's accounts in the CRM.", unit="ratio", nullable=True, ge=0
    )
    is_feasible: Flag = column("Every account gets a CSM who fits, and no constraint binds.")

    class Config:
        unique = ["as_of"]


class CsmAssignmentConstraints(Snapshot):
    """Constraints that bind, and the people that are missing. Key: as_of, constraint, place."""

    constraint: str = column(
        "roster (it is empty), people (too few), level, region, industry, or the last three together.",
        isin=[ROSTER, PEOPLE, *SKILLS, ALL_SKILLS],
    )
    place: Integer = column("Rank of the group among those that lack people, the largest lack first.", ge=1)
    relief_fte: float = column(
        "Decrease of the people short if only this constraint is left out.", unit="people", ge=0
    )
    coverage_tier: str = column(
        "Tier of the accounts that no CSM fits; null: CSMs are too few.", nullable=True, isin=TIERS
    )
    level: str = column("Level of the CSMs who are too few; null: no CSM fits.", nullable=True)
    region: str = column("Region of the accounts or of the CSMs; null: any.", nullable=True)
    short_fte: float = column("People short in this group.", unit="people", nullable=True, ge=0)

    class Config:
        unique = ["as_of", "constraint", "place"]


class CsmLoads(Snapshot):
    """A CSM's load now and after the proposed assignment. Key: as_of, csm_id; CSMs of the planning period."""

    csm_id: str = column("CSM.")
    fte: float = column("The CSM's FTE over the planning period, as in `csm_supply`.", unit="people", ge=0)
    automated_fte: float = column(
        "Part of the CSM's FTE that serves accounts without a named CSM.", unit="people", ge=0
    )
    available_hours: float = column(
        "The CSM's hours for customers, as in `csm_supply`.", unit="hours per month", ge=0
    )
    accounts: Integer = column("The CSM's accounts in the CRM, without automated ones.", ge=0)
    arr: float = column("ARR of the CSM's accounts in the CRM.", unit="currency per year", ge=0)
    hours: float = column("Hours the CSM's accounts in the CRM are entitled to.", unit="hours per month", ge=0)
    required_fte: float = column("People the CSM's accounts in the CRM take.", unit="people", ge=0)
    load_share: float = column(
        "The larger of hours / available_hours and required_fte / (fte - automated_fte); null: the CSM has no time.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    proposed_accounts: Integer = column("Accounts after the proposed assignment.", ge=0)
    proposed_hours: float = column(
        "Hours the accounts of the proposed assignment are entitled to.", unit="hours per month", ge=0
    )
    proposed_required_fte: float = column("People the accounts of the proposed assignment take.", unit="people", ge=0)
    proposed_load_share: float = column(
        "load_share with the accounts of the proposed assignment.", unit="ratio", nullable=True, ge=0
    )
    change: str = column(
        "more_overloaded: the assignment raises the load above 1, or further above 1; less_overloaded: it lowers a "
        "load above 1; as_before: neither.",
        isin=CHANGES,
    )

    class Config:
        unique = ["as_of", "csm_id"]


@dataclass(frozen=True)
class _Day:
    """The assignment of one day, with its accounts, CSMs and binding constraints."""

    accounts: tuple[Account, ...]
    csms: tuple[Csm, ...]
    best: Assignment
    blocked: tuple[tuple[str, str], ...]
    binding: tuple[Binding, ...]


@table(group="capacity")
def csm_assignments(
    spine: Frame[Spine], account_demand: Frame[AccountDemand], csm_supply: Frame[CsmSupply], policy: AssignmentPolicy
) -> Frame[CsmAssignments]:
    """Who should cover each account from now on, and why?

    One row per as_of and live account. An optimiser assigns accounts to CSMs who fit (level, region, industry) and
    stay through the planning period. It minimises the price of handovers, overload and accounts without a CSM
    together. `csm_assignment_runs` has the largest possible distance from the best assignment. A CSM is overloaded
    if the accounts need more hours than the CSM has, or take more people than the CSM's FTE. Accounts of automated
    tiers need no named CSM, unless an override or their segment adds hours.
    """
    rows: list[dict[str, Any]] = []
    for as_of in spine["as_of"]:
        demand, supply = _of_day(account_demand, as_of), _of_day(csm_supply, as_of)
        rows += _rows(as_of, demand, supply, policy)
    return cast("Frame[CsmAssignments]", _frame(rows, CsmAssignments))


@table(group="capacity")
def csm_assignment_runs(
    spine: Frame[Spine],
    account_demand: Frame[AccountDemand],
    csm_supply: Frame[CsmSupply],
    capacity_plan: Frame[CapacityPlan],
    policy: AssignmentPolicy,
) -> Frame[CsmAssignmentRuns]:
    """How good is the assignment, and how many people are needed for it?

    One row per as_of. The gap compares the price with a lower bound for every assignment. For a large company, the
    bound also allows an account to be split between CSMs, so even the best assignment may have a gap. Continuity
    counts the accounts whose CSM fits and stays.
    """
    rows = []
    for as_of in spine["as_of"]:
        demand, supply = _of_day(account_demand, as_of), _of_day(csm_supply, as_of)
        rows.append(_run(as_of, demand, supply, policy) | _people(_of_day(capacity_plan, as_of)))
    return cast("Frame[CsmAssignmentRuns]", _frame(rows, CsmAssignmentRuns))


@table(group="capacity")
def csm_assignment_constraints(
    spine: Frame[Spine], account_demand: Frame[AccountDemand], csm_supply: Frame[CsmSupply], policy: AssignmentPolicy
) -> Frame[CsmAssignmentConstraints]:
    """Which constraints prevent a better assignment, and which people are missing?

    One row per as_of, binding constraint and group that lacks people; no rows where people suffice. A constraint
    binds if fewer people would be short without it. For this, current CSMs do not matter: any CSM can take any
    account that fits.
    """
    rows = []
    for as_of in spine["as_of"]:
        day = _solved(_of_day(account_demand, as_of), _of_day(csm_supply, as_of), policy)
        rows += [row for binding in day.binding for row in _constraint(as_of, binding)]
    return cast("Frame[CsmAssignmentConstraints]", _frame(rows, CsmAssignmentConstraints))


def _constraint(as_of: date, binding: Binding) -> Iterator[dict[str, Any]]:
    for place, lack in enumerate(binding.lacks, 1):
        yield {
            "as_of": as_of, "constraint": binding.constraint, "place": place,
            "relief_fte": round(binding.relief_fte, _DIGITS), "coverage_tier": lack.tier, "level": lack.level,
            "region": lack.region, "short_fte": round(lack.fte, _DIGITS),
        }  # fmt: skip
    if not binding.lacks:
        yield {"as_of": as_of, "constraint": binding.constraint, "place": 1,
               "relief_fte": round(binding.relief_fte, _DIGITS)}  # fmt: skip


@table(group="capacity")
def csm_loads(
    spine: Table[Spine],
    csm_supply: Table[CsmSupply],
    account_demand: Table[AccountDemand],
    csm_assignments: Table[CsmAssignments],
) -> Table[CsmLoads]:
    """How loaded is each CSM now, and how loaded after the proposed assignment?

    One row per as_of and CSM employed on a day of the planning period. Load is the larger of needed / available hours
    and needed / available people. Above 1, the CSM is overloaded. A CSM who leaves within the period has no accounts
    in the proposal.
    """
    named = account_demand.semi_join(spine, "as_of").filter(~account_demand.is_automated)
    proposed = csm_assignments.select("as_of", "account_id", proposed_csm="csm_id")
    rows = csm_supply.semi_join(spine, "as_of").select("as_of", "csm_id", "fte", "available_hours")
    rows = _with_book(rows, named, "")
    later = named.drop("csm_id").join(proposed, ["as_of", "account_id"]).rename(csm_id="proposed_csm")
    rows = _with_book(rows, later, "proposed_")
    automated = account_demand.filter(account_demand.is_automated)
    shared = automated.group_by("as_of").aggregate(shared=total(automated.required_fte))
    rows = rows.left_join(shared, "as_of").drop("as_of_right")
    people = total(rows.fte, over=ibis.window(group_by="as_of"))
    part = ibis.least((rows.shared / people.nullif(0.0)).fill_null(0.0), 1.0)
    rows = rows.mutate(automated_fte=fine(rows.fte * part))
    rows = rows.mutate(load_share=_load(rows, ""), proposed_load_share=_load(rows, "proposed_"))
    now, after = rows.load_share.fill_null(0.0), rows.proposed_load_share.fill_null(0.0)
    change = ibis.cases(
        ((after > 1 + _CLOSE) & (after > now + _CLOSE), "more_overloaded"),
        ((now > 1 + _CLOSE) & (after < now - _CLOSE), "less_overloaded"),
        else_="as_before",
    )
    return rows.mutate(change=change).drop("shared", "proposed_arr")


def _with_book(rows: ir.Table, accounts: ir.Table, prefix: str) -> ir.Table:
    """Adds accounts, ARR, hours and people of each CSM's accounts."""
    books = accounts.group_by("as_of", "csm_id").aggregate(
        **{
            f"{prefix}accounts": accounts.count(),
            f"{prefix}arr": money(accounts.arr),
            f"{prefix}hours": total(accounts.hours_per_month),
            f"{prefix}required_fte": total(accounts.required_fte),
        }
    )
    joined = rows.left_join(books, ["as_of", "csm_id"]).drop("as_of_right", "csm_id_right")
    zeros = {name: joined[name].fill_null(0) for name in books.columns if name not in ("as_of", "csm_id")}
    return joined.mutate(**zeros)


def _load(rows: ir.Table, prefix: str) -> ir.FloatingValue:
    by_hours = rows[f"{prefix}hours"] / rows.available_hours.nullif(0.0)
    by_people = rows[f"{prefix}required_fte"] / (rows.fte - rows.automated_fte).nullif(0.0)
    return ibis.greatest(ibis.coalesce(by_hours, by_people), ibis.coalesce(by_people, by_hours))


def _of_day(frame: pd.DataFrame, as_of: date) -> pd.DataFrame:
    return frame.loc[pd.to_datetime(frame["as_of"]) == pd.Timestamp(as_of)]


def _frame(rows: Sequence[dict[str, Any]], contract: type[Snapshot]) -> pd.DataFrame:
    names = [name for name in ibis_schema(contract) if name != POLICY_HASH]
    return pd.DataFrame(rows, columns=pd.Index(names))


def _solved(demand: pd.DataFrame, supply: pd.DataFrame, policy: AssignmentPolicy) -> _Day:
    return _solve(
        tuple(_accounts(demand)), tuple(_csms(supply, _automated_share(demand, supply))), policy.model_dump_json()
    )


@lru_cache(maxsize=1)
def _solve(accounts: tuple[Account, ...], csms: tuple[Csm, ...], policy_json: str) -> _Day:
    """One day's assignment, cached because three tables read it."""
    policy = AssignmentPolicy.model_validate_json(policy_json)
    best = assign(accounts, csms, policy)
    unfit = [account for account in accounts if not best.fits[account.account_id]]
    blocked = tuple((account.account_id, name) for account, name in blocking_skills(unfit, csms, policy))
    pooled = _as_pools_see(accounts, csms, best, policy)
    return _Day(accounts, csms, best, blocked, binding_constraints(pooled, csms, policy))


def _as_pools_see(
    accounts: Sequence[Account], csms: Sequence[Csm], best: Assignment, policy: AssignmentPolicy
) -> list[Account]:
    """Accounts as the constraints see them: region and industry do not bind an account that only its own CSM fits."""
    fits_own_only = {a.account_id for a, _ in blocking_skills(accounts, csms, policy)} & best.could_stay
    return [
        replace(a, region=None, industry=None)
        if a.csm_id is not None and (best.csm_of[a.account_id] == a.csm_id or a.account_id in fits_own_only)
        else a
        for a in accounts
    ]


def _accounts(demand: pd.DataFrame) -> Iterator[Account]:
    """Accounts that need a CSM, in order of id."""
    rows = demand.loc[~demand["is_automated"].astype(bool)].sort_values("account_id")
    for row in rows.itertuples():
        yield Account(
            str(row.account_id), str(row.coverage_tier), float(row.hours_per_month), float(row.required_fte),
            _or_none(row.region), _or_none(row.industry), _or_none(row.csm_id),
        )  # fmt: skip


def _automated_share(demand: pd.DataFrame, supply: pd.DataFrame) -> float:
    """Share of every CSM's time for the accounts without a named CSM."""
    people = float(supply["fte"].sum())
    automated = float(demand.loc[demand["is_automated"].astype(bool), "required_fte"].sum())
    return min(round(automated, _DIGITS) / round(people, _DIGITS), 1.0) if people > 0 else 0.0


def _csms(supply: pd.DataFrame, automated_share: float) -> Iterator[Csm]:
    """CSMs who stay through the planning period, in order of id. One who starts in it has part of the hours."""
    for row in supply.loc[supply["stays"].astype(bool)].sort_values("csm_id").itertuples():
        names = frozenset(name.strip() for name in (_or_none(row.industries) or "").split(",") if name.strip())
        yield Csm(
            str(row.csm_id), float(row.available_hours), float(row.fte) * (1 - automated_share), _or_none(row.level),
            _or_none(row.region), names,
        )  # fmt: skip


def _or_none(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _rows(
    as_of: date, demand: pd.DataFrame, supply: pd.DataFrame, policy: AssignmentPolicy
) -> Iterator[dict[str, Any]]:
    day = _solved(demand, supply, policy)
    blocked = dict(day.blocked)
    leaving: dict[str, date] = {
        str(row.csm_id): cast("date", pd.Timestamp(row.ends_on).date())
        for row in supply[~supply["stays"].astype(bool)].itertuples()
    }
    for row in demand.sort_values("account_id").itertuples():
        account, current = str(row.account_id), _or_none(row.csm_id)
        chosen = day.best.csm_of.get(account)
        could_stay = account in day.best.could_stay
        if row.is_automated:
            status, reason = "automated", "automated_tier"
        elif supply.empty and current is not None:
            chosen, status, reason = current, "kept", "no_roster"
        elif chosen is None:
            status, reason = "unassigned", "nobody_fits_or_has_room"
        else:
            status, reason = _status(current, chosen, could_stay, day.csms, leaving)
        yield {
            "as_of": as_of,
            "account_id": account,
            "coverage_tier": row.coverage_tier,
            "hours_per_month": row.hours_per_month,
            "required_fte": row.required_fte,
            "current_csm_id": current,
            "current_csm_leaves_on": leaving.get(current or ""),
            "csm_id": chosen,
            "status": status,
            "is_handover": status == "moved" and could_stay,
            "reason": reason,
            "constraint": blocked.get(account, _CAPACITY) if status == "unassigned" else None,
        }


def _status(
    current: str | None, chosen: str, could_stay: bool, csms: Sequence[Csm], leaving: Mapping[str, date]
) -> tuple[str, str]:
    """Status and reason of an account that has a CSM."""
    if chosen == current:
        return "kept", "fits"
    if current is None:
        return "new", "had_no_csm"
    if current in leaving:
        return "moved", "csm_leaves"
    if could_stay:
        return "moved", "relieves_or_fits_better"
    if any(c.csm_id == current for c in csms):
        return "moved", "csm_does_not_fit"
    return "new", "csm_not_on_roster"


def _run(as_of: date, demand: pd.DataFrame, supply: pd.DataFrame, policy: AssignmentPolicy) -> dict[str, Any]:
    """The row of one run."""
    day = _solved(demand, supply, policy)
    best = day.best
    counts = Counter(row["status"] for row in _rows(as_of, demand, supply, policy))
    loads = sorted(best.loads.items(), key=lambda item: (-item[1].load_share, item[0]))
    most_loaded = loads[0] if loads and 0 < loads[0][1].load_share < math.inf else None
    is_automated, stays = demand["is_automated"].astype(bool), supply["stays"].astype(bool)
    return {
        "as_of": as_of,
        "leaving_fte": round(float(supply.loc[~stays, "fte"].sum()), _DIGITS),
        "automated_fte": round(float(demand.loc[is_automated, "required_fte"].sum()), _DIGITS),
        "accounts": len(day.accounts),
        "automated_accounts": counts["automated"],
        "csms": len(day.csms),
        "kept_accounts": counts["kept"],
        "moved_accounts": counts["moved"],
        "new_accounts": counts["new"],
        "unassigned_accounts": counts["unassigned"],
        "could_stay_accounts": len(best.could_stay),
        "continuity": counts["kept"] / len(best.could_stay) if best.could_stay else None,
        "objective": best.objective,
        "bound": best.bound,
        "gap": best.gap,
        "overload_hours": round(sum(load.overload_hours for load in best.loads.values()), _DIGITS),
        "overload_fte": round(sum(load.overload_fte for load in best.loads.values()), _DIGITS),
        "most_loaded_csm_id": most_loaded[0] if most_loaded else None,
        "most_load_share": most_loaded[1].load_share if most_loaded else None,
        "most_load_share_before": _load_before(most_loaded[0], day) if most_loaded else None,
        "is_feasible": not counts["unassigned"] and not day.binding,
    }


def _people(plan: pd.DataFrame) -> dict[str, float | None]:
    """required_fte, available_fte and short_fte: the company's sums of `capacity_plan`."""
    required = round(float(plan["required_fte"].sum()), _DIGITS)
    if bool(np.any(pd.isna(plan["available_fte"].to_numpy()))):
        return {"required_fte": required, "available_fte": None, "short_fte": None}
    available = round(float(plan["available_fte"].sum()), _DIGITS)
    short = round(max(required - available, 0.0), _DIGITS)
    return {"required_fte": required, "available_fte": available, "short_fte": short}


def _load_before(csm_id: str, day: _Day) -> float:
    """The load of one CSM with the CSM's accounts in the CRM."""
    csm = next(c for c in day.csms if c.csm_id == csm_id)
    own = [a for a in day.accounts if a.csm_id == csm_id]
    loads = ((sum(a.hours for a in own), csm.hours), (sum(a.portfolio_share for a in own), csm.fte))
    return max((load / there for load, there in loads if there > 0), default=0.0)
