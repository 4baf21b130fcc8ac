"""Scores in plain pandas, from the published profiles, which have their own oracles. Not here: segments.

Scores of earlier days that a table reads (the cohorts of a year ago, the quarter's cut-offs) are taken as published:
the same oracle holds them on their own day. The two parameters of the lifetime model are found by another search: the
published ones must agree with it to five digits, and what follows from them to nine.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from math import exp, log, sqrt

import numpy as np
import pandas as pd

from tests.oracle.raw import POLICY, Company
from tests.oracle.retention import NAN, over
from tests.oracle.revenue import cents, money, months_before

_DAY = pd.Timedelta(days=1)


def live(company: Company, day: pd.Timestamp | None = None) -> pd.DataFrame:
    """The profiles of live accounts."""
    rows = company.published("account_profiles", (day or pd.Timestamp(company.as_of)).date())
    return rows[rows["is_live"]].set_index("account_id")


def scale(value: float | None, knots: list) -> float:
    """Points of a number: straight between the knots, flat beyond."""
    if pd.isna(value):
        return NAN
    if value <= knots[0][0]:
        return float(knots[0][1])
    for (x0, y0), (x1, y1) in pairwise(knots):
        if value < x1:
            return y0 + (value - x0) * (y1 - y0) / (x1 - x0)
    return float(knots[-1][1])


def word(value: str | None, rules: dict) -> float:
    """Points of a word."""
    return NAN if pd.isna(value) else float(rules["points"].get(value.strip().lower(), rules["other"]))


def known_mean(*values: float) -> float:
    """The mean of what is known."""
    truth = [value for value in values if pd.notna(value)]
    return sum(truth) / len(truth) if truth else NAN


def mid_ranks(values: pd.Series) -> pd.Series:
    """(smaller + equals / 2) / n among what is known."""
    truth = values.dropna()
    return ((truth.rank(method="min") - 1 + truth.map(truth.value_counts()) / 2) / len(truth)).reindex(values.index)


class Score:
    """A weighted mean of parts: name -> (weight, raw input, value); unknown values leave their weight to the rest."""

    def __init__(self, name: str, parts: dict[str, tuple[float, object, float]]) -> None:
        self.name, self.parts = name, parts
        truth = {part: one for part, one in parts.items() if pd.notna(one[2])}
        whole = sum(weight for weight, _, _ in truth.values())
        self.shares = {part: weight / whole for part, (weight, _, _) in truth.items()}
        self.points = {part: self.shares[part] * truth[part][2] if part in truth else NAN for part in parts}
        self.score = sum(self.points[part] for part in truth) if truth else NAN

    def columns(self) -> dict[str, float]:
        return {self.name: self.score, **{f"{part}_points": points for part, points in self.points.items()}}

    def rows(self, account: str) -> list[dict]:
        return [
            contribution(account, self.name, part, raw, self.shares.get(part), self.points[part])
            for part, (_, raw, _) in self.parts.items()
            if part in self.shares
        ]


def contribution(account: str, score: str, part: str, raw: object, weight: float | None, points: float) -> dict:
    """A row of score_contributions."""
    is_number = isinstance(raw, int | float | np.number) and not isinstance(raw, bool | np.bool_)
    if isinstance(raw, bool | np.bool_):
        raw = "yes" if raw else "no"
    return {
        "account_id": account,
        "score": score,
        "part": part,
        "raw_number": raw if is_number else None,
        "raw_text": None if is_number or pd.isna(raw) else raw,
        "weight": weight,
        "points": points,
    }


# Firmographic, technographic, behavioral, needs, health.


def size_class(employees: float, revenue: float) -> str | None:
    """By employees, else by annual revenue."""
    for value, name in ((employees, "employees"), (revenue, "annual_revenue")):
        if pd.notna(value):
            bands = POLICY["firmographic"][name]
            if value >= bands["enterprise_from"]:
                return "enterprise"
            return "mid_market" if value >= bands["mid_market_from"] else "smb"
    return None


def _firmographic(one: pd.Series) -> Score:
    rules = POLICY["firmographic"]
    weights, size = rules["weights"], size_class(one["employees"], one["annual_revenue"])
    parts = {"size": (weights["size"], size, NAN if size is None else float(rules["size"][size]))}
    for name in ("industry", "region", "business_model", "funding_stage"):
        parts[name] = (weights[name], one[name], word(one[name], rules[name]))
    days = one["buying_cycle_days"]
    parts["buying_cycle"] = (weights["buying_cycle"], days, scale(days, rules["buying_cycle_days"]))
    return Score("firmographic_score", parts)


def firmographic_scores(company: Company) -> pd.DataFrame:
    """Size class and fit."""
    return pd.DataFrame(
        [
            {
                "account_id": account,
                "size_class": size_class(one["employees"], one["annual_revenue"]),
                **_firmographic(one).columns(),
            }
            for account, one in live(company).iterrows()
        ]
    )


def _stance(one: pd.Series) -> str | None:
    if pd.isna(one["tools"]):
        return None
    against, beside = one["competitor_tools"] + one["legacy_tools"], one["complementary_tools"]
    return "displacing" if against > beside else "complementing" if against < beside else "neutral"


def _technographic(one: pd.Series) -> Score:
    rules, stance, trend = POLICY["technographic"], _stance(one), one["consolidation"]
    weights, tools, ready = rules["weights"], one["complementary_tools"], one["sophistication"]
    return Score(
        "technographic_score",
        {
            "integration": (weights["integration"], tools, scale(tools, rules["complementary_tools"])),
            "displacing": (weights["displacing"], stance, rules["displacing"].get(stance, NAN)),
            "sophistication": (weights["sophistication"], ready, scale(ready, rules["sophistication"])),
            "consolidation": (weights["consolidation"], trend, rules["consolidation"].get(trend, NAN)),
        },
    )  # fmt: skip


def technographic_scores(company: Company) -> pd.DataFrame:
    """Fit of the tools."""
    rules = POLICY["technographic"]
    return pd.DataFrame(
        [
            {
                "account_id": account,
                "integration_opportunity": scale(one["complementary_tools"], rules["complementary_tools"]),
                "displacing": _stance(one),
                "sophistication": one["sophistication"],
                "consolidation": one["consolidation"],
                **_technographic(one).columns(),
            }
            for account, one in live(company).iterrows()
        ]
    )


def _behavioral(one: pd.Series) -> Score:
    rules, is_used = POLICY["behavioral"], pd.notna(one["usage_through"])
    trends = (one["users_trend_net"], one["events_trend_net"], one["minutes_trend_net"])
    raw = {
        "seat_activity": one["mau_seat_share"],
        "depth": one["key_events_per_active_user"],
        "breadth": known_mean(one["feature_breadth_share"], one["department_breadth_share"]),
        "trend": known_mean(*trends),
        "consistency": one["consistency"],
        "self_service": one["self_service_ratio"],
        "engagement": one["touches_90d"],
    }
    return Score(
        "behavioral_score",
        {n: (rules["weights"][n], value, scale(value, rules[n]) if is_used else NAN) for n, value in raw.items()},
    )


def holds(conditions: list[dict], measures: dict[str, object], *, is_member: bool = False) -> bool:
    """Whether all conditions hold; `leave` is the bound for members; what is not known fails."""
    return all(_holds(condition, measures[condition["measure"]], is_member) for condition in conditions)


def _holds(condition: dict, value: object, is_member: bool) -> bool:
    if "known" in condition:
        return bool(pd.notna(value)) == condition["known"]
    if pd.isna(value):
        return False
    if "one_of" in condition:
        return str(value).strip().lower() in [one.lower() for one in condition["one_of"]]
    settled = round(float(value), 9)

    def bound(name: str) -> float:
        return condition["leave"] if is_member and "leave" in condition else condition[name]

    return not (
        ("at_least" in condition and settled < bound("at_least"))
        or ("above" in condition and settled <= bound("above"))
        or ("at_most" in condition and settled > bound("at_most"))
        or ("below" in condition and settled >= bound("below"))
    )


def cohort_measures(one: pd.Series, score: float) -> dict[str, object]:
    """What the rules of usage cohorts compare."""
    return {
        "active_users": one["active_users_28d"],
        "prior_active_users": one["active_users_prior_28d"],
        "prior_events_without_users": one["events_prior_28d"] if pd.isna(one["active_users_prior_28d"]) else NAN,
        "seat_activity": one["mau_seat_share"],
        "users_trend_net": one["users_trend_net"],
        "events_trend_net": one["events_trend_net"],
        "score": score,
    }


def _cohort(one: pd.Series, score: float) -> tuple[str | None, str | None]:
    """The usage cohort and the rule that decided it."""
    if pd.isna(one["usage_through"]):
        return None, None
    measures, cohorts = cohort_measures(one, score), POLICY["behavioral"]["cohorts"]
    for cohort in cohorts:
        if cohort.get("after_onboarding") and one["lifecycle_stage"] == "onboarding":
            continue
        for rule in cohort.get("any_of", []):
            if holds(rule["all_of"], measures):
                return cohort["name"], rule["name"]
    return cohorts[-1]["name"], "otherwise"


def behavioral_scores(company: Company) -> pd.DataFrame:
    """Use and usage cohort."""
    rows = []
    for account, one in live(company).iterrows():
        score = _behavioral(one)
        cohort, rule = _cohort(one, score.score)
        rows.append(
            {
                "account_id": account,
                "seat_activity": one["mau_seat_share"],
                "behavioral_cohort": cohort,
                "cohort_rule": rule,
                **score.columns(),
            }
        )
    return pd.DataFrame(rows)


_NEEDS_INPUTS = [
    "primary_use_case", "maturity", "decision_process", "integration_need", "features_used", "departments_active",
    "goals_met_share",
]  # fmt: skip


def _needs(one: pd.Series) -> tuple[str | None, Score]:
    rules, profile, decided = POLICY["needs"], None, None
    for rule in rules["rules"]:
        if holds(rule["all_of"], one.to_dict()):
            profile, decided = rule["profile"], rule["name"]
            break
    else:
        if one[_NEEDS_INPUTS].notna().any():
            profile, decided = rules["otherwise"], "otherwise"
    return profile, Score("needs_score", {"profile": (100.0, decided, float(rules["scores"].get(profile, NAN)))})


def needs_scores(company: Company) -> pd.DataFrame:
    """What the account needs."""
    rows = []
    for account, one in live(company).iterrows():
        profile, score = _needs(one)
        rows.append(
            {
                "account_id": account,
                "needs_profile": profile,
                "needs_rule": score.parts["profile"][1],
                **score.columns(),
            }
        )
    return pd.DataFrame(rows)


_HEALTH = {
    "product": {"depth": "key_events_per_active_user", "adoption": "mau_seat_share", "reliability": "error_rate"},
    "relationship": {"engagement": None, "responsiveness": "responsiveness", "nps": "nps", "csat": "csat",
                     "sentiment": "sentiment"},
    "outcome": {"goals": "goals_met_share"},
    "financial": {"payments": "mean_days_late", "overdue": "overdue_days", "budget": "negative_weight_180d"},
}  # fmt: skip


def _health(one: pd.Series) -> tuple[dict[str, Score], Score, float, str | None]:
    """The four dimensions, their mean, the cap's points, and the weakest of them."""
    rules, dimensions = POLICY["health"], {}
    for dimension, inputs in _HEALTH.items():
        parts = {}
        for part, column in inputs.items():
            value = one[column] if column else one[["touches_90d", "meetings_90d"]].astype(float).sum(min_count=1)
            weight = rules[dimension].get("weights", {}).get(part, 100.0)
            parts[part] = (weight, value, scale(value, rules[dimension][part]))
        dimensions[dimension] = Score(f"{dimension}_health", parts)
    overall = Score("health_score", {d: (rules["weights"][d], s.score, s.score) for d, s in dimensions.items()})
    truth = {d: s.score for d, s in dimensions.items() if pd.notna(s.score)}
    if not truth:
        return dimensions, overall, NAN, None
    weakest = min(truth, key=lambda d: truth[d])
    cap = min(overall.score, truth[weakest] + rules["cap_above_weakest"]) - overall.score
    return dimensions, overall, cap, weakest


def health_scores(company: Company) -> pd.DataFrame:
    """The four healths and the overall one."""
    rows = []
    for account, one in live(company).iterrows():
        dimensions, overall, cap, weakest = _health(one)
        row = {"account_id": account, **overall.columns()}
        for score in dimensions.values():
            row |= score.columns()
        is_capped = None if weakest is None else round(cap, 9) < 0
        row |= {
            "health_score": overall.score + cap,
            "uncapped_health_score": overall.score,
            "cap_points": cap,
            "weakest_dimension": weakest,
            "is_capped": is_capped,
            "capped_by": weakest if is_capped else None,
        }
        rows.append(row)
    return pd.DataFrame(rows)


# Churn.


def windows(company: Company, count: int) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """The last so many windows of the horizon in full weeks, from Monday to Monday, the newest first."""
    as_of = pd.Timestamp(company.as_of)
    monday = as_of - as_of.dayofweek * _DAY
    length = POLICY["churn"]["horizon_days"] // 7 + (POLICY["churn"]["horizon_days"] % 7 > 0)
    return [(monday - 7 * length * k * _DAY, monday - 7 * length * (k - 1) * _DAY) for k in range(1, count + 1)]


def _left(company: Company, start: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    """Of the accounts that billing knows at the window's end: whether they left within the horizon."""
    later = company.published("account_revenue", end.date()).set_index("account_id")
    in_time = later["churned_on"] <= start + POLICY["churn"]["horizon_days"] * _DAY
    return ~later["is_live"].astype(bool) & in_time


def _evidence(company: Company, day: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The inputs and the points of the parts of the churn risk that come from facts."""
    rules, rows = POLICY["churn"], live(company, day)
    cohorts = company.published("behavioral_scores", day.date()).set_index("account_id")["behavioral_cohort"]
    raw = pd.DataFrame(
        {
            "cohort": cohorts.reindex(rows.index),
            "single_champion": rows["single_champion"],
            "overdue": rows["overdue_days"],
            "sentiment": rows["sentiment"],
            "renewal": rows["days_to_renewal"],
            "external_signals": rows["signal_weight_180d"],
        }
    )
    points = pd.DataFrame(
        {
            "cohort": raw["cohort"].map(rules["cohorts"]),
            "single_champion": (raw["single_champion"] == True) * rules["single_champion"],  # noqa: E712
            "overdue": (raw["overdue"] > rules["overdue"]["more_than_days"]) * rules["overdue"]["log_odds"],
            "sentiment": (raw["sentiment"] < rules["sentiment"]["below"]) * rules["sentiment"]["log_odds"],
            "renewal": (raw["renewal"] <= rules["renewal"]["within_days"]) * rules["renewal"]["log_odds"],
            "external_signals": raw["external_signals"] * rules["per_signal_weight"],
        }
    )
    return raw, points.astype(float).fillna(0.0)


def _hundredths(value: float) -> float:
    """To two digits, half away from zero."""
    return float(Decimal(float(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def churn_outcomes(company: Company) -> pd.DataFrame:
    """Accounts and leavers of the last year's windows, by points and rank."""
    parts = []
    for start, end in windows(company, POLICY["churn"]["base"]["windows"]):
        if start.date() not in company.days("account_profiles"):
            continue
        _, points = _evidence(company, start)
        rows = live(company, start)
        rank = mid_ranks(rows["arr"]) - 0.5
        points = points[rows["leaving_on"].isna()]  # that they leave is a fact
        left = _left(company, start, end)
        rows = pd.DataFrame(
            {"points": points.sum(axis=1).round(3), "size_rank": rank.map(_hundredths), "leavers": left},
            index=points.index,
        )
        parts.append(rows.dropna().assign(window_start=start, accounts=1))
    rows = pd.concat(parts).astype({"leavers": int})
    return rows.groupby(["window_start", "points", "size_rank"])[["accounts", "leavers"]].sum().reset_index()


def churn_bases(company: Company) -> pd.DataFrame:
    """The base and the effect of size under which predicted and observed leavers agree."""
    rules, rows = POLICY["churn"]["base"], company.published("churn_outcomes")
    accounts, leavers = int(rows["accounts"].sum()), int(rows["leavers"].sum())
    is_fitted = rules["min_leavers"] <= leavers < accounts
    base, size = (_fitted(rows, rules["size_spread"])) if is_fitted else (float(rules["fallback"]), 0.0)
    return pd.DataFrame(
        [
            {
                "base_log_odds": base,
                "size_log_odds": size,
                "is_fitted": is_fitted,
                "accounts": accounts,
                "leavers": leavers,
                "first_window_on": rows["window_start"].min(),
            }
        ]
    )


def _fitted(rows: pd.DataFrame, spread: float) -> tuple[float, float]:
    """The two log-odds at which the slope of the likelihood, with a normal prior of the size, is zero."""
    n, k, x, r = (rows[name].to_numpy(float) for name in ("accounts", "leavers", "points", "size_rank"))
    at = np.array([-3.0, 0.0])
    for _ in range(200):
        p = 1 / (1 + np.exp(-(at[0] + x + at[1] * r)))
        slope = np.array([(k - n * p).sum(), ((k - n * p) * r).sum() - at[1] / spread**2])
        w = n * p * (1 - p)
        bend = np.array([[w.sum(), (w * r).sum()], [(w * r).sum(), (w * r * r).sum() + 1 / spread**2]])
        at = at + np.clip(np.linalg.solve(bend, slope), -1, 1)
    return float(at[0]), float(at[1])


def _churn(company: Company) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Inputs and points of all parts of the churn risk."""
    from tests.oracle import churn  # noqa: PLC0415 - it reads this module

    raw, _ = _evidence(company, pd.Timestamp(company.as_of))
    rows, points, _ = churn.parts(company)
    profiles = live(company)
    leaving = pd.to_datetime(rows["leaving_on"]).map(lambda day: None if pd.isna(day) else str(day.date()))
    raw = raw.assign(
        base=points["base"],
        size=profiles["arr"],
        seat_activity=profiles["mau_seat_share"],
        usage_trend=profiles["users_trend_net"],
        leaving=leaving,
    )
    return raw, points


def churn_risk(company: Company) -> pd.DataFrame:
    """Probability of churn within the horizon, and within twelve months."""
    from tests.oracle import churn  # noqa: PLC0415 - it reads this module

    raw, points = _churn(company)
    later = churn.parts(company)[2]
    odds = points.sum(axis=1)
    model = churn.churn_model(company).iloc[0]
    facts = ["cohort", "single_champion", "overdue", "sentiment", "renewal", "external_signals"]
    is_unknown = raw[[name for name in facts if name != "renewal"]].isna().all(axis=1)
    named = [*facts, *(["seat_activity", "usage_trend"] if model["is_trained"] else [])]
    risk, stays = 1 / (1 + np.exp(-odds)), (1 - 1 / (1 + np.exp(-later))).prod(axis=1)
    return pd.DataFrame(
        {
            "churn_risk": risk.where(~is_unknown),
            "churn_risk_12m": (1 - (1 - risk) * stays).where(~is_unknown),
            "risk_rank": mid_ranks(odds.round(9)) * 100,
            "log_odds": odds,
            "is_trained": model["is_trained"],
            "is_fitted": model["is_fitted"],
            "inputs_missing": [", ".join(n for n in named if pd.isna(row[n])) for _, row in raw.iterrows()],
            **{f"{name}_points": points[name] for name in points},
        }
    ).reset_index()


def risk_calibration(company: Company) -> pd.DataFrame:
    """Predicted against observed leavers of past days, by decile of risk."""
    rows = []
    for start, end in windows(company, POLICY["churn"]["calibration"]["past_days"]):
        if start.date() not in company.days("churn_risk"):
            continue
        risk = company.published("churn_risk", start.date()).set_index("account_id")["churn_risk"].dropna()
        arr = company.published("account_revenue", start.date()).set_index("account_id")["arr"]
        decile = np.minimum(np.floor(mid_ranks(risk) * 10).astype(int) + 1, 10)
        every = pd.DataFrame(
            {"risk": risk, "arr": arr, "left": _left(company, start, end), "decile": decile}
        ).dropna()
        for number, group in every.groupby("decile"):
            left = group["left"].astype(bool)
            variance = (group["arr"] ** 2 * group["risk"] * (1 - group["risk"])).sum()
            rows.append(
                {
                    "past_day": start,
                    "decile": int(number),
                    "accounts": len(group),
                    "predicted_leavers": group["risk"].sum(),
                    "leavers": int(left.sum()),
                    "arr": money(group["arr"]),
                    "predicted_arr_lost": money(group["arr"] * group["risk"]),
                    "arr_lost": money(group["arr"][left]),
                    "arr_lost_deviation": cents(sqrt(variance)),
                }
            )
    return pd.DataFrame([row | _ratios(row) for row in rows])


def _ratios(row: dict) -> dict[str, float]:
    return {
        "ratio": over(row["predicted_leavers"], row["leavers"]),
        "arr_ratio": over(row["predicted_arr_lost"], row["arr_lost"]),
    }


def risk_calibration_summary(company: Company) -> pd.DataFrame:
    """The same over all past days, judged."""
    rules, rows = POLICY["churn"]["calibration"], company.published("risk_calibration")
    row = {
        "past_days": rows["past_day"].nunique(),
        "accounts": rows["accounts"].sum(),
        "predicted_leavers": rows["predicted_leavers"].sum(),
        "leavers": rows["leavers"].sum(),
        **{name: money(rows[name]) for name in ("arr", "predicted_arr_lost", "arr_lost")},
        "arr_lost_deviation": cents(sqrt((rows["arr_lost_deviation"] ** 2).sum())),
        "lowest_ratio": rules["lowest_ratio"],
        "highest_ratio": rules["highest_ratio"],
    }
    few = max(row["leavers"], row["predicted_leavers"]) < rules["min_leavers"]
    reason = "no_past_day" if rows.empty else "few_leavers" if few else None

    def is_out(said: float, was: float) -> bool:
        return not was * rules["lowest_ratio"] <= said <= was * rules["highest_ratio"]

    chance = rules["arr_deviations"] * row["arr_lost_deviation"]
    is_off = is_out(row["predicted_leavers"], row["leavers"]) or (
        is_out(row["predicted_arr_lost"], row["arr_lost"])
        and abs(row["predicted_arr_lost"] - row["arr_lost"]) > chance
    )
    return pd.DataFrame([row | _ratios(row) | {"reason": reason, "is_off": is_off if reason is None else None}])


# Expansion.


def expansion_scores(company: Company) -> pd.DataFrame:
    """Room to grow, and how likely it is to be used."""
    rules, rows = POLICY["expansion"], live(company)
    sizes = company.published("firmographic_scores").set_index("account_id")["size_class"]
    size, industry = sizes.reindex(rows.index), rows["industry"]
    narrow = industry + ", " + size
    each = (rows["arr"] / rows["employees"].where(rows["employees"] > 0)).astype(float)
    grew = rows["last_expansion_on"] > months_before(pd.Timestamp(company.as_of), 12)
    addressable = _addressable(rows)
    arr_score = mid_ranks(rows["arr"]) * 100
    result = []
    for account, one in rows.iterrows():
        others = rows.index != account

        def of(group: pd.Series, name: str | None, others: np.ndarray = others) -> pd.Index:
            return rows.index[others & (group == name)] if pd.notna(name) else rows.index[:0]

        peers, label = rows.index[others], "all"
        for members, name in (
            (of(narrow, narrow[account]), narrow[account]),
            (of(size, size[account]), size[account]),
        ):
            if each[members].notna().sum() >= rules["min_peers"]:
                peers, label = members, name
                break
        truth = sorted(each[peers].dropna())
        place = -(-len(truth) * rules["whitespace_percentile"] // 100)
        p75 = truth[int(place) - 1] if truth else NAN
        space = p75 * one["employees"] - one["arr"] if pd.notna(p75) and pd.notna(one["employees"]) else NAN
        space = max(cents(space), 0.0) if pd.notna(space) else NAN
        lookalike, base = grew[peers].mean() if len(peers) else NAN, grew[others].mean()
        trajectory = scale(known_mean(one["users_trend_net"], one["events_trend_net"]), rules["net_trend"])
        values = {
            "arr": (one["arr"], arr_score[account]),
            "trajectory": (trajectory, trajectory),
            "whitespace": (space, over(space, space + one["arr"]) * 100),
            "lookalike": (lookalike, lookalike * 100),
        }
        score = Score("expansion_score", {n: (rules["weights"][n], raw, v) for n, (raw, v) in values.items()})
        result.append(
            {
                "account_id": account,
                "captured_seats": one["seats"],
                "addressable_seats": addressable[account],
                "expansion_potential": 1 - over(one["seats"], addressable[account]),
                "peer_group": label,
                "peers": len(peers),
                "peers_with_employees": len(truth),
                "arr_per_employee_p75": p75,
                "whitespace": space,
                "lookalike": lookalike,
                "lookalike_base_rate": base,
                "lookalike_lift": over(lookalike, base),
                **{f"{name}_score": value for name, (_, value) in values.items()},
                **score.columns(),
            }
        )
    return pd.DataFrame(result)


def _addressable(rows: pd.DataFrame) -> pd.Series:
    shares = POLICY["addressable"]
    share = rows["industry"].str.lower().map(shares["share_by_industry"]).fillna(shares["default_share"])
    reachable = (rows["employees"] * share.astype(float)).astype(float)
    return np.maximum(reachable, rows["seats"].astype(float).fillna(0)).where(rows["employees"].notna())


# Lifetime and value.


def _anniversaries(start: pd.Timestamp, end: pd.Timestamp) -> int:
    return end.year - start.year - ((end.month, end.day) < (start.month, start.day))


def account_tenures(company: Company) -> pd.DataFrame:
    """Renewals of every account that ever paid."""
    as_of = pd.Timestamp(company.as_of)
    crm = company.raw("crm_accounts").set_index("account_id")
    rows = []
    for one in company.published("account_revenue").dropna(subset="first_paid_on").itertuples():
        due = _anniversaries(one.first_paid_on, as_of)
        left = None if pd.isna(one.churned_on) else _anniversaries(one.first_paid_on, one.churned_on - _DAY) + 1
        truth = one.account_id in crm.index
        size = size_class(*crm.loc[one.account_id, ["employees", "annual_revenue"]]) if truth else None
        rows.append(
            {
                "account_id": one.account_id,
                "cohort": size or "unknown",
                "first_paid_on": one.first_paid_on,
                "renewals_due": due,
                "left_in_year": left,
                "renewals_made": due if left is None or left > due else left - 1,
            }
        )
    return pd.DataFrame(rows)


def cohort_renewals(company: Company) -> pd.DataFrame:
    """Accounts at risk and churned by renewal year."""
    rows = []
    for cohort, group in account_tenures(company).groupby("cohort"):
        for year in range(group["renewals_due"].max() + 1):
            due = group[group["renewals_due"] >= year]
            left = due["left_in_year"]
            rows.append(
                {
                    "cohort": cohort,
                    "renewal_year": year,
                    "at_risk": int((left.isna() | (left >= year)).sum()),
                    "churned": int((left == year).sum()),
                }
            )
    return pd.DataFrame(rows)


def clv_parameters(company: Company) -> pd.DataFrame:
    """The retention curve of each size class."""
    rules, counts = POLICY["lifetime"], cohort_renewals(company)
    published = company.published("clv_parameters").set_index("cohort")
    renewed = counts[counts["renewal_year"] > 0]
    rows = []
    for cohort, group in counts.groupby("cohort"):
        of_cohort = group[group["renewal_year"] > 0]
        own, every = (over(c["churned"].sum(), c["at_risk"].sum()) for c in (of_cohort, renewed))
        years = int((of_cohort["at_risk"] > 0).sum())
        accounts = int(group["at_risk"].iloc[0])
        row = {
            "cohort": cohort,
            "accounts": accounts,
            "renewal_years": years,
            "renewals": int(of_cohort["at_risk"].sum() - of_cohort["churned"].sum()),
            "churned": int(of_cohort["churned"].sum()),
            "churn_rate": own,
            "alpha": NAN,
            "beta": NAN,
            "expected_years": NAN,
            "method": "sBG",
            "is_flagged": False,
        }
        later = of_cohort[of_cohort["renewal_year"] > 1]["churned"].sum()
        if accounts >= rules["min_accounts"] and years >= rules["min_renewals"] and later and row["renewals"]:
            alpha, beta = _shifted_beta_geometric(of_cohort)
            for name, value in (("alpha", alpha), ("beta", beta)):
                near = abs(published.loc[cohort, name] / value - 1) < 1e-5
                row[name] = published.loc[cohort, name] if near else value
        else:
            rate = own if pd.notna(own) else every if pd.notna(every) else 0.0
            v = 1 / (1 + rules["discount_rate"])
            payments = range(1, rules["longest_unfitted_years"] + 1)
            row["expected_years"] = sum((1 - rate) ** t * v ** (t - 1) for t in payments)
            row["method"] = "churn_rate" if pd.notna(own) else "company_churn_rate" if pd.notna(every) else "cap"
            row["is_flagged"] = True
        rows.append(row)
    return pd.DataFrame(rows)


def _shifted_beta_geometric(counts: pd.DataFrame) -> tuple[float, float]:
    """Maximum likelihood by Newton's method on the logarithms of alpha and beta, slopes by differences."""
    t = counts["renewal_year"].to_numpy(float) - 1
    lost = counts["churned"].to_numpy(float)
    kept = counts["at_risk"].to_numpy(float) - lost

    def slope(at: np.ndarray) -> np.ndarray:
        alpha, beta = np.exp(at)
        every = alpha + beta + t
        by_alpha = lost - alpha * (lost + kept) / every
        by_beta = beta * (kept / (beta + t) - (lost + kept) / every)
        return np.array([by_alpha.sum(), by_beta.sum()])

    at = np.array([log(0.5), log(2.0)])
    for _ in range(500):
        step = 1e-6
        bend = np.column_stack([(slope(at + d) - slope(at - d)) / (2 * step) for d in step * np.eye(2)])
        move = np.linalg.solve(bend - 1e-12 * np.eye(2), -slope(at))
        if np.linalg.eigvalsh((bend + bend.T) / 2).max() >= 0:  # not near the top yet: go uphill
            move = slope(at) / np.abs(slope(at)).max() * 0.1
        at = at + np.clip(move, -0.5, 0.5)
    return float(exp(at[0])), float(exp(at[1]))


def clv_lifetimes(company: Company) -> pd.DataFrame:
    """Expected further payments by size class and tenure: the sum over 2,000 years."""
    v = 1 / (1 + POLICY["lifetime"]["discount_rate"])
    counts = cohort_renewals(company)
    rows = []
    for one in company.published("clv_parameters").itertuples():
        for tenure in counts[counts["cohort"] == one.cohort]["renewal_year"]:
            years = one.expected_years
            if one.method == "sBG":
                t = tenure + np.arange(2000)
                survives = np.cumprod((one.beta + t) / (one.alpha + one.beta + t))
                years = (survives * v ** np.arange(2000)).sum()
            rows.append(
                {
                    "cohort": one.cohort,
                    "tenure_years": tenure,
                    "derl": years,
                    "method": one.method,
                    "is_flagged": one.is_flagged,
                }
            )
    return pd.DataFrame(rows)


def account_value(company: Company) -> pd.DataFrame:
    """What each account is worth a year and over its lifetime."""
    rules, rows = POLICY["value"], live(company)
    nrr = rows["nrr_12m"].clip(rules["nrr_floor"], rules["nrr_ceiling"])
    cost = rows["cost_to_serve"].fillna(rules["assumed_cost"])
    used = nrr.fillna(rules["assumed_nrr"]).astype(float)
    before = (rows["arr"] * used - cost).map(cents)
    share = rows["seats"].astype(float) / _addressable(rows).where(lambda seats: seats > 0)
    has_room = (
        (before > 0)
        & (share < rules["whitespace_below_captured_share"])
        & (rows["mau_seat_share"] >= rules["whitespace_min_seat_activity"])
    )
    premium = has_room.map({True: rules["whitespace_multiplier"], False: 1.0}).astype(float)
    tenures = company.published("account_tenures").set_index("account_id").reindex(rows.index)
    lifetimes = company.published("clv_lifetimes").set_index(["cohort", "tenure_years"])
    key = list(zip(tenures["cohort"], tenures["renewals_made"], strict=True))
    years = lifetimes.loc[key].set_index(rows.index)
    value = (before * premium).map(cents)
    clv = (rows["gross_margin"] * years["derl"]).map(lambda one: NAN if pd.isna(one) else cents(one))
    parts = rows[["support_cost_12m", "csm_cost_12m", "custom_development_cost_12m"]]
    return pd.DataFrame(
        {
            "arr": rows["arr"],
            "nrr_used": used,
            "nrr_is_assumed": rows["nrr_12m"].isna(),
            "cost_used": cost,
            "cost_is_assumed": parts.isna().any(axis=1),
            "value_before_multiplier": before,
            "captured_share": share,
            "whitespace_multiplier": premium,
            "value": value,
            "value_percentile": mid_ranks(value) * 100,
            "gross_margin": rows["gross_margin"],
            "clv": clv,
            "clv_method": years["method"],
            "clv_is_flagged": years["is_flagged"],
            "clv_percentile": mid_ranks(clv) * 100,
        }
    ).reset_index()


def freeze_day(company: Company) -> pd.Timestamp:
    """The last day of the previous quarter."""
    return (pd.Timestamp(company.as_of).to_period("Q") - 1).end_time.normalize()


def value_scores(company: Company) -> pd.DataFrame:
    """Value tiers by the quarter's cut-offs."""
    rules, rows = POLICY["value_tier"], company.published("account_value").set_index("account_id")
    frozen_on = freeze_day(company)
    then = company.published("account_value", frozen_on.date())
    cuts, reached = {}, 1.0
    for name in ("platinum", "gold", "silver"):
        reached -= rules[f"{name}_share"]
        cuts[name] = then[then["value_percentile"] >= reached * 100 - 1e-9]["value"].min()

    def tier(value: float) -> str:
        return next((name.title() for name, cut in cuts.items() if value >= cut), "Bronze")

    return pd.DataFrame(
        {
            "value": rows["value"],
            "value_score": mid_ranks(rows["value"]) * 100,
            "value_tier": rows["value"].map(tier),
            **{f"cut_{name}": cut for name, cut in cuts.items()},
            "frozen_on": frozen_on,
            "clv": rows["clv"],
            "clv_percentile": rows["clv_percentile"],
            "gross_margin": rows["gross_margin"],
        }
    ).reset_index()


# The whole, and the parts of all.

_FIVE = ("firmographic", "technographic", "behavioral", "value", "needs")


def _composites(company: Company) -> dict[str, Score]:
    weights, ids = POLICY["composite"]["weights"], live(company).index
    scores = {
        name: company.published(f"{name}_scores").set_index("account_id")[f"{name}_score"].reindex(ids)
        for name in _FIVE
    }
    return {
        account: Score("composite_score", {n: (weights[n], scores[n][account], scores[n][account]) for n in _FIVE})
        for account in ids
    }


def composite_scores(company: Company) -> pd.DataFrame:
    """The weighted mean of the five dimensions."""
    weights, rows = POLICY["composite"]["weights"], []
    for account, score in _composites(company).items():
        rows.append(
            {
                "account_id": account,
                "dimensions_used": ", ".join(score.shares),
                "data_completeness": sum(weights[name] for name in score.shares) / sum(weights.values()),
                **{f"{name}_weight": score.shares.get(name, NAN) for name in _FIVE},
                **score.columns(),
            }
        )
    return pd.DataFrame(rows)


def score_contributions(company: Company) -> pd.DataFrame:
    """Every score's parts as rows."""
    rows: list[dict] = []
    expansion = company.published("expansion_scores").set_index("account_id")
    worth = company.published("account_value").set_index("account_id")
    raw_churn, churn = _churn(company)
    composites = _composites(company)
    for account, one in live(company).iterrows():
        dimensions, overall, cap, weakest = _health(one)
        room = expansion.loc[account]
        raw = {"arr": one["arr"], "trajectory": room["trajectory_score"], "whitespace": room["whitespace"],
               "lookalike": room["lookalike"]}  # fmt: skip
        expands = Score(
            "expansion_score",
            {n: (POLICY["expansion"]["weights"][n], v, room[f"{n}_score"]) for n, v in raw.items()},
        )
        scores = (
            _firmographic(one), _technographic(one), _behavioral(one), _needs(one)[1], *dimensions.values(), overall,
            expands, composites[account],
        )  # fmt: skip
        for score in scores:
            rows += score.rows(account)
        if pd.notna(cap):
            rows.append(contribution(account, "health_score", "cap", weakest, None, cap))
        for part in churn:
            raw_value, points = raw_churn.loc[account, part], churn.loc[account, part]
            rows.append(contribution(account, "churn_risk", part, raw_value, None, points))
        value = worth.loc[account]
        before, cost = value["value_before_multiplier"], value["cost_used"]
        for part, raw_value, points in (
            ("arr", value["arr"], value["arr"]),
            ("nrr", value["nrr_used"], before + cost - value["arr"]),
            ("cost_to_serve", cost, -cost),
            ("whitespace_multiplier", value["whitespace_multiplier"], value["value"] - before),
        ):
            rows.append(contribution(account, "value", part, raw_value, None, points))
        rows.append(contribution(account, "value_score", "mid_rank", value["value"], None, value["value_percentile"]))
    return pd.DataFrame(rows)
