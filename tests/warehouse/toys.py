"""A small chain of tables for tests of the warehouse itself, and homes to build it in. Not here: any assertion."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation_assets.policy.model import Policy, load_policy
from segmentation_assets.policy.service import SignalsPolicy, SupportPolicy
from segmentation_assets.tables.as_of import FromPolicy, Spine, last
from segmentation_assets.tables.contracts import Contract, Integer, Snapshot, column
from segmentation_assets.tables.registry import Frame, Registry, Table, TableSpec, _spec_of
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

DEFAULT = load_policy()
ROWS = 20_000


class Numbers(Contract):
    """An extract: numbers to work with."""

    number: Integer = column("A number.")

    class Config:
        unique = ["number"]


class Scaled(Snapshot):
    """Numbers times a factor of the policy."""

    number: Integer = column("A number.")
    scaled: Integer = column("Number x signals.window_days.", le=1_000_000)

    class Config:
        unique = ["as_of", "number"]


class Totals(Snapshot):
    """Sums over the days of a window."""

    total: Integer = column("Sum of scaled over the last support.recent_days days.")
    days: Integer = column("Days found.", ge=1)

    class Config:
        unique = ["as_of"]


class Labels(Snapshot):
    """Text made in pandas."""

    label: str = column("The total as text.")

    class Config:
        unique = ["as_of"]


class Bulk(Snapshot):
    """Many rows that all say which policy made them."""

    row: Integer = column("Row number.")
    version: Integer = column("signals.window_days.")

    class Config:
        unique = ["as_of", "row"]


def scaled(spine: Table[Spine], numbers: Table[Numbers], policy: SignalsPolicy) -> Table[Scaled]:
    """Numbers of the extract, scaled; Sundays have no rows."""
    days = spine.select("as_of").filter(spine.as_of.day_of_week.index() != 6)
    rows = days.cross_join(numbers)
    return rows.select("as_of", "number", scaled=rows.number * policy.window_days)


def totals(spine: Table[Spine], scaled: Table[Scaled], policy: SupportPolicy) -> Table[Totals]:
    """Totals over the window."""
    days = spine.select("as_of")
    read = scaled.select("scaled", day="as_of")
    window = read.day > days.as_of - ibis.interval(days=policy.recent_days)
    rows = days.join(read, [window, read.day <= days.as_of])
    return rows.group_by("as_of").aggregate(total=rows.scaled.sum(), days=rows.day.nunique())


def labels(totals: Frame[Totals]) -> Frame[Labels]:
    """Totals as words."""
    return pd.DataFrame({"as_of": totals["as_of"], "label": totals["total"].astype(str)})


def bulk(spine: Table[Spine], policy: SignalsPolicy) -> Table[Bulk]:
    """Rows that tell their version."""
    rows = spine.select("as_of").cross_join(ibis.range(ROWS).unnest().name("row").as_table())
    return rows.mutate(version=policy.window_days)


def chain() -> Registry:
    registry = Registry()
    registry.add(TableSpec("numbers", Numbers, "extracts", None, partition=None))
    window = FromPolicy(SupportPolicy, lambda p: last(p.recent_days))
    registry.add(_spec_of(scaled, "toys", {}, "as_of"))
    registry.add(_spec_of(totals, "toys", {"scaled": window}, "as_of"))
    registry.add(_spec_of(labels, "toys", {}, "as_of"))
    registry.add(_spec_of(bulk, "toys", {}, "as_of"))
    return registry


def policy(window: int = 10, recent: int = 3) -> Policy:
    return DEFAULT.model_copy(
        update={
            "signals": SignalsPolicy(window_days=window),
            "support": SupportPolicy(recent_days=recent, window_days=90),
        }
    )


@contextmanager
def builder(home: Path, under: Policy | None = None, registry: Registry | None = None) -> Iterator[Builder]:
    store = Store(home)
    with open_connection(store) as connection:
        yield Builder(Engine(connection, store), registry or chain(), under or policy())


def land(home: Path, numbers: list[int], drops: Mapping[str, str] | None = None) -> None:
    """Publish the extract; `drops` are its digests by day ("" without days)."""
    store = Store(home)
    facts = {"segmentation": json.dumps({"drops": dict(drops or {"": str(numbers)})})}
    table = pa.table({"number": pa.array(numbers, pa.int64())}).replace_schema_metadata(facts)
    with store.stage() as folder:
        pq.write_table(table, folder / "numbers.parquet")
        store.publish(folder / "numbers.parquet", store.file("numbers"))


def read(home: Path, table: str) -> pd.DataFrame:
    """All published rows, in order."""
    with builder(home) as build:
        frame = build.engine.execute(build.engine.read(build.registry[table]))
    return frame.sort_values(list(frame.columns), ignore_index=True)
