"""Who uses which feature, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.kpis.alone import Row, alone, at, own_hierarchy

DAY = date(2026, 3, 31)
ACCOUNTS = ("p1", "p2", "r1")


def _use(account: str, user: str, feature: str, day: date = date(2026, 3, 20), events: int = 4) -> Row:
    return {
        "account_id": account, "user_id": user, "feature": feature, "usage_date": day, "event_count": events,
    }  # fmt: skip


USE = [
    _use("p1", "u1", "search"), _use("p1", "u2", "search"), _use("p2", "u3", "search"), _use("r1", "u4", "search"),
    _use("p1", "u1", "api"), _use("p1", "u1", "api", date(2026, 3, 21)), _use("p2", "bot", "search"),
    _use("p2", "u3", "export", date(2026, 3, 3)),  # the day before the window of 28 days
    _use("r1", "u4", "api"),  # does not pay for it
]  # fmt: skip


def _adoption(use: list[Row] = USE, **inputs: Any) -> list[Row]:
    cohorts = {"p1": "Power User", "p2": "Power User", "r1": "At Risk", "unused": None}
    products = {"p1": "connect, platform", "p2": "platform, reconnect", "r1": "platform", "unused": "platform"}
    return alone(
        "feature_adoption",
        DAY,
        segments=[
            {"as_of": DAY, "account_id": a, "segment": "Strategic", "behavioral_cohort": c}
            for a, c in cohorts.items()
        ],
        account_revenue=[{"as_of": DAY, "account_id": a, "product_list": p} for a, p in products.items()],
        account_usage=[{"as_of": DAY, "account_id": a, "usage_through": DAY, "usage_lag_days": 0} for a in cohorts],
        product_users=[{"user_id": "bot", "account_id": "p2", "is_service_user": True}],
        product_features=inputs.pop(
            "product_features",
            [
                {"feature": "search", "product": "platform"},
                {"feature": "api", "product": "connect", "level": "advanced"},
            ],
        ),
        account_hierarchy=inputs.pop("account_hierarchy", own_hierarchy(DAY, *ACCOUNTS)),
        product_usage=use,
    )


def test_share_of_the_accounts_that_pay_for_it() -> None:
    rows = _adoption()
    search = at(rows, behavioral_cohort="Power User", feature="search")
    assert (search["accounts"], search["accounts_using"], search["users"], search["events"]) == (2, 2, 3, 12)
    api = at(rows, behavioral_cohort="Power User", feature="api")
    assert (api["accounts"], api["share_using"], api["events"], api["level"]) == (1, 1, 8, "advanced")
    assert not [r for r in rows if r["behavioral_cohort"] == "At Risk" and r["feature"] == "api"]
    assert not [r for r in rows if r["feature"] == "export"]


def test_what_power_users_love_and_accounts_at_risk_never_touch() -> None:
    loved = {r["feature"]: r["tells_apart"] for r in _adoption()}
    assert loved == {"search": False, "api": None}  # nobody at risk pays for api
    rows = _adoption([row for row in USE if row["account_id"] != "r1"])
    search = at(rows, behavioral_cohort="At Risk", feature="search")
    assert (search["share_using"], search["tells_apart"], search["tells_apart_low_n"]) == (0, True, True)
    assert (search["loving_accounts"], search["loving_share"], search["missing_share"]) == (2, 1, 0)


def test_use_of_a_merged_account_counts_for_the_one_that_survives() -> None:
    merged = [{"as_of": DAY, "account_id": "old", "surviving_account_id": "r1", "top_account_id": "r1"}]
    rows = _adoption([_use("old", "u9", "search")], account_hierarchy=own_hierarchy(DAY, *ACCOUNTS) + merged)
    assert at(rows, behavioral_cohort="At Risk", feature="search")["users"] == 1


def test_a_feature_outside_the_catalogue_is_everybodys() -> None:
    row = at(_adoption(product_features=[]), behavioral_cohort="Power User", feature="api")
    assert (row["accounts"], row["share_using"], row["product"]) == (2, pytest.approx(0.5), None)
