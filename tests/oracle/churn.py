"""The churn model in plain pandas: who left in which window, the coefficients, and the test of the model.

Not here: the points rule's base and the calibration (`scores`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.oracle.raw import POLICY, Company
from tests.oracle.scores import churn_bases, live, mid_ranks, windows

_DAY = pd.Timedelta(days=1)
RULES = POLICY["churn"]
LENGTH = 7 * -(-RULES["horizon_days"] // 7)
POINTS = {
    "size": 0.0,
    **{f"cohort {name}": points for name, points in RULES["cohorts"].items()},
    "single_champion": RULES["single_champion"],
    "overdue": RULES["overdue"]["log_odds"],
    "sentiment": RULES["sentiment"]["log_odds"],
    "external_signals": RULES["per_signal_weight"],
    "seat_activity": 0.0,
    "usage_trend": 0.0,
}
NUMBERS = ("size", "external_signals", "seat_activity", "usage_trend")
CENTRED = ("seat_activity", "usage_trend")


def facts(company: Company, day: pd.Timestamp) -> pd.DataFrame:
    """Of the live accounts of a day: what the model looks at, by the name of the term; flags are 0 or 1."""
    rows = live(company, day)
    cohort = company.published("behavioral_scores", day.date()).set_index("account_id")["behavioral_cohort"]
    cohort = cohort.reindex(rows.index)
    number = {name: pd.to_numeric(rows[name]).astype(float) for name in ("mau_seat_share", "users_trend_net")}
    table = pd.DataFrame(
        {
            "arr": rows["arr"],
            "leaving_on": rows["leaving_on"],
            "days_to_renewal": pd.to_numeric(rows["days_to_renewal"]).astype(float),
            "cohort": cohort,
            "size": mid_ranks(rows["arr"]) - 0.5,
            **{f"cohort {name}": (cohort == name).astype(float) for name in RULES["cohorts"]},
            "single_champion": (rows["single_champion"] == True).astype(float),  # noqa: E712
            "overdue": (rows["overdue_days"] > RULES["overdue"]["more_than_days"]).fillna(False).astype(float),
            "sentiment": (rows["sentiment"] < RULES["sentiment"]["below"]).astype(float),
            "external_signals": rows["signal_weight_180d"].astype(float),
            "seat_activity": number["mau_seat_share"].clip(*RULES["model"]["seat_activity"]),
            "usage_trend": number["users_trend_net"].clip(*RULES["model"]["usage_trend"]),
        }
    )
    return table.assign(raw_champion=rows["single_champion"], raw_overdue=rows["overdue_days"])


def _past(company: Company) -> pd.DataFrame:
    """The accounts of each past day and the window in which they left."""
    return company.kept("churn_past", lambda: _of_windows(company))


def _of_windows(company: Company) -> pd.DataFrame:
    parts = []
    for start, _ in windows(company, RULES["model"]["windows"]):
        if start.date() not in company.days("account_profiles"):
            continue
        rows = facts(company, start)
        rows = rows[rows["leaving_on"].isna()].assign(starts_on=start, seen=0, left=np.nan)
        for k in range(1, RULES["model"]["periods"] + 1):
            end = start + k * LENGTH * _DAY
            if end > pd.Timestamp(company.as_of):
                break
            later = company.published("account_revenue", end.date()).set_index("account_id")
            is_there = rows.index.isin(later.index)
            later = later.reindex(rows.index)
            latest = start + ((k - 1) * LENGTH + RULES["horizon_days"]) * _DAY
            gone = is_there & (later["is_live"] == False) & (later["churned_on"] <= latest)  # noqa: E712
            rows["seen"] += is_there
            rows.loc[gone & rows["left"].isna(), "left"] = k
        parts.append(rows[rows["seen"] > 0].reset_index(names="account_id"))
    return pd.concat(parts, ignore_index=True)


def churn_training(company: Company) -> pd.DataFrame:
    """One row per past day and account."""
    rows = _past(company)
    return pd.DataFrame(
        {
            "starts_on": rows["starts_on"],
            "account_id": rows["account_id"],
            "arr": rows["arr"],
            "size_rank": rows["size"],
            "behavioral_cohort": rows["cohort"],
            "single_champion": rows["raw_champion"],
            "is_overdue": (rows["raw_overdue"] > RULES["overdue"]["more_than_days"])
            .astype(object)
            .where(rows["raw_overdue"].notna()),
            "has_bad_sentiment": _bad(company, rows),
            "signal_weight_180d": rows["external_signals"],
            "days_to_renewal": rows["days_to_renewal"],
            "seat_activity": rows["seat_activity"],
            "usage_trend": rows["usage_trend"],
            "periods_observed": rows["seen"],
            "left_in_period": rows["left"],
        }
    )


def _bad(company: Company, rows: pd.DataFrame) -> pd.Series:
    """Whether sentiment was bad; null where there is none."""
    truth = {}
    for start in rows["starts_on"].unique():
        sentiment = live(company, pd.Timestamp(start))["sentiment"]
        truth |= {(start, account): value for account, value in sentiment.items()}
    values = pd.Series([truth[key] for key in zip(rows["starts_on"], rows["account_id"], strict=True)], rows.index)
    return (values < RULES["sentiment"]["below"]).astype(object).where(values.notna())


def _renews(days: pd.Series, k: int) -> np.ndarray:
    first = RULES["renewal"]["within_days"] + LENGTH * (k - 2)
    return ((days <= first + LENGTH) & ((days > first) | (k == 1))).to_numpy(float)


def _fit(rows: pd.DataFrame) -> pd.DataFrame:
    """Coefficients by term: the point at which the slope of likelihood and prior is zero."""
    terms, model = list(POINTS), RULES["model"]
    value = rows[terms].astype(float)
    centre = value.mean().where([t in CENTRED for t in terms], 0.0).fillna(0.0)
    deviation = value.std(ddof=0).fillna(0.0)
    varies = deviation > 1e-9
    unit = deviation.where(pd.Series([t in NUMBERS for t in terms], terms) & varies, 1.0)
    z = ((value - centre) / unit).fillna(0.0).to_numpy()
    blocks, outcome = [], []
    for k in range(1, model["periods"] + 1):
        chosen = ((rows["seen"] >= k) & ~(rows["left"] < k)).to_numpy()
        now = z[chosen] if k == 1 else 0 * z[chosen]
        one = np.ones(chosen.sum())
        renews = _renews(rows["days_to_renewal"][chosen], k)
        blocks.append(np.column_stack([one, one * (k > 1), renews, now, z[chosen] - now]))
        outcome.append((rows["left"][chosen] == k).to_numpy(float))
    x, y = np.vstack(blocks), np.concatenate(outcome)
    points = np.array([POINTS[t] for t in terms]) * unit.to_numpy()
    spread = [model["spreads"]["numbers" if t in NUMBERS else "flags"] for t in terms]
    mean = np.array([0.0, 0.0, RULES["renewal"]["log_odds"], *points, *points * model["later_share"]])
    spreads = (model["spreads"]["later"], model["spreads"]["renewal"], *spread, *spread)
    weight = np.array([0.0, *(1 / s**2 for s in spreads)])
    at = mean.copy()
    at[0] = -3.0
    for _ in range(200):
        p = 1 / (1 + np.exp(-(x @ at)))
        slope = x.T @ (y - p) - weight * (at - mean)
        bend = x.T @ (x * (p * (1 - p))[:, None]) + np.diag(weight)
        at = at + np.clip(np.linalg.solve(bend, slope), -1, 1)
    silent = pd.Series([t in NUMBERS for t in terms], terms) & ~varies
    table = pd.DataFrame(
        {
            "coefficient": np.where(silent, 0.0, at[3 : 3 + len(terms)] / unit),
            "later_coefficient": np.where(silent, 0.0, at[3 + len(terms) :] / unit),
            "centre": centre,
            "deviation": deviation,
            "known_share": value.notna().mean(),
        },
        index=terms,
    )
    table["status"] = np.where(varies, "fitted", np.where([t in NUMBERS for t in terms], "constant", "points"))
    table.loc[table["known_share"] == 0, "status"] = "not_known"
    base = {"centre": 0.0, "deviation": np.nan, "known_share": np.nan, "status": "fitted"}
    table.loc["base"] = base | {"coefficient": at[0], "later_coefficient": at[0] + at[1]}
    table.loc["renewal"] = base | {"coefficient": at[2], "later_coefficient": at[2]}
    return table


def _is_trained(rows: pd.DataFrame) -> bool:
    return int((rows["left"] == 1).sum()) >= RULES["model"]["min_leavers"] and bool(rows["left"].isna().any())


def churn_model(company: Company) -> pd.DataFrame:
    """What each term adds: by the fit, or by the rule."""
    return company.kept("churn_model", lambda: _model(company))


def _model(company: Company) -> pd.DataFrame:
    rows = _past(company)
    if _is_trained(rows):
        return _fit(rows).rename_axis("term").reset_index().assign(is_trained=True, is_fitted=True)
    rule = churn_bases(company).iloc[0]
    fitted = bool(rule["is_fitted"])
    points = POINTS | {
        "base": rule["base_log_odds"], "size": rule["size_log_odds"], "renewal": RULES["renewal"]["log_odds"],
    }  # fmt: skip
    return pd.DataFrame(
        [
            {
                "term": term, "coefficient": value, "later_coefficient": value, "centre": 0.0, "deviation": np.nan,
                "known_share": np.nan,
                "status": "fitted" if fitted and term in ("base", "size") else "points",
                "is_trained": False, "is_fitted": fitted,
            }
            for term, value in points.items()
        ]
    )  # fmt: skip


def churn_model_quality(company: Company) -> pd.DataFrame:
    """What the model was trained on, and the windows that it predicted unseen."""
    rows, model = _past(company), RULES["model"]
    leavers, trained = int((rows["left"] == 1).sum()), _is_trained(rows)
    risk, rule, left, tests = [], [], [], 0
    for start in sorted(rows["starts_on"].unique()):
        ended = (start - rows["starts_on"]).dt.days // LENGTH
        before = rows[ended > 0].copy()
        before["seen"] = np.minimum(before["seen"], ended[ended > 0])
        before["left"] = before["left"].where(before["left"] <= before["seen"])
        enough = (before["left"] == 1).sum() >= model["test"]["min_leavers"]
        if not enough or before["left"].notna().all():
            continue
        fit, now = _fit(before), rows[rows["starts_on"] == start]
        terms = list(POINTS)
        value = now[terms].astype(float)
        renews = _renews(now["days_to_renewal"], 1)
        odds = ((value - fit.loc[terms, "centre"]).fillna(0.0) * fit.loc[terms, "coefficient"]).sum(axis=1)
        risk += list(odds + fit.loc["base", "coefficient"] + fit.loc["renewal", "coefficient"] * renews)
        rule += list((value.fillna(0.0) * pd.Series(POINTS)).sum(axis=1) + RULES["renewal"]["log_odds"] * renews)
        left += list(now["left"] == 1)
        tests += 1
    probability, gone = 1 / (1 + np.exp(-np.array(risk))), np.array(left, float)
    judged = 0 < gone.sum() < len(gone)
    reason = None if trained else "few_leavers" if leavers < model["min_leavers"] else "nobody_stayed"
    return pd.DataFrame(
        [
            {
                "is_trained": trained,
                "reason": reason,
                "first_window_on": rows["starts_on"].min(),
                "last_window_on": rows["starts_on"].max(),
                "accounts": rows["account_id"].nunique(),
                "account_windows": len(rows),
                "leavers": leavers,
                "test_windows": tests,
                "test_accounts": len(gone),
                "test_leavers": int(gone.sum()),
                "predicted_leavers": probability.sum() if judged else np.nan,
                "auc": pairs_won(risk, gone) if judged else np.nan,
                "points_auc": pairs_won(rule, gone) if judged else np.nan,
                "brier": ((probability - gone) ** 2).mean() if judged else np.nan,
                "brier_of_mean": gone.mean() * (1 - gone.mean()) if judged else np.nan,
                "least_auc": model["test"]["least_auc"],
                "confidence": model["test"]["confidence"],
                "test_reason": None if judged else "no_test",
            }
        ]
    )


def pairs_won(score: list[float], left: np.ndarray) -> float:
    """The share of pairs of one who left and one who stayed in which the first has the higher score."""
    values = np.round(np.array(score), 9)
    gone, stayed = values[left == 1][:, None], values[left == 0][None, :]
    return float(((gone > stayed) + (gone == stayed) / 2).mean())


def parts(company: Company) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Per live account: facts, the points of each part of the churn risk, and the log-odds of each later period."""
    rows, model = facts(company, pd.Timestamp(company.as_of)), churn_model(company).set_index("term")
    value = {term: (rows[term] - model["centre"][term]).fillna(0.0) for term in POINTS}
    now = {term: value[term] * model["coefficient"][term] for term in POINTS}
    leaves = (pd.to_datetime(rows["leaving_on"]) - pd.Timestamp(company.as_of)).dt.days
    points = pd.DataFrame(
        {
            "base": model["coefficient"]["base"],
            "size": now["size"],
            "cohort": sum(now[t] for t in POINTS if t.startswith("cohort ")),
            **{t: now[t] for t in ("single_champion", "overdue", "sentiment")},
            "renewal": _renews(rows["days_to_renewal"], 1) * model["coefficient"]["renewal"],
            **{t: now[t] for t in ("external_signals", "seat_activity", "usage_trend")},
            "leaving": (leaves <= RULES["horizon_days"]) * RULES["known_leaving"],
        },
        index=rows.index,
    ).astype(float)
    later = {}
    for k in range(2, RULES["model"]["periods"] + 1):
        first = RULES["horizon_days"] + LENGTH * (k - 2)
        later[k] = (
            model["later_coefficient"]["base"]
            + sum(value[term] * model["later_coefficient"][term] for term in POINTS)
            + _renews(rows["days_to_renewal"], k) * model["later_coefficient"]["renewal"]
            + ((leaves > first) & (leaves <= first + LENGTH)) * RULES["known_leaving"]
        )
    return rows, points, pd.DataFrame(later)
