"""What was known when, and which account a record counts for."""

from __future__ import annotations

from datetime import date

import pytest

from segmentation_assets.extracts.contracts import CrmAccounts
from segmentation_assets.profiles.known import known_at
from tests.companies import Rows, spine, typed
from tests.profiles.chain import computed

FIRST, SECOND = date(2026, 1, 10), date(2026, 1, 20)


def test_a_row_is_known_from_its_first_day_up_to_its_last() -> None:
    crm = typed(CrmAccounts, [{"account_id": "a", "known_from": FIRST, "known_to": SECOND}])
    days = [date(2026, 1, 9), FIRST, date(2026, 1, 19), SECOND]
    rows = known_at(crm, spine(*days), "month_start")
    frame = rows.order_by("as_of").execute()
    assert list(frame["as_of"].dt.date) == [FIRST, date(2026, 1, 19)]
    assert set(frame.columns) == {"as_of", "month_start", *rows.columns}
    assert not {"known_from", "known_to", "dropped_on"} & set(frame.columns)


def hierarchy(crm: Rows, column: str) -> dict[str, str]:
    result = computed("account_hierarchy", {"crm_accounts": crm}, FIRST)
    return {account: row[column] for (_, account), row in result.items()}


def chain(pointer: str, *pairs: tuple[str, str | None]) -> Rows:
    return [{"account_id": account, pointer: target} for account, target in pairs]


@pytest.mark.parametrize(
    ("pointer", "column"),
    [("merged_into_account_id", "surviving_account_id"), ("parent_account_id", "top_account_id")],
)
def test_chains_are_followed_to_their_end(pointer: str, column: str) -> None:
    links = [(f"a{n}", f"a{n + 1}") for n in range(8)]
    assert set(hierarchy(chain(pointer, *links, ("a8", None)), column).values()) == {"a8"}


def test_a_merge_into_an_account_the_crm_lacks_or_into_itself_is_none() -> None:
    crm = chain("merged_into_account_id", ("a", "unlisted"), ("b", "b"), ("c", None))
    assert hierarchy(crm, "surviving_account_id") == {"a": "a", "b": "b", "c": "c"}


def test_two_accounts_merged_into_each_other_stay_as_they_are() -> None:
    crm = chain("merged_into_account_id", ("a", "b"), ("b", "a"))
    assert hierarchy(crm, "surviving_account_id") == {"a": "a", "b": "b"}
