"""The data quality score of an account, with figures worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from segmentation_assets.extracts.contracts import HISTORY_COLUMNS, CrmAccounts
from segmentation_assets.tables.contracts import schema_of
from tests.kpis.alone import POLICY, Row, alone

DAY = date(2026, 3, 31)
MEANT = POLICY.data_quality.null_has_a_meaning["crm_accounts"]
OPTIONAL = [
    n for n, c in schema_of(CrmAccounts).columns.items() if c.nullable and n not in (*MEANT, *HISTORY_COLUMNS)
]


def _profile(account: str = "a", **values: Any) -> Row:
    return {
        "as_of": DAY,
        "account_id": account,
        "is_live": True,
        "data_completeness": 0.5,
        "is_backcast": False,
    } | values


def _quality(profile: Row, *crm: Row) -> Row:
    (row,) = alone("account_data_quality", DAY, account_profiles=[profile], crm_accounts=crm)
    return row


def test_half_of_the_columns_and_half_of_the_dimensions_are_half() -> None:
    """20 columns can be empty. Industry and country are 2 of 20; 5 of 10 dimensions are known."""
    assert len(OPTIONAL) == 20
    row = _quality(_profile(usage_lag_days=6), {"account_id": "a", "industry": "i", "country": "US"})
    assert row["crm_completeness"] == pytest.approx(2 / 20)
    assert row["completeness"] == pytest.approx((2 / 20 + 0.5) / 2)
    # usage is 6 days old where 3 are fresh: 50 points; weights 40 and 30
    assert row["freshness_score"] == 50
    assert row["quality_score"] == pytest.approx((40 * 100 * (2 / 20 + 0.5) / 2 + 30 * 50) / 70)


def test_usage_that_is_not_known_is_not_stale() -> None:
    row = _quality(_profile(usage_lag_days=None, data_completeness=0.4))
    assert (row["freshness_score"], row["crm_completeness"]) == (None, 0)
    assert row["quality_score"] == row["completeness_score"] == pytest.approx(20)


def test_columns_where_nothing_has_a_meaning_do_not_count() -> None:
    filled = dict.fromkeys(MEANT, "x")
    assert _quality(_profile(), {"account_id": "a"} | filled)["crm_completeness"] == 0


def test_only_live_accounts_have_a_score() -> None:
    rows = alone("account_data_quality", DAY, account_profiles=[_profile(), _profile("b", is_live=False)])
    assert [row["account_id"] for row in rows] == ["a"]
