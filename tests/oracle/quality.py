"""How complete, fresh and clean the extracts are, in plain pandas over the raw files. Not here: other KPIs."""

from __future__ import annotations

from datetime import date

import pandas as pd

from tests.oracle.raw import NATURAL_KEYS, POLICY, Company, with_dates
from tests.oracle.retention import NAN, over

_RULES = POLICY["data_quality"]
_LOOK_BACK = pd.Timedelta(days=2 * POLICY["usage"]["window_days"] + POLICY["usage"]["max_lag_days"])
# What each extract must have, and the column that says when a row happened.
_COLUMNS = {
    "crm_accounts": (["account_id"], None),
    "product_features": (["feature"], None),
    "product_users": (["user_id", "account_id"], "created_on"),
    "fx_rates": (["currency", "valid_from", "rate"], "valid_from"),
    "csm_roster": (["csm_id"], None),
    "billing_subscriptions": (["subscription_id", "start_date", "account_id", "mrr", "currency"], "start_date"),
    "billing_invoices": (["invoice_id", "account_id", "issued_on", "amount", "currency"], "issued_on"),
    "support_tickets": (["ticket_id", "account_id", "opened_at"], "opened_at"),
    "self_service_sessions": (["account_id", "used_on", "channel", "sessions"], "used_on"),
    "marketing_engagement": (["account_id", "engaged_on", "channel", "touches"], "engaged_on"),
    "interactions": (["interaction_id", "account_id", "occurred_on", "kind"], "occurred_on"),
    "surveys": (["response_id", "account_id", "sent_on", "kind"], "sent_on"),
    "technology_installs": (["account_id", "tool", "first_seen"], "first_seen"),
    "external_signals": (["signal_id", "account_id", "signal", "observed_on"], "observed_on"),
    "success_goals": (["account_id", "goal"], "set_on"),
    "opportunities": (["opportunity_id", "account_id", "kind", "stage", "created_on"], "created_on"),
    "csm_time_entries": (["entry_id", "csm_id", "worked_on", "hours"], "worked_on"),
    "custom_development": (["account_id", "worked_on", "ticket", "hours"], "worked_on"),
    "gtm_spend": (["month", "motion", "amount", "currency"], "month"),
    "leads": (["lead_id"], "created_on"),
    "product_usage": (["usage_date", "account_id", "event_count"], "usage_date"),
}
_REPEATED_IN_FULL = ("crm_accounts", "product_features", "product_users", "csm_roster", "billing_subscriptions")
"""Lists whose newest row says nothing about how fresh they are."""


def data_quality(company: Company) -> pd.DataFrame:
    """One row per extract."""
    return pd.DataFrame([_extract(company, name, *columns) for name, columns in _COLUMNS.items()])


def data_quality_columns(company: Company) -> pd.DataFrame:
    """One row per extract and column that may be empty."""
    cells = []
    for name, (required, dated) in _COLUMNS.items():
        rows = _dated(company, _known_rows(company, name), dated)
        for column in rows.columns.difference(required):
            missing = int(rows[column].isna().sum())
            cells.append(
                {
                    "extract": name,
                    "column_name": column,
                    "row_count": len(rows),
                    "missing_rows": missing,
                    "missing_share": over(missing, len(rows)),
                    "null_is_a_fact": column in _RULES["null_has_a_meaning"].get(name, []),
                }
            )
    return pd.DataFrame(cells)


def account_data_quality(company: Company) -> pd.DataFrame:
    """One row per live account."""
    profiles = company.published("account_profiles")
    profiles = profiles[profiles["is_live"]]
    crm = company.raw("crm_accounts").set_index("account_id")
    optional = crm.columns.difference(_RULES["null_has_a_meaning"]["crm_accounts"])
    share = crm[optional].notna().mean(axis=1).reindex(profiles["account_id"]).fillna(0.0).to_numpy()
    whole = (share + profiles["data_completeness"]) / 2
    oldest, lag = _RULES["max_age_days"]["product_usage"], profiles["usage_lag_days"].astype(float)
    fresh = (oldest / lag * 100).where(lag > oldest, 100.0).where(lag.notna())
    weights = _RULES["completeness_weight"], _RULES["freshness_weight"]
    both = (whole * 100 * weights[0] + fresh * weights[1]) / sum(weights)
    return profiles[["account_id", "usage_lag_days", "is_backcast"]].assign(
        crm_completeness=share,
        dimension_completeness=profiles["data_completeness"],
        completeness=whole,
        completeness_score=whole * 100,
        freshness_score=fresh,
        quality_score=both.fillna(whole * 100),
    )


def _known_rows(company: Company, name: str) -> pd.DataFrame:
    return _usage(company, pd.Timestamp(company.as_of))[1] if name == "product_usage" else company.raw(name)


def _dated(company: Company, rows: pd.DataFrame, dated: str | None) -> pd.DataFrame:
    """Rows dated by as_of; one without a date counts."""
    end = pd.Timestamp(company.as_of) + pd.Timedelta(days=1)
    return rows[rows[dated].isna() | (rows[dated] < end)] if dated else rows


def _extract(company: Company, name: str, required: list[str], dated: str | None) -> dict[str, object]:
    as_of, newest = pd.Timestamp(company.as_of), pd.NaT
    if name == "product_usage":
        everything, rows = _usage(company, as_of)
        landed = len(rows)
        refused = len(everything) - len(rows)
    else:
        everything, rows = with_dates(company.files(name)), company.raw(name)
        good = company.sound_rows(name, everything) if name in NATURAL_KEYS else rows
        landed, refused = len(good), len(everything) - len(good)
        if name in NATURAL_KEYS:  # a row that a newer drop repeats as it is counts once
            changes = pd.concat([_changes(group) for _, group in good.groupby(NATURAL_KEYS[name])])
            landed, newest = len(changes), company.drop_days(name)[changes.index].max()
        if name == "crm_accounts":  # one row refused in drop after drop is one
            refused = everything[~everything.index.isin(good.index)]["account_id"].nunique()
    rows = _dated(company, rows, dated)
    meant = _RULES["null_has_a_meaning"].get(name, [])
    optional = [column for column in rows.columns if column not in required and column not in meant]
    filled = rows[optional].notna().to_numpy().mean() if len(rows) and optional else NAN
    if dated and name not in _REPEATED_IN_FULL:
        newest = rows[dated].max().normalize()
    age, oldest = (as_of - newest).days, _RULES["max_age_days"].get(name, _RULES["default_max_age_days"])
    share = refused / (landed + refused)
    scores = {
        "completeness": filled * 100,
        "freshness": NAN if pd.isna(newest) else 100.0 if age <= oldest else oldest / age * 100,
        "validity": (1 - min(share / _RULES["worst_quarantined_share"], 1)) * 100,
    }
    facts = {one: score for one, score in scores.items() if pd.notna(score)}
    weight = {one: _RULES[f"{one}_weight"] for one in facts}
    return {
        "extract": name,
        "row_count": len(rows),
        "completeness": filled,
        "newest_on": newest,
        "age_days": age,
        "max_age_days": oldest,
        "is_stale": None if pd.isna(newest) else age > oldest,
        "quarantined_rows": refused,
        "landed_rows": landed,
        "quarantined_share": share,
        **{f"{one}_score": score for one, score in scores.items()},
        "quality_score": sum(facts[one] * weight[one] for one in facts) / sum(weight.values()),
        "reason": "undated" if pd.isna(newest) else None,
    }


def _changes(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one key, oldest drop first, that say something else than the one before."""
    before = rows.shift()
    is_same = (rows == before) | (rows.isna() & before.isna())
    is_same.iloc[0] = False
    return rows[~is_same.all(axis=1)]


def _usage(company: Company, as_of: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The usage rows of the look-back: all, and the sound ones."""
    files = [file for file in (company.sample / "product_usage").glob("*.parquet")
             if as_of - _LOOK_BACK < pd.Timestamp(date.fromisoformat(file.stem)) <= as_of]  # fmt: skip
    rows = with_dates(pd.concat([pd.read_parquet(file) for file in files]))
    good = rows[rows["user_id"].isin(company.raw("product_users")["user_id"])]
    return rows, good.drop_duplicates(["user_id", "usage_date", "feature"])
