"""What was paid on a day, against a naive oracle that asks every subscription, for drops, mergers and a grace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import ibis
import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from segmentation_assets.extracts.contracts import BillingSubscriptions, FxRates
from segmentation_assets.kpis.points import first_paid, mrr_on
from segmentation_assets.policy.model import load_policy
from segmentation_assets.profiles.known import AccountHierarchy, by_surviving_account
from segmentation_assets.profiles.states import account_states
from segmentation_assets.profiles.subscriptions import subscription_steps
from segmentation_assets.tables.as_of import Spine, spine_frame
from tests.companies import arrow

FIRST, DAY = date(2025, 1, 1), timedelta(days=1)
EVER, NEVER = date(1, 1, 1), date(9999, 12, 31)
DROPS = [EVER, FIRST + 60 * DAY, FIRST + 120 * DAY]
SURVIVORS = {"a": "a", "b": "b", "c": "c", "d": "a"}
GRACE = 20

_GIVEN = ("account_id", "subscription_id", "start_date", "mrr", "currency")

Rows = Sequence[Mapping[str, Any]]

_DAYS = st.integers(0, 200).map(lambda n: FIRST + n * DAY)
_SUBSCRIPTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.sampled_from("abcd"),
            "subscription_id": st.sampled_from("stuv"),
            "start_date": st.integers(0, 180).map(lambda n: FIRST + n * DAY),
            "length": st.one_of(st.none(), st.integers(1, 60)),
            "known_later": st.sampled_from([None, -10, 0, 7]),
            "mrr": st.sampled_from([0.0, 10.0, 20.0, 33.25]),
            "currency": st.sampled_from(["USD", "EUR"]),
            "drops": st.sampled_from([(0, 3), (0, 1), (0, 2), (1, 3), (2, 3), (1, 2)]),
        }
    ),
    min_size=1,
    max_size=25,
)


def _drawn(raw: Rows) -> list[dict[str, Any]]:
    """Rows as landed: of one subscription and start there is one at any time, in the drops that had it."""
    rows: dict[tuple[str, date], dict[str, Any]] = {}
    for values in raw:
        end = values["length"] and values["start_date"] + values["length"] * DAY
        first, last = values["drops"]
        row: dict[str, Any] = {n: values[n] for n in _GIVEN}
        row |= {
            "end_date": end or None,
            "end_known_on": end + values["known_later"] * DAY if end and values["known_later"] is not None else None,
            "known_from": DROPS[first],
            "known_to": [*DROPS, NEVER][last],
        }
        rows[row["subscription_id"], row["start_date"]] = row
    return list(rows.values())


def _held(rows: Rows, day: date) -> dict[str, Mapping[str, Any]]:
    """The row of each subscription that is in force at the end of `day`, from what is known on that day."""
    held = {}
    for name in {row["subscription_id"] for row in rows}:
        begun = [
            r
            for r in rows
            if r["subscription_id"] == name and r["known_from"] <= day < r["known_to"] and r["start_date"] <= day
        ]
        newest = max(begun, key=lambda r: r["start_date"], default=None)
        if newest is None:
            continue
        end = newest["end_date"]
        if end is None or max(end, newest["end_known_on"] or end) > day:
            held[name] = newest
    return held


def _paused(rows: Rows, name: str, day: date) -> bool:
    """Whether the subscription is free on `day` and cost something before, without a day between."""
    while (row := _held(rows, day).get(name)) is not None and row["mrr"] == 0 and day >= FIRST:
        day -= DAY
    row = _held(rows, day).get(name)
    return row is not None and row["mrr"] > 0


def _oracle(rows: Rows, day: date, grace: int) -> dict[tuple[str, str], float]:
    """MRR by account and currency at the end of `day`."""
    result: dict[tuple[str, str], float] = defaultdict(float)
    for account, survivor in SURVIVORS.items():
        for back in range(grace + 1):
            held = {n: r for n, r in _held(rows, day - back * DAY).items() if r["account_id"] == account}
            paid = [r for r in held.values() if r["mrr"] > 0]
            if paid or any(r["mrr"] == 0 and _paused(rows, n, day - back * DAY) for n, r in held.items()):
                for row in paid:
                    result[survivor, row["currency"]] += row["mrr"]
                break
    return dict(result)


@cache
def _backend() -> Any:
    return ibis.duckdb.connect()


def _put(name: str, contract: Any, rows: Rows) -> None:
    _backend().con.register("incoming", arrow(contract, rows))
    _backend().con.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM incoming')
    _backend().con.unregister("incoming")


@cache
def _queries(grace: int) -> tuple[str, str]:
    tables = _backend().table
    hierarchy = tables("hierarchy")
    company = load_policy().company.model_copy(update={"renewal_grace_days": grace})
    steps = subscription_steps(tables("subscriptions"), company)
    points = tables("points")
    paid = points.join(mrr_on(points, steps, "account_id", "currency"), "day")
    firsts = first_paid(tables("spine"), account_states(steps, tables("rates"), company), hierarchy)
    return str(ibis.to_sql(by_surviving_account(paid, hierarchy))), str(ibis.to_sql(firsts))


@pytest.mark.slow(reason="many companies, each walked through day by day in plain Python")
@pytest.mark.parametrize("grace", [0, GRACE])
@settings(max_examples=30, deadline=None)
@property_of(raw=_SUBSCRIPTIONS, days=st.lists(_DAYS, min_size=1, max_size=4, unique=True), data=st.data())
def test_what_was_paid_on_a_day_is_what_every_subscription_says(grace: int, raw: Rows, days: list[date], data: Any):
    rows = _drawn(raw)
    points = {(as_of, data.draw(_DAYS.filter(lambda d, a=as_of: d <= a))) for as_of in days if as_of > FIRST}
    points |= {(as_of, as_of) for as_of in days}
    _put("subscriptions", BillingSubscriptions, rows)
    _put("rates", FxRates, [{"currency": "EUR", "valid_from": FIRST, "rate": 1.1}])
    _put("spine", Spine, spine_frame(days).to_dict("records"))
    _put(
        "hierarchy",
        AccountHierarchy,
        [
            {"as_of": as_of, "account_id": a, "surviving_account_id": survivor, "top_account_id": survivor}
            for as_of in days
            for a, survivor in SURVIVORS.items()
        ],
    )
    listed = ", ".join(f"(DATE '{as_of}', DATE '{day}')" for as_of, day in points)
    _backend().con.execute(f"CREATE OR REPLACE TABLE points AS SELECT * FROM (VALUES {listed}) p(as_of, day)")

    paid_sql, first_sql = _queries(grace)
    result: dict[Any, float] = defaultdict(float)
    columns = [c[0] for c in _backend().con.execute(paid_sql).description]
    for values in _backend().con.execute(paid_sql).fetchall():
        row = dict(zip(columns, values, strict=True))
        result[row["as_of"], row["day"], row["account_id"], row["currency"]] += row["mrr"]
    expected = {(as_of, day, *key): mrr for as_of, day in points for key, mrr in _oracle(rows, day, grace).items()}
    assert result == pytest.approx(expected)

    firsts = {(as_of, account): first for as_of, account, first in _backend().con.execute(first_sql).fetchall()}
    walk = [FIRST + n * DAY for n in range((max(days) - FIRST).days + 1)]
    paying = {day: {account for account, _ in _oracle(rows, day, grace)} for day in walk}
    for as_of in days:
        for account in "abc":
            begun = [day for day in walk if day <= as_of and account in paying[day]]
            if begun:
                assert firsts[as_of, account] == min(begun)
            else:
                assert firsts.get((as_of, account)) is None or firsts[as_of, account] > as_of
