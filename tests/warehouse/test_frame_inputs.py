from __future__ import annotations

from datetime import date

import pandas as pd

from segmentation_assets.policy.model import load_policy
from segmentation_assets.tables.as_of import Spine
from segmentation_assets.tables.contracts import Dated, Snapshot, column
from segmentation_assets.tables.registry import Frame, Registry, Table, _spec_of
from segmentation_assets.warehouse.building import Builder
from segmentation_assets.warehouse.engine import Engine, open_connection
from segmentation_assets.warehouse.store import Store

DAYS = [date(2026, 5, 4), date(2026, 5, 5)]


class Wide(Snapshot):
    """A table with a column that a reader does not need."""

    needed: float = column("A figure.")
    bulky: str = column("Text.")

    class Config:
        unique = ["as_of"]


class Narrow(Dated):
    """The columns of `wide` that come into memory."""

    needed: float = column("A figure.")


class Doubled(Snapshot):
    """Twice the figure."""

    twice: float = column("A figure.")

    class Config:
        unique = ["as_of"]


def wide(spine: Table[Spine]) -> Table[Wide]:
    """A table."""
    return spine.select("as_of", needed=spine.as_of.day().cast("float64"), bulky=spine.as_of.cast("string"))


def doubled(spine: Frame[Spine], wide: Frame[Narrow]) -> Frame[Doubled]:
    """A frame function over frames."""
    assert isinstance(spine, pd.DataFrame)
    assert list(wide.columns) == ["as_of", "needed"]
    return wide[["as_of"]].assign(twice=wide["needed"] * 2)


def test_a_frame_function_gets_the_spine_as_a_frame_and_only_the_columns_it_names(tmp_path):
    registry = Registry()
    registry.add(_spec_of(wide, "test", {}, "as_of"))
    registry.add(_spec_of(doubled, "test", {}, "as_of"))
    store = Store(tmp_path)
    with open_connection(store) as connection:
        builder = Builder(Engine(connection, store), registry, load_policy())
        builder.ensure(["doubled"], DAYS)
        result = builder.engine.execute(builder.engine.read(registry["doubled"]).order_by("as_of"))
    assert result["twice"].tolist() == [8.0, 10.0]
