"""Who covers whom from now on, why, and how good that is.

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
    hours_per_month: float = column("CSM hours it is entitled to.", unit="hours per month", ge=0)
    required_fte: float = column("The part of a person it takes, as in `account_demand`.", unit="people", ge=0)
    current_csm_id: str = column("CSM in the CRM.", nullable=True)
    status: str = column(
        "kept, moved (from another CSM), new (had none, or one not on the roster), unassigned, or automated.",
        isin=STATUSES,
    )
    is_handover: Flag = column("Another CSM than the one in the CRM, though that one could keep it.")
    reason: str = column(
        "Why: fits (kept), had_no_csm, csm_leaves, relieves_or_fits_better (more room, or knows the trade better), "
        "csm_does_not_fit (a skill lacks), csm_not_on_roster, nobody_fits_or_has_room, automated_tier, "
        "no_roster (nobody is on it: the CSM in the CRM stays).",
        isin=REASONS,
    )
    current_csm_leaves_on: Day = column("First day without the CSM in the CRM, where that is known.", nullable=True)
    constraint: str = column(
        "What stands in the way where unassigned: roster, level, region, industry (or several joined by +), or "
        "capacity.",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]


class CsmAssignmentRuns(Snapshot):
    """How good the assignment of a day is. Key: as_of; one row per day. Prices are in hours (see the policy).

    People needed, there and too few are those of `capacity_plan`.
    """

    required_fte: float = column("People needed for all live accounts.", unit="people", ge=0)
    available_fte: float = column(
        "People on the roster over the planning period; null: no roster is known.", unit="people", nullable=True, ge=0
    )
    short_fte: float = column(
        "Needed - there, at least 0: people too few; null: no roster is known.", unit="people", nullable=True, ge=0
    )
    leaving_fte: float = column(
        "Of those there, who leaves within the planning period: they take no accounts.", unit="people", ge=0
    )
    automated_fte: float = column(
        "Of those needed, for automated accounts, which have no named CSM: everybody's time has a part of it.",
        unit="people", ge=0,
    )  # fmt: skip
    accounts: Integer = column("Live accounts that need a CSM.", ge=0)
    automated_accounts: Integer = column("Live accounts that need none.", ge=0)
    csms: Integer = column("CSMs who take accounts.", ge=0)
    kept_accounts: Integer = column("Accounts that keep their CSM.", ge=0)
    moved_accounts: Integer = column("Accounts that change from one CSM to another.", ge=0)
    new_accounts: Integer = column("Accounts that had no CSM on the roster, and get one.", ge=0)
    unassigned_accounts: Integer = column("Accounts that nobody takes.", ge=0)
    could_stay_accounts: Integer = column("Accounts whose CSM fits and stays.", ge=0)
    continuity: float = column("Kept accounts / accounts that could stay.", unit="share", nullable=True, ge=0, le=1)
    objective: float = column("Price of the assignment.", unit="hours", ge=0)
    bound: float = column(
        "No assignment has a lower price: that of the linear program over all pairs; where the problem is "
        "small enough to decide at once, the integer program's own.",
        unit="hours", ge=0,
    )  # fmt: skip
    gap: float = column(
        "(objective - bound) / bound; 0 where they are equal, null where only the bound is 0.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    overload_hours: float = column("Hours given above the CSMs' hours.", unit="hours per month", ge=0)
    overload_fte: float = column("People that accounts take above the CSMs who have them.", unit="people", ge=0)
    most_loaded_csm_id: str = column("The CSM with the highest load.", nullable=True)
    most_load_share: float = column(
        "Their hours / hours they have, or people's worth / themselves, the larger; null: nobody is loaded.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    most_load_share_before: float = column(
        "The same CSM's load with the accounts that the CRM names them for.", unit="ratio", nullable=True, ge=0
    )
    is_feasible: Flag = column("Every account has a CSM who fits, and the people suffice.")

    class Config:
        unique = ["as_of"]


class CsmAssignmentConstraints(Snapshot):
    """What stands in the way of the assignment, and whom it lacks. Key: as_of, constraint, place."""

    constraint: str = column(
        "roster (nobody is on it), people (too few), level, region, industry, or all three together.",
        isin=[ROSTER, PEOPLE, *SKILLS, ALL_SKILLS],
    )
    place: Integer = column("Order of the groups that lack people, the most first.", ge=1)
    relief_fte: float = column("People short no more without this constraint alone.", unit="people", ge=0)
    coverage_tier: str = column("Tier of accounts that nobody fits.", nullable=True, isin=TIERS)
    level: str = column("Level of the CSMs who are too few.", nullable=True)
    region: str = column("Region of either; null: any.", nullable=True)
    short_fte: float = column("People short in this group.", unit="people", nullable=True, ge=0)

    class Config:
        unique = ["as_of", "constraint", "place"]


class CsmLoads(Snapshot):
    """What a CSM has to do now and after the proposed assignment. Key: as_of, csm_id; CSMs of the planning period."""

    csm_id: str = column("CSM.")
    fte: float = column("The CSM by contracted hours, over the planning period.", unit="people", ge=0)
    automated_fte: float = column("Part of that for the accounts without a named CSM.", unit="people", ge=0)
    available_hours: float = column("Hours for customers.", unit="hours per month", ge=0)
    accounts: Integer = column("Accounts that the CRM names them for, but for automated ones.", ge=0)
    arr: float = column("Their ARR.", unit="currency per year", ge=0)
    hours: float = column("Hours those are entitled to.", unit="hours per month", ge=0)
    required_fte: float = column("People those take.", unit="people", ge=0)
    load_share: float = column(
        "The larger of hours / available hours, and required people / (fte - automated_fte); null: no time.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    proposed_accounts: Integer = column("Accounts after the proposed assignment.", ge=0)
    proposed_hours: float = column("Hours those are entitled to.", unit="hours per month", ge=0)
    proposed_required_fte: float = column("People those take.", unit="people", ge=0)
    proposed_load_share: float = column("Load with those.", unit="ratio", nullable=True, ge=0)
    change: str = column(
        "more_overloaded: the assignment takes the load further above 1; less_overloaded: it takes a load that was "
        "above 1 down; as_before: neither.",
        isin=CHANGES,
    )

    class Config:
        unique = ["as_of", "csm_id"]


@dataclass(frozen=True)
class _Day:
    """The assignment of one day, with what it was made of."""

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

    One row per as_of and live account. An optimiser places accounts with CSMs who fit (level, region, industry) and
    have not left by the end of the planning period, so that handovers, overload and accounts without a CSM cost least
    together; `csm_assignment_runs` says how far from the best that is at most. A CSM is overloaded by more hours than
    they have, or by accounts that take more people than they are. Accounts of automated tiers need nobody, unless an
    override or their segment asks for someone.
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

    One row per as_of. The gap is against a bound that holds for every assignment, even of parts of accounts where the
    company is large (whole accounts may then cost more, however they are placed); continuity is of the accounts whose
    CSM fits and stays.
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
    """What stands in the way of a better assignment, and which people would end that?

    One row per as_of, constraint that binds and group that lacks people; none where people suffice. A constraint
    binds if, without it, fewer people would be short, were everybody free to take any account that they fit.
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

    One row per as_of and CSM employed on some day of the planning period. Load is the larger of hours by hours and
    people by people; above 1 there is too much. Who leaves within the period keeps nothing in the proposal.
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
    """One day's assignment; kept for the other tables, which read the same."""
    policy = AssignmentPolicy.model_validate_json(policy_json)
    best = assign(accounts, csms, policy)
    unfit = [account for account in accounts if not best.fits[account.account_id]]
    blocked = tuple((account.account_id, name) for account, name in blocking_skills(unfit, csms, policy))
    pooled = _as_pools_see(accounts, csms, best, policy)
    return _Day(accounts, csms, best, blocked, binding_constraints(pooled, csms, policy))


def _as_pools_see(
    accounts: Sequence[Account], csms: Sequence[Csm], best: Assignment, policy: AssignmentPolicy
) -> list[Account]:
    """Accounts whose CSM keeps them in spite of region or industry bind neither, nor do those that only lack room."""
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
    """Part of everybody's time for the accounts without a named CSM."""
    people = float(supply["fte"].sum())
    automated = float(demand.loc[demand["is_automated"].astype(bool), "required_fte"].sum())
    return min(round(automated, _DIGITS) / round(people, _DIGITS), 1.0) if people > 0 else 0.0


def _csms(supply: pd.DataFrame, automated_share: float) -> Iterator[Csm]:
    """CSMs who stay through the planning period, in order of id; who starts in it has part of their hours."""
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
    """People needed, there and too few: those of the plan."""
    required = round(float(plan["required_fte"].sum()), _DIGITS)
    if bool(np.any(pd.isna(plan["available_fte"].to_numpy()))):
        return {"required_fte": required, "available_fte": None, "short_fte": None}
    available = round(float(plan["available_fte"].sum()), _DIGITS)
    short = round(max(required - available, 0.0), _DIGITS)
    return {"required_fte": required, "available_fte": available, "short_fte": short}


def _load_before(csm_id: str, day: _Day) -> float:
    """The load of one CSM with the accounts that the CRM names them for."""
    csm = next(c for c in day.csms if c.csm_id == csm_id)
    own = [a for a in day.accounts if a.csm_id == csm_id]
    loads = ((sum(a.hours for a in own), csm.hours), (sum(a.portfolio_share for a in own), csm.fte))
    return max((load / there for load, there in loads if there > 0), default=0.0)
