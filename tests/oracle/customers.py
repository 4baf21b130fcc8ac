"""KPIs of what became of accounts, in plain pandas: waiting times, migration, cohorts, traits, concentration, CSMs.

They start from published tables that have their own oracles: account_revenue, account_profiles, account_periods,
scores and segments, of as_of and of earlier days. Cohorts are paid up from the raw subscriptions.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, exp, log, sqrt
from statistics import NormalDist

import pandas as pd

from tests.oracle.raw import POLICY, Company
from tests.oracle.retention import NAN, TIERS, of_known, over
from tests.oracle.revenue import money, months_before

FEW = POLICY["retention"]["low_n"]
MONTH = 365.25 / 12


def deviations(confidence: float) -> float:
    """Standard deviations around a mean that hold so much of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def has_expanded(periods: pd.DataFrame) -> pd.Series:
    """Grown by more seats, plan or products: a price uplift alone is none."""
    by_more = (periods["expansion_volume_arr"] > 0) | (periods["expansion_product_arr"] > 0)
    return (periods["movement"] == "expansion") & by_more


# Waiting times.


def durations(company: Company) -> pd.DataFrame:
    """Waits for the first expansion, and from a downgrade to churn, counted by days."""
    as_of = pd.Timestamp(company.as_of)
    paid = company.published("account_revenue").dropna(subset="first_paid_on").set_index("account_id")
    has_happened = paid["months_to_first_expansion"].notna()
    seen = (paid["churned_on"].fillna(as_of) - paid["first_paid_on"]).dt.days.clip(lower=0)
    days = (paid["months_to_first_expansion"] * MONTH).round().where(has_happened, seen).astype(int)
    waits = pd.DataFrame({"days": days, "has_happened": has_happened})
    waits = waits.assign(duration="first_expansion")
    parts = [waits.assign(grouping="company", member="company", window_months=0)]
    periods = company.published("account_periods").set_index("account_id")
    for grouping, column in (("coverage_tier", "start_tier"), ("segment", "start_segment")):
        then = periods[periods[column].notna()][["window_months", column]].rename(columns={column: "member"})
        parts.append(waits.join(then, how="inner").assign(grouping=grouping))
    parts.append(_falls(company, paid, as_of))
    key = ["duration", "grouping", "member", "window_months", "days", "has_happened"]
    return pd.concat(parts).groupby(key).size().rename("accounts").reset_index()


def _falls(company: Company, paid: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    fell_on: dict[str, pd.Timestamp] = {}
    for quarter in reversed(range(POLICY["migration"]["lag_quarters"])):  # oldest first
        start, end = months_before(as_of, 3 * quarter + 3), months_before(as_of, 3 * quarter) if quarter else as_of
        try:
            before = company.published("segments", start.date()).set_index("account_id")["coverage_tier"]
        except ValueError:  # no such day
            continue
        for row in company.published("segments", end.date()).itertuples():
            if row.account_id not in before or TIERS.index(row.coverage_tier) <= TIERS.index(before[row.account_id]):
                continue
            day = row.tier_since if start < row.tier_since <= end else end
            fell_on[row.account_id] = min(fell_on.get(row.account_id, day), day)
    rows = []
    for account, day in fell_on.items():
        left = paid["churned_on"].get(account)
        if pd.isna(left) or left >= day:
            rows.append({"days": ((as_of if pd.isna(left) else left) - day).days, "has_happened": pd.notna(left)})
    rows = pd.DataFrame(rows, columns=["days", "has_happened"])
    return rows.assign(duration="downgrade_to_churn", grouping="company", member="company", window_months=0)


def median_durations(company: Company) -> pd.DataFrame:
    """Kaplan-Meier medians and shares, with log-log limits."""
    key = ["duration", "grouping", "member", "window_months"]
    rows = []
    for member, waits in durations(company).groupby(key):
        rows.append(dict(zip(key, member, strict=True)) | _kaplan_meier(waits))
    return pd.DataFrame(rows)


def _kaplan_meier(waits: pd.DataFrame) -> dict[str, object]:
    z = deviations(POLICY["survival"]["confidence"])
    curve = []  # (day, waiting, low, high)
    waiting, variance, at_risk = 1.0, 0.0, int(waits["accounts"].sum())
    for day, group in waits.groupby("days"):
        events = int(group[group["has_happened"]]["accounts"].sum())
        if events == at_risk:
            waiting = low = high = 0.0
        else:
            waiting *= 1 - events / at_risk
            variance += events / (at_risk * (at_risk - events))
            if waiting == 1.0:
                low = high = 1.0
            else:
                spread = z * sqrt(variance) / log(waiting)
                low, high = exp(log(waiting) * exp(-spread)), exp(log(waiting) * exp(spread))
        curve.append((day, waiting, low, high))
        at_risk -= int(group["accounts"].sum())

    def first(place: int) -> float:
        days = [point[0] for point in curve if round(point[place], 12) <= 0.5]
        return days[0] / MONTH if days else NAN

    def share(quarters: int, place: int) -> float:
        day = round(quarters * 3 * MONTH)
        if curve[-1][0] < day and curve[-1][1] > 0:
            return NAN
        past = [point for point in curve if point[0] <= day]
        return 1 - past[-1][place] if past else 0.0

    return {
        "median_months": first(1),
        "low_months": first(2),
        "high_months": first(3),
        "accounts": int(waits["accounts"].sum()),
        "happened": int(waits[waits["has_happened"]]["accounts"].sum()),
    } | {
        f"share_{quarters}q{end}": share(quarters, place)
        for quarters in (2, 3)
        for end, place in (("", 1), ("_low", 3), ("_high", 2))
    }


# Migration.


def tier_migration(company: Company) -> pd.DataFrame:
    """Accounts and ARR by tier three months before and at as_of."""
    places = [*TIERS, "unassigned", "not_live"]
    rows = company.published("account_periods")
    rows = rows[rows["window_months"] == 3].fillna({"start_tier": "not_live", "end_tier": "not_live"})
    kpis = company.published("tier_kpis")
    kpis = kpis[kpis["window_months"] == 3].set_index("coverage_tier")
    cells = []
    for start in places:
        for end in places:
            if start == end == "not_live":
                continue
            row, column = rows[rows["start_tier"] == start], rows[rows["end_tier"] == end]
            cell = row[row["end_tier"] == end]
            tier = kpis.loc[start] if start != "not_live" else None
            cells.append(
                {
                    "starts_on": months_before(pd.Timestamp(company.as_of), 3),
                    "from_tier": start,
                    "to_tier": end,
                    "direction": _direction(start, end),
                    "accounts": len(cell),
                    "start_arr": money(cell["start_arr"]),
                    "end_arr": money(cell["end_arr"]),
                    "share_of_from": NAN if tier is None else over(len(cell), tier["start_accounts"]),
                    "row_accounts": len(row),
                    "row_start_arr": money(row["start_arr"]),
                    "column_accounts": len(column),
                    "from_accounts": None if tier is None else tier["start_accounts"],
                    "from_arr": None if tier is None else tier["start_arr"],
                    "to_accounts": None if end == "not_live" else kpis.loc[end]["accounts"],
                }
            )
    return pd.DataFrame(cells)


def _direction(start: str, end: str) -> str:
    if start == "not_live":
        return "gained"
    if end == "not_live":
        return "lost"
    if start == end:
        return "same"
    if "unassigned" in (start, end):
        return "other"
    return "up" if TIERS.index(end) < TIERS.index(start) else "down"


def tier_migration_summary(company: Company) -> pd.DataFrame:
    """Rises and falls of three months, and what follows a fall."""
    cells = tier_migration(company)
    up, down = (cells[cells["direction"] == name] for name in ("up", "down"))
    long_tail = cells[cells["from_tier"] == "Long-Tail"]
    graduated = long_tail[long_tail["direction"] == "up"]["accounts"].sum()
    lags = median_durations(company)
    lags = lags[lags["duration"] == "downgrade_to_churn"]
    lag = lags.iloc[0] if len(lags) else {"accounts": 0, "happened": 0}
    row = {
        "starts_on": months_before(pd.Timestamp(company.as_of), 3),
        "up_accounts": up["accounts"].sum(),
        "up_arr": money(up["end_arr"]),
        "down_accounts": down["accounts"].sum(),
        "down_arr": money(down["end_arr"]),
        "long_tail_accounts": long_tail["accounts"].sum(),
        "graduated_accounts": graduated,
        "graduation_rate": over(graduated, long_tail["accounts"].sum()),
        "graduation_rate_low_n": long_tail["accounts"].sum() < FEW,
        "downgraded_accounts": lag["accounts"],
        "downgraded_then_churned": lag["happened"],
        "downgrade_to_churn_low_n": lag["accounts"] < FEW,
    }
    for name, column in (
        ("months", "median_months"), ("low", "low_months"), ("high", "high_months"),
        ("share_2q", "share_2q"), ("share_3q", "share_3q"),
    ):  # fmt: skip
        row[f"downgrade_to_churn_{name}"] = lag.get(column, NAN)
    for end in ("low", "high"):
        row[f"downgrade_to_churn_benchmark_{end}"] = POLICY["benchmarks"]["downgrade_to_churn_months"][end]
    return pd.DataFrame([row])


# Cohorts.


def cohort_retention(company: Company) -> pd.DataFrame:
    """What each signup quarter's accounts pay at every quarter end since, at the rates of the first."""
    first = company.revenue.first_paid_on()
    first = first[first <= pd.Timestamp(company.as_of)].dt.to_period("Q")
    last = (pd.Timestamp(company.as_of) + pd.Timedelta(days=1)).to_period("Q") - 1
    rows = []
    for signup, accounts in first.groupby(first):
        if signup > last:
            continue
        day = signup.end_time.normalize()
        start = company.revenue.arr(day, day).reindex(accounts.index).fillna(0.0)
        start = start[start > 0]
        if start.empty:
            continue
        for age in range(min((last - signup).n, POLICY["cohorts"]["max_age_quarters"]) + 1):
            observed_on = (signup + age).end_time.normalize()
            arr = company.revenue.arr(observed_on, day).reindex(start.index).fillna(0.0)
            is_kept = (last - (signup + age)).n < POLICY["cohorts"]["usage_quarters"]
            rows.append(
                {
                    "signup_quarter": signup.start_time,
                    "age_quarters": age,
                    "observed_on": observed_on,
                    **_cohort(start, arr),
                    **(_cohort_usage(company, observed_on, start.index) if is_kept else _no_usage("not_kept")),
                }
            )
    return pd.DataFrame(rows)


def _cohort(start: pd.Series, arr: pd.Series) -> dict[str, object]:
    kept, grown = start.where(start < arr, arr), (arr - start).clip(lower=0)
    return {
        "accounts": len(start),
        "start_arr": money(start),
        "arr": money(arr),
        "retained_arr": money(kept),
        "expansion_arr": money(grown),
        "retained_accounts": int((arr > 0).sum()),
        "risen_accounts": int((arr > start).sum()),
        "nrr": money(arr) / money(start),
        "grr": money(kept) / money(start),
        "logo_retention": (arr > 0).mean(),
        "expansion_rate_with_price": (arr > start).mean(),
        "low_n": len(start) < FEW,
    }


def _no_usage(reason: str) -> dict[str, object]:
    return {"usage_accounts": None, "active_share": NAN, "seat_activity": NAN, "usage_reason": reason}


def _cohort_usage(company: Company, day: pd.Timestamp, accounts: pd.Index) -> dict[str, object]:
    usage = company.published("account_usage", day.date()).set_index("account_id").reindex(accounts)
    active = usage["is_active_account"].dropna()
    if active.empty:
        return _no_usage("no_usage")
    return {
        "usage_accounts": len(active),
        "active_share": active.astype(float).mean(),
        "seat_activity": usage["mau_seat_share"].mean(),
        "usage_reason": None,
    }


# Traits.

_FIRMOGRAPHIC = ("size_class", "industry", "region", "business_model", "funding_stage")


def icp_insights(company: Company) -> pd.DataFrame:
    """How often accounts with a trait twelve months ago expanded or churned since."""
    periods = company.published("account_periods")
    cohort = periods[(periods["window_months"] == 12) & (periods["start_arr"] > 0)]
    then = cohort["starts_on"].iloc[0].date()
    rows = cohort[["account_id"]].assign(
        expansion=has_expanded(cohort), churn=cohort["movement"] == "churn"
    )  # fmt: skip
    profiles = company.published("account_profiles", then)
    rows = rows.merge(profiles, "left", "account_id").merge(
        company.published("firmographic_scores", then)[["account_id", "size_class"]], "left", "account_id"
    )
    technographic = company.published("technographic_scores", then)
    technographic = technographic[["account_id", "consolidation", "displacing", "sophistication"]]
    rows = rows.drop(columns=["consolidation", "displacing", "sophistication"], errors="ignore")
    rows = rows.merge(technographic, "left", "account_id")
    level = POLICY["traits"]["sophisticated_from"]
    rows["sophistication"] = rows["sophistication"].map(
        lambda one: None if pd.isna(one) else "sophisticated" if one >= level else "basic"
    )
    for name in ("competitor_tools", "legacy_tools"):
        rows[name] = rows[name].map(lambda one: None if pd.isna(one) else "some" if one > 0 else "none")
    published = company.published("icp_insights")
    result = []
    for trait in published["trait"].unique():
        facts = rows[rows[trait].notna()]
        for outcome in ("expansion", "churn"):
            everyone = facts[outcome].mean()
            for value, group in facts.groupby(trait):
                result.append(
                    {
                        "trait": trait,
                        "value": value,
                        "outcome": outcome,
                        "kind": "firmographic" if trait in published_firmographic(published) else "technographic",
                        "all_accounts": len(facts),
                        "all_rate": everyone,
                        **_rate(int(group[outcome].sum()), len(group), everyone),
                        "backcast_share": group["is_backcast"].fillna(False).astype(float).mean(),
                    }
                )
    return pd.DataFrame(result)


def published_firmographic(published: pd.DataFrame) -> set[str]:
    return set(published[published["kind"] == "firmographic"]["trait"])


def _rate(hits: int, n: int, everyone: float) -> dict[str, object]:
    z = deviations(POLICY["traits"]["confidence"])
    rate = hits / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    if everyone == 0:
        direction = "unknown"
    else:
        direction = "more" if low > everyone else "less" if high < everyone else "no_difference"
    return {
        "accounts": n,
        "accounts_with_outcome": hits,
        "rate": rate,
        "rate_low": low,
        "rate_high": high,
        "lift": over(rate, everyone),
        "lift_low": over(low, everyone),
        "lift_high": over(high, everyone),
        "direction": direction,
        "low_n": n < FEW,
    }


# Concentration.


def _top_and_bottom(rows: pd.DataFrame, amount: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The largest accounts, and the half with the least."""
    rows = rows.sort_values([amount, "account_id"], ascending=[False, True])
    share = Fraction(str(POLICY["benchmarks"]["top_accounts_share"]))
    return rows.head(ceil(share * len(rows))), rows.tail(len(rows) // 2)


def concentration(company: Company) -> pd.DataFrame:
    """How much lies with the largest accounts, and whether engaged use goes with expansion."""
    profiles = company.published("account_profiles")
    live = profiles[profiles["arr"] > 0].merge(
        company.published("expansion_scores")[["account_id", "whitespace"]], "left", "account_id"
    )
    top, bottom = _top_and_bottom(live, "arr")
    hours = [part["csm_hours_12m"].sum(min_count=1) for part in (live, top, bottom)]
    per = over(hours[1], len(top)), over(hours[2], len(bottom))
    marks = POLICY["benchmarks"]
    row: dict[str, object] = {
        "accounts": len(live),
        "arr": money(live["arr"]),
        "low_n": len(live) < FEW,
        "top_accounts": len(top),
        "top_arr": money(top["arr"]),
        "top_arr_share": money(top["arr"]) / money(live["arr"]),
        "whitespace": of_known(live["whitespace"]),
        "top_whitespace_share": over(of_known(top["whitespace"]), of_known(live["whitespace"])),
        "bottom_accounts": len(bottom),
        "bottom_arr_share": money(bottom["arr"]) / money(live["arr"]),
        "csm_hours": hours[0],
        "top_csm_hours_share": over(hours[1], hours[0]),
        "bottom_csm_hours_share": over(hours[2], hours[0]),
        "top_hours_per_account": per[0],
        "bottom_hours_per_account": per[1],
        "top_to_bottom_hours": over(*per),
    }
    for name, mark in (
        ("top_arr_share", "top_accounts_arr_share"),
        ("top_expansion_share", "top_accounts_expansion_share"),
        ("expansion_lift", "strong_usage_expansion_lift"),
    ):
        for end in ("low", "high"):
            row[f"{name}_benchmark_{end}"] = marks[mark][end]
    return pd.DataFrame([row | _since(company)])


def _since(company: Company) -> dict[str, object]:
    periods = company.published("account_periods")
    periods = periods[(periods["window_months"] == 12) & (periods["start_arr"] > 0)]
    then = company.published("account_profiles", periods["starts_on"].iloc[0].date())
    rows = periods.assign(grew=has_expanded(periods)).merge(
        then[["account_id", "mau_seat_share", "touches_90d"]], "left", "account_id"
    )
    use = POLICY["engaged_use"]
    facts = rows[rows["mau_seat_share"].notna() & rows["touches_90d"].notna()]
    is_used = facts["mau_seat_share"] >= use["min_seat_activity"]
    is_engaged = is_used & (facts["touches_90d"] >= use["min_touches_90d"])
    engaged, others = facts[is_engaged], facts[~is_engaged]
    rate, other_rate = over(engaged["grew"].sum(), len(engaged)), over(others["grew"].sum(), len(others))
    lift, low, high = over(rate, other_rate), NAN, NAN
    if rate > 0 and other_rate > 0:
        variance = 1 / engaged["grew"].sum() - 1 / len(engaged) + 1 / others["grew"].sum() - 1 / len(others)
        half = sqrt(max(variance, 0)) * deviations(POLICY["traits"]["confidence"])
        low, high = lift * exp(-half), lift * exp(half)
    reason = "nobody_expanded" if other_rate == 0 else None
    if not (len(engaged) and len(others)):
        reason = "no_accounts_to_compare"
    top, _ = _top_and_bottom(rows, "start_arr")
    return {
        "expansion_arr": of_known(rows["expansion_arr"]),
        "start_top_expansion_share": over(money(top["expansion_arr"]), money(rows["expansion_arr"])),
        "engaged_accounts": len(engaged),
        "engaged_expansion_rate": rate,
        "other_accounts": len(others),
        "other_expansion_rate": other_rate,
        "expansion_lift": lift,
        "expansion_lift_low": low,
        "expansion_lift_high": high,
        "expansion_lift_low_n": min(len(engaged), len(others)) < FEW,
        "expansion_lift_reason": reason,
    }


# CSMs.


def csm_performance(company: Company) -> pd.DataFrame:
    """What became of the accounts that each CSM covered twelve months before."""
    periods = company.published("account_periods")
    periods = periods[(periods["window_months"] == 12) & (periods["start_arr"] > 0)]
    then = months_before(pd.Timestamp(company.as_of), 12)
    covered = company.published("segments", then.date()).set_index("account_id")["csm_id"]
    cohort = periods.assign(csm_id=periods["account_id"].map(covered).fillna("unassigned"))
    cohort["weight"] = cohort["start_tier"].map(POLICY["csm"]["tier_weights"]).fillna(0.0).astype(float)
    now = company.published("segments").fillna({"csm_id": "unassigned"})
    roster = company.raw("csm_roster").set_index("csm_id")
    marks = POLICY["benchmarks"]["best_csm_lift"]
    peers = cohort[cohort["csm_id"] != "unassigned"]
    rows = []
    for csm in sorted({*cohort["csm_id"], *now["csm_id"]}):
        own, covers = cohort[cohort["csm_id"] == csm], now[now["csm_id"] == csm]
        others = peers[peers["csm_id"] != csm]
        weighted = {name: (own[name] * own["weight"]).sum() for name in
                    ("start_arr", "end_arr", "retained_arr", "expansion_arr")}  # fmt: skip
        start = money(own["start_arr"])
        peer = over(money(others["expansion_arr"]), money(others["start_arr"]))
        rows.append(
            {
                "csm_id": csm,
                **{name: roster.loc[csm][name] if csm in roster.index else None
                   for name in ("csm_name", "level", "team")},
                "accounts": len(covers),
                "arr": money(covers["arr"]),
                "start_accounts": len(own),
                "start_arr": start,
                "cohort_end_arr": money(own["end_arr"]),
                "retained_arr": money(own["retained_arr"]),
                "expansion_arr": money(own["expansion_arr"]),
                "expanded_accounts": int(has_expanded(own).sum()),
                "retained_accounts": int((own["end_arr"] > 0).sum()),
                "nrr": over(money(own["end_arr"]), start),
                "grr": over(money(own["retained_arr"]), start),
                "logo_retention": over((own["end_arr"] > 0).sum(), len(own)),
                "expansion_rate": over(has_expanded(own).sum(), len(own)),
                "expansion_arr_rate": over(money(own["expansion_arr"]), start),
                "low_n": len(own) < FEW,
                "weighted_nrr": over(weighted["end_arr"], weighted["start_arr"]),
                "weighted_grr": over(weighted["retained_arr"], weighted["start_arr"]),
                "weighted_expansion": over(weighted["expansion_arr"], weighted["start_arr"]),
                "peer_expansion": peer,
                "expansion_vs_peers": over(over(money(own["expansion_arr"]), start), peer),
                "best_vs_peers_benchmark_low": marks["low"],
                "best_vs_peers_benchmark_high": marks["high"],
                "reason": None if len(own) else "no_accounts_at_start" if len(cohort) else "no_history",
            }
        )  # fmt: skip
    rows = pd.DataFrame(rows)
    ranked = rows[(rows["csm_id"] != "unassigned") & ~rows["low_n"] & rows["weighted_nrr"].notna()]
    ranked = ranked.sort_values(["weighted_nrr", "csm_id"], ascending=[False, True])
    place = {csm: number for number, csm in enumerate(ranked["csm_id"], 1)}
    return rows.assign(rank=rows["csm_id"].map(place), is_best=rows["csm_id"].map(place) == 1)
