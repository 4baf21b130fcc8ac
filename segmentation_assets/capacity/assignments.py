"""Who covers whom from now on, why, and how good that is.

Here: `csm_assignments` and `csm_assignment_runs`. Not here: the program that decides (`optimiser`), the constraint
that binds (`binding`), or what accounts need and CSMs have (`staffing`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, cast

import pandas as pd

from segmentation_assets.capacity.binding import Binding, binding_constraints, blocking_skills
from segmentation_assets.capacity.optimiser import Account, Assignment, Csm, assign
from segmentation_assets.capacity.staffing import AccountDemand, CsmSupply
from segmentation_assets.policy.capacity import AssignmentPolicy
from segmentation_assets.policy.segments import TIERS
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Flag, Integer, Snapshot, column, ibis_schema
from segmentation_assets.tables.registry import POLICY_HASH, ROWS, Frame, table

_CAPACITY = "capacity"
STATUSES = ("kept", "moved", "new", "unassigned", "automated")


class CsmAssignments(Snapshot):
    """The CSM proposed for an account. Key: as_of, account_id; one row per live account."""

    account_id: str = column("Account.")
    csm_id: str = column("CSM proposed; null: nobody.", nullable=True)
    coverage_tier: str = column("Coverage tier.", isin=TIERS)
    hours_per_month: float = column("CSM hours it is entitled to.", unit="hours per month", ge=0)
    current_csm_id: str = column("CSM in the CRM.", nullable=True)
    status: str = column(
        "kept, moved (from another CSM), new (had none, or one not on the roster), unassigned, or automated.",
        isin=STATUSES,
    )
    is_handover: Flag = column("Another CSM than the one in the CRM, though that one could keep it.")
    reason: str = column("Why.")
    constraint: str = column(
        "What stands in the way where unassigned: roster, level, region, industry (or several joined by +), or "
        "capacity.",
        nullable=True,
    )

    class Config:
        unique = ["as_of", "account_id"]


class CsmAssignmentRuns(Snapshot):
    """How good the assignment of a day is. Key: as_of; one row per day. Prices are in hours (see the policy)."""

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
    overload_fte: float = column("Portfolios given above the CSMs' ratio.", unit="people", ge=0)
    most_loaded_csm_id: str = column("The CSM with the highest load.", nullable=True)
    most_load_share: float = column(
        "Their hours / hours they have, or portfolio / ratio, the larger; null: nobody is loaded.",
        unit="ratio", nullable=True, ge=0,
    )  # fmt: skip
    is_feasible: Flag = column("Every account has a CSM who fits, and the people suffice for hours and ratio.")
    binding_constraints: str = column("What binds, and by how much; null: nothing.", nullable=True)
    what_frees_them: str = column("What would free it; null: nothing binds.", nullable=True)

    class Config:
        unique = ["as_of"]


@dataclass(frozen=True)
class _Day:
    """The assignment of one day, with what it was made of."""

    accounts: tuple[Account, ...]
    csms: tuple[Csm, ...]
    found: Assignment
    blocked: tuple[tuple[str, str], ...]
    binding: tuple[Binding, ...]


_DECIDED = (
    *(f"account_demand.{name}" for name in (
        "account_id", "is_automated", "coverage_tier", "hours_per_month", "portfolio_share", "region", "industry",
        "csm_id",
    )),
    *(f"csm_supply.{name}" for name in (
        "as_of", "csm_id", "stays", "available_hours", "fte", "level", "region", "industries",
    )),
)  # fmt: skip
"""What the optimiser decides by: every account's CSM depends on every other's."""
_ROWS = ("spine.as_of", "account_demand.as_of", "account_demand.account_id")


@table(
    group="capacity",
    made_from={
        ROWS: _ROWS,
        "as_of": ("spine.as_of",),
        **{name: (f"account_demand.{name}",) for name in ("account_id", "coverage_tier", "hours_per_month")},
        "current_csm_id": ("account_demand.csm_id",),
        **dict.fromkeys(("csm_id", "status", "is_handover", "constraint"), _DECIDED),
        "reason": (*_DECIDED, "csm_supply.ends_on"),
    },
)
def csm_assignments(
    spine: Frame[Spine], account_demand: Frame[AccountDemand], csm_supply: Frame[CsmSupply], policy: AssignmentPolicy
) -> Frame[CsmAssignments]:
    """Who should cover each account from now on, and why?

    One row per as_of and live account. An optimiser places accounts with CSMs who fit (level, region, industry) and
    have not left by the end of the planning period, so that handovers, overload and accounts without a CSM cost least
    together; `csm_assignment_runs` says how far from the best that is at most. Accounts of automated tiers need
    nobody, unless an override asks for someone.
    """
    rows: list[dict[str, Any]] = []
    for as_of in spine["as_of"]:
        demand, supply = _of_day(account_demand, as_of), _of_day(csm_supply, as_of)
        rows += _rows(as_of, demand, supply, policy)
    return cast("Frame[CsmAssignments]", _frame(rows, CsmAssignments))


@table(
    group="capacity",
    made_from={
        ROWS: ("spine.as_of",),
        "as_of": ("spine.as_of",),
        "accounts": ("account_demand.as_of", "account_demand.is_automated"),
        "automated_accounts": ("account_demand.as_of", "account_demand.is_automated"),
        "csms": ("csm_supply.as_of", "csm_supply.stays"),
        **dict.fromkeys(
            (
                "kept_accounts", "moved_accounts", "new_accounts", "unassigned_accounts", "could_stay_accounts",
                "continuity", "objective", "bound", "gap", "overload_hours", "overload_fte", "most_loaded_csm_id",
                "most_load_share", "is_feasible", "binding_constraints", "what_frees_them",
            ),
            ("account_demand.as_of", *_DECIDED),
        ),
    },
)  # fmt: skip
def csm_assignment_runs(
    spine: Frame[Spine], account_demand: Frame[AccountDemand], csm_supply: Frame[CsmSupply], policy: AssignmentPolicy
) -> Frame[CsmAssignmentRuns]:
    """How good is the assignment, what binds it, and what would free that?

    One row per as_of. The gap is against a bound that holds for every assignment, even of parts of accounts where the
    company is large (whole accounts may then cost more, however they are placed); continuity is of the accounts whose
    CSM fits and stays. A constraint binds where people as pools could do with fewer hours too little without it.
    """
    rows = []
    for as_of in spine["as_of"]:
        demand, supply = _of_day(account_demand, as_of), _of_day(csm_supply, as_of)
        rows.append(_run(as_of, demand, supply, policy))
    return cast("Frame[CsmAssignmentRuns]", _frame(rows, CsmAssignmentRuns))


def _of_day(frame: pd.DataFrame, as_of: date) -> pd.DataFrame:
    return frame.loc[pd.to_datetime(frame["as_of"]) == pd.Timestamp(as_of)]


def _frame(rows: Sequence[dict[str, Any]], contract: type[Snapshot]) -> pd.DataFrame:
    names = [name for name in ibis_schema(contract) if name != POLICY_HASH]
    return pd.DataFrame(rows, columns=pd.Index(names))


def _solved(demand: pd.DataFrame, supply: pd.DataFrame, policy: AssignmentPolicy) -> _Day:
    return _solve(tuple(_accounts(demand)), tuple(_csms(supply)), policy.model_dump_json())


@lru_cache(maxsize=1)
def _solve(accounts: tuple[Account, ...], csms: tuple[Csm, ...], policy_json: str) -> _Day:
    """One day's assignment; kept for the second table, which asks for the same."""
    policy = AssignmentPolicy.model_validate_json(policy_json)
    found = assign(accounts, csms, policy)
    unfit = [account for account in accounts if not found.fits[account.account_id]]
    blocked = tuple((account.account_id, name) for account, name in blocking_skills(unfit, csms, policy))
    pooled = _as_pools_see(accounts, csms, found, policy)
    return _Day(accounts, csms, found, blocked, binding_constraints(pooled, csms, policy))


def _as_pools_see(
    accounts: Sequence[Account], csms: Sequence[Csm], found: Assignment, policy: AssignmentPolicy
) -> list[Account]:
    """Accounts whose CSM keeps them in spite of region or industry bind neither, nor do those that only lack room."""
    fits_own_only = {a.account_id for a, _ in blocking_skills(accounts, csms, policy)} & found.could_stay
    return [
        replace(a, region=None, industry=None)
        if a.csm_id is not None and (found.csm_of[a.account_id] == a.csm_id or a.account_id in fits_own_only)
        else a
        for a in accounts
    ]


def _accounts(demand: pd.DataFrame) -> Iterator[Account]:
    """Accounts that need a CSM, in order of id."""
    rows = demand.loc[~demand["is_automated"].astype(bool)].sort_values("account_id")
    for row in rows.itertuples():
        share = 0.0 if pd.isna(row.portfolio_share) else float(row.portfolio_share)
        yield Account(
            str(row.account_id), str(row.coverage_tier), float(row.hours_per_month), share,
            _known(row.region), _known(row.industry), _known(row.csm_id),
        )  # fmt: skip


def _csms(supply: pd.DataFrame) -> Iterator[Csm]:
    """CSMs who stay through the planning period, in order of id; who starts in it has part of their hours."""
    for row in supply.loc[supply["stays"].astype(bool)].sort_values("csm_id").itertuples():
        known = frozenset(name.strip() for name in (_known(row.industries) or "").split(",") if name.strip())
        yield Csm(
            str(row.csm_id), float(row.available_hours), float(row.fte), _known(row.level), _known(row.region), known
        )


def _known(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _rows(
    as_of: date, demand: pd.DataFrame, supply: pd.DataFrame, policy: AssignmentPolicy
) -> Iterator[dict[str, Any]]:
    day = _solved(demand, supply, policy)
    blocked = dict(day.blocked)
    leaving = {
        str(row.csm_id): str(pd.Timestamp(row.ends_on).date())
        for row in supply[~supply["stays"].astype(bool)].itertuples()
    }
    for row in demand.sort_values("account_id").itertuples():
        account, current = str(row.account_id), _known(row.csm_id)
        chosen = day.found.csm_of.get(account)
        could_stay = account in day.found.could_stay
        if row.is_automated:
            status, reason = "automated", "the tier has no named CSM"
        elif chosen is None:
            status, reason = "unassigned", f"nobody fits or has room: {blocked.get(account, _CAPACITY)}"
        else:
            status, reason = _status(current, chosen, could_stay, day.csms, leaving)
        yield {
            "as_of": as_of,
            "account_id": account,
            "coverage_tier": row.coverage_tier,
            "hours_per_month": row.hours_per_month,
            "current_csm_id": current,
            "csm_id": chosen,
            "status": status,
            "is_handover": status == "moved" and could_stay,
            "reason": reason,
            "constraint": blocked.get(account, _CAPACITY) if status == "unassigned" else None,
        }


def _status(
    current: str | None, chosen: str, could_stay: bool, csms: Sequence[Csm], leaving: Mapping[str, str]
) -> tuple[str, str]:
    """Status and reason of an account that has a CSM."""
    if chosen == current:
        return "kept", "the CSM fits, and nobody is better off by a handover"
    if current is None:
        return "new", "had no CSM"
    if current in leaving:
        return "moved", f"{current} leaves on {leaving[current]}"
    if could_stay:
        return "moved", f"{chosen} has more room, or knows the industry better, than {current}"
    if any(c.csm_id == current for c in csms):
        return "moved", f"{current} does not fit in level, region or industry"
    return "new", f"{current} is not on the roster"


def _run(as_of: date, demand: pd.DataFrame, supply: pd.DataFrame, policy: AssignmentPolicy) -> dict[str, Any]:
    """The row of one run."""
    day = _solved(demand, supply, policy)
    found = day.found
    counts = Counter(row["status"] for row in _rows(as_of, demand, supply, policy))
    loads = sorted(found.loads.items(), key=lambda item: (-item[1].load_share, item[0]))
    most_loaded = loads[0] if loads and 0 < loads[0][1].load_share < math.inf else None
    return {
        "as_of": as_of,
        "accounts": len(day.accounts),
        "automated_accounts": counts["automated"],
        "csms": len(day.csms),
        "kept_accounts": counts["kept"],
        "moved_accounts": counts["moved"],
        "new_accounts": counts["new"],
        "unassigned_accounts": counts["unassigned"],
        "could_stay_accounts": len(found.could_stay),
        "continuity": counts["kept"] / len(found.could_stay) if found.could_stay else None,
        "objective": found.objective,
        "bound": found.bound,
        "gap": found.gap,
        "overload_hours": sum(load.overload_hours for load in found.loads.values()),
        "overload_fte": sum(load.overload_fte for load in found.loads.values()),
        "most_loaded_csm_id": most_loaded[0] if most_loaded else None,
        "most_load_share": most_loaded[1].load_share if most_loaded else None,
        "is_feasible": not counts["unassigned"] and not day.binding,
        "binding_constraints": "; ".join(f"{b.constraint}: {b.text}" for b in day.binding) or None,
        "what_frees_them": "; ".join(f"{b.constraint}: {b.frees}" for b in day.binding) or None,
    }
