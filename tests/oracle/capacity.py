"""Capacity in plain pandas from published segments, profiles, costs and the raw roster. Not here: the optimum.

For the optimiser, what follows from the published assignment is recomputed: that it fits, and what it makes of loads.
"""

from __future__ import annotations

from math import ceil, floor, sqrt

import pandas as pd

from tests.oracle.customers import deviations
from tests.oracle.raw import POLICY, Company
from tests.oracle.retention import NAN, PRODUCTIVE, TIERS, entitled_hours, of_known, over
from tests.oracle.revenue import cents, money, months_before

_DAY = pd.Timedelta(days=1)
_WEEKS_A_MONTH = 52 / 12


def csm_supply(company: Company) -> pd.DataFrame:
    """The time of each CSM in the planning period."""
    rules, as_of = POLICY["staffing"], pd.Timestamp(company.as_of)
    days = pd.date_range(as_of + _DAY, as_of + rules["horizon_days"] * _DAY)
    entries = company.raw("csm_time_entries")
    recent = entries[(entries["worked_on"] > months_before(as_of, 3)) & (entries["worked_on"] <= as_of)]
    rows = []
    for one in company.raw("csm_roster").itertuples():
        there = [
            (pd.isna(one.starts_on) or day >= one.starts_on) and (pd.isna(one.ends_on) or day < one.ends_on)
            for day in days
        ]
        share = sum(there) / len(days)
        if not share:
            continue
        own = recent[recent["csm_id"] == one.csm_id]
        hours, internal = own["hours"].sum(), own[own["account_id"].isna()]["hours"].sum()
        is_measured = bool(hours >= rules["measured_min_hours"])
        internal_share = internal / hours if is_measured else POLICY["productivity"]["admin_share"]
        weekly = rules["full_week_hours"] if pd.isna(one.weekly_hours) else one.weekly_hours
        cost = POLICY["costs"]["csm_hourly_rate"] if pd.isna(one.hourly_cost) else one.hourly_cost
        productive = POLICY["productivity"]["productive_share"]
        rows.append(
            {
                **{n: getattr(one, n) for n in ("csm_id", "csm_name", "level", "region", "industries", "starts_on")},
                "ends_on": one.ends_on,
                "horizon_share": share,
                "stays": bool(there[-1]),
                "weekly_hours": weekly,
                "is_hours_assumed": pd.isna(one.weekly_hours),
                "hourly_cost": cost,
                "internal_share": internal_share,
                "is_internal_share_measured": is_measured,
                "fte": weekly * share / rules["full_week_hours"],
                "available_hours": weekly * share * _WEEKS_A_MONTH * productive * (1 - internal_share),
                "annual_cost": weekly * share * 52 * cost,
            }
        )
    return pd.DataFrame(rows)


def _hours_per_person(company: Company) -> float:
    supply = csm_supply(company)
    if supply.empty or not supply["fte"].sum():
        return POLICY["staffing"]["full_week_hours"] * _WEEKS_A_MONTH * PRODUCTIVE
    return supply["available_hours"].sum() / supply["fte"].sum()


def account_demand(company: Company) -> pd.DataFrame:
    """Hours and people that each account takes."""
    rows = company.published("segments")
    industry = company.published("account_profiles").set_index("account_id")["industry"]
    ratios = POLICY["coverage"]["ratios"]
    per_csm = [
        ratios[tier].get("segments", {}).get(segment, ratios[tier].get("accounts_per_csm")) or NAN
        for tier, segment in zip(rows["coverage_tier"], rows["segment"], strict=True)
    ]
    rows = rows[["account_id", "coverage_tier", "segment", "arr", "region", "csm_id", "coverage_override"]].assign(
        industry=rows["account_id"].map(industry),
        has_override=rows["coverage_override"].notna(),
        hours_per_month=entitled_hours(rows),
        portfolio_share=1 / pd.Series(per_csm, rows.index, dtype=float),
    )
    added = rows["has_override"] | rows["segment"].isin(POLICY["care"]["segment_hours_per_month"])
    rows["is_automated"] = rows["coverage_tier"].isin(POLICY["care"]["automated_tiers"]) & ~added
    tier = rows.groupby("coverage_tier")
    hours, ratio = tier["hours_per_month"].transform("sum"), tier["portfolio_share"].transform("sum")
    required = pd.concat([hours / _hours_per_person(company), ratio], axis=1).max(axis=1)
    return rows.assign(required_fte=required * rows["portfolio_share"] / ratio)


def csm_tier_shares(company: Company) -> pd.DataFrame:
    """How each CSM's time divides over tiers."""
    as_of, demand = pd.Timestamp(company.as_of), account_demand(company)
    tier = demand.set_index("account_id")["coverage_tier"]
    entries = company.counted("csm_time_entries")
    entries = entries[(entries["worked_on"] > months_before(as_of, 3)) & (entries["worked_on"] <= as_of)]
    entries = entries.assign(tier=entries["account_id"].map(tier)).dropna(subset="tier")
    rows = []
    for csm in sorted({*csm_supply(company)["csm_id"], *entries["csm_id"]}):
        book = demand[demand["csm_id"] == csm]
        logged = entries[entries["csm_id"] == csm].groupby("tier")["hours"].sum().reindex(TIERS).fillna(0.0)
        by_book = book.groupby("coverage_tier")["hours_per_month"].sum().reindex(TIERS).fillna(0.0)
        by_all = demand.groupby("coverage_tier")["hours_per_month"].sum().reindex(TIERS).fillna(0.0)
        rule, parts = next(
            (name, part)
            for name, part in (
                ("time_entries", logged), ("portfolio", by_book), ("company", by_all),
                ("evenly", pd.Series(1.0, TIERS)),
            )
            if part.sum() > 0
        )  # fmt: skip
        rows += [
            {
                "csm_id": csm,
                "coverage_tier": name,
                "accounts": int((book["coverage_tier"] == name).sum()),
                "logged_hours": logged[name],
                "share": parts[name] / parts.sum(),
                "share_rule": rule,
            }
            for name in TIERS
        ]
    return pd.DataFrame(rows)


def capacity_plan(company: Company) -> pd.DataFrame:
    """People needed and people there, by tier."""
    demand, least = account_demand(company), POLICY["staffing"]["least_gap_fte"]
    time = csm_tier_shares(company).merge(csm_supply(company), "inner", "csm_id")
    works = company.published("account_workloads")
    works = works[works["window_months"] == 3].set_index("account_id")
    per_person, rows = _hours_per_person(company), {}
    for tier in TIERS:
        own, ratio = demand[demand["coverage_tier"] == tier], POLICY["coverage"]["ratios"][tier]
        hours = own["hours_per_month"].sum()
        share = time[time["coverage_tier"] == tier]
        work = works.reindex(own["account_id"])
        by_ratio, by_hours = own["portfolio_share"].sum(), hours / per_person
        there = (share["fte"] * share["share"]).sum()
        available = (share["available_hours"] * share["share"]).sum()
        cost = money(share["annual_cost"] * share["share"])
        usual = ratio["accounts_per_csm"]
        rows[tier] = {
            "coverage_tier": tier,
            "accounts": len(own),
            "arr": money(own["arr"]),
            "fte_by_ratio": by_ratio,
            "fte_by_hours": by_hours,
            "required_fte": round(max(by_ratio, by_hours), 9),
            "required_by": "ratio" if by_ratio > by_hours else "hours",
            "available_fte": there,
            "gap_fte": there - max(by_ratio, by_hours),
            "planned_utilisation": over(hours, available),
            "override_accounts": int(own["has_override"].sum()),
            "named_csms": own["csm_id"].nunique(),
            "demanded_hours": hours,
            "hours_per_fte": per_person,
            "accounts_per_csm_target": over(len(own), by_ratio) if len(own) else NAN,
            "accounts_per_csm": over(len(own), there),
            "fte_by_ratio_least": len(own) / ratio.get("high", usual),
            "fte_by_ratio_most": len(own) / ratio.get("low", usual),
            "available_hours": available,
            "actual_utilisation": over(work["rostered_csm_hours"].sum(), work["productive_hours"].sum()),
            "logged_hours": work["csm_hours"].sum(),
            "annual_cost": cost,
            "cost_share_of_arr": over(cost, money(own["arr"])),
            "is_roster_known": True,
        }
    _advise(rows, least)
    everybody = sum(row["available_fte"] for row in rows.values())
    accounts = sum(row["accounts"] for row in rows.values())
    cost_of_one = over(cents(sum(row["annual_cost"] for row in rows.values())), everybody)
    for row in rows.values():
        flat = row["accounts"] * everybody / accounts

        def covered(people: float, needed: float = row["required_fte"]) -> float:
            return min(round(people / needed, 9), 1.0) if needed else 1.0

        before, after, evenly = (covered(n) for n in (row["available_fte"], row["planned_fte"], flat))
        row |= {
            "hiring_cost": cents(row["hired_fte"] * cost_of_one),
            "flat_fte": flat,
            "covered_share": after,
            "flat_covered_share": evenly,
            "covered_arr": cents(row["arr"] * after),
            "flat_covered_arr": cents(row["arr"] * evenly),
            "rebalanced_arr": cents(row["arr"] * max(after - before, 0.0)),
            "gain_over_flat": cents(cents(row["arr"] * after) - cents(row["arr"] * evenly)),
            "flat_wasted_cost": cents(max(flat - row["required_fte"], 0.0) * cost_of_one),
        }
    return pd.DataFrame(list(rows.values()))


def _advise(rows: dict[str, dict], least: float) -> None:
    """People who move between tiers, one least part at a time, and people hired for what the company lacks."""
    short, spare = {}, {}
    for tier, row in rows.items():
        row |= {"rebalanced_in_fte": 0.0, "rebalanced_out_fte": 0.0}
        short[tier] = floor(max(-row["gap_fte"], 0.0) / least + 1e-6)
        spare[tier] = floor(max(row["gap_fte"], 0.0) / least + 1e-6)
    while sum(short.values()) and sum(spare.values()):
        gets = next(tier for tier in TIERS if short[tier])
        gives = next(tier for tier in reversed(TIERS) if spare[tier])
        short[gets] -= 1
        spare[gives] -= 1
        rows[gets]["rebalanced_in_fte"] = round(rows[gets]["rebalanced_in_fte"] + least, 9)
        rows[gives]["rebalanced_out_fte"] = round(rows[gives]["rebalanced_out_fte"] + least, 9)
    lacking = round(-sum(row["gap_fte"] for row in rows.values()), 9)
    to_hire = lacking if lacking >= least else 0.0
    for tier in TIERS:
        row = rows[tier]
        moved_in, moved_out = row["rebalanced_in_fte"], row["rebalanced_out_fte"]
        left = round(max(-row["gap_fte"], 0.0) - moved_in, 9)
        hired = round(min(left, to_hire), 9)
        to_hire = round(to_hire - hired, 9)
        if moved_in:
            action = "rebalance_in_and_hire" if hired else "rebalance_in"
        elif hired:
            action = "hire"
        elif moved_out:
            action = "rebalance_out"
        else:
            action = "spare" if row["gap_fte"] >= least else "keep"
        planned = round(max(row["available_fte"] + moved_in - moved_out, 0.0), 9)
        row |= {"hired_fte": hired, "action": action, "planned_fte": planned}


def coverage_leakage(company: Company) -> pd.DataFrame:
    """Hours that accounts were entitled to day by day, against those they got."""
    as_of = pd.Timestamp(company.as_of)
    demand = account_demand(company)
    costs = company.published("account_costs").set_index("account_id")
    days = pd.date_range(months_before(as_of, 12) + _DAY, as_of)
    mondays = pd.Series(1, days - pd.to_timedelta(days.dayofweek, unit="D")).groupby(level=0).sum()
    weeks = []
    for monday, count in mondays.items():
        grid = company.published("segment_grid", monday.date())
        grid = grid[grid["anchor"] == grid["anchor"].min()].assign(coverage_override=None)
        weeks.append(grid[["account_id", "coverage_tier"]].assign(days=count, rate=entitled_hours(grid)))
    rows = pd.concat(weeks)
    rows["hours"] = rows["rate"] * rows["days"] * 12 / 365
    by_account = rows.groupby("account_id")
    result = []
    for one in demand.itertuples():
        facts = one.account_id in by_account.groups
        weeks_of = by_account.get_group(one.account_id) if facts else rows.iloc[:0]
        entitled, got = weeks_of["hours"].sum(), costs.loc[one.account_id, "csm_hours_12m"]
        rate = over(costs.loc[one.account_id, "csm_cost_12m"], got)
        rate = POLICY["costs"]["csm_hourly_rate"] if pd.isna(rate) else rate
        above, below = max(round(got - entitled, 9), 0.0), max(round(entitled - got, 9), 0.0)
        tolerated = entitled * POLICY["care"]["as_entitled_share"]
        service = "over_served" if above > tolerated else "under_served" if below > tolerated else "as_entitled"
        result.append(
            {
                "account_id": one.account_id,
                "coverage_tier": one.coverage_tier,
                "csm_id": one.csm_id,
                "arr": one.arr,
                "customer_days": weeks_of["days"].sum(),
                "tiers": weeks_of["coverage_tier"].nunique(),
                "entitled_hours": entitled,
                "got_hours": got,
                "over_served_hours": above,
                "under_served_hours": below,
                "hourly_cost": rate,
                "over_served_cost": cents(above * rate),
                "under_served_cost": cents(below * rate),
                "under_served_arr": cents(one.arr * below / entitled) if entitled else 0.0,
                "service": service,
            }
        )
    return pd.DataFrame(result)


def rebalanced_accounts(company: Company) -> pd.DataFrame:
    """Accounts whose hours the plan moves."""
    plan, leaks = company.published("capacity_plan"), company.published("coverage_leakage")
    least, rows = POLICY["staffing"]["least_moved_hours"], []
    for tier in plan.to_dict("records"):
        own = leaks[leaks["coverage_tier"] == tier["coverage_tier"]]
        for direction, people, offered, first in (
            ("gives", tier["rebalanced_out_fte"], "over_served_hours", "over_served_hours"),
            ("gets", tier["rebalanced_in_fte"], "under_served_hours", "under_served_arr"),
        ):
            left = people * tier["hours_per_fte"]
            ordered = own.sort_values([first, "account_id"], ascending=[False, True])
            ordered = ordered[(ordered[offered] / 12).round(9) >= least]
            for place, one in enumerate(ordered.to_dict("records"), 1):
                hours = round(min(one[offered] / 12, left), 9)
                left -= one[offered] / 12
                if not people or hours < least:
                    continue
                share = min(over(hours * 12, one["entitled_hours"]), 1.0)
                worth = hours * 12 * one["hourly_cost"] if direction == "gives" else one["arr"] * share
                kept = {n: one[n] for n in ("account_id", "coverage_tier", "csm_id", "arr")}
                rows.append(
                    kept | {"direction": direction, "place": place, "hours_per_month": hours, "worth": cents(worth)}
                )
    names = ["account_id", "coverage_tier", "csm_id", "arr", "direction", "place", "hours_per_month", "worth"]
    return pd.DataFrame(rows, columns=names)


def goal_gap(company: Company) -> pd.DataFrame:
    """Expansion wanted and expected, and what hours moved between tiers would bring."""
    rules, live = POLICY["goals"], company.published("account_standings")
    periods = company.published("account_periods")
    cohort = periods[periods["start_arr"] > 0]
    recent = cohort[cohort["window_months"] == 3]
    plan = company.published("capacity_plan").set_index("coverage_tier")
    arr, pipeline = money(live["arr"]), of_known(live["expansion_pipeline"])
    target = cents(arr * rules["expansion_target_share"])
    run_rate = cents(money(recent["expansion_arr"]) * 4) if len(recent) else NAN
    weighted = cents(pipeline * rules["win_rate"]) if pd.notna(pipeline) else NAN
    expected = pd.Series([run_rate, weighted]).max()
    gap = max(cents(target - expected), 0.0) if pd.notna(expected) else NAN
    needed, there = plan["required_fte"].sum(), plan["available_fte"].sum()
    row: dict[str, object] = {
        "arr": arr,
        "expansion_target": target,
        "run_rate": run_rate,
        "pipeline": pipeline,
        "weighted_pipeline": weighted,
        "expected_expansion": expected,
        "gap": gap,
        "status": "unknown" if pd.isna(gap) else "missed" if gap > 0 else "met",
        "required_fte": needed,
        "available_fte": there,
        "short_fte": max(round(needed - there, 9), 0.0),
    }
    return pd.DataFrame([row | _reallocation(gap, _slopes(company, cohort, plan))])


def _slopes(company: Company, cohort: pd.DataFrame, plan: pd.DataFrame) -> dict[str, dict[str, float]]:
    """What one more hour brings in each tier: the weighted slope of expansion over hours, both per unit of ARR."""
    rules, hours = POLICY["goals"], company.published("account_costs").set_index("account_id")["csm_hours_12m"]
    year = cohort[(cohort["window_months"] == 12) & (cohort["start_tier"] != "unassigned")]
    year = year.assign(h=year["account_id"].map(hours)).dropna(subset="h")
    result = {}
    for tier, rows in year.groupby("start_tier"):
        weight = rows["start_arr"]
        x, y = rows["h"] / weight, rows["expansion_arr"] / weight
        mean_x, mean_y = (x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()
        sxx = (weight * (x - mean_x) ** 2).sum()
        if len(rows) < rules["min_accounts"] or round(sxx, 9) <= 0:
            continue
        slope = (weight * (x - mean_x) * (y - mean_y)).sum() / sxx
        rest = (weight * (y - mean_y - slope * (x - mean_x)) ** 2).sum() / (len(rows) - 2)
        half = sqrt(rest / sxx) * deviations(rules["confidence"])
        one = plan.loc[tier]
        spare = max(one["gap_fte"] - one["rebalanced_out_fte"], 0.0) * one["hours_per_fte"] * 12
        result[str(tier)] = {
            "per_hour": cents(slope),
            "low": cents(slope - half),
            "high": cents(slope + half),
            "average": cents(over(rows["expansion_arr"].sum(), rows["h"].sum())),
            "hours": floor(min(spare, rows["h"].sum() * rules["max_moved_share"])),
        }
    return result


def _reallocation(gap: float, slopes: dict[str, dict[str, float]]) -> dict[str, object]:
    nothing: dict[str, object] = {
        "from_tier": None, "to_tier": None, "from_expansion_per_hour": NAN, "to_expansion_per_hour": NAN,
        "to_expansion_per_hour_low": NAN, "to_expansion_per_hour_high": NAN, "to_average_per_hour": NAN,
        "hours_available": NAN, "hours_to_close": NAN, "hours_to_move": NAN, "gap_closed": NAN,
    }  # fmt: skip
    if gap == 0:
        return nothing | {"reallocation": "not_needed"}
    if pd.isna(gap) or not slopes:
        return nothing | {"reallocation": "unknown"}
    to = min(slopes, key=lambda tier: (-slopes[tier]["per_hour"], tier))
    givers = [tier for tier in slopes if slopes[tier]["hours"] > 0]
    best = slopes[to]
    row = nothing | {
        "to_tier": to,
        "to_expansion_per_hour": best["per_hour"],
        "to_expansion_per_hour_low": best["low"],
        "to_expansion_per_hour_high": best["high"],
        "to_average_per_hour": best["average"],
    }
    if not givers:
        return row | {"reallocation": "nothing_to_spare"}
    source = min(givers, key=lambda tier: (slopes[tier]["per_hour"], tier))
    lost = max(slopes[source]["per_hour"], 0.0)
    row |= {"from_tier": source, "from_expansion_per_hour": lost}
    if source == to or best["low"] <= lost:
        return row | {"reallocation": "not_proven"}
    more = cents(best["per_hour"] - lost)
    available, to_close = slopes[source]["hours"], ceil(gap / more)
    moved = min(available, to_close)
    return row | {
        "hours_available": available,
        "hours_to_close": to_close,
        "hours_to_move": moved,
        "gap_closed": cents(moved * more),
        "reallocation": "closes_the_gap" if to_close <= available else "closes_part",
    }


def csm_loads(company: Company) -> pd.DataFrame:
    """Each CSM's load by the CRM, and by the published assignment."""
    demand, supply = account_demand(company), csm_supply(company)
    proposed = company.published("csm_assignments").set_index("account_id")["csm_id"]
    shared = demand[demand["is_automated"]]["required_fte"].sum()
    named = demand[~demand["is_automated"]].assign(proposed=lambda rows: rows["account_id"].map(proposed))
    rows = []
    for one in supply.itertuples():
        automated = round(one.fte * min(over(shared, supply["fte"].sum()), 1.0), 9)
        row = {
            "csm_id": one.csm_id,
            "fte": one.fte,
            "automated_fte": automated,
            "available_hours": one.available_hours,
        }
        loads = []
        for prefix, column in (("", "csm_id"), ("proposed_", "proposed")):
            book = named[named[column] == one.csm_id]
            hours, people = book["hours_per_month"].sum(), book["required_fte"].sum()
            load = pd.Series([over(hours, one.available_hours), over(people, one.fte - automated)]).max()
            loads.append(load)
            row |= {
                f"{prefix}accounts": len(book),
                f"{prefix}hours": hours,
                f"{prefix}required_fte": people,
                f"{prefix}load_share": load,
            }
            if not prefix:
                row["arr"] = money(book["arr"])
        now, after = (0.0 if pd.isna(load) else load for load in loads)
        change = "as_before"
        if after > 1 + 1e-6 and after > now + 1e-6:
            change = "more_overloaded"
        elif now > 1 + 1e-6 and after < now - 1e-6:
            change = "less_overloaded"
        rows.append(row | {"change": change})
    return pd.DataFrame(rows)


def csm_assignments(company: Company) -> pd.DataFrame:
    """What follows from the published choice of each account's CSM."""
    demand, published = account_demand(company), company.published("csm_assignments").set_index("account_id")
    roster = company.raw("csm_roster").set_index("csm_id")
    supply, stayers = csm_supply(company).set_index("csm_id"), could_stay(company)
    rows = []
    for one in demand.itertuples():
        chosen = published.loc[one.account_id, "csm_id"]
        current = one.csm_id if pd.notna(one.csm_id) else None
        if one.is_automated:
            status = "automated"
        elif pd.isna(chosen):
            status = "unassigned"
        elif chosen == current:
            status = "kept"
        else:
            status = "moved" if current in roster.index else "new"
        rows.append(
            {
                "account_id": one.account_id,
                "csm_id": chosen,
                "coverage_tier": one.coverage_tier,
                "hours_per_month": one.hours_per_month,
                "required_fte": one.required_fte,
                "current_csm_id": current,
                "status": status,
                "is_handover": status == "moved" and one.account_id in stayers,
                "reason": _reason(status, current, supply, stays=one.account_id in stayers),
                # Which skill binds for an account without a CSM: tests/capacity/test_binding
                "constraint": published.loc[one.account_id, "constraint"] if status == "unassigned" else None,
                "current_csm_leaves_on": roster["ends_on"].get(current, pd.NaT),
            }
        )
    return pd.DataFrame(rows)


def could_stay(company: Company) -> set[str]:
    """Accounts whose CSM in the CRM stays and has the level; region and industry do not part them from their CSM."""
    rules, supply = POLICY["assignment"], csm_supply(company).set_index("csm_id")
    assert set(rules["stays_in_spite_of"]) == {"region", "industry"}, "else skills count here, too"
    kept = set()
    for one in account_demand(company).itertuples():
        if one.is_automated or pd.isna(one.csm_id) or one.csm_id not in supply.index:
            continue
        levels, csm = rules["levels"].get(one.coverage_tier), supply.loc[one.csm_id]
        if csm["stays"] and (not levels or csm["level"] in levels):
            kept.add(one.account_id)
    return kept


def _reason(status: str, current: str | None, supply: pd.DataFrame, *, stays: bool) -> str:
    """Why an account has the CSM that was chosen."""
    fixed = {"automated": "automated_tier", "unassigned": "nobody_fits_or_has_room", "kept": "fits"}
    if status in fixed:
        return fixed[status]
    if current is None:
        return "had_no_csm"
    if current not in supply.index:
        return "csm_not_on_roster"
    if not supply.loc[current, "stays"]:
        return "csm_leaves"
    return "relieves_or_fits_better" if stays else "csm_does_not_fit"


def csm_assignment_runs(company: Company) -> pd.DataFrame:
    """Counts and loads that follow from the published assignment and plan."""
    plan, supply, loads = company.published("capacity_plan"), csm_supply(company), csm_loads(company)
    staying, binding = len(could_stay(company)), company.published("csm_assignment_constraints")
    solved = company.published("csm_assignment_runs").iloc[0]
    chosen, demand = csm_assignments(company), account_demand(company).set_index("account_id")
    counts = chosen["status"].value_counts()
    needed, there = plan["required_fte"].sum(), plan["available_fte"].sum()
    stays = supply[supply["stays"]]
    loads = loads[loads["csm_id"].isin(stays["csm_id"])].set_index("csm_id")
    over_hours = (loads["proposed_hours"] - loads["available_hours"]).clip(lower=0).sum()
    over_people = (loads["proposed_required_fte"] - (loads["fte"] - loads["automated_fte"])).clip(lower=0).sum()
    most = loads.sort_index()["proposed_load_share"].idxmax()
    return pd.DataFrame(
        [
            {
                "could_stay_accounts": staying,
                "continuity": over(counts.get("kept", 0), staying),
                "gap": over(solved["objective"] - solved["bound"], solved["bound"]),
                "most_loaded_csm_id": most,
                "most_load_share_before": loads.loc[most, "load_share"],
                "is_feasible": counts.get("unassigned", 0) == 0 and binding.empty,
                "required_fte": needed,
                "available_fte": there,
                "short_fte": max(round(needed - there, 9), 0.0),
                "leaving_fte": supply[~supply["stays"]]["fte"].sum(),
                "automated_fte": demand[demand["is_automated"]]["required_fte"].sum(),
                "accounts": int((~demand["is_automated"]).sum()),
                "automated_accounts": int(demand["is_automated"].sum()),
                "csms": len(stays),
                **{f"{name}_accounts": int(counts.get(name, 0)) for name in ("kept", "moved", "new", "unassigned")},
                "overload_hours": over_hours,
                "overload_fte": over_people,
                "most_load_share": loads["proposed_load_share"].max(),
            }
        ]
    )


def misfits(company: Company) -> list[str]:
    """Accounts whose proposed CSM lacks the level or, unless they have the account already, the region; or leaves."""
    rules = POLICY["assignment"]
    supply = csm_supply(company).set_index("csm_id")
    chosen = company.published("csm_assignments").merge(account_demand(company)[["account_id", "region"]], "left")
    wrong = []
    for one in chosen.dropna(subset="csm_id").itertuples():
        if one.status == "automated":
            continue
        csm = supply.loc[one.csm_id]
        levels = rules["levels"].get(one.coverage_tier)
        is_level = not levels or csm["level"] in levels
        needs_region = one.coverage_tier in rules["region_required"] and one.status != "kept"
        is_region = not needs_region or pd.isna(csm["region"]) or pd.isna(one.region) or csm["region"] == one.region
        if not (is_level and is_region and csm["stays"]):
            wrong.append(one.account_id)
    return wrong
