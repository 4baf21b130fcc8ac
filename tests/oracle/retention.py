"""KPIs by tier, by segment and of the company, in plain pandas. Not here: what each account did (`kpis`).

They start from the published account_periods, account_costs, health_scores, segments and median_durations, each of
which has its own oracle; workloads, spend and revenue are counted from the raw extracts.
"""

from __future__ import annotations

import math

import pandas as pd

from tests.oracle.kpis import WINDOWS
from tests.oracle.raw import POLICY, Company
from tests.oracle.revenue import cents, money, months_before

NAN = float("nan")
TIERS = ["Strategic", "Growth", "Core", "Long-Tail"]
SEGMENTS = ["Strategic", "Growth", "Efficient", "At-Risk", "Long-Tail"]
PRODUCTIVE = POLICY["productivity"]["productive_share"] * (1 - POLICY["productivity"]["admin_share"])


def over(part: float | None, whole: float | None) -> float:
    """A ratio; nothing where a side is not known or the whole is 0."""
    return NAN if pd.isna(part) or pd.isna(whole) or whole == 0 else part / whole


def of_known(amounts: pd.Series) -> float:
    """A sum to the cent; nothing where none is known."""
    return money(amounts) if amounts.notna().any() else NAN


# Standings and workloads.


def account_standings(company: Company) -> pd.DataFrame:
    """Live accounts with tier, segment, health, cost and open expansion opportunities."""
    revenue = company.published("account_revenue")
    rows = revenue[revenue["is_live"]][["account_id", "arr"]]
    for table, names in (
        ("segments", ["coverage_tier", "segment"]),
        ("health_scores", ["health_score"]),
        ("account_costs", ["cost_to_serve", "gross_margin"]),
    ):
        rows = rows.merge(company.published(table)[["account_id", *names]], "left", "account_id")
    as_of = pd.Timestamp(company.as_of)
    deals = company.counted("opportunities")
    is_open = deals["closed_on"].isna() | (deals["closed_on"] > as_of)
    deals = deals[(deals["kind"] == "expansion") & (deals["created_on"] <= as_of) & is_open]
    pipeline = deals.groupby("account_id")["amount_arr"].agg(money)
    return rows.assign(
        coverage_tier=rows["coverage_tier"].fillna("unassigned"),
        segment=rows["segment"].fillna("unassigned"),
        expansion_pipeline=rows["account_id"].map(pipeline).fillna(0.0),
    )


def entitled_hours(segments: pd.DataFrame) -> pd.Series:
    """Hours of a CSM a month: the tier's plays, and the larger of override and intervention."""
    care = POLICY["care"]
    of_tier = {tier: sum(p["hours"] / p["every_months"] for p in plays) for tier, plays in care["plays"].items()}
    added = pd.DataFrame(
        {
            "override": segments["coverage_override"].notna() * float(care["override_hours_per_month"]),
            "segment": segments["segment"].map(care["segment_hours_per_month"]).fillna(0.0),
        }
    ).max(axis=1)
    return segments["coverage_tier"].map(of_tier) + added


def days_employed(roster: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    """Days after `start` up to `end` on which each CSM is employed: from starts_on, before ends_on."""
    days = pd.date_range(start + pd.Timedelta(days=1), end)
    return pd.Series(
        [
            sum((pd.isna(row.starts_on) or day >= row.starts_on) and (pd.isna(row.ends_on) or day < row.ends_on)
                for day in days)
            for row in roster.itertuples()
        ],
        roster["csm_id"],
    )  # fmt: skip


def account_workloads(company: Company) -> pd.DataFrame:
    """Tickets, self-service and CSM hours of every account known, by window."""
    as_of = pd.Timestamp(company.as_of)
    segments, roster = company.published("segments"), company.raw("csm_roster")
    tickets = company.counted("support_tickets")
    tickets = tickets.assign(dated=tickets["opened_at"].dt.normalize())
    sessions = company.counted("self_service_sessions").rename(columns={"used_on": "dated"})
    hours = company.counted("csm_time_entries").dropna(subset="account_id").rename(columns={"worked_on": "dated"})
    book = segments.assign(entitled=entitled_hours(segments)).dropna(subset="csm_id")
    book = book[book["entitled"] > 0].set_index("account_id")
    book["part"] = book["entitled"] / book.groupby("csm_id")["entitled"].transform("sum")
    tables = []
    for months in WINDOWS:
        start = months_before(as_of, months)
        opened, used, logged = (
            rows[(rows["dated"] > start) & (rows["dated"] <= as_of)] for rows in (tickets, sessions, hours)
        )
        there = days_employed(roster, start, as_of) * roster.set_index("csm_id")["weekly_hours"] / 7 * PRODUCTIVE
        there = there.dropna()
        worked = logged.groupby(["account_id", "csm_id"])["hours"].sum().rename("hours").reset_index()
        without_book = worked[~worked["csm_id"].isin(book["csm_id"])]
        part = without_book["hours"] / without_book.groupby("csm_id")["hours"].transform("sum")
        productive = pd.concat(
            [
                pd.Series((book["part"] * book["csm_id"].map(there)).to_numpy(), book.index),
                pd.Series((part * without_book["csm_id"].map(there)).to_numpy(), without_book["account_id"]),
            ]
        )
        ids = pd.Index(sorted(set(company.survivors().values())), name="account_id")
        rows = pd.DataFrame(
            {
                "tickets": opened.groupby("account_id").size(),
                "self_service_sessions": used.groupby("account_id")["sessions"].sum(),
                "csm_hours": worked.groupby("account_id")["hours"].sum(),
                "rostered_csm_hours": worked[worked["csm_id"].isin(there.index)].groupby("account_id")["hours"].sum(),
                "productive_hours": productive.dropna().groupby(level=0).sum(),
            },
            index=ids,
        ).fillna(0.0)
        tables.append(rows.assign(window_months=months, starts_on=start).reset_index())
    return pd.concat(tables)


# Spend and revenue.


def spend(company: Company, start: pd.Timestamp, end: pd.Timestamp, rates_of: pd.Timestamp) -> pd.Series | None:
    """Sales and marketing spend after `start` up to `end` by segment, a month by its days.

    None where not all of its months are known.
    """
    rows = company.raw("gtm_spend")
    rows = rows[rows["month"] <= pd.Timestamp(company.as_of)]
    following = rows["month"] + pd.DateOffset(months=1)
    first_day = start + pd.Timedelta(days=1)
    if rows.empty or rows["month"].min() > first_day or following.max() <= end:
        return None
    inside = (following.clip(upper=end + pd.Timedelta(days=1)) - rows["month"].clip(lower=first_day)).dt.days
    share = inside.clip(lower=0) / (following - rows["month"]).dt.days
    amount = rows["amount"] * rows["currency"].map(lambda one: company.revenue.rate(one, rates_of)) * share
    return amount.groupby(rows["segment"].fillna("all")).sum()


def sales_efficiency(company: Company) -> pd.DataFrame:
    """The magic number of the three months up to as_of, at the rates of three months before."""
    as_of = pd.Timestamp(company.as_of)
    rated = months_before(as_of, 3)
    mrr = [company.revenue.mrr(months_before(as_of, back) if back else as_of, rated) for back in range(6)]
    now, prior = money(pd.concat(mrr[:3])), money(pd.concat(mrr[3:]))
    spent = spend(company, months_before(as_of, 6), rated, rated)
    cost = NAN if spent is None else cents(spent.sum())
    magic = over((now - prior) * 4, cost) if mrr[5].sum() > 0 else NAN
    return pd.DataFrame(
        [{"revenue_3m": now, "revenue_prior_3m": prior, "spend_prior_3m": cost, "magic_number": magic}]
    )


# Groups.


def tier_kpis(company: Company) -> pd.DataFrame:
    """KPIs of each coverage tier and window."""
    return _groups(company, "tier", [*TIERS, "unassigned"]).rename(columns={"member": "coverage_tier"})


def segment_kpis(company: Company) -> pd.DataFrame:
    """KPIs of each segment and window, and what winning cost."""
    rows = _groups(company, "segment", [*SEGMENTS, "unassigned"])
    as_of = pd.Timestamp(company.as_of)
    tables = []
    for months, group in rows.groupby("window_months"):
        start = months_before(as_of, months)
        spent = spend(company, start, as_of, start)
        gained = group["new_arr"] + group["expansion_arr"]
        if spent is None:
            cost = pd.Series(NAN, group.index)
        else:
            shared = spent[[name for name in spent.index if name not in SEGMENTS]].sum()
            share = gained / gained.sum() if gained.sum() else gained * 0.0
            cost = (group["member"].map(spent).fillna(0.0) + shared * share).map(cents)
        tables.append(group.assign(gtm_spend=cost))
    rows = pd.concat(tables)
    return pd.DataFrame([row | _payback(row) for row in rows.to_dict("records")]).rename(
        columns={"member": "segment"}
    )


def company_kpis(company: Company) -> pd.DataFrame:
    """KPIs of the whole company by window, and the sums over tiers and segments."""
    as_of = pd.Timestamp(company.as_of)
    magic = sales_efficiency(company)["magic_number"].iloc[0]
    tiers, segments = tier_kpis(company), segment_kpis(company)
    roster = company.raw("csm_roster")
    rows = []
    for whole in _groups(company, None, ["company"]).to_dict("records"):
        row = dict(whole)
        months = row["window_months"]
        start = months_before(as_of, months)
        spent = spend(company, start, as_of, start)
        row["gtm_spend"] = NAN if spent is None else cents(spent.sum())
        there = (days_employed(roster, start, as_of) * roster.set_index("csm_id")["weekly_hours"] / 7).sum()
        row["utilisation"] = over(row["csm_hours"], there * PRODUCTIVE)
        row.update(_payback(row), logo_churn=1 - row["logo_retention"], magic_number=magic)
        row["logo_churn_benchmark"] = POLICY["benchmarks"]["monthly_logo_churn"]["low"] if months == 1 else NAN
        by_tier, by_segment = (t[t["window_months"] == months] for t in (tiers, segments))
        for name in (
            "accounts", "start_arr", "new_arr", "expansion_arr", "contraction_arr", "churned_arr", "reactivated_arr",
            "migrated_in_arr", "migrated_out_arr", "fx_arr", "end_arr",
        ):  # fmt: skip
            row[f"tiers_{name}"] = by_tier[name].sum()
        row["tiers_nrr"] = over(by_tier["cohort_end_arr"].sum(), by_tier["start_arr"].sum())
        row["tiers_grr"] = over(by_tier["retained_arr"].sum(), by_tier["start_arr"].sum())
        row["segments_start_arr"], row["segments_end_arr"] = (by_segment[n].sum() for n in ("start_arr", "end_arr"))
        row["segments_nrr"] = over(by_segment["cohort_end_arr"].sum(), by_segment["start_arr"].sum())
        rows.append(row)
    return pd.DataFrame(rows)


def _payback(row: dict) -> dict[str, float]:
    margin = row["gross_margin_share"] if row["gross_margin_share"] > 0 else NAN
    new, both = row["new_arr"], row["new_arr"] + row["expansion_arr"]
    facts = row["reason"] != "no_history"
    return {
        "cac_payback_months": over(row["gtm_spend"], new / 12 * margin) if facts else NAN,
        "cac_payback_blended_months": over(row["gtm_spend"], both / 12 * margin) if facts else NAN,
    }


def _groups(company: Company, by: str | None, members: list[str]) -> pd.DataFrame:
    periods, standings = company.published("account_periods"), company.published("account_standings")
    periods = periods.assign(is_due=periods["renewal_on"] <= pd.Timestamp(company.as_of))
    works, waits = company.published("account_workloads"), company.published("median_durations")
    if by:
        periods = periods.assign(start=periods[f"start_{by}"], end=periods[f"end_{by}"])
        standings = standings.assign(member=standings["coverage_tier" if by == "tier" else "segment"])
        waits = waits[waits["grouping"] == ("coverage_tier" if by == "tier" else "segment")]
    else:
        periods = periods.assign(
            start=(periods["start_arr"] > 0).map({True: "company"}),
            end=(periods["end_arr"] > 0).map({True: "company"}),
        )
        standings, waits = standings.assign(member="company"), waits[waits["grouping"] == "company"]
    rows = []
    for months in WINDOWS:
        period = periods[periods["window_months"] == months]
        work = works[works["window_months"] == months].set_index("account_id")
        wait = waits[(waits["window_months"] == (months if by else 0)) & (waits["duration"] == "first_expansion")]
        wait = wait.set_index("member")
        where = period.set_index("account_id")
        place = where["end"].where(where["end_arr"] > 0, where["start"]).reindex(work.index).fillna("unassigned")
        for member in members:
            live = standings[standings["member"] == member]
            row = {
                "member": member,
                "window_months": months,
                "starts_on": months_before(pd.Timestamp(company.as_of), months),
                **_retained(period, member),
                **_live(live, standings),
                **_worked(work[place == member] if by else work),
                **_waited(wait.loc[member] if member in wait.index else None),
            }
            rows.append(row | _judged(row, member if by == "tier" else None))
    return pd.DataFrame(rows)


def _retained(period: pd.DataFrame, member: str) -> dict[str, object]:
    start, end = period[period["start"] == member], period[period["end"] == member]
    stayed = start[start["end_arr"] > 0]
    grown = start[start["movement"] == "expansion"]
    by_more = grown[(grown["expansion_volume_arr"] > 0) | (grown["expansion_product_arr"] > 0)]
    came = end[(end["start_arr"] > 0) & (end["start"] != member)]
    went = stayed[stayed["end"] != member]
    due = start[start["is_due"]]
    reason = "no_accounts_at_start" if start.empty else None
    if not (period["start_arr"] > 0).any():
        reason = "no_history"
    row: dict[str, object] = {
        "reason": reason,
        "start_accounts": len(start),
        "start_arr": money(start["start_arr"]),
        "cohort_end_arr": money(start["end_arr"]),
        "retained_arr": money(start["retained_arr"]),
        "retained_accounts": len(stayed),
        "renewal_accounts": len(due),
        "renewal_start_arr": money(due["start_arr"]),
        "renewal_retained_arr": money(due["retained_arr"]),
        "renewal_grr": over(money(due["retained_arr"]), money(due["start_arr"])),
        "expanded_accounts": len(by_more),
        "risen_accounts": len(grown),
        "contracted_accounts": int((start["movement"] == "contraction").sum()),
        "churned_accounts": int((start["movement"] == "churn").sum()),
        "new_accounts": int((end["movement"] == "new").sum()),
        "reactivated_accounts": int((end["movement"] == "reactivation").sum()),
        "migrated_in_arr": money(came["end_arr"]),
        "migrated_out_arr": money(went["end_arr"]),
        "migrated_in_accounts": len(came),
        "migrated_out_accounts": len(went),
        "end_arr": money(end["end_arr_current"]),
        "fx_arr": money(end["fx_arr"]),
        "new_arr": money(end["new_arr"]),
        "reactivated_arr": money(end["reactivated_arr"]),
    }
    for name in ("expansion", "expansion_volume", "expansion_product", "expansion_price", "contraction", "churned"):
        row[f"{name}_arr"] = money(start[f"{name}_arr"])
    at_start, won = row["start_arr"], row["new_arr"] + row["reactivated_arr"] + row["expansion_arr"]
    lost = row["contraction_arr"] + row["churned_arr"]
    return row | {
        "nrr": over(row["cohort_end_arr"], at_start),
        "grr": over(row["retained_arr"], at_start),
        "logo_retention": over(len(stayed), len(start)),
        "expansion_rate": over(len(by_more), len(start)),
        "expansion_rate_with_price": over(len(grown), len(start)),
        "quick_ratio": over(won, lost),
        "expansion_share": over(row["expansion_arr"], row["new_arr"] + row["expansion_arr"]),
        "arr_growth": over(money(end["end_arr"]), at_start) - 1,
        "arr_growth_without_migration": over(won - lost, at_start),
    }


def _live(live: pd.DataFrame, everyone: pd.DataFrame) -> dict[str, object]:
    bands, health = POLICY["health_bands"], live["health_score"].dropna()
    facts = live[live["cost_to_serve"].notna()]
    margins = live[live["gross_margin"].notna()]
    return {
        "accounts": len(live),
        "arr": money(live["arr"]),
        "arr_share": over(money(live["arr"]), money(everyone["arr"])),
        "health_accounts": len(health),
        "healthy_share": over((health >= bands["healthy_from"]).sum(), len(health)),
        "watch_share": over(
            ((health >= bands["watch_from"]) & (health < bands["healthy_from"])).sum(), len(health)
        ),
        "risk_share": over((health < bands["watch_from"]).sum(), len(health)),
        "cost_to_serve": of_known(live["cost_to_serve"]),
        "cost_share_of_arr": over(of_known(facts["cost_to_serve"]), money(facts["arr"])),
        "gross_margin_share": over(of_known(margins["gross_margin"]), money(margins["arr"])),
        "expansion_pipeline": of_known(live["expansion_pipeline"]),
    }  # fmt: skip


def _worked(work: pd.DataFrame) -> dict[str, object]:
    row = {name: work[name].sum(min_count=1) for name in ("tickets", "self_service_sessions", "csm_hours")}
    there, logged = work["productive_hours"].sum(min_count=1), work["rostered_csm_hours"].sum(min_count=1)
    served = row["self_service_sessions"]
    return row | {"self_service_ratio": over(served, served + row["tickets"]), "utilisation": over(logged, there)}


def _waited(wait: pd.Series | None) -> dict[str, object]:
    name = "time_to_first_expansion"
    if wait is None:
        return {f"{name}_months": NAN, f"{name}_low": NAN, f"{name}_high": NAN, f"{name}_accounts": 0}
    return {
        f"{name}_months": wait["median_months"],
        f"{name}_low": wait["low_months"],
        f"{name}_high": wait["high_months"],
        f"{name}_accounts": wait["accounts"],
    }


def _judged(row: dict, tier: str | None) -> dict[str, object]:
    few, marks, targets = POLICY["retention"]["low_n"], POLICY["benchmarks"], POLICY["targets"]
    is_year = row["window_months"] == 12
    result: dict[str, object] = {
        f"{name}_low_n": row["start_accounts"] < few for name in ("nrr", "grr", "logo_retention", "expansion_rate")
    }
    result["renewal_grr_low_n"] = row["renewal_accounts"] < few
    result["time_to_first_expansion_low_n"] = row["time_to_first_expansion_accounts"] < few
    result["health_low_n"] = row["health_accounts"] < few
    for name in ("nrr", "grr"):
        target = targets[name].get(tier, {}) if is_year else {}
        result[f"{name}_target"] = low = target.get("low", NAN)
        if name == "nrr":
            result["nrr_target_high"] = target.get("high", NAN)
        value = row[name]
        if math.isnan(low):
            status = "no_target"
        elif math.isnan(value):
            status = "unknown"
        elif row["start_accounts"] < few:
            status = "too_few"
        else:
            status = "met" if round(value, 9) >= low else "missed"
        result[f"{name}_status"] = status
    for name in ("nrr", "arr_growth"):
        result[f"{name}_benchmark_low"] = marks[name]["low"] if is_year else NAN
        result[f"{name}_benchmark_high"] = marks[name]["high"] if is_year else NAN
    result["expansion_share_benchmark_low"] = marks["expansion_share"]["low"]
    result["expansion_share_benchmark_high"] = marks["expansion_share_top"]["low"]
    result["nrr_position"] = _position(round(row["nrr"], 9), marks) if is_year and row["nrr"] == row["nrr"] else None
    return result


def _position(nrr: float, marks: dict) -> str:
    for name, reached in (
        ("elite", nrr >= marks["nrr_elite"]["low"]),
        ("top_quartile", nrr >= marks["nrr_top_quartile"]["low"]),
        ("above_median", nrr > marks["nrr"]["high"]),
        ("median", nrr >= marks["nrr"]["low"]),
    ):
        if reached:
            return name
    return "below_median"
