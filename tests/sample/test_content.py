"""The rows: sound but for the few broken ones, like a real company, and tied to the planted truth."""

import pytest

from segmentation_assets.policy.model import load_policy
from tests.sample.conftest import Sample, auc, spearman

NOT_OF_ACCOUNTS = {"crm_accounts", "csm_roster", "fx_rates", "gtm_spend", "leads", "product_features"}
KEYS = {
    "billing_subscriptions": "subscription_id, start_date",
    "billing_invoices": "invoice_id",
    "fx_rates": "currency, valid_from",
    "product_users": "user_id",
    "product_usage": "user_id, usage_date, feature",
    "product_features": "feature, filename",
    "crm_accounts": "account_id, filename",
    "csm_roster": "csm_id, filename",
    "support_tickets": "ticket_id",
    "self_service_sessions": "account_id, used_on, channel",
    "marketing_engagement": "account_id, engaged_on, channel",
    "interactions": "interaction_id",
    "surveys": "response_id",
    "technology_installs": "account_id, tool, first_seen",
    "external_signals": "signal_id",
    "success_goals": "account_id, goal",
    "opportunities": "opportunity_id",
    "csm_time_entries": "entry_id",
    "custom_development": "account_id, worked_on, ticket",
    "gtm_spend": "month, motion",
    "leads": "lead_id",
}
LIVE = """(SELECT s.*, s.mrr * r.rate * 12 AS arr FROM billing_subscriptions s
 JOIN (SELECT currency, arg_max(rate, valid_from) AS rate FROM fx_rates GROUP BY 1) r USING (currency)
 WHERE s.mrr > 0 AND start_date <= {end} AND (end_date IS NULL OR end_date > {end}) AND account_id <> 'A-unknown')"""
ACTIVITY = f"""WITH seats AS (SELECT account_id, sum(seats) AS seats, sum(arr) AS arr FROM {LIVE} GROUP BY 1),
 active AS (SELECT u.account_id, count(DISTINCT user_id) AS users FROM product_usage u JOIN product_users p
  USING (user_id) WHERE NOT is_service_user AND usage_date > {{end}} - 28 GROUP BY 1)
 SELECT account_id, s.seats, s.arr, coalesce(users, 0) / s.seats AS activity, health, planted_tier
 FROM seats s LEFT JOIN active USING (account_id) JOIN truth_accounts t USING (account_id)"""


@pytest.mark.parametrize("name", KEYS)
def test_keys_are_unique_but_for_planted_duplicates(sample: Sample, name: str):
    twice = sample.value(f"SELECT count(*) - count(DISTINCT ({KEYS[name]})) FROM {name}")
    assert twice <= sample.summary.broken_rows[name]


def test_broken_rows_are_there_and_stay_under_one_percent(sample: Sample):
    for name, broken in sample.summary.broken_rows.items():
        assert broken < 0.01 * sample.summary.rows[name] or broken == 0, name
    assert sample.value("SELECT count(*) FROM billing_subscriptions WHERE seats < 0") >= 1
    assert sample.value("SELECT count(*) FROM billing_subscriptions WHERE currency = 'XXX'") >= 1
    assert sample.value("SELECT count(*) FROM product_usage ANTI JOIN product_users USING (user_id)") > 0
    assert sample.summary.broken_rows["product_usage"] > 0.0005 * sample.summary.rows["product_usage"]


@pytest.mark.parametrize("name", sorted(set(KEYS) - NOT_OF_ACCOUNTS))
def test_accounts_are_known_to_the_crm(sample: Sample, name: str):
    facts = "(SELECT account_id FROM crm_accounts WHERE filename LIKE '%' || {end}::TEXT || '%')"
    orphans = sample.frame(f"SELECT DISTINCT account_id FROM {name} WHERE account_id NOT IN {facts}")
    assert set(orphans["account_id"]) <= {"A-unknown"}


def test_intervals_are_half_open_and_known_in_time(sample: Sample):
    wrong = sample.value("SELECT count(*) FROM billing_subscriptions WHERE end_date <= start_date")
    assert wrong <= sample.summary.broken_rows["billing_subscriptions"]
    rows = sample.frame(
        "SELECT * FROM billing_subscriptions WHERE (end_date IS NULL) <> (end_known_on IS NULL)"
        " OR end_known_on > end_date OR end_date - end_known_on > 60 OR end_known_on > {end}"
    )
    assert len(rows) <= sample.summary.broken_rows["billing_subscriptions"]
    overlaps = sample.value(
        "SELECT count(*) FROM (SELECT end_date, lead(start_date) OVER"
        " (PARTITION BY subscription_id ORDER BY start_date, end_date) AS next FROM billing_subscriptions)"
        " WHERE next < coalesce(end_date, DATE '9999-01-01')"
    )
    assert overlaps <= 2 * sample.summary.broken_rows["billing_subscriptions"]


def test_the_contract_cases_occur(sample: Sample):
    swaps = (
        "SELECT count(*) FROM billing_subscriptions a JOIN billing_subscriptions b ON a.account_id = b.account_id"
        " AND a.product = b.product AND a.end_date = b.start_date AND a.plan <> b.plan AND a.mrr > 0"
    )
    renewed = "SELECT count(*) FROM billing_subscriptions WHERE subscription_id IN (SELECT subscription_id FROM {0})"
    assert sample.value(swaps) > 5
    assert sample.value(renewed.format("billing_subscriptions GROUP BY 1 HAVING count(*) > 1")) > 100
    assert sample.value("SELECT count(*) FROM billing_subscriptions WHERE mrr = 0 AND plan = 'trial'") > 10
    assert sample.value("SELECT count(DISTINCT currency) FROM billing_subscriptions WHERE currency <> 'XXX'") == 3
    assert sample.value("SELECT count(*) FROM billing_subscriptions WHERE end_date > {end}") >= 1
    assert sample.value("SELECT count(DISTINCT account_id) FROM crm_accounts WHERE parent_account_id IS NOT NULL") > 3
    assert sample.value("SELECT count(DISTINCT merged_into_account_id) FROM crm_accounts") == 2
    assert sample.value("SELECT count(*) FROM product_users WHERE is_service_user") > 5
    assert (
        sample.value("SELECT count(DISTINCT (account_id, csm_id)) - count(DISTINCT account_id) FROM crm_accounts") > 5
    )
    assert sample.value("SELECT count(*) FROM csm_roster WHERE ends_on IS NOT NULL") > 0


def test_a_merge_hands_its_revenue_over_on_the_day(sample: Sample):
    merged = sample.frame(
        "SELECT DISTINCT account_id, merged_into_account_id AS target FROM crm_accounts"
        " WHERE merged_into_account_id IS NOT NULL"
    )
    for row in merged.itertuples():
        inputs = sample.frame(
            f"SELECT b.mrr - a.mrr AS gap FROM billing_subscriptions a JOIN billing_subscriptions b"
            f" ON a.end_date = b.start_date AND a.product = b.product AND b.account_id = '{row.target}'"
            f" AND a.mrr = b.mrr WHERE a.account_id = '{row.account_id}'"
        )
        assert len(inputs) >= 1


def test_arr_and_tiers_come_out_as_planned(sample: Sample):
    frame = sample.frame(f"SELECT account_id, sum(arr) AS arr FROM {LIVE} GROUP BY 1").merge(
        sample.frame("SELECT account_id, planted_tier FROM truth_accounts"), on="account_id"
    )
    assert len(frame) == 300
    assert frame["arr"].sum() == pytest.approx(15_000_000, rel=0.02)
    assert frame["planted_tier"].value_counts().to_dict() == {
        "Core": 150, "Growth": 75, "Long-Tail": 45, "Strategic": 30,
    }  # fmt: skip
    share = frame.groupby("planted_tier")["arr"].sum() / frame["arr"].sum()
    assert share["Strategic"] == pytest.approx(0.50, abs=0.01)
    assert share["Growth"] == pytest.approx(0.30, abs=0.01)
    assert share["Core"] == pytest.approx(0.18, abs=0.01)


def test_users_and_seats_go_together(sample: Sample):
    users = sample.value("SELECT count(*) / 300 FROM product_users WHERE deactivated_on IS NULL")
    assert users == pytest.approx(10, rel=0.15)
    assert sample.value(f"SELECT sum(seats) / 300 FROM {LIVE}") == pytest.approx(10, rel=0.1)


def test_usage_is_by_present_users_on_released_features_they_own(sample: Sample):
    out = sample.value(
        "SELECT count(*) FROM product_usage u JOIN product_users p USING (user_id) WHERE p.account_id <> 'A-unknown'"
        " AND coalesce(deactivated_on, created_on) >= created_on"
        " AND (usage_date < created_on OR usage_date >= coalesce(deactivated_on, DATE '9999-01-01'))"
    )
    assert out == 0
    latest = "(SELECT feature FROM product_features WHERE filename LIKE '%' || {end}::TEXT || '%')"
    assert sample.value(f"SELECT count(*) FROM product_usage WHERE feature NOT IN {latest}") == 0
    unowned = sample.value(
        "SELECT count(*) FROM (SELECT DISTINCT account_id, product, min(usage_date) OVER (PARTITION BY account_id,"
        " product) AS first FROM product_usage JOIN (SELECT DISTINCT feature, product FROM product_features)"
        " USING (feature)) u LEFT JOIN (SELECT account_id, product, min(start_date) AS start FROM"
        " billing_subscriptions GROUP BY 1, 2) s USING (account_id, product) WHERE start IS NULL OR first < start"
    )
    assert unowned == 0


def test_weekends_and_december_are_quiet(sample: Sample):
    daily = sample.frame("SELECT usage_date, count(*) AS n FROM product_usage GROUP BY 1").set_index("usage_date")[
        "n"
    ]
    daily = daily.sort_index()
    weekday = daily[daily.index.dayofweek < 5]
    assert daily[daily.index.dayofweek >= 5].mean() < 0.3 * weekday.mean()
    assert weekday["2024-12-24":"2024-12-31"].mean() < 0.6 * weekday["2024-12-01":"2024-12-15"].mean()


def test_health_shows_in_seat_activity(sample: Sample):
    frame = sample.frame(ACTIVITY)
    assert spearman(frame["health"].to_numpy(), frame["activity"].to_numpy()) > 0.5
    assert 0.40 < frame["activity"].mean() < 0.65
    assert 0.2 < (frame["activity"] >= 0.6).mean() < 0.55
    sizeable = frame[frame["seats"] >= 5]["activity"]
    assert 0.005 < (sizeable < 0.05).mean() < 0.08
    assert 0.04 < (sizeable < 0.2).mean() < 0.2
    assert frame["activity"].max() > 1


def test_the_planted_hazard_tells_who_churns(sample: Sample):
    months = sample.frame("SELECT * FROM truth_months WHERE churned_in_90d IS NOT NULL")
    churned = months["churned_in_90d"].to_numpy(dtype=bool)
    hazard = months["churn_hazard_90d"].to_numpy()
    assert auc(hazard, churned) > 0.7
    assert auc(1 - months["health"].to_numpy(), churned) > 0.6
    assert hazard.mean() == pytest.approx(churned.mean(), rel=0.35)
    assert 0.015 < churned.mean() < 0.05


def test_health_shows_in_mood_and_growth_in_expansion(sample: Sample):
    mood = sample.frame(
        "SELECT avg(health) AS health, avg(sentiment) AS mood FROM support_tickets JOIN truth_accounts"
        " USING (account_id) GROUP BY account_id HAVING count(sentiment) >= 5"
    )
    assert spearman(mood["health"].to_numpy(), mood["mood"].to_numpy()) > 0.2
    months = sample.frame("SELECT * FROM truth_months WHERE expanded_in_90d IS NOT NULL")
    assert auc(months["growth"].to_numpy(), months["expanded_in_90d"].to_numpy(dtype=bool)) > 0.55


def test_retention_is_that_of_a_sound_company(sample: Sample):
    def arr_on(day: str) -> str:
        return (
            "(SELECT s.account_id, sum(mrr * rate) AS arr FROM billing_subscriptions s JOIN (SELECT currency,"
            " arg_max(rate, valid_from) AS rate FROM fx_rates GROUP BY 1) r USING (currency) WHERE mrr > 0 AND"
            f" start_date <= {day} AND coalesce(end_date, DATE '9999-01-01') > {day}"
            " AND account_id <> 'A-unknown' GROUP BY 1)"
        )

    kept = f"SELECT sum(b.arr) / sum(a.arr) FROM {arr_on('({end} - 365)')} a LEFT JOIN {arr_on('{end}')} b"
    assert 0.95 < sample.value(kept + " USING (account_id)") < 1.25


def test_invoices_bill_about_what_is_subscribed(sample: Sample):
    billed = sample.value(
        "SELECT sum(amount * rate) FROM (SELECT DISTINCT * FROM billing_invoices) i JOIN (SELECT currency,"
        " arg_max(rate, valid_from) AS rate FROM fx_rates GROUP BY 1) r USING (currency)"
        " WHERE issued_on > {end} - 365 AND account_id <> 'A-unknown'"
    )
    assert 0.75 * sample.summary.arr < billed < 1.1 * sample.summary.arr


def test_won_expansions_follow_the_subscriptions(sample: Sample):
    won = sample.frame("SELECT * FROM opportunities WHERE kind = 'expansion' AND stage = 'won'")
    starts = sample.frame("SELECT account_id, start_date FROM billing_subscriptions WHERE mrr > 0")
    days = {account: set(rows) for account, rows in starts.groupby("account_id")["start_date"]}
    gaps = [
        min((abs((start - deal.closed_on).days) for start in days[deal.account_id]), default=999)
        for deal in won.itertuples()
    ]
    assert len(gaps) > 50
    assert max(gaps) <= 7
    assert sample.value("SELECT count(*) FROM opportunities WHERE stage = 'open' AND closed_on IS NULL") > 30
    assert sample.value("SELECT count(*) FROM opportunities WHERE stage = 'open' AND closed_on IS NOT NULL") == 0


def test_happenings_are_inside_the_window_and_in_order(sample: Sample):
    for name, day in (
        ("support_tickets", "opened_at"), ("interactions", "occurred_on"), ("surveys", "answered_on"),
        ("self_service_sessions", "used_on"), ("csm_time_entries", "worked_on"), ("success_goals", "met_on"),
        ("billing_invoices", "paid_on"), ("opportunities", "closed_on"), ("support_tickets", "resolved_at"),
    ):  # fmt: skip
        assert sample.value(f"SELECT count(*) FROM {name} WHERE {day} >= {{end}} + 1") == 0, (name, day)
    assert sample.value("SELECT count(*) FROM support_tickets WHERE resolved_at < first_response_at") == 0
    assert sample.value("SELECT count(*) FROM interactions WHERE replied_on < occurred_on") == 0
    assert sample.value("SELECT min(opened_at) >= {end} - 399 FROM support_tickets")


def test_time_entries_are_of_the_roster_and_a_fifth_internal(sample: Sample):
    assert sample.value("SELECT count(*) FROM csm_time_entries ANTI JOIN csm_roster USING (csm_id)") == 0
    assert 0.15 < sample.value("SELECT avg((account_id IS NULL)::INT) FROM csm_time_entries") < 0.3
    weekly = sample.value(
        "SELECT median(h) FROM (SELECT sum(hours) AS h FROM csm_time_entries GROUP BY csm_id,"
        " date_trunc('week', worked_on) HAVING count(DISTINCT worked_on) >= 4)"
    )
    assert 22 < weekly < 40


def test_optional_columns_have_gaps(sample: Sample):
    for column in ("employees", "industry", "annual_revenue", "funding_stage", "primary_use_case"):
        assert 0.01 < sample.value(f"SELECT avg(({column} IS NULL)::INT) FROM crm_accounts") < 0.2, column
    assert sample.value("SELECT avg((employees IS NULL)::INT) FROM leads") > 0.03


def test_each_play_of_the_catalogue_is_done_and_most_in_time(sample: Sample):
    words = sample.frame("SELECT play, count(*) AS n FROM interactions WHERE play IS NOT NULL GROUP BY 1")
    assert set(words["play"]) == {entry.play for entry in load_policy().plays.catalogue}
    assert words["n"].min() >= 5
    # the first step of the onboarding of large accounts: promised within 3 and 5 working days, so a week at most
    kick_offs = sample.frame(
        "SELECT first_paid_on, min(occurred_on) AS done FROM truth_accounts LEFT JOIN interactions i"
        " USING (account_id) WHERE planted_tier IN ('Strategic', 'Growth')"
        " AND first_paid_on BETWEEN {end} - 399 AND {end} - 29 AND i.play = 'onboarding' GROUP BY account_id, 1"
    )
    days = (kick_offs["done"] - kick_offs["first_paid_on"]).dt.days
    assert len(days) >= 10
    assert 0.65 <= (days <= 7).mean() <= 0.98
    # business reviews of Strategic accounts: every 91 days, promised within 10 working days
    gaps = sample.frame(
        "SELECT occurred_on - lag(occurred_on) OVER (PARTITION BY account_id ORDER BY occurred_on) AS days"
        " FROM interactions JOIN truth_accounts USING (account_id)"
        " WHERE play = 'business_review' AND planted_tier = 'Strategic' QUALIFY days IS NOT NULL"
    )["days"]
    assert gaps.min() >= 91
    assert 91 <= gaps.median() <= 91 + 14
    assert 0.7 <= (gaps <= 91 + 16).mean() < 1
