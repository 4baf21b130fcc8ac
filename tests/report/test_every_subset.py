"""Whatever extracts a company has, a report comes of it: none of the optional ones, each kind alone, all together.

The company is large enough for its accounts to need more people than there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import duckdb
import pytest

from segmentation_assets.reading.catalogue import CatalogueFacts
from segmentation_assets.reading.figures import in_currency
from segmentation_assets.report.contents import contents
from segmentation_assets.report.document import render
from segmentation_assets.report.evidence import READ, Evidence
from tests.companies import Company

DAY = date(2026, 6, 30)
ACCOUNTS = [f"K{i:02}" for i in range(40)]


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def _required(csm: str | None) -> dict[str, Any]:
    return {
        "crm_accounts": [{"account_id": a, "csm_id": csm} for a in ACCOUNTS],
        "billing_subscriptions": [
            {"subscription_id": f"S{i}", "account_id": a, "start_date": ago(900 - i), "mrr": 500.0 + 400.0 * i,
             "currency": "USD", "seats": 5 + i}
            for i, a in enumerate(ACCOUNTS)
        ],
    }  # fmt: skip


KINDS: Mapping[str, Mapping[str, Any]] = {
    "people": {
        "csm_roster": [{"csm_id": "C1", "csm_name": "Kim", "weekly_hours": 20.0, "starts_on": ago(900)}],
        "csm_time_entries": [
            {"entry_id": f"E{i}", "csm_id": "C1", "account_id": a, "worked_on": ago(i + 1), "hours": 2.0}
            for i, a in enumerate(ACCOUNTS)
        ],
    },
    "money": {
        "billing_invoices": [
            {"invoice_id": f"I{i}", "account_id": a, "issued_on": ago(40), "due_on": ago(10), "amount": 100.0,
             "currency": "USD"}
            for i, a in enumerate(ACCOUNTS)
        ],
        "opportunities": [
            {"opportunity_id": "O1", "account_id": "K01", "kind": "expansion", "stage": "open", "amount_arr": 9000.0,
             "created_on": ago(20)}
        ],
        "gtm_spend": [{"month": date(2026, 5, 1), "motion": "sales", "amount": 1000.0, "currency": "USD"}],
    },
    "service": {
        "support_tickets": [
            {"ticket_id": f"T{i}", "account_id": a, "opened_at": datetime.combine(ago(29), time())}
            for i, a in enumerate(ACCOUNTS[:9])
        ],
        "success_goals": [{"account_id": "K02", "goal": "live", "set_on": ago(90), "due_on": ago(9)}],
        "surveys": [{"response_id": "R1", "account_id": "K03", "sent_on": ago(9), "kind": "nps", "score": 3.0,
                     "answered_on": ago(8)}],
    },
    "usage": {
        "product_features": [{"feature": "f", "product": "p", "level": "core", "is_key": True}],
        "product_users": [{"user_id": f"U{a}", "account_id": a, "created_on": ago(300)} for a in ACCOUNTS],
        "product_usage": [
            {"user_id": f"U{a}", "account_id": a, "usage_date": ago(d), "feature": "f", "event_count": 3 + d % 4}
            for a in ACCOUNTS
            for d in range(0, 56, 3)
        ],
    },
}  # fmt: skip
SUBSETS = [(), *((kind,) for kind in KINDS), tuple(KINDS)]


def _evidence(company: Company) -> Evidence:
    connection = duckdb.connect(":memory:")
    for name, frame in company.tables(READ, [DAY]).items():
        connection.register("frame", frame)
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM frame')
        connection.unregister("frame")
    return Evidence(DAY, connection, company.policy, {}, None)


@pytest.mark.parametrize("csm", ["C1", None], ids=["CSM in the CRM", "no CSM"])
@pytest.mark.parametrize("kinds", SUBSETS, ids="+".join)
def test_a_report_comes_of_every_subset_of_extracts(kinds: tuple[str, ...], csm: str | None):
    extracts = _required(csm)
    for kind in kinds:
        extracts |= KINDS[kind]
    evidence = _evidence(Company(**extracts))
    with in_currency("USD"):
        pages = contents(evidence, CatalogueFacts({}, {}), run="test", made_at=datetime(2026, 7, 1, tzinfo=UTC))
        text = render(pages.model | {"made_from": ""}, pages.packs, evidence)
    assert evidence.faults == []
    assert pages.accounts == len(ACCOUNTS)
    for nonsense in ("– since", "– a year", "for – ", "None", ">nan<"):
        assert nonsense not in text.partition("<footer>")[0], nonsense
