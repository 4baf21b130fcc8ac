"""Running one table of the service profiles on hand-made inputs, and what must hold for each of them.

Not here: the figures; each test spells out its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from tests.companies import Company, Rows, policy_with

AS_OF = date(2026, 3, 31)
ACCOUNTS: Rows = [{"account_id": "a"}, {"account_id": "b"}]


def ago(days: int) -> date:
    """So many days before AS_OF; negative: after it."""
    return AS_OF - timedelta(days=days)


def computed(
    table: str, extracts: Mapping[str, Rows], *days: date, policy: Mapping[str, Any] | None = None
) -> dict[tuple[date, str], dict[str, Any]]:
    """The table's rows by (as_of, account_id), held to its contract; nulls are None.

    `extracts` are the inputs' rows by name (those not named have none; accounts a and b are in the CRM); `policy` is
    what differs from the default, as {"section": {"key": value}}.
    """
    company = Company(policy_with(policy or {}), **{"crm_accounts": ACCOUNTS, **extracts})
    return company.by_account(table, *(days or (AS_OF,)))


def figures(table: str, extracts: Mapping[str, Rows], account: str = "a", **kwargs: Any) -> dict[str, Any]:
    """The row of one account at AS_OF."""
    return computed(table, extracts, **kwargs)[AS_OF, account]


def assert_lone_days_equal_backfill(table: str, extracts: Mapping[str, Rows], days: Sequence[date]) -> None:
    """Each day alone gives the rows that a run over all days gives."""
    lone: dict[tuple[date, str], dict[str, Any]] = {}
    for day in days:
        lone |= computed(table, extracts, day)
    assert lone == computed(table, extracts, *days)
    assert {day for day, _ in lone} == set(days)


def assert_future_changes_nothing(
    table: str, past: Mapping[str, Rows], futures: Sequence[Mapping[str, Rows]]
) -> None:
    """Copies of account a, each with rows of its own that are dated or known only after AS_OF, equal it."""
    rows = {name: list(given_rows) for name, given_rows in past.items()}
    accounts = [{"account_id": "a"}]
    for number, future in enumerate(futures):
        copy = {"account_id": f"copy{number}"}
        accounts.append(copy)
        for name in rows:
            own = [row for row in past[name] if row.get("account_id") == "a"]
            rows[name] += [{**row, **copy} for row in [*own, *future.get(name, ())]]
    result = computed(table, {**rows, "crm_accounts": accounts})
    assert len(result) == len(futures) + 1 > 1
    for row in result.values():
        assert row == result[AS_OF, "a"]
