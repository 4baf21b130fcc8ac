"""Past windows and what became of their accounts, in plain pandas. Intervals are drawn by chance: tests/kpis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tests.oracle import kpis
from tests.oracle.churn import pairs_won
from tests.oracle.raw import POLICY, Company
from tests.oracle.revenue import cents, months_before

RULES = POLICY["backtest"]
GROUPS = ("coverage_tier", "segment", "value_tier", "behavioral_cohort")
SCORES = ("churn_risk", "health_score", "behavioral_score", "composite_score", "expansion_score")
NAN = float("nan")


def _windows(company: Company) -> list[tuple[int, pd.Timestamp, pd.Timestamp]]:
    day = pd.Timestamp(company.as_of)
    ends = [months_before(day, RULES["months"] * k) if k else day for k in range(RULES["windows"] + 1)]
    short = [(RULES["months"], ends[k + 1], ends[k]) for k in range(RULES["windows"])]
    return [*short, (RULES["long_months"], months_before(day, RULES["long_months"]), day)]


def backtest_accounts(company: Company) -> pd.DataFrame:
    """The accounts of each window, what they were on its first day, and what became of them."""
    return pd.concat([_window(company, *window) for window in _windows(company)], ignore_index=True)


def _window(company: Company, months: int, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    then = replace(company, as_of=end.date(), memory={})
    rows = kpis.two_points(then, start, end)
    rows = rows.assign(**{n: (rows[n].round(9) * 12).map(cents) for n in ("start", "end")})
    rows = rows[rows["start"] > 0]
    grown = rows["volume"].clip(lower=0) + rows["product"].clip(lower=0)
    table = pd.DataFrame(
        {
            "window_months": months,
            "starts_on": start,
            "ends_on": end,
            "start_arr": rows["start"],
            "end_arr": rows["end"],
            "retained_arr": rows[["start", "end"]].min(axis=1),
            "has_left": rows["end"] == 0,
            "has_expanded": (rows["end"] > rows["start"]) & (grown.round(6) > 0),
        }
    )
    published = company.published("segments", start.date()).set_index("account_id")
    return table.join(published[[*GROUPS, *SCORES]]).reset_index(names="account_id")


def segment_backtest(company: Company) -> pd.DataFrame:
    """Rates by member."""
    every, rows = company.published("backtest_accounts").assign(company="company"), []
    for grouping in ("company", *GROUPS):
        for (months, member), group in every.groupby(["window_months", grouping]):
            left, start = int(group["has_left"].sum()), group["start_arr"].sum()
            rows.append(
                {
                    "window_months": months,
                    "grouping": grouping,
                    "member": member,
                    "windows": group["starts_on"].nunique(),
                    "accounts": len(group),
                    "different_accounts": group["account_id"].nunique(),
                    "low_n": group["account_id"].nunique() < POLICY["retention"]["low_n"],
                    "left_accounts": left,
                    "churn_rate": left / len(group),
                    "start_arr": cents(start),
                    "end_arr": cents(group["end_arr"].sum()),
                    "nrr": group["end_arr"].sum() / start,
                    "grr": group["retained_arr"].sum() / start,
                    "expansion_rate": group["has_expanded"].mean(),
                    "confidence": RULES["confidence"],
                }
            )
    return pd.DataFrame(rows)


def score_backtest(company: Company) -> pd.DataFrame:
    """Whom a score placed first, by all pairs."""
    rows = []
    for months, every in company.published("backtest_accounts").groupby("window_months"):
        for score in SCORES:
            group = every[every[score].notna()]
            for outcome, flag in (("left", "has_left"), ("expanded", "has_expanded")):
                happened = group[flag].to_numpy(float)
                few = min(happened.sum(), len(group) - happened.sum()) < RULES["min_events"]
                reason = "no_accounts" if group.empty else "few_events" if few else None
                row = {
                    "window_months": months, "score": score, "outcome": outcome, "accounts": len(group),
                    "different_accounts": group["account_id"].nunique(), "events": int(happened.sum()),
                    "reason": reason, "confidence": RULES["confidence"], "auc": NAN, "gini": NAN, "lift": NAN,
                    "top_accounts": None, "top_events": NAN,
                }  # fmt: skip
                if reason is None:
                    is_high_first = (score == "churn_risk") == (outcome == "left")
                    first = group[score].to_numpy(float) * (1 if is_high_first else -1)
                    top = max(1, round(len(group) * RULES["top_share"]))
                    at_top = _at_top(first, happened, top)
                    auc = pairs_won(list(first), happened)
                    row |= {
                        "auc": auc, "gini": 2 * auc - 1, "top_accounts": top, "top_events": at_top,
                        "lift": at_top / top * len(group) / happened.sum(),
                    }  # fmt: skip
                rows.append(row)
    return pd.DataFrame(rows)


def _at_top(first: np.ndarray, happened: np.ndarray, top: int) -> float:
    """Outcomes in the first places, where accounts of equal scores have the mean of their places' outcomes."""
    order = pd.DataFrame({"first": first.round(12), "happened": happened}).sort_values("first", ascending=False)
    return float(order.groupby("first")["happened"].transform("mean").head(top).sum())


def risk_backtest(company: Company) -> pd.DataFrame:
    """Predicted and lost by window."""
    rows = company.published("backtest_accounts")
    rows = rows[(rows["window_months"] == RULES["months"]) & rows["churn_risk"].notna()]
    table = []
    for (start, end), group in rows.groupby(["starts_on", "ends_on"]):
        risk, arr, left = group["churn_risk"], group["start_arr"], group["has_left"].astype(bool)
        table.append(
            {
                "starts_on": start,
                "ends_on": end,
                "accounts": len(group),
                "predicted_leavers": risk.sum(),
                "predicted_deviation": (risk * (1 - risk)).sum() ** 0.5,
                "left_accounts": int(left.sum()),
                "start_arr": cents(arr.sum()),
                "predicted_arr_lost": cents((arr * risk).sum()),
                "predicted_arr_deviation": cents((arr**2 * risk * (1 - risk)).sum() ** 0.5),
                "arr_lost": cents(arr[left].sum()),
            }
        )
    return pd.DataFrame(table)
