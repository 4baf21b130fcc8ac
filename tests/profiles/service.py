"""Running one table of the service profiles on hand-made inputs, and what must hold for each of them.

Not here: the figures; each test spells out its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import ibis
import pandas as pd

from segmentation_assets.extracts.contracts import CrmAccounts
from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.enforcement import enforce
from segmentation_assets.tables.registry import CATALOGUE, call
from tests.frames import given, spine

Rows = Sequence[Mapping[str, Any]]
AS_OF = date(2026, 3, 31)
DEFAULT = load_policy()
BACKEND = ibis.duckdb.connect()
ACCOUNTS: Rows = [{"account_id": "a"}, {"account_id": "b"}]


def ago(days: int) -> date:
    """So many days before AS_OF; negative: after it."""
    return AS_OF - timedelta(days=days)


def computed(
    table: str, extracts: Mapping[str, Rows], *days: date, policy: Mapping[str, Any] | None = None
) -> dict[tuple[date, str], dict[str, Any]]:
    """The table's rows by (as_of, account_id), held to its contract; nulls are None.

    `extracts` are the inputs' rows by name (none given: no row at all; accounts a and b are in the CRM); `policy` is
    what differs from the default, as {"section": {"key": value}}.
    """
    spec = CATALOGUE[table]
    rows = {"crm_accounts": ACCOUNTS, **extracts}
    assert not set(rows) - {i.name for i in spec.inputs} - {"crm_accounts"}, "an input that the table does not read"
    tables: dict[str, Any] = {i.name: given(i.contract, rows.get(i.name, ())) for i in spec.inputs}
    changed = {
        name: getattr(DEFAULT, name).model_copy(update=dict(values)) for name, values in (policy or {}).items()
    }
    sections = DEFAULT.model_copy(update=changed).sections
    tables["spine"] = spine(*(days or (AS_OF,)))
    if "account_hierarchy" in tables:
        crm = {"spine": tables["spine"], "crm_accounts": given(CrmAccounts, rows["crm_accounts"])}
        tables["account_hierarchy"] = call(CATALOGUE["account_hierarchy"], crm, sections, "test")
    expr = call(spec, tables, sections, "test")
    made = ibis.memtable(BACKEND.to_pyarrow(expr))
    verdict = enforce(spec.contract, made, BACKEND.execute)
    assert verdict.passed, verdict.describe()
    frame = BACKEND.execute(made).drop(columns="policy_hash")
    frame = frame.astype(object).where(frame.notna(), None)
    return {(pd.Timestamp(row.pop("as_of")).date(), row.pop("account_id")): row for row in frame.to_dict("records")}


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
    found = computed(table, {**rows, "crm_accounts": accounts})
    assert len(found) == len(futures) + 1 > 1
    for row in found.values():
        assert row == found[AS_OF, "a"]
