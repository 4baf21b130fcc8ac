"""A chain of four small tables that needs no extracts. Not here: assertions."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import ibis
import pandas as pd

from segmentation_assets.policy.company import CompanyPolicy
from segmentation_assets.tables.as_of import LookBack, Spine, anchor, weeks
from segmentation_assets.tables.contracts import Integer, Snapshot, column
from segmentation_assets.tables.registry import Frame, Registry, Table, _spec_of


def grid_and_day(day: date) -> list[date]:
    """The weekly grid up to `day`, and `day` itself."""
    return sorted({*weeks(anchor(day), day), day})


class Seeds(Snapshot):
    """Two accounts a day."""

    account_id: str = column("Account.")
    seats: Integer = column("Seats: the day of the month, and ten more.", ge=0)

    class Config:
        unique = ["as_of", "account_id"]


class Seasons(Snapshot):
    """Seats summed over the weekly grid."""

    account_id: str = column("Account.")
    points: Integer = column("Points of the grid.", ge=1)
    seats: Integer = column("Seats over the grid.", ge=0)

    class Config:
        unique = ["as_of", "account_id"]


class Totals(Snapshot):
    """One row per day."""

    seats: Integer = column("Seats of all accounts.", ge=0)

    class Config:
        unique = ["as_of"]


class Ranks(Snapshot):
    """Accounts ranked by seats."""

    account_id: str = column("Account.")
    rank: Integer = column("1 is the largest.", ge=1)

    class Config:
        unique = ["as_of", "account_id"]


def seeds(spine: Table[Spine], company: CompanyPolicy) -> Table[Seeds]:
    """Two accounts: seats are the day of the month, and ten more."""
    day = spine.as_of.day()
    return ibis.union(
        spine.select("as_of", account_id=ibis.literal("a"), seats=day.cast("int64")),
        spine.select("as_of", account_id=ibis.literal("b"), seats=day.cast("int64") + 10),
    )


def seasons(spine: Table[Spine], seeds: Table[Seeds]) -> Table[Seasons]:
    """Seats over the weekly grid up to as_of, as_of included."""
    past = seeds.select(day=seeds.as_of, account_id=seeds.account_id, seats=seeds.seats)
    on_grid = (past.day.day_of_week.index() == 0) | (past.day == spine.as_of)
    joined = spine.join(past, (past.day <= spine.as_of) & (past.day >= spine.anchor) & on_grid)
    return joined.group_by("as_of", "account_id").aggregate(points=joined.count(), seats=joined.seats.sum())


def ranks(seeds: Frame[Seeds]) -> Frame[Ranks]:
    """Accounts ranked by seats within a day."""
    rank = seeds.groupby("as_of")["seats"].rank(ascending=False).astype("int64")
    return seeds[["as_of", "account_id"]].assign(rank=rank)


def totals(spine: Table[Spine], seasons: Table[Seasons], ranks: Table[Ranks]) -> Table[Totals]:
    """Seats of all accounts."""
    joined = spine.join(seasons, "as_of").join(ranks, ["as_of", "account_id"])
    return joined.group_by("as_of").aggregate(seats=joined.seats.sum())


def registry(**replaced: Callable[..., Any]) -> Registry:
    """The four tables; `replaced` puts another function under a table's name."""
    table = Registry()
    reads: Mapping[str, Mapping[str, LookBack]] = {"seasons": {"seeds": grid_and_day}}
    for function in (seeds, seasons, ranks, totals):
        name = function.__name__
        table.add(_spec_of(replaced.get(name, function), "fakes", reads.get(name, {}), "as_of"))
    return table


def broken_seasons(spine: Table[Spine], seeds: Table[Seeds]) -> Table[Seasons]:
    """Seats below zero: breaks the contract."""
    return spine.join(seeds, "as_of").select("as_of", "account_id", points=ibis.literal(1), seats=-seeds.seats)


broken_seasons.__name__ = "seasons"


def interrupted_seasons(spine: Table[Spine], seeds: Table[Seeds]) -> Table[Seasons]:
    """Ctrl-C in the middle of a step."""
    signal.raise_signal(signal.SIGINT)
    return broken_seasons(spine, seeds)


interrupted_seasons.__name__ = "seasons"


def empty_frame() -> pd.DataFrame:
    """No rows of ranks."""
    return pd.DataFrame(columns=["as_of", "account_id", "rank"])
