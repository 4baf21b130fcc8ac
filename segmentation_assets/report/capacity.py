"""The page of capacity: people needed against people there, who has too much to do, what to do about it.

Here: the page's view model. Not here: demand, supply, advice and assignment themselves (the
room `segmentation_assets.capacity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from segmentation_assets.policy.segments import TIERS
from segmentation_assets.reading import palette
from segmentation_assets.reading.figures import exact, money, number, share, words
from segmentation_assets.report import charts
from segmentation_assets.report.evidence import Evidence, Row


@dataclass(frozen=True)
class TierCapacity:
    """People needed and there for a tier."""

    tier: str
    colour: str
    row: Row
    advice: str
    arithmetic: tuple[str, ...]


@dataclass(frozen=True)
class CsmLoad:
    """What one CSM has to do now and after the assignment that the plan proposes."""

    csm_id: str
    name: str
    level: str
    region: str
    fte: float
    hours_there: float
    accounts: int
    arr: float
    hours: float
    hours_share: float | None
    portfolio_share: float | None
    proposed_hours_share: float | None
    proposed_portfolio_share: float | None
    proposed_accounts: int
    is_overloaded: bool


@dataclass(frozen=True)
class CapacityPage:
    """Everything on the page."""

    tiers: tuple[TierCapacity, ...] = ()
    totals: Mapping[str, float] = field(default_factory=dict)
    csms: tuple[CsmLoad, ...] = ()
    overloaded_from: float = 1.0
    least_gap_fte: float = 0.0
    assignment: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    leakage: tuple[Row, ...] = ()
    charts: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()


def capacity_page(evidence: Evidence) -> CapacityPage:
    """Make the page."""
    rows = {row["coverage_tier"]: row for row in evidence.of_day("capacity_plan")}
    tiers = tuple(
        TierCapacity(tier, palette.TIERS[tier], rows[tier], _advice(rows[tier]), _arithmetic(rows[tier]))
        for tier in TIERS
        if tier in rows
    )
    return CapacityPage(
        tiers=tiers,
        totals=_totals(list(rows.values())),
        csms=_loads(evidence),
        overloaded_from=evidence.policy.report.overloaded_from,
        least_gap_fte=evidence.policy.staffing.least_gap_fte,
        assignment=tuple(_assignment(evidence)),
        flat=tuple(_flat(list(rows.values()))),
        leakage=_leakage(evidence),
        charts=_charts(tiers),
        gaps=evidence.gaps("capacity_plan", "csm_supply", "account_demand", "csm_assignments", "csm_assignment_runs",
                           "coverage_leakage"),
    )  # fmt: skip


def _totals(rows: list[Row]) -> dict[str, float]:
    names = ("accounts", "arr", "required_fte", "available_fte", "gap_fte", "annual_cost", "hired_fte", "hiring_cost")
    return {name: sum(row[name] or 0 for row in rows) for name in names} if rows else {}


def _advice(row: Row) -> str:
    told = []
    if row["redeployed_in_fte"] > 0:
        told.append(f"redeploy {number(row['redeployed_in_fte'], 2)} FTE here")
    if row["hired_fte"] > 0:
        told.append(f"hire {number(row['hired_fte'], 2)} FTE" + _a_year(row["hiring_cost"]))
    if row["redeployed_out_fte"] > 0:
        told.append(f"give {number(row['redeployed_out_fte'], 2)} FTE to tiers with too few")
    text = " and ".join(told) or "keep"
    return text[:1].upper() + text[1:]


def _a_year(cost: float | None) -> str:
    return " (cost not known: no hourly cost in csm_roster)" if cost is None else f" for {money(cost)} a year"


def _arithmetic(row: Row) -> tuple[str, ...]:
    target = row["accounts_per_csm_target"]
    told = []
    if target:
        told.append(f"By ratio: {row['accounts']:,} accounts ÷ {number(target)} per CSM = "
                    f"{number(row['fte_by_ratio'], 2)} FTE.")  # fmt: skip
    if row["fte_by_hours"]:
        per_fte = row["demanded_hours"] / row["fte_by_hours"]
        told.append(f"By hours: {number(row['demanded_hours'], 1)} h a month ÷ {number(per_fte, 1)} h per FTE = "
                    f"{number(row['fte_by_hours'], 2)} FTE.")  # fmt: skip
    told.append(
        f"Needed, the larger ({row['required_by']}): {number(row['required_fte'], 2)}; there "
        f"{number(row['available_fte'], 2)}; gap {number(row['gap_fte'], 2)}."
    )
    return tuple(told)


def _loads(evidence: Evidence) -> tuple[CsmLoad, ...]:
    if not evidence.has("csm_supply", "account_demand"):
        return ()
    now = _demand_by(evidence, "csm_id")
    planned = _demand_by(evidence, "planned") if evidence.has("csm_assignments") else {}
    loads = [_load(row, now, planned, evidence.policy.report.overloaded_from)
             for row in evidence.of_day("csm_supply", "csm_id")]  # fmt: skip
    return tuple(sorted(loads, key=lambda load: (-_larger(load.hours_share, load.portfolio_share), load.csm_id)))


def _demand_by(evidence: Evidence, column: str) -> dict[str, Row]:
    join = "LEFT JOIN csm_assignments a ON a.account_id = d.account_id" if column == "planned" else ""
    csm = "a.csm_id" if column == "planned" else "d.csm_id"
    rows = evidence.rows(
        f"SELECT {csm} AS csm, count(*) AS accounts, sum(d.arr) AS arr, sum(d.hours_per_month) AS hours, "
        f"sum(d.portfolio_share) AS portfolio FROM account_demand d {join} "
        f"WHERE d.as_of = ? AND NOT d.is_automated AND {csm} IS NOT NULL GROUP BY 1",
        evidence.as_of,
    )
    return {row["csm"]: row for row in rows}


def _load(row: Row, now: Mapping[str, Row], planned: Mapping[str, Row], overloaded_from: float) -> CsmLoad:
    nothing: Row = {"accounts": 0, "arr": 0.0, "hours": 0.0, "portfolio": 0.0}
    mine, later = now.get(row["csm_id"], nothing), planned.get(row["csm_id"], nothing)
    hours, portfolio = _over(mine["hours"], row["available_hours"]), _over(mine["portfolio"], row["fte"])
    return CsmLoad(
        row["csm_id"], row["csm_name"] or row["csm_id"], row["level"] or "", row["region"] or "", row["fte"],
        row["available_hours"], mine["accounts"], mine["arr"], mine["hours"], hours, portfolio,
        _over(later["hours"], row["available_hours"]) if planned else None,
        _over(later["portfolio"], row["fte"]) if planned else None,
        later["accounts"],
        _larger(hours, portfolio) > overloaded_from,
    )  # fmt: skip


def _over(value: float | None, there: float) -> float | None:
    return None if value is None or not there else value / there


def _larger(*values: float | None) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _assignment(evidence: Evidence) -> list[str]:
    row = evidence.first_of_day("csm_assignment_runs")
    if row is None:
        return []
    told = [
        f"The proposed assignment keeps {row['kept_accounts']} of {row['could_stay_accounts']} accounts that could "
        f"stay ({share(row['continuity'])}), moves {row['moved_accounts']}, places {row['new_accounts']} that had no "
        f"CSM, leaves {row['unassigned_accounts']} without one; it is at most {share(row['gap'], 2)} from the best."
    ]
    if row["binding_constraints"]:
        told += [f"What binds: {row['binding_constraints']}.", f"What would free it: {row['what_frees_them']}."]
        told = [words(text) for text in told]
    return told


def _flat(rows: list[Row]) -> list[str]:
    gain, wasted = (sum(row[name] or 0 for row in rows) for name in ("gain_over_flat", "flat_wasted_cost"))
    if not rows:
        return []
    covered, flat = (sum(row[name] or 0 for row in rows) for name in ("covered_arr", "flat_covered_arr"))
    return [
        f"Beside flat coverage (the same people, accounts spread evenly): {money(covered)} ARR gets its care instead "
        f"of {money(flat)}; a difference of {money(gain)}.",
        f"Flat coverage would spend {exact(wasted)} a year on care beyond what accounts are entitled to.",
    ]


def _leakage(evidence: Evidence) -> tuple[Row, ...]:
    if not evidence.has("coverage_leakage"):
        return ()
    rows = evidence.rows(
        "SELECT coverage_tier, count(*) AS accounts, sum(entitled_hours) AS entitled, sum(got_hours) AS got, "
        "sum(over_served_hours) AS over_hours, sum(over_served_cost) AS over_cost, "
        "sum(under_served_hours) AS under_hours, sum(under_served_arr) AS under_arr FROM coverage_leakage "
        "WHERE as_of = ? GROUP BY 1",
        evidence.as_of,
    )
    return tuple(sorted(rows, key=lambda row: TIERS.index(row["coverage_tier"])))


def _charts(tiers: tuple[TierCapacity, ...]) -> dict[str, str]:
    if not tiers:
        return {}
    rows = [
        {
            "name": tier.tier, "there": tier.row["available_fte"], "needed": tier.row["required_fte"],
            "most": max(tier.row["available_fte"], tier.row["required_fte"]),
            "text": f"{number(tier.row['available_fte'], 2)} of {number(tier.row['required_fte'], 2)}",
        }
        for tier in tiers
    ]  # fmt: skip
    said = "; ".join(f"{row['name']} {row['text']} FTE" for row in rows)
    return {"fte": charts.bullets(rows, title="FTE there and needed by tier", description=said)}
