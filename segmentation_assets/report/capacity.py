"""The capacity page: people needed and available, who has too much to do, and what to do about it.

Here: the page's view model. Not here: demand, supply, advice and assignment (`segmentation_assets.capacity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from segmentation_assets.policy.segments import TIERS
from segmentation_assets.reading import palette, plans
from segmentation_assets.reading.figures import number
from segmentation_assets.report import charts
from segmentation_assets.report.evidence import Evidence, Row
from segmentation_assets.report.sets import Count


@dataclass(frozen=True)
class TierCapacity:
    """People needed and available in a tier."""

    tier: str
    colour: str
    row: Row
    advice: str
    arithmetic: tuple[str, ...]
    accounts: Count | None = None


@dataclass(frozen=True)
class CsmLoad:
    """The load of one CSM, today and after the proposed assignment."""

    csm_id: str
    name: str
    level: str
    region: str
    row: Row
    is_overloaded: bool
    accounts: Count | None = None
    proposed: Count | None = None


@dataclass(frozen=True)
class CapacityPage:
    """Everything on the page."""

    tiers: tuple[TierCapacity, ...] = ()
    people: str = ""
    annual_cost: float | None = None
    arr: float = 0.0
    rebalancing: tuple[str, ...] = ()
    csms: tuple[CsmLoad, ...] = ()
    overloaded_from: float = 1.0
    least_gap_fte: float = 0.0
    assignment: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    goal: tuple[str, ...] = ()
    leakage: tuple[tuple[Row, Count], ...] = ()
    charts: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()


def capacity_page(evidence: Evidence) -> CapacityPage:
    """Make the page."""
    plan = plans.in_hundredths(evidence.of_day("capacity_plan"))
    rows = {row["coverage_tier"]: row for row in plan}
    tiers = tuple(
        TierCapacity(
            tier,
            palette.TIERS[tier],
            rows[tier],
            plans.tier_action(rows[tier]),
            plans.tier_arithmetic(rows[tier]),
            _accounts(evidence, f"Tier {tier}", "account_demand", f"coverage_tier = '{tier}'"),
        )
        for tier in TIERS
        if tier in rows
    )
    goal = evidence.first_of_day("goal_gap")
    costs = [row["annual_cost"] for row in plan]
    return CapacityPage(
        tiers=tiers,
        people=plans.company_people(plan),
        annual_cost=None if any(cost is None for cost in costs) else sum(costs),
        arr=sum(row["arr"] for row in plan),
        rebalancing=tuple(plans.rebalancing(plan, moved_accounts(evidence))),
        csms=_loads(evidence),
        overloaded_from=evidence.policy.report.overloaded_from,
        least_gap_fte=evidence.policy.staffing.least_gap_fte,
        assignment=tuple(
            plans.assignment(
                evidence.first_of_day("csm_assignment_runs"),
                evidence.of_day("csm_assignment_constraints", 'relief_fte DESC, "constraint", place'),
                _named_loads(evidence),
            )
        ),
        flat=tuple(plans.against_flat(plan)),
        goal=tuple(plans.goal(goal)) if goal else (),
        leakage=_leakage(evidence),
        charts=_charts(tiers),
        gaps=evidence.gaps("capacity_plan", "rebalanced_accounts", "csm_supply", "csm_loads", "csm_assignment_runs",
                           "csm_assignment_constraints", "coverage_leakage", "goal_gap"),
    )  # fmt: skip


def _accounts(evidence: Evidence, title: str, table: str, where: str) -> Count | None:
    """The accounts of a table that meet a condition; None without the table."""
    if not evidence.has(table):
        return None
    return evidence.sets.count((row["account_id"] for row in evidence.of_day(table, "account_id", where)), title)


def moved_accounts(evidence: Evidence) -> list[Row]:
    """Accounts that give or get hours in the rebalancing, with their names."""
    if not evidence.has("rebalanced_accounts"):
        return []
    return evidence.rows(
        "SELECT r.*, s.account_name FROM rebalanced_accounts r LEFT JOIN segments s "
        "ON s.as_of = r.as_of AND s.account_id = r.account_id WHERE r.as_of = ? "
        "ORDER BY direction, worth DESC, account_id",
        evidence.as_of,
    )


def _named_loads(evidence: Evidence) -> list[Row]:
    """The load of each CSM with name, level and region; the highest load first."""
    if not evidence.has("csm_loads", "csm_supply"):
        return []
    return evidence.rows(
        "SELECT l.*, s.csm_name, s.level, s.region FROM csm_loads l JOIN csm_supply s "
        "ON s.as_of = l.as_of AND s.csm_id = l.csm_id WHERE l.as_of = ? "
        "ORDER BY l.load_share DESC NULLS LAST, csm_id",
        evidence.as_of,
    )


def _loads(evidence: Evidence) -> tuple[CsmLoad, ...]:
    from_share = evidence.policy.report.overloaded_from
    now, proposed = _books(evidence)
    return tuple(
        CsmLoad(
            row["csm_id"], row["csm_name"] or row["csm_id"], row["level"] or "", row["region"] or "", row,
            (row["load_share"] or 0.0) > from_share,
            evidence.sets.count(now.get(row["csm_id"], ()), f"With a named CSM: {row['csm_id']}") if now else None,
            evidence.sets.count(proposed.get(row["csm_id"], ()), f"Proposed for {row['csm_id']}") if now else None,
        )
        for row in _named_loads(evidence)
    )  # fmt: skip


def _books(evidence: Evidence) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """By CSM: accounts in the CRM and accounts proposed, both without those of automated tiers."""
    now: dict[str, list[str]] = {}
    proposed: dict[str, list[str]] = {}
    if evidence.has("account_demand", "csm_assignments"):
        rows = evidence.rows(
            "SELECT d.account_id, d.csm_id, a.csm_id AS proposed FROM account_demand d LEFT JOIN csm_assignments a "
            "ON a.as_of = d.as_of AND a.account_id = d.account_id WHERE d.as_of = ? AND NOT d.is_automated",
            evidence.as_of,
        )
        for row in rows:
            now.setdefault(row["csm_id"], []).append(row["account_id"])
            proposed.setdefault(row["proposed"], []).append(row["account_id"])
    return now, proposed


def _leakage(evidence: Evidence) -> tuple[tuple[Row, Count], ...]:
    if not evidence.has("coverage_leakage"):
        return ()
    rows = evidence.rows(
        "SELECT coverage_tier, list(account_id) AS ids, count(*) AS accounts, sum(entitled_hours) AS entitled, "
        "sum(got_hours) AS got, "
        "sum(over_served_hours) AS over_hours, sum(over_served_cost) AS over_cost, "
        "sum(under_served_hours) AS under_hours, sum(under_served_arr) AS under_arr FROM coverage_leakage "
        "WHERE as_of = ? GROUP BY 1",
        evidence.as_of,
    )
    return tuple(
        (row, evidence.sets.count(row["ids"], f"Hours compared: {row['coverage_tier']}"))
        for row in sorted(rows, key=lambda row: TIERS.index(row["coverage_tier"]))
    )


def _charts(tiers: tuple[TierCapacity, ...]) -> dict[str, str]:
    if not tiers:
        return {}
    rows = [
        {
            "name": tier.tier, "there": tier.row["available_fte"] or 0.0, "needed": tier.row["required_fte"],
            "most": max(tier.row["available_fte"] or 0.0, tier.row["required_fte"]),
            "text": f"{number(tier.row['available_fte'], 2)} of {number(tier.row['required_fte'], 2)}",
        }
        for tier in tiers
    ]  # fmt: skip
    description = "; ".join(f"{row['name']} {row['text']} people" for row in rows)
    return {"fte": charts.bullets(rows, title="People available and needed by tier", description=description)}
