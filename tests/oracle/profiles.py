"""Account profiles but for usage and revenue, in plain pandas over the raw extracts. Not here: scores.

The wide table takes its parts as published: each part has its own oracle.
"""

from __future__ import annotations

import pandas as pd

from tests.oracle.kpis import tops
from tests.oracle.raw import POLICY, Company
from tests.oracle.retention import NAN, over
from tests.oracle.revenue import cents, months_before

_DAY = pd.Timedelta(days=1)


def _ids(company: Company) -> pd.Index:
    """Accounts known on the day: those that survive mergers."""
    return pd.Index(sorted(set(company.survivors().values())), name="account_id")


def _recent(rows: pd.DataFrame, column: str, company: Company, days: int | None = None) -> pd.DataFrame:
    """Rows dated in the last so many days up to as_of; None: in the last twelve months."""
    as_of = pd.Timestamp(company.as_of)
    since = months_before(as_of, 12) if days is None else as_of - days * _DAY
    dated = rows[column].dt.normalize()
    return rows[(dated > since) & (dated <= as_of)]


def _counts(rows: pd.DataFrame, ids: pd.Index) -> pd.Series:
    return rows.groupby("account_id").size().reindex(ids).fillna(0)


def _sums(rows: pd.DataFrame, column: str, ids: pd.Index) -> pd.Series:
    return rows.groupby("account_id")[column].sum().reindex(ids).fillna(0)


def _means(rows: pd.DataFrame, column: str, ids: pd.Index) -> pd.Series:
    return rows.groupby("account_id")[column].mean().reindex(ids)


def account_hierarchy(company: Company) -> pd.DataFrame:
    """Mergers and parents as known on the day, and the tops of twelve months before."""
    crm, into = company.raw("crm_accounts").set_index("account_id"), company.survivors()
    parents = {}
    for account, parent in crm["parent_account_id"].items():
        if parent in into and into[parent] != into[account]:
            parents[account] = into[parent]
    ids = pd.Index(sorted(into))
    now = tops(company, pd.Timestamp(company.as_of), ids)
    before_day = months_before(pd.Timestamp(company.as_of), 12)
    known_then = company.survivors(before_day.date())
    before = tops(company, before_day, pd.Index([a for a in ids if a in known_then]))
    return pd.DataFrame(
        [
            {
                "account_id": account,
                "surviving_account_id": into[account],
                "parent_account_id": parents.get(account),
                "top_account_id": now[account],
                "top_account_id_12m_ago": into[before[account]] if account in before.index else None,
            }
            for account in ids
        ]
    )


def account_support(company: Company) -> pd.DataFrame:
    """Tickets, self-service and satisfaction of each account."""
    rules, ids, as_of = POLICY["support"], _ids(company), pd.Timestamp(company.as_of)
    tickets = company.counted("support_tickets")
    tickets = tickets[tickets["opened_at"] < as_of + _DAY]
    answered, resolved = (
        tickets[name].where(tickets[name] < as_of + _DAY) for name in ("first_response_at", "resolved_at")
    )
    tickets = tickets.assign(
        hours=(answered - tickets["opened_at"]).dt.total_seconds() / 3600,
        settled=resolved.fillna(tickets["opened_at"]),
        is_open=tickets["is_escalated"].fillna(False).astype(bool) & resolved.isna(),
    )
    window = _recent(tickets, "opened_at", company, rules["window_days"])
    settled = _recent(tickets, "settled", company, rules["window_days"])
    used = _recent(company.counted("self_service_sessions"), "used_on", company, rules["window_days"])
    seats = company.published("account_revenue").set_index("account_id")["seats"].reindex(ids)
    opened, sessions = _counts(window, ids), _sums(used, "sessions", ids)
    return pd.DataFrame(
        {
            "tickets_28d": _counts(_recent(tickets, "opened_at", company, rules["recent_days"]), ids),
            "tickets_90d": opened,
            "tickets_12m": _counts(_recent(tickets, "opened_at", company), ids),
            "tickets_per_100_seats": opened * 100 / seats.where(seats > 0),
            "first_response_hours": _means(window, "hours", ids),
            "handling_hours_12m": _sums(_recent(tickets, "settled", company), "handling_hours", ids),
            "self_service_sessions_90d": sessions,
            "self_service_ratio": sessions / (sessions + opened).where(sessions + opened > 0),
            "csat": _means(settled, "csat", ids),
            "sentiment": _means(window, "sentiment", ids),
            "open_escalations": _counts(tickets[tickets["is_open"]], ids),
        }
    ).reset_index()


def account_engagement(company: Company) -> pd.DataFrame:
    """Touches, meetings, answers of each account."""
    rules, ids, as_of = POLICY["engagement"], _ids(company), pd.Timestamp(company.as_of)
    days = rules["window_days"]
    every_touch, every_talk = company.counted("marketing_engagement"), company.counted("interactions")
    touches, talks = (
        _recent(every_touch, "engaged_on", company, days),
        _recent(every_talk, "occurred_on", company, days),
    )
    community = touches[touches["channel"].isin(rules["community_channels"])]
    digital = touches[touches["channel"].isin(rules["digital_channels"])]
    meetings = _counts(talks[talks["kind"].isin(rules["meeting_kinds"])], ids)
    all_touches = _sums(touches, "touches", ids)
    whole = all_touches + meetings
    surveys = company.counted("surveys")
    surveys = surveys.assign(answered_on=surveys["answered_on"].where(surveys["answered_on"] <= as_of))
    sent = _recent(surveys, "sent_on", company)
    scores = _recent(surveys[(surveys["kind"] == "nps") & surveys["score"].notna()], "answered_on", company)
    nps = scores.assign(
        points=(scores["score"] >= rules["promoter_from"]).astype(float) - (scores["score"] <= rules["detractor_to"])
    )
    ours = talks[talks["initiated_by"].isin(rules["our_initiators"])]
    wait = (ours["replied_on"].where(ours["replied_on"] <= as_of) - ours["occurred_on"]).dt.days
    is_over = (as_of - ours["occurred_on"]).dt.days >= rules["answer_days"]
    settled = ours.assign(answered=(wait <= rules["answer_days"]).astype(float))[is_over | wait.notna()]
    last = pd.concat(
        [
            every_touch[["account_id", "engaged_on"]].rename(columns={"engaged_on": "day"}),
            every_talk[["account_id", "occurred_on"]].rename(columns={"occurred_on": "day"}),
        ]
    )
    last = last[last["day"] <= as_of].groupby("account_id")["day"].max().reindex(ids)
    share = _sums(digital, "touches", ids) / whole.where(whole > 0)
    answered = sent.groupby("account_id")["answered_on"].count() / sent.groupby("account_id").size()
    return pd.DataFrame(
        {
            "touches_90d": all_touches,
            "community_touches_90d": _sums(community, "touches", ids),
            "meetings_90d": meetings,
            "digital_first": (share >= rules["digital_first_share"]).where(share.notna(), None),
            "survey_response_rate": answered.reindex(ids),
            "nps": _means(nps, "points", ids) * 100,
            "responsiveness": _means(settled, "answered", ids),
            "days_since_last_touch": (as_of - last).dt.days,
        }
    ).reset_index()


def account_outcomes(company: Company) -> pd.DataFrame:
    """Goals of each account."""
    ids, as_of = _ids(company), pd.Timestamp(company.as_of)
    goals = company.counted("success_goals")
    goals = goals.assign(met_on=goals["met_on"].where(goals["met_on"] <= as_of))
    since = goals["set_on"].fillna(goals["due_on"]).fillna(goals["met_on"])
    goals = goals[since <= as_of]
    is_due, is_met = goals["due_on"] <= as_of, goals["met_on"].notna()
    met, due_or_met = _counts(goals[is_met], ids), _counts(goals[is_due | is_met], ids)
    return pd.DataFrame(
        {
            "goals_set": _counts(goals, ids),
            "goals_due": _counts(goals[is_due], ids),
            "goals_met": met,
            "goals_met_late": _counts(goals[is_met & (goals["met_on"] > goals["due_on"])], ids),
            "goals_met_share": met / due_or_met.where(due_or_met > 0),
        }
    ).reset_index()


def account_technology(company: Company) -> pd.DataFrame:
    """Tools of each account."""
    rules, ids, as_of = POLICY["technology"], _ids(company), pd.Timestamp(company.as_of)
    tools = company.counted("technology_installs")
    tools = tools.assign(last_seen=tools["last_seen"].where(tools["last_seen"] <= as_of))

    def in_place(day: pd.Timestamp) -> pd.DataFrame:
        rows = tools[(tools["first_seen"] <= day) & (tools["last_seen"].isna() | (tools["last_seen"] > day))]
        return rows.sort_values("first_seen").drop_duplicates(["account_id", "tool"], keep="last")

    now, before = in_place(as_of), in_place(months_before(as_of, 12))
    count = _counts(now, ids)
    of = {name: _counts(now[now["relation"] == name], ids) for name in ("complementary", "competitor", "legacy")}
    reaches_back = tools["first_seen"].min() <= months_before(as_of, 12)
    change = count - _counts(before, ids) if reaches_back else pd.Series(NAN, ids)
    gone = tools[(tools["relation"] == "competitor") & (tools["first_seen"] <= as_of)]
    gone = gone[gone["last_seen"] > as_of - rules["displaced_days"] * _DAY]
    still = set(zip(now["account_id"], now["tool"], strict=True))
    displaced = {row.account_id for row in gone.itertuples() if (row.account_id, row.tool) not in still}
    kind = change.map(
        lambda one: (
            None
            if pd.isna(one)
            else "consolidating"
            if one <= rules["consolidating_at"]
            else "expanding"
            if one >= rules["expanding_at"]
            else "steady"
        )
    )
    share = (of["complementary"] / count.where(count > 0)).fillna(0.0)
    return pd.DataFrame(
        {
            "tools": count,
            **{f"{name}_tools": counted for name, counted in of.items()},
            "net_tools_change_12m": change,
            "consolidation": kind,
            "sophistication": rules["tools_weight"] * (count / rules["full_tools"]).clip(upper=1)
            + rules["complementary_weight"] * share,
            "competitor_displaced_90d": pd.Series(ids.isin(displaced), ids),
        }
    ).reset_index()


def account_signals(company: Company) -> pd.DataFrame:
    """External signals of each account."""
    ids = _ids(company)
    rows = _recent(company.counted("external_signals"), "observed_on", company, POLICY["signals"]["window_days"])
    return pd.DataFrame(
        {
            "signals_180d": _counts(rows, ids),
            "signal_weight_180d": _sums(rows, "weight", ids),
            "negative_weight_180d": _sums(rows[rows["weight"] < 0], "weight", ids),
        }
    ).reset_index()


def account_costs(company: Company) -> pd.DataFrame:
    """What each account costs to serve."""
    rules, ids = POLICY["costs"], _ids(company)
    revenue = company.published("account_revenue").set_index("account_id").reindex(ids)
    support = account_support(company).set_index("account_id")["handling_hours_12m"] * rules["support_hourly_rate"]
    hours = _recent(company.counted("csm_time_entries").dropna(subset="account_id"), "worked_on", company)
    hours = hours.assign(cost=hours["hours"] * _hourly_costs(company, hours))
    work = _recent(company.counted("custom_development"), "worked_on", company)
    custom = _sums(work, "hours", ids) * rules["custom_development_hourly_rate"]
    csm = _sums(hours, "cost", ids)
    year = rules["annualise_below_days"]
    tenure = revenue["tenure_days"]
    factor = (year / tenure.clip(lower=rules["annualise_min_days"])).where(tenure < year, 1.0)
    to_serve = (support + csm + custom) * factor
    arr = revenue["arr"].astype(float)
    in_margin = (support + custom + (csm if rules["csm_is_cost_of_revenue"] else 0.0)) * factor
    return pd.DataFrame(
        {
            "support_cost_12m": support,
            "csm_hours_12m": _sums(hours, "hours", ids),
            "csm_cost_12m": csm,
            "custom_development_cost_12m": custom,
            "cost_to_serve": to_serve,
            "cost_share_of_arr": to_serve / arr.where(arr > 0),
            "gross_margin": arr * (1 - rules["hosting_share"]) - in_margin,
        }
    ).reset_index()


def _hourly_costs(company: Company, hours: pd.DataFrame) -> pd.Series:
    """The hourly cost of each entry's CSM, as the roster of the day worked has it."""
    days = sorted(company.drop_days("csm_roster").unique())
    costs = {day: company.raw("csm_roster", day.date()).set_index("csm_id")["hourly_cost"] for day in days}

    def cost(csm: str, day: pd.Timestamp) -> float:
        facts = [drop for drop in days if drop <= day] or days[:1]
        result = costs[facts[-1]].get(csm, NAN)
        return POLICY["costs"]["csm_hourly_rate"] if pd.isna(result) else result

    return pd.Series([cost(c, d) for c, d in zip(hours["csm_id"], hours["worked_on"], strict=True)], hours.index)


_CRM = (
    "account_name", "account_executive", "csm_id", "executive_sponsor", "industry", "sub_industry", "country",
    "business_model", "funding_stage", "employees", "annual_revenue", "primary_use_case", "maturity",
    "decision_process", "integration_need", "buying_cycle_days", "is_reference", "has_strategic_influence",
)  # fmt: skip
_DIMENSIONS = {  # of which at least one figure is known
    "firmographic": ["industry", "employees", "annual_revenue"],
    "usage": ["mau"],
    "features": ["feature_breadth_share", "key_events_per_active_user", "ladder_level"],
    "invoices": ["mean_days_late", "overdue_days", "invoices_late_12m"],
    "support": ["tickets_12m", "self_service_sessions_90d"],
    "engagement": ["touches_90d", "meetings_90d", "survey_response_rate"],
    "outcomes": ["goals_set"],
    "technology": ["tools"],
    "signals": ["signals_180d"],
    "costs": ["cost_to_serve"],
}


def account_profiles(company: Company) -> pd.DataFrame:
    """All that is known of each account that is live or left lately."""
    as_of, rules = pd.Timestamp(company.as_of), POLICY["lifecycle"]
    revenue = company.published("account_revenue")
    is_kept = revenue["churned_on"] > as_of - rules["churned_kept_days"] * _DAY
    rows = revenue[revenue["is_live"] | is_kept]
    crm = company.raw("crm_accounts")[["account_id", *_CRM]]
    rows = rows.merge(crm, "left", "account_id")
    hierarchy = account_hierarchy(company)[["account_id", "parent_account_id", "top_account_id"]]
    rows = rows.merge(hierarchy, "left", "account_id")
    rows = rows.drop(columns="policy_hash")
    for part in ("usage", "support", "engagement", "outcomes", "technology", "signals", "costs"):
        figures = company.published(f"account_{part}").drop(columns="policy_hash")
        rows = rows.merge(figures, "left", "account_id")
    first_drop = company.first_drop("crm_accounts")
    rows = rows.assign(
        lifecycle_stage=rows.apply(_stage, axis=1),
        is_backcast=as_of < first_drop,
        **_group_figures(company, revenue, rows),
    )
    present = [
        [name for name, columns in _DIMENSIONS.items() if row[columns].notna().any()] for _, row in rows.iterrows()
    ]
    rows["dimensions_present"] = [", ".join(names) for names in present]
    rows["data_completeness"] = [len(names) / len(_DIMENSIONS) for names in present]
    return rows


def _stage(row: pd.Series) -> str:
    rules = POLICY["lifecycle"]
    if pd.notna(row["paused_on"]) and row["arr"] == 0:
        return "paused"
    if not row["is_live"]:
        return "churned"
    if row["tenure_days"] < rules["onboarding_days"]:
        return "onboarding"
    if row["tenure_days"] < rules["adopting_days"]:
        return "adopting"
    return "renewing" if row["days_to_renewal"] <= rules["renewing_days"] else "established"


def _group_figures(company: Company, revenue: pd.DataFrame, rows: pd.DataFrame) -> dict[str, list]:
    """ARR and live accounts of the whole group of today, and retention of the group of twelve months before."""
    every = account_hierarchy(company).set_index("account_id")
    top, top_then = (revenue["account_id"].map(every[name]) for name in ("top_account_id", "top_account_id_12m_ago"))
    arr, live = revenue["arr"].groupby(top).sum(), revenue["is_live"].groupby(top).sum()
    then = revenue[revenue["arr_12m_ago"] > 0]
    start = then["arr_12m_ago"].groupby(top_then).sum()
    end = then["arr_at_rate_12m_ago"].groupby(top_then).sum()
    tops_now = rows["account_id"].map(every["top_account_id"])
    return {
        "parent_arr": [cents(arr[one]) for one in tops_now],
        "parent_accounts": [live[one] for one in tops_now],
        "parent_nrr_12m": [over(end.get(one), start.get(one)) for one in tops_now],
    }
