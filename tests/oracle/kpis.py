"""KPI tables in plain pandas. Not here: what the product publishes, or comparing."""

from __future__ import annotations

import pandas as pd

from tests.oracle.raw import Company
from tests.oracle.revenue import REPORTING_CURRENCY, cents, money, months_before, survivors

WINDOWS = (12, 3, 1)


def two_points(company: Company, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """MRR at two days, both at the rates of the first, and at the end also at those of the second."""
    revenue = company.revenue
    rows = pd.DataFrame(
        {"start": revenue.mrr(start, start), "end": revenue.mrr(end, start), "end_current": revenue.mrr(end, end)}
    ).fillna(0.0)
    rows = rows.join(_changes(company, start, end)).fillna(0.0)
    return rows.assign(first_paid_on=revenue.first_paid_on().reindex(rows.index))


def _movement(row: pd.Series, start: pd.Timestamp) -> str:
    if row["start"] == 0:
        return "new" if row["first_paid_on"] > start else "reactivation"
    if row["end"] == 0:
        return "churn"
    if row["end"] == row["start"]:
        return "flat"
    return "expansion" if row["end"] > row["start"] else "contraction"


def _bridge(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    moved = rows["movement"]
    none = pd.Series(0.0, rows.index)
    parts = {
        "new": rows["end"].where(moved == "new", 0.0),
        "expansion": (rows["end"] - rows["start"]).where(moved == "expansion", 0.0),
        "contraction": (rows["start"] - rows["end"]).where(moved == "contraction", 0.0),
        "churned": rows["start"].where(moved == "churn", 0.0),
        "reactivated": rows["end"].where(moved == "reactivation", 0.0),
        "fx": rows["end_current"] - rows["end"],
        "paused": none,  # the sample pauses nothing
        "resumed": none,
    }
    rows = rows.assign(**{f"{name}_{unit}": part.map(cents) for name, part in parts.items()})
    return _kinds(rows, unit)


def _kinds(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The expansion by the kinds that grew: in proportion, each to the cent, price the rest."""
    grown = rows[f"expansion_{unit}"]
    positive = rows[["volume", "product", "price"]].clip(lower=0).round(9)
    in_all = positive.sum(axis=1)
    volume = (grown * positive["volume"] / in_all).where(in_all > 0, 0.0).map(cents).clip(upper=grown)
    product = (grown * positive["product"] / in_all).where(in_all > 0, 0.0).map(cents)
    product = product.clip(upper=(grown - volume).map(cents))
    return rows.assign(
        **{
            f"expansion_volume_{unit}": volume,
            f"expansion_product_{unit}": product,
            f"expansion_price_{unit}": (grown - volume - product).map(cents),
        }
    )


def _changes(company: Company, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """What changed between two days by volume, product and price, per account, at the rates of the first.

    Another product or plan is a change of product; other seats of the same one, at the price before, of volume, and
    so is all of the change where seats are not known; the rest is price.
    """
    revenue = company.revenue

    def lines(day: pd.Timestamp, suffix: str) -> pd.DataFrame:
        rows = revenue.in_force(day)
        amount = rows["mrr"] * rows["currency"].map(lambda currency: revenue.rate(currency, start))
        rows = rows.assign(amount=amount, product=rows["product"].fillna(""), plan=rows["plan"].fillna(""))
        grouped = rows.groupby(["account_id", "product", "plan"])
        seats = grouped["seats"].sum(min_count=1)
        return pd.DataFrame({f"amount{suffix}": grouped["amount"].sum(), f"seats{suffix}": seats})

    both = lines(start, "_before").join(lines(end, "_after"), how="outer")
    is_same = both["amount_before"].notna() & both["amount_after"].notna()
    change = both["amount_after"].fillna(0.0) - both["amount_before"].fillna(0.0)
    per_seat = both["amount_before"] / both["seats_before"]
    has_seats = (both["seats_before"] > 0) & both["seats_after"].notna()
    by_seats = (both["seats_after"] - both["seats_before"]) * per_seat
    parts = pd.DataFrame(
        {"volume": by_seats.where(has_seats, change).where(is_same, 0.0), "product": change.where(~is_same, 0.0)}
    )
    parts["price"] = change - parts["volume"] - parts["product"]
    return parts.groupby("account_id").sum()


def revenue_movements(company: Company) -> pd.DataFrame:
    """MRR at the end of last month and at as_of, and what moved it."""
    end = pd.Timestamp(company.as_of)
    start = end.replace(day=1) - pd.Timedelta(days=1)
    rows = two_points(company, start, end)
    rows = rows.assign(**{name: rows[name].map(cents) for name in ("start", "end", "end_current")})
    rows = rows[(rows["start"] > 0) | (rows["end"] > 0)]
    rows = _bridge(rows.assign(movement=rows.apply(_movement, axis=1, start=start)), "mrr")
    return rows.assign(month=end.replace(day=1), start_mrr=rows["start"], end_mrr=rows["end_current"]).reset_index()


def account_periods(company: Company) -> pd.DataFrame:
    """ARR at the two ends of each window, and what moved it; tiers and segments are those published for the days."""
    end = pd.Timestamp(company.as_of)
    return pd.concat([_period(company, months, end) for months in WINDOWS])


def _period(company: Company, months: int, end: pd.Timestamp) -> pd.DataFrame:
    start = months_before(end, months)
    rows = two_points(company, start, end)
    rows = rows.assign(**{n: (rows[n].round(9) * 12).map(cents) for n in ("start", "end", "end_current")})
    rows = rows[(rows["start"] > 0) | (rows["end"] > 0)]
    rows = _bridge(rows.assign(movement=rows.apply(_movement, axis=1, start=start)), "arr")
    rows = rows.assign(
        window_months=months,
        starts_on=start,
        start_arr=rows["start"],
        end_arr=rows["end"],
        end_arr_current=rows["end_current"],
        retained_arr=rows[["start", "end"]].min(axis=1),
        parent_account_id=tops(company, start, rows.index),
    )
    renewals = company.published("account_revenue", start.date()).set_index("account_id")["renewal_on"]
    rows["renewal_on"] = renewals.reindex(rows.index).where(rows["start"] > 0)
    for side, day, arr in (("start", start, rows["start"]), ("end", end, rows["end"])):
        groups = company.published("segments", day.date()).set_index("account_id")
        for column, name in (("coverage_tier", "tier"), ("segment", "segment")):
            published = groups[column].reindex(rows.index).fillna("unassigned")
            rows[f"{side}_{name}"] = published.where(arr > 0, None)
    return rows.reset_index()


def tops(company: Company, day: pd.Timestamp, accounts: pd.Index) -> pd.Series:
    """The topmost parent known on a day."""
    crm = company.raw("crm_accounts", day.date())
    then = survivors(crm)
    parents = {
        account: then.get(parent, parent)
        for account, parent in crm.set_index("account_id")["parent_account_id"].dropna().items()
    }

    def top(account: str) -> str:
        seen = {account}
        while parents.get(account) in then and parents[account] not in seen:
            account = parents[account]
            seen.add(account)
        return account

    return pd.Series({account: top(account) for account in accounts})


def renewal_forecast(company: Company) -> pd.DataFrame:
    """What renews in the four quarters from the day after as_of, by tier and CSM, and what may be left of it."""
    rows = _renewing(company)
    rows = rows[rows["quarters_ahead"] < 4]
    growth = _growth_of_kept(company)
    return pd.DataFrame(
        [
            {"quarter_start": start, "coverage_tier": tier, "csm_id": csm, **_due(group, *growth(tier))}
            for (start, tier, csm), group in rows.groupby(["quarter_start", "coverage_tier", "csm_id"])
        ]
    )


def _renewing(company: Company) -> pd.DataFrame:
    """Live accounts with a renewal, and the risk that they leave by then."""
    as_of = pd.Timestamp(company.as_of)
    rows = company.published("account_revenue").merge(
        company.published("segments")[["account_id", "segment", "coverage_tier", "csm_id", "churn_risk"]],
        "left",
        "account_id",
    )
    rows = rows[rows["is_live"] & rows["renewal_on"].notna()]
    days = (rows["renewal_on"] - as_of).dt.days
    leaves = rows["leaving_on"].notna()
    risk = 1 - (1 - rows["churn_risk"].fillna(0.0)) ** (days / 90).clip(lower=1)
    quarter = rows["renewal_on"].dt.to_period("Q")
    return rows.assign(
        days=days,
        risk=risk.where(~leaves, 1.0),
        leaves=leaves,
        unknown=rows["churn_risk"].isna() & ~leaves,
        quarter_start=quarter.dt.start_time,
        quarters_ahead=quarter.map(lambda q: (q - (as_of + pd.Timedelta(days=1)).to_period("Q")).n),
        **{name: rows[name].fillna("unassigned") for name in ("coverage_tier", "csm_id")},
    )


def renewal_windows(company: Company) -> pd.DataFrame:
    """What renews within 30, 60 and 90 days and in the quarter, by company, tier and CSM."""
    rows = _renewing(company)
    windows = {f"days_{days}": rows[rows["days"] <= days] for days in (30, 60, 90)}
    windows["quarter"] = rows[rows["quarters_ahead"] == 0]
    lines = []
    for name, inside in windows.items():
        for grouping, column in (("company", None), ("tier", "coverage_tier"), ("csm", "csm_id")):
            by = pd.Series("all", index=inside.index) if column is None else inside[column]
            for member, group in inside.groupby(by):
                arr, risk = group["arr"], group["risk"]
                due, lost, leaving = money(arr), money(arr * risk), money(arr[group["leaves"]])
                half = 1.2815515655446004 * (arr**2 * risk * (1 - risk)).sum() ** 0.5
                lines.append({
                    "due_window": name, "grouping": grouping, "member": member, "accounts": len(group),
                    "low_n": len(group) < 10, "at_risk_accounts": int((group["segment"] == "At-Risk").sum()),
                    "leaving_accounts": int(group["leaves"].sum()),
                    "accounts_without_risk": int(group["unknown"].sum()), "arr_due": due,
                    "arr_in_at_risk": money(arr[group["segment"] == "At-Risk"]), "arr_leaving": leaving,
                    "arr_at_risk": lost, "expected_arr": cents(due - lost),
                    "expected_arr_low": cents(max(due - lost - cents(half), 0.0)),
                    "expected_arr_high": cents(min(due - lost + cents(half), due - leaving)),
                    "expected_grr": (due - lost) / due if due else float("nan"),
                })  # fmt: skip
    return pd.DataFrame(lines)


def _growth_of_kept(company: Company):
    """Of a tier: what the accounts kept over twelve months grew to, and whose growth it is."""
    kept = company.published("account_periods")
    kept = kept[(kept["window_months"] == 12) & (kept["start_arr"] > 0) & (kept["end_arr"] > 0)]

    def growth(tier: str) -> tuple[float | None, str | None]:
        own = kept[kept["start_tier"] == tier]
        for rows, basis in ((own if len(own) >= 10 else own[:0], "tier"), (kept, "company")):
            if len(rows):
                return money(rows["end_arr"]) / money(rows["start_arr"]), basis
        return None, None

    return growth


def _due(rows: pd.DataFrame, growth: float | None, basis: str | None) -> dict[str, object]:
    due, at_risk = money(rows["arr"]), money(rows["arr"] * rows["risk"])
    spread = (rows["arr"] ** 2 * rows["risk"] * (1 - rows["risk"])).sum() ** 0.5 * 1.959963984540054 / due
    stays = 1 - at_risk / due
    factor = float("nan") if growth is None else growth
    return {
        "quarters_ahead": rows["quarters_ahead"].iloc[0],
        "accounts": len(rows),
        "low_n": len(rows) < 10,
        "accounts_without_risk": int(rows["unknown"].sum()),
        "arr_due": due,
        "accounts_leaving": int(rows["leaves"].sum()),
        "arr_leaving": money(rows["arr"][rows["leaves"]]),
        "arr_at_risk": at_risk,
        "expected_accounts_lost": rows["risk"].sum(),
        "expected_grr_of_churn": stays,
        "growth_of_retained": growth,
        "growth_basis": basis,
        "expected_nrr": stays * factor,
        "expected_nrr_low": max(stays - spread, 0.0) * factor,
        "expected_nrr_high": min(stays + spread, 1.0) * factor,
        "reason": None if growth is not None else "no_history",
    }


_COMPARED = ("arr", "arr_12m_ago", "subscribed_12m", "invoiced_12m", "won_12m")


def arr_reconciliation(company: Company) -> pd.DataFrame:
    """Twelve months of subscriptions, invoices by the day of service, and opportunities won, per account."""
    as_of = pd.Timestamp(company.as_of)
    since = months_before(as_of, 12)
    revenue = company.published("account_revenue").set_index("account_id")
    merged = survivors(company.raw("crm_accounts"))
    invoices = _serviced(company, merged, as_of)
    won = company.raw("opportunities")
    is_booking = (won["stage"] == "won") & (won["kind"] != "renewal") & won["closed_on"].between(
        since + pd.Timedelta(days=1), as_of
    )  # fmt: skip
    won = won[is_booking].assign(account_id=lambda rows: rows["account_id"].map(lambda a: merged.get(a, a)))
    rows = [
        _reconciled(company, account, revenue, invoices[invoices["account_id"] == account], since, as_of)
        | {"account_id": account, "won_12m": money(won[won["account_id"] == account]["amount_arr"])}
        for account in sorted({*revenue.index, *invoices["account_id"], *won["account_id"]})
    ]
    kept = [row for row in rows if any(row[name] for name in _COMPARED)]
    return pd.DataFrame([row | _causes(row, as_of, since) for row in kept])


def _serviced(company: Company, merged: dict[str, str], as_of: pd.Timestamp) -> pd.DataFrame:
    """Invoices up to as_of with the days of service they are about, in the reporting currency."""
    rows = company.raw("billing_invoices")
    rows = rows[rows["issued_on"] <= as_of].drop_duplicates("invoice_id").sort_values("issued_on")
    facts = [*company.raw("fx_rates")["currency"].unique(), REPORTING_CURRENCY]
    is_sound = rows["amount"].notna() & rows["currency"].isin(facts) & rows["account_id"].isin(merged)
    is_sound &= rows["due_on"].isna() | (rows["due_on"] >= rows["issued_on"])
    rows = rows[is_sound].assign(account_id=rows["account_id"].map(lambda a: merged.get(a, a)))
    rows["value"] = rows["amount"] * rows["currency"].map(lambda currency: company.revenue.rate(currency, as_of))
    parts = []
    for _, group in rows.groupby("account_id"):
        days = sorted(group[group["amount"] > 0]["issued_on"].unique())
        for _, row in group.iterrows():
            earlier = [day for day in days if day <= row["issued_on"]]
            if not earlier:
                parts.append(
                    row.to_dict() | {"start": row["issued_on"], "end": row["issued_on"] + pd.Timedelta(days=1)}
                )
                continue
            start, place = earlier[-1], len(earlier) - 1
            year = start + pd.DateOffset(years=1)
            usual = start + (start - days[place - 1]) if place else year
            end = min(days[place + 1] if place + 1 < len(days) else usual, year)
            parts.append(row.to_dict() | {"start": start, "end": end})
    return pd.DataFrame(parts)


def _days(start: pd.Timestamp, end: pd.Timestamp) -> int:
    return max((end - start).days, 0)


def _reconciled(
    company: Company,
    account: str,
    revenue: pd.DataFrame,
    invoices: pd.DataFrame,
    since: pd.Timestamp,
    as_of: pd.Timestamp,
) -> dict[str, object]:
    first, after = since + pd.Timedelta(days=1), as_of + pd.Timedelta(days=1)
    year = (as_of - since).days
    steps = company.revenue.subscriptions
    steps = steps[(steps["account_id"] == account) & (steps["mrr"] != 0) & (steps["start_date"] <= as_of)]
    covered_until = invoices[invoices["amount"] > 0]["end"].max() if len(invoices) else pd.NaT
    subscribed = unbilled = then = 0.0
    for step in steps.itertuples():
        a_day = step.mrr * company.revenue.rate(step.currency, as_of) * 12 / year
        end = after if pd.isna(step.over_on) else min(step.over_on, after)
        start = max(step.start_date, first)
        subscribed += a_day * _days(start, end)
        unbilled += a_day * _days(start if pd.isna(covered_until) else max(start, covered_until), end)
        then += a_day * year * (step.start_date <= since and (pd.isna(step.over_on) or step.over_on > since))
    facts = account in revenue.index and pd.notna(revenue.loc[account, "first_paid_on"])
    issued = invoices[invoices["issued_on"] > since]["value"] if len(invoices) else pd.Series(dtype=float)
    spread = sum(
        i.value * _days(max(i.start, first), min(i.end, after)) / (i.end - i.start).days
        for i in invoices.itertuples()
    )
    ahead = sum(i.value * _days(max(i.start, after), i.end) / (i.end - i.start).days for i in invoices.itertuples())
    return {
        "arr": revenue.loc[account, "arr"] if account in revenue.index else 0.0,
        "first_paid_on": revenue.loc[account, "first_paid_on"] if facts else pd.NaT,
        "arr_12m_ago": cents(then),
        "subscribed_12m": cents(subscribed),
        "unbilled": cents(unbilled),
        "issued_12m": money(issued),
        "invoiced_12m": cents(spread) if facts else money(issued),
        "billed_ahead": cents(ahead),
        "covered_until": covered_until,
        "covered_from": invoices[invoices["amount"] > 0]["start"].min() if len(invoices) else pd.NaT,
    }


def _causes(row: dict, as_of: pd.Timestamp, since: pd.Timestamp) -> dict[str, object]:
    difference = cents(row["subscribed_12m"] - row["invoiced_12m"])
    by_change = cents(row["arr"] - row["subscribed_12m"])
    bookings = cents(max(row["arr"] - row["arr_12m_ago"], 0.0) - row["won_12m"])

    def tolerance(*amounts: float) -> float:
        return max(0.02 * max(amounts), 100)

    largest = tolerance(row["subscribed_12m"], row["invoiced_12m"])
    first_paid, until = row["first_paid_on"], row["covered_until"]
    from_day = first_paid if pd.isna(until) else max(until, first_paid) if pd.notna(first_paid) else until
    recent = pd.notna(from_day) and (as_of + pd.Timedelta(days=1) - from_day).days <= 92
    if abs(difference) <= largest:
        kind = "changed_in_the_year" if abs(by_change) > tolerance(row["arr"], row["subscribed_12m"]) else "agrees"
    elif pd.isna(first_paid):
        kind = "invoiced_without_subscription"
    elif row["arr"] == 0:
        kind = "ended"
    elif difference > 0 and recent and difference - row["unbilled"] <= largest:
        kind = "not_yet_billed"
    elif difference > 0 and row["unbilled"] > largest:
        kind = "missing"
    elif difference < 0 and first_paid > since and row["covered_from"] < first_paid:
        kind = "billed_ahead"
    else:
        kind = "price"
    booking = "growth_not_won" if bookings > 0 else "won_not_subscribed"
    return {
        "arr_less_invoiced": cents(row["arr"] - row["invoiced_12m"]),
        "explained_by_change": by_change,
        "unexplained": difference,
        "growth_less_won": bookings,
        "invoice_kind": kind,
        "booking_kind": booking if abs(bookings) > tolerance(row["arr"], row["won_12m"]) else "agrees",
    }
