"""KPI tables in plain pandas. Not here: what the product publishes, or comparing."""

from __future__ import annotations

import pandas as pd

from tests.oracle.raw import Company
from tests.oracle.revenue import cents, months_before, survivors

WINDOWS = (12, 3, 1)


def _two_points(company: Company, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """MRR at two days, both at the rates of the first, and at the end also at those of the second."""
    revenue = company.revenue
    rows = pd.DataFrame(
        {"start": revenue.mrr(start, start), "end": revenue.mrr(end, start), "end_current": revenue.mrr(end, end)}
    ).fillna(0.0)
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
    parts = {
        "new": rows["end"].where(moved == "new", 0.0),
        "expansion": (rows["end"] - rows["start"]).where(moved == "expansion", 0.0),
        "contraction": (rows["start"] - rows["end"]).where(moved == "contraction", 0.0),
        "churned": rows["start"].where(moved == "churn", 0.0),
        "reactivated": rows["end"].where(moved == "reactivation", 0.0),
        "fx": rows["end_current"] - rows["end"],
    }
    return rows.assign(**{f"{name}_{unit}": part.map(cents) for name, part in parts.items()})


def revenue_movements(company: Company) -> pd.DataFrame:
    """MRR at the end of last month and at as_of, and what moved it."""
    end = pd.Timestamp(company.as_of)
    start = end.replace(day=1) - pd.Timedelta(days=1)
    rows = _two_points(company, start, end)
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
    rows = _two_points(company, start, end)
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
        parent_account_id=_tops(company, start, rows.index),
    )
    for side, day, arr in (("start", start, rows["start"]), ("end", end, rows["end"])):
        groups = company.published("segments", day.date()).set_index("account_id")
        for column, name in (("coverage_tier", "tier"), ("segment", "segment")):
            published = groups[column].reindex(rows.index).fillna("unassigned")
            rows[f"{side}_{name}"] = published.where(arr > 0, None)
    return rows.reset_index()


def _tops(company: Company, day: pd.Timestamp, accounts: pd.Index) -> pd.Series:
    """The topmost parent known on a day."""
    crm = company.raw("crm_accounts", day.date())
    then = survivors(crm)
    parents = {
        then[account]: then.get(parent, parent)
        for account, parent in crm.set_index("account_id")["parent_account_id"].dropna().items()
        if account in then
    }

    def top(account: str) -> str:
        seen = {account}
        while parents.get(account) in then and parents[account] not in seen:
            account = parents[account]
            seen.add(account)
        return account

    return pd.Series({account: top(account) for account in accounts})
