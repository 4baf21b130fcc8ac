"""Parts of all scores, from the same profiles that the scores are made of."""

from datetime import date, timedelta
from random import Random

import pytest

from segmentation_assets.tables.as_of import freeze_day
from tests.companies import Company
from tests.scores.models import the_rule

AS_OF = date(2026, 3, 31)
# Score in the table of contributions -> its table and column.
SCORES = {
    "firmographic_score": ("firmographic_scores", "firmographic_score"),
    "technographic_score": ("technographic_scores", "technographic_score"),
    "behavioral_score": ("behavioral_scores", "behavioral_score"),
    "value": ("account_value", "value"),
    "value_score": ("value_scores", "value_score"),
    "expansion_score": ("expansion_scores", "expansion_score"),
    "needs_score": ("needs_scores", "needs_score"),
    "product_health": ("health_scores", "product_health"),
    "relationship_health": ("health_scores", "relationship_health"),
    "outcome_health": ("health_scores", "outcome_health"),
    "financial_health": ("health_scores", "financial_health"),
    "health_score": ("health_scores", "health_score"),
    "churn_risk": ("churn_risk", "log_odds"),
    "composite_score": ("composite_scores", "composite_score"),
}
FULL = {
    "arr": 50_000.0,
    "nrr_12m": 1.2,
    "cost_to_serve": 8_000.0,
    "gross_margin": 37_000.0,
    "seats": 40,
    "employees": 900,
    "annual_revenue": 8e7,
    "industry": "software",
    "region": "EMEA",
    "business_model": "b2b",
    "funding_stage": "public",
    "buying_cycle_days": 60,
    "products": 2,
    "primary_use_case": "analytics",
    "integration_need": "integrated",
    "lifecycle_stage": "established",
    "mau_seat_share": 0.55,
    "mau": 22,
    "active_users_28d": 22,
    "events_28d": 900,
    "active_users_prior_28d": 20,
    "users_trend_net": 0.1,
    "events_trend_net": 0.2,
    "minutes_trend_net": 0.1,
    "key_events_per_active_user": 30.0,
    "feature_breadth_share": 0.5,
    "department_breadth_share": 0.5,
    "departments_active": 3,
    "features_used": 6,
    "consistency": 0.8,
    "self_service_ratio": 0.5,
    "touches_90d": 4,
    "meetings_90d": 1,
    "error_rate": 0.03,
    "responsiveness": 0.7,
    "nps": 20.0,
    "csat": 4.0,
    "sentiment": -0.4,
    "goals_due": 2,
    "goals_met": 1,
    "goals_met_share": 0.5,
    "mean_days_late": 5.0,
    "overdue_days": 45,
    "negative_weight_180d": -0.2,
    "signal_weight_180d": 0.1,
    "single_champion": True,
    "days_to_renewal": 60,
    "tools": 8,
    "complementary_tools": 3,
    "competitor_tools": 1,
    "legacy_tools": 1,
    "consolidation": "consolidating",
    "sophistication": 0.6,
    "last_expansion_on": date(2025, 9, 1),
}


def company_of(profiles, days=(AS_OF,)):
    """A company with these profiles; all score tables are made of them."""
    rows = [{"is_live": True, "as_of": days[0]} | p for p in profiles]
    keys = {(row["as_of"], row["account_id"]) for row in rows}
    tenures = [{"as_of": d, "account_id": a, "cohort": "smb", "renewals_made": 1} for d, a in keys]
    lifetimes = [
        {"as_of": d, "cohort": "smb", "tenure_years": 1, "derl": 4.0, "method": "sBG", "is_flagged": False}
        for d in {row["as_of"] for row in rows}
    ]
    model = the_rule(*days, base=-4.5, size=-0.8)
    return Company(account_profiles=rows, account_tenures=tenures, clv_lifetimes=lifetimes, churn_model=model)


def parts_and_sums(profiles, days=(AS_OF,)):
    """The contributions. Every score that is known is the sum of its parts, and no other score has parts."""
    names = [*dict.fromkeys(table for table, _ in SCORES.values()), "score_contributions"]
    frame = company_of(profiles, days).tables(names, days)
    long = frame["score_contributions"]
    assert not long.duplicated(["as_of", "account_id", "score", "part"]).any()
    assert set(long.score) <= set(SCORES)
    sums = long.groupby(["score", "account_id"]).points.sum()
    for score, (table, column) in SCORES.items():
        of_days = frame[table][frame[table].as_of.astype(str).isin(set(map(str, days)))]
        facts = of_days.set_index("account_id")[column].dropna().sort_index()
        result = sums[score] if score in sums.index.get_level_values(0) else sums.iloc[:0].droplevel(0)
        assert list(result.index) == list(facts.index), score
        # Currency is held to a billionth of itself, scores to 1e-9 points.
        assert ((result - facts).abs() <= 1e-9 * facts.abs().clip(lower=1)).all(), score
    return long


def test_parts_of_accounts_of_which_all_is_known_and_of_one_of_which_nothing_is():
    after = AS_OF + timedelta(days=1)
    rows = [
        FULL | {"account_id": "a"},
        FULL | {"account_id": "b", "arr": 9_000.0},
        {"account_id": "unknown", "arr": 100.0, "as_of": after},
    ]
    long = parts_and_sums(rows, [AS_OF, after])
    unknown = long[long.account_id == "unknown"]
    assert set(unknown[unknown.score == "composite_score"].part) == {"value"}
    assert "behavioral_score" not in set(unknown.score)
    assert set(long.score) == set(SCORES)
    of_a = long[long.account_id == "a"].set_index(["score", "part"])
    # value: 50,000 x 1.2 - 8,000 = 52,000; 40 of 360 addressable seats, 55 % of them active: x 1.25.
    assert of_a.loc["value"].points.to_dict() == pytest.approx(
        {"arr": 50_000, "nrr": 10_000, "cost_to_serve": -8_000, "whitespace_multiplier": 13_000}
    )
    assert of_a.loc[("value", "nrr")].raw_number == pytest.approx(1.2)
    assert of_a.loc[("value_score", "mid_rank")].points == 75
    assert of_a.loc[("expansion_score", "arr")].raw_number == 50_000
    assert of_a.loc[("composite_score", "value")].weight == pytest.approx(0.35)
    assert of_a.loc[("composite_score", "value")].points == pytest.approx(0.35 * 75)
    assert of_a.loc[("firmographic_score", "industry")].raw_text == "software"


def test_only_live_accounts_of_the_days_asked_for_and_a_lone_day_equals_a_backfill():
    before, after = AS_OF - timedelta(days=1), AS_OF + timedelta(days=1)
    others = [{"account_id": "gone", "is_live": False}, {"account_id": "a0", "as_of": before}]
    frozen = [{"account_id": "a0", "as_of": freeze_day(AS_OF)}]
    rows = [{"account_id": f"a{i}", "arr": 1000.0 * (i + 1), "as_of": d} for d in (AS_OF, after) for i in range(4)]
    rows = [FULL | row for row in (*rows, *others, *frozen)]
    result = company_of(rows, [AS_OF, after]).rows("score_contributions", AS_OF, after)
    lone = company_of(rows).rows("score_contributions", AS_OF)
    assert {(row["as_of"], row["account_id"]) for row in result} == {
        (d, f"a{i}") for d in (AS_OF, after) for i in range(4)
    }
    key = ("account_id", "score", "part")
    on_day = sorted((row for row in result if row["as_of"] == AS_OF), key=lambda row: [row[k] for k in key])
    assert on_day == sorted(lone, key=lambda row: [row[k] for k in key])


def test_parts_sum_whatever_is_known():
    # One run over many accounts, each with a random part of what can be known: a run is slow, an account is not.
    random = Random(7)
    optional = sorted(set(FULL) - {"arr"})
    rows = [
        {"account_id": f"a{i}", "arr": round(random.uniform(0.01, 1e6), 2)}
        | {name: FULL[name] for name in random.sample(optional, random.randint(0, len(optional)))}
        for i in range(150)
    ]
    long = parts_and_sums(rows)
    assert set(long.score) == set(SCORES)
