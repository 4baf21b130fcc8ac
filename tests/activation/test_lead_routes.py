"""The likely segment and team of a lead: peers counted by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from segmentation_assets.policy.activation import LeadRoutePolicy
from tests.companies import DEFAULT, Company

FRIDAY = date(2026, 11, 27)
RULES = DEFAULT.lead_routes
BIG, SMALL = 5_000.0, 10.0  # employees: enterprise and smb
Row = dict[str, Any]


def account(number: int, segment: str, size: str | None = "enterprise", industry: str | None = "software") -> Row:
    return {"account_id": f"A{number:03}", "segment": segment, "size_class": size, "industry": industry}


def lead(name: str, **values: Any) -> Row:
    return {"lead_id": name, "company": f"{name} Ltd", "employees": BIG, "annual_revenue": None,
            "industry": "software", "created_on": date(2026, 11, 2)} | values  # fmt: skip


def routes(accounts: list[Row], leads: list[Row]) -> dict[str, Row]:
    key = [{"as_of": FRIDAY, "account_id": each["account_id"]} for each in accounts]
    rows = Company(
        segments=[one | {"segment": each["segment"]} for one, each in zip(key, accounts, strict=True)],
        firmographic_scores=[
            one | {"size_class": each["size_class"]} for one, each in zip(key, accounts, strict=True)
        ],
        account_profiles=[one | {"industry": each["industry"]} for one, each in zip(key, accounts, strict=True)],
        leads=leads,
    ).rows("lead_routes", FRIDAY)
    return {row["lead_id"]: row for row in rows}


def company() -> list[Row]:
    """12 of software, enterprise: 6 Strategic, 4 Growth, 2 Efficient, and 9 At-Risk. 3 of health care: Growth."""
    segments = ["Strategic"] * 6 + ["Growth"] * 4 + ["Efficient"] * 2 + ["At-Risk"] * 9
    accounts = [account(i, segment) for i, segment in enumerate(segments)]
    return accounts + [account(100 + i, "Growth", industry="health care") for i in range(3)]


def test_accounts_of_its_size_and_industry_count_if_they_are_enough():
    row = routes(company(), [lead("l")])["l"]
    assert (row["peers_by"], row["peers"]) == ("size and industry", 12)  # those At-Risk do not count
    assert (row["likely_segment"], row["likely_share"]) == ("Strategic", 6 / 12)
    assert row["team"] == RULES.teams["Strategic"]
    assert row["low_n"] is False


def test_with_too_few_of_its_industry_those_of_its_size_count():
    row = routes(company(), [lead("l", industry="health care")])["l"]
    # 15 of its size: 6 Strategic, 7 Growth, 2 Efficient
    assert (row["peers_by"], row["peers"], row["likely_segment"]) == ("size", 15, "Growth")
    assert row["likely_share"] == 7 / 15
    unknown = routes(company(), [lead("l", industry=None)])["l"]
    assert (unknown["peers_by"], unknown["peers"]) == ("size", 15)


def test_the_size_comes_from_revenue_where_employees_are_not_known():
    row = routes(company(), [lead("l", employees=None, annual_revenue=10e9)])["l"]
    assert (row["size_class"], row["likely_segment"]) == ("enterprise", "Strategic")


def test_without_a_size_or_without_peers_nothing_is_guessed():
    rows = routes(company(), [lead("unknown", employees=None), lead("small", employees=SMALL)])
    for row in rows.values():
        assert (row["peers_by"], row["peers"], row["low_n"]) == ("nobody", 0, True)
        assert row["likely_segment"] is None
        assert row["likely_share"] is None
        assert row["team"] == RULES.unknown_team
    assert rows["small"]["size_class"] == "smb"


def test_of_equally_frequent_segments_the_higher_counts():
    accounts = [account(i, segment) for i, segment in enumerate(["Long-Tail", "Growth", "Growth", "Long-Tail"])]
    row = routes(accounts, [lead("l")])["l"]
    assert (row["likely_segment"], row["likely_share"], row["low_n"]) == ("Growth", 0.5, True)


def test_only_recent_leads_have_a_row():
    first = date.fromordinal(FRIDAY.toordinal() - RULES.days)
    leads = [
        lead("old", created_on=first), lead("recent", created_on=date.fromordinal(first.toordinal() + 1)),
        lead("today", created_on=FRIDAY), lead("later", created_on=date(2026, 11, 28)),
        lead("undated", created_on=None),
    ]  # fmt: skip
    assert set(routes(company(), leads)) == {"recent", "today", "undated"}


def test_each_segment_needs_a_team():
    with pytest.raises(ValidationError, match="teams must name a team for each of"):
        LeadRoutePolicy(days=90, least_peers=10, teams={"Strategic": "a"}, unknown_team="b")
