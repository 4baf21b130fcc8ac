"""The harness itself: what it computes in memory is what a home is made of, and a test's mistakes are told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from segmentation_assets.reading.access import load
from tests.companies import Company, NotToContract, policy_with
from tests.companies.homes import finished, written

DAY = date(2026, 3, 31)
ACCOUNTS = [{"account_id": "a", "account_name": "Acme"}, {"account_id": "b", "parent_account_id": "a"}]
PAYS = {"subscription_id": "s1", "account_id": "a", "start_date": date(2025, 1, 1), "mrr": 100.0, "currency": "USD"}


def test_tables_between_are_made_on_the_way():
    company = Company(crm_accounts=ACCOUNTS, billing_subscriptions=[PAYS])
    [paying] = [row for row in company.rows("account_revenue", DAY) if row["is_live"]]
    assert (paying["account_id"], paying["arr"]) == ("a", 1200.0)  # 12 x 100


def test_a_stated_table_is_taken_as_stated():
    stands = [{"as_of": DAY, "account_id": a, "surviving_account_id": "a", "top_account_id": "a"} for a in "ab"]
    company = Company(account_hierarchy=stands, billing_subscriptions=[{**PAYS, "account_id": "b"}])
    assert [row["account_id"] for row in company.rows("account_revenue", DAY) if row["is_live"]] == ["a"]


def test_the_memory_computes_what_a_home_computes(tmp_path: Path):
    company = Company(crm_accounts=ACCOUNTS, billing_subscriptions=[PAYS, {**PAYS, "subscription_id": "s2"}])
    home = finished(company, tmp_path, ["account_revenue", "arr_steps"], [DAY])
    for table in ("account_revenue", "arr_steps", "account_hierarchy"):
        memory = company.tables([table], [DAY])[table].drop(columns="policy_hash").astype(object)
        file = load(table, home=home)[list(memory.columns)].astype(object)
        assert sorted(map(repr, memory.where(memory.notna(), None).to_numpy().tolist())) == sorted(
            map(repr, file.where(file.notna(), None).to_numpy().tolist())
        ), table


def test_mistakes_are_told(tmp_path: Path):
    with pytest.raises(KeyError, match="no such tables"):
        Company(crm_acounts=[])
    with pytest.raises(KeyError, match="has no column"):
        Company(crm_accounts=[{"acount_id": "a"}]).rows("account_hierarchy", DAY)
    with pytest.raises(KeyError, match="read nothing of"):
        Company(crm_accounts=ACCOUNTS, leads=[]).rows("account_hierarchy", DAY)
    with pytest.raises(KeyError, match="has no"):
        policy_with({"company": {"reporting_curency": "EUR"}})
    with pytest.raises(ValueError, match="no extracts"):
        written(Company(account_hierarchy=[]), tmp_path)


def test_a_table_that_breaks_its_contract_is_refused():
    unpriced = [{**PAYS, "currency": "CHF"}]  # without any exchange rate: revenue is unknown, and may not be
    with pytest.raises(NotToContract, match="account_revenue: arr: not null"):
        Company(crm_accounts=ACCOUNTS, billing_subscriptions=unpriced).rows("account_revenue", DAY)
